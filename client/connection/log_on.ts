import { type Bytes, fromHex, fromUtf8, wipe } from "../../crypto/bytes.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import type { Address } from "../../protocol/address.ts";
import type { Hello } from "../../protocol/hello.ts";
import { PROGRAM_VERSION } from "../../cli/program.ts";
import type { MailEvent } from "../../protocol/request.ts";
import { TICKET_LABEL } from "../../protocol/resumption.ts";
import { Link } from "./link.ts";
import { type Connected, logIn, resumeLogin } from "./login.ts";
import type { State } from "../state/state.ts";
import { Tickets } from "../state/tickets.ts";

/** Who logs on, where, and how. */
export interface LogOnOptions {
  readonly address: Address;
  readonly server: Bundle;
  readonly name: string;
  readonly identity: Identity;
  readonly state: State;
  /** Whether a ticket may take the place of the password. */
  readonly useTicket: boolean;
  /** The password, asked for only if there is no ticket that works; wiped after use. */
  readonly password: () => Promise<Bytes>;
  readonly onMail?: (event: MailEvent) => void;
  /** Asks for a new password, when the one that was used is good for one time only. */
  readonly newPassword: () => Promise<string>;
}

/** A session that is ready for requests. */
export interface LoggedOn {
  readonly link: Link;
  readonly hello: Hello;
  /** Whether this login bound the account to the key. */
  readonly bound: boolean;
  /** Whether a ticket was used in the place of the password. */
  readonly resumed: boolean;
  readonly exporter: Connected["exporter"];
}

/**
 * Logs on with a ticket if there is one and the server takes it, else with the password, and keeps
 * the ticket for the next time. Throws what {@linkcode logIn} throws.
 */
export async function logOn(options: LogOnOptions): Promise<LoggedOn> {
  const tickets = new Tickets(options.state, options.server.fp);
  const resumed = options.useTicket ? await resume(options, tickets) : null;
  if (resumed) {
    return { ...ready(resumed, tickets, options, true), bound: false, resumed: true };
  }
  const password = await options.password();
  try {
    const loggedIn = await logIn(options.address, options.server, options.identity, {
      name: options.name,
      password,
      client: `sealpost/${PROGRAM_VERSION}`,
    });
    const { ticket, bound, change } = loggedIn.verdict;
    const session = ready(loggedIn, tickets, options, false);
    if (change) await changePassword(session.link, fromUtf8(password), options.newPassword);
    else if (ticket) await keep(tickets, loggedIn, ticket);
    return { ...session, bound, resumed: false };
  } finally {
    wipe(password);
  }
}

/** Until a one-time password is changed, the server answers nothing else. */
async function changePassword(
  link: Link,
  old: string,
  ask: LogOnOptions["newPassword"],
): Promise<void> {
  try {
    await link.ask({ op: "passwd", old, new: await ask() });
  } catch (error) {
    await link.close();
    throw error;
  }
}

async function resume(options: LogOnOptions, tickets: Tickets): Promise<Connected | null> {
  if (!await tickets.any()) return null;
  const { address, name, identity, server } = options;
  const psks: Bytes[] = [];
  // Taken only when there is a connection: a server that is away costs no ticket.
  const known = async () => {
    const ticket = await tickets.take();
    if (!ticket) return null;
    psks.push(ticket.psk);
    return { name, client: identity.bundle, server, ticket: ticket.id, psk: ticket.psk };
  };
  try {
    return await resumeLogin(address, known, identity);
  } finally {
    wipe(...psks);
  }
}

function ready(connected: Connected, tickets: Tickets, options: LogOnOptions, resumed: boolean) {
  // One, in a session that was resumed: each that is kept is a write to the disk.
  let due = resumed;
  const link = new Link(connected.connection, (event) => {
    if (event.event !== "ticket") return options.onMail?.(event);
    if (!due) return;
    due = false;
    // A ticket that cannot be kept costs a password the next time, and nothing now.
    return keep(tickets, connected, event).catch(() => {});
  });
  return { link, hello: connected.hello, exporter: connected.exporter };
}

async function keep(
  tickets: Tickets,
  session: Connected,
  ticket: { readonly id: string; readonly expires: number },
): Promise<void> {
  const id = fromHex(ticket.id);
  const psk = await session.exporter(TICKET_LABEL, id);
  await tickets.put({ id, psk, expires: ticket.expires });
  wipe(psk);
}
