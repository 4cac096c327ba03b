import libmime from "libmime";
import * as v from "valibot";
import { type Bytes, fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { isoTime } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import { parseJson } from "../../protocol/schema.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import type { Person, Summary } from "../../protocol/summary.ts";
import type { Opened } from "../mailbox/open.ts";
import { shortId } from "../mailbox/message_ids.ts";
import { isAnnouncement } from "../mailbox/show.ts";
import { addressOf, fullMessageId, nameOf } from "../message/mail_names.ts";
import type { VerificationState } from "../trust/verification.ts";
import addressparser from "nodemailer/lib/addressparser";
import { fieldValue, headerFields } from "./imap/header.ts";
import { binary, fromBinary } from "./imap/parser.ts";

// How a message is given to mail programs: as it was sealed, with one field in front.

/** The field that says what was verified. */
export const VERIFIED = "X-Sealpost-Verified";

/** What stands in the place of that name where the sender wrote it: as long. */
const IMITATED = "X-Sealpost-Imitated";

/** What stands in the place of `From` where it names somebody else than who signed: as long. */
const NOT_FROM = "Xrom";

/** What the value of {@linkcode VERIFIED} is filled up to, so that sizes do not depend on it. */
const VALUE_SIZE = 90;

/** The fields of a header that lists of messages show. */
const SHOWN = [
  "from",
  "to",
  "cc",
  "bcc",
  "subject",
  "date",
  "message-id",
  "in-reply-to",
  "references",
  "reply-to",
  "content-type",
  "mime-version",
];

/** Longest field that is kept for lists, characters. */
const MAX_FIELD = 16_384;

const schema = v.strictObject({
  /** The line that goes in front of the message, with its end. */
  prefix: v.string(),
  /** Exact size of what is given out, bytes. */
  size: v.pipe(v.number(), v.safeInteger()),
  /** When it arrived, milliseconds since 1970. */
  receivedAt: v.pipe(v.number(), v.safeInteger()),
  /** What is known of its header. */
  fields: v.array(v.string()),
});

/** How a message is given out: fixed the first time, so that it never changes. */
export type Given = v.InferOutput<typeof schema>;

export function encodeGiven(given: Given): Bytes {
  return utf8(JSON.stringify(given));
}

/** Throws `format`. */
export function decodeGiven(bytes: Bytes): Given {
  return parseJson(schema, fromUtf8(bytes));
}

/** What of a message is needed for that. */
interface Shown extends Pick<Opened, "id" | "summary" | "verification"> {
  readonly entry: Pick<Opened["entry"], "receivedAt">;
}

const WORDS: Readonly<Record<VerificationState, string>> = {
  "unverified": "signed, key not verified",
  "in-person": "signed, key verified in person",
  "by-file": "signed, key verified by file",
  "changed": "signed, but another key is offered",
  "rotated": "signed with a new key that waits for your word",
  "own": "signed by yourself",
  "operator": "signed with the server's key: its operator wrote it",
  "claimed": "no: you stored this yourself, and nobody signed whom it is from",
};

/**
 * How `opened` is given out. `header`: its header as it stands in the message, one character a byte,
 * where the summary does not say all of it; null where it does, or where the message cannot be had.
 */
export function giveOut(
  opened: Shown,
  duplicate: boolean,
  blindCopied: readonly Person[],
  header: string | null,
): Given {
  const { summary, verification, entry } = opened;
  const who = summary.stored || isAnnouncement(summary) ? "" : `${summary.from.name}: `;
  const copy = duplicate ? "; a copy of an earlier one" : "";
  const prefix = `${VERIFIED}: ${
    `${who}${WORDS[verification.state]}${copy}`.padEnd(VALUE_SIZE)
  }\r\n`;
  const fields = header === null ? fieldsOf(opened, blindCopied) : fieldsIn(header, summary);
  return {
    prefix,
    size: prefix.length + summary.size,
    receivedAt: entry.receivedAt,
    fields: [prefix.trimEnd(), ...fields],
  };
}

/** Whether a summary has all that lists show. What one stores oneself has no recipients in it. */
export function saysAll({ subject, stored, messageId, type }: Summary, maxTitle: number): boolean {
  return stored === undefined && messageId !== undefined && type !== undefined &&
    [...subject].length < maxTitle;
}

/** The fields of `header` that lists show, as text, changed as in the message that is given out. */
function fieldsIn(header: string, summary: Summary): string[] {
  const changed = binary(patched(fromBinary(header), 0, patchesOf(header, summary)));
  const shown = headerFields(changed).filter(({ name, text }) => {
    return SHOWN.includes(name) && text.length <= MAX_FIELD;
  });
  // Some write UTF-8 there as it is (RFC 6532).
  const fields = shown.map(({ text }) => new TextDecoder().decode(fromBinary(text)));
  return summary.stored || shown.some(({ name }) => name === "from")
    ? fields
    : [`From: ${addressOf(summary.from.name)}`, ...fields];
}

/** The fields of a header that a summary has. */
function fieldsOf({ id, summary }: Shown, blindCopied: readonly Person[]): string[] {
  const { from, to, cc, subject, date, stored, replyTo, references, inReplyTo } = summary;
  const people = (list: readonly { name: string }[]) => {
    return list.map(({ name }) => addressOf(name)).join(", ");
  };
  const messageId = summary.messageId ?? fullMessageId(formatMessageId(id));
  const answered = inReplyTo === undefined ? references?.at(-1) : fullMessageId(inReplyTo);
  const values: readonly (readonly [string, string])[] = [
    ["From", stored ? encoded(stored.from) : addressOf(from.name)],
    ["To", people(to)],
    ["Cc", people(cc)],
    ["Bcc", people(blindCopied)],
    ["Subject", encoded(subject)],
    ["Date", mailDate(date)],
    ["Message-ID", `<${messageId}>`],
    ["In-Reply-To", answered === undefined ? "" : `<${answered}>`],
    ["References", (references ?? []).map((one) => `<${one}>`).join(" ")],
    ["Reply-To", encoded(replyTo ?? "")],
    ["MIME-Version", "1.0"],
    ["Content-Type", summary.type ?? ""],
  ];
  return values.filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${oneLine(value)}`);
}

/** `text` with encoded words (RFC 2047) for what is not ASCII. */
function encoded(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : libmime.encodeWords(oneLine(text), "B", 52);
}

/** Others may have written into their summaries what would be a field of its own. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim();
}

/** A time as a Date field has it (RFC 5322, section 3.3), in UTC. */
export function mailDate(at: number): string {
  return new Date(Math.min(at, 253_402_300_799_000)).toUTCString().replace("GMT", "+0000");
}

/** A change of some bytes of a message, which leaves its length as it is. */
export interface Patch {
  readonly at: number;
  readonly bytes: Bytes;
}

/**
 * What is changed in the header of a message before it is given out: fields called as ours, which only
 * we write, and a `From` that does not name who signed, each renamed at equal length. `header`: one
 * character a byte. Programs differ in what ends a line: all of it is looked at.
 */
export function patchesOf(header: string, { from, stored }: Summary): Patch[] {
  const patches: Patch[] = [];
  const rename = (at: number, name: string) => patches.push({ at, bytes: utf8(name) });
  for (
    const { index, 1: start = "" } of header.matchAll(/(^|[\r\n])x-sealpost-verified[ \t]*:/gi)
  ) {
    rename(index + start.length, IMITATED);
  }
  const senders = [...header.matchAll(/(^|[\r\n])from[ \t]*:/gi)];
  if (stored || (senders.length === 1 && isFrom(header, from.name))) return patches;
  for (const { index, 1: start = "" } of senders) rename(index + start.length, NOT_FROM);
  return patches;
}

/** Whether the From field of `header` names the user `name`, and nobody else. */
function isFrom(header: string, name: string): boolean {
  const value = fieldValue(headerFields(header), "from");
  if (value === null || value.length > MAX_FIELD) return false;
  const people = addressparser(value, { flatten: true });
  const [only] = people;
  if (people.length !== 1 || only?.address === undefined) return false;
  return localPart(nameOf(only.address)) === localPart(addressOf(name));
}

/** What stands before the `@`, in lower case. */
function localPart(address: string): string {
  const at = address.indexOf("@");
  return (at < 0 ? address : address.slice(0, at)).toLowerCase();
}

/** `piece`, which begins `at` bytes into the message, with the patches that fall into it. */
export function patched(piece: Bytes, at: number, patches: readonly Patch[]): Bytes {
  const inside = patches.filter((patch) => {
    return patch.at < at + piece.length && patch.at + patch.bytes.length > at;
  });
  if (inside.length === 0) return piece;
  const changed = piece.slice();
  for (const patch of inside) {
    for (const [i, byte] of patch.bytes.entries()) {
      const to = patch.at + i - at;
      if (to >= 0 && to < changed.length) changed[to] = byte;
    }
  }
  return changed;
}

/** The short message that stands in the place of one that does not verify. */
export function notice(id: Bytes, receivedAt: number, why: string): { given: Given; bytes: Bytes } {
  const prefix = `${VERIFIED}: ${"no: this message does not verify".padEnd(VALUE_SIZE)}\r\n`;
  const fields = [
    `From: Sealpost bridge <${addressOf("sealpost-bridge")}>`,
    "Subject: A message that cannot be shown",
    `Date: ${mailDate(receivedAt)}`,
    `Message-ID: <${fullMessageId(formatMessageId(id))}>`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
  ];
  const text = [
    `A message that arrived ${isoTime(receivedAt)} is not shown, because it does not verify:`,
    "",
    `    ${printable(why)}`,
    "",
    `"sealpost read ${shortId(id)}" says more about it.`,
    "",
  ];
  const bytes = utf8(`${prefix}${fields.join("\r\n")}\r\n\r\n${text.join("\r\n")}`);
  return {
    given: { prefix, size: bytes.length, receivedAt, fields: [prefix.trimEnd(), ...fields] },
    bytes,
  };
}
