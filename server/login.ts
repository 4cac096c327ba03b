import { nativeMlKem } from "../crypto/ml_kem.ts";
import { defined } from "../crypto/defined.ts";

import { type Bytes, concat, equal, lp, toBase64, toHex, wipe } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { encodeBundle, formatFingerprint } from "../crypto/identity.ts";
import { ExactReader } from "../protocol/byte_stream.ts";
import { Connection } from "../protocol/connection.ts";
import { FrameKind } from "../protocol/frame.ts";
import {
  FP_SIZE,
  KIND_BUNDLE,
  KIND_FORMER,
  KIND_HANDSHAKE,
  KIND_VISIT,
  type LoginClaim,
  prefix,
  PREFIX_SIZE,
  ServerHandshake,
  SIZE_A,
  SIZE_C,
  SIZE_E,
} from "../protocol/handshake.ts";
import { KIND_RESUMPTION, ServerResumption, SIZE_R1, ticketOf } from "../protocol/resumption.ts";
import { BUNDLE_ANSWER, REFUSAL_TEXT } from "../protocol/plaintext.ts";
import { padTo } from "../protocol/login.ts";
import type { SplitKeys } from "../protocol/noise.ts";
import { formatWait, RefusedError } from "../protocol/refused.ts";
import { encodeJson, LOGIN_REFUSED, type Verdict, VERDICT_SIZE } from "../protocol/request.ts";
import type { AuditLog } from "./observe/audit.ts";
import type { ConnectionSlot } from "./admission/connection_limiter.ts";
import type { LoginThrottle } from "./admission/login_throttle.ts";
import type { LoginOutcome, Observer } from "./observe/observe.ts";
import type { Offence } from "./admission/penalties.ts";
import type { Semaphore } from "./admission/semaphore.ts";
import { formerKey, type FormerLoginKey, type LoginKey } from "./accounts/server_keys.ts";
import type { IssuedTicket, TicketIssuer } from "./accounts/tickets.ts";
import { rejectConnection } from "./admission/reject_connection.ts";
import type { Users } from "./accounts/users.ts";
import { agree, receiveVisit, type VisitContext } from "./visit.ts";
import type { TimedStream } from "./admission/timed_stream.ts";

/** What deciding on a login needs. */
export interface LoginContext extends VisitContext {
  /** Keys that the server has left, under which it still answers. */
  readonly former: readonly FormerLoginKey[];
  readonly users: Users;
  /** Around Argon2id. */
  readonly argon: Semaphore;
  readonly loginThrottle: LoginThrottle;
  readonly tickets: TicketIssuer;
  readonly observer: Observer;
  readonly audit: AuditLog;
}

/** A connection whose login was accepted. */
export interface AuthenticatedConnection {
  readonly connection: Connection;
  readonly name: string;
  /** Where it comes from, `host:port`. */
  readonly peer: string;
  /** The client's program, as it says of itself; empty where it was not asked. */
  readonly client: string;
  /** Whether it began with a ticket. */
  readonly resumed: boolean;
  /** The proven fingerprint, 32 bytes: the one that is bound to the account. */
  readonly fp: Bytes;
  /** What the user list had for the password that was verified, by this login or for its ticket. */
  readonly credential: string;
  /**
   * The next ticket, to be told once the client has shown with a record that it is there; null if it
   * has one from its login, or gets none.
   */
  readonly nextTicket: IssuedTicket | null;
  /** The session's exporter, where all keys and the password were proven; null after a ticket. */
  readonly exporter: SplitKeys["exporter"] | null;
}

/** A connection that was answered as the protocol says, and ended without a login. */
export interface EndedConnection {
  /** How it counts; null if no login was tried. */
  readonly outcome: LoginOutcome | null;
}

const NOTHING_TRIED: EndedConnection = { outcome: null };

/** Penalises before the answer, so that a peer that comes back at once meets the penalty. */
function penalise(context: LoginContext, { source }: ConnectionSlot, offence: Offence): void {
  context.penalties.add(source, offence);
}

/** The peer ended the connection, which costs nothing before its first byte. */
function endedEarly(
  stream: TimedStream,
  slot: ConnectionSlot,
  context: LoginContext,
): EndedConnection {
  if (stream.bytesReceived === 0) return NOTHING_TRIED;
  penalise(context, slot, "abandoned");
  return { outcome: "broken" };
}

/**
 * Takes a new connection through the handshake and decides on its login. Throws what the peer caused,
 * for the log; nothing was sent after the fault.
 */
export async function login(
  stream: TimedStream,
  slot: ConnectionSlot,
  context: LoginContext,
): Promise<AuthenticatedConnection | EndedConnection> {
  const reader = new ExactReader(stream);
  const first = await reader.exactly(PREFIX_SIZE);
  if (!first) return endedEarly(stream, slot, context);
  if (equal(first, prefix(KIND_BUNDLE))) {
    await stream.write(padTo(lp(encodeBundle(context.key.identity.bundle)), BUNDLE_ANSWER));
    await stream.closeWrite();
    return NOTHING_TRIED;
  }
  if (equal(first, prefix(KIND_RESUMPTION))) {
    return await resume(stream, reader, first, slot, context);
  }
  if (equal(first, prefix(KIND_VISIT))) {
    const outcome = await receiveVisit(stream, reader, slot, context);
    if (outcome === "early") return endedEarly(stream, slot, context);
    return outcome === "busy" ? { outcome } : NOTHING_TRIED;
  }
  if (equal(first, prefix(KIND_HANDSHAKE))) {
    return await prove(stream, reader, first, slot, context, context.key);
  }
  if (equal(first, prefix(KIND_FORMER))) {
    const fp = await reader.exactly(FP_SIZE);
    if (!fp) return endedEarly(stream, slot, context);
    const former = formerKey(context.former, fp);
    // Whoever comes this late has to ask a person anyway.
    if (former === null) return NOTHING_TRIED;
    const result = await prove(stream, reader, concat(first, fp), slot, context, former);
    // It had tried the present key before, without a reason to know better.
    if ("connection" in result) context.penalties.takeBack(slot.source, "abandoned");
    return result;
  }
  context.log.info("other-protocol", { peer: stream.peer });
  penalise(context, slot, "garbage");
  await rejectConnection(stream, REFUSAL_TEXT);
  return NOTHING_TRIED;
}

/** A whole handshake, with keys and password, under a key of the server. */
async function prove(
  stream: TimedStream,
  reader: ExactReader,
  first: Bytes,
  slot: ConnectionSlot,
  context: LoginContext,
  key: LoginKey,
): Promise<AuthenticatedConnection | EndedConnection> {
  const rest = await reader.exactly(SIZE_A - PREFIX_SIZE);
  if (!rest) return endedEarly(stream, slot, context);
  const purpose = first.length > PREFIX_SIZE ? "former" : "login";
  const handshake = await ServerHandshake.start(key.identity, purpose);
  if (!await agree(handshake, concat(first, rest), stream, slot, { ...context, key })) {
    return { outcome: "busy" };
  }

  const c = await reader.exactly(SIZE_C);
  if (!c) return endedEarly(stream, slot, context);
  const claim = await handshake.readC(c);
  let decision: Decision;
  let connection: Connection;
  let exporter: SplitKeys["exporter"];
  try {
    await stream.write(await handshake.writeD());
    const e = await reader.exactly(SIZE_E);
    if (!e) return endedEarly(stream, slot, context);
    await handshake.readE(e);
    const keys = await handshake.split();
    connection = recordsOver(stream, reader, keys);
    exporter = keys.exporter;
    decision = await decide(claim, stream.peer, slot, context, exporter);
  } finally {
    wipe(claim.login.password);
  }
  const { verdict, outcome, credential } = decision;
  if (outcome === "refused" || outcome === "blocked") penalise(context, slot, "login");
  await connection.send(
    { kind: FrameKind.event, id: 0, payload: encodeJson(verdict) },
    VERDICT_SIZE,
  );
  if (!verdict.ok || credential === null) {
    await connection.close();
    return decision;
  }
  return {
    connection,
    name: verdict.name,
    peer: stream.peer,
    client: claim.login.client,
    resumed: false,
    fp: claim.bundle.fp,
    credential,
    nextTicket: null,
    exporter,
  };
}

/** The records over `stream`, with the keys of a handshake, which are erased where they are not needed. */
function recordsOver(stream: TimedStream, reader: ExactReader, keys: SplitKeys): Connection {
  const { responder, initiator } = keys;
  const connection = new Connection(stream, reader, { send: responder, receive: initiator });
  wipe(responder, initiator);
  return connection;
}

/** A ticket that is not accepted: the client logs in with its password instead. */
const STALE: EndedConnection = { outcome: "stale" };

/**
 * Takes a connection that begins with a ticket: one round trip, no RSA, no Argon2id. A ticket that
 * is unknown, used, expired or of another key ends the connection without an answer; the client
 * then logs in with its password. So does one of a user who has too many connections, where the
 * login with the password says so.
 */
async function resume(
  stream: TimedStream,
  reader: ExactReader,
  first: Bytes,
  slot: ConnectionSlot,
  context: LoginContext,
): Promise<AuthenticatedConnection | EndedConnection> {
  const rest = await reader.exactly(SIZE_R1 - PREFIX_SIZE);
  if (!rest) return endedEarly(stream, slot, context);
  const r1 = concat(first, rest);
  const id = ticketOf(r1);
  const found = await context.tickets.find(id);
  if (!found) return STALE;
  const { name, client, server, credential, fullAt, psk } = found;
  const handshake = await ServerResumption.start(
    { name, client, server: server.bundle, ticket: id, psk },
    server,
  );
  wipe(psk);
  const arrived = performance.now();
  const held: { claim: Disposable | null } = { claim: null };
  try {
    try {
      await handshake.readR1(r1, () => {
        held.claim = context.tickets.claim(id);
        if (held.claim === null) {
          throw new SealpostError("authentication", "a ticket that is in use");
        }
      });
    } catch (error) {
      // It names a ticket and does not know its key, or knows another key of this server.
      if (!isSealpostError(error, "authentication")) throw error;
      penalise(context, slot, "abandoned");
      if (held.claim === null) return STALE;
      // Whoever knows a ticket's key buys one private operation with it, not one after the other.
      await context.tickets.drop(id);
      await hideDecapsulation(context, arrived);
      return STALE;
    }
    if (!slot.admit(name)) return STALE;
    const r2 = await handshake.writeR2(context.hello());
    const keys = await handshake.split();
    const { exporter } = keys;
    const { fp } = client;
    // Consumed only now that whoever sent it has proven to know its key; a replay finds it gone.
    const exchanged = await context.tickets.exchange(
      id,
      { name, fp, credential, fullAt, exporter },
    );
    if (exchanged === null) return STALE;
    await hideDecapsulation(context, arrived);
    await stream.write(r2);
    const connection = recordsOver(stream, reader, keys);
    const { peer } = stream;
    context.log.info("resumed", { name, peer, key: formatFingerprint(fp) });
    return {
      connection,
      name,
      peer,
      client: "",
      resumed: true,
      fp,
      credential,
      nextTicket: exchanged.next,
      exporter: null,
    };
  } finally {
    held.claim?.[Symbol.dispose]();
  }
}

/** Where the library decapsulates, what follows leaves on the grid: its time depends on the ciphertext. */
async function hideDecapsulation({ key }: LoginContext, arrived: number): Promise<void> {
  if (nativeMlKem === null) await key.timingGrid.wait(arrived);
}

interface Decision extends EndedConnection {
  readonly verdict: Verdict;
  /** What the password was verified against; null if the login is refused. */
  readonly credential: string | null;
}

/**
 * Decides on a proven claim: name, password, state and bound key together, after exactly one run
 * of Argon2id, with one answer for every failure.
 */
async function decide(
  claim: LoginClaim,
  peer: string,
  slot: ConnectionSlot,
  context: LoginContext,
  exporter: SplitKeys["exporter"],
): Promise<Decision> {
  const { name, client } = claim.login;
  const source = slot.source.name;
  const fp = formatFingerprint(claim.bundle.fp);
  const fields = { name, peer, key: fp, client };
  let credential: string | null;
  try {
    credential = await context.argon.run(
      source,
      () => context.users.verify(name, claim.login.password),
    );
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return { ...refusedFor(error), outcome: "busy" };
  }
  const blocked = context.loginThrottle.blockedFor(name, source);
  if (blocked > 0) {
    context.log.warn("login-blocked", fields);
    const error = new RefusedError(
      "busy",
      "too many wrong guesses for this name from your address; " +
        `try again in ${formatWait(blocked)}`,
      { limit: "max-guesses", retryAfter: blocked },
    );
    return { ...refusedFor(error), outcome: "blocked" };
  }
  // Read in any case: that a right password came with a wrong key must not cost more time.
  const account = await context.store.account(name);
  let why = "name or password";
  if (credential !== null) {
    const verified = credential;
    const at = Date.now();
    const known = account?.fp ? equal(account.fp, claim.bundle.fp) : null;
    if (known !== false && !slot.admit(name)) {
      context.log.warn("login-busy", { ...fields, limit: "max-connections-per-user" });
      return { ...refusedFor(TOO_MANY_CONNECTIONS), outcome: "busy" };
    }
    const outcome = known === null
      ? await context.store.bindKey(
        name,
        claim.bundle.fp,
        encodeBundle(claim.bundle),
        at,
        () => context.users.isInForce(name, verified),
      )
      : known
      ? "same"
      : "other-key";
    if (outcome === "bound" || outcome === "same") {
      context.loginThrottle.succeeded(name, source);
      context.log.info(outcome === "bound" ? "key-bound" : "login", fields);
      if (outcome === "bound") {
        await context.audit.record({
          action: "key-bound",
          name,
          origin: { via: "login", peer },
          result: "done",
          details: { key: fp },
        });
      }
      const ticket = await context.tickets.issue({
        name,
        fp: claim.bundle.fp,
        credential,
        fullAt: at,
        exporter,
      });
      const verdict: Verdict = {
        ok: true,
        bound: outcome === "bound",
        name,
        fp: toBase64(claim.bundle.fp),
        ...(ticket ? { ticket: { id: toHex(ticket.id), expires: ticket.expires } } : {}),
        ...(context.users.hasOneTimePassword(name) ? { change: true } : {}),
      };
      return { verdict, outcome: null, credential };
    }
    why = outcome;
  }
  context.log.warn("login-failed", { ...fields, why });
  context.loginThrottle.failed(name, source);
  const verdict: Verdict = { ok: false, code: "login-refused", message: LOGIN_REFUSED };
  return { verdict, outcome: "refused", credential: null };
}

const TOO_MANY_CONNECTIONS = new RefusedError(
  "busy",
  "you have too many connections to this server (max-connections-per-user); " +
    "end one, or try again in 60 s",
  { limit: "max-connections-per-user", retryAfter: 60 },
);

/** The verdict for somebody who meets a limit. */
function refusedFor(
  { message, limit, retryAfter }: RefusedError,
): Pick<Decision, "verdict" | "credential"> {
  return {
    credential: null,
    verdict: {
      ok: false,
      code: "busy",
      message,
      ...defined({ limit, retryAfter }),
    },
  };
}
