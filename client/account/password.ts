import { passphraseBytes } from "../../cli/secret_input.ts";
import { wipe } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { isPassphrase } from "../../files/key_files.ts";
import { encodePassword } from "../../protocol/login.ts";
import type { Mail } from "../mail.ts";
import { openMail, type SessionOptions } from "../session.ts";
import { TicketStore } from "../state/ticket_store.ts";

/** Why `password` may not be that of `name`: it opens their private key; null if it does not. */
export async function samePassphraseProblem(
  dir: string,
  name: string,
  password: string,
): Promise<string | null> {
  const bytes = passphraseBytes(password);
  try {
    return await isPassphrase(dir, name, bytes)
      ? "That is the passphrase of your private key: whoever learns one must not have both."
      : null;
  } finally {
    wipe(bytes);
  }
}

/**
 * Has the server put the password `next` in the place of `old`: all other sessions end, and all tickets.
 * Throws `login-refused` (the old one is wrong), `limit`, `busy`, and what the server refuses with.
 */
export async function changePassword(
  { connection }: Pick<Mail, "connection">,
  old: string,
  next: string,
): Promise<void> {
  await connection.ask({ op: "passwd", old, new: next });
}

/**
 * Logs in with a new password, which leaves a ticket in the place of those that ended with the old one.
 * Resolves to why there is none; null if there is one.
 */
export async function renewTicket(
  session: SessionOptions,
  password: string,
): Promise<string | null> {
  await TicketStore.forget(session.dir, session.name);
  const bytes = encodePassword(password);
  try {
    const login = { ...session, useTicket: false, password: () => Promise.resolve(bytes.slice()) };
    await (await openMail(login)).close();
    return null;
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    return error.message;
  } finally {
    wipe(bytes);
  }
}
