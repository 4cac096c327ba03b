import { type Bytes, toHex } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { rechunk } from "../protocol/body.ts";
import { encodeGoodbye, type Goodbye } from "../protocol/goodbye.ts";
import type { Connection } from "../protocol/connection.ts";
import { type Frame, Kind, MAX_DATA } from "../protocol/frame.ts";
import { MAX_OUTSTANDING } from "../protocol/limits.ts";
import { RefusedError } from "../protocol/refused.ts";
import { sleep, within } from "../protocol/timer.ts";
import {
  decodeRequest,
  type DeliverRequest,
  encodeJson,
  type Op,
  type Refusal,
  type Request,
  type Response,
  WIRE_ERRORS,
  type WireError,
} from "../protocol/request.ts";
import { answer, type AnswerContext, mustChange } from "./requests/answers.ts";
import { deliver, type Delivered } from "./requests/deliver.ts";
import type { Hub, Member } from "./accounts/session_registry.ts";
import type { InFlight } from "./admission/in_flight.ts";
import { logOutEverywhere } from "./requests/log_out.ts";
import type { LoggedIn } from "./login.ts";
import type { Observer } from "./observe/observe.ts";
import { Bucket, type Buckets } from "./admission/rates.ts";
import { KeyChange } from "./requests/rotation.ts";
import type { Values } from "./settings/setting_values.ts";
import type { SettingName } from "./settings/settings_table.ts";
import type { Placed } from "./store/store.ts";
import type { Wire } from "./admission/wire.ts";
import { Handoff } from "../protocol/handoff.ts";

/** What every session shares. */
export interface SessionContext extends AnswerContext {
  readonly hub: Hub;
  readonly observer: Observer;
  /** The memory of requests in progress, of all sessions. */
  readonly inFlight: InFlight;
  /** The messages that users send. */
  readonly messages: Buckets;
}

/** A request that has not been answered yet. */
interface Job {
  readonly id: number;
  cancelled: boolean;
}

/** What one upload can hold in memory at most: an inline body and an envelope. */
const MAX_HELD = 1024 * 1024;
/** A request takes about as many times its size in memory, between its arrival and its answer. */
const PARSED = 4;
/** How long the requests in progress of a session that must end may take, milliseconds. */
const LAST_REQUESTS = 5000;
/** A client that asks too fast is told so no more often than this, milliseconds. */
const TELL_EVERY = 10_000;

/**
 * Serves one logged-in connection. Requests are answered in the order they came. Uploads that
 * follow each other are stored together (their commits are grouped); everything else waits for
 * what was asked before it, so that a client sees its own writes.
 */
export class Session implements Member {
  readonly id: number;
  readonly name: string;
  readonly peer: string;
  readonly client: string;
  readonly resumed: boolean;
  readonly since = Date.now();
  #credential: string | null;
  readonly #fp: Bytes;
  readonly #connection: Connection;
  readonly #wire: Wire;
  readonly #context: SessionContext;
  readonly #jobs = new Map<number, Job>();
  /**
   * The upload that is going on. One that is `optional` belongs to a request that could not be
   * read: it may or may not have data.
   */
  #upload: { id: number; upload: Handoff; optional: boolean } | null = null;
  #lastId = 0;
  #nextTicket: LoggedIn["nextTicket"];
  readonly #began: number;
  readonly #keyChange: KeyChange;
  #inFlight = 0;
  #onLanded: (() => void) | null = null;
  /** Resolves when all that was asked so far is answered; never rejects. */
  #answered: Promise<void> = Promise.resolve();
  /** No more requests are taken. */
  #stopping = false;
  readonly #pace: Bucket;
  #toldAt = -TELL_EVERY;
  /** Since when more of an upload is waited for, of `performance.now()`; null if it is not. */
  #waitingSince: number | null = null;
  /** When the last record came, as {@linkcode Session.check} has seen it; and what came of it. */
  #quiet = { received: 0, since: performance.now(), asked: false };

  /** `began`: when its connection did, of `performance.now()`. */
  constructor(loggedIn: LoggedIn, wire: Wire, context: SessionContext, began: number) {
    this.id = context.hub.newId();
    this.name = loggedIn.name;
    this.peer = loggedIn.peer;
    this.client = loggedIn.client;
    this.resumed = loggedIn.resumed;
    this.#credential = context.users.credential(loggedIn.name);
    this.#fp = loggedIn.fp;
    this.#connection = loggedIn.connection;
    this.#wire = wire;
    this.#pace = new Bucket(paceOf(context.settings()), performance.now());
    this.#nextTicket = loggedIn.nextTicket;
    this.#began = began;
    this.#keyChange = new KeyChange(loggedIn, context);
    this.#context = context;
  }

  get credential(): string | null {
    return this.#credential;
  }

  get lastReceived(): number {
    return this.#connection.lastReceived;
  }

  /** Serves until either side ends the connection. Throws what ended it, if it was not a goodbye. */
  async run(): Promise<void> {
    this.#context.hub.join(this);
    try {
      if (await this.#isOver()) return;
      for (;;) {
        const uploading = this.#upload !== null && !this.#upload.optional;
        this.#waitingSince = uploading ? performance.now() : null;
        const frame = await this.#connection.receive();
        this.#waitingSince = null;
        if (!frame) break;
        if (this.#nextTicket) await this.#issueTicket(this.#nextTicket);
        await this.#take(frame);
      }
    } catch (error) {
      throw this.#connection.abort(error);
    } finally {
      this.#context.hub.leave(this);
      this.#upload?.upload.fail(
        new SealpostError("connection-lost", "the connection ended during an upload"),
      );
      for (const job of this.#jobs.values()) job.cancelled = true;
      await this.#answered;
    }
  }

  notify(placed: Placed): void {
    // A client that does not read gets no more events: it will see its mail when it lists.
    if (!this.#connection.open || this.#connection.backlog > 64 * 1024) return;
    const payload = encodeJson({ event: "mail", uid: placed.uid, folder: placed.folder });
    this.#connection.send({ kind: Kind.event, id: 0, payload }).catch(() => {});
  }

  end(reason: string): Promise<void> {
    return this.#end({ reason });
  }

  /**
   * Takes no more requests, gives those in progress `patience` milliseconds to finish, then says
   * goodbye. What was not taken gets no answer: the client asks again when it is back.
   */
  async finish(goodbye: Goodbye, patience: number): Promise<void> {
    this.#stopping = true;
    await within(this.#allAnswered(), patience, undefined);
    await this.#end(goodbye);
  }

  async #end(goodbye: Goodbye): Promise<void> {
    this.#stopping = true;
    await this.#connection.close(encodeGoodbye(goodbye));
  }

  async #allAnswered(): Promise<void> {
    let answered;
    do {
      answered = this.#answered;
      await answered;
    } while (answered !== this.#answered);
  }

  /**
   * To be called every second or so: ends the connection of a client that has fallen silent, takes
   * nothing of its answers, or sends nothing of its upload; asks a quiet one for a sign of life.
   */
  check(): void {
    const { stallTimeout, pingAfter, idleTimeout } = this.#context.settings();
    const now = performance.now();
    const quiet = this.#quiet;
    if (quiet.received !== this.#connection.lastReceived) {
      this.#quiet = { received: this.#connection.lastReceived, since: now, asked: false };
    } else if (now - quiet.since > idleTimeout) {
      this.#connection.abort(new SealpostError("timeout", "the client fell silent"));
    } else if (now - quiet.since > pingAfter && !quiet.asked) {
      quiet.asked = true;
      this.#connection.ping().catch(() => {});
    }
    if (now - (this.#wire.writingSince ?? now) > stallTimeout) {
      this.#connection.abort(new SealpostError("timeout", "the client does not read"));
    } else if (now - (this.#waitingSince ?? now) > stallTimeout) {
      this.#connection.abort(new SealpostError("timeout", "the client's upload stands still"));
    }
  }

  /**
   * Whether the user has logged out everywhere since this login began. What ticket it was issued
   * meanwhile is taken back.
   */
  async #isOver(): Promise<boolean> {
    if (!this.#context.hub.hasLoggedOut(this.name, this.#began)) return false;
    await this.#context.store.dropTickets(this.name);
    await this.#end({ reason: "you logged out everywhere" });
    return true;
  }

  /** The client's first record has shown that it is no replay: it may have its next ticket. */
  async #issueTicket(issue: NonNullable<LoggedIn["nextTicket"]>): Promise<void> {
    this.#nextTicket = null;
    const ticket = await issue();
    if (!ticket || await this.#isOver()) return;
    const payload = encodeJson({
      event: "ticket",
      id: toHex(ticket.id),
      expires: ticket.expires,
    });
    await this.#connection.send({ kind: Kind.event, id: 0, payload });
  }

  async #take(frame: Frame): Promise<void> {
    // Of a request that was not taken.
    if (this.#stopping && frame.id > this.#lastId) return;
    switch (frame.kind) {
      case Kind.request:
        return await this.#start(frame);
      case Kind.data:
        if (this.#upload?.id !== frame.id) {
          throw new SealpostError("protocol", "data that belongs to no request");
        }
        return await this.#upload.upload.push(frame.payload);
      case Kind.end:
        if (this.#upload?.id !== frame.id) {
          throw new SealpostError("protocol", "an end that belongs to no request");
        }
        this.#upload.upload.end();
        this.#upload = null;
        return;
      case Kind.cancel:
        return this.#cancel(frame.id);
      default:
        throw new SealpostError("protocol", `a frame of kind ${frame.kind} from a client`);
    }
  }

  /** A cancel for a request that was answered in the meantime means nothing. */
  #cancel(id: number): void {
    if (this.#upload?.id === id) {
      this.#upload.upload.fail(new SealpostError("cancelled", "the upload was given up"));
      this.#upload = null;
    }
    const job = this.#jobs.get(id);
    if (job) job.cancelled = true;
    else if (id > this.#lastId) {
      throw new SealpostError("protocol", "a cancel for a request that was not made");
    }
  }

  async #start(frame: Frame): Promise<void> {
    if (this.#upload && !this.#upload.optional) {
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
    let request: Request | null = null;
    let fault: unknown;
    try {
      request = decodeRequest(frame.payload);
    } catch (error) {
      fault = error;
    }
    const held = PARSED * frame.payload.length +
      (request?.op === "deliver" ? Math.min(request.size, MAX_HELD) : 0);
    const room = await this.#reserve(held, request?.op === "deliver");
    if (this.#stopping) return this.#land(room);
    this.#lastId = frame.id;
    const job: Job = { id: frame.id, cancelled: false };
    this.#jobs.set(frame.id, job);
    if (request === null) {
      this.#receiveUpload(job, true).discard();
      return this.#answer(job, room, () => Promise.reject(fault));
    }
    const asked = request;
    this.#context.observer.requests.add(asked.op);
    const refusal =
      mustChange(this.name, this.#context.users) && asked.op !== "passwd" && asked.op !== "whoami"
        ? firstThePassword()
        : room === 0
        ? noMemory()
        : null;
    if (refusal) {
      if (asked.op === "deliver") this.#receiveUpload(job).discard();
      this.#answer(job, room, () => Promise.reject(refusal));
    } else if (asked.op === "deliver") this.#startDelivery(job, asked, room);
    else this.#answer(job, room, () => this.#serve(job, asked));
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
        await this.#connection.send({ kind: Kind.event, id: 0, payload });
      }
      await sleep(wait);
    }
  }

  /**
   * Takes `bytes` of memory for a request; 0 if there is none for it now. Waits for what this
   * connection has in progress, and for that of others if the request is an upload.
   */
  async #reserve(bytes: number, upload: boolean): Promise<number> {
    while (this.#inFlight > 0 && this.#inFlight + bytes > this.#context.settings().maxInFlight) {
      await new Promise<void>((resolve) => this.#onLanded = resolve);
    }
    if (upload) await this.#context.inFlight.take(this.name, bytes);
    else if (!this.#context.inFlight.tryTake(this.name, bytes)) return 0;
    this.#inFlight += bytes;
    return bytes;
  }

  /** Gives back what {@linkcode Session.#reserve} took. */
  #land(bytes: number): void {
    if (bytes === 0) return;
    this.#inFlight -= bytes;
    this.#context.inFlight.release(this.name, bytes);
    this.#onLanded?.();
  }

  #receiveUpload(job: Job, optional = false): Handoff {
    const upload = new Handoff();
    this.#upload = { id: job.id, upload, optional };
    return upload;
  }

  #startDelivery(job: Job, request: DeliverRequest, room: number): void {
    const upload = this.#receiveUpload(job);
    const { maxMessage, maxRecipients, quota, partialUploads } = this.#context.settings();
    const work = deliver(request, upload, {
      store: this.#context.store,
      sender: { name: this.name, fp: this.#fp },
      isUser: (name) => this.#context.users.has(name),
      maxMessage,
      maxRecipients,
      quota,
      partialUploads,
      charge: () => this.#charge(),
    }).finally(() => {
      upload.discard();
      this.#land(room);
    });
    // Its turn to be answered may come later than its failure.
    work.catch(() => {});
    this.#answer(job, 0, async () => {
      const done: Delivered = await work;
      const { again, placed } = done;
      this.#context.observer.delivered({ again, copies: placed.length, bytes: request.size });
      this.#context.hub.notify(done.placed);
      await this.#respond(job, { ok: true, at: done.at, again: done.again });
    });
  }

  /** Counts a message. Throws a {@linkcode RefusedError} if this user sends too many. */
  #charge(): void {
    const wait = this.#context.messages.take(this.name);
    if (wait === 0) return;
    const { messagesPerMinute, messagesBurst } = this.#context.settings();
    const retryAfter = Math.ceil(wait / 1000);
    throw new RefusedError(
      "busy",
      `you have sent ${messagesBurst} messages at once, and may send ${messagesPerMinute} a minute ` +
        `(messages-per-minute); try again in ${retryAfter} s`,
      { limit: "messages-per-minute", retryAfter },
    );
  }

  /**
   * Runs `work` when everything before it is answered; turns what it throws into a refusal. `room` is
   * the memory that is free again after it.
   */
  #answer(job: Job, room: number, work: () => Promise<void>): void {
    this.#answered = this.#answered.then(async () => {
      try {
        await work();
      } catch (error) {
        await this.#refuse(job, error).catch(() => {});
      } finally {
        this.#jobs.delete(job.id);
        this.#land(room);
      }
    });
  }

  async #refuse(job: Job, error: unknown): Promise<void> {
    if (!this.#connection.open) return;
    const code = wireError(error);
    this.#context.observer.refusals.add(code);
    if (code === "internal") {
      this.#context.log.error("internal-error", { name: this.name, error: String(error) });
    } else if (code === "disk-full" || code === "file-io") {
      const why = error instanceof Error ? error.message : String(error);
      this.#context.log.error("store-error", { name: this.name, error: why });
    }
    const message = code === "internal"
      ? "the server failed to do this; its log says more"
      : code === "file-io"
      ? "the server's disk fails; tell whoever runs it"
      : code === "disk-full"
      ? "the server's disk is full; tell whoever runs it, and try again later"
      : error instanceof Error
      ? error.message
      : "refused";
    await this.#respond(job, { ok: false, code, message, ...detailsOf(error) });
  }

  async #respond(job: Job, response: Response<Op> | Refusal): Promise<void> {
    await this.#connection.send({
      kind: Kind.response,
      id: job.id,
      payload: encodeJson(response),
    });
  }

  async #serve(job: Job, request: Exclude<Request, DeliverRequest>): Promise<void> {
    if (job.cancelled) throw new SealpostError("cancelled", "the request was cancelled");
    await answer(request, {
      name: this.name,
      fp: this.#fp,
      peer: this.peer,
      credential: this.#credential,
      // This session goes on; the others of this user do not.
      adopt: (credential) => this.#credential = credential,
      keyChange: this.#keyChange,
      logOutEverywhere: () => logOutEverywhere(this, this.#context),
      // Not waited for: this session's own end comes after what it is doing now. An upload that is
      // stored in this moment is still acknowledged, so that nobody sends it again under another key.
      endAll: (reason) => {
        this.#context.hub.finishAll(this.name, reason, LAST_REQUESTS).catch(() => {});
      },
      respond: (response) => this.#respond(job, response),
      stream: (data) => this.#stream(job, data),
    }, this.#context);
  }

  /** Sends `data` as data frames, then `end`; `cancel` if it was cancelled or could not be read. */
  async #stream(job: Job, data: AsyncIterable<Bytes>): Promise<void> {
    try {
      for await (const payload of rechunk(data, MAX_DATA)) {
        if (job.cancelled || !this.#connection.open) break;
        await this.#connection.send({ kind: Kind.data, id: job.id, payload });
      }
    } catch (error) {
      job.cancelled = true;
      const why = error instanceof Error ? error.message : String(error);
      if (this.#connection.open) {
        this.#context.log.error("store-error", { name: this.name, error: why });
      }
    }
    const kind = job.cancelled ? Kind.cancel : Kind.end;
    if (this.#connection.open) {
      await this.#connection.send({ kind, id: job.id, payload: new Uint8Array(0) });
    }
  }
}

function firstThePassword(): SealpostError {
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

/** What a refusal says besides code and message. */
function detailsOf(error: unknown): Pick<Refusal, "name" | "limit" | "retryAfter"> {
  if (!(error instanceof RefusedError)) return {};
  const { about, limit, retryAfter } = error;
  return {
    ...about === undefined ? {} : { name: about },
    ...limit === undefined ? {} : { limit },
    ...retryAfter === undefined ? {} : { retryAfter },
  };
}

/** The code that a client may see for `error`. */
function wireError(error: unknown): WireError {
  if (!isSealpostError(error)) return "internal";
  return WIRE_ERRORS.find((code) => code === error.code) ?? "internal";
}
