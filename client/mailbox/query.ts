import { parseSince } from "../../cli/format.ts";
import { nearest } from "../../cli/options.ts";
import { printable } from "../../cli/printable.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Flag, Folder } from "../../protocol/entry.ts";
import { collapse, fold } from "./fold.ts";
import { FLAG_WORDS, noSuchFolder, type OwnNames } from "./own_names.ts";

// The language of searches: words, phrases in quotes, and fields, each of which must fit.
//
//   query = *( ["not:"] term )
//   term  = word / phrase / field ":" ( word / phrase )

/** The parts of a message in which words are looked for, in the order in which they are shown. */
export const SEARCH_FIELDS = ["subject", "from", "to", "attachment", "text"] as const;
export type SearchField = typeof SEARCH_FIELDS[number];

/** One condition of a search. Words are folded. */
export type Condition =
  /** A word or phrase, anywhere or in one part alone. */
  | { readonly kind: "words"; readonly words: string; readonly field: SearchField | null }
  /** A name, or for what was imported a part of whom it is said to be from. */
  | { readonly kind: "from" | "to"; readonly name: string }
  /** When it came, milliseconds since 1970: at `at` or later, or before it. */
  | { readonly kind: "after" | "before"; readonly at: number }
  | { readonly kind: "attachment" }
  | { readonly kind: "flag"; readonly flag: Flag; readonly set: boolean }
  | { readonly kind: "folder"; readonly folder: Folder };

/** A condition, or that it must not be met. */
export interface Term {
  readonly condition: Condition;
  readonly not: boolean;
}

/** What is looked for: messages that fit all of the terms. */
export type Query = readonly Term[];

/** What is known of a message that may be looked for. */
export interface Searchable {
  readonly folder: Folder;
  readonly flags: readonly Flag[];
  /** When it came, milliseconds since 1970. */
  readonly received: number;
  /** Who signed it; for one that was stored, whom it is said to be from. */
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  /** The names of what is attached. */
  readonly attachments: readonly string[];
  /** Undefined if it is not known here. */
  readonly text?: string | undefined;
}

/** What fields there are, each with what it is for and what stands behind it. */
export const QUERY_FIELDS = [
  ["from:NAME", "what NAME has sent"],
  ["to:NAME", "what went to NAME, copies included"],
  ["subject:WORD", "WORD is in the subject"],
  ["text:WORD", "WORD is in the text"],
  ["attachment:WORD", "WORD is in the name of an attachment"],
  ["has:attachment", "something is attached"],
  ["after:DATE", "it came on DATE or later: 2026-11-22, or in the last 12h, 7d, 2w"],
  ["before:DATE", "it came before DATE, or longer ago than 12h, 7d, 2w"],
  ["is:WORD", "it is unread, read, answered, flagged or forwarded, or has the keyword WORD"],
  ["in:FOLDER", "it is in FOLDER"],
  ["not:…", "what follows does not fit: a word, a phrase or a field"],
] as const;

const FIELDS = [
  "from",
  "to",
  "subject",
  "text",
  "attachment",
  "has",
  "after",
  "before",
  "is",
  "in",
];
const ALL_FIELDS = [...FIELDS, "not"];

/** Whether `text` has a field of a search in it. */
export function hasField(text: string): boolean {
  return new RegExp(`(^|\\s|:)(${ALL_FIELDS.join("|")}):`, "i").test(text);
}

/** Whether reading `text` takes the names of the person's folders and keywords. */
export function speaksOfNames(text: string): boolean {
  return /(^|[\s:"])(in|is):/i.test(text);
}

/**
 * The search that `text` is. Throws `usage` for what is none: nothing to look for, an unknown field, folder
 * or keyword, what is no date.
 */
export function parseQuery(text: string, names: OwnNames, now = Date.now()): Query {
  const terms: Term[] = [];
  for (const [token] of text.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)) {
    // A word, a phrase and a word may follow each other without a space.
    const field = /^((?:not:)*)([a-z]+):/i.exec(token);
    const parts = field ? [token] : token.match(/[^"]+|"[^"]*"?/g) ?? [];
    for (const part of parts) {
      const term = parseTerm(part, names, now);
      if (term !== null && !terms.some((one) => same(one, term))) terms.push(term);
    }
  }
  if (terms.length > 0) return terms;
  throw new SealpostError("usage", "a search needs words to look for");
}

function same(a: Term, b: Term): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function parseTerm(token: string, names: OwnNames, now: number): Term | null {
  const [, not = "", rest = ""] = /^((?:not:)*)(.*)$/is.exec(token) ?? [];
  const [, name, given = ""] = /^([a-z]+):(.*)$/is.exec(rest) ?? [];
  const condition = name === undefined || given.startsWith("//") || rest.startsWith('"')
    ? wordsIn(rest, null)
    : parseField(name.toLowerCase(), given.replaceAll('"', "").trim(), names, now);
  if (condition === null && not !== "") {
    throw new SealpostError("usage", "not: needs something behind it, as in not:word");
  }
  return condition && { condition, not: not.length % 8 === 4 };
}

function wordsIn(text: string, field: SearchField | null): Condition | null {
  const words = folded(text.replaceAll('"', " "));
  return words === "" ? null : { kind: "words", words, field };
}

function parseField(
  field: string,
  value: string,
  names: OwnNames,
  now: number,
): Condition | null {
  if (!FIELDS.includes(field)) {
    const near = nearest(field, ALL_FIELDS);
    throw new SealpostError(
      "usage",
      `a search has no field ${JSON.stringify(field)}${
        near === null ? `; there are ${ALL_FIELDS.join(", ")}` : `; did you mean ${near}?`
      } To look for the words, put them in quotes`,
    );
  }
  if (value === "") {
    throw new SealpostError("usage", `${field}: needs something behind it, without a space`);
  }
  switch (field) {
    case "from":
    case "to":
      return { kind: field, name: folded(value) };
    case "subject":
    case "text":
    case "attachment":
      return wordsIn(value, field);
    case "after":
    case "before":
      return { kind: field, at: parseSince(value, now) };
    case "has":
      if (/^attachments?$/i.test(value)) return { kind: "attachment" };
      throw new SealpostError("usage", `has:${printable(value)} says nothing; has:attachment does`);
    case "is":
      return parseFlag(value, names);
    default:
      return { kind: "folder", folder: parseFolder(value, names) };
  }
}

function parseFlag(text: string, names: OwnNames): Condition {
  if (/^(unread|new|unseen)$/i.test(text)) return { kind: "flag", flag: "seen", set: false };
  const flag = names.findFlag(text);
  if (flag !== null) return { kind: "flag", flag, set: true };
  const there = ["unread", ...FLAG_WORDS, ...names.keywords.map(({ shown }) => shown)];
  throw new SealpostError(
    "usage",
    printable(`there is no keyword ${JSON.stringify(text)}; there are ${there.join(", ")}`),
  );
}

function parseFolder(text: string, names: OwnNames): Folder {
  const folder = names.findFolder(text);
  if (folder === null) throw noSuchFolder(text, names);
  return folder;
}

/** Whether no answer may be possible without the text of a message. */
export function needsText(query: Query): boolean {
  return query.some(({ condition }) => {
    return condition.kind === "words" && (condition.field === null || condition.field === "text");
  });
}

/** The words that a search looks for in a part of messages, folded. */
export function hitWords(query: Query, part: SearchField): string[] {
  return query.flatMap(({ condition, not }) => {
    if (not) return [];
    switch (condition.kind) {
      case "words":
        return condition.field === null || condition.field === part ? [condition.words] : [];
      case "from":
      case "to":
        return condition.kind === part ? [condition.name] : [];
      default:
        return [];
    }
  });
}

/** All words that a search looks for, folded. */
export function allHitWords(query: Query): string[] {
  return [...new Set(SEARCH_FIELDS.flatMap((part) => hitWords(query, part)))];
}

/** What folder a search looks in; null if that may be any. */
export function folderOfQuery(query: Query): Folder | null {
  for (const { condition, not } of query) {
    if (condition.kind === "folder" && !not) return condition.folder;
  }
  return null;
}

/** A message whose texts are folded once for all conditions. */
export class FoldedMessage {
  readonly #folded = new Map<string, string>();
  readonly #phrases: boolean;

  /** `query` is what will be looked for in it. */
  constructor(readonly message: Searchable, query: Query) {
    this.#phrases = query.some(({ condition }) => {
      return "words" in condition && condition.words.includes(" ") ||
        "name" in condition && condition.name.includes(" ");
    });
  }

  /** The texts of a part, as they are written and folded. */
  parts(field: SearchField): readonly (readonly [text: string, folded: string])[] {
    const { message } = this;
    const texts = field === "text"
      ? message.text === undefined ? [] : [message.text]
      : field === "to"
      ? message.to
      : field === "attachment"
      ? message.attachments
      : [message[field]];
    return texts.map((text) => [text, this.#fold(text)]);
  }

  #fold(text: string): string {
    let found = this.#folded.get(text);
    if (found === undefined) {
      found = this.#phrases ? folded(text) : fold(text);
      this.#folded.set(text, found);
    }
    return found;
  }
}

/** Where the words of a condition are, the parts in the order of {@linkcode SearchField}; null if nowhere. */
export function placeOf(
  message: FoldedMessage,
  words: string,
  only: SearchField | null,
): { readonly field: SearchField; readonly text: string } | null {
  for (const field of only === null ? SEARCH_FIELDS : [only]) {
    const found = message.parts(field).find(([, text]) => text.includes(words));
    if (found) return { field, text: found[0] };
  }
  return null;
}

/** Whether a message fits `query`; null if its text would have to be known to say so. */
export function fits(query: Query, message: FoldedMessage): boolean | null {
  let known = true;
  for (const { condition, not } of query) {
    const met = meets(condition, message);
    if (met === null) known = false;
    else if (met === not) return false;
  }
  return known ? true : null;
}

function meets(condition: Condition, folded: FoldedMessage): boolean | null {
  const { message } = folded;
  switch (condition.kind) {
    case "words": {
      if (placeOf(folded, condition.words, condition.field) !== null) return true;
      const inText = condition.field === null || condition.field === "text";
      return inText && message.text === undefined ? null : false;
    }
    case "from":
    case "to":
      return folded.parts(condition.kind).some(([text, name]) => {
        // A name is one word; what is longer is said of what was imported.
        return name === condition.name ||
          (!/^[a-z0-9._-]{1,32}$/.test(text) && name.includes(condition.name));
      });
    case "after":
      return message.received >= condition.at;
    case "before":
      return message.received < condition.at;
    case "attachment":
      return message.attachments.length > 0;
    case "flag":
      return message.flags.includes(condition.flag) === condition.set;
    case "folder":
      return message.folder === condition.folder;
  }
}

function folded(text: string): string {
  return collapse(fold(text)).trim();
}
