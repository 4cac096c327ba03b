import { type Bytes, concat } from "./bytes.ts";
import { SealpostError } from "./error.ts";

/** The tags used in keys (ITU-T X.690). */
export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  sequence: 0x30,
} as const;

/** One element: tag (one byte), definite length in its shortest form, contents. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Bytes {
  const body = concat(...contents);
  const n = body.length;
  if (n < 0x80) return concat(new Uint8Array([tag, n]), body);
  const size: number[] = [];
  for (let rest = n; rest > 0; rest = Math.floor(rest / 0x100)) size.unshift(rest % 0x100);
  return concat(new Uint8Array([tag, 0x80 | size.length, ...size]), body);
}

/** SEQUENCE. */
export function derSequence(...elements: readonly Uint8Array[]): Bytes {
  return der(TAG.sequence, ...elements);
}

/** INTEGER from the bytes of an unsigned number, big-endian; leading zeros are dropped. */
export function derInteger(magnitude: Uint8Array): Bytes {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const digits = magnitude.subarray(start);
  const first = digits[0] ?? 0;
  const sign = digits.length === 0 || first >= 0x80 ? new Uint8Array(1) : new Uint8Array(0);
  return der(TAG.integer, sign, digits);
}

/** INTEGER from a number, 0 to 2^53 - 1. */
export function derSmallInteger(n: number): Bytes {
  if (!Number.isSafeInteger(n) || n < 0) throw new RangeError("an integer is out of range");
  const digits: number[] = [];
  for (let rest = n; rest > 0; rest = Math.floor(rest / 0x100)) digits.unshift(rest % 0x100);
  return derInteger(new Uint8Array(digits));
}

/** OBJECT IDENTIFIER from dotted decimal, like `1.2.840`. */
export function derOid(dotted: string): Bytes {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const out: number[] = [];
  for (const arc of [40 * first + second, ...rest]) {
    const digits = [arc % 0x80];
    for (let left = Math.floor(arc / 0x80); left > 0; left = Math.floor(left / 0x80)) {
      digits.unshift(0x80 | (left % 0x80));
    }
    out.push(...digits);
  }
  return der(TAG.oid, new Uint8Array(out));
}

/** NULL. */
export function derNull(): Bytes {
  return der(TAG.null);
}

/** OCTET STRING. */
export function derOctetString(contents: Uint8Array): Bytes {
  return der(TAG.octetString, contents);
}

/** BIT STRING of whole bytes. */
export function derBitString(contents: Uint8Array): Bytes {
  return der(TAG.bitString, new Uint8Array(1), contents);
}

/**
 * Reads a run of elements, strictly DER: one-byte tags, definite lengths in their shortest form.
 * Everything that does not fit throws `key-format`. Contents are views into the input, not copies.
 */
export class DerReader {
  #at = 0;

  constructor(private readonly bytes: Bytes) {}

  /** A reader of exactly one SEQUENCE that fills `bytes`. */
  static sequence(bytes: Bytes): DerReader {
    const outer = new DerReader(bytes);
    const inner = outer.sequence();
    outer.end();
    return inner;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.#at === this.bytes.length;
  }

  /** The next element's tag, or null at the end. */
  get tag(): number | null {
    return this.bytes[this.#at] ?? null;
  }

  /** The contents of the next element, which must have this tag. */
  contents(tag: number): Bytes {
    if (this.#byte() !== tag) throw malformed("an element of another type was expected");
    const length = this.#length();
    if (length > this.bytes.length - this.#at) throw malformed("it ends too early");
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  /** A reader of the next element, a SEQUENCE. */
  sequence(): DerReader {
    return new DerReader(this.contents(TAG.sequence));
  }

  /** The next element, an INTEGER that is not negative: its bytes without a leading zero. */
  integer(): Bytes {
    const c = this.contents(TAG.integer);
    const [first, second] = c;
    if (first === undefined || first >= 0x80) throw malformed("a negative or empty integer");
    if (first !== 0 || second === undefined) return c;
    if (second < 0x80) throw malformed("an integer is not in its shortest form");
    return c.subarray(1);
  }

  /** The next element, an INTEGER from 0 to 2^32 - 1. */
  smallInteger(): number {
    const digits = this.integer();
    if (digits.length > 4) throw malformed("an integer is out of range");
    return digits.reduce((n, digit) => n * 0x100 + digit, 0);
  }

  /** The next element, an OBJECT IDENTIFIER, in dotted decimal. */
  oid(): string {
    const c = this.contents(TAG.oid);
    const arcs: number[] = [];
    let arc = 0;
    let open = false;
    for (const byte of c) {
      if (!open && byte === 0x80) {
        throw malformed("an object identifier is not in its shortest form");
      }
      arc = arc * 0x80 + (byte & 0x7f);
      if (arc > 0xffffffff) throw malformed("an object identifier is out of range");
      open = byte >= 0x80;
      if (open) continue;
      arcs.push(arc);
      arc = 0;
    }
    const [head, ...rest] = arcs;
    if (open || head === undefined) throw malformed("an object identifier ends too early");
    const first = Math.min(2, Math.floor(head / 40));
    return [first, head - 40 * first, ...rest].join(".");
  }

  /** The next element, a NULL. */
  null(): void {
    if (this.contents(TAG.null).length !== 0) throw malformed("a NULL with contents");
  }

  /** The next element, an OCTET STRING. */
  octetString(): Bytes {
    return this.contents(TAG.octetString);
  }

  /** The next element, a BIT STRING of whole bytes. */
  bitString(): Bytes {
    const c = this.contents(TAG.bitString);
    if (c[0] !== 0) throw malformed("a bit string is not of whole bytes");
    return c.subarray(1);
  }

  /** Throws if something is left. */
  end(): void {
    if (!this.done) throw malformed("there is something after its end");
  }

  #byte(): number {
    const byte = this.bytes[this.#at];
    if (byte === undefined) throw malformed("it ends too early");
    this.#at++;
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const digits = first & 0x7f;
    if (digits === 0 || digits > 4) throw malformed("a length is out of range");
    let length = 0;
    for (let i = 0; i < digits; i++) length = length * 0x100 + this.#byte();
    if (length < 0x80 || length < 2 ** (8 * (digits - 1))) {
      throw malformed("a length is not in its shortest form");
    }
    return length;
  }
}

function malformed(what: string): SealpostError {
  return new SealpostError("key-format", `a key is not valid DER: ${what}`);
}
