import type { Entry } from "../../protocol/entry.ts";
import type { Channel } from "../connection/client_session.ts";
import type { Cache, EntryState, Fetched } from "../state/cache.ts";
import type { KnownMailbox, MailboxFindings, MailboxMemory } from "../state/mailbox_memory.ts";
import { changesSince } from "./changes.ts";
import { contradiction, fetchPage, isFull, type ListedPage } from "./listing.ts";

/**
 * Pages of new entries that are listed at the most where changes cannot be followed: whoever comes
 * back after more gets the newest page, as somebody new does.
 */
const MAX_NEW_PAGES = 10;

/** Most entries that a listing may show in a part of the mailbox that was fetched without them. */
const MAX_MISSING = 1000;

/** What is kept of a mailbox here. */
export interface LocalMailbox {
  readonly cache: Cache;
  readonly memory: MailboxMemory;
  /** Removes every trace of messages that are deleted for good. */
  readonly forget: (uids: readonly number[]) => Promise<void>;
}

/** What bringing the cache up to date has found. */
export interface Synced {
  /** UIDs that were not there before, newest first. */
  readonly fresh: readonly number[];
  /** The server has recreated the mailbox since it was last seen. */
  readonly renewed: boolean;
}

/** What is to be taken over. */
interface News {
  readonly entries: readonly Entry[];
  readonly states: readonly EntryState[];
  readonly gone: readonly number[];
  readonly fetched: Fetched;
  /** Entries whose headers came without the rest, for the memory of the mailbox. */
  readonly headers: readonly Entry[];
}

/**
 * Brings the cache up to date. What was fetched follows the mailbox's changes, which are asked for
 * once. The first time, and where the server does not remember all changes since, or they are too
 * many, the mailbox is listed: its newest page if nothing is here, else all that is new and the
 * state of all that is here. Throws `protocol` if the server shows a mailbox older than one that was
 * seen before, or one that contradicts itself, and what `channel` throws.
 */
export async function sync(channel: Channel, mailbox: LocalMailbox): Promise<Synced> {
  for (;;) {
    const synced = await attempt(channel, mailbox);
    // Else another client of this user was quicker, and this one goes on from there.
    if (synced) return synced;
  }
}

async function attempt(channel: Channel, mailbox: LocalMailbox): Promise<Synced | null> {
  const { cache, memory, forget } = mailbox;
  const known = await memory.known();
  const from = cache.fetched();
  const news = await follow(channel, cache, from) ?? await relist(channel, cache, from);
  const { epoch, top, modseq } = news.fetched;
  const shown: KnownMailbox = { epoch, nextUid: top + 1, modseq };
  if (epoch !== from.epoch && from.top > 0) {
    // The UIDs of the old mailbox say nothing about this one.
    const { renewed } = await memory.check(shown, [], known);
    await forget(cache.uids());
    cache.startEpoch(epoch);
    return { ...await sync(channel, mailbox), renewed };
  }
  const findings = await memory.check(shown, [...news.entries, ...news.headers], known);
  // First of all: what is gone stays gone, and a crash must not have it forgotten here.
  await forget(news.gone.filter((uid) => cache.has(uid)));
  const { entries, states, fetched } = news;
  const update = { entries, states, fetched, duplicates: copies(findings) };
  if (!await cache.apply(from, update)) return null;
  const fresh = news.entries.map(({ uid }) => uid).filter((uid) => uid > from.top);
  return { fresh: fresh.sort((a, b) => b - a), renewed: findings.renewed };
}

/** What has changed since `from`; null if the mailbox must be listed. */
async function follow(channel: Channel, cache: Cache, from: Fetched): Promise<News | null> {
  if (from.top === 0) return null;
  const changes = await changesSince(channel, from);
  if (changes === null) return null;
  const { nextUid, modseq, entries, states, gone } = changes;
  const shown = { epoch: from.epoch, nextUid, modseq };
  // What was left out when it was listed, and is there after all.
  const missing = states.map(({ uid }) => uid).filter((uid) => {
    return uid >= from.bottom && !cache.has(uid);
  });
  const found = await fetchMissing(channel, shown, missing);
  return {
    entries: [...entries, ...found],
    states: others(states, found),
    gone,
    fetched: { ...from, top: nextUid - 1, modseq },
    headers: [],
  };
}

/** What a listing says has become of what is in the cache, and what is new. */
async function relist(channel: Channel, cache: Cache, from: Fetched): Promise<News> {
  const first = await fetchPage(channel, from.top > 0 ? { after: from.top } : {}, false);
  const { epoch, nextUid, modseq } = first;
  const fetched = { epoch, bottom: 1, top: nextUid - 1, modseq };
  if (from.top === 0 || epoch !== from.epoch) {
    return { ...newest(first), states: [], gone: [], headers: [] };
  }
  const entries = [...first.entries];
  let page: ListedPage = first;
  for (let pages = 1; isFull(page); pages++) {
    if (pages === MAX_NEW_PAGES) return anew(first, cache, from);
    page = await fetchPage(channel, { after: from.top, before: lowest(page) }, false);
    requireLater(page, first);
    entries.push(...page.entries);
  }
  const headers: Entry[] = [];
  const most = cache.count(null) + MAX_MISSING;
  for (let before = from.top + 1; before > from.bottom;) {
    page = await fetchPage(channel, { after: from.bottom - 1, before }, true);
    requireLater(page, first);
    headers.push(...page.entries);
    if (headers.length > most) return anew(first, cache, from);
    before = isFull(page) ? lowest(page) : 0;
  }
  const there = new Set(headers.map(({ uid }) => uid));
  const missing = headers.map(({ uid }) => uid).filter((uid) => !cache.has(uid));
  const found = await fetchMissing(channel, first, missing);
  return {
    entries: [...entries, ...found],
    states: others(headers, found),
    gone: cache.uids().filter((uid) => {
      return uid >= from.bottom && uid <= from.top && !there.has(uid);
    }),
    fetched: { ...fetched, bottom: from.bottom },
    headers,
  };
}

/** The newest page alone, in the place of all that is in the cache. */
function anew(first: ListedPage, cache: Cache, from: Fetched): News {
  const gone = cache.uids().filter((uid) => uid <= from.top);
  return { ...newest(first), states: [], gone, headers: [] };
}

/** The newest page of a mailbox. */
function newest(page: ListedPage): Pick<News, "entries" | "fetched"> {
  const { epoch, nextUid, modseq, entries } = page;
  const bottom = isFull(page) ? lowest(page) : 1;
  return { entries, fetched: { epoch, bottom, top: nextUid - 1, modseq } };
}

function lowest(page: ListedPage): number {
  return page.entries.at(-1)?.uid ?? 1;
}

/** Without the states of entries that were found: those are as they were later. */
function others(states: readonly EntryState[], found: readonly Entry[]): readonly EntryState[] {
  const uids = new Set(found.map(({ uid }) => uid));
  return states.filter(({ uid }) => !uids.has(uid));
}

/** Throws `protocol` unless `page` shows the same mailbox as `earlier`, not before it. */
function requireLater(page: KnownMailbox, earlier: KnownMailbox): void {
  const { epoch, nextUid, modseq } = earlier;
  if (page.epoch !== epoch || page.nextUid < nextUid || page.modseq < modseq) {
    throw contradiction();
  }
}

/** The entries with these UIDs, as far as they are there after `earlier`. */
async function fetchMissing(
  channel: Channel,
  earlier: KnownMailbox,
  uids: readonly number[],
): Promise<Entry[]> {
  const wanted = new Set(uids);
  const found: Entry[] = [];
  const [least, most] = [Math.min(...uids), Math.max(...uids)];
  for (let before = most + 1; before > least;) {
    const page = await fetchPage(channel, { after: least - 1, before }, false);
    requireLater(page, earlier);
    found.push(...page.entries.filter(({ uid }) => wanted.has(uid)));
    before = isFull(page) ? lowest(page) : 0;
  }
  return found;
}

/**
 * Fetches what is older than the cache reaches, so many pages of it. False when there is nothing older, or
 * the cache is full: a server must not fill the disk with a mailbox that never ends. Several pages at once
 * cost less: the memory of the mailbox is written anew each time.
 */
export async function fetchOlder(
  channel: Channel,
  { cache, memory }: LocalMailbox,
  pages = 1,
): Promise<boolean> {
  for (;;) {
    const from = cache.fetched();
    if (from.bottom <= 1 || cache.full) return false;
    const known = await memory.known();
    let page = await fetchPage(channel, { before: from.bottom }, false);
    const entries = [...page.entries];
    for (let i = 1; i < pages && isFull(page) && page.epoch === from.epoch; i++) {
      const later = await fetchPage(channel, { before: lowest(page) }, false);
      requireLater(later, page);
      entries.push(...later.entries);
      page = later;
    }
    if (page.epoch !== from.epoch) return false;
    const findings = await memory.check(page, entries, known);
    const bottom = isFull(page) ? lowest(page) : 1;
    const update = { entries, fetched: { ...from, bottom }, duplicates: copies(findings) };
    // A change that was passed over meanwhile, since it was of one that is listed here, is not in it.
    if (await cache.apply(from, update)) return bottom > 1;
  }
}

function copies({ duplicates, reused }: MailboxFindings): ReadonlySet<number> {
  return new Set([...duplicates, ...reused]);
}
