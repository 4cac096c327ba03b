import { type Bytes, concat, equal, lp, toBase64, toHex, wipe } from "../crypto/bytes.ts";
import { isSealpostError } from "../crypto/error.ts";
import {
  decodeBundle,
  encodeBundle,
  formatFingerprint,
  type Identity,
} from "../crypto/identity.ts";
import { type ByteStream, ExactReader } from "../protocol/byte_stream.ts";
import { Connection } from "../protocol/connection.ts";
import type { Grid } from "../protocol/deadline.ts";
import { Kind } from "../protocol/frame.ts";
import {
  type Claim,
  KIND_BUNDLE,
  KIND_HANDSHAKE,
  prefix,
  PREFIX_SIZE,
  ServerHandshake,
  SIZE_A,
  SIZE_C,
  SIZE_E,
} from "../protocol/handshake.ts";
import type { Hello } from "../protocol/hello.ts";
import { KIND_RESUMPTION, ServerResumption, SIZE_R1, ticketOf } from "../protocol/resumption.ts";
import { BUNDLE_ANSWER, REFUSAL_TEXT } from "../protocol/plaintext.ts";
import { padTo } from "../protocol/login.ts";
import type { SplitKeys } from "../protocol/noise.ts";
import { encodeJson, LOGIN_REFUSED, type Verdict, VERDICT_SIZE } from "../protocol/request.ts";
import type { AuditLog } from "./audit.ts";
import type { Guesses } from "./guesses.ts";
import type { Log } from "./log.ts";
import type { Observer } from "./observe.ts";
import type { Semaphore } from "./semaphore.ts";
import { sourceOf } from "./source.ts";
import type { Store } from "./store.ts";
import { ticketRefused, type Tickets } from "./tickets.ts";
import type { Users } from "./users.ts";

/** What deciding on a login needs. */
export interface LoginContext {
  readonly identity: Identity;
  readonly grid: Grid;
  readonly hello: Hello;
  readonly store: Store;
  readonly users: Users;
  /** Around the RSA private operation of message A. */
  readonly slots: Semaphore;
  /** Around Argon2id. */
  readonly argon: Semaphore;
  readonly guesses: Guesses;
  readonly tickets: Tickets;
  readonly log: Log;
  readonly observer: Observer;
  readonly audit: AuditLog;
}

/** A connection whose login was accepted. */
export interface LoggedIn {
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
  /**
   * Issues the next ticket, once the client has shown with a record that it is there; null if it
   * has one from its login.
   */
  readonly nextTicket: (() => Promise<{ id: Bytes; expires: number } | null>) | null;
}

/**
 * Takes a new connection through the handshake and decides on its login. Null if it ended
 * otherwise: it was answered as the protocol says and closed. Throws what the peer caused, for the
 * log; nothing was sent after the fault.
 */
export async function login(
  stream: ByteStream,
  context: LoginContext,
): Promise<LoggedIn | null> {
  const reader = new ExactReader(stream);
  const first = await reader.exactly(PREFIX_SIZE);
  if (!first) return null;
  if (equal(first, prefix(KIND_BUNDLE))) {
    await stream.write(padTo(lp(encodeBundle(context.identity.bundle)), BUNDLE_ANSWER));
    await stream.closeWrite();
    return null;
  }
  if (equal(first, prefix(KIND_RESUMPTION))) {
    try {
      return await resume(stream, reader, first, context);
    } catch (error) {
      context.observer.logins.add(isSealpostError(error, "authentication") ? "stale" : "broken");
      throw error;
    }
  }
  if (!equal(first, prefix(KIND_HANDSHAKE))) {
    await stream.write(REFUSAL_TEXT);
    await stream.closeWrite();
    context.log.info("other-protocol", { peer: stream.peer });
    return null;
  }
  try {
    return await prove(stream, reader, first, context);
  } catch (error) {
    context.observer.logins.add(isSealpostError(error, "busy") ? "busy" : "broken");
    throw error;
  }
}

/** A whole handshake, with keys and password. */
async function prove(
  stream: ByteStream,
  reader: ExactReader,
  first: Bytes,
  context: LoginContext,
): Promise<LoggedIn | null> {
  const rest = await reader.exactly(SIZE_A - PREFIX_SIZE);
  if (!rest) return null;
  const arrived = performance.now();
  const handshake = await ServerHandshake.start(context.identity);
  const b = await context.slots.run(async () => {
    await handshake.readA(concat(first, rest));
    const message = await handshake.writeB(context.hello);
    await context.grid.wait(arrived);
    return message;
  });
  await stream.write(b);

  const c = await reader.exactly(SIZE_C);
  if (!c) return null;
  const claim = await handshake.readC(c);
  let verdict: Verdict;
  let connection: Connection;
  try {
    await stream.write(await handshake.writeD());
    const e = await reader.exactly(SIZE_E);
    if (!e) return null;
    await handshake.readE(e);
    const keys = await handshake.split();
    connection = new Connection(stream, reader, {
      send: keys.responder,
      receive: keys.initiator,
    });
    wipe(keys.responder, keys.initiator);
    verdict = await decide(claim, stream.peer, context, keys.exporter);
  } finally {
    wipe(claim.login.password);
  }
  await connection.send({ kind: Kind.event, id: 0, payload: encodeJson(verdict) }, VERDICT_SIZE);
  if (verdict.ok) {
    const { name } = verdict;
    const { peer } = stream;
    const { client } = claim.login;
    context.observer.logins.add("password");
    return {
      connection,
      name,
      peer,
      client,
      resumed: false,
      fp: claim.bundle.fp,
      nextTicket: null,
    };
  }
  await connection.close();
  return null;
}

/**
 * Takes a connection that begins with a ticket: one round trip, no RSA, no Argon2id. A ticket that
 * is unknown, used, expired or of another key ends the connection without an answer; the client
 * then logs in with its password.
 */
async function resume(
  stream: ByteStream,
  reader: ExactReader,
  first: Bytes,
  context: LoginContext,
): Promise<LoggedIn | null> {
  const rest = await reader.exactly(SIZE_R1 - PREFIX_SIZE);
  if (!rest) return null;
  const r1 = concat(first, rest);
  const id = ticketOf(r1);
  const found = await context.tickets.find(id);
  const { account, fullAt, psk } = found ?? { account: null, fullAt: 0, psk: null };
  if (!account?.bundle || !psk) throw ticketRefused();
  const client = await decodeBundle(account.bundle);
  const { name } = account;
  const handshake = await ServerResumption.start(
    { name, client, server: context.identity.bundle, ticket: id, psk },
    context.identity,
  );
  wipe(psk);
  await handshake.readR1(r1);
  // Consumed only now that whoever sent it has proven to know its key; a replay finds it gone.
  if (!await context.tickets.take(id)) throw ticketRefused();
  await stream.write(await handshake.writeR2(context.hello));
  const keys = await handshake.split();
  const connection = new Connection(stream, reader, {
    send: keys.responder,
    receive: keys.initiator,
  });
  wipe(keys.responder, keys.initiator);
  const fp = client.fp;
  const { peer } = stream;
  context.log.info("resumed", { name, peer, key: formatFingerprint(fp) });
  context.observer.logins.add("ticket");
  const { exporter } = keys;
  return {
    connection,
    name,
    peer,
    client: "",
    resumed: true,
    fp,
    nextTicket: () => context.tickets.issue({ name, fp, fullAt, exporter }),
  };
}

/**
 * Decides on a proven claim: name, password, state and bound key together, after exactly one run
 * of Argon2id, with one answer for every failure.
 */
async function decide(
  claim: Claim,
  peer: string,
  context: LoginContext,
  exporter: SplitKeys["exporter"],
): Promise<Verdict> {
  const { name, client } = claim.login;
  const source = sourceOf(peer);
  const fp = formatFingerprint(claim.bundle.fp);
  const fields = { name, peer, key: fp, client };
  let correct: boolean;
  try {
    correct = await context.argon.run(() => context.users.check(name, claim.login.password));
  } catch (error) {
    if (!isSealpostError(error, "busy")) throw error;
    context.observer.logins.add("busy");
    return { ok: false, code: "busy", message: error.message };
  }
  const minutes = context.guesses.blockedFor(name, source);
  if (minutes > 0) {
    context.log.warn("login-blocked", fields);
    context.observer.logins.add("blocked");
    return {
      ok: false,
      code: "busy",
      message:
        `too many wrong guesses for this name from your address; try again in ${minutes} min`,
    };
  }
  // Read in any case: that a right password came with a wrong key must not cost more time.
  const account = await context.store.account(name);
  if (correct) {
    const at = Date.now();
    const outcome = account?.fp
      ? equal(account.fp, claim.bundle.fp) ? "same" : "other-key"
      : await context.store.bindKey(name, claim.bundle.fp, encodeBundle(claim.bundle), at);
    if (outcome === "bound" || outcome === "same") {
      context.guesses.succeeded(name, source);
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
        fullAt: at,
        exporter,
      });
      return {
        ok: true,
        bound: outcome === "bound",
        name,
        fp: toBase64(claim.bundle.fp),
        ...(ticket ? { ticket: { id: toHex(ticket.id), expires: ticket.expires } } : {}),
        ...(context.users.state(name)?.expires ? { change: true } : {}),
      };
    }
    context.log.warn("login-failed", { ...fields, why: outcome });
  } else {
    context.log.warn("login-failed", { ...fields, why: "name or password" });
  }
  context.guesses.failed(name, source);
  context.observer.logins.add("refused");
  return { ok: false, code: "login-refused", message: LOGIN_REFUSED };
}
