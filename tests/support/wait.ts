/**
 * How long something may take that a test waits for before the test fails, milliseconds: far longer
 * than it takes on a machine that is busy with other things.
 */
export const PATIENCE = 120_000;

/** Asks again and again until the answer is not null; throws after {@linkcode PATIENCE}. */
export async function waitFor<T>(
  what: string,
  ask: () => T | null | Promise<T | null>,
): Promise<T> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
