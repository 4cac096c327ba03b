import type { Bytes } from "../../crypto/bytes.ts";
import type { ByteStream } from "../../protocol/byte_stream.ts";

/** Counts of bytes. */
export interface Meter {
  add(direction: "in" | "out", bytes: number): void;
}

/**
 * A client's connection as the server watches it: what goes through, how long the client has kept the
 * server waiting before its login, and since when it takes nothing.
 */
export class Wire implements ByteStream {
  readonly peer: string;
  readonly #stream: ByteStream;
  readonly #meter: Meter;
  /** Milliseconds that the client may still keep the server waiting; null once it may at will. */
  #patience: number | null;
  #writingSince: number | null = null;
  #late = false;
  #heard = 0;

  /** `patience`: how long the client may keep the server waiting in all, milliseconds. */
  constructor(stream: ByteStream, patience: number, meter: Meter) {
    this.peer = stream.peer;
    this.#stream = stream;
    this.#patience = patience;
    this.#meter = meter;
  }

  /** Whether the connection was closed because the client was too slow. */
  get late(): boolean {
    return this.#late;
  }

  /** Bytes that came. */
  get heard(): number {
    return this.#heard;
  }

  /** Since when a write waits for the client, of `performance.now()`; null if none does. */
  get writingSince(): number | null {
    return this.#writingSince;
  }

  /** From now on the client may take its time. */
  relax(): void {
    this.#patience = null;
  }

  async read(into: Bytes): Promise<number | null> {
    const n = await this.#timed(() => this.#stream.read(into));
    if (n !== null) {
      this.#heard += n;
      this.#meter.add("in", n);
    }
    return n;
  }

  async write(data: Bytes): Promise<void> {
    this.#writingSince = performance.now();
    try {
      await this.#timed(() => this.#stream.write(data));
    } finally {
      this.#writingSince = null;
    }
    this.#meter.add("out", data.length);
  }

  closeWrite(): Promise<void> {
    return this.#stream.closeWrite();
  }

  close(): void {
    this.#stream.close();
  }

  /** Runs `work`, which waits for the client; closes the stream when patience is over. */
  async #timed<T>(work: () => Promise<T>): Promise<T> {
    if (this.#patience === null) return await work();
    const from = performance.now();
    const timer = setTimeout(() => {
      this.#late = true;
      this.#stream.close();
    }, this.#patience);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      if (this.#patience !== null) {
        this.#patience = Math.max(0, this.#patience - (performance.now() - from));
      }
    }
  }
}
