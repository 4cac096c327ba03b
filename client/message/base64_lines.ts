import type { Bytes } from "../../crypto/bytes.ts";

/** Bytes that one full line of base64 stands for. */
const LINE_BYTES = 57;
/** Characters of a full line (RFC 2045, section 6.8: at most 76). */
const LINE_CHARACTERS = 76;
const CR = 0x0d;
const LF = 0x0a;
const PADDING = 0x3d;

const ALPHABET = new TextEncoder().encode(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
);

/** Bytes of the base64 of `size` bytes in lines of 76 characters with CRLF between them. */
export function base64LinesSize(size: number): number {
  const breaks = Math.max(0, Math.ceil(size / LINE_BYTES) - 1);
  return 4 * Math.ceil(size / 3) + 2 * breaks;
}

/**
 * Base64 for a MIME body, a piece at a time: lines of 76 characters, CRLF between them and none
 * after the last. The output does not depend on how the input is cut.
 */
export class Base64Lines {
  /** The bytes of a line that is not full yet. */
  #rest = new Uint8Array(LINE_BYTES);
  #restLength = 0;
  #first = true;

  /** The lines that `chunk` makes full. */
  update(chunk: Uint8Array): Bytes {
    const lines = Math.floor((this.#restLength + chunk.length) / LINE_BYTES);
    const out = new Uint8Array(lines * (LINE_CHARACTERS + 2));
    let to = 0;
    let from = 0;
    if (this.#restLength > 0) {
      from = Math.min(LINE_BYTES - this.#restLength, chunk.length);
      this.#rest.set(chunk.subarray(0, from), this.#restLength);
      this.#restLength += from;
      if (this.#restLength < LINE_BYTES) return out;
      to = this.#line(this.#rest, 0, LINE_BYTES, out, to);
      this.#restLength = 0;
    }
    for (; from + LINE_BYTES <= chunk.length; from += LINE_BYTES) {
      to = this.#line(chunk, from, from + LINE_BYTES, out, to);
    }
    this.#rest.set(chunk.subarray(from));
    this.#restLength = chunk.length - from;
    return out.subarray(0, to);
  }

  /** The last line. */
  finish(): Bytes {
    if (this.#restLength === 0) return new Uint8Array(0);
    const out = new Uint8Array(2 + LINE_CHARACTERS);
    return out.subarray(0, this.#line(this.#rest, 0, this.#restLength, out, 0));
  }

  #line(bytes: Uint8Array, from: number, end: number, out: Bytes, to: number): number {
    if (!this.#first) {
      out[to++] = CR;
      out[to++] = LF;
    }
    this.#first = false;
    for (; from + 2 < end; from += 3) {
      const three = ((bytes[from] ?? 0) << 16) | ((bytes[from + 1] ?? 0) << 8) |
        (bytes[from + 2] ?? 0);
      out[to++] = ALPHABET[three >>> 18] ?? 0;
      out[to++] = ALPHABET[(three >>> 12) & 63] ?? 0;
      out[to++] = ALPHABET[(three >>> 6) & 63] ?? 0;
      out[to++] = ALPHABET[three & 63] ?? 0;
    }
    if (from < end) {
      const two = ((bytes[from] ?? 0) << 8) | (from + 1 < end ? bytes[from + 1] ?? 0 : 0);
      out[to++] = ALPHABET[two >>> 10] ?? 0;
      out[to++] = ALPHABET[(two >>> 4) & 63] ?? 0;
      out[to++] = from + 1 < end ? ALPHABET[(two << 2) & 63] ?? 0 : PADDING;
      out[to++] = PADDING;
    }
    return to;
  }
}
