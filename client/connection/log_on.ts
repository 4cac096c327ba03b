import { type Bytes, fromHex, fromUtf8, wipe } from "../../crypto/bytes.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import type { Address } from "../../protocol/address.ts";
import type { Hello } from "../../protocol/hello.ts";
import { PROGRAM_VERSION } from "../../cli/program.ts";
import type { MailEvent } from "../../protocol/request.ts";
import { TICKET_LABEL } from "../../protocol/resumption.ts";
import { ClientSession } from "./client_session.ts";
import { type Connected, logIn, resumeLogin } from "./login.ts";
import type { State } from "../state/state.ts";
import { TicketStore } from "../state/ticket_store.ts";

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
  readonly session: ClientSession;
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
  const tickets = new TicketStore(options.state, options.server.fp);
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
    const logged = ready(loggedIn, tickets, options, false);
    if (change) await changePassword(logged.session, fromUtf8(password), options.newPassword);
    else if (ticket) await keep(tickets, loggedIn, ticket);
    return { ...logged, bound, resumed: false };
  } finally {
    wipe(password);
  }
}

/** Until a one-time password is changed, the server answers nothing else. */
async function changePassword(
  session: ClientSession,
  old: string,
  ask: LogOnOptions["newPassword"],
): Promise<void> {
  try {
    await session.ask({ op: "passwd", old, new: await ask() });
  } catch (error) {
    await session.close();
    throw error;
  }
}

async function resume(options: LogOnOptions, tickets: TicketStore): Promise<Connected | null> {
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

function ready(
  connected: Connected,
  tickets: TicketStore,
  options: LogOnOptions,
  resumed: boolean,
) {
  // One, in a session that was resumed: each that is kept is a write to the disk.
  let due = resumed;
  const session = new ClientSession(connected.connection, (event) => {
    if (event.event !== "ticket") return options.onMail?.(event);
    if (!due) return;
    due = false;
    // A ticket that cannot be kept costs a password the next time, and nothing now.
    return keep(tickets, connected, event).catch(() => {});
  });
  return { session, hello: connected.hello, exporter: connected.exporter };
}

async function keep(
  tickets: TicketStore,
  connected: Connected,
  ticket: { readonly id: string; readonly expires: number },
): Promise<void> {
  const id = fromHex(ticket.id);
  const psk = await connected.exporter(TICKET_LABEL, id);
  await tickets.put({ id, psk, expires: ticket.expires });
  wipe(psk);
}
