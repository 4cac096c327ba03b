import { type Bytes, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { hashPassword } from "../../crypto/phc.ts";
import { MAX_PASSWORD, MIN_PASSWORD } from "../../protocol/limits.ts";
import { encodePassword } from "../../protocol/login.ts";
import { formatWait, RefusedError } from "../../protocol/refused.ts";
import type { PasswdRequest } from "../../protocol/request.ts";
import { sourceOf } from "../admission/source.ts";
import type { Handler, RequestContext } from "./request_context.ts";

/**
 * Puts a new password in user_pass.json for a user who knows the old one; all other sessions of the
 * user end, and all tickets. Wrong old passwords count as wrong guesses at a login. Throws
 * `login-refused` (the old one is wrong), `limit` (the new one is too short, too long, or the old
 * one), `busy`, `disk-full`, `file-io`.
 */
export const handlePasswd: Handler<"passwd"> = async (request, context) => {
  const { session, loginThrottle, settings, store, log } = context;
  const { name, peer } = session;
  const source = sourceOf(peer, settings().perSourceNetblock).name;
  const blocked = loginThrottle.blockedFor(name, source);
  if (blocked > 0) {
    throw new RefusedError(
      "busy",
      `too many wrong passwords; try again in ${formatWait(blocked)}`,
      { limit: "max-guesses", retryAfter: blocked },
    );
  }
  await replacePassword(request, source, context);
  await store.dropTickets(name);
  log.info("password-changed", { name, peer });
  await record("done", context);
  return { response: { ok: true } };
};

async function replacePassword(
  request: PasswdRequest,
  source: string,
  context: RequestContext,
): Promise<void> {
  const { session, users, argon, loginThrottle, log } = context;
  const { name, peer } = session;
  const before = session.credential;
  const old = encodePassword(request.old);
  const next = newPassword(request);
  try {
    if (await argon.run(source, () => users.verify(name, old)) !== before) {
      loginThrottle.failed(name, source);
      log.warn("password-refused", { name, peer });
      await record("login-refused", context);
      throw new SealpostError("login-refused", "the old password is wrong; nothing was changed");
    }
    loginThrottle.succeeded(name, source);
    const credential = await argon.run(source, () => hashPassword(next));
    await users.change((existing) => {
      if (existing.get(name) !== before) {
        throw new SealpostError("busy", "the server's operator changed your account meanwhile");
      }
      // Before the file has it: the sessions that rest on something else end right after that.
      session.credential = credential;
      return new Map([[name, credential]]);
    });
  } catch (error) {
    session.credential = before;
    throw error;
  } finally {
    wipe(old, next);
  }
}

function record(result: string, { session: { name, peer }, audit }: RequestContext): Promise<void> {
  return audit.record({
    action: "password-changed",
    name,
    origin: { via: "session", peer },
    result,
  });
}

/** The bytes of the new password. Throws `limit`. */
function newPassword(request: PasswdRequest): Bytes {
  const next = encodePassword(request.new);
  if (next.length > MAX_PASSWORD || [...fromUtf8(next)].length < MIN_PASSWORD) {
    throw new SealpostError(
      "limit",
      `a password has ${MIN_PASSWORD} characters or more, and at most ${MAX_PASSWORD} bytes`,
    );
  }
  if (request.new.normalize("NFC") === request.old.normalize("NFC")) {
    throw new SealpostError("limit", "the new password is the old one; choose another");
  }
  return next;
}
