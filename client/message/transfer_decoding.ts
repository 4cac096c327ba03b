import { type Bytes, concat } from "../../crypto/bytes.ts";
import { LineReader } from "./line_reader.ts";
import { decodeUuLine, isUuEnd, readUuBegin } from "./uuencode.ts";

/**
 * Undoes a Content-Transfer-Encoding (RFC 2045, section 6) a piece at a time, in memory that does not
 * grow with the input; what comes out does not depend on how it is cut. Nothing is an error: input that
 * is plainly not in the encoding is passed on as it is, what stands behind its end is kept, and what
 * follows no rule within it is left out (base64) or kept as it is (quoted-printable).
 */
export interface TransferDecoder {
  /** What the next `chunk` adds. */
  update(chunk: Uint8Array): Bytes;
  /** What the end of the input adds. */
  finish(): Bytes;
  /** What stood behind the end of the encoded data, at most {@linkcode MAX_REST} bytes of it. */
  readonly rest: Bytes;
  /** Whether the input was plainly in another encoding, or none. */
  readonly mislabelled: boolean;
}

/** The most that is kept of what stands behind the end of encoded data, bytes. */
export const MAX_REST = 64 * 1024;

/** The decoder for a Content-Transfer-Encoding, in lower case. */
export function transferDecoder(encoding: string): TransferDecoder {
  switch (encoding) {
    case "base64":
      return new Base64Decoder();
    case "quoted-printable":
      return new QuotedPrintableDecoder();
    case "uuencode":
    case "uue":
    case "x-uuencode":
    case "x-uue":
      return new UuDecoder();
    default:
      return {
        update: (chunk) => new Uint8Array(chunk),
        finish: () => NOTHING,
        rest: NOTHING,
        mislabelled: !["", "7bit", "8bit", "binary"].includes(encoding),
      };
  }
}

const NOTHING = new Uint8Array(0);
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

/** Collects what comes behind the end of encoded data. */
class Rest {
  #pieces: Bytes[] = [];
  #room = MAX_REST;

  add(bytes: Uint8Array): void {
    if (this.#room === 0) return;
    const piece = bytes.slice(0, this.#room);
    this.#room -= piece.length;
    this.#pieces.push(piece);
  }

  get bytes(): Bytes {
    return concat(...this.#pieces);
  }
}

/** Where a decoder writes, which has room for as much as it reads. */
interface Output {
  readonly bytes: Bytes;
  size: number;
}

/**
 * Decodes lines: those at the beginning are looked at before it is decided whether they are in the
 * encoding at all, and those behind the end of the data are no part of it.
 */
abstract class LineDecoder implements TransferDecoder {
  readonly #lines = new LineReader();
  readonly #rest = new Rest();
  #state: "undecided" | "data" | "behind" | "mislabelled" = "undecided";
  /** Lines that are not decided on, and those of them that are not blank. */
  #held: Bytes[] = [];
  #telling: Bytes[] = [];
  #heldSize = 0;

  get rest(): Bytes {
    return this.#rest.bytes;
  }

  get mislabelled(): boolean {
    return this.#state === "mislabelled";
  }

  update(chunk: Uint8Array): Bytes {
    const output = this.#output(chunk.length);
    for (const line of this.#lines.push(chunk)) this.#take(line, output);
    return output.bytes.subarray(0, output.size);
  }

  finish(): Bytes {
    const output = this.#output(0);
    for (const line of this.#lines.finish()) this.#take(line, output);
    if (this.#state === "undecided") this.#decide(this.begins(this.#telling, true) ?? true, output);
    if (this.#state !== "mislabelled") this.end(output);
    return output.bytes.subarray(0, output.size);
  }

  /**
   * Whether input whose first lines that are not blank are `lines` is in the encoding; null if more of
   * them are needed to say. `all` is set if there are no more.
   */
  protected abstract begins(lines: readonly Bytes[], all: boolean): boolean | null;

  /**
   * Decodes a line with its line end. Returns how many of its bytes are data: what is behind them, and
   * all lines that follow, is not.
   */
  protected abstract decode(line: Uint8Array, output: Output): number;

  /** Writes what the end of the data adds. */
  protected abstract end(output: Output): void;

  /** Room for `more` bytes, what is held, and what base64 holds of three bytes. */
  #output(more: number): Output {
    return { bytes: new Uint8Array(this.#lines.held + this.#heldSize + more + 3), size: 0 };
  }

  #take(line: Uint8Array, output: Output): void {
    if (this.#state !== "undecided") return this.#decided(line, output);
    const copy = line.slice();
    this.#held.push(copy);
    this.#heldSize += copy.length;
    if (!isBlank(copy)) this.#telling.push(copy);
    const encoded = this.#heldSize > MAX_REST ? false : this.begins(this.#telling, false);
    if (encoded !== null) this.#decide(encoded, output);
  }

  #decide(encoded: boolean, output: Output): void {
    this.#state = encoded ? "data" : "mislabelled";
    for (const line of this.#held) this.#decided(line, output);
    this.#held = [];
    this.#telling = [];
    this.#heldSize = 0;
  }

  #decided(line: Uint8Array, output: Output): void {
    if (this.#state === "mislabelled") {
      output.bytes.set(line, output.size);
      output.size += line.length;
      return;
    }
    const taken = this.#state === "data" ? this.decode(line, output) : 0;
    if (taken === line.length) return;
    this.#state = "behind";
    this.#rest.add(line.subarray(taken));
  }
}

class Base64Decoder extends LineDecoder {
  #bits = 0;
  /** Characters in `#bits`, 0 to 3. */
  #count = 0;
  /** Whether the padding that ends the data was read (RFC 2045, section 6.8). */
  #padded = false;

  protected begins(lines: readonly Bytes[], all: boolean): boolean | null {
    const [first, second] = lines.map(lookAt);
    if (!first) return all ? true : null;
    if (first.isProse) return false;
    if (first.size % 4 === 0) return true;
    // A word may look like base64, but a text seldom goes on so.
    if (second) return !second.isProse;
    return all ? first.size % 4 !== 1 : null;
  }

  protected decode(line: Uint8Array, output: Output): number {
    const { bytes } = output;
    let to = output.size;
    let bits = this.#bits;
    let count = this.#count;
    let end = line.length;
    if (this.#padded ? !isMore(line) : lookAt(line).isProse) return 0;
    for (let i = 0; i < line.length; i++) {
      const byte = line[i] ?? 0;
      const value = VALUES[byte] ?? NONE;
      if (value !== NONE) {
        if (this.#padded && !isMore(line.subarray(i))) {
          end = i;
          break;
        }
        this.#padded = false;
        bits = (bits << 6) | value;
        if (++count === 4) {
          bytes[to++] = bits >>> 16;
          bytes[to++] = bits >>> 8;
          bytes[to++] = bits;
          bits = 0;
          count = 0;
        }
      } else if (byte === EQUALS) {
        to = last(bytes, to, bits, count);
        bits = 0;
        count = 0;
        this.#padded = true;
      }
    }
    this.#bits = bits;
    this.#count = count;
    output.size = to;
    return end;
  }

  protected end(output: Output): void {
    output.size = last(output.bytes, output.size, this.#bits, this.#count);
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

/** What a line is made of, without the white space around it. */
interface Looks {
  /** Bytes, without those that base64 does not have. */
  readonly size: number;
  /** Whether it is plainly no base64, although some of what is may be damaged. */
  readonly isProse: boolean;
}

function lookAt(line: Uint8Array): Looks {
  let from = 0;
  let to = line.length;
  while (from < to && isSpace(line[from] ?? 0)) from++;
  while (to > from && isSpace(line[to - 1] ?? 0)) to--;
  let others = 0;
  let words = 1;
  for (let i = from; i < to; i++) {
    const byte = line[i] ?? 0;
    if (VALUES[byte] !== NONE || byte === EQUALS) continue;
    if (isSpace(byte)) words++;
    else others++;
  }
  return { size: to - from - others, isProse: words > 1 || 8 * others >= to - from && to > from };
}

/** Whether what follows padding is base64 with padding of its own, as some programs write it. */
function isMore(line: Uint8Array): boolean {
  let end = line.length;
  while (end > 0 && isSpace(line[end - 1] ?? 0)) end--;
  const { size, isProse } = lookAt(line);
  return end === 0 || !isProse && size % 4 === 0 && line[end - 1] === EQUALS;
}

function isBlank(line: Uint8Array): boolean {
  return line.every(isSpace);
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === CR || byte === LF;
}

class UuDecoder extends LineDecoder {
  #began = false;
  #ended = false;

  protected begins(lines: readonly Bytes[], all: boolean): boolean | null {
    const [first] = lines;
    if (!first) return all ? true : null;
    return readUuBegin(first) !== null;
  }

  protected decode(line: Uint8Array, output: Output): number {
    const blank = isBlank(line);
    if (this.#ended) return blank ? line.length : 0;
    if (!this.#began || blank) {
      this.#began ||= !blank;
      return line.length;
    }
    if (isUuEnd(line)) {
      this.#ended = true;
      return line.length;
    }
    const decoded = decodeUuLine(line);
    if (decoded === null) return 0;
    output.bytes.set(decoded, output.size);
    output.size += decoded.length;
    return line.length;
  }

  protected end(): void {}
}

/** The most white space that is held back to see whether its line ends there, bytes. */
const MAX_HELD = 998;

class QuotedPrintableDecoder implements TransferDecoder {
  readonly rest = NOTHING;
  readonly mislabelled = false;

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
