import { type Bytes, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { hashPassword } from "../../crypto/phc.ts";
import { encodePassword } from "../../protocol/login.ts";
import { MAX_PASSWORD, MIN_PASSWORD } from "../../protocol/limits.ts";
import { inWords, RefusedError } from "../../protocol/refused.ts";
import type { AuditLog } from "../observe/audit.ts";
import type { Guesses } from "../admission/login_throttle.ts";
import type { Log } from "../observe/log.ts";
import type { Semaphore } from "../admission/semaphore.ts";
import type { Store } from "../store/store.ts";
import type { Users } from "../accounts/users.ts";

/** What changing a password needs. */
export interface PasswordContext {
  readonly store: Store;
  readonly users: Users;
  /** Around Argon2id. */
  readonly argon: Semaphore;
  readonly guesses: Guesses;
  readonly audit: AuditLog;
  readonly log: Log;
}

/** Who changes it, and to what. */
export interface PasswordChange {
  readonly name: string;
  readonly peer: string;
  /** What limits count `peer` as. */
  readonly source: string;
  readonly old: string;
  readonly new: string;
  /**
   * Told what user_pass.json will have, right before it has it: all sessions and tickets of the user
   * that rest on something else end then.
   */
  readonly adopt: (credential: string) => void;
}

/**
 * Puts a new password in user_pass.json for a user who knows the old one. Wrong old passwords count as
 * wrong guesses at a login. Throws `login-refused` (the old one is wrong), `limit` (the new one is too
 * short, too long, or the old one), `busy`, `disk-full`, `file-io`.
 */
export async function changePassword(
  change: PasswordChange,
  context: PasswordContext,
): Promise<void> {
  const { name, peer, source } = change;
  const { users, argon, guesses, log } = context;
  const origin = { via: "session", peer } as const;
  const record = (result: string) =>
    context.audit.record({ action: "password-changed", name, origin, result });
  const blocked = guesses.blockedFor(name, source);
  if (blocked > 0) {
    throw new RefusedError(
      "busy",
      `too many wrong passwords; try again in ${inWords(blocked)}`,
      { limit: "max-guesses", retryAfter: blocked },
    );
  }
  const before = users.credential(name);
  const old = encodePassword(change.old);
  const next = newPassword(change);
  try {
    const correct = await argon.run(source, () => users.check(name, old));
    if (!correct || users.credential(name) !== before) {
      guesses.failed(name, source);
      log.warn("password-refused", { name, peer });
      await record("login-refused");
      throw new SealpostError("login-refused", "the old password is wrong; nothing was changed");
    }
    guesses.succeeded(name, source);
    const credential = await argon.run(source, () => hashPassword(next));
    await users.change((existing) => {
      if (existing.get(name) !== before) {
        throw new SealpostError("busy", "whoever runs the server changed your account meanwhile");
      }
      change.adopt(credential);
      return new Map([[name, credential]]);
    });
  } finally {
    wipe(old, next);
  }
  await context.store.dropTickets(name);
  log.info("password-changed", { name, peer });
  await record("done");
}

/** The bytes of the new password. Throws `limit`. */
function newPassword(change: PasswordChange): Bytes {
  const next = encodePassword(change.new);
  if (next.length > MAX_PASSWORD || [...fromUtf8(next)].length < MIN_PASSWORD) {
    throw new SealpostError(
      "limit",
      `a password has ${MIN_PASSWORD} characters or more, and at most ${MAX_PASSWORD} bytes`,
    );
  }
  if (change.new.normalize("NFC") === change.old.normalize("NFC")) {
    throw new SealpostError("limit", "the new password is the old one; choose another");
  }
  return next;
}
