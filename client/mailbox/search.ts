import * as v from "valibot";
import { type Bytes, fromUtf8, utf8 } from "../../crypto/bytes.ts";
import type { Folder } from "../../protocol/entry.ts";
import { parseJson } from "../../protocol/schema.ts";
import type { Cache } from "../state/cache.ts";
import { locate } from "./fold.ts";
import type { Item, MessageOpener, Opened } from "./open.ts";
import {
  fits,
  FoldedMessage,
  folderOfQuery,
  placeOf,
  type Query,
  SEARCH_FIELDS,
  type SearchField,
} from "./query.ts";
import { type DisplayedMessage, textWithCalendars } from "./show.ts";

/** How long a search may keep a program from reading keys, milliseconds. */
const TURN = 15;
/** Characters of a text that are shown before and after what was found. */
const CONTEXT = 40;

/** Where a search looks. */
export interface SearchOptions {
  /** Null for all folders. */
  readonly folder: Folder | null;
  /** Most messages that are given back. */
  readonly limit: number;
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
  /** The UIDs of all messages that fit, with those that are over the limit, newest first. */
  readonly matches: readonly number[];
  /** UIDs of messages that may fit, but whose text was never opened here, newest first. */
  readonly unindexed: readonly number[];
  /** How many messages were left out whose text is too long to be searched whole. */
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

/** Keeps the text of a message, as it is shown, to be searched. */
export async function indexText(
  cache: Cache,
  opened: Opened,
  shown: DisplayedMessage,
): Promise<Indexed> {
  const names = shown.attachments.map(({ name }) => name);
  const cut = shown.truncated ? { cut: true as const } : {};
  const indexed = {
    ...headersOf(opened),
    attachments: names,
    text: textWithCalendars(shown),
    ...cut,
  };
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
  query: Query,
  options: SearchOptions,
): Promise<SearchResult> {
  const { folder, limit } = options;
  const within = folder ?? folderOfQuery(query);
  const total = cache.count(within);
  const found: Found[] = [];
  const matches: number[] = [];
  const unindexed: number[] = [];
  let [done, cut] = [0, 0];
  let turn = performance.now();
  for await (const { uid, text, folder, flags } of cache.texts(within)) {
    const indexed = await indexedOf(cache, sources, uid, text);
    options.onProgress?.(++done, total);
    if (performance.now() - turn > TURN) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      turn = performance.now();
    }
    if (indexed === null) continue;
    const message = new FoldedMessage({ ...indexed, folder, flags }, query);
    const verdict = fits(query, message);
    if (verdict === null) unindexed.push(uid);
    if (verdict !== true) {
      if (
        indexed.cut &&
        fits(query, new FoldedMessage({ ...message.message, text: undefined }, query)) === null
      ) cut++;
      continue;
    }
    if (matches.push(uid) > limit) continue;
    const cached = await cache.entry(uid);
    if (cached) {
      found.push({ item: await sources.opener.openItem(cached), ...where(message, query) });
    }
  }
  return { found, matches, unindexed, cut };
}

/**
 * The UIDs above `after` of messages whose texts are not kept, newest first; what is in the folder drafts is
 * left out.
 */
export async function* withoutText(
  cache: Cache,
  after: number,
): AsyncGenerator<number, void, undefined> {
  for await (const { uid, text, folder } of cache.texts(null)) {
    if (uid <= after) return;
    if (folder === "drafts") continue;
    if (text === null || parseJson(schema, fromUtf8(text)).text === undefined) yield uid;
  }
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

/** What is searched of a message without its text. */
export function headersOf({ entry, summary }: Opened): Indexed {
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

/** Where the words are that are deepest in the message: they say most about why it was found. */
function where(message: FoldedMessage, query: Query): Omit<Found, "item"> {
  let deepest = {
    depth: -1,
    field: "subject" as SearchField,
    text: message.message.subject,
    words: "",
  };
  for (const { condition, not } of query) {
    if (condition.kind !== "words" || not) continue;
    const place = placeOf(message, condition.words, condition.field);
    const depth = place === null ? -1 : SEARCH_FIELDS.indexOf(place.field);
    if (place !== null && depth > deepest.depth) {
      deepest = { ...place, depth, words: condition.words };
    }
  }
  const { field, text, words } = deepest;
  const { from, to } = locate(text, words) ?? { from: 0, to: 0 };
  return { field, ...context(text, from, to) };
}

/** Whether an entry fits a search that takes no texts. Of one that did not open, place and flags are known. */
export function itemFits({ entry, opened }: Item, query: Query): boolean {
  const { folder, flags, receivedAt: received } = entry;
  const known = opened
    ? headersOf(opened)
    : { received, from: "", to: [], subject: "", attachments: [] };
  return fits(query, new FoldedMessage({ ...known, folder, flags }, query)) === true;
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
