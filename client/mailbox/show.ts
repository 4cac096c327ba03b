import { formatTime } from "../../cli/format.ts";
import { type Bytes, concat } from "../../crypto/bytes.ts";
import { printable } from "../../cli/printable.ts";
import { EVERYONE, OPERATOR } from "../../protocol/name.ts";
import type { Person, Summary } from "../../protocol/summary.ts";
import type { Calendar } from "../message/calendar.ts";
import { type ExistingFileAction, writeAttachment } from "../message/attachments.ts";
import type { Item, Opened } from "./open.ts";
import type { OwnNames } from "./own_names.ts";
import {
  type AttachmentPart,
  PARSE_LIMITS,
  type ParsedHeaders,
  type ParsedMessage,
  parseMessage,
} from "../message/parse.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { isMessage, type MessageSource } from "../message/attached_message.ts";
import { lookalikes } from "../trust/verification.ts";

const DAY = 86_400_000;

/** The date of a message; with its arrival if the two are over a day apart. */
export function dateLine(opened: Opened): string {
  const { date } = opened.summary;
  const { receivedAt } = opened.entry;
  return Math.abs(date - receivedAt) <= DAY
    ? formatTime(date)
    : `${formatTime(date)} (arrived ${formatTime(receivedAt)})`;
}

/** The word for what a message is about: the numbered menu has its own. */
export type SubjectWord = "subject" | "title";

/** What a message is about, safe to print, or why there is nothing to show. */
export function subjectOf({ opened, problem }: Item, word: SubjectWord = "subject"): string {
  if (!opened) return `[cannot be opened: ${printable(problem ?? "")}]`;
  return printable(opened.summary.subject) || `(no ${word})`;
}

/** Whether it is an announcement of the server's operator: it opened, so the server's key has signed it. */
export function isAnnouncement({ from, stored }: Summary): boolean {
  return from.name === OPERATOR && stored === undefined;
}

/** Whom a message is to, by their names; an announcement is to everyone. */
export function recipientsText(summary: Summary): string[] {
  return isAnnouncement(summary) ? [EVERYONE] : summary.to.map(({ name }) => name);
}

const STORED_MARKS = { draft: "[draft] ", import: "[imported] ", saved: "[stored] " };

/** Whom a message is from, safe to print: who signed it, or for one that was stored, who is claimed. */
export function senderText({ from, stored }: Summary): string {
  return stored ? printable(stored.from) || "?" : from.name;
}

/** {@linkcode senderText}, with the full name that the sender signed beside it. */
export function senderWithFullName(summary: Summary): string {
  const { fullName, stored } = summary;
  const shown = senderText(summary);
  if (isAnnouncement(summary)) return "The operator";
  return stored || fullName === undefined ? shown : `${shown}, ${printable(fullName)}`;
}

/** How a listing marks a message that its reader has stored, or an announcement; empty for any other. */
export function storedMark(summary: Summary): string {
  if (isAnnouncement(summary)) return "[announcement] ";
  return summary.stored ? STORED_MARKS[summary.stored.kind] : "";
}

/** The columns of a listing for one entry, safe to print; with its keywords if `names` has them. */
export function listingLine(
  item: Item,
  word: SubjectWord = "subject",
  names: OwnNames | null = null,
): { from: string; date: string; subject: string } {
  const { opened, entry } = item;
  if (!opened) {
    return {
      from: "?",
      date: formatTime(entry.receivedAt),
      subject: subjectOf(item, word),
    };
  }
  const { summary } = opened;
  const marks = [
    entry.flags.includes("seen") ? "" : "[new] ",
    entry.flags.includes("flagged") ? "[flagged] " : "",
    entry.flags.includes("answered") ? "[answered] " : "",
    ...entry.flags.map((flag) => {
      return typeof flag === "number" && names ? `[${names.flagName(flag)}] ` : "";
    }),
    item.duplicate ? "[duplicate] " : "",
    storedMark(summary),
  ].join("");
  const clip = summary.attachmentCount > 0 ? ` [${summary.attachmentCount} attached]` : "";
  return {
    from: senderText(summary),
    date: dateLine(opened),
    subject: `${marks}${subjectOf(item, word)}${clip}`,
  };
}

/**
 * The lines above a message's text. All of them come from the summary that the sender signed,
 * never from the headers inside the message. `ofSender` says what is known of the sender's key.
 */
export function headerLines(
  opened: Opened,
  blindCopied: readonly Person[],
  ofSender = "",
  word: SubjectWord = "subject",
): string[] {
  const { summary } = opened;
  const names = (people: readonly Person[]) => people.map(({ name }) => name).join("; ");
  const lines = [
    `From: ${senderWithFullName(summary)}${ofSender && ` (${ofSender})`}`,
    `To: ${recipientsText(summary).join("; ")}`,
  ];
  if (summary.cc.length > 0) lines.push(`Cc: ${names(summary.cc)}`);
  if (blindCopied.length > 0) lines.push(`Bcc: ${names(blindCopied)}`);
  lines.push(
    `Date: ${dateLine(opened)}`,
    `${word === "title" ? "Title" : "Subject"}: ${printable(summary.subject)}`,
    `Content length: ${summary.size}`,
  );
  return lines;
}

/**
 * What is known of the key of a message's sender, in words; empty for oneself. `names` are those of
 * everybody who is known: a sender who could be taken for one of them is told from that one.
 */
export function senderNote(opened: Opened, names: readonly string[]): string {
  const { verification: { state, verified, words }, summary: { from } } = opened;
  if (state === "own") return "";
  if (state === "claimed" || state === "operator") return words;
  const alike = verified ? [] : lookalikes(from.name, names);
  return alike.length === 0 ? words : `${words}; this is not ${alike.join(", nor ")}`;
}

/** How many waiting messages were sent: `2 messages sent`. */
export function sentLine(count: number): string {
  return `${count === 1 ? "1 message" : `${count} messages`} sent`;
}

/** One line about the waiting messages that were not sent, and why; null if there are none. */
export function notSentLine(refused: readonly string[]): string | null {
  const [first, ...others] = refused;
  if (first === undefined) return null;
  return printable(
    others.length === 0
      ? `a waiting message was not sent, ${first}`
      : `${refused.length} waiting messages were not sent, as "outbox" shows; the first, ${first}`,
  );
}

/** An attachment as it is listed below a text. */
export interface ShownAttachment {
  readonly index: number;
  /** Safe to print. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Whether it is a message itself, which can be opened. */
  readonly message: boolean;
}

/** A calendar that is attached, such as an invitation. */
export interface ShownCalendar {
  /** The number of the attachment. */
  readonly attachment: number;
  /** What it says to people who are where this machine is, safe to print. */
  readonly lines: readonly string[];
  /** What it says to programs; not printable. */
  readonly calendar: Calendar;
}

/** A message's text, safe to print, and what is attached. */
export interface DisplayedMessage {
  readonly text: string;
  /** Whether text was left out because there was too much of it. */
  readonly truncated: boolean;
  /** What could not be read as it should be, or is left out: a line each, safe to print. */
  readonly notes: readonly string[];
  readonly attachments: readonly ShownAttachment[];
  /** Those of the attachments that are calendars and can be read, each once. */
  readonly calendars: readonly ShownCalendar[];
  /** Whether the text depends on the columns it was made for: there are tables in it, or may be. */
  readonly depends: boolean;
  /** What the headers inside the message say, which nobody has signed; safe to print. */
  readonly claims: readonly Claim[];
}

/** What is to be known of a message that is attached to another one. */
export const ATTACHED =
  "what follows is as whoever attached it wrote it; nobody else has signed it";

/** A line of the headers inside a message. */
export interface Claim {
  readonly name: "From" | "To" | "Cc" | "Date" | "Subject";
  readonly value: string;
}

function claimsOf({ sender, to, cc, date, subject }: ParsedHeaders): Claim[] {
  const claims: Claim[] = [
    { name: "From", value: sender },
    { name: "To", value: to.join("; ") },
    { name: "Cc", value: cc.join("; ") },
    { name: "Date", value: date === null ? "" : formatTime(date.getTime()) },
    { name: "Subject", value: subject },
  ];
  return claims.filter(({ value }) => value.trim() !== "")
    .map(({ name, value }) => ({ name, value: printable(value) }));
}

/** The text of a message with what the calendars in it say, safe to print. */
export function textWithCalendars({ text, calendars }: DisplayedMessage): string {
  if (calendars.length === 0) return text;
  const before = text.trimEnd();
  return [...before === "" ? [] : [before], ...calendars.map(({ lines }) => lines.join("\n"))]
    .join("\n\n");
}

/** Widest text, columns of a terminal: longer lines are hard to read. */
export const MEASURE = 100;

/**
 * Reads a verified message, or one that is attached to it, for display on a terminal of `columns`, where that is known; 0 is for type in
 * which nothing can be aligned. Throws `limit` or `format` if it is not sensible MIME.
 */
export async function readForDisplay(
  message: MessageSource,
  columns?: number,
): Promise<DisplayedMessage> {
  const calendars: ShownCalendar[] = [];
  const notes: string[] = [];
  const parsed: ParsedMessage = await parseMessage(
    message.stream(),
    {
      attachment: async (part, content) => {
        if (!isCalendar(part) || calendars.length + notes.length === MAX_CALENDARS) return;
        const read = await readShownCalendar(part.index, content);
        if (read === null) {
          notes.push(`attachment ${part.index} is a calendar that cannot be shown here; save it`);
        } else if (!calendars.some((one) => sayTheSame(one, read))) calendars.push(read);
      },
    },
    columns === undefined ? PARSE_LIMITS : {
      ...PARSE_LIMITS,
      columns: Math.max(1, Math.min(columns, MEASURE)),
    },
  );
  return {
    // A place where a word may be broken is nothing to see.
    text: printable(parsed.text.replaceAll("\u00ad", ""), { lines: true }),
    truncated: parsed.truncated,
    notes: [...parsed.notes.map((note) => printable(note)), ...notes],
    calendars,
    attachments: parsed.attachments.map(({ index, name, size, type }) => ({
      index,
      name: printable(name),
      size,
      message: isMessage({ type, name }),
    })),
    depends: parsed.html !== null,
    claims: claimsOf(parsed.headers),
  };
}

/** Which attachments are saved, and how. */
export interface SaveOptions {
  /** Their numbers; without it, all. */
  readonly only?: ReadonlySet<number>;
  /** The name of the file for the name of an attachment; default: the same. */
  readonly rename?: (name: string) => string;
  /** As {@linkcode writeAttachment} takes it. */
  readonly decide?: ((path: string) => Promise<ExistingFileAction>) | undefined;
}

/** Saves attachments of a verified message, or of one in it, in `folder`; the paths, in order. */
export async function saveAttachments(
  message: MessageSource,
  folder: string,
  { only, rename = (name) => name, decide }: SaveOptions = {},
): Promise<string[]> {
  const paths: string[] = [];
  await parseMessage(message.stream(), {
    attachment: async ({ index, name }, content) => {
      if (only && !only.has(index)) return;
      const path = await writeAttachment(folder, rename(name), content, decide);
      if (path !== null) paths.push(path);
    },
  });
  return paths;
}

/** Asks a person what to do with a file that is there; where nobody can be asked, nothing is. */
export function askWhenTaken(
  terminal: Terminal,
): ((path: string) => Promise<ExistingFileAction>) | undefined {
  if (!terminal.interactive) return undefined;
  return async (path) => {
    for (;;) {
      const question = `${printable(path)} is there already: overwrite, rename or skip? (o/R/s) `;
      const answer = (await terminal.ask(question))?.trim().toLowerCase() ?? "s";
      const found = (["overwrite", "rename", "skip"] as const)
        .find((word) => word.startsWith(answer || "r"));
      if (found) return found;
    }
  };
}

/** How many calendars of a message are read: invitations come alone, or twice. */
const MAX_CALENDARS = 10;

function isCalendar({ type, name }: AttachmentPart): boolean {
  return type === "text/calendar" || type === "application/ics" || /\.ics$/i.test(name);
}

/** A calendar that is attached, to be shown where this machine is; null if it cannot be. */
async function readShownCalendar(
  index: number,
  content: AsyncIterable<Bytes>,
): Promise<ShownCalendar | null> {
  // Few messages have any.
  const [{ MAX_CALENDAR, readCalendar }, { calendarLines }, { zoneHere }, { decodeText }] =
    await Promise.all([
      import("../message/calendar.ts"),
      import("../message/calendar_text.ts"),
      import("../message/calendar_time.ts"),
      import("../message/charsets.ts"),
    ]);
  const pieces: Bytes[] = [];
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > MAX_CALENDAR) return null;
    pieces.push(piece.slice());
  }
  const { text } = decodeText(concat(...pieces), { charset: null, html: false, cut: false });
  const calendar = readCalendar(text);
  if (calendar === null) return null;
  const lines = calendarLines(calendar, index, zoneHere());
  return { attachment: index, lines: lines.map((line) => printable(line)), calendar };
}

/** Whether two calendars say the same: many invitations are there once to be read, once to be saved. */
function sayTheSame(a: ShownCalendar, b: ShownCalendar): boolean {
  return a.lines.slice(1).join("\n") === b.lines.slice(1).join("\n");
}
