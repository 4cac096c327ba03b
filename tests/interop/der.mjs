// @ts-check
// Section 3.3: strict DER.

import { concat, fromHex, NONE, toHex } from "./bytes.mjs";
import { Failure } from "./error.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */

const INTEGER = 0x02,
  BIT_STRING = 0x03,
  OCTETS = 0x04,
  NULL = 0x05,
  OID = 0x06,
  SEQUENCE = 0x30;

/** @param {number} tag @param {...Bytes} contents @returns {Bytes} */
function write(tag, ...contents) {
  const value = concat(...contents);
  let length = Uint8Array.of(value.length);
  if (value.length > 0x7f) {
    const hex = value.length.toString(16);
    const bytes = fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
    length = Uint8Array.of(0x80 | bytes.length, ...bytes);
  }
  return concat(Uint8Array.of(tag), length, value);
}

/** @param {...Bytes} parts */
export const sequence = (...parts) => write(SEQUENCE, ...parts);
/** @param {string} hex the encoded identifier */
export const oid = (hex) => write(OID, fromHex(hex));
/** @param {Bytes} bytes */
export const octets = (bytes) => write(OCTETS, bytes);
/** @param {Bytes} bytes */
export const bitString = (bytes) => write(BIT_STRING, Uint8Array.of(0), bytes);
export const nothing = write(NULL, NONE);

/** @param {bigint} n not negative */
export function integer(n) {
  let hex = n.toString(16);
  if (hex.length % 2 === 1) hex = `0${hex}`;
  return write(INTEGER, fromHex(/^[89a-f]/.test(hex) ? `00${hex}` : hex));
}

/** Reads DER from the start; all that it refuses is `key-format`. */
export class Der {
  #at = 0;

  /** @param {Bytes} bytes */
  constructor(bytes) {
    this.bytes = bytes;
  }

  /** The next byte, not taken; undefined at the end. */
  get next() {
    return this.bytes[this.#at];
  }

  /** @param {number} size */
  #take(size) {
    if (this.#at + size > this.bytes.length) throw refusal("a value runs past the end");
    const part = this.bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return part;
  }

  #byte() {
    return this.#take(1)[0] ?? 0;
  }

  /** @param {number} tag */
  #read(tag) {
    if (this.#byte() !== tag) throw refusal("another type than expected");
    let length = this.#byte();
    if (length > 0x7f) {
      const size = length & 0x7f;
      if (size === 0 || size > 3) throw refusal("a length that is not definite, or too large");
      const bytes = this.#take(size);
      length = parseInt(toHex(bytes), 16);
      if (bytes[0] === 0 || length < 0x80) throw refusal("a length not in its shortest form");
    }
    return this.#take(length);
  }

  sequence() {
    return new Der(this.#read(SEQUENCE));
  }

  octets() {
    return this.#read(OCTETS);
  }

  bitString() {
    const value = this.#read(BIT_STRING);
    if (value[0] !== 0) throw refusal("a bit string with unused bits");
    return value.subarray(1);
  }

  /** The encoded identifier in hexadecimal. */
  oid() {
    return toHex(this.#read(OID));
  }

  nothing() {
    if (this.#read(NULL).length !== 0) throw refusal("a NULL that is not empty");
  }

  integer() {
    const value = this.#read(INTEGER);
    const [first, second] = value;
    if (first === undefined || first > 0x7f) throw refusal("an integer that is negative or empty");
    if (first === 0 && second !== undefined && second < 0x80) {
      throw refusal("an integer not in its shortest form");
    }
    return BigInt(`0x${toHex(value)}`);
  }

  end() {
    if (this.#at !== this.bytes.length) throw refusal("something stands after the end");
  }
}

/** @param {string} message */
function refusal(message) {
  return new Failure("key-format", `a key in DER: ${message}`);
}
