import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Outcome } from "./program.ts";

/** What a program printed, which must have succeeded. */
export function ok({ code, stdout, stderr }: Outcome): string {
  assertEquals(code, 0, stderr);
  return stdout;
}

/** Asserts one line on standard error with `text`, this exit code, and nothing on standard output. */
export function refused(
  { code, stdout, stderr }: Outcome,
  expected: number,
  text: string,
): void {
  assertEquals([code, stdout], [expected, ""], stderr);
  assertMatch(stderr, /^[^\n]+\n$/);
  assertStringIncludes(stderr, text);
}
