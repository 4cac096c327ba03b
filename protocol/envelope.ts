import {
  type Bytes,
  concat,
  equal,
  readU16,
  readU32,
  readU64,
  u16,
  u32,
  u64,
} from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { decodeHeader, type FixedHeader, HEADER_SIZE } from "./header.ts";
import { MAX_STANZAS } from "./limits.ts";
import { MAX_STANZA, MIN_STANZA, stanzaFp } from "./stanza.ts";
import { MAX_NOTE, MAX_SUMMARY } from "./summary.ts";

/** Everything of a sealed message but its body. */
export interface Envelope {
  readonly header: Bytes;
  /** One for each distinct fingerprint, 1 to 256. */
  readonly stanzas: readonly Bytes[];
  /** The sealed summary. */
  readonly summary: Bytes;
  /** The sender's sealed note; null if there is no Sent copy. */
  readonly note: Bytes | null;
  /** Size of the sealed body that follows, bytes. */
  readonly bodySize: number;
}

/** Bytes up to and including the count of stanzas. */
export const ENVELOPE_HEAD = HEADER_SIZE + 2;

/** Largest envelope, bytes: what a server may have to hold in memory for one upload. */
export const MAX_ENVELOPE = ENVELOPE_HEAD + MAX_STANZAS * (2 + MAX_STANZA) + 4 + MAX_SUMMARY + 4 +
  MAX_NOTE + 8;

/** How many bytes {@linkcode encodeEnvelope} gives. */
export function envelopeSize({ stanzas, summary, note }: Envelope): number {
  const sizes = stanzas.reduce((sum, stanza) => sum + 2 + stanza.length, 0);
  return ENVELOPE_HEAD + sizes + 4 + summary.length + 4 + (note?.length ?? 0) + 8;
}

/**
 * The start of a sealed message, as it is uploaded:
 * `fixed header (81) ‖ count of stanzas (2) ‖ { size (2) ‖ stanza } … ‖ size (4) ‖ summary ‖
 * size (4) ‖ note ‖ size of the body (8)`; the body follows.
 */
export function encodeEnvelope(envelope: Envelope): Bytes {
  const note = envelope.note ?? new Uint8Array(0);
  return concat(
    envelope.header,
    u16(envelope.stanzas.length),
    ...envelope.stanzas.flatMap((stanza) => [u16(stanza.length), stanza]),
    u32(envelope.summary.length),
    envelope.summary,
    u32(note.length),
    note,
    u64(envelope.bodySize),
  );
}

/**
 * Reads an envelope from a stream: takes bytes as they come, and says when it is whole. It never
 * holds more than {@linkcode MAX_ENVELOPE} bytes and refuses a length as soon as it is read.
 */
export class EnvelopeReader {
  #buffer: Bytes = new Uint8Array(0);
  /** Where the next field starts, once all before it were checked. */
  #at = 0;
  #header: FixedHeader | null = null;
  #count = -1;
  #stanzas: Bytes[] = [];
  #summary: Bytes | null = null;
  #note: Bytes | null | undefined;

  /** The decoded fixed header, as soon as it was read. */
  get header(): FixedHeader | null {
    return this.#header;
  }

  /**
   * Takes the next bytes of the stream. Returns the envelope and the bytes after it (the start of
   * the body) when it is whole, else null. Both are views, of `chunk` if it had all: it must not
   * change after. Throws `format` or `version`.
   */
  push(chunk: Bytes): { envelope: Envelope; rest: Bytes } | null {
    const left = this.#buffer.subarray(this.#at);
    this.#buffer = left.length === 0 ? chunk : concat(left, chunk);
    this.#at = 0;
    return this.#parse();
  }

  #take(size: number): Bytes | null {
    if (this.#buffer.length - this.#at < size) return null;
    const bytes = this.#buffer.subarray(this.#at, this.#at + size);
    this.#at += size;
    return bytes;
  }

  /** A field with its size before it. Null, and nothing consumed, if it is not all there. */
  #sized(width: 2 | 4, min: number, max: number, what: string): Bytes | null {
    if (this.#buffer.length - this.#at < width) return null;
    const size = width === 2 ? readU16(this.#buffer, this.#at) : readU32(this.#buffer, this.#at);
    if (size < min || size > max) {
      throw new SealpostError("format", `a sealed message with ${what} of ${size} bytes`);
    }
    if (this.#buffer.length - this.#at < width + size) return null;
    this.#at += width;
    return this.#take(size);
  }

  #headerBytes: Bytes = new Uint8Array(0);

  #parse(): { envelope: Envelope; rest: Bytes } | null {
    if (!this.#header) {
      const bytes = this.#take(HEADER_SIZE);
      if (!bytes) return null;
      this.#header = decodeHeader(bytes);
      this.#headerBytes = bytes;
    }
    if (this.#count < 0) {
      const bytes = this.#take(2);
      if (!bytes) return null;
      const count = readU16(bytes, 0);
      if (count < 1 || count > MAX_STANZAS) {
        throw new SealpostError("format", `a sealed message with ${count} stanzas`);
      }
      this.#count = count;
    }
    while (this.#stanzas.length < this.#count) {
      const stanza = this.#sized(2, MIN_STANZA, MAX_STANZA, "a stanza");
      if (!stanza) return null;
      const fp = stanzaFp(stanza);
      if (this.#stanzas.some((other) => equal(stanzaFp(other), fp))) {
        throw new SealpostError("format", "a sealed message with two stanzas for one key");
      }
      this.#stanzas.push(stanza);
    }
    this.#summary ??= this.#sized(4, 1, MAX_SUMMARY, "a summary");
    if (!this.#summary) return null;
    if (this.#note === undefined) {
      const note = this.#sized(4, 0, MAX_NOTE, "a note");
      if (!note) return null;
      this.#note = note.length === 0 ? null : note;
    }
    const size = this.#take(8);
    if (!size) return null;
    return {
      envelope: {
        header: this.#headerBytes,
        stanzas: this.#stanzas,
        summary: this.#summary,
        note: this.#note,
        bodySize: readU64(size, 0),
      },
      rest: this.#buffer.subarray(this.#at),
    };
  }
}
