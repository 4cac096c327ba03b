import { type Bytes, concat, fromHex, toHex } from "../../crypto/bytes.ts";

/**
 * One change to bytes. All positions count from 0, in what the edits before have left; bytes are
 * in hexadecimal.
 */
export type Edit =
  /** Each byte from `at` on becomes itself XOR the byte given. */
  | { readonly at: number; readonly xor: string }
  /** The bytes from `at` on are replaced by as many others. */
  | { readonly at: number; readonly put: string }
  | { readonly at: number; readonly insert: string }
  /** So many bytes are taken out. */
  | { readonly at: number; readonly remove: number }
  /** Only the first so many bytes stay. */
  | { readonly keep: number };

/** `bytes` after `edits`, one after the other. Throws RangeError for a place that is not there. */
export function edited(bytes: Bytes, edits: readonly Edit[]): Bytes {
  return edits.reduce(apply, bytes);
}

/** Where `b` differs from `a`, which has the same size, as one edit. */
export function difference(a: Bytes, b: Bytes): Edit {
  if (a.length !== b.length) throw new RangeError("of different sizes");
  const from = a.findIndex((byte, i) => byte !== b[i]);
  const to = a.findLastIndex((byte, i) => byte !== b[i]);
  if (from < 0) throw new Error("there is no difference");
  return { at: from, put: toHex(b.subarray(from, to + 1)) };
}

function apply(bytes: Bytes, edit: Edit): Bytes {
  if ("keep" in edit) {
    check(bytes, 0, edit.keep);
    return bytes.slice(0, edit.keep);
  }
  const { at } = edit;
  if ("insert" in edit) {
    check(bytes, at, 0);
    return concat(bytes.subarray(0, at), fromHex(edit.insert), bytes.subarray(at));
  }
  if ("remove" in edit) {
    check(bytes, at, edit.remove);
    return concat(bytes.subarray(0, at), bytes.subarray(at + edit.remove));
  }
  const given = fromHex("xor" in edit ? edit.xor : edit.put);
  check(bytes, at, given.length);
  const out = bytes.slice();
  given.forEach((byte, i) => {
    out[at + i] = "xor" in edit ? (out[at + i] ?? 0) ^ byte : byte;
  });
  return out;
}

function check(bytes: Bytes, at: number, size: number): void {
  if (at < 0 || at + size > bytes.length) throw new RangeError(`no ${size} bytes at ${at}`);
}
