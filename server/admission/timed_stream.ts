import type { Bytes } from "../../crypto/bytes.ts";
import type { ByteStream } from "../../protocol/byte_stream.ts";

/** Counts of bytes. */
export interface Meter {
  add(direction: "in" | "out", bytes: number): void;
}

/**
 * A client's connection with the time that the client takes: how long it has kept the server waiting
 * before its login, and since when it takes nothing.
 */
export class TimedStream implements ByteStream {
  readonly peer: string;
  readonly #stream: ByteStream;
  readonly #meter: Meter;
  /** Milliseconds that the client may still keep the server waiting; null once it may at will. */
  #timeLeft: number | null;
  #writingSince: number | null = null;
  #timedOut = false;
  #bytesReceived = 0;

  /** `loginTimeout`: how long the client may keep the server waiting in all, milliseconds. */
  constructor(stream: ByteStream, loginTimeout: number, meter: Meter) {
    this.peer = stream.peer;
    this.#stream = stream;
    this.#timeLeft = loginTimeout;
    this.#meter = meter;
  }

  /** Whether the connection was closed because the client was too slow. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  /** Bytes that came. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Since when a write waits for the client, of `performance.now()`; null if none does. */
  get writingSince(): number | null {
    return this.#writingSince;
  }

  /** From now on the client may take its time. */
  endLoginTimeout(): void {
    this.#timeLeft = null;
  }

  async read(into: Bytes): Promise<number | null> {
    const n = await this.#timed(() => this.#stream.read(into));
    if (n !== null) {
      this.#bytesReceived += n;
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

  /** Runs `work`, which waits for the client; closes the stream when the client's time is over. */
  async #timed<T>(work: () => Promise<T>): Promise<T> {
    if (this.#timeLeft === null) return await work();
    const from = performance.now();
    const timer = setTimeout(() => {
      this.#timedOut = true;
      this.#stream.close();
    }, this.#timeLeft);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      if (this.#timeLeft !== null) {
        this.#timeLeft = Math.max(0, this.#timeLeft - (performance.now() - from));
      }
    }
  }
}
