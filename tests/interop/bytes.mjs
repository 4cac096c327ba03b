// @ts-check
// Section 1: integers, LP, padding, UTF-8, base64.

import { Buffer } from "node:buffer";
import { Failure } from "./error.mjs";

/** @typedef {Uint8Array<ArrayBufferLike>} Bytes */

/** @type {Bytes} */
export const NONE = new Uint8Array(0);

/** @param {...Bytes} parts @returns {Bytes} */
export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * `n` in `size` bytes, big-endian.
 *
 * @param {number} n @param {number} size @returns {Bytes}
 */
function integer(n, size) {
  if (!Number.isSafeInteger(n) || n < 0 || n >= 256 ** size) {
    throw new RangeError(`${n} does not fit ${size} bytes`);
  }
  const bytes = new Uint8Array(size);
  for (let i = size - 1, rest = n; i >= 0; i--, rest = Math.floor(rest / 256)) {
    bytes[i] = rest % 256;
  }
  return bytes;
}

/** @param {number} n */
export const u8 = (n) => integer(n, 1);
/** @param {number} n */
export const u16 = (n) => integer(n, 2);
/** @param {number} n */
export const u24 = (n) => integer(n, 3);
/** @param {number} n */
export const u32 = (n) => integer(n, 4);
/** @param {number} n */
export const u64 = (n) => integer(n, 8);

/** @param {Bytes} bytes @returns {Bytes} */
export const lp = (bytes) => concat(u32(bytes.length), bytes);

/** @param {number} size @param {Bytes} bytes @returns {Bytes} */
export function pad(size, bytes) {
  if (bytes.length > size) throw new RangeError(`${bytes.length} bytes do not fit ${size}`);
  const padded = new Uint8Array(size);
  padded.set(bytes);
  return padded;
}

/** @param {string} text @returns {Bytes} */
export const utf8 = (text) => new TextEncoder().encode(text);

/** @param {Bytes} bytes @param {string} [code] */
export function fromUtf8(bytes, code = "format") {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Failure(code, "a text is not UTF-8", cause);
  }
}

/** @param {Bytes} bytes */
export const toHex = (bytes) => Buffer.from(bytes).toString("hex");

/** @param {string} text @returns {Bytes} */
export function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Failure("format", "not lower-case hexadecimal");
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** @param {Bytes} bytes */
export const toBase64 = (bytes) => Buffer.from(bytes).toString("base64");

/**
 * Canonical base64 only.
 *
 * @param {string} text @param {string} [code] @returns {Bytes}
 */
export function fromBase64(text, code = "format") {
  const bytes = new Uint8Array(Buffer.from(text, "base64"));
  if (toBase64(bytes) !== text) throw new Failure(code, "not canonical base64");
  return bytes;
}

/** @param {Bytes} a @param {Bytes} b */
export const equal = (a, b) => Buffer.compare(a, b) === 0;

/** @param {Bytes} bytes */
export const isZero = (bytes) => bytes.every((byte) => byte === 0);

/** Takes bytes apart from the start; what does not fit throws a {@linkcode Failure}. */
export class Reader {
  #at = 0;

  /** @param {Bytes} bytes @param {string} [code] of the failures */
  constructor(bytes, code = "format") {
    this.bytes = bytes;
    this.code = code;
  }

  get left() {
    return this.bytes.length - this.#at;
  }

  /** @param {number} size @returns {Bytes} */
  take(size) {
    if (size > this.left) throw new Failure(this.code, "a part runs past the end");
    const part = this.bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return part;
  }

  /** @param {number} size */
  #integer(size) {
    let n = 0;
    for (const byte of this.take(size)) n = n * 256 + byte;
    if (!Number.isSafeInteger(n)) throw new Failure(this.code, "an integer is above 2^53 - 1");
    return n;
  }

  u8() {
    return this.#integer(1);
  }

  u16() {
    return this.#integer(2);
  }

  u24() {
    return this.#integer(3);
  }

  u32() {
    return this.#integer(4);
  }

  u64() {
    return this.#integer(8);
  }

  lp() {
    return this.take(this.u32());
  }

  /** All that is left must be zero. */
  padding() {
    if (!isZero(this.take(this.left))) throw new Failure(this.code, "padding that is not zero");
  }

  end() {
    if (this.left > 0) throw new Failure(this.code, `${this.left} bytes too many`);
  }
}
