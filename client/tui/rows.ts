import { printable } from "../../cli/printable.ts";
import type { Flag } from "../../protocol/entry.ts";
import type { OwnNames } from "../mailbox/own_names.ts";
import type { Item } from "../mailbox/open.ts";
import type { FullName } from "../state/members.ts";
import { senderText, storedMark, subjectOf } from "../mailbox/show.ts";

/** One line of a list of messages, safe to print. */
export interface Row {
  readonly fresh: boolean;
  readonly answered: boolean;
  readonly flagged: boolean;
  /** The keywords of the reader's own that it has. */
  readonly keywords: readonly string[];
  /** The sender, or where the reader is the sender, the recipients. */
  readonly who: string;
  /** Whether these are the recipients. */
  readonly toOthers: boolean;
  /** What whoever stands there is called in full, with a star if nobody has signed it; empty if nobody says. */
  readonly fullName: string;
  /** How far the key of the sender, or of the recipients, is trusted. */
  readonly trust: Trust;
  readonly subject: string;
  /** Milliseconds since 1970; null if there is none. */
  readonly date: number | null;
  /** Bytes; null if not known. */
  readonly size: number | null;
  readonly attachments: number;
  /** Whether it answers another message. */
  readonly reply: boolean;
  /** Whether it could not be opened. */
  readonly broken: boolean;
}

/** How far a key is trusted. */
export type Trust = "verified" | "changed" | "unknown";

/** Who reads, and how far they trust the key `fp`, in base64, as that of `name`. */
export interface Reading {
  readonly me: string;
  readonly names: OwnNames;
  readonly trust: (name: string, fp: string) => Trust;
  readonly fullName: (name: string) => FullName | null;
}

/** A full name for the screen, with a star if it is the operator's word alone; empty if there is none. */
export function fullNameText(fullName: FullName | null): string {
  return fullName === null ? "" : `${printable(fullName.text)}${fullName.signed ? "" : " *"}`;
}

/** What {@linkcode fullNameText} writes a star for. */
export const STAR_WORDS = "* said by the operator, and signed by nobody until they write to you";

/** The row of a message. */
export function rowOf(item: Item, { me, names, trust, fullName }: Reading): Row {
  const { entry, opened } = item;
  const has = (flag: "seen" | "answered" | "flagged") => entry.flags.includes(flag);
  const common = {
    fresh: !has("seen"),
    answered: has("answered"),
    flagged: has("flagged"),
    keywords: keywordsOf(entry.flags, names),
  };
  if (!opened) {
    const name = item.keyChangedOf;
    return {
      ...common,
      who: name ?? "?",
      toOthers: false,
      fullName: "",
      trust: name === null ? "unknown" : "changed",
      subject: name === null ? subjectOf(item) : "[another key; Enter says what to do]",
      date: entry.receivedAt,
      size: null,
      attachments: 0,
      reply: false,
      broken: true,
    };
  }
  const { summary } = opened;
  const sent = entry.folder === "sent" && summary.from.name === me && !summary.stored;
  const others = [...summary.to, ...summary.cc];
  const recipients = others.map(({ name }) => name);
  const [shown, ...more] = sent ? recipients : [summary.from.name];
  // What a message says itself its sender has signed.
  const signed = sent || summary.fullName === undefined
    ? null
    : { text: summary.fullName, signed: true };
  const isOne = shown !== undefined && more.length === 0 && !summary.stored;
  return {
    ...common,
    toOthers: sent,
    who: printable(sent ? `To ${recipients.join(", ") || "-"}` : senderText(summary)),
    fullName: isOne ? fullNameText(signed ?? fullName(shown)) : "",
    trust: summary.stored
      ? "unknown"
      : least((sent ? others : [summary.from]).map(({ name, fp }) => trust(name, fp))),
    subject: `${item.duplicate ? "[duplicate] " : ""}${storedMark(summary)}${subjectOf(item)}`,
    date: summary.date,
    size: summary.size,
    attachments: summary.attachmentCount,
    reply: summary.inReplyTo !== undefined,
    broken: false,
  };
}

/** What the keywords among `flags` are called, safe to print. */
export function keywordsOf(flags: readonly Flag[], names: OwnNames): string[] {
  return flags.filter((flag) => typeof flag === "number").map((flag) => {
    return printable(names.flagName(flag));
  });
}

/** The least trust of several keys. */
function least(all: readonly Trust[]): Trust {
  if (all.includes("changed")) return "changed";
  return all.length === 0 || all.includes("unknown") ? "unknown" : "verified";
}

const DAY = 86_400_000;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** A date in at most ten columns: the time today, the day this year, else the whole date. */
export function shortDate(ms: number, now: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "?";
  const today = new Date(now);
  const two = (n: number) => String(n).padStart(2, "0");
  if (date.toDateString() === today.toDateString()) {
    return `${two(date.getHours())}:${two(date.getMinutes())}`;
  }
  const recent = Math.abs(now - ms) < 300 * DAY || date.getFullYear() === today.getFullYear();
  if (recent) return `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** A size in at most five columns. */
export function shortSize(bytes: number): string {
  const units = ["", "K", "M", "G", "T"];
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return unit === 0 || size >= 9.95
    ? `${Math.round(size)}${units[unit]}`
    : `${size.toFixed(1)}${units[unit]}`;
}
