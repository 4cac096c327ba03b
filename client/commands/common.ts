import { defined } from "../../crypto/defined.ts";
import { formatTime, isoTime } from "../../cli/format.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { exitCodeFor } from "../../cli/exit_codes.ts";
import { fit, printable, printableJson } from "../../cli/printable.ts";
import { formatMessageId, parseMessageId } from "../../protocol/uuid.ts";
import type { NewsEvent } from "../../protocol/request.ts";
import type { Summary } from "../../protocol/summary.ts";
import { type Draft, type Drafts, shortDraftId } from "../state/drafts.ts";
import { isLost } from "../connection/reconnecting_connection.ts";
import type { Item } from "../mailbox/open.ts";
import type { Mail, Sent, Stale } from "../mail.ts";
import { shortId } from "../mailbox/message_ids.ts";
import { OwnNames } from "../mailbox/own_names.ts";
import { askAboutNewKey } from "../trust/confirm_key.ts";
import { isAnnouncement, notSentLine, sentLine } from "../mailbox/show.ts";
import { askAboutAddress } from "../follow_address.ts";
import { findProfile, type Profile, requireAddress } from "../state/profile.ts";
import { type Offline, openMail } from "../session.ts";
import { type DraftsOutcome, SyncedDrafts } from "../sync_drafts.ts";
import { countDown } from "../terminal/countdown.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";

/** What every command of the client takes. */
export interface CommonOptions {
  readonly dir?: string;
  readonly server?: string;
  readonly passwordFile?: string;
  readonly noCache: boolean;
  readonly json: boolean;
  /** Whether the command itself says how many waiting messages were sent. */
  readonly tellsSent?: boolean;
  /** Told what others do meanwhile. */
  readonly onNews?: (event: NewsEvent) => void;
}

/** What became of what waited in the outbox: how many went out, and why others did not. */
export interface Flushed {
  readonly sent: number;
  readonly refused: readonly string[];
}

/** What a command works with. */
export interface Context {
  readonly terminal: Terminal;
  readonly profile: Profile;
  readonly mail: Mail;
  readonly json: boolean;
  /** What became of what had waited in the outbox. */
  readonly flushed: Flushed;
  /** Prints one JSON value for programs. */
  readonly printJson: (value: unknown) => void;
}

/**
 * Logs on as the options and the settings say, sends what waits in the outbox, runs `work`, and says
 * goodbye. `offline` says what `work` can do without the server. Throws what stops it.
 */
export async function withMail<T>(
  options: CommonOptions,
  work: (context: Context) => Promise<T>,
  offline?: Offline,
): Promise<T> {
  try {
    return await openAndDo(options, work, offline);
  } catch (error) {
    // Only what sends works with "write"; a message that is in the outbox is no error.
    if (offline !== "write" || !isSealpostError(error, "disk-full")) throw error;
    const message = `${error.message}; nothing was sent, make room and send it again`;
    throw new SealpostError("disk-full", message, { cause: error });
  }
}

async function openAndDo<T>(
  options: CommonOptions,
  work: (context: Context) => Promise<T>,
  offline?: Offline,
): Promise<T> {
  const terminal = openTerminal();
  const profile = await findProfile(options);
  const mail = await openMail({
    terminal,
    address: requireAddress(profile),
    name: profile.name,
    dir: profile.dir,
    useTicket: true,
    cache: !options.noCache && profile.config.cache !== false,
    announce: (line) => terminal.printError(line),
    retries: 2,
    ...defined({ offline, onNews: options.onNews }),
    ...defined({ passwordFile: options.passwordFile }),
  });
  try {
    mail.onStale = tellStale(terminal);
    const own = { name: mail.name, fp: mail.identity.bundle.fp };
    if (terminal.interactive && !options.json) {
      mail.onNewKey = (pin) => askAboutNewKey(terminal, own, pin);
    }
    announceRecovered(terminal, mail.drafts);
    const flushed = await flush(mail, offline !== undefined);
    const notSent = notSentLine(flushed.refused);
    if (notSent !== null) terminal.printError(notSent);
    // `outbox flush` says it itself.
    if (flushed.sent > 0 && !options.tellsSent) terminal.printError(`${sentLine(flushed.sent)}.`);
    mail.notices.onNew = () => {};
    const done = await work({
      terminal,
      profile,
      mail,
      flushed,
      json: options.json,
      printJson: (value) => terminal.print(printableJson(value)),
    });
    await askAboutAddress(terminal, mail, profile.dir, terminal.interactive && !options.json);
    return done;
  } catch (error) {
    throw forWantOfSecret(error) ?? error;
  } finally {
    await storeDrafts(mail);
    await mail.close();
  }
}

/** What is wrong if there is no connection because nobody could be asked for the password. */
function forWantOfSecret(error: unknown): SealpostError | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (isSealpostError(error, "offline") && isSealpostError(at, "secret-needed")) {
      return new SealpostError("secret-needed", error.message, { cause: error });
    }
  }
  return null;
}

/** Sends what waits; what is wanted without a server too does not fail by this. */
async function flush(mail: Mail, offline: boolean): Promise<Flushed> {
  const nothing = { sent: 0, refused: [] };
  if (!mail.connection.online) return nothing;
  try {
    return await mail.flushOutbox();
  } catch (error) {
    if (!offline || !isLost(error)) throw error;
    return nothing;
  }
}

/**
 * Brings the drafts of this machine and those of the others together, as far as the mailbox goes.
 * Throws what the connection throws.
 */
export async function bringDraftsTogether(mail: Mail): Promise<DraftsOutcome> {
  await mail.sync();
  const { count = 0 } = (await mail.folderStates()).find(({ folder }) => folder === "drafts") ?? {};
  while (mail.cache.count("drafts") < count && await mail.fetchOlder());
  return await new SyncedDrafts(mail).run();
}

/** Stores on the server what the command has done with drafts; what fails stays for the next time. */
async function storeDrafts(mail: Mail): Promise<void> {
  try {
    if (!mail.drafts.touched || !mail.connection.online) return;
    const drafts = new SyncedDrafts(mail);
    if (!await drafts.pending()) return;
    await mail.sync();
    await drafts.run();
  } catch (error) {
    if (!isSealpostError(error)) throw error;
  }
}

/** Says which drafts were found again that a session that ended abnormally had left. */
export function announceRecovered(terminal: Terminal, drafts: Drafts): void {
  for (const id of drafts.recovered) {
    const short = shortDraftId(id);
    terminal.printError(
      `A text was left in an editor and is draft ${short} now; "drafts show ${short}" shows it.`,
    );
  }
}

/** Says once that the mail is not up to date. */
function tellStale(terminal: Terminal): (stale: Stale) => void {
  let told = false;
  return ({ asOf, why }) => {
    if (!told) terminal.printError(printable(`offline, as of ${formatTime(asOf)} (${why})`));
    told = true;
  };
}

/**
 * Says what became of `draft`: on a terminal to whom it went, else its short id alone, on standard
 * output in any case; and why it waits. A program sees by the exit code that it waits, and by the id
 * that it must not be sent again.
 */
export function tellSent(
  { terminal, json, printJson }: Pick<Context, "terminal" | "json" | "printJson">,
  { to, cc, bcc }: Pick<Draft, "to" | "cc" | "bcc">,
  { id, waits }: Sent,
): void {
  const short = shortId(parseMessageId(id));
  if (json) printJson({ id, short, waiting: waits !== null });
  else if (!Deno.stdout.isTerminal()) terminal.print(short);
  else {
    const names = [...new Set([...to, ...cc, ...bcc])].join(", ");
    terminal.print(`${waits === null ? "Sent to" : "Waits in the outbox for"} ${names}: ${short}`);
  }
  if (waits === null) return;
  terminal.printError(printable(waits.message));
  Deno.exitCode = waits.code === "offline" ? 75 : exitCodeFor(waits.code);
}

/**
 * What shows a person at a terminal how long a message may be taken back; undefined where it goes out at
 * once: the settings say so, or a program sends it.
 */
export function holdFor(
  { terminal, mail, json }: Pick<Context, "terminal" | "mail" | "json">,
): (() => Promise<boolean>) | undefined {
  if (mail.undoSend === 0 || !terminal.interactive || json) return undefined;
  return () => {
    return countDown(terminal, mail.undoSend, (seconds) => {
      return `Goes out in ${seconds} s; Ctrl-C takes it back.`;
    });
  };
}

/** Columns for those whom a message goes to, in a list, at the most. */
export const MAX_WHO = 30;

/** Prints a row of a list, which ends at the edge of a terminal. */
export function printRow(terminal: Terminal, line: string): void {
  terminal.print(terminal.interactive ? fit(line, terminal.columns()) : line);
}

/**
 * What folders and keywords are called, for a list of `items`: asks the server only if any of them has
 * one of the person's own.
 */
export async function namesFor(mail: Mail, items: readonly Item[]): Promise<OwnNames> {
  const any = items.some(({ entry: { folder, flags } }) => {
    return typeof folder === "number" || flags.some((flag) => typeof flag === "number");
  });
  return any ? await mail.names() : new OwnNames(await mail.shared.known());
}

/** What JSON says of an announcement of the operator's; of any other message nothing. */
export function announcementJson(summary: Summary) {
  return isAnnouncement(summary)
    ? { announcement: true, ...defined({ servers: summary.servers }) }
    : {};
}

/** A message as every `--json` list shows it. */
export function toJson(item: Item, names: OwnNames) {
  const { entry, opened, problem } = item;
  const header = entry.header.slice(1, 17);
  const common = {
    id: formatMessageId(header),
    short: shortId(header),
    folder: names.folderName(entry.folder),
    flags: entry.flags.map((flag) => names.flagName(flag)),
    received: isoTime(entry.receivedAt),
  };
  if (!opened) return { ...common, from: null, subject: null, date: null, problem };
  const { summary } = opened;
  return {
    ...common,
    // Nobody has signed a claim: it has a place of its own.
    from: summary.stored || isAnnouncement(summary) ? null : summary.from.name,
    ...announcementJson(summary),
    ...defined({ stored: summary.stored }),
    ...defined({ fullName: summary.stored ? undefined : summary.fullName }),
    verified: opened.verification.verified,
    to: summary.to.map(({ name }) => name),
    cc: summary.cc.map(({ name }) => name),
    subject: summary.subject,
    date: isoTime(summary.date),
    size: summary.size,
    attachments: summary.attachments,
    attachmentCount: summary.attachmentCount,
    ...defined({ inReplyTo: summary.inReplyTo }),
    ...(item.duplicate ? { duplicate: true } : {}),
  };
}
