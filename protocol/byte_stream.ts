import type { Bytes } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";

/** A two-way stream of bytes: a socket, or in tests two ends of a pipe. */
export interface ByteStream {
  /** Who is at the other end, for logs and messages: `192.0.2.1:50312`. */
  readonly peer: string;
  /** Reads into `into`; the number of bytes, or null at the end. Throws `connection-lost`. */
  read(into: Bytes): Promise<number | null>;
  /** Writes all of `data`; the promise is the back-pressure. Throws `connection-lost`. */
  write(data: Bytes): Promise<void>;
  /** Says that no more will be written, and still reads. */
  closeWrite(): Promise<void>;
  /** Ends both ways at once. Safe to call again. */
  close(): void;
}

/** An idle connection holds no more than this, so that thousands are cheap. */
const BUFFER = 4096;

/** Reads exact numbers of bytes from a stream. */
export class ExactReader {
  readonly #stream: ByteStream;
  #buffer: Bytes = new Uint8Array(0);

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /**
   * The next `n` bytes, or null if the stream ended before the first of them. Throws
   * `connection-lost` if it ends within them.
   */
  async exactly(n: number): Promise<Bytes | null> {
    if (this.#buffer.length >= n) return this.#shift(n);
    const out = new Uint8Array(n);
    out.set(this.#buffer);
    let filled = this.#buffer.length;
    this.#buffer = new Uint8Array(0);
    while (filled < n) {
      const missing = n - filled;
      if (missing >= BUFFER) {
        const got = await this.#stream.read(out.subarray(filled));
        if (got === null) return this.#ended(filled);
        filled += got;
      } else {
        const buffer = new Uint8Array(BUFFER);
        const got = await this.#stream.read(buffer);
        if (got === null) return this.#ended(filled);
        const use = Math.min(got, missing);
        out.set(buffer.subarray(0, use), filled);
        filled += use;
        this.#buffer = buffer.subarray(use, got);
      }
    }
    return out;
  }

  /** Waits for the end of the stream. False if there is another byte instead. */
  async atEnd(): Promise<boolean> {
    return await this.exactly(1) === null;
  }

  /** Reads and forgets all that still comes, to the end of the stream. Throws `connection-lost`. */
  async drain(): Promise<void> {
    this.#buffer = new Uint8Array(0);
    const scrap = new Uint8Array(BUFFER);
    while (await this.#stream.read(scrap) !== null);
  }

  #shift(n: number): Bytes {
    const out = this.#buffer.slice(0, n);
    this.#buffer = this.#buffer.subarray(n);
    return out;
  }

  #ended(filled: number): null {
    if (filled === 0) return null;
    throw new SealpostError("connection-lost", "the connection ended in the middle of a message");
  }
}
