import type { Bytes } from "../../../crypto/bytes.ts";
import { bad } from "./error.ts";
import { MAX_NUMBER, SequenceSet } from "./sequence_set.ts";

/** A command as it came: text, one character a byte, and literals between. */
export type CommandPart = string | Bytes;

// deno-lint-ignore no-control-regex
const ATOM = /[^(){ %*"\\\]\x00-\x1f\x7f-\xff]+/y;
// deno-lint-ignore no-control-regex
const ASTRING = /[^(){ %*"\\\x00-\x1f\x7f-\xff]+/y;
// deno-lint-ignore no-control-regex
const LIST_MAILBOX = /[^(){ "\\\x00-\x1f\x7f]+/y;
// deno-lint-ignore no-control-regex
const QUOTED = /"((?:[^"\\\x00\r\n]|\\["\\])*)"/y;
// deno-lint-ignore no-control-regex
const TAG = /[^(){ %*"\\+\x00-\x1f\x7f-\xff]+/y;
const NUMBER = /\d{1,16}/y;
const SEQUENCE_SET = /[\d:*,$]+/y;
const DATE = /"?(\d{1,2})-([A-Za-z]{3})-(\d{4})"?/y;
const DATE_TIME = /"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"/y;
const FLAG_NAME = /\\?[^(){ %*"\\\]\p{Cc}\x7f-\xff]+/uy;

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** How deep lists are nested in a command, at the most. */
const MAX_DEPTH = 50;

/**
 * Reads one command by the grammar of RFC 9051, section 9, and what RFC 3501 has beside it. All
 * functions throw `BAD` for what is not there. Time and memory are proportional to the command.
 */
export class ImapParser {
  readonly #parts: readonly CommandPart[];
  #part = 0;
  #at = 0;
  #depth = 0;

  constructor(parts: readonly CommandPart[]) {
    this.#parts = parts;
  }

  /** Whether all of the command was read. */
  get ended(): boolean {
    this.#settle();
    return this.#part >= this.#parts.length;
  }

  /** Throws unless all of the command was read. */
  end(): void {
    if (!this.ended) throw bad("more than this command takes");
  }

  /** The next character without taking it; empty at a literal and at the end. */
  peek(): string {
    this.#settle();
    return this.#text().charAt(this.#at);
  }

  /** Takes `text` if it comes next, in any case of letters. */
  take(text: string): boolean {
    this.#settle();
    const found = this.#text().slice(this.#at, this.#at + text.length);
    if (text === "" || found.toUpperCase() !== text.toUpperCase()) return false;
    this.#at += text.length;
    return true;
  }

  /** Takes `text`. */
  expect(text: string): void {
    if (!this.take(text)) throw bad(text === " " ? "a space is missing" : `${text} is missing`);
  }

  space(): void {
    this.expect(" ");
  }

  tag(): string {
    return this.#match(TAG, "a tag")[0];
  }

  /** An atom in upper case: the name of a command, an item or an option. */
  word(): string {
    return this.#match(ATOM, "a word")[0].toUpperCase();
  }

  atom(): string {
    return this.#match(ATOM, "an atom")[0];
  }

  /** A number of at most 2^53 - 1. */
  number(): number {
    const value = Number(this.#match(NUMBER, "a number")[0]);
    if (!Number.isSafeInteger(value)) throw bad("a number is too large");
    return value;
  }

  /** A number of at most 2^32 - 1. */
  number32(): number {
    const value = this.number();
    if (value > MAX_NUMBER) throw bad("a number is too large");
    return value;
  }

  /** The bytes of an astring, one character a byte. */
  astringBytes(): string {
    if (this.#literalNext()) return this.#takeLiteral();
    return this.peek() === '"' ? this.#quoted() : this.#match(ASTRING, "a string")[0];
  }

  /** An astring as text: UTF-8. */
  astring(): string {
    return decoded(this.astringBytes());
  }

  /** A string: quoted or a literal. */
  string(): string {
    return decoded(this.#literalNext() ? this.#takeLiteral() : this.#quoted());
  }

  /** What LIST takes for a mailbox: wildcards and more (RFC 9051, `list-mailbox`). */
  listMailbox(): string {
    if (this.#literalNext()) return decoded(this.#takeLiteral());
    return decoded(this.peek() === '"' ? this.#quoted() : this.#match(LIST_MAILBOX, "a name")[0]);
  }

  sequenceSet(): SequenceSet {
    return SequenceSet.parse(this.#match(SEQUENCE_SET, "a set of numbers")[0]);
  }

  /** A list in parentheses; `item` reads each. */
  list<T>(item: () => T): T[] {
    this.expect("(");
    if (++this.#depth > MAX_DEPTH) throw bad("lists within too many lists");
    const items: T[] = [];
    if (!this.take(")")) {
      do items.push(item()); while (this.take(" "));
      this.expect(")");
    }
    this.#depth--;
    return items;
  }

  /** Runs `read` one level deeper. */
  deeper<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw bad("conditions within too many conditions");
    const result = read();
    this.#depth--;
    return result;
  }

  /** A flag: a keyword, or a backslash and a word. */
  flag(): string {
    return this.#match(FLAG_NAME, "a flag")[0];
  }

  /** The start of a day, milliseconds since 1970. */
  date(): number {
    const [, day, month, year] = this.#match(DATE, "a date");
    return timeOf(year, month, day);
  }

  /** A date with its time and zone, milliseconds since 1970. */
  dateTime(): number {
    const [, day, month, year, hour, minute, second, sign, zoneHour, zoneMinute] = this
      .#match(DATE_TIME, "a date and time");
    const zone = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === "-" ? -1 : 1);
    const [h, m, s] = [Number(hour), Number(minute), Number(second)];
    if (h > 23 || m > 59 || s > 60) throw bad("no such time");
    const at = timeOf(year, month, day?.trim()) + ((h * 60 + m - zone) * 60 + s) * 1000;
    return Math.max(0, at);
  }

  #quoted(): string {
    const [, text = ""] = this.#match(QUOTED, "a string");
    return text.replace(/\\(["\\])/g, "$1");
  }

  #text(): string {
    const part = this.#parts[this.#part];
    return typeof part === "string" ? part : "";
  }

  /** Goes on to the next part at the end of one. */
  #settle(): void {
    const part = this.#parts[this.#part];
    if (typeof part === "string" && this.#at >= part.length) {
      this.#part++;
      this.#at = 0;
    }
  }

  #literalNext(): boolean {
    this.#settle();
    return typeof this.#parts[this.#part] === "object";
  }

  #takeLiteral(): string {
    const part = this.#parts[this.#part];
    if (typeof part !== "object") throw bad("a literal is missing");
    this.#part++;
    this.#at = 0;
    return binary(part);
  }

  #match(pattern: RegExp, what: string): RegExpExecArray {
    this.#settle();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text());
    if (!found) throw bad(`${what} is missing`);
    this.#at = pattern.lastIndex;
    return found;
  }
}

/** One character a byte. */
export function binary(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}

/** The inverse of {@linkcode binary}. */
export function fromBinary(text: string): Bytes {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Bytes as text: UTF-8, or else each byte is a character. */
function decoded(text: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(fromBinary(text));
  } catch {
    return text;
  }
}

function timeOf(year = "", month = "", day = ""): number {
  const index = MONTHS.indexOf(month.toLowerCase());
  const date = new Date(Date.UTC(Number(year), index, Number(day)));
  if (index < 0 || date.getUTCDate() !== Number(day)) throw bad("no such date");
  return date.getTime();
}
