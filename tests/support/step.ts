/** One step; after one that failed the others are not tried. */
export async function step(
  t: Deno.TestContext,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  if (!await t.step(name, work)) throw new Error(`the steps after "${name}" were not tried`);
}
