import { type Bytes, equal, toBase64, toHex } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import type { Connection } from "../protocol/connection.ts";
import { FrameKind } from "../protocol/frame.ts";
import { encodeGoodbye, type Goodbye } from "../protocol/goodbye.ts";
import {
  type ChangeEvent,
  encodeJson,
  type LinkEvent,
  type MailEvent,
  type SharedEvent,
} from "../protocol/request.ts";
import { within } from "../protocol/timer.ts";
import type { IssuedTicket } from "./accounts/tickets.ts";
import type { TimedStream } from "./admission/timed_stream.ts";
import type { AuthenticatedConnection } from "./login.ts";
import { Dispatcher, type DispatcherContext } from "./requests/dispatcher.ts";
import type { RequestSession, RotationOffer } from "./requests/request_context.ts";

/**
 * The life of one logged-in connection, from its login to its goodbye: who it belongs to, the next
 * ticket, events, silence and stalls. What the client asks goes to the {@linkcode Dispatcher}.
 */
export class Session implements RequestSession {
  readonly id: number;
  readonly name: string;
  readonly peer: string;
  readonly client: string;
  readonly resumed: boolean;
  readonly since = Date.now();
  readonly fp: Bytes;
  readonly exporter: AuthenticatedConnection["exporter"];
  credential: string;
  machine: string | null = null;
  rotationOffer: RotationOffer | null = null;
  readonly #connection: Connection;
  readonly #stream: TimedStream;
  readonly #context: DispatcherContext;
  readonly #dispatcher: Dispatcher;
  #nextTicket: IssuedTicket | null;
  readonly #began: number;
  /** Since when more of an upload is waited for, of `performance.now()`; null if it is not. */
  #waitingSince: number | null = null;
  /** When the last record came, as {@linkcode Session.check} has seen it; and what came of it. */
  #quiet = { received: 0, since: performance.now(), asked: false };

  /** `began`: when its connection did, of `performance.now()`. */
  constructor(
    loggedIn: AuthenticatedConnection,
    stream: TimedStream,
    context: DispatcherContext,
    began: number,
  ) {
    this.id = context.registry.newId();
    this.name = loggedIn.name;
    this.peer = loggedIn.peer;
    this.client = loggedIn.client;
    this.resumed = loggedIn.resumed;
    this.fp = loggedIn.fp;
    this.exporter = loggedIn.exporter;
    this.credential = loggedIn.credential;
    this.#connection = loggedIn.connection;
    this.#stream = stream;
    this.#nextTicket = loggedIn.nextTicket;
    this.#began = began;
    this.#context = context;
    this.#dispatcher = new Dispatcher(this, this.#connection, context);
  }

  get lastReceived(): number {
    return this.#connection.lastReceived;
  }

  /** Serves until either side ends the connection. Throws what ended it, if it was not a goodbye. */
  async run(): Promise<void> {
    const { registry, links } = this.#context;
    registry.add(this);
    try {
      if (await this.#isOver()) return;
      await this.#tellHead();
      for (;;) {
        this.#waitingSince = this.#dispatcher.uploading ? performance.now() : null;
        const frame = await this.#connection.receive();
        this.#waitingSince = null;
        if (!frame) break;
        if (this.#nextTicket) await this.#tellTicket(this.#nextTicket);
        await this.#dispatcher.take(frame);
      }
    } catch (error) {
      // Beside a goodbye nothing else is sent; cutting it off would leave the client without its reason.
      if (this.#connection.closing) return await this.#connection.close();
      throw this.#connection.abort(error);
    } finally {
      registry.remove(this);
      links.closeAll(this);
      await this.#dispatcher.connectionLost();
    }
  }

  tell(event: MailEvent | ChangeEvent | SharedEvent | LinkEvent): void {
    // A client that does not read gets no more events: it will see its mail when it lists.
    if (!this.#connection.open || this.#connection.backlog > 64 * 1024) return;
    const payload = encodeJson(event);
    this.#connection.send({ kind: FrameKind.event, id: 0, payload }).catch(() => {});
  }

  end(reason: string): Promise<void> {
    return this.#end({ reason });
  }

  /**
   * Takes no more requests, gives those in progress `patience` milliseconds to finish, then says
   * goodbye. What was not taken gets no answer: the client asks again when it is back.
   */
  async finish(goodbye: Goodbye, patience: number): Promise<void> {
    this.#dispatcher.stop();
    await within(this.#dispatcher.allAnswered(), patience, undefined);
    await this.#end(goodbye);
  }

  async #end(goodbye: Goodbye): Promise<void> {
    this.#dispatcher.stop();
    await this.#connection.close(encodeGoodbye(goodbye));
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
    if (now - (this.#stream.writingSince ?? now) > stallTimeout) {
      this.#connection.abort(new SealpostError("timeout", "the client does not read"));
    } else if (now - (this.#waitingSince ?? now) > stallTimeout) {
      this.#connection.abort(new SealpostError("timeout", "the client's upload stands still"));
    }
  }

  /**
   * Looks again at what this login was decided on: whoever changes it from now on finds the session in
   * the registry. If it has changed since, takes back the ticket that was issued meanwhile and ends the
   * session.
   */
  async #isOver(): Promise<boolean> {
    const reason = await this.#whyOver();
    if (reason === null) return false;
    await this.#context.store.dropTickets(this.name);
    await this.#end({ reason });
    return true;
  }

  async #whyOver(): Promise<string | null> {
    const { registry, store, users } = this.#context;
    const account = await store.account(this.name);
    if (registry.hasLoggedOut(this.name, this.#began)) return "you logged out everywhere";
    const hasKey = account?.fp ? equal(account.fp, this.fp) : false;
    return hasKey && users.isInForce(this.name, this.credential)
      ? null
      : "your account was changed; log in again";
  }

  /** Tells the client how the key log stands, before anything else. */
  async #tellHead(): Promise<void> {
    const head = toBase64(await this.#context.heads.now());
    const payload = encodeJson({ event: "head", head });
    await this.#connection.send({ kind: FrameKind.event, id: 0, payload });
  }

  /** Tells the client of its next ticket, unless the session is over: what nobody knows of is no use. */
  async #tellTicket(ticket: IssuedTicket): Promise<void> {
    this.#nextTicket = null;
    if (await this.#isOver()) return;
    const payload = encodeJson({
      event: "ticket",
      id: toHex(ticket.id),
      expires: ticket.expires,
    });
    await this.#connection.send({ kind: FrameKind.event, id: 0, payload });
  }
}
