import type { Bytes } from "../crypto/bytes.ts";
import { errorText, isSealpostError, SealpostError } from "../crypto/error.ts";
import type { Answer } from "./connection/client_session.ts";
import type { ReconnectingConnection } from "./connection/reconnecting_connection.ts";
import type { Mail } from "./mail.ts";
import type { FetchChannel } from "./mailbox/fetch.ts";
import type { Opened } from "./mailbox/open.ts";
import { withoutText } from "./mailbox/search.ts";

/** How long nothing must have been done before texts are fetched, milliseconds. */
const QUIET = 5000;
/** Messages that are opened before the first of them is fetched, and after which the room is looked at. */
const BATCH = 20;
/** Locked by the one program of this person on this machine that fetches texts. */
const LOCK = "search-texts.lock";

/** How {@linkcode BackgroundTexts} works. */
export interface BackgroundOptions {
  /** How long nothing must have been done, milliseconds. */
  readonly quiet?: number;
  /** Told of a defect; what the server or the disk refuses is left to the next time. */
  readonly onDefect?: (text: string) => void;
}

/**
 * Fetches the texts of one's mail while nobody does anything, the newest first, so that searches find them at
 * once: until all are kept, or what is kept takes {@linkcode Mail.searchTexts}. One program does it at a time.
 * It gives way to every request
 * of anybody else over the same connection, and to {@linkcode BackgroundTexts.pause}: what is being fetched
 * is broken off.
 */
export class BackgroundTexts {
  readonly #mail: Mail;
  readonly #quiet: number;
  readonly #onDefect: (text: string) => void;
  readonly #stopListening: () => void;
  /** UIDs that were tried in this run. */
  readonly #tried = new Set<number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #working: Promise<void> = Promise.resolve();
  /** Aborted when somebody does something. */
  #abort: AbortController | null = null;
  /** Up to which UID, in a cache that reaches down to `bottom`, all texts were looked for. */
  #done = { epoch: "", bottom: 0, top: 0 };
  /** While messages are opened, for which the server may be asked; nothing is being fetched then. */
  #opening = false;
  #closed = false;

  constructor(mail: Mail, options: BackgroundOptions = {}) {
    this.#mail = mail;
    this.#quiet = options.quiet ?? QUIET;
    this.#onDefect = options.onDefect ?? (() => {});
    this.#stopListening = mail.connection.onAsked(() => {
      if (!this.#opening) this.pause();
    });
    this.pause();
  }

  /** Somebody does something: it goes on when nothing was done for a while. */
  pause(): void {
    this.#abort?.abort();
    this.#abort = null;
    clearTimeout(this.#timer);
    this.#later();
  }

  /** Ends it, and waits until nothing is under way. Never throws. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopListening();
    this.pause();
    await this.#working;
  }

  #later(): void {
    if (this.#closed || this.#mail.searchTexts === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(), this.#quiet);
  }

  #begin(): void {
    const abort = new AbortController();
    this.#abort = abort;
    this.#working = this.#working.then(() => this.#work(abort.signal)).catch((error) => {
      if (!isSealpostError(error)) this.#onDefect(errorText(error));
    });
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { cache, connection } = this.#mail;
    const { epoch, bottom, top } = cache.fetched();
    const same = epoch === this.#done.epoch && bottom === this.#done.bottom;
    if (!connection.online || signal.aborted || (same && top === this.#done.top)) return;
    using lock = await this.#mail.state.tryLock(LOCK);
    if (lock === null) return this.#later();
    let batch: number[] = [];
    for await (const uid of withoutText(cache, same ? this.#done.top : 0)) {
      if (signal.aborted) return;
      if (this.#tried.has(uid)) continue;
      if (batch.push(uid) < BATCH) continue;
      if (!await this.#fetch(batch, signal)) return;
      batch = [];
    }
    if (await this.#fetch(batch, signal)) this.#done = { epoch, bottom, top };
  }

  /**
   * Fetches the texts of some messages; false if it is to stop, or there is no more room. All are opened before
   * the first is asked for: when the next one is asked for says nothing of how long it took to open one.
   */
  async #fetch(uids: readonly number[], signal: AbortSignal): Promise<boolean> {
    const { cache, connection, searchTexts } = this.#mail;
    if (cache.textBytes() >= searchTexts) return false;
    const messages = await this.#open(uids, signal);
    const channel = yielding(connection, signal);
    for (const opened of messages) {
      if (signal.aborted) return false;
      await this.#mail.fetchTextBehind(opened, channel);
      this.#tried.add(opened.entry.uid);
    }
    return !signal.aborted;
  }

  async #open(uids: readonly number[], signal: AbortSignal): Promise<Opened[]> {
    const messages: Opened[] = [];
    this.#opening = true;
    try {
      for (const uid of uids) {
        if (signal.aborted) break;
        const cached = await this.#mail.cache.entry(uid);
        const opened = cached && (await this.#mail.openItem(cached)).opened;
        if (opened) messages.push(opened);
        else this.#tried.add(uid);
      }
    } finally {
      this.#opening = false;
    }
    return messages;
  }
}

/** Gives bodies over `connection`, and ends each with `cancelled` as soon as `signal` says so. */
function yielding(connection: ReconnectingConnection, signal: AbortSignal): FetchChannel {
  return {
    stream: async (request) => {
      const answer = await connection.streamBehind(request);
      return { ...answer, data: until(answer, signal) };
    },
  };
}

/** The data of `answer` until `signal` is aborted; the server is told then that no more is wanted. */
async function* until(
  answer: Pick<Answer<"fetch">, "data" | "cancel">,
  signal: AbortSignal,
): AsyncGenerator<Bytes, void, undefined> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const stop = () => reject(new SealpostError("cancelled", "somebody else is asking"));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const data = answer.data[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([promise, data.next()]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    if (signal.aborted) await answer.cancel();
  }
}
