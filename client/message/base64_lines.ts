import { type Bytes, concat, toBase64, utf8 } from "../../crypto/bytes.ts";

/** Bytes that a full line stands for: 76 characters (RFC 2045, section 6.8: at most so many). */
const LINE_BYTES = 57;
const LINE_CHARACTERS = 76;

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
  #rest: Bytes = new Uint8Array(0);
  #first = true;

  /** The lines that `chunk` makes full. */
  update(chunk: Uint8Array): Bytes {
    const bytes = concat(this.#rest, chunk);
    const full = bytes.length - bytes.length % LINE_BYTES;
    this.#rest = bytes.slice(full);
    return this.#lines(bytes.subarray(0, full));
  }

  /** The last line. */
  finish(): Bytes {
    return this.#lines(this.#rest);
  }

  #lines(bytes: Bytes): Bytes {
    const text = toBase64(bytes);
    let out = "";
    for (let at = 0; at < text.length; at += LINE_CHARACTERS) {
      if (!this.#first) out += "\r\n";
      this.#first = false;
      out += text.slice(at, at + LINE_CHARACTERS);
    }
    return utf8(out);
  }
}
