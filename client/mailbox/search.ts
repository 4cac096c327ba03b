import * as v from "valibot";
import { type Bytes, fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Folder } from "../../protocol/entry.ts";
import { parseJson } from "../../protocol/schema.ts";
import type { Cache } from "../state/cache.ts";
import { collapse, fold, locate } from "./fold.ts";
import type { Item, MessageOpener, Opened } from "./open.ts";
import type { DisplayedMessage } from "./show.ts";

/** How long a search may keep a program from reading keys, milliseconds. */
const TURN = 15;
/** Characters of a text that are shown before and after what was found. */
const CONTEXT = 40;

/** The parts of a message in which words are looked for, in the order in which they are shown. */
export type SearchField = "subject" | "from" | "to" | "attachment" | "text";

/** Where a search looks. */
export interface SearchOptions {
  /** Null for all folders. */
  readonly folder: Folder | null;
  /** Most messages that are given back. */
  readonly limit: number;
  /** Only what this user has sent. */
  readonly from?: string;
  /** Only what came at this time or later, milliseconds since 1970. */
  readonly since?: number;
  /** Receives how many messages were searched, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What was found in one message. None of the texts is printable yet. */
export interface Found {
  readonly item: Item;
  readonly field: SearchField;
  readonly before: string;
  readonly match: string;
  readonly after: string;
}

/** What a search has found, newest first. */
export interface SearchResult {
  readonly found: readonly Found[];
  /** How many messages fit, with those that are over the limit. */
  readonly matches: number;
  /** UIDs of messages that fit the options and whose text was never opened here, newest first. */
  readonly unindexed: readonly number[];
  /** How many messages that fit the options have a text that is too long to be searched whole. */
  readonly cut: number;
}

/** What is kept of a message to be searched; without `text` if that was never opened. */
const schema = v.object({
  received: v.number(),
  from: v.string(),
  to: v.array(v.string()),
  subject: v.string(),
  attachments: v.array(v.string()),
  text: v.exactOptional(v.string()),
  /** Whether that is only the beginning of a text that is too long. */
  cut: v.exactOptional(v.literal(true)),
});
type Indexed = v.InferOutput<typeof schema>;

/**
 * What is looked for, folded: words, each of which must be somewhere in a message, and phrases in
 * double quotes. Throws `usage` if that is nothing.
 */
export function parseQuery(text: string): string[] {
  const terms = [...text.matchAll(/"([^"]*)"?|[^\s"]+/g)]
    .map(([whole, phrase]) => collapse(fold(phrase ?? whole)).trim())
    .filter((term) => term !== "");
  if (terms.length > 0) return [...new Set(terms)];
  throw new SealpostError("usage", "a search needs words to look for");
}

/** Keeps the text of a message, as it is shown, to be searched. */
export async function indexText(
  cache: Cache,
  opened: Opened,
  shown: DisplayedMessage,
): Promise<Indexed> {
  const names = shown.attachments.map(({ name }) => name);
  const cut = shown.truncated ? { cut: true as const } : {};
  const indexed = { ...headersOf(opened), attachments: names, text: shown.text, ...cut };
  await put(cache, opened, indexed);
  return indexed;
}

/** Where a search finds what the cache has not. */
export interface SearchSources {
  readonly opener: Pick<MessageOpener, "openItem">;
  /** Whose mail it is. */
  readonly own: string;
  /** What a message of one's own says, if its body is kept here; null if not. */
  readonly written: (opened: Opened) => Promise<DisplayedMessage | null>;
}

/**
 * Looks in everything that the cache has. Opens what was never opened, and reads what one wrote oneself
 * where that is kept; asks no server.
 */
export async function search(
  cache: Cache,
  sources: SearchSources,
  terms: readonly string[],
  options: SearchOptions,
): Promise<SearchResult> {
  const { folder, limit, from, since = 0 } = options;
  const total = cache.count(folder);
  const found: Found[] = [];
  const unindexed: number[] = [];
  let [matches, done, cut] = [0, 0, 0];
  let turn = performance.now();
  for await (const { uid, text } of cache.texts(folder)) {
    const indexed = await indexedOf(cache, sources, uid, text);
    options.onProgress?.(++done, total);
    if (performance.now() - turn > TURN) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      turn = performance.now();
    }
    if (indexed === null || indexed.received < since) continue;
    if (from !== undefined && indexed.from !== from) continue;
    if (indexed.text === undefined) unindexed.push(uid);
    if (indexed.cut) cut++;
    const place = match(indexed, terms);
    if (place === null || ++matches > limit) continue;
    const cached = await cache.entry(uid);
    if (cached) found.push({ item: await sources.opener.openItem(cached), ...place });
  }
  return { found, matches, unindexed, cut };
}

/** What is searched of a message, of which `kept` is kept so far; null if it does not open. */
async function indexedOf(
  cache: Cache,
  { opener, own, written }: SearchSources,
  uid: number,
  kept: Bytes | null,
): Promise<Indexed | null> {
  const before = kept === null ? null : parseJson(schema, fromUtf8(kept));
  if (before && (before.text !== undefined || before.from !== own)) return before;
  const cached = await cache.entry(uid);
  const opened = cached && (await opener.openItem(cached)).opened;
  if (!opened) return before;
  const text = opened.summary.from.name === own ? await written(opened) : null;
  if (text !== null) return await indexText(cache, opened, text);
  if (before) return before;
  const indexed = headersOf(opened);
  await put(cache, opened, indexed);
  return indexed;
}

function headersOf({ entry, summary }: Opened): Indexed {
  return {
    received: entry.receivedAt,
    from: summary.stored?.from ?? summary.from.name,
    to: [...summary.to, ...summary.cc].map(({ name }) => name),
    subject: summary.subject,
    attachments: summary.attachments.map(({ name }) => name),
  };
}

async function put(cache: Cache, { entry }: Opened, indexed: Indexed): Promise<void> {
  await cache.putText(entry.uid, utf8(JSON.stringify(indexed)));
}

/** Where the first of `terms` is that is only in one place; null unless all of them are somewhere. */
function match(indexed: Indexed, terms: readonly string[]): Omit<Found, "item"> | null {
  const phrases = terms.some((term) => term.includes(" "));
  const prepared = (text: string) => phrases ? collapse(fold(text)) : fold(text);
  const fields: (readonly [SearchField, string, string])[] = [
    ["subject", indexed.subject],
    ["from", indexed.from],
    ...indexed.to.map((name) => ["to", name] as const),
    ...indexed.attachments.map((name) => ["attachment", name] as const),
    ...indexed.text === undefined ? [] : [["text", indexed.text] as const],
  ].map(([field, text]) => [field as SearchField, text, prepared(text)]);
  let last: (typeof fields)[number] | undefined;
  let lastTerm = "";
  for (const term of terms) {
    const place = fields.find(([, , folded]) => folded.includes(term));
    if (place === undefined) return null;
    // What is deepest in the message says most about why it was found.
    if (last === undefined || fields.indexOf(place) > fields.indexOf(last)) {
      last = place;
      lastTerm = term;
    }
  }
  if (last === undefined) return null;
  const [field, text] = last;
  const { from, to } = locate(text, lastTerm) ?? { from: 0, to: 0 };
  return { field, ...context(text, from, to) };
}

/** What was found, with the whole words around it, on one line. */
function context(text: string, from: number, to: number) {
  const head = text.slice(Math.max(0, from - CONTEXT), from);
  const tail = text.slice(to, to + CONTEXT);
  const before = from > CONTEXT ? `…${head.replace(/^\S*\s/, "")}` : head;
  const after = to + CONTEXT < text.length ? `${tail.replace(/\s\S*$/, "")}…` : tail;
  const line = (part: string) => part.replace(/\s+/g, " ").toWellFormed();
  return {
    before: line(before).trimStart(),
    match: line(text.slice(from, to)),
    after: line(after).trimEnd(),
  };
}
