import { defined } from "../../crypto/defined.ts";
import type { Bytes } from "../../crypto/bytes.ts";
import { errorText, isSealpostError, SealpostError } from "../../crypto/error.ts";
import { rechunk } from "../../protocol/body.ts";
import type { Connection } from "../../protocol/connection.ts";
import { type Frame, FrameKind, MAX_DATA } from "../../protocol/frame.ts";
import { Handoff } from "../../protocol/handoff.ts";
import { MAX_OUTSTANDING } from "../../protocol/limits.ts";
import { RefusedError } from "../../protocol/refused.ts";
import {
  decodeRequest,
  encodeJson,
  type Op,
  type Refusal,
  type Request,
  type RequestWithData,
  type Response,
  WIRE_ERRORS,
  type WireError,
} from "../../protocol/request.ts";
import { sleep } from "../../protocol/timer.ts";
import type { InFlight } from "../admission/in_flight.ts";
import { TokenBucket } from "../admission/token_bucket.ts";
import type { Values } from "../settings/setting_values.ts";
import type { SettingName } from "../settings/settings_table.ts";
import { handleRequest } from "./handlers.ts";
import type { Reply, RequestContext, RequestServices, RequestSession } from "./request_context.ts";

/** What the dispatchers of all sessions share. */
export interface DispatcherContext extends RequestServices {
  /** The memory of requests in progress. */
  readonly inFlight: InFlight;
}

/** A request that has not been answered yet. */
interface Job {
  readonly id: number;
  cancelled: boolean;
}

/** A request that cannot be read: what decoding it threw. */
interface Unreadable {
  readonly fault: unknown;
}

/** What is answered to somebody whose password is good for one time only. */
const BEFORE_A_NEW_PASSWORD: ReadonlySet<Op> = new Set(["passwd", "whoami", "server-keys"]);

/** What one upload can hold in memory at most, bytes: an inline body and an envelope. */
const MAX_HELD = 1024 * 1024;
/** A request takes about as many times its size in memory, between its arrival and its answer. */
const PARSED = 4;
/** Data frames shorter than this cost more to take than they bring, bytes. */
const SMALL_FRAME = 1024;
/** As many small data frames count as a request. */
const SMALL_FRAMES_PER_REQUEST = 16;
/** A client that asks too fast is told so no more often than this, milliseconds. */
const TELL_EVERY = 10_000;

/**
 * Takes the frames in which one session asks, has each request served by its handler, and answers in
 * the order the requests came. A `deliver` or `append` begins at once, so that uploads that follow each other are
 * stored together (their commits are grouped); everything else waits for what was asked before it, so
 * that a client sees its own writes.
 */
export class Dispatcher {
  readonly #session: RequestSession;
  readonly #connection: Connection;
  readonly #context: DispatcherContext;
  readonly #requestContext: RequestContext;
  readonly #jobs = new Map<number, Job>();
  /**
   * The upload that is going on. One that is `optional` belongs to a request that could not be
   * read: it may or may not have data.
   */
  #upload: { id: number; data: Handoff; optional: boolean } | null = null;
  #lastId = 0;
  /** Small data frames since the last one that was charged. */
  #smallFrames = 0;
  /** Bytes of memory that this session's requests in progress have reserved. */
  #reserved = 0;
  #onReleased: (() => void) | null = null;
  /** Resolves when all that was asked so far is answered; never rejects. */
  #answered: Promise<void> = Promise.resolve();
  /** No more requests are taken. */
  #stopping = false;
  readonly #pace: TokenBucket;
  #toldAt = -TELL_EVERY;

  constructor(session: RequestSession, connection: Connection, context: DispatcherContext) {
    this.#session = session;
    this.#connection = connection;
    this.#context = context;
    this.#requestContext = { ...context, session };
    this.#pace = new TokenBucket(paceOf(context.settings()), performance.now());
  }

  /** Whether more of an upload has to come. */
  get uploading(): boolean {
    return this.#upload !== null && !this.#upload.optional;
  }

  /** Takes no more requests; those that were taken go on. */
  stop(): void {
    this.#stopping = true;
  }

  /** Resolves when every request that was taken is answered. */
  async allAnswered(): Promise<void> {
    let answered;
    do {
      answered = this.#answered;
      await answered;
    } while (answered !== this.#answered);
  }

  /** The connection has ended: gives up what can be given up, and waits for the rest. */
  async connectionLost(): Promise<void> {
    this.#upload?.data.fail(
      new SealpostError("connection-lost", "the connection ended during an upload"),
    );
    for (const job of this.#jobs.values()) job.cancelled = true;
    await this.#answered;
  }

  /** Takes a frame. Throws `protocol` for one that has no place here. */
  async take(frame: Frame): Promise<void> {
    // Of a request that was not taken.
    if (this.#stopping && frame.id > this.#lastId) return;
    switch (frame.kind) {
      case FrameKind.request:
        return await this.#start(frame);
      case FrameKind.data:
        if (this.#upload?.id !== frame.id) {
          throw new SealpostError("protocol", "data that belongs to no request");
        }
        await this.#chargeSmallFrame(frame);
        return await this.#upload.data.push(frame.payload);
      case FrameKind.end:
        if (this.#upload?.id !== frame.id) {
          throw new SealpostError("protocol", "an end that belongs to no request");
        }
        this.#upload.data.end();
        this.#upload = null;
        return;
      case FrameKind.cancel:
        return this.#cancel(frame.id);
      default:
        throw new SealpostError("protocol", `a frame of kind ${frame.kind} from a client`);
    }
  }

  /** A cancel for a request that was answered in the meantime means nothing. */
  #cancel(id: number): void {
    if (this.#upload?.id === id) {
      this.#upload.data.fail(new SealpostError("cancelled", "the upload was given up"));
      this.#upload = null;
    }
    const job = this.#jobs.get(id);
    if (job) job.cancelled = true;
    else if (id > this.#lastId) {
      throw new SealpostError("protocol", "a cancel for a request that was not made");
    }
  }

  async #start(frame: Frame): Promise<void> {
    if (this.uploading) {
      throw new SealpostError("protocol", "a request in the middle of an upload");
    }
    this.#upload = null;
    if (frame.id <= this.#lastId) {
      throw new SealpostError("protocol", "request ids that do not grow");
    }
    if (this.#jobs.size >= MAX_OUTSTANDING) {
      throw new SealpostError("protocol", `more than ${MAX_OUTSTANDING} requests at once`);
    }
    await this.#slowDown();
    const request = readRequest(frame.payload);
    const isUpload = hasData(request);
    const reserved = await this.#reserve(memoryOf(request, frame.payload), isUpload);
    if (this.#stopping) return this.#releaseMemory(reserved);
    this.#lastId = frame.id;
    const job: Job = { id: frame.id, cancelled: false };
    this.#jobs.set(job.id, job);
    const data = new Handoff();
    if (isUpload || "fault" in request) {
      this.#upload = { id: job.id, data, optional: !isUpload };
    }
    this.#answer(job, this.#serve(job, request, data, reserved));
  }

  /** Serves a request, at once or in its turn; gives back what was reserved when that is done. */
  async #serve(
    job: Job,
    request: Request | Unreadable,
    data: Handoff,
    reserved: number,
  ): Promise<Reply<Op>> {
    const before = this.#answered;
    try {
      if ("fault" in request) throw request.fault;
      const { op } = request;
      this.#context.observer.requests.add(op);
      const { users } = this.#context;
      if (users.hasOneTimePassword(this.#session.name) && !BEFORE_A_NEW_PASSWORD.has(op)) {
        throw changePasswordFirst();
      }
      if (reserved === 0) throw noMemory();
      if (op === "deliver" || op === "append") {
        return await handleRequest(request, this.#requestContext, data);
      }
      await before;
      if (job.cancelled) throw new SealpostError("cancelled", "the request was cancelled");
      return await handleRequest(request, this.#requestContext, data);
    } finally {
      data.discard();
      this.#releaseMemory(reserved);
    }
  }

  /** Sends what `served` comes to, a reply or a refusal, when everything before it is answered. */
  #answer(job: Job, served: Promise<Reply<Op>>): void {
    // Its turn may come later than its failure.
    served.catch(() => {});
    this.#answered = this.#answered.then(async () => {
      try {
        const { response, data, afterwards } = await served;
        await this.#respond(job, response);
        if (data) await this.#stream(job, data);
        afterwards?.();
      } catch (error) {
        await this.#refuse(job, error).catch(() => {});
      } finally {
        this.#jobs.delete(job.id);
      }
    });
  }

  /** Counts every so many small data frames as a request. */
  async #chargeSmallFrame({ payload }: Frame): Promise<void> {
    if (payload.length >= SMALL_FRAME || ++this.#smallFrames < SMALL_FRAMES_PER_REQUEST) return;
    this.#smallFrames = 0;
    await this.#slowDown();
  }

  /** Reads the next request later if they come too fast. */
  async #slowDown(): Promise<void> {
    for (;;) {
      const now = performance.now();
      const wait = this.#pace.take(paceOf(this.#context.settings()), now);
      if (wait === 0 || !this.#connection.open) return;
      if (now - this.#toldAt >= TELL_EVERY) {
        this.#toldAt = now;
        const limit: SettingName = "requests-per-second";
        const payload = encodeJson({ event: "slowed", limit });
        await this.#connection.send({ kind: FrameKind.event, id: 0, payload });
      }
      await sleep(wait);
    }
  }

  /**
   * Reserves `bytes` of memory for a request; 0 if there is none for it now. Waits for what this
   * session has in progress, and for that of others if the request is an upload.
   */
  async #reserve(bytes: number, upload: boolean): Promise<number> {
    const { inFlight, settings } = this.#context;
    while (this.#reserved > 0 && this.#reserved + bytes > settings().maxInFlight) {
      await new Promise<void>((resolve) => this.#onReleased = resolve);
    }
    if (upload) await inFlight.reserve(this.#session.name, bytes);
    else if (!inFlight.tryReserve(this.#session.name, bytes)) return 0;
    this.#reserved += bytes;
    return bytes;
  }

  /** Gives back what {@linkcode Dispatcher.#reserve} reserved. */
  #releaseMemory(bytes: number): void {
    if (bytes === 0) return;
    this.#reserved -= bytes;
    this.#context.inFlight.release(this.#session.name, bytes);
    this.#onReleased?.();
  }

  async #refuse(job: Job, error: unknown): Promise<void> {
    if (!this.#connection.open) return;
    const { observer, log } = this.#context;
    const { name } = this.#session;
    const code = wireError(error);
    observer.refusals.add(code);
    if (code === "internal") log.error("internal-error", { name, error: String(error) });
    else if (code === "disk-full" || code === "file-io") {
      log.error("store-error", { name, error: errorText(error) });
    }
    const message = OWN_TROUBLE[code] ?? errorText(error);
    await this.#respond(job, { ok: false, code, message, ...detailsOf(error) });
  }

  async #respond(job: Job, response: Response<Op> | Refusal): Promise<void> {
    await this.#connection.send({
      kind: FrameKind.response,
      id: job.id,
      payload: encodeJson(response),
    });
  }

  /** Sends `data` as data frames, then `end`; `cancel` if it was cancelled or could not be read. */
  async #stream(job: Job, data: AsyncIterable<Bytes>): Promise<void> {
    try {
      for await (const payload of rechunk(data, MAX_DATA)) {
        if (job.cancelled || !this.#connection.open) break;
        await this.#connection.send({ kind: FrameKind.data, id: job.id, payload });
      }
    } catch (error) {
      job.cancelled = true;
      if (this.#connection.open) {
        const { name } = this.#session;
        this.#context.log.error("store-error", { name, error: errorText(error) });
      }
    }
    const kind = job.cancelled ? FrameKind.cancel : FrameKind.end;
    if (this.#connection.open) {
      await this.#connection.send({ kind, id: job.id, payload: new Uint8Array(0) });
    }
  }
}

const WITH_DATA: ReadonlySet<Op> = new Set(
  [
    "deliver",
    "append",
    "shared-put",
    "link-answer",
    "kit-put",
  ] satisfies RequestWithData["op"][],
);

/** The request in `payload`, or why it is none. */
function readRequest(payload: Bytes): Request | Unreadable {
  try {
    return decodeRequest(payload);
  } catch (fault) {
    return { fault };
  }
}

/** Whether data frames follow a request. */
function hasData(request: Request | Unreadable): boolean {
  return "op" in request && WITH_DATA.has(request.op);
}

/** The memory that a request takes until it is served, bytes. */
function memoryOf(request: Request | Unreadable, payload: Bytes): number {
  const parsed = PARSED * payload.length;
  return "op" in request && "size" in request && hasData(request)
    ? parsed + Math.min(request.size, MAX_HELD)
    : parsed;
}

function changePasswordFirst(): SealpostError {
  return new SealpostError(
    "login-refused",
    "your password is a one-time password: set one of your own first",
  );
}

function noMemory(): RefusedError {
  return new RefusedError(
    "busy",
    "the server has too much in progress at the moment (max-in-flight-total); try again in 5 s",
    { limit: "max-in-flight-total", retryAfter: 5 },
  );
}

function paceOf({ requestsPerSecond: perSecond, requestsBurst: burst }: Values) {
  return { perSecond, burst };
}

/** What a client is told of the server's own trouble; the log says more. */
const OWN_TROUBLE: { readonly [code in WireError]?: string } = {
  "internal": "the server failed to do this; its log says more",
  "file-io": "the server's disk fails; tell its operator",
  "disk-full": "the server's disk is full; tell its operator, and try again later",
};

/** What a refusal says besides code and message. */
function detailsOf(error: unknown): Pick<Refusal, "name" | "limit" | "retryAfter"> {
  if (!(error instanceof RefusedError)) return {};
  const { about, limit, retryAfter } = error;
  return {
    ...defined({ name: about, limit, retryAfter }),
  };
}

/** The code that a client may see for `error`. */
function wireError(error: unknown): WireError {
  if (!isSealpostError(error)) return "internal";
  return WIRE_ERRORS.find((code) => code === error.code) ?? "internal";
}
