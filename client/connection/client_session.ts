import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Connection } from "../../protocol/connection.ts";
import { type Frame, FrameKind, MAX_DATA } from "../../protocol/frame.ts";
import { decodeGoodbye } from "../../protocol/goodbye.ts";
import { Handoff } from "../../protocol/handoff.ts";
import { MAX_OUTSTANDING } from "../../protocol/limits.ts";
import { printable } from "../../cli/printable.ts";
import { RefusedError } from "../../protocol/refused.ts";
import {
  decodeEvent,
  decodeResponse,
  encodeJson,
  type Event,
  type Op,
  type Request,
  type RequestWithData,
  type Response,
  STREAMED_OPS,
  type StreamedOp,
} from "../../protocol/request.ts";

const EMPTY = new Uint8Array(0);

/** How long a server may leave what it was asked without any progress, milliseconds. */
const PATIENCE = 300_000;

/** What may still be on its way when data is not wanted any more, bytes: buffers of both systems. */
const MAX_DRAINED = 32 * 1024 * 1024;

/** A request that waits for its response, and after that for its data. */
interface Pending {
  readonly id: number;
  /** Whether data follow the response, if the server grants what was asked. */
  readonly streams: boolean;
  readonly data: Handoff;
  /** Decodes the response and hands it over; false, with the error, if it is a refusal or malformed. */
  readonly settle: (payload: Bytes) => boolean;
  readonly fail: (error: unknown) => void;
  answered: boolean;
  /** Whether the rest of the data is not wanted, and how much of that came, bytes. */
  cancelled: boolean;
  drained: number;
}

/** The response to a request, and the data that follows it. */
export interface Answer<O extends Op> {
  readonly response: Response<O>;
  /** The data; a caller that does not read all of it calls {@linkcode Answer.cancel}. */
  readonly data: AsyncIterable<Bytes>;
  cancel(): Promise<void>;
}

/** The requests that neither bring data nor are answered with data. */
export type PlainOp = Exclude<Op, StreamedOp | RequestWithData["op"]>;

/** What carries requests to a server: one connection, or a line that replaces a lost one. */
export interface Channel {
  /** Asks, and gives the response. Throws what the server refused with, or `connection-lost`. */
  ask<O extends PlainOp>(request: Request & { op: O }): Promise<Response<O>>;
  /** Asks for something that is answered with data. */
  stream<O extends StreamedOp>(request: Request & { op: O }): Promise<Answer<O>>;
  /**
   * Asks with data: `sealed`, whose size `request` says. `onProgress` receives how many bytes were
   * sent.
   */
  upload<R extends RequestWithData>(
    request: R,
    sealed: AsyncIterable<Bytes>,
    onProgress?: (done: number) => void,
  ): Promise<Response<R["op"]>>;
  /** Says goodbye. Never throws. */
  close(): Promise<void>;
}

/** Requests and their answers over a logged-in connection. */
export class ClientSession implements Channel {
  readonly #connection: Connection;
  readonly #onEvent: (event: Event) => void;
  /** What a goodbye waits for. */
  #settled: Promise<unknown> = Promise.resolve();
  readonly #patience: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pending: Pending[] = [];
  #nextId = 1;
  #ended: SealpostError | null = null;
  /** Requests are written one after the other: the data of one follows it directly. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #reading: Promise<void>;
  /** Resolves, with the reason, when no request can be made any more. */
  readonly ended: Promise<SealpostError>;

  /**
   * `onEvent` receives what the server sends without being asked.
   * The connection ends with `timeout` if what was asked makes no progress for `patience`
   * milliseconds.
   */
  constructor(
    connection: Connection,
    onEvent: (event: Event) => void = () => {},
    patience = PATIENCE,
  ) {
    this.#connection = connection;
    this.#onEvent = onEvent;
    this.#patience = patience;
    this.#reading = this.#read();
    this.ended = this.#reading.then(() => this.#ended ?? closed());
  }

  async ask<O extends PlainOp>(request: Request & { op: O }): Promise<Response<O>> {
    return (await this.#request<O>(request, null)).response;
  }

  stream<O extends StreamedOp>(request: Request & { op: O }): Promise<Answer<O>> {
    return this.#request<O>(request, null);
  }

  async upload<R extends RequestWithData>(
    request: R,
    sealed: AsyncIterable<Bytes>,
    onProgress: (done: number) => void = () => {},
  ): Promise<Response<R["op"]>> {
    return (await this.#request<R["op"]>(request, { sealed, onProgress })).response;
  }

  /** Has a goodbye wait until `settled` resolves: something is still to come. */
  delayClose(settled: Promise<unknown>): void {
    this.#settled = settled.catch(() => {});
  }

  /** Ends it at once, without a goodbye, for `why`, with which all that was asked fails. */
  async abort(why: SealpostError): Promise<void> {
    this.#connection.abort(why);
    await this.#reading;
  }

  async close(): Promise<void> {
    await this.#settled;
    this.#ended ??= closed();
    // Data that nobody reads must not delay the goodbye.
    for (const { data } of this.#pending) data.fail(this.#ended);
    clearTimeout(this.#timer);
    await this.#connection.close();
    await this.#reading;
  }

  async #request<O extends Op>(
    request: Request & { op: O },
    upload: { sealed: AsyncIterable<Bytes>; onProgress: (done: number) => void } | null,
  ): Promise<Answer<O>> {
    const previous = this.#turn;
    let done = () => {};
    this.#turn = new Promise<void>((resolve) => done = resolve);
    await previous;
    let pending: Pending;
    const answered = Promise.withResolvers<Response<O>>();
    answered.promise.catch(() => {});
    let complete = true;
    try {
      if (this.#ended) throw this.#ended;
      if (this.#pending.length >= MAX_OUTSTANDING) {
        throw new SealpostError("busy", "too many requests at once");
      }
      const id = this.#nextId++;
      pending = {
        id,
        streams: STREAMED_OPS.some((op) => op === request.op),
        data: new Handoff(),
        settle: (payload) => {
          try {
            answered.resolve(decodeResponse<O>(request.op, payload));
            return true;
          } catch (error) {
            answered.reject(error);
            return false;
          }
        },
        fail: answered.reject,
        answered: false,
        cancelled: false,
        drained: 0,
      };
      this.#pending.push(pending);
      this.#watch();
      await this.#connection.send({ kind: FrameKind.request, id, payload: encodeJson(request) });
      if (upload) complete = await this.#upload(pending, upload.sealed, upload.onProgress);
    } finally {
      done();
    }
    const response = await answered.promise;
    if (!complete) {
      throw new SealpostError("protocol", "the server took a message before it had all of it");
    }
    return {
      response,
      data: pending.data,
      cancel: async () => {
        pending.cancelled = true;
        pending.data.discard();
        if (this.#pending.includes(pending) && this.#connection.open) {
          await this.#connection.send({ kind: FrameKind.cancel, id: pending.id, payload: EMPTY });
        }
      },
    };
  }

  /** Sends the data of an upload; stops, and returns false, as soon as the server has refused it. */
  async #upload(
    pending: Pending,
    sealed: AsyncIterable<Bytes>,
    onProgress: (done: number) => void,
  ): Promise<boolean> {
    const { id } = pending;
    let sent = 0;
    let complete = false;
    try {
      for await (const piece of sealed) {
        for (let at = 0; at < piece.length && !pending.answered; at += MAX_DATA) {
          const payload = piece.slice(at, at + MAX_DATA);
          sent += payload.length;
          await this.#connection.send({ kind: FrameKind.data, id, payload, given: true });
          this.#watch();
          onProgress(sent);
        }
        if (pending.answered) break;
      }
      complete = !pending.answered;
    } finally {
      const kind = complete ? FrameKind.end : FrameKind.cancel;
      if (this.#connection.open) await this.#connection.send({ kind, id, payload: EMPTY });
    }
    return complete;
  }

  /** Restarts the timer that limits how long the server may leave a request unanswered. */
  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#pending.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#connection.abort(
        new SealpostError(
          "timeout",
          `the server has not answered for ${this.#patience / 1000} s; connect again`,
        ),
      );
    }, this.#patience);
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#connection.receive();
        if (!frame) return this.#end(farewell(this.#connection.goodbye));
        await this.#take(frame);
      }
    } catch (error) {
      this.#end(this.#connection.abort(error));
    }
  }

  async #take(frame: Frame): Promise<void> {
    if (frame.kind === FrameKind.event) {
      const event = decodeEvent(frame.payload);
      if (event) this.#onEvent(event);
      return;
    }
    const pending = this.#pending[0];
    if (!pending || pending.id !== frame.id) {
      throw new SealpostError("protocol", "the server answers what was not asked");
    }
    // The time that this side takes to use what came is not the server's.
    clearTimeout(this.#timer);
    await this.#takeAnswer(pending, frame);
    this.#watch();
  }

  async #takeAnswer(pending: Pending, frame: Frame): Promise<void> {
    const finish = () => this.#pending.shift();
    switch (frame.kind) {
      case FrameKind.response:
        if (pending.answered) throw new SealpostError("protocol", "the server answers twice");
        pending.answered = true;
        if (!pending.settle(frame.payload) || !pending.streams) finish();
        return;
      case FrameKind.data:
        if (!pending.answered) throw new SealpostError("protocol", "data before its response");
        if (pending.cancelled) pending.drained += frame.payload.length;
        if (pending.drained > MAX_DRAINED) {
          throw new SealpostError("protocol", "the server does not stop sending");
        }
        return await pending.data.push(frame.payload);
      case FrameKind.end:
        if (!pending.answered) throw new SealpostError("protocol", "an end before its response");
        finish();
        return pending.data.end();
      case FrameKind.cancel:
        if (!pending.answered) throw new SealpostError("protocol", "a cancel before its response");
        finish();
        return pending.data.fail(
          new SealpostError("cancelled", "the server broke the transfer off; try again"),
        );
      default:
        throw new SealpostError("protocol", `a frame of kind ${frame.kind} from the server`);
    }
  }

  #end(error: SealpostError): void {
    this.#ended ??= error;
    clearTimeout(this.#timer);
    for (const pending of this.#pending.splice(0)) {
      pending.fail(error);
      pending.data.fail(error);
    }
  }
}

function closed(): SealpostError {
  return new SealpostError("connection-lost", "the connection is closed");
}

/** The error of a connection that the server ended with a goodbye, with the reason it gave. */
function farewell(payload: Bytes | null): SealpostError {
  const goodbye = payload && decodeGoodbye(payload);
  const why = goodbye ? `: ${printable(goodbye.reason)}` : "";
  return new RefusedError(
    "connection-lost",
    `the server ended the connection${why}`,
    goodbye?.reconnect ? { retryAfter: goodbye.after ?? 0 } : {},
  );
}
