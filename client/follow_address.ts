import { sentence } from "../cli/format.ts";
import { printable } from "../cli/printable.ts";
import { PROGRAM } from "../cli/program.ts";
import { equal } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { type Address, formatAddress, formatServer, parseServer } from "../protocol/address.ts";
import { MAX_SERVERS } from "../protocol/invitation.ts";
import { askForBundle } from "./connection/login.ts";
import type { Mail } from "./mail.ts";
import type { AddressNotice } from "./state/address_notice.ts";
import { writeConfig } from "./state/config.ts";
import { confirm } from "./terminal/confirm.ts";
import type { Terminal } from "./terminal/terminal.ts";

/** How long an address is tried that a notice names, milliseconds. */
const PATIENCE = 10_000;

/** What a notice says, for a person. */
export function noticeText({ address }: AddressNotice): string {
  return `The operator says that the server is at ${printable(formatServer(address))} from now on`;
}

/** {@linkcode noticeText} where nobody can be asked, with what to do. */
export function unaskedNotice(notice: AddressNotice): string {
  return `${noticeText(notice)}; "${PROGRAM} status" at a terminal asks whether to use that.`;
}

/**
 * Has the settings in `dir` name the addresses of `notice` from now on, if the pinned server answers at one of
 * them; if nobody answers at any, those that the client uses stay beside them, so that it finds the server
 * before and after it moves. Returns what the settings say. Throws `server-identity` where another server
 * answers, and what writing throws: nothing has changed then.
 */
export async function followAddress(
  dir: string,
  mail: Mail,
  notice: AddressNotice,
): Promise<Address> {
  const answers = await isThere(mail, every(notice.address));
  const all = [...every(notice.address), ...answers || !mail.server ? [] : every(mail.server)];
  const written = [...new Set(all.map(formatAddress))].slice(0, MAX_SERVERS).join(", ");
  await writeConfig(dir, { server: written });
  await mail.notices.decide(notice, "followed");
  return parseServer(written);
}

/** What a person is told who has followed a notice; `when` is from when on. */
export function followedText(address: Address, when: string): string {
  const [one, ...others] = every(address).map(formatAddress);
  return others.length === 0
    ? `${when} the server is looked for at ${one}.`
    : `${when} the server is looked for at ${one}, and at ${others.join(" and ")}.`;
}

function every(address: Address): Address[] {
  const { others = [] } = address;
  return [{ host: address.host, port: address.port }, ...others];
}

/**
 * Whether the pinned server answers at one of `addresses`; false if nobody does at any. Throws
 * `server-identity` if only another server does.
 */
async function isThere(mail: Mail, addresses: readonly Address[]): Promise<boolean> {
  const [pinned] = mail.log.servers;
  let another: Address | null = null;
  for (const one of addresses) {
    try {
      const { fp } = await askForBundle(one, PATIENCE);
      if (pinned && equal(fp, pinned.fp)) return true;
      another ??= one;
    } catch (error) {
      if (!isSealpostError(error)) throw error;
    }
  }
  if (another === null) return false;
  throw new SealpostError(
    "server-identity",
    `at ${
      formatAddress(another)
    } there is another server than yours: the settings stay as they are; ` +
      "ask the operator in another way",
  );
}

/**
 * Asks at a terminal whether to follow a notice that is open, and does so; elsewhere only says it. What goes
 * wrong is said, and changes nothing about what the command has done.
 */
export async function askAboutAddress(
  terminal: Terminal,
  mail: Mail,
  dir: string,
  asks: boolean,
): Promise<void> {
  const notice = await mail.notices.open(mail.server);
  if (notice === null) return;
  if (!asks) return terminal.printError(unaskedNotice(notice));
  const now = mail.server ? `; you use ${formatServer(mail.server)}` : "";
  terminal.printError(`${noticeText(notice)}${now}.`);
  if (!await confirm(terminal, "Use that from now on? (y/N) ")) {
    await mail.notices.decide(notice, "declined");
    return terminal.printError(
      "You are not asked again; to use it later, write it into sealpost.toml as server.",
    );
  }
  try {
    const address = await followAddress(dir, mail, notice);
    terminal.printError(followedText(address, "From the next command on"));
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    terminal.printError(sentence(printable(error.message)));
  }
}
