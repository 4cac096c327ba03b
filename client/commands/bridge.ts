import { printableJson } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { printable } from "../../cli/printable.ts";
import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Address, parseAddress } from "../../protocol/address.ts";
import { BridgeAccount } from "../bridge/account.ts";
import { autoconfigFor, type AutoconfigFormat } from "../bridge/autoconfig.ts";
import { type BridgeAddresses, requireLoopback, startBridge } from "../bridge/bridge.ts";
import { bridgePassword } from "../bridge/password.ts";
import { defectLine } from "../bridge/problem.ts";
import { LoginKeeper } from "../bridge/login_keeper.ts";
import { isLost } from "../connection/reconnecting_connection.ts";
import type { Mail } from "../mail.ts";
import { addressOf } from "../message/mail_names.ts";
import { openLocalUser, openMail, renewTicket } from "../session.ts";
import { findProfile, type Profile, requireAddress } from "../state/profile.ts";
import { Stop } from "../terminal/stop.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import type { CommonOptions } from "./common.ts";

/** What `bridge` was given. */
export interface BridgeOptions extends Omit<CommonOptions, "passwordFile"> {
  /** `HOST:PORT`, or `off`. */
  readonly imap: string;
  readonly smtp: string;
  /** Folders of other accounts of this person. */
  readonly also: readonly string[];
  /** In the order of the accounts. */
  readonly passwordFiles: readonly string[];
}

/** The `bridge` command: serves mail programs of this machine until it is stopped. */
export async function bridge(options: BridgeOptions): Promise<void> {
  const terminal = openTerminal();
  const addresses = {
    imap: addressFor(options.imap, "--imap"),
    smtp: addressFor(options.smtp, "--smtp"),
  };
  if (!addresses.imap && !addresses.smtp) {
    throw new SealpostError("usage", "with --imap off and --smtp off there is nothing to serve");
  }
  const ending = new AbortController();
  const accounts: BridgeAccount[] = [];
  const { passwordFiles } = options;
  if (passwordFiles.length > options.also.length + 1) {
    throw new SealpostError("usage", "there are more --password-file than accounts");
  }
  try {
    for (const [i, dir] of [options.dir, ...options.also].entries()) {
      const { server, ...others } = options;
      const one = { ...others, ...defined({ dir, server: i === 0 ? server : undefined }) };
      accounts.push(await openAccount(terminal, one, passwordFiles[i], ending.signal));
    }
    await serve(terminal, accounts, addresses, options.json);
  } finally {
    ending.abort();
    for (const account of accounts) await account.close();
  }
}

/** Serves mail programs until a signal comes: before that, it ends the program like any other. */
async function serve(
  terminal: Terminal,
  accounts: readonly BridgeAccount[],
  addresses: BridgeAddresses,
  json: boolean,
): Promise<void> {
  const stopped = Promise.withResolvers<void>();
  using stop = new Stop(() => stopped.resolve());
  const served = await startBridge(accounts, addresses, (line) => terminal.printError(line));
  try {
    tellAddresses(terminal, accounts, served.addresses, json);
    await stopped.promise;
  } finally {
    await served.close();
  }
  Deno.exitCode = stop.code ?? 0;
}

function addressFor(text: string, option: string): Address | null {
  if (text === "off") return null;
  try {
    const address = parseAddress(text);
    requireLoopback(address);
    return address;
  } catch (error) {
    if (!isSealpostError(error, "usage")) throw error;
    throw new SealpostError("usage", `${option}: ${error.message}`, { cause: error });
  }
}

/** Logs on, brings the mailbox here, and keeps it up to date. */
async function openAccount(
  terminal: Terminal,
  options: Omit<CommonOptions, "passwordFile">,
  passwordFile: string | undefined,
  stop: AbortSignal,
): Promise<BridgeAccount> {
  const profile = await findProfile(options);
  const person = await openLocalUser(terminal, profile.dir, profile.name);
  const say = (line: string) => terminal.printError(printable(`${profile.name}: ${line}`));
  let account: BridgeAccount | null = null;
  const { name, dir } = profile;
  const where = { address: requireAddress(profile), name, dir, person };
  const keeper = new LoginKeeper({
    name,
    state: person.state,
    online: () => account?.mail.connection.online ?? false,
    renew: () => renewTicket(where),
    onDefect: (error) => say(defectLine(error)),
    store: async (message) => {
      await account?.append({
        mailbox: "INBOX",
        flags: [],
        receivedAt: null,
        size: message.length,
        bytes: ReadableStream.from([message]),
      });
    },
  });
  const mail = await openMail({
    terminal,
    ...where,
    useTicket: true,
    cache: !options.noCache && profile.config.cache !== false,
    reconnect: true,
    retries: 2,
    offline: "write",
    onNews: (event) => account?.notice(event),
    announce: say,
    onTicket: (end) => keeper.brought(end),
    ...defined({ passwordFile }),
  });
  try {
    account = await BridgeAccount.open(mail, say);
  } catch (error) {
    await mail.close();
    throw error;
  }
  let told: string | null = null;
  const tell = () => {
    const line = offlineLine(mail);
    if (line !== null && line !== told) say(line);
    // What comes and goes is told each time; what stays away, once.
    if (line !== null || mail.connection.online) told = line;
  };
  tell();
  const opened = account;
  mail.connection.onState(({ kind }) => {
    if (!stop.aborted) tell();
    if (kind === "online") catchUp(opened, say);
  });
  if (mail.connection.online) catchUp(account, say);
  // With the password at hand, tickets may end.
  if (passwordFile === undefined && Deno.env.get("SEALPOST_PASSWORD") === undefined) {
    keeper.start();
    stop.addEventListener("abort", () => keeper.stop());
  }
  return account;
}

/** Sends what waits and fetches what is new. Never throws. */
async function catchUp(account: BridgeAccount, say: (line: string) => void): Promise<void> {
  try {
    for (const line of await account.online()) say(line);
  } catch (error) {
    // The connection says why, and announces its return.
    if (!isLost(error)) say(error instanceof Error ? error.message : String(error));
  }
}

/** Why there is no connection, and what becomes of it; null if there is one, or one is made. */
function offlineLine({ connection: { state } }: Mail): string | null {
  if (state.kind !== "offline") return null;
  return state.retryAt === Infinity
    ? `offline, and what was fetched is shown: ${state.why}; start the bridge again, with ` +
      "--password-file to run it without you"
    : `offline: ${state.why}; trying again`;
}

function tellAddresses(
  terminal: Terminal,
  accounts: readonly BridgeAccount[],
  { imap, smtp }: BridgeAddresses,
  json: boolean,
): void {
  if (json) {
    return terminal.print(printableJson({
      accounts: accounts.map(({ name }) => ({ name, address: addressOf(name) })),
      imap,
      smtp,
    }, 0));
  }
  const lines = ["In your mail program, enter:"];
  for (const { name } of accounts) {
    lines.push(`  address   ${addressOf(name)}`, `  user      ${name}`);
  }
  if (imap) lines.push(`  IMAP      ${imap.host}, port ${imap.port}, ${PLAIN}`);
  if (smtp) lines.push(`  SMTP      ${smtp.host}, port ${smtp.port}, ${PLAIN}`);
  lines.push(`  password  the bridge's own: "${PROGRAM} bridge password" shows it`);
  lines.push("The bridge runs until you stop it (Ctrl-C).");
  terminal.print(lines.join("\n"));
}

const PLAIN = "no encryption (it stays on this machine), normal password";

/** What `bridge password` was given. */
export interface PasswordOptions {
  readonly dir?: string;
  readonly server?: string;
  readonly json: boolean;
  /** Whether another one is made. */
  readonly anew: boolean;
}

/** The `bridge password` command: prints the bridge's own password. */
export async function showBridgePassword(options: PasswordOptions): Promise<void> {
  const terminal = openTerminal();
  const profile = await findProfile(options);
  const { state } = await openLocalUser(terminal, profile.dir, profile.name);
  const password = await bridgePassword(state, options.anew);
  terminal.print(options.json ? printableJson({ name: profile.name, password }) : password);
}

/** What `bridge autoconfig` was given. */
export interface AutoconfigOptions {
  readonly dir?: string;
  readonly server?: string;
  readonly imap: string;
  readonly smtp: string;
  readonly format: string;
}

/** The `bridge autoconfig` command: prints settings that mail programs read. */
export async function printAutoconfig(options: AutoconfigOptions): Promise<void> {
  const format = ["thunderbird", "apple"].find((one) => one === options.format);
  if (format === undefined) {
    throw new SealpostError("usage", "--format is thunderbird or apple");
  }
  const imap = addressFor(options.imap, "--imap");
  const smtp = addressFor(options.smtp, "--smtp");
  if (!imap || !smtp || imap.port === 0 || smtp.port === 0) {
    throw new SealpostError("usage", "a mail program needs the ports of both, which stay the same");
  }
  const profile: Profile = await findProfile({ ...options, json: true });
  openTerminal().print(autoconfigFor(format as AutoconfigFormat, profile.name, imap, smtp));
}
