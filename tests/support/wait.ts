/** Asks again and again until the answer is not null; throws after half a minute. */
export async function waitFor<T>(
  what: string,
  ask: () => T | null | Promise<T | null>,
): Promise<T> {
  const end = performance.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
