import type { Bytes } from "../../crypto/bytes.ts";

/**
 * Undoes a Content-Transfer-Encoding (RFC 2045, section 6) a piece at a time, in memory that does
 * not grow with the input. Nothing is an error: what follows no rule is left out (base64) or kept as
 * it is (quoted-printable), as mail programs do.
 */
export interface TransferDecoder {
  /** What the next `chunk` adds. */
  update(chunk: Uint8Array): Bytes;
  /** What the end of the input adds. */
  finish(): Bytes;
}

/** The decoder for the value of a Content-Transfer-Encoding header, in lower case. */
export function transferDecoder(encoding: string): TransferDecoder {
  switch (encoding) {
    case "base64":
      return new Base64Decoder();
    case "quoted-printable":
      return new QuotedPrintableDecoder();
    default:
      return { update: (chunk) => new Uint8Array(chunk), finish: () => new Uint8Array(0) };
  }
}

const NONE = 0xff;
const VALUES = new Uint8Array(256).fill(NONE);
for (
  const [value, character] of [
    ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
  ].entries()
) {
  VALUES[character.charCodeAt(0)] = value;
}
const EQUALS = 0x3d;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

class Base64Decoder implements TransferDecoder {
  #bits = 0;
  /** Characters in `#bits`, 0 to 3. */
  #count = 0;

  update(chunk: Uint8Array): Bytes {
    const out = new Uint8Array(Math.ceil((chunk.length + 3) / 4) * 3);
    let to = 0;
    let bits = this.#bits;
    let count = this.#count;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      const value = VALUES[byte] ?? NONE;
      if (value !== NONE) {
        bits = (bits << 6) | value;
        if (++count === 4) {
          out[to++] = bits >>> 16;
          out[to++] = bits >>> 8;
          out[to++] = bits;
          bits = 0;
          count = 0;
        }
      } else if (byte === EQUALS) {
        to = last(out, to, bits, count);
        bits = 0;
        count = 0;
      }
    }
    this.#bits = bits;
    this.#count = count;
    return out.subarray(0, to);
  }

  finish(): Bytes {
    const out = new Uint8Array(3);
    return out.subarray(0, last(out, 0, this.#bits, this.#count));
  }
}

/** Writes the bytes of the last 0, 2 or 3 characters before padding or the end. */
function last(out: Bytes, to: number, bits: number, count: number): number {
  if (count === 2) out[to++] = bits >>> 4;
  if (count === 3) {
    out[to++] = bits >>> 10;
    out[to++] = bits >>> 2;
  }
  return to;
}

/** The most white space that is held back to see whether its line ends there, bytes. */
const MAX_HELD = 998;

class QuotedPrintableDecoder implements TransferDecoder {
  /** White space that counts only if something follows it in its line. */
  #held: number[] = [];
  /** `=` was read; then the first digit, or the white space of a soft line break. */
  #escape: "" | "=" | "digit" | "soft" = "";
  #digit = 0;

  update(chunk: Uint8Array): Bytes {
    // A byte gives at most itself, and what was held back: white space, or `=` and a digit.
    const out = new Uint8Array(chunk.length + this.#held.length + 2);
    let to = 0;
    const put = (byte: number) => {
      for (const held of this.#held) out[to++] = held;
      if (this.#held.length > 0) this.#held = [];
      out[to++] = byte;
    };
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if (this.#escape !== "" && this.#escaped(byte, put)) continue;
      if (byte === EQUALS) {
        this.#escape = "=";
      } else if (byte === CR || byte === LF) {
        this.#held = [];
        out[to++] = byte;
      } else if ((byte === SPACE || byte === TAB) && this.#held.length < MAX_HELD) {
        this.#held.push(byte);
      } else {
        put(byte);
      }
    }
    return out.subarray(0, to);
  }

  /** Takes `byte` as part of what began with `=`; false if it is not part of that. */
  #escaped(byte: number, put: (byte: number) => void): boolean {
    if (this.#escape === "digit") {
      this.#escape = "";
      const low = hexValue(byte);
      if (low !== NONE) {
        put(16 * hexValue(this.#digit) + low);
        return true;
      }
      put(EQUALS);
      put(this.#digit);
      return false;
    }
    if (byte === LF) {
      // A soft line break: the line goes on, and so does its white space.
      this.#escape = "";
      return true;
    }
    if (byte === CR || byte === SPACE || byte === TAB) {
      this.#escape = "soft";
      return true;
    }
    if (this.#escape === "=" && hexValue(byte) !== NONE) {
      this.#escape = "digit";
      this.#digit = byte;
      return true;
    }
    this.#escape = "";
    put(EQUALS);
    return false;
  }

  finish(): Bytes {
    if (this.#escape === "digit") return new Uint8Array([...this.#held, EQUALS, this.#digit]);
    return new Uint8Array(0);
  }
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : NONE;
}
