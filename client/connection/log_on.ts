import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { LOGIN_REFUSED } from "../../protocol/request.ts";
import { type Bytes, fromBase64, fromHex, fromUtf8, wipe } from "../../crypto/bytes.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import type { Address } from "../../protocol/address.ts";
import type { Hello } from "../../protocol/hello.ts";
import { PROGRAM, PROGRAM_VERSION } from "../../cli/program.ts";
import type { NewsEvent, Response } from "../../protocol/request.ts";
import { TICKET_LABEL } from "../../protocol/resumption.ts";
import { connectSocket } from "../../protocol/socket.ts";
import { within } from "../../protocol/timer.ts";
import { ClientSession } from "./client_session.ts";
import { type AcceptedLogin, type Connected, logIn, resumeLogin } from "./login.ts";
import { SharedRecordFile } from "../state/shared_record.ts";
import type { State } from "../state/state.ts";
import { TicketStore } from "../state/ticket_store.ts";

/**
 * How long a resumed session waits for its next ticket after the first answer before others may log
 * on, milliseconds.
 */
const TICKET_WAIT = 2000;

/** How long the server may take after a login to show the head of its key log, milliseconds. */
const HEAD_TIMEOUT = 20_000;

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
  /** Told what other sessions did in the mailbox. */
  readonly onNews?: (event: NewsEvent) => void;
  /** Asks for a new password, when the one that was used is good for one time only. */
  readonly newPassword: () => Promise<string>;
}

/** A ticket as the server gives it. */
export interface GivenTicket {
  /** In hexadecimal. */
  readonly id: string;
  /** When it ends, milliseconds since 1970. */
  readonly expires: number;
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
  /** The ticket that continues this session; null if none came. */
  readonly ticket: Promise<GivenTicket | null>;
  /** The head of the server's key log, which it shows after every login. Rejects if the session ends first. */
  readonly head: Promise<Bytes>;
  /** How the account stands; null if the connection ended before the server said so. */
  readonly account: Promise<Response<"whoami"> | null>;
}

/** A session that has not asked anything yet. */
type Begun = Omit<LoggedOn, "account">;

/**
 * Logs on with a ticket if there is one and the server takes it, else with the password, and keeps
 * the ticket for the next time. Clients of one user that log on at once take turns, so that each
 * finds the ticket that the one before it was given. Throws what {@linkcode logIn} throws, and `busy`
 * if others keep their turns for three minutes.
 */
export async function logOn(options: LogOnOptions): Promise<LoggedOn> {
  const tickets = new TicketStore(options.state, options.server.fp);
  const machine = await machineOf(options.state);
  const resumed = await inTurn(options, tickets, (turn) => resume(options, tickets, turn, machine));
  if (resumed) return resumed;
  // Others go on meanwhile: a person may have to type it.
  const password = await options.password();
  try {
    const loggedOn = await inTurn(options, tickets, async (turn) => {
      return await resume(options, tickets, turn, machine) ??
        await logInAnew(options, tickets, password);
    });
    if ("account" in loggedOn) return loggedOn;
    const { change, ...begun } = loggedOn;
    if (change) await changePassword(begun.session, fromUtf8(password), options.newPassword);
    return { ...begun, account: introduce(begun.session, machine) };
  } finally {
    wipe(password);
  }
}

/**
 * The head of the key log after a login. Throws `timeout` if it does not come within `patience`
 * milliseconds, and ends the session at once then: a goodbye would wait for the server, and others with
 * it for their turn.
 */
export async function headOf(
  { session, head }: Pick<LoggedOn, "session" | "head">,
  patience = HEAD_TIMEOUT,
): Promise<Bytes> {
  const shown = await within(head, patience, null);
  if (shown !== null) return shown;
  const late = new SealpostError(
    "timeout",
    "the server did not end the login in time: it has not shown its key log; try again later",
  );
  await session.abort(late);
  throw late;
}

/** Runs `work` in this client's turn to log on, which ends with it unless `work` moves it on. */
async function inTurn<T>(
  { address }: LogOnOptions,
  tickets: TicketStore,
  work: (turn: DisposableStack) => Promise<T>,
): Promise<T> {
  using turn = new DisposableStack();
  const free = await tickets.tryTurn();
  // A server that is away is found to be so by all who wait at the same time, not one by one.
  if (!free) (await connectSocket(address)).close();
  turn.use(free ?? await tickets.turn());
  return await work(turn);
}

/**
 * Asks the first thing, which brings the next ticket after a resumption, and says which of the person's
 * machines this is; what the server makes of that changes nothing here.
 */
async function introduce(
  session: ClientSession,
  machine: string | null,
): Promise<Response<"whoami"> | null> {
  const request = { op: "whoami" as const, ...defined({ machine: machine ?? undefined }) };
  return await session.ask(request).catch(() => null);
}

/** The id of this machine; null if its file cannot be read or made, which whoever needs it says. */
async function machineOf(state: State): Promise<string | null> {
  try {
    return (await new SharedRecordFile(state).load()).machine;
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    return null;
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

/** Logs on with a ticket; null if there is none, or the server does not take it. */
async function resume(
  options: LogOnOptions,
  tickets: TicketStore,
  turn: DisposableStack,
  machine: string | null,
): Promise<LoggedOn | null> {
  if (!options.useTicket || !await tickets.any()) return null;
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
    const connected = await resumeLogin(address, known, identity);
    return connected && continued(options, tickets, connected, turn.move(), machine);
  } finally {
    wipe(...psks);
  }
}

/** A resumed session. The turn ends when the next ticket is here, which its first request brings. */
function continued(
  options: LogOnOptions,
  tickets: TicketStore,
  connected: Connected,
  turn: Disposable,
  machine: string | null,
): LoggedOn {
  const came = Promise.withResolvers<GivenTicket | null>();
  const head = Promise.withResolvers<Bytes>();
  // One: each that is kept is a write to the disk.
  let kept: Promise<void> | null = null;
  const session = new ClientSession(connected.connection, (event) => {
    if (event.event === "head") return head.resolve(fromBase64(event.head));
    if (event.event !== "ticket") return options.onNews?.(event);
    // A ticket that cannot be kept costs a password the next time, and nothing now.
    kept ??= keep(tickets, connected, event).catch(() => {});
    came.resolve(event);
  });
  session.ended.then((why) => {
    came.resolve(null);
    head.reject(why);
  });
  head.promise.catch(() => {});
  const account = introduce(session, machine);
  const settled = (async () => {
    // The ticket comes beside the answer. How long that takes, and the disk, is no reason to give up:
    // whoever logs on meanwhile would find no ticket.
    await account;
    await within(came.promise, TICKET_WAIT, undefined);
    await kept;
  })().finally(() => turn[Symbol.dispose]());
  session.delayClose(settled);
  const { hello, exporter } = connected;
  const ticket = within(came.promise, TICKET_WAIT, null);
  return {
    ...{ session, hello, exporter, bound: false, resumed: true, ticket },
    head: head.promise,
    account,
  };
}

async function logInAnew(
  options: LogOnOptions,
  tickets: TicketStore,
  password: Bytes,
): Promise<Begun & { readonly change: boolean }> {
  const accepted = await logInUnderEither(options, password).catch(sayWhatToDo);
  const { ticket, bound, change = false } = accepted.verdict;
  const head = Promise.withResolvers<Bytes>();
  const session = new ClientSession(accepted.connection, (event) => {
    if (event.event === "head") head.resolve(fromBase64(event.head));
    else if (event.event !== "ticket") options.onNews?.(event);
  });
  session.ended.then(head.reject);
  head.promise.catch(() => {});
  // A change of the password ends all tickets.
  const kept = change ? null : ticket ?? null;
  if (kept) await keep(tickets, accepted, kept);
  const { hello, exporter } = accepted;
  return {
    ...{ session, hello, exporter, bound, resumed: false, change },
    ticket: Promise.resolve(kept),
    head: head.promise,
  };
}

/** Logs in to a server that has the pinned key, or proves that it had it. */
async function logInUnderEither(
  { address, server, identity, name }: LogOnOptions,
  password: Bytes,
): Promise<AcceptedLogin> {
  const login = { name, password, client: `sealpost/${PROGRAM_VERSION}` };
  try {
    return await logIn(address, server, identity, login);
  } catch (error) {
    if (!isSealpostError(error, "server-identity")) throw error;
    return await logIn(address, server, identity, login, { former: true }).catch((second) => {
      // What says nothing of the key that is pinned tells a person less than the first error.
      throw isSealpostError(second, "login-refused", "busy") ? second : error;
    });
  }
}

/** Keeps the ticket that continues `loggedOn` for the server `fp`, which is the same under another key. */
export async function keepTicketFor(
  fp: Bytes,
  { exporter, ticket }: Pick<LoggedOn, "exporter" | "ticket">,
  state: State,
): Promise<void> {
  const given = await ticket;
  if (given) await keep(new TicketStore(state, fp), { exporter }, given);
}

/** The one answer to a failed login, with what the person can do. */
function sayWhatToDo(error: unknown): never {
  if (!isSealpostError(error, "login-refused") || error.message !== LOGIN_REFUSED) throw error;
  throw new SealpostError(
    "login-refused",
    `${LOGIN_REFUSED}: if the password is right, link this machine to one that has your keys ` +
      `("${PROGRAM} setup --device"), or ask the server's operator`,
    { cause: error },
  );
}

async function keep(
  tickets: TicketStore,
  connected: Pick<Connected, "exporter">,
  ticket: GivenTicket,
): Promise<void> {
  const id = fromHex(ticket.id);
  const psk = await connected.exporter(TICKET_LABEL, id);
  await tickets.put({ id, psk, expires: ticket.expires });
  wipe(psk);
}
