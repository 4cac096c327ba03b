import type { Bytes } from "../../crypto/bytes.ts";
import { type ErrorCode, isSealpostError, SealpostError } from "../../crypto/error.ts";
import type { Hello } from "../../protocol/hello.ts";
import { RefusedError } from "../../protocol/refused.ts";
import type { Request, RequestWithData, Response, StreamedOp } from "../../protocol/request.ts";
import { sleep } from "../../protocol/timer.ts";
import type { Answer, Channel, ClientSession, PlainOp } from "./client_session.ts";

/** The state of a {@linkcode ReconnectingConnection}. */
export type ConnectionState =
  | { readonly kind: "online" }
  | { readonly kind: "connecting" }
  | {
    readonly kind: "offline";
    /** In one line, for a person; what the server said in it is printable. */
    readonly why: string;
    /** When it dials next by itself, milliseconds since 1970; Infinity if it does not. */
    readonly retryAt: number;
  };

/** A connection that was made: what {@linkcode ReconnectingConnection} needs of it. */
export interface Dialed {
  readonly session: ClientSession;
  readonly hello: Hello;
}

/** How a {@linkcode ReconnectingConnection} behaves. */
export interface ReconnectOptions {
  /** Makes a connection. Throws why it could not. `again`: there was one before. */
  readonly dial: (again: boolean) => Promise<Dialed>;
  /** Whether it dials again by itself for as long as it is open. */
  readonly reconnect?: boolean;
  /** How often a request that a lost connection interrupted is retried. Default: never. */
  readonly retries?: number;
  /** Whether to go on without a connection if the server is away. */
  readonly offline?: (error: SealpostError) => boolean;
  /** The wait before the first attempt to dial again, and the longest, milliseconds. */
  readonly pace?: { readonly first: number; readonly most: number };
}

const PACE = { first: 1000, most: 60_000 };
/** A connection that lasted this long resets the backoff, milliseconds. */
const SETTLED = 30_000;
/** Waits before a request that a lost connection interrupted is retried, milliseconds. */
const RETRY_AFTER = [250, 1500];
/** The longest that a retry waits because the server asks for it, seconds. */
const MAX_RETRY_WAIT = 5;

/**
 * With these, another attempt without the person would end in the same way. None of them comes from
 * what a server says before it has proven its key: that can be anybody's, and ends no waiting.
 */
const FINAL: readonly ErrorCode[] = [
  "cancelled",
  "config",
  "login-refused",
  "passphrase",
  "secret-needed",
  "usage",
];

/** With these, the server could not be reached or asked to come later; all else is about the login. */
const AWAY: readonly ErrorCode[] = ["busy", "connection-lost", "timeout", "unreachable"];

/** Whether a connection failed because the server is not there, now. */
export function isAway(error: unknown): boolean {
  return isSealpostError(error, ...AWAY);
}

/** Whether `error` says that there is no connection, or that it went away. */
export function isLost(error: unknown): boolean {
  return isSealpostError(error, "connection-lost", "offline");
}

/**
 * The connection to a server as the rest of the client sees it: a {@linkcode ClientSession} for now, or none,
 * or, later, another one. Requests that were on their way when the connection was lost fail with
 * `connection-lost`; without a connection they fail at once, with `offline` or, where it dials
 * no more by itself, with what ended it.
 */
export class ReconnectingConnection implements Channel {
  readonly #options: ReconnectOptions;
  readonly #pace: { readonly first: number; readonly most: number };
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  readonly #onAsked = new Set<() => void>();
  #session: ClientSession | null = null;
  #hello: Hello | null = null;
  /** Why the last connection ended. */
  #ended: SealpostError | null = null;
  /** Why there is no connection: the last one ended, or none could be made. */
  #lost: SealpostError | null = null;
  #state: ConnectionState = { kind: "connecting" };
  #dialing: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Attempts that failed since the last good connection. */
  #failures = 0;
  #since = 0;
  #closed = false;

  private constructor(options: ReconnectOptions) {
    this.#options = options;
    this.#pace = options.pace ?? PACE;
  }

  /** Wraps an established session; when that is lost there is no other. */
  static over(session: ClientSession, hello: Hello): ReconnectingConnection {
    const connection = new ReconnectingConnection({ dial: () => Promise.reject(closed()) });
    connection.#take({ session, hello });
    return connection;
  }

  /** Dials. Throws what `dial` throws, unless `offline` says that it does without. */
  static async open(options: ReconnectOptions): Promise<ReconnectingConnection> {
    const connection = new ReconnectingConnection(options);
    try {
      connection.#take(await options.dial(false));
    } catch (error) {
      if (!isSealpostError(error) || !options.offline?.(error)) throw error;
      connection.#lose(error);
    }
    return connection;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get online(): boolean {
    return this.#state.kind === "online";
  }

  /** What the server said of itself last; null if it was not reached yet. */
  get hello(): Hello | null {
    return this.#hello;
  }

  /** Tells `callback` of every change from now on; returns how to stop that. */
  onState(callback: (state: ConnectionState) => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /**
   * Calls `callback` before each request from now on, but for {@linkcode streamBehind}; returns
   * how to stop that.
   */
  onAsked(callback: () => void): () => void {
    this.#onAsked.add(callback);
    return () => this.#onAsked.delete(callback);
  }

  /** {@linkcode stream} for what nobody waits for, which {@linkcode onAsked} is not told of. */
  async streamBehind<O extends StreamedOp>(request: Request & { op: O }): Promise<Answer<O>> {
    return await this.#present().stream<O>(request);
  }

  /** Dials now if there is no connection. Throws why there is none. */
  async connect(): Promise<void> {
    if (this.#session) return;
    if (this.#closed) throw closed();
    clearTimeout(this.#timer);
    await (this.#dialing ??= this.#redial().finally(() => this.#dialing = null));
  }

  /** Resolves when there is a connection. Throws if there will be none without the person. */
  async connected(): Promise<void> {
    while (!this.#session) {
      if (this.#state.kind === "offline" && this.#state.retryAt === Infinity) {
        throw this.#offline();
      }
      const changed = Promise.withResolvers<void>();
      const stop = this.onState(() => changed.resolve());
      await changed.promise;
      stop();
    }
  }

  /**
   * Runs `work`, and again over a new connection if the one it used was lost, as often as it
   * retries. `work` must be safe to repeat. Throws what it throws.
   */
  async again<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 0;; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!isSealpostError(error, "connection-lost") || !await this.#restored(error, tries)) {
          throw error;
        }
      }
    }
  }

  async ask<O extends PlainOp>(request: Request & { op: O }): Promise<Response<O>> {
    this.#tellAsked();
    // Whether a change of password was heard cannot be known.
    if (request.op === "passwd") return await this.#present().ask<O>(request);
    return await this.again(async () => await this.#present().ask<O>(request));
  }

  async stream<O extends StreamedOp>(request: Request & { op: O }): Promise<Answer<O>> {
    this.#tellAsked();
    return await this.#present().stream<O>(request);
  }

  async upload<R extends RequestWithData>(
    request: R,
    sealed: AsyncIterable<Bytes>,
    onProgress?: (done: number) => void,
  ): Promise<Response<R["op"]>> {
    this.#tellAsked();
    return await this.#present().upload(request, sealed, onProgress);
  }

  /** Says goodbye and stops reconnecting. Never throws. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#dialing?.catch(() => {});
    const session = this.#session;
    this.#session = null;
    await session?.close();
    this.#become({ kind: "offline", why: "the connection is closed", retryAt: Infinity });
    this.#listeners.clear();
  }

  #tellAsked(): void {
    for (const tell of this.#onAsked) tell();
  }

  #present(): ClientSession {
    if (this.#session) return this.#session;
    // Without reconnecting, the reason why this one ended is the error.
    throw this.#options.reconnect ? this.#offline() : this.#ended ?? this.#offline();
  }

  #offline(): SealpostError {
    const why = this.#state.kind === "offline" ? this.#state.why : "the connection is being made";
    return new SealpostError("offline", `there is no connection to the server: ${why}`, {
      cause: this.#lost,
    });
  }

  #take({ session, hello }: Dialed): void {
    this.#session = session;
    this.#hello = hello;
    this.#since = performance.now();
    this.#become({ kind: "online" });
    session.ended.then((why) => {
      if (this.#session !== session) return;
      this.#session = null;
      this.#ended = why;
      if (performance.now() - this.#since > SETTLED) this.#failures = 0;
      this.#lose(why);
    });
  }

  /** There is no connection, for `error`; the next attempt is put on the clock. */
  #lose(error: SealpostError): void {
    clearTimeout(this.#timer);
    this.#lost = error;
    const wait = this.#options.reconnect && !FINAL.includes(error.code) && !this.#closed
      ? this.#wait(error)
      : Infinity;
    this.#become({ kind: "offline", why: error.message, retryAt: Date.now() + wait });
    if (wait === Infinity) return;
    this.#timer = setTimeout(() => this.connect().catch(() => {}), wait);
  }

  /** 1, 2, 4 … 60 s, each up to a quarter more or less; never less than the server asked for. */
  #wait(error: SealpostError): number {
    const { first, most } = this.#pace;
    const usual = Math.min(most, first * 2 ** Math.min(this.#failures++, 30));
    return usual * (0.75 + Math.random() / 2) + afterOf(error) * 1000;
  }

  async #redial(): Promise<void> {
    this.#become({ kind: "connecting" });
    try {
      const dialed = await this.#options.dial(true);
      if (this.#closed) {
        await dialed.session.close();
        throw closed();
      }
      this.#take(dialed);
    } catch (error) {
      const why = isSealpostError(error)
        ? error
        : new SealpostError("internal", "the connection could not be made", { cause: error });
      this.#lose(why);
      throw why;
    }
  }

  /** Whether there is a connection again, after attempt number `tries` was lost with `error`. */
  async #restored(error: SealpostError, tries: number): Promise<boolean> {
    const { retries = 0 } = this.#options;
    if (this.#closed || tries >= retries || afterOf(error) > MAX_RETRY_WAIT) return false;
    const wait = RETRY_AFTER[Math.min(tries, RETRY_AFTER.length - 1)] ?? 0;
    await sleep(afterOf(error) * 1000 + wait * (0.75 + Math.random() / 2));
    try {
      await this.connect();
      return true;
    } catch {
      // The first loss says what happened; a second attempt may still succeed.
      return await this.#restored(error, tries + 1);
    }
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function afterOf(error: SealpostError): number {
  return error instanceof RefusedError ? error.retryAfter ?? 0 : 0;
}

function closed(): SealpostError {
  return new SealpostError("connection-lost", "the connection is closed");
}
