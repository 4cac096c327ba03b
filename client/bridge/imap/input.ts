import { type Bytes, concat } from "../../../crypto/bytes.ts";

/** What the bytes of a mail program come from. */
export interface ByteSource {
  /** Reads into `into`; the number of bytes, or null at the end. */
  read(into: Bytes): Promise<number | null>;
}

const BUFFER = 32_768;
const LF = 0x0a;
const CR = 0x0d;

/** Lines and counted bytes of a connection. What it holds is bounded by what it is asked for. */
export class ImapInput {
  readonly #source: ByteSource;
  #data: Bytes = new Uint8Array(0);

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /**
   * The next line without its end; null at the end of the connection, `"too-long"` for one of more
   * than `limit` bytes, of which nothing is kept and the rest has not come yet.
   */
  async line(limit: number): Promise<Bytes | "too-long" | null> {
    let from = 0;
    for (;;) {
      const lf = this.#data.indexOf(LF, from);
      if (lf >= 0) {
        const end = lf > 0 && this.#data[lf - 1] === CR ? lf - 1 : lf;
        const line = this.#data.slice(0, end);
        this.#data = this.#data.subarray(lf + 1);
        return line.length > limit ? "too-long" : line;
      }
      if (this.#data.length > limit) return "too-long";
      from = this.#data.length;
      if (!await this.#more()) return null;
    }
  }

  /** The next `count` bytes, in pieces; fewer if the connection ends. */
  async *bytes(count: number): AsyncGenerator<Bytes, void, undefined> {
    for (let left = count; left > 0;) {
      if (this.#data.length === 0 && !await this.#more()) return;
      const piece = this.#data.slice(0, left);
      this.#data = this.#data.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** The next `count` bytes; null if the connection ends before. */
  async exactly(count: number): Promise<Bytes | null> {
    const pieces: Bytes[] = [];
    for await (const piece of this.bytes(count)) pieces.push(piece);
    const whole = concat(...pieces);
    return whole.length === count ? whole : null;
  }

  async #more(): Promise<boolean> {
    const buffer = new Uint8Array(BUFFER);
    const got = await this.#source.read(buffer);
    if (got === null) return false;
    const fresh = buffer.subarray(0, got);
    this.#data = this.#data.length === 0 ? fresh : concat(this.#data, fresh);
    return true;
  }
}
