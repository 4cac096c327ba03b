import { SealpostError } from "./error.ts";

/** Bytes that own an ordinary `ArrayBuffer`, as `crypto.subtle` wants them. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** All of `parts`, one after the other, in a new array. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** `x` itself if it owns an ordinary `ArrayBuffer`, else a copy that does. */
export function owned(x: Uint8Array): Bytes {
  return x.buffer instanceof ArrayBuffer ? x as Bytes : new Uint8Array(x);
}

/** `n` as 2 bytes, big-endian. Throws RangeError outside 0 to 65,535. */
export function u16(n: number): Bytes {
  if (!Number.isInteger(n) || n < 0 || n > 0xffff) throw new RangeError("u16 out of range");
  return new Uint8Array([n >>> 8, n & 0xff]);
}

/** `n` as 4 bytes, big-endian. Throws RangeError outside 0 to 2^32 - 1. */
export function u32(n: number): Bytes {
  if (!Number.isInteger(n) || n < 0 || n > 0xffffffff) throw new RangeError("u32 out of range");
  return new Uint8Array([n >>> 24, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff]);
}

/** `n` as 8 bytes, big-endian. Throws RangeError outside 0 to 2^53 - 1. */
export function u64(n: number): Bytes {
  if (!Number.isSafeInteger(n) || n < 0) throw new RangeError("u64 out of range");
  return concat(u32(Math.floor(n / 0x100000000)), u32(n % 0x100000000));
}

/** The 2-byte big-endian integer at `at`. Throws `format` if the bytes are not there. */
export function readU16(b: Uint8Array, at: number): number {
  return byteAt(b, at) * 0x100 + byteAt(b, at + 1);
}

/** The 4-byte big-endian integer at `at`. Throws `format` if the bytes are not there. */
export function readU32(b: Uint8Array, at: number): number {
  return readU16(b, at) * 0x10000 + readU16(b, at + 2);
}

/** The 8-byte big-endian integer at `at`. Throws `format` over 2^53 - 1 or if the bytes are not there. */
export function readU64(b: Uint8Array, at: number): number {
  const n = readU32(b, at) * 0x100000000 + readU32(b, at + 4);
  if (!Number.isSafeInteger(n)) throw new SealpostError("format", "an integer is out of range");
  return n;
}

function byteAt(b: Uint8Array, at: number): number {
  const value = b[at];
  if (value === undefined) throw new SealpostError("format", "the data ends too early");
  return value;
}

/** `LP(x)`: a 4-byte big-endian length, then x. */
export function lp(x: Uint8Array): Bytes {
  return concat(u32(x.length), x);
}

/** The UTF-8 form of `text`. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** The text whose UTF-8 form is `bytes`. Throws `format` if they are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new SealpostError("format", "text that is not UTF-8", { cause });
  }
}

/** Whether `a` and `b` are the same; the time taken depends on their lengths only. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let different = 0;
  for (let i = 0; i < a.length; i++) different |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return different === 0;
}

/** Whether every byte of `b` is zero; the time taken depends on its length only. */
export function isZero(b: Uint8Array): boolean {
  let any = 0;
  for (let i = 0; i < b.length; i++) any |= b[i] ?? 0;
  return any === 0;
}

/** Lower-case hexadecimal of `b`. */
export function toHex(b: Uint8Array): string {
  return b.toHex();
}

/** The bytes that `text` spells in hexadecimal (either case). Throws `format` otherwise. */
export function fromHex(text: string): Bytes {
  try {
    return Uint8Array.fromHex(text);
  } catch (cause) {
    throw new SealpostError("format", "text that is not hexadecimal", { cause });
  }
}

/** Base64 of `b` with padding (RFC 4648, section 4). */
export function toBase64(b: Uint8Array): string {
  return b.toBase64();
}

/** The bytes of canonical padded base64 (RFC 4648, section 4). Throws `format` otherwise. */
export function fromBase64(text: string): Bytes {
  let bytes: Bytes;
  try {
    bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch (cause) {
    throw new SealpostError("format", "text that is not base64", { cause });
  }
  // The runtime takes white space; we take one spelling only.
  if (bytes.toBase64() !== text) throw new SealpostError("format", "base64 that is not canonical");
  return bytes;
}

/** `n` random bytes from the system's generator. */
export function random(n: number): Bytes {
  const out = new Uint8Array(n);
  for (let i = 0; i < n; i += 65536) crypto.getRandomValues(out.subarray(i, i + 65536));
  return out;
}

/** Smaller buffers are left to the garbage collector, bytes. */
const WORTH_RELEASING = 4096;

/**
 * Gives the memory of large buffers back at once: they pile up until garbage is collected otherwise, as
 * many as fit into tens of megabytes. Nobody may use them any more: they have no bytes then. What is a
 * part of a larger buffer is left alone.
 */
export function free(...buffers: readonly Bytes[]): void {
  for (const { buffer, byteLength } of buffers) {
    if (byteLength >= WORTH_RELEASING && byteLength === buffer.byteLength) buffer.transfer(0);
  }
}

/**
 * The pieces of `source`, each of which is freed once the next is asked for: for whoever has used a piece
 * by then, and of a source that does not look at one again.
 */
export async function* passing(
  source: AsyncIterable<Bytes> | Iterable<Bytes>,
): AsyncGenerator<Bytes, void, undefined> {
  for await (const piece of source) {
    yield piece;
    free(piece);
  }
}

/** Overwrites each of `buffers` with zeros, where the language lets us forget. */
export function wipe(...buffers: readonly Uint8Array[]): void {
  for (const b of buffers) b.fill(0);
}
