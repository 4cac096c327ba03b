// @ts-check
// Section 7: one direction of the records.

import { concat, NONE, u24, utf8 } from "./bytes.mjs";
import { Failure } from "./error.mjs";
import { counterNonce, hkdf, open, seal } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */

/** The sizes that a record's length can say. */
const MIN = 17, MAX = 65_552;

/** The size that the first three bytes of a record give. Throws `protocol`. @param {Bytes} head */
export function recordSize([a = 0, b = 0, c = 0]) {
  const size = a << 16 | b << 8 | c;
  if (size < MIN || size > MAX) throw new Failure("protocol", `a record of ${size} bytes`);
  return size;
}

/** Seals, or opens, the records of one direction. */
export class Records {
  #key;
  #number;
  #failed = false;

  /** @param {Bytes} key @param {number} [number] of the next record, where it is not the first */
  constructor(key, number = 0) {
    this.#key = key;
    this.#number = number;
  }

  /** The key and the nonce of the next record. */
  #next() {
    if (this.#number > 0 && this.#number % 2 ** 20 === 0) {
      this.#key = hkdf(this.#key, NONE, utf8("sealpost/1 rekey"), 32);
    }
    return { key: this.#key, nonce: counterNonce(this.#number++) };
  }

  /** A whole record. @param {Bytes} plaintext 1 to 65,536 bytes @returns {Bytes} */
  seal(plaintext) {
    const head = u24(plaintext.length + 16);
    const { key, nonce } = this.#next();
    return concat(head, seal(key, nonce, plaintext, head));
  }

  /** The plaintext of a record. @param {Bytes} head @param {Bytes} ciphertext @returns {Bytes} */
  open(head, ciphertext) {
    if (this.#failed) throw new Failure("protocol", "a record after one that failed");
    const { key, nonce } = this.#next();
    try {
      return open(key, nonce, ciphertext, head);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }
}
