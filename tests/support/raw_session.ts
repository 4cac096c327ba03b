import { SOME_HEAD } from "./log_head.ts";
import { type Bytes, concat, fromHex, toHex, utf8 } from "../../crypto/bytes.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { ClientSession } from "../../client/connection/client_session.ts";
import {
  type AcceptedLogin,
  type Connected,
  logIn,
  resumeLogin,
} from "../../client/connection/login.ts";
import { sealMessage } from "../../client/message/seal.ts";
import { parseAddress } from "../../protocol/address.ts";
import type { Connection } from "../../protocol/connection.ts";
import type { DeliverRequest, Event } from "../../protocol/request.ts";
import { TICKET_LABEL } from "../../protocol/resumption.ts";
import { newMessageId } from "../../protocol/uuid.ts";

/** A user, and the server that knows them. */
export interface Person {
  readonly name: string;
  readonly identity: Identity;
  readonly password: string;
}

/** A ticket with its key. */
export interface KeptTicket {
  readonly id: Bytes;
  readonly psk: Bytes;
}

/** A message that is sealed, with all its bytes. */
export interface Presealed {
  readonly request: DeliverRequest;
  readonly bytes: Bytes;
}

/** A logged-in connection without a folder, a menu, or pins. */
export class RawSession {
  readonly link: ClientSession;
  readonly connection: Connection;
  readonly #connected: Connected;
  readonly #events: Event[] = [];
  #head: string | null = null;
  #onEvent: (() => void)[] = [];

  constructor(readonly person: Person, connected: Connected) {
    this.#connected = connected;
    this.connection = connected.connection;
    this.link = new ClientSession(connected.connection, (event) => {
      if (event.event === "head") this.#head = event.head;
      else this.#events.push(event);
      for (const resolve of this.#onEvent.splice(0)) resolve();
    });
  }

  /** Logs in with the password. Throws what the server refuses with. */
  static async logIn(
    address: string,
    server: Bundle,
    person: Person,
  ): Promise<{ readonly session: RawSession; readonly ticket: KeptTicket | null }> {
    const loggedIn = await connectAs(address, server, person);
    const { ticket } = loggedIn.verdict;
    return {
      session: new RawSession(person, loggedIn),
      ticket: ticket ? await keep(loggedIn, ticket.id) : null,
    };
  }

  /** Resumes with a ticket; null if the server does not take it. */
  static async resume(
    address: string,
    server: Bundle,
    person: Person,
    ticket: KeptTicket,
  ): Promise<RawSession | null> {
    const { name, identity } = person;
    const { id, psk } = ticket;
    const known = { name, client: identity.bundle, server, ticket: id, psk };
    const connected = await resumeLogin(parseAddress(address), known, identity);
    return connected === null ? null : new RawSession(person, connected);
  }

  /** Asks something of a resumed session, and takes the next ticket that comes of it. */
  async nextTicket(): Promise<KeptTicket> {
    await this.link.ask({ op: "whoami" });
    for (;;) {
      const event = this.#events.find((event) => event.event === "ticket");
      if (event?.event === "ticket") return await keep(this.#connected, event.id);
      await new Promise<void>((resolve) => this.#onEvent.push(resolve));
    }
  }

  /** The head of the key log that the server showed, base64; null before it has come. */
  get head(): string | null {
    return this.#head;
  }

  /** What the server said without being asked, but for the head of its key log. */
  get events(): readonly Event[] {
    return this.#events;
  }

  /** The exporter of the session. */
  get exporter(): Connected["exporter"] {
    return this.#connected.exporter;
  }

  /** Uploads a message. */
  deliver({ request, bytes }: Presealed): Promise<unknown> {
    return this.link.upload(
      request,
      (async function* () {
        yield await Promise.resolve(bytes);
      })(),
    );
  }

  close(): Promise<void> {
    return this.link.close();
  }
}

/** Logs in with the password, and leaves it to the caller to read what comes. */
export function connectAs(address: string, server: Bundle, person: Person): Promise<AcceptedLogin> {
  const { name, identity, password } = person;
  const login = { name, password: utf8(password), client: "sealpost/test" };
  return logIn(parseAddress(address), server, identity, login);
}

async function keep(connected: Connected, id: string): Promise<KeptTicket> {
  const bytes = fromHex(id);
  return { id: bytes, psk: await connected.exporter(TICKET_LABEL, bytes) };
}

/** A message of about `size` bytes, sealed for `to` and the sender. Its text begins with its id. */
export async function preseal(
  sender: Person,
  to: readonly Person[],
  size = 300,
): Promise<Presealed> {
  const id = newMessageId();
  const text = utf8(
    `From: ${sender.name}\r\nSubject: ${toHex(id)}\r\n\r\n${"x".repeat(size)}\r\n`,
  );
  const sealed = await sealMessage({
    id,
    from: sender.name,
    to: to.map(({ name, identity: { bundle } }) => ({ name, bundle, fresh: false })),
    cc: [],
    bcc: [],
    subject: toHex(id),
    date: Date.now(),
    head: SOME_HEAD,
    attachments: [],
    composed: {
      size: text.length,
      stream: async function* () {
        yield await Promise.resolve(text);
      },
    },
  }, sender.identity);
  const pieces: Bytes[] = [];
  for await (const piece of sealed.bytes) pieces.push(piece.slice());
  return { request: sealed.request, bytes: concat(...pieces) };
}
