// `deno task test` is for whoever changes something and waits for it: it touches everything that is
// tested, and leaves out much of what takes long. With SEALPOST_TESTS=full, as in .ci/run, nothing is
// left out.

import { testUnless } from "./testing.ts";

/** Whether everything is tested. */
export const FULL = Deno.env.get("SEALPOST_TESTS") === "full";

/** Declares a test that only runs in full, since shorter ones touch what it is about. */
export function testInFull(
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  testInFullUnless(null, name, fn);
}

/** {@linkcode testUnless} for a test that only runs in full. */
export function testInFullUnless(...test: Parameters<typeof testUnless>): void {
  if (FULL) testUnless(...test);
}

/** A step that only runs in full. No step after it may need it. */
export async function stepInFull(
  t: Deno.TestContext,
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): Promise<void> {
  if (FULL) await t.step(name, fn);
}

/** All of `cases` in full, else the first of each `of`. */
export function sampleOf<T>(cases: readonly T[], of: number): T[] {
  return cases.filter((_, i) => FULL || i % of === 0);
}
