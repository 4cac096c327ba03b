import type { Bytes } from "../../crypto/bytes.ts";
import { type Part, readStructure } from "./imap/structure.ts";
import type { MessageSource } from "./imap/store.ts";

/** How long a message stays open after it was read last, milliseconds. */
const IDLE = 30_000;

/** Most messages that stay open though nobody reads them. */
const MAX_IDLE = 8;

/** Told how much of a message is here while it is fetched, and how large it is, bytes. */
export type TellFetched = (done: number, size: number) => void;

/** What is read of an open message. */
export interface Readable {
  readonly size: number;
  read(from: number, to: number): AsyncIterable<Bytes>;
  /** Forgets it. */
  dispose(): Promise<void>;
}

/**
 * Messages that are open: a mail program reads the parts of one message in many requests, and two of
 * them may read the same.
 */
export class OpenMessages {
  readonly #open = new Map<number, Shared>();

  /** The message `key`, opened by `open` unless it is open; whoever gets it disposes of it. */
  async get(
    key: number,
    open: (tell: TellFetched) => Promise<Readable>,
    tell: TellFetched = () => {},
  ): Promise<MessageSource> {
    const there = this.#open.get(key) ?? new Shared(open);
    this.#open.set(key, there);
    there.readers++;
    clearTimeout(there.timer);
    there.waiting.add(tell);
    try {
      return source(await there.message, there, () => this.#left(key, there));
    } catch (error) {
      if (this.#open.get(key) === there) this.#open.delete(key);
      throw error;
    } finally {
      there.waiting.delete(tell);
    }
  }

  /** Forgets all. */
  async close(): Promise<void> {
    for (const key of [...this.#open.keys()]) await this.#drop(key);
  }

  /** Has all of them opened anew by whoever asks next; those that are read stay until that ends. */
  async forgetAll(): Promise<void> {
    for (const key of [...this.#open.keys()]) await this.forget(key);
  }

  /** As {@linkcode OpenMessages.forgetAll}, for the message `key`. */
  async forget(key: number): Promise<void> {
    if (this.#open.get(key)?.readers === 0) await this.#drop(key);
    else this.#open.delete(key);
  }

  async #left(key: number, shared: Shared): Promise<void> {
    if (--shared.readers > 0) return;
    if (this.#open.get(key) !== shared) return await dispose(shared);
    shared.timer = setTimeout(() => this.#drop(key).catch(() => {}), IDLE);
    const idle = [...this.#open].filter(([, { readers }]) => readers === 0);
    for (const [old] of idle.slice(0, Math.max(0, idle.length - MAX_IDLE))) await this.#drop(old);
  }

  async #drop(key: number): Promise<void> {
    const shared = this.#open.get(key);
    if (!shared) return;
    clearTimeout(shared.timer);
    this.#open.delete(key);
    await dispose(shared);
  }
}

async function dispose({ message }: Shared): Promise<void> {
  await (await message.catch(() => null))?.dispose();
}

class Shared {
  readers = 0;
  timer: ReturnType<typeof setTimeout> | undefined;
  structure: Promise<Part> | null = null;

  readonly waiting = new Set<TellFetched>();
  readonly message: Promise<Readable>;

  constructor(open: (tell: TellFetched) => Promise<Readable>) {
    this.message = open((done, size) => {
      for (const tell of this.waiting) tell(done, size);
    });
  }
}

function source(message: Readable, shared: Shared, left: () => Promise<void>): MessageSource {
  let done = false;
  return {
    size: message.size,
    read: (from, to) => message.read(from, to),
    structure: () => shared.structure ??= readStructure(message.read(0, message.size)),
    [Symbol.asyncDispose]: async () => {
      if (done) return;
      done = true;
      await left();
    },
  };
}
