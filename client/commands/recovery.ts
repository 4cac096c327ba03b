import { formatTime, isoTime, sentence } from "../../cli/format.ts";
import type { Bytes } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { writeFileAtomic } from "../../files/atomic_file.ts";
import { printableJson } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import type { Address } from "../../protocol/address.ts";
import type { Mail } from "../mail.ts";
import { fetchKit } from "../setup/kit.ts";
import { askWords } from "../setup/machine.ts";
import { dropKit, kitLine, kitState, makeKit } from "../mailbox/kits.ts";
import { askPassphrase, openMail } from "../session.ts";
import { openPackage } from "../state/own_package.ts";
import { findProfile, type Profile, requireAddress } from "../state/profile.ts";
import { confirm } from "../terminal/confirm.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import { qrModules } from "../trust/qr_code.ts";
import type { KeyOptions } from "./keyring.ts";
import { numberedWords, showWords } from "./words.ts";

/** What `recovery make` was given. */
export interface MakeOptions extends KeyOptions {
  /** A file for the words and their code, to be printed. */
  readonly svg?: string;
}

interface Place {
  readonly terminal: Terminal;
  readonly profile: Profile;
  readonly mail: Mail;
}

/** Logs on with the password, not a ticket: nobody else makes or removes a kit. */
async function withPassword(options: KeyOptions, work: (place: Place) => Promise<void>) {
  const terminal = openTerminal();
  const profile = await findProfile(options);
  const mail = await openMail({
    terminal,
    address: requireAddress(profile),
    name: profile.name,
    dir: profile.dir,
    useTicket: false,
    cache: profile.config.cache !== false,
    announce: (line) => terminal.printError(line),
    ...defined({ passwordFile: options.passwordFile }),
  });
  try {
    await work({ terminal, profile, mail });
  } finally {
    await mail.close();
  }
}

/** The `recovery make` command: 24 words that bring everything back when all machines are lost. */
export async function makeRecovery(options: MakeOptions): Promise<void> {
  if (!openTerminal().interactive || options.json) {
    throw new SealpostError(
      "usage",
      "recovery make shows words to write down: use it at a terminal",
    );
  }
  await withPassword(options, async ({ terminal, profile, mail }) => {
    const before = kitState(
      await mail.shared.refresh(),
      await mail.connection.ask({ op: "whoami" }),
    );
    if (before.kind !== "none") {
      terminal.print(`${kitLine(before)} The words of that kit are of no use any more after this.`);
      if (!await confirm(terminal, "Make a new one in its place? (y/N) ")) {
        throw new SealpostError("cancelled", "nothing was changed");
      }
    }
    await makeAndShow(
      { terminal, mail, dir: profile.dir, address: requireAddress(profile) },
      options,
    );
  });
}

interface Making {
  readonly terminal: Terminal;
  /** A session that began with the password. */
  readonly mail: Mail;
  readonly dir: string;
  readonly address: Address;
  /** Gives the passphrase of the keys, in the place of a question. */
  readonly passphrase?: (attempt: number) => Promise<Bytes | null>;
}

async function makeAndShow(
  { terminal, mail, dir, address, passphrase }: Making,
  { svg }: { svg?: string },
) {
  const { name } = mail;
  await mail.shareTrust();
  const ask = passphrase ?? ((attempt) => askPassphrase(terminal, name, attempt));
  const pack = () => openPackage(dir, name, address, mail.state, mail.log.head(), ask);
  await makeKit(mail.shared, mail.connection, pack, async (words) => {
    if (svg !== undefined) {
      await writeFileAtomic(svg, svgOf(name, words), { mode: 0o600, overwrite: false });
      terminal.print(`The words are in ${svg}. Print it, then remove the file.`);
      return;
    }
    terminal.print("Write these words down, on paper, and keep them where you keep your passport:");
    showWords(terminal, words);
    if (await confirm(terminal, "Are they on paper, all 24? (y/N) ")) return;
    throw new SealpostError(
      "cancelled",
      "no kit was made, and these words are of no use; begin again",
    );
  });
  terminal.print(
    `When every machine is lost, "${PROGRAM} setup --recover" brings your mail back by the server's ` +
      "address, these words, and your password or a new one from the server's operator. " +
      "Whoever has the words and your password has your mail.",
  );
}

/**
 * Asks a person who has just been set up whether to make a kit, and takes no for an answer. What keeps it
 * from being made is said, and stops nothing.
 */
export async function offerKit(making: Making): Promise<void> {
  const { terminal, mail } = making;
  const known = kitState(await mail.shared.known(), await mail.connection.ask({ op: "whoami" }));
  if (known.kind !== "none") return;
  terminal.print("\nIf this machine is lost, so is your mail. 24 words on paper bring it back.");
  if (!await confirm(terminal, "Write them down now? (y/N) ")) {
    terminal.print(`Later, "${PROGRAM} recovery make" shows them.`);
    return;
  }
  try {
    await makeAndShow(making, {});
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    terminal.printError(`${sentence(error.message)} "${PROGRAM} recovery make" tries again.`);
  }
}

/** The `recovery check` command: whether words that somebody wrote down are the right ones. */
export async function checkRecovery(options: KeyOptions): Promise<void> {
  const terminal = openTerminal();
  if (!terminal.interactive) {
    throw new SealpostError("usage", "recovery check asks for the words: use it at a terminal");
  }
  const profile = await findProfile(options);
  terminal.print("Nothing is changed by this.");
  const code = await askWords(terminal, 24);
  const { one, date } = await fetchKit(requireAddress(profile), code);
  if (one.name !== profile.name) {
    throw new SealpostError("format", `these are words of ${one.name}, and not of ${profile.name}`);
  }
  if (options.json) return terminal.print(printableJson({ name: one.name, date: isoTime(date) }));
  terminal.print(`These words are right: they open the kit of ${one.name} of ${formatTime(date)}.`);
}

/** The `recovery remove` command. */
export async function removeRecovery(options: KeyOptions): Promise<void> {
  await withPassword(options, async ({ terminal, mail }) => {
    await mail.shared.refresh();
    await dropKit(mail.shared, mail.connection);
    if (options.json) return terminal.print(printableJson({ removed: true }));
    terminal.print(
      "The server has no kit of yours any more. If it kept a copy all the same, whoever has that and " +
        "the words can still read what was sealed to your present keys: new ones end that " +
        `("${PROGRAM} keys rotate").`,
    );
  });
}

/** The state of the kit, as far as the server can be asked. */
export async function kitStateOf(mail: Mail, account: Parameters<typeof kitState>[1]) {
  try {
    return kitState(await mail.shared.known(), account);
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    return { kind: "none" } as const;
  }
}

/** The words and their QR code as a picture to print. */
function svgOf(name: string, words: readonly string[]): string {
  const modules = qrModules(words.join(" "));
  const cells = modules.flatMap((row, y) =>
    row.flatMap((dark, x) => dark ? [`M${x} ${y}h1v1h-1z`] : [])
  );
  const lines = [`Sealpost recovery kit of ${name}`, ...numberedWords(words)];
  const text = lines.map((line, i) => {
    return `<text x="40" y="${50 + i * 26}" xml:space="preserve">${line}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="800" height="640" font-family="monospace" ` +
    `font-size="18"><rect width="800" height="640" fill="#fff"/>${text.join("")}` +
    `<path transform="translate(40 240) scale(6)" d="${cells.join("")}"/></svg>\n`;
}
