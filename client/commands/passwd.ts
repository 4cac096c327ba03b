import { sentence } from "../../cli/format.ts";
import { passwordProblem } from "../../cli/password_rule.ts";
import { printableJson } from "../../cli/printable.ts";
import { readInputLine } from "../../cli/secret_input.ts";
import { type Bytes, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { MAX_PASSWORD } from "../../protocol/limits.ts";
import { encodePassword } from "../../protocol/login.ts";
import { changePassword, renewTicket, samePassphraseProblem } from "../account/password.ts";
import { passwordSession } from "../account/password_session.ts";
import { askNewPassword, givenPassword, openLocalUser, openMail } from "../session.ts";
import { findProfile } from "../state/profile.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import type { KeyOptions } from "./keyring.ts";

/** What `passwd` was given. */
export interface PasswdOptions extends KeyOptions {
  /** Reads the old and the new password from standard input, a line each. */
  readonly passwordStdin: boolean;
}

/** The `passwd` command: changes one's own password, and gets this machine a ticket for it. */
export async function passwd(options: PasswdOptions): Promise<void> {
  const terminal = openTerminal();
  if (!terminal.interactive && !options.passwordStdin) {
    throw new SealpostError(
      "usage",
      "off a terminal, --password-stdin reads the old and the new password, a line each",
    );
  }
  const profile = await findProfile(options);
  const { dir, name } = profile;
  // Before the keys are opened: a passphrase that is asked for must not be taken from these lines.
  const lines = options.passwordStdin ? readTwoLines() : null;
  const person = await openLocalUser(terminal, dir, name);
  const old = lines?.old ?? await oldPassword(terminal, options.passwordFile);
  const problem = (password: string) => samePassphraseProblem(dir, name, password);
  const session = { ...passwordSession(terminal, profile), person };
  let chosen: string | null = null;
  const choose = async () => chosen = lines ? await checked(lines.next, problem) : await ask();
  const ask = () => askNewPassword(terminal, problem, "Choose a new password.");
  try {
    // A one-time password is changed by the login itself.
    const mail = await openMail({
      ...session,
      useTicket: true,
      password: () => Promise.resolve(old.slice()),
      newPassword: choose,
    });
    try {
      if (chosen === null) await changePassword(mail, fromUtf8(old), await choose());
    } finally {
      await mail.close();
    }
  } finally {
    wipe(old);
  }
  const why = await renewTicket(session, chosen ?? "");
  if (why !== null) {
    terminal.printError(`there is no new ticket (${why}); the next command asks for it`);
  }
  if (options.json) return terminal.print(printableJson({ changed: true, ticket: why === null }));
  terminal.print("Your password is changed. Your other sessions have ended.");
  if (Deno.env.get("SEALPOST_PASSWORD") !== undefined || options.passwordFile !== undefined) {
    terminal.print("Where you keep it for programs, it is the old one still.");
  }
}

/** The password so far: from a file or the environment, or typed. */
async function oldPassword(terminal: Terminal, file: string | undefined): Promise<Bytes> {
  const old = await givenPassword(file) ?? await terminal.askSecret("Current password: ");
  if (old !== null && old.length >= 1 && old.length <= MAX_PASSWORD) return old;
  throw new SealpostError("usage", `a password has 1 to ${MAX_PASSWORD} bytes`);
}

function readTwoLines(): { readonly old: Bytes; readonly next: string } {
  const [old, next] = [readInputLine(), readInputLine()];
  if (old && next) return { old: encodePassword(old), next };
  throw new SealpostError("usage", "two lines are wanted: the old password and the new one");
}

/** Throws `usage` for a password that may not be chosen. */
async function checked(
  password: string,
  problem: (password: string) => Promise<string | null>,
): Promise<string> {
  const against = passwordProblem(password);
  const wrong = against === null ? await problem(password) : sentence(against);
  if (wrong === null) return password;
  throw new SealpostError(
    "usage",
    `${wrong.slice(0, 1).toLowerCase()}${wrong.slice(1)} Nothing was changed`,
  );
}
