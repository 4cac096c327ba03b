import { type Bytes, concat } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { ByteStream } from "../../protocol/byte_stream.ts";

/** How a pipe behaves, for both directions. */
export interface PipeOptions {
  /** Bytes that wait unread before a write waits; without it none ever does. */
  readonly capacity?: number;
  /** Most bytes that one read gives. */
  readonly maxRead?: number;
}

/** One direction: bytes that were written and not read yet. */
class Channel {
  readonly #options: PipeOptions;
  #waiting: Bytes = new Uint8Array(0);
  #ended = false;
  #broken = false;
  #reading = false;
  #onChange: (() => void)[] = [];

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.length;
  }

  put(data: Bytes): void {
    this.#waiting = concat(this.#waiting, data);
    this.#changed();
  }

  async write(data: Bytes): Promise<void> {
    if (this.#ended || this.#broken) throw lost();
    this.put(data);
    const { capacity } = this.#options;
    while (capacity !== undefined && this.#waiting.length > capacity) {
      await this.#change();
      if (this.#ended || this.#broken) throw lost();
    }
  }

  /** One read at a time, as with sockets. */
  async read(into: Bytes): Promise<number | null> {
    if (this.#reading) throw new Deno.errors.Busy("two reads at once");
    this.#reading = true;
    try {
      return await this.#take(into);
    } finally {
      this.#reading = false;
    }
  }

  async #take(into: Bytes): Promise<number | null> {
    while (this.#waiting.length === 0) {
      if (this.#broken) throw lost();
      if (this.#ended) return null;
      await this.#change();
    }
    const n = Math.min(into.length, this.#waiting.length, this.#options.maxRead ?? Infinity);
    into.set(this.#waiting.subarray(0, n));
    this.#waiting = this.#waiting.slice(n);
    this.#changed();
    return n;
  }

  /** Nothing more will be written; what waits can still be read. */
  end(): void {
    this.#ended = true;
    this.#changed();
  }

  /** Whoever reads or writes is told that the connection is lost; what waits is gone. */
  break(): void {
    this.#broken = true;
    this.#waiting = new Uint8Array(0);
    this.#changed();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#onChange.push(resolve));
  }

  #changed(): void {
    for (const resolve of this.#onChange.splice(0)) resolve();
  }
}

function lost(): SealpostError {
  return new SealpostError("connection-lost", "the connection was lost");
}

/** One end of a {@linkcode pipe}. */
export class PipeEnd implements ByteStream {
  readonly peer: string;
  readonly #in: Channel;
  readonly #out: Channel;
  /** What this end has written, piece by piece. */
  readonly written: Bytes[] = [];
  /** What becomes of each piece on its way; the piece itself if nothing is set. */
  onWrite: (piece: Bytes) => Bytes = (piece) => piece;
  closed = false;

  constructor(peer: string, incoming: Channel, outgoing: Channel) {
    this.peer = peer;
    this.#in = incoming;
    this.#out = outgoing;
  }

  /** Bytes that this end wrote and the other has not read. */
  get unread(): number {
    return this.#out.size;
  }

  async read(into: Bytes): Promise<number | null> {
    if (this.closed) throw lost();
    return await this.#in.read(into);
  }

  async write(data: Bytes): Promise<void> {
    if (this.closed) throw lost();
    this.written.push(data.slice());
    await this.#out.write(this.onWrite(data.slice()));
  }

  closeWrite(): Promise<void> {
    if (this.closed) return Promise.reject(lost());
    this.#out.end();
    return Promise.resolve();
  }

  /**
   * As a socket does: what was written still arrives, unless there are bytes that this end has not
   * read. Then the connection is reset, and what was under way is lost.
   */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.#in.size > 0) this.#out.break();
    else this.#out.end();
    this.#in.break();
  }

  /** Loses the connection both ways at once, with all that is under way. */
  cut(): void {
    this.#in.break();
    this.#out.break();
  }
}

/** Two ends of a stream in memory: what one writes the other reads. */
export function pipe(options: PipeOptions = {}): [PipeEnd, PipeEnd] {
  const [up, down] = [new Channel(options), new Channel(options)];
  return [new PipeEnd("the right end", down, up), new PipeEnd("the left end", up, down)];
}
