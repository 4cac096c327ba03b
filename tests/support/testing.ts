import { assertRejects, assertThrows } from "@std/assert";
import { type Bytes, fromHex, random } from "../../crypto/bytes.ts";
import { type ErrorCode, isSealpostError, SealpostError } from "../../crypto/error.ts";

/** A test that is reported as ignored, with the reason in its name, if there is a reason. */
export function testUnless(
  reason: string | null,
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): void {
  if (reason === null) Deno.test(name, fn);
  else Deno.test({ name: `${name} (not run: ${reason})`, ignore: true, fn });
}

/** Asserts that `fn` throws a SealpostError of this code, whose message is one line; gives it back. */
export function assertRefused(code: ErrorCode, fn: () => unknown): SealpostError {
  return check(code, assertThrows(fn));
}

/** {@linkcode assertRefused} for a promise. */
export async function assertRefusedAsync(
  code: ErrorCode,
  fn: () => Promise<unknown>,
): Promise<void> {
  check(code, await assertRejects(fn));
}

function check(code: ErrorCode, error: unknown): SealpostError {
  if (!isSealpostError(error)) {
    throw new Error(`expected a SealpostError ${code}`, { cause: error });
  }
  if (error.code !== code) throw new Error(`expected ${code}, got ${error.code}`, { cause: error });
  if (/[\r\n]/.test(error.message)) throw new Error("a message of several lines");
  return error;
}

/** `b` with one bit flipped. */
export function flip(b: Bytes, index: number, bit = 0): Bytes {
  const copy = b.slice();
  copy[index] = (copy[index] ?? 0) ^ (1 << bit);
  return copy;
}

/** True if `fn` returns, false if it throws a SealpostError of this code; other errors pass. */
export function accepts(code: ErrorCode, fn: () => unknown): boolean {
  try {
    fn();
    return true;
  } catch (error) {
    if (error instanceof SealpostError && error.code === code) return false;
    throw error;
  }
}

/** A modulus that is right but for having no known factors: odd, and exactly `bits` long. */
export function modulus(bits: number): Bytes {
  const n = random(Math.ceil(bits / 8));
  const top = (bits - 1) % 8;
  n[0] = ((n[0] ?? 0) & ((1 << top) - 1)) | (1 << top);
  n[n.length - 1] = (n.at(-1) ?? 0) | 1;
  return n;
}

/** Hexadecimal, in which blanks and line ends are ignored. */
export function hex(text: string): Bytes {
  return fromHex(text.replace(/\s/g, ""));
}
