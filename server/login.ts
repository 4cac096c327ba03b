import { concat, equal, lp, wipe } from "../crypto/bytes.ts";
import { isSealpostError } from "../crypto/error.ts";
import { encodeBundle, formatFingerprint, type Identity } from "../crypto/identity.ts";
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
import { BUNDLE_ANSWER, REFUSAL_TEXT } from "../protocol/plaintext.ts";
import { padTo } from "../protocol/login.ts";
import { encodeJson, LOGIN_REFUSED, type Verdict, VERDICT_SIZE } from "../protocol/request.ts";
import { toBase64 } from "../crypto/bytes.ts";
import type { Guesses } from "./guesses.ts";
import type { Log } from "./log.ts";
import type { Semaphore } from "./semaphore.ts";
import { sourceOf } from "./source.ts";
import type { Store } from "./store.ts";
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
  readonly log: Log;
}

/** A connection whose login was accepted. */
export interface LoggedIn {
  readonly connection: Connection;
  readonly name: string;
  /** The proven fingerprint, 32 bytes: the one that is bound to the account. */
  readonly fp: Uint8Array<ArrayBuffer>;
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
  if (!equal(first, prefix(KIND_HANDSHAKE))) {
    await stream.write(REFUSAL_TEXT);
    await stream.closeWrite();
    context.log.info("other-protocol", { peer: stream.peer });
    return null;
  }

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
    verdict = await decide(claim, stream.peer, context);
  } finally {
    wipe(claim.login.password);
  }
  await connection.send({ kind: Kind.event, id: 0, payload: encodeJson(verdict) }, VERDICT_SIZE);
  if (verdict.ok) return { connection, name: verdict.name, fp: claim.bundle.fp };
  await connection.close();
  return null;
}

/**
 * Decides on a proven claim: name, password, state and bound key together, after exactly one run
 * of Argon2id, with one answer for every failure.
 */
async function decide(claim: Claim, peer: string, context: LoginContext): Promise<Verdict> {
  const { name, client } = claim.login;
  const source = sourceOf(peer);
  const fp = formatFingerprint(claim.bundle.fp);
  const fields = { name, peer, key: fp, client };
  let correct: boolean;
  try {
    correct = await context.argon.run(() => context.users.check(name, claim.login.password));
  } catch (error) {
    if (!isSealpostError(error, "busy")) throw error;
    return { ok: false, code: "busy", message: error.message };
  }
  const minutes = context.guesses.blockedFor(name, source);
  if (minutes > 0) {
    context.log.warn("login-blocked", fields);
    return {
      ok: false,
      code: "busy",
      message:
        `too many wrong guesses for this name from your address; try again in ${minutes} min`,
    };
  }
  if (correct) {
    const at = Date.now();
    const outcome = await context.store.bindKey(
      name,
      claim.bundle.fp,
      encodeBundle(claim.bundle),
      at,
    );
    if (outcome === "bound" || outcome === "same") {
      context.guesses.succeeded(name, source);
      context.log.info(outcome === "bound" ? "key-bound" : "login", fields);
      return { ok: true, bound: outcome === "bound", name, fp: toBase64(claim.bundle.fp) };
    }
    context.log.warn("login-failed", { ...fields, why: outcome });
  } else {
    context.log.warn("login-failed", { ...fields, why: "name or password" });
  }
  context.guesses.failed(name, source);
  return { ok: false, code: "login-refused", message: LOGIN_REFUSED };
}
