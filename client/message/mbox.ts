import { type Bytes, concat, utf8 } from "../../crypto/bytes.ts";
import { NAMED_FLAGS, type NamedFlag } from "../../protocol/entry.ts";
import { LineReader } from "./line_reader.ts";
import { LineEnds } from "./line_ends.ts";
import { fieldName, headerText, isField } from "./part_header.ts";

// Files with many messages, as mail programs keep them: RFC 4155, and the variants mboxo, mboxrd,
// mboxcl and mboxcl2, which differ in how a line of a message that begins with "From " is told from
// the one that separates messages.

/** What an mbox file, or a Maildir's file name, says of a message beside the message. */
export interface MailMarks {
  readonly flags: readonly NamedFlag[];
  /** Words of the person's own. */
  readonly keywords: readonly string[];
  /** Whether it was to be removed. */
  readonly deleted: boolean;
}

/** What is read of an mbox file, in its order. */
export type MboxEvent =
  /** `received`: when it came, milliseconds since 1970; null if that is not said. */
  | { readonly type: "begin"; readonly received: number | null }
  | { readonly type: "data"; readonly bytes: Bytes }
  /** `marks` is null where the file says nothing of flags. */
  | { readonly type: "end"; readonly marks: MailMarks | null };

/** An mbox file. */
export interface MboxSource {
  stream(): AsyncIterable<Bytes>;
  /** Up to `size` bytes from `offset` on. */
  peek(offset: number, size: number): Promise<Bytes>;
}

/** Fields of a header that say how a mail program keeps the message; they are no part of it. */
const KEEPING = new Set([
  "content-length",
  "lines",
  "status",
  "x-keywords",
  "x-mozilla-keys",
  "x-mozilla-status",
  "x-mozilla-status2",
  "x-status",
]);

/** Bytes that are gathered before they are handed on. */
const PIECE = 65_536;

/** Longest value of a field that is read, characters. */
const MAX_FIELD = 10_000;

/** Whether a line separates messages: it begins with `From ` and has a time and a year, or nothing else. */
function isSeparator(line: string): boolean {
  return /^From (?:\s*$|-?\s*$|.*\d\d:\d\d.*\b\d{4}\b)/.test(line);
}

/**
 * The messages of an mbox file, as they were before they were put there: without the fields that say how
 * they were kept, and with the `>` taken away that quotes a line beginning with `From `. A Content-Length is
 * believed if the message really ends there. A file that begins with no separator has no messages.
 */
export async function* readMbox(source: MboxSource): AsyncGenerator<MboxEvent, void, undefined> {
  const lines = new LineReader();
  const reader = new MboxReader(source);
  for await (const chunk of source.stream()) {
    for (const line of lines.push(chunk)) {
      if (!reader.take(line)) yield* await reader.takeSlowly(line);
    }
    yield* reader.gathered();
  }
  for (const line of lines.finish()) {
    if (!reader.take(line)) yield* await reader.takeSlowly(line);
  }
  yield* reader.finish();
}

class MboxReader {
  readonly #source: MboxSource;
  #offset = 0;
  #lineStart = true;
  #inMessage = false;
  #inHeader = false;
  /** Whether the field of the header that is being read is left out. */
  #leftOut = false;
  #fields = new Map<string, string>();
  #field: string | null = null;
  /** The blank line that was read last: it belongs to the separator, if one follows. */
  #blank: Uint8Array | null = null;
  /** Where the body ends that has a Content-Length to be believed. */
  #end = 0;
  #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(source: MboxSource) {
    this.#source = source;
  }

  /** Takes a piece of a line; false, taking nothing, where a message begins or its header ends. */
  take(line: Uint8Array): boolean {
    const start = this.#lineStart;
    if (!this.#inMessage) return false;
    if (!start || this.#offset < this.#end) {
      this.#advance(line);
      if (!this.#leftOut) this.#add(line);
      return true;
    }
    const blank = isBlank(line);
    if (blank && this.#inHeader) return false;
    const mayBegin = this.#blank !== null || this.#offset === this.#end;
    if (line[0] === F && mayBegin && isSeparator(headerText(line))) return false;
    this.#advance(line);
    if (this.#inHeader) {
      this.#headerLine(line);
      return true;
    }
    if (this.#blank) this.#add(this.#blank);
    this.#blank = blank ? line : null;
    if (!blank) this.#add(isQuoted(line) ? line.subarray(1) : line);
    return true;
  }

  /** Takes a line that {@linkcode MboxReader.take} does not. */
  async takeSlowly(line: Uint8Array): Promise<MboxEvent[]> {
    if (this.#inMessage && this.#inHeader && isBlank(line)) {
      this.#advance(line);
      this.#add(line);
      this.#inHeader = false;
      this.#leftOut = false;
      // A message without a body ends here.
      this.#blank = new Uint8Array(0);
      await this.#believe();
      return [];
    }
    const events = this.#inMessage ? [...this.finish()] : [];
    const text = headerText(line);
    if (!this.#inMessage && this.#lineStart && isSeparator(text)) {
      this.#inMessage = true;
      this.#inHeader = true;
      this.#leftOut = false;
      this.#fields = new Map();
      this.#field = null;
      events.push({ type: "begin", received: timeOf(text) });
    }
    this.#advance(line);
    return events;
  }

  /** What is gathered of the message. */
  *gathered(least = PIECE): Generator<MboxEvent, void, undefined> {
    if (this.#size < least) return;
    yield { type: "data", bytes: concat(...this.#pieces) };
    this.#pieces = [];
    this.#size = 0;
  }

  /** The end of the message, and of the file. */
  *finish(): Generator<MboxEvent, void, undefined> {
    if (!this.#inMessage) return;
    yield* this.gathered(1);
    yield { type: "end", marks: marksOf(this.#fields) };
    this.#inMessage = false;
    this.#blank = null;
  }

  #advance(line: Uint8Array): void {
    this.#offset += line.length;
    this.#lineStart = line.at(-1) === LF;
  }

  #add(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#size += bytes.length;
  }

  #headerLine(line: Uint8Array): void {
    const text = headerText(line);
    const goesOn = /^[ \t]/.test(text);
    if (!goesOn) {
      this.#field = isField(text) ? fieldName(text) : null;
      this.#leftOut = this.#field !== null && KEEPING.has(this.#field);
    }
    if (this.#leftOut && this.#field !== null) {
      const value = goesOn ? text : text.slice(text.indexOf(":") + 1);
      const before = this.#fields.get(this.#field) ?? "";
      this.#fields.set(this.#field, `${before} ${value.trim()}`.slice(0, MAX_FIELD).trim());
    } else if (!this.#leftOut) this.#add(line);
  }

  /** Whether the message ends where its Content-Length says. */
  async #believe(): Promise<void> {
    const length = this.#fields.get("content-length") ?? "";
    if (!/^\d{1,15}$/.test(length)) return;
    const end = this.#offset + Number(length);
    // The last byte of the body, which must be there, and what follows.
    const bytes = await this.#source.peek(end - 1, 201);
    if (bytes.length === 0) return;
    const next = headerText(bytes.subarray(1));
    const [line = ""] = next.replace(/^\r?\n/, "").split("\n");
    if (/^[\r\n]{0,4}$/.test(next) || isSeparator(line)) {
      this.#end = end;
    }
  }
}

const F = 0x46;
const LF = 0x0a;
const GT = 0x3e;

function isBlank(line: Uint8Array): boolean {
  return line[0] === LF || (line[0] === 0x0d && line[1] === LF);
}

/** Whether a line is `From ` with one `>` or more before it. */
function isQuoted(line: Uint8Array): boolean {
  let at = 0;
  while (line[at] === GT) at++;
  return at > 0 && line[at] === F && headerText(line.subarray(at, at + 5)) === "From ";
}

/** The time in a line that separates messages, which has no zone, or has one; UTC is taken. */
function timeOf(line: string): number | null {
  const [, month = "", day, time, zone = "UTC", year] =
    /\b([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d\d:\d\d(?::\d\d)?)\s+(?:([+-]\d{4})\s+|[A-Z]{1,5}\s+)?(\d{4})\b/
      .exec(line) ?? [];
  const ms = Date.parse(`${day} ${month} ${year} ${time} ${zone}`);
  return Number.isNaN(ms) ? null : ms;
}

/** What the fields of {@linkcode KEEPING} say; null if nothing of flags. */
function marksOf(fields: ReadonlyMap<string, string>): MailMarks | null {
  const [status, mozilla] = [fields.get("status"), fields.get("x-mozilla-status")];
  const letters = `${status ?? ""}${fields.get("x-status") ?? ""}`;
  const bits = parseInt(mozilla ?? "0", 16) || 0;
  const keywords = [fields.get("x-keywords"), fields.get("x-mozilla-keys")]
    .flatMap((words) => (words ?? "").split(/[\s,]+/)).filter((word) => word !== "");
  if (status === undefined && mozilla === undefined && letters === "" && keywords.length === 0) {
    return null;
  }
  const said: Record<NamedFlag, boolean> = {
    seen: letters.includes("R") || (bits & 1) !== 0,
    answered: letters.includes("A") || (bits & 2) !== 0,
    flagged: letters.includes("F") || (bits & 4) !== 0,
    forwarded: (bits & 0x1000) !== 0,
  };
  return {
    flags: NAMED_FLAGS.filter((flag) => said[flag]),
    keywords,
    deleted: letters.includes("D") || (bits & 8) !== 0,
  };
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** A message as it stands in an mbox file (mboxrd), with LF: `sender` is an address. */
export async function* mboxMessage(
  message: AsyncIterable<Bytes>,
  sender: string,
  received: number,
  { flags, keywords }: Pick<MailMarks, "flags" | "keywords">,
): AsyncGenerator<Bytes, void, undefined> {
  const at = new Date(received);
  const two = (n: number) => `${n}`.padStart(2, "0");
  const day = `${at.getUTCDate()}`.padStart(2);
  const time = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(":");
  const date = `${DAYS[at.getUTCDay()]} ${MONTHS[at.getUTCMonth()]} ${day} ${time} ` +
    at.getUTCFullYear();
  const who = /^[!-~]+$/.test(sender) ? sender : "MAILER-DAEMON";
  const letters = `${flags.includes("answered") ? "A" : ""}${flags.includes("flagged") ? "F" : ""}`;
  const head = [
    `From ${who} ${date}`,
    `Status: ${flags.includes("seen") ? "RO" : "O"}`,
    ...letters === "" ? [] : [`X-Status: ${letters}`],
    ...flags.includes("forwarded") ? ["X-Mozilla-Status: 1000"] : [],
    ...keywords.length === 0 ? [] : [`X-Keywords: ${keywords.join(" ")}`],
  ];
  yield utf8(head.map((line) => `${line}\n`).join(""));
  const lines = new LineReader();
  const ends = new LineEnds("lf");
  let start = true;
  const quoted = (chunk: Bytes) => {
    const out: Uint8Array[] = [];
    for (const line of lines.push(chunk)) {
      if (start && (isQuoted(line) || headerText(line.subarray(0, 5)) === "From ")) {
        out.push(new Uint8Array([GT]));
      }
      out.push(line);
      start = line.at(-1) === LF;
    }
    return concat(...out);
  };
  for await (const piece of message) yield quoted(ends.push(piece));
  yield quoted(ends.finish());
  const ended = start && lines.held === 0;
  yield concat(quoted(utf8("\n")), utf8(ended ? "" : "\n"));
}
