import { passwordProblem } from "../../cli/password_rule.ts";
import { fromUtf8, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import type { Address } from "../../protocol/address.ts";
import { encodePassword } from "../../protocol/login.ts";
import type { Mail } from "../mail.ts";
import { askNewPassword, openMail } from "../session.ts";
import { linkInstead, type OpenKeys, type Place } from "./keys.ts";
import { askInvitation, isBegin, newcomerOf } from "./who.ts";

/** What is known of the passwords before the first login. */
export interface Passwords {
  /** Of the invitation, good for one time; null if there is none. */
  readonly oneTime: string | null;
  /** The own one, from a file, a pipe or the environment; null if it has to be asked for. */
  readonly own: string | null;
  /** Whether the keys came from another machine, or from a kit: then there was a password before. */
  readonly arrived?: boolean;
}

/** How many passwords a person may try. */
const TRIES = 3;

/**
 * Logs in: with a ticket from before, with the password of the invitation, which the person replaces
 * by an own one, or with the own one if that was done before. At the end there is a ticket, so that
 * the next command needs no password. The caller closes the mail. Throws what stops it.
 */
export async function firstLogin(
  place: Place,
  address: Address,
  keys: OpenKeys,
  passwords: Passwords,
): Promise<Mail> {
  const { terminal, dir, name, say } = place;
  let { oneTime } = passwords;
  let chosen: string | null = null;
  const open = (useTicket: boolean, password: () => Promise<string>) => {
    return openMail({
      terminal,
      address,
      name,
      dir,
      person: keys.person,
      useTicket,
      cache: true,
      announce: say,
      onBound: () =>
        say("Your account is bound to your keys: from now on the password alone opens nothing."),
      password: async () => encodePassword(await password()),
      newPassword: async () => chosen = await newPassword(place, keys, passwords.own, oneTime),
    });
  };
  const ask = async () => {
    const answer = await askPassword(place, passwords.arrived ?? false);
    if (answer.oneTime) oneTime = answer.password;
    return answer.password;
  };
  let password = () => Promise.resolve(passwords.oneTime ?? passwords.own ?? ask());
  for (let attempt = 1;; attempt++) {
    try {
      const mail = await open(attempt === 1, password);
      if (chosen === null) return mail;
      await mail.close();
      break;
    } catch (error) {
      if (!isSealpostError(error, "login-refused")) throw error;
      const { own } = passwords;
      if (attempt === 1 && passwords.oneTime !== null && own !== null) {
        // The invitation was used, by this setup before it was interrupted.
        password = () => Promise.resolve(own);
      } else if (terminal.interactive && attempt < TRIES) {
        terminal.printError(
          `The server does not accept that password for ${name} and these keys. ` +
            (oneTime !== null
              ? "If you have chosen your own already, it is that one."
              : passwords.arrived
              ? "It is the one that you have on your other machines, or had on those that you lost; if " +
                "you do not know it, the server's operator makes a new one."
              : `Either it is wrong, or ${name} has keys on another machine: then press Ctrl-C and ` +
                `${linkInstead()}.`),
        );
        password = ask;
      } else throw refused(name, error);
    }
  }
  const own: string = chosen;
  // With the one-time password there was no ticket.
  return await open(false, () => Promise.resolve(own));
}

async function askPassword(
  { terminal }: Place,
  arrived: boolean,
): Promise<{ readonly password: string; readonly oneTime: boolean }> {
  if (!terminal.interactive) {
    throw new SealpostError(
      "usage",
      "setup needs your password: --password-stdin, --password-file FILE or SEALPOST_PASSWORD",
    );
  }
  const secret = await terminal.askSecret(
    arrived
      ? "Your password, or a new one from the server's operator: "
      : "Your password (the invitation's, if you have not chosen your own): ",
  );
  if (secret === null) throw new SealpostError("cancelled", "the input has ended");
  const password = fromUtf8(secret);
  wipe(secret);
  if (!isBegin(password)) return { password, oneTime: false };
  const invitation = newcomerOf(await askInvitation(terminal, "", [password]));
  return { password: invitation.password ?? "", oneTime: true };
}

async function newPassword(
  { terminal }: Place,
  keys: OpenKeys,
  own: string | null,
  oneTime: string | null,
): Promise<string> {
  if (own !== null) {
    requireOther(keys, own);
    const problem = passwordProblem(own);
    if (problem === null) return own;
    throw new SealpostError("usage", `${problem}; choose another`);
  }
  if (terminal.interactive) {
    return await askNewPassword(terminal, (password) => {
      if (password === oneTime) return "That is the one that is good for one time only.";
      return keys.isPassphrase(password)
        ? "That is the passphrase of your keys; the server sees the password and must not know it."
        : null;
    });
  }
  throw new SealpostError(
    "usage",
    "your password is good for one time only: give the one that you choose with " +
      "--password-stdin, --password-file FILE or SEALPOST_PASSWORD",
  );
}

/** Throws `usage` if `password` is the passphrase of the keys. */
export function requireOther(keys: OpenKeys, password: string): void {
  if (!keys.isPassphrase(password)) return;
  throw new SealpostError(
    "usage",
    "the password is the passphrase of your keys; the server sees the password, so choose another",
  );
}

function refused(name: string, cause: SealpostError): SealpostError {
  return new SealpostError(
    "login-refused",
    `the server does not let ${name} in: the password is wrong, the invitation was used or is ` +
      `over, or ${name} belongs to other keys. If those are on another machine, ` +
      `${linkInstead()}; else ask the server's operator for a new invitation ` +
      `("user passwd ${name} --invite"; if keys were lost, "user unbind ${name}" before)`,
    { cause },
  );
}
