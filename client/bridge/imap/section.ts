import type { Bytes } from "../../../crypto/bytes.ts";
import { concat, utf8 } from "../../../crypto/bytes.ts";
import { bad } from "./error.ts";
import { type HeaderField, headerFields } from "./header.ts";
import { imapString } from "./output.ts";
import { binary, fromBinary, type ImapParser } from "./parser.ts";
import type { MessageHead, MessageSource } from "./store.ts";
import type { Part } from "./structure.ts";

/** What of a message, or of one of its parts, is asked for (RFC 9051, section 6.4.5). */
export interface Section {
  /** Which part: empty for the whole message. */
  readonly path: readonly number[];
  readonly what: "ALL" | "HEADER" | "HEADER.FIELDS" | "HEADER.FIELDS.NOT" | "TEXT" | "MIME";
  /** In lower case. */
  readonly fields: readonly string[];
  /** As it is named in the answer, without the partial range. */
  readonly label: string;
  /** Where to begin, and how many bytes at the most; null for all. */
  readonly partial: readonly [number, number] | null;
}

/** Deepest part that can be asked for. */
const MAX_PATH = 60;

/** Reads what follows `BODY[` or `BODY.PEEK[`, up to the partial range. Throws `BAD`. */
export function readSection(args: ImapParser): Section {
  const path: number[] = [];
  let what: Section["what"] = "ALL";
  const fields: string[] = [];
  const names: string[] = [];
  let more = args.peek() !== "]";
  while (more && /\d/.test(args.peek())) {
    const number = args.number32();
    if (number < 1 || path.length >= MAX_PATH) throw bad("no such part");
    path.push(number);
    more = args.take(".");
  }
  if (more) {
    if (args.take("HEADER.FIELDS.NOT")) what = "HEADER.FIELDS.NOT";
    else if (args.take("HEADER.FIELDS")) what = "HEADER.FIELDS";
    else if (args.take("HEADER")) what = "HEADER";
    else if (args.take("TEXT")) what = "TEXT";
    else if (path.length > 0 && args.take("MIME")) what = "MIME";
    else throw bad("no such section");
    if (what.startsWith("HEADER.FIELDS")) {
      args.space();
      for (const name of args.list(() => args.astring())) {
        names.push(/^[!-'*-z|}~]+$/.test(name) ? name : imapString(name));
        fields.push(name.toLowerCase());
      }
      if (fields.length === 0) throw bad("no fields are named");
    }
  }
  args.expect("]");
  const word = what === "ALL" ? "" : what;
  const list = names.length > 0 ? ` (${names.join(" ")})` : "";
  const label = `BODY[${path.join(".")}${path.length > 0 && word ? "." : ""}${word}${list}]`;
  return { path, what, fields, label, partial: readPartial(args) };
}

function readPartial(args: ImapParser): readonly [number, number] | null {
  if (!args.take("<")) return null;
  const from = args.number();
  args.expect(".");
  const size = args.number();
  if (size < 1) throw bad("nothing is asked for");
  args.expect(">");
  return [from, size];
}

/** The fields that a {@linkcode MessageHead} has if the message has them. */
const KNOWN = new Set([
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
  "x-sealpost-verified",
]);

/**
 * Fields that lists of messages ask for and that hardly any message has. They are answered without the
 * message, as not there: no list is worth fetching all messages for them.
 */
const RARE = new Set([
  "sender",
  "newsgroups",
  "priority",
  "x-priority",
  "importance",
  "x-msmail-priority",
  "content-description",
  "content-transfer-encoding",
  "lines",
  "x-label",
  "x-original-to",
  "x-mailer",
  "user-agent",
  "autocrypt",
  "list-id",
  "list-post",
  "list-subscribe",
  "list-unsubscribe",
  "disposition-notification-to",
  "x-spam-status",
  "x-spam-flag",
  "x-status",
  "status",
]);

/** The section, if the head of the message is enough for it; else null. */
export function fromHead(section: Section, head: MessageHead): Bytes | null {
  const { path, what, fields } = section;
  if (path.length > 0 || what !== "HEADER.FIELDS") return null;
  if (!fields.every((field) => KNOWN.has(field) || RARE.has(field))) return null;
  return utf8(chosen(headerFields(head.fields.join("\r\n")), fields, true));
}

function chosen(all: readonly HeaderField[], names: readonly string[], named: boolean): string {
  const lines = all.filter(({ name }) => names.includes(name) === named);
  return lines.map(({ text }) => `${text}\r\n`).join("") + "\r\n";
}

/** A section: its size, and its bytes in pieces. */
export interface SectionBytes {
  readonly size: number;
  readonly bytes: AsyncIterable<Bytes> | readonly Bytes[];
}

/** Bytes that are there, as a section. */
export function whole(bytes: Bytes): SectionBytes {
  return { size: bytes.length, bytes: [bytes] };
}

/** The section of a message; null where it has no such part. */
export async function fromMessage(
  section: Section,
  source: MessageSource,
): Promise<SectionBytes | null> {
  const { path, what, fields } = section;
  if (path.length === 0 && what === "ALL") return range(source, 0, source.size);
  const root = await source.structure();
  const part = path.length === 0 ? root : partAt(root, path);
  if (!part) return null;
  if (what === "ALL") return range(source, part.bodyFrom, part.to);
  if (what === "MIME") return range(source, part.from, part.bodyFrom);
  // The others are for messages: the whole, or one that is a part.
  const message = path.length === 0 ? root : part.message;
  if (!message) return null;
  if (what === "HEADER") return range(source, message.from, message.bodyFrom);
  if (what === "TEXT") return range(source, message.bodyFrom, message.to);
  const header = await bytesOf(source, message.from, message.bodyFrom);
  const text = chosen(headerFields(binary(header)), fields, what === "HEADER.FIELDS");
  return whole(fromBinary(text));
}

function range(source: MessageSource, from: number, to: number): SectionBytes {
  return { size: to - from, bytes: source.read(from, to) };
}

/** The bytes from `from` up to `to`, all at once: for what is known to be small. */
export async function bytesOf(source: MessageSource, from: number, to: number): Promise<Bytes> {
  const pieces: Bytes[] = [];
  for await (const piece of source.read(from, to)) pieces.push(piece);
  return concat(...pieces);
}

/** The part that `path` names (RFC 9051, section 6.4.5); null if there is none. */
function partAt(root: Part, path: readonly number[]): Part | null {
  let at: Part | null = null;
  let around: Part | null = root;
  for (const number of path) {
    if (around === null) return null;
    if (around.parts.length > 0) at = around.parts[number - 1] ?? null;
    else at = number === 1 ? around : null;
    // Parts of a message that is a part are counted as that message's.
    around = at?.message ?? (at && at.parts.length > 0 ? at : null);
  }
  return at;
}

/** `section` cut to the partial range. */
export function partOf(
  { size, bytes }: SectionBytes,
  partial: readonly [number, number] | null,
): SectionBytes {
  if (!partial) return { size, bytes };
  const [from, most] = partial;
  const start = Math.min(from, size);
  const end = Math.min(size, from + most);
  return {
    size: end - start,
    bytes: (async function* () {
      let at = 0;
      for await (const piece of bytes) {
        const [a, b] = [Math.max(start - at, 0), Math.min(end - at, piece.length)];
        // Whoever gets it may free it.
        at += piece.length;
        if (a < b) yield piece.subarray(a, b);
        if (at >= end) return;
      }
    })(),
  };
}
