import { type Bytes, lp, toBase64, toHex } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { rechunk } from "../protocol/body.ts";
import type { Connection } from "../protocol/connection.ts";
import { encodeEntry } from "../protocol/entry.ts";
import { type Frame, Kind, MAX_DATA } from "../protocol/frame.ts";
import { MAX_OUTSTANDING } from "../protocol/limits.ts";
import {
  decodeRequest,
  type DeliverRequest,
  encodeJson,
  type ListRequest,
  type Op,
  type PasswdRequest,
  type Refusal,
  type Request,
  type Response,
  WIRE_ERRORS,
  type WireError,
} from "../protocol/request.ts";
import { changePassword, type PasswordContext } from "./change_password.ts";
import { deliver, type Delivered } from "./deliver.ts";
import type { Hub, Member } from "./hub.ts";
import type { LoggedIn } from "./login.ts";
import type { Observer } from "./observe.ts";
import { sourceOf } from "./source.ts";
import type { ListQuery, Placed } from "./store.ts";
import { Handoff } from "../protocol/handoff.ts";

/** What every session shares. */
export interface SessionContext extends PasswordContext {
  readonly hub: Hub;
  readonly observer: Observer;
  readonly maxMessage: number;
  readonly maxRecipients: number;
}

/** A request that has not been answered yet. */
interface Job {
  readonly id: number;
  cancelled: boolean;
}

/** Announced bytes of uploads in progress above which the next request has to wait. */
const MAX_IN_FLIGHT = 4 * 1024 * 1024;
/** What one upload can hold in memory at most: an inline body and an envelope. */
const MAX_HELD = 1024 * 1024;
/** Entries that `list` reads from the store at a time. */
const PAGE = 20;
/** What a brief listing leaves out. */
const WITHOUT_SEALED = { stanza: new Uint8Array(0), summary: new Uint8Array(0), note: null };
/** Silence after which the client is asked for a sign of life, and after which it is gone. */
const PING_AFTER = 120_000;
const GONE_AFTER = 300_000;

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
  readonly #context: SessionContext;
  readonly #jobs = new Map<number, Job>();
  /**
   * The upload that is going on. One that is `optional` belongs to a request that could not be
   * read: it may or may not have data.
   */
  #upload: { id: number; upload: Handoff; optional: boolean } | null = null;
  #lastId = 0;
  #nextTicket: LoggedIn["nextTicket"];
  #inFlight = 0;
  #onLanded: (() => void) | null = null;
  /** Resolves when all that was asked so far is answered; never rejects. */
  #answered: Promise<void> = Promise.resolve();

  constructor(loggedIn: LoggedIn, context: SessionContext) {
    this.id = context.hub.newId();
    this.name = loggedIn.name;
    this.peer = loggedIn.peer;
    this.client = loggedIn.client;
    this.resumed = loggedIn.resumed;
    this.#credential = context.users.credential(loggedIn.name);
    this.#fp = loggedIn.fp;
    this.#connection = loggedIn.connection;
    this.#nextTicket = loggedIn.nextTicket;
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
    const watch = this.#watch();
    try {
      for (;;) {
        const frame = await this.#connection.receive();
        if (!frame) break;
        if (this.#nextTicket) await this.#issueTicket(this.#nextTicket);
        await this.#take(frame);
      }
    } catch (error) {
      throw this.#connection.abort(error);
    } finally {
      this.#context.hub.leave(this);
      clearInterval(watch);
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

  async end(reason: string): Promise<void> {
    await this.#connection.close(new TextEncoder().encode(JSON.stringify({ reason })));
  }

  /** The client's first record has shown that it is no replay: it may have its next ticket. */
  async #issueTicket(issue: NonNullable<LoggedIn["nextTicket"]>): Promise<void> {
    this.#nextTicket = null;
    const ticket = await issue();
    if (!ticket) return;
    const payload = encodeJson({
      event: "ticket",
      id: toHex(ticket.id),
      expires: ticket.expires,
    });
    await this.#connection.send({ kind: Kind.event, id: 0, payload });
  }

  #watch(): ReturnType<typeof setInterval> {
    return setInterval(() => {
      const silence = Date.now() - this.#connection.lastReceived;
      if (silence > GONE_AFTER) {
        this.#connection.abort(new SealpostError("timeout", "the client fell silent"));
      } else if (silence > PING_AFTER) {
        this.#connection.ping().catch(() => {});
      }
    }, 30_000);
  }

  async #take(frame: Frame): Promise<void> {
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
    this.#lastId = frame.id;
    const job: Job = { id: frame.id, cancelled: false };
    this.#jobs.set(frame.id, job);
    let request: Request;
    try {
      request = decodeRequest(frame.payload);
    } catch (error) {
      this.#receiveUpload(job, true).discard();
      this.#answer(job, () => Promise.reject(error));
      return;
    }
    this.#context.observer.requests.add(request.op);
    if (this.#mustChange() && request.op !== "passwd" && request.op !== "whoami") {
      if (request.op === "deliver") this.#receiveUpload(job).discard();
      this.#answer(job, () => Promise.reject(firstThePassword()));
    } else if (request.op === "deliver") {
      const held = Math.min(request.size, MAX_HELD);
      while (this.#inFlight > 0 && this.#inFlight + held > MAX_IN_FLIGHT) {
        await new Promise<void>((resolve) => this.#onLanded = resolve);
      }
      this.#startDelivery(job, request, held);
    } else {
      const asked = request;
      this.#answer(job, () => this.#serve(job, asked));
    }
  }

  #receiveUpload(job: Job, optional = false): Handoff {
    const upload = new Handoff();
    this.#upload = { id: job.id, upload, optional };
    return upload;
  }

  #startDelivery(job: Job, request: DeliverRequest, held: number): void {
    const upload = this.#receiveUpload(job);
    this.#inFlight += held;
    const work = deliver(request, upload, {
      store: this.#context.store,
      sender: { name: this.name, fp: this.#fp },
      isUser: (name) => this.#context.users.has(name),
      maxMessage: this.#context.maxMessage,
      maxRecipients: this.#context.maxRecipients,
    }).finally(() => {
      upload.discard();
      this.#inFlight -= held;
      this.#onLanded?.();
    });
    // Its turn to be answered may come later than its failure.
    work.catch(() => {});
    this.#answer(job, async () => {
      const done: Delivered = await work;
      const { again, placed } = done;
      this.#context.observer.delivered({ again, copies: placed.length, bytes: request.size });
      this.#context.hub.notify(done.placed);
      await this.#respond(job, { ok: true, at: done.at, again: done.again });
    });
  }

  /** Runs `work` when everything before it is answered; turns what it throws into a refusal. */
  #answer(job: Job, work: () => Promise<void>): void {
    this.#answered = this.#answered.then(async () => {
      try {
        await work();
      } catch (error) {
        await this.#refuse(job, error).catch(() => {});
      } finally {
        this.#jobs.delete(job.id);
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
    await this.#respond(job, { ok: false, code, message });
  }

  async #respond(job: Job, response: Response<Op> | Refusal): Promise<void> {
    await this.#connection.send({
      kind: Kind.response,
      id: job.id,
      payload: encodeJson(response),
    });
  }

  async #serve(job: Job, request: Exclude<Request, DeliverRequest>): Promise<void> {
    const { store } = this.#context;
    if (job.cancelled) throw new SealpostError("cancelled", "the request was cancelled");
    switch (request.op) {
      case "list":
        return await this.#list(job, request);
      case "fetch":
        return await this.#fetch(job, request.uid, request.offset ?? 0);
      case "flag": {
        const { set, clear, folder } = request;
        const change = folder === undefined ? { set, clear } : { set, clear, folder };
        const uids = await store.flag(this.name, request.uids, change);
        return await this.#respond(job, { ok: true, uids: [...uids] });
      }
      case "remove": {
        const uids = await store.remove(this.name, request.uids);
        return await this.#respond(job, { ok: true, uids: [...uids] });
      }
      case "keys":
        return await this.#keys(job, request.names);
      case "whoami":
        return await this.#whoami(job);
      case "passwd":
        return await this.#passwd(job, request);
    }
  }

  async #whoami(job: Job): Promise<void> {
    const account = await this.#account();
    const usage = await this.#context.store.usage(this.name);
    await this.#respond(job, {
      ok: true,
      name: this.name,
      fp: toBase64(this.#fp),
      epoch: toHex(account.epoch),
      nextUid: account.nextUid,
      ...usage,
      ...this.#mustChange() ? { change: true } : {},
    });
  }

  /** Whether the password is a one-time one. */
  #mustChange(): boolean {
    return (this.#context.users.state(this.name)?.expires ?? null) !== null;
  }

  async #passwd(job: Job, request: PasswdRequest): Promise<void> {
    const before = this.#credential;
    try {
      await changePassword({
        name: this.name,
        peer: this.peer,
        source: sourceOf(this.peer),
        old: request.old,
        new: request.new,
        // This session goes on; the others of this user do not.
        adopt: (credential) => this.#credential = credential,
      }, this.#context);
    } catch (error) {
      this.#credential = before;
      throw error;
    }
    await this.#respond(job, { ok: true });
  }

  async #account() {
    const account = await this.#context.store.account(this.name);
    if (!account) throw new SealpostError("internal", "a session without an account");
    return account;
  }

  async #keys(job: Job, names: readonly string[]): Promise<void> {
    const keys: Response<"keys">["keys"] = [];
    for (const name of names) {
      const account = await this.#context.store.account(name);
      // The key of somebody who was removed still verifies the mail that he wrote.
      if (account?.bundle) keys.push({ name, state: "bound", bundle: toBase64(account.bundle) });
      else keys.push({ name, state: this.#context.users.has(name) ? "no-key" : "unknown" });
    }
    await this.#respond(job, { ok: true, keys });
  }

  async #list(job: Job, request: ListRequest): Promise<void> {
    const account = await this.#account();
    await this.#respond(job, {
      ok: true,
      epoch: toHex(account.epoch),
      nextUid: account.nextUid,
    });
    await this.#stream(job, this.#entries(request));
  }

  /** The entries of a listing, read a page at a time. */
  async *#entries(request: ListRequest): AsyncGenerator<Bytes, void, undefined> {
    const ascending = request.order === "oldest";
    const { folder } = request;
    let { after, before } = request;
    for (let left = request.limit; left > 0; left -= PAGE) {
      const query: ListQuery = {
        ...(folder === undefined ? {} : { folder }),
        ...(after === undefined ? {} : { after }),
        ...(before === undefined ? {} : { before }),
        ascending,
        limit: Math.min(PAGE, left),
      };
      const page = await this.#context.store.list(this.name, query);
      for (const entry of page) {
        yield lp(encodeEntry(request.brief ? { ...entry, ...WITHOUT_SEALED } : entry));
      }
      const last = page.at(-1)?.uid;
      if (last === undefined || page.length < query.limit) return;
      if (ascending) after = last;
      else before = last;
    }
  }

  async #fetch(job: Job, uid: number, offset: number): Promise<void> {
    const entry = await this.#context.store.entry(this.name, uid);
    const body = entry && offset <= entry.bodySize
      ? await this.#context.store.readBody(this.name, uid, offset)
      : null;
    if (!entry || !body) {
      throw new SealpostError("no-such-message", "that message is not in your mailbox any more");
    }
    await this.#respond(job, { ok: true, size: entry.bodySize - offset });
    const data = async function* (): AsyncGenerator<Bytes, void, undefined> {
      yield lp(encodeEntry(entry));
      yield* body;
    };
    await this.#stream(job, data());
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
      this.#context.log.error("store-error", { name: this.name, error: why });
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

/** The code that a client may see for `error`. */
function wireError(error: unknown): WireError {
  if (!isSealpostError(error)) return "internal";
  return WIRE_ERRORS.find((code) => code === error.code) ?? "internal";
}
