import { type Bytes, concat, readU32 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { decodeEntry, type Entry } from "../../protocol/entry.ts";
import { MAX_STANZA } from "../../protocol/stanza.ts";
import { MAX_NOTE, MAX_SUMMARY } from "../../protocol/summary.ts";
import type { Cache, Fetched } from "../state/cache.ts";
import type { Channel } from "../connection/client_session.ts";
import type { MailboxFindings, MailboxMemory } from "../state/mailbox_memory.ts";

/** Entries of one page, and newest entries whose flags are looked at again. */
const PAGE = 200;
const MAX_ENTRY = 1024 + MAX_STANZA + MAX_SUMMARY + MAX_NOTE;

/** How long flags, folders and removals of older entries may stay as they were, milliseconds. */
const REVIEW_AFTER = 86_400_000;

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

/**
 * Brings the cache up to date: what is new (the newest page of it if it is more), flags, places and
 * removals among the newest entries, and among all of them if messages are gone, or were not looked at
 * for a day. Throws if the server shows a mailbox older than one that was seen before, or one that
 * contradicts itself, and what `channel` throws.
 */
export async function sync(channel: Channel, mailbox: LocalMailbox): Promise<Synced> {
  const { cache, memory, forget } = mailbox;
  const known = await memory.known();
  const before = cache.fetched();
  // The brief page is asked for last, and answered last: it knows all that the other one has.
  const [news, recent, account] = await Promise.all([
    fetchPage(channel, before.top > 0 ? { after: before.top } : {}, false),
    fetchPage(channel, {}, true),
    channel.ask({ op: "whoami" }),
  ]);
  const { epoch, nextUid } = news;
  if (recent.epoch !== epoch || recent.nextUid < nextUid) throw contradiction();
  if (epoch !== before.epoch && before.top > 0) {
    // The UIDs of the old mailbox say nothing about this one.
    const findings = await memory.check(epoch, nextUid, [], known);
    await forget(cache.ids().map(({ uid }) => uid));
    cache.startEpoch(epoch);
    return { ...await sync(channel, mailbox), renewed: findings.renewed };
  }
  // What came since the first answer is the news of the next time.
  const listed = recent.entries.filter(({ uid }) => uid < nextUid);
  const lowest = news.entries.at(-1)?.uid ?? nextUid;
  const contiguous = news.entries.length < PAGE;
  const from = contiguous ? before.top + 1 : lowest;
  const there = new Set(news.entries.map(({ uid }) => uid));
  // Between the two answers messages can only have been removed.
  if (listed.some(({ uid }) => uid >= from && !there.has(uid))) throw contradiction();
  const findings = await memory.check(epoch, nextUid, [...news.entries, ...listed], known);
  cache.startEpoch(epoch);
  const bottom = contiguous ? (before.top > 0 ? before.bottom : 1) : lowest;
  const fetched = { epoch, bottom, top: Math.max(before.top, nextUid - 1) };
  await keep(cache, news.entries, fetched, findings);
  await fetchMissing(channel, mailbox, listed);
  // A page that is not full reaches down to the first message.
  const reach = recent.entries.length < PAGE ? 0 : recent.entries.at(-1)?.uid ?? 0;
  await refresh(mailbox, listed, { from: reach, to: nextUid });
  await review(channel, mailbox, reach, account.entries);
  return { fresh: news.entries.map(({ uid }) => uid), renewed: findings.renewed };
}

/** Fetches what is listed within the reach of the cache and was left out when that was fetched. */
async function fetchMissing(
  channel: Channel,
  { cache, memory }: LocalMailbox,
  listed: readonly Entry[],
): Promise<void> {
  const fetched = cache.fetched();
  const there = new Set(cache.ids().map(({ uid }) => uid));
  const missing = listed.map(({ uid }) => uid)
    .filter((uid) => uid >= fetched.bottom && uid <= fetched.top && !there.has(uid));
  const [highest, lowest] = [missing[0], missing.at(-1)];
  if (highest === undefined || lowest === undefined) return;
  const known = await memory.known();
  const page = await fetchPage(channel, { after: lowest - 1, before: highest + 1 }, false);
  if (page.epoch !== fetched.epoch) throw contradiction();
  const findings = await memory.check(page.epoch, page.nextUid, page.entries, known);
  await keep(cache, page.entries, fetched, findings);
}

function keep(
  cache: Cache,
  entries: readonly Entry[],
  fetched: Fetched,
  findings: MailboxFindings,
): Promise<void> {
  return cache.put(entries, fetched, new Set([...findings.duplicates, ...findings.reused]));
}

function contradiction(): SealpostError {
  return new SealpostError(
    "protocol",
    "the server contradicts itself about what is in your mailbox; try again, and if that stays " +
      "so, ask whoever runs it",
  );
}

/**
 * Fetches the next page of what is older than the cache reaches. False when there is nothing older,
 * or the cache is full: a server must not fill the disk with a mailbox that never ends.
 */
export async function fetchOlder(
  channel: Channel,
  { cache, memory }: LocalMailbox,
): Promise<boolean> {
  const { epoch, bottom, top } = cache.fetched();
  if (bottom <= 1 || cache.full) return false;
  const known = await memory.known();
  const page = await fetchPage(channel, { before: bottom }, false);
  if (page.epoch !== epoch) return false;
  const findings = await memory.check(page.epoch, page.nextUid, page.entries, known);
  const lowest = page.entries.length < PAGE ? 1 : page.entries.at(-1)?.uid ?? 1;
  await keep(cache, page.entries, { epoch, bottom: lowest, top }, findings);
  return lowest > 1;
}

/**
 * Takes over flags and places of `listed`, all entries that there are in `range`, and forgets what the
 * cache has there and is not among them. What has a UID from `range.to` on is another client's, which
 * has seen a later state.
 */
async function refresh(
  { cache, forget }: LocalMailbox,
  listed: readonly Entry[],
  range: { readonly from: number; readonly to: number },
): Promise<void> {
  const there = new Map(listed.map((entry) => [entry.uid, entry]));
  const gone: number[] = [];
  for (const { uid, folder, flags } of cache.ids()) {
    if (uid < range.from) break;
    if (uid >= range.to) continue;
    const now = there.get(uid);
    if (!now) gone.push(uid);
    else if (now.folder !== folder || now.flags.join() !== flags.join()) {
      cache.setPlace(uid, now.folder, now.flags);
    }
  }
  await forget(gone);
}

/**
 * Refreshes what is older than `before`, down to where the cache reaches: until what it has is no more
 * than the `entries` that the server counts, or, where it has only a part of the mailbox, once a day.
 */
async function review(
  channel: Channel,
  mailbox: LocalMailbox,
  before: number,
  entries: number,
): Promise<void> {
  const { cache } = mailbox;
  const { epoch, bottom } = cache.fetched();
  const whole = bottom <= 1;
  if (!whole && Date.now() - cache.reviewed < REVIEW_AFTER) return;
  for (let to = before; to > bottom && (!whole || cache.count(null) > entries);) {
    const page = await fetchPage(channel, { before: to }, true);
    if (page.epoch !== epoch) return;
    const from = page.entries.length < PAGE ? 0 : page.entries.at(-1)?.uid ?? 0;
    await refresh(mailbox, page.entries, { from, to });
    to = from;
  }
  cache.setReviewed(Date.now());
}

interface Page {
  readonly epoch: string;
  readonly nextUid: number;
  /** Newest first. */
  readonly entries: readonly Entry[];
}

async function fetchPage(
  channel: Channel,
  range: { readonly after?: number; readonly before?: number },
  brief: boolean,
): Promise<Page> {
  const answer = await channel.stream({
    op: "list",
    ...range,
    order: "newest",
    limit: PAGE,
    ...(brief ? { brief } : {}),
  });
  const { epoch, nextUid } = answer.response;
  const { after = 0, before = nextUid } = range;
  const entries: Entry[] = [];
  let last = Math.min(before, nextUid);
  try {
    for await (const entry of readEntries(answer.data)) {
      if (entry.uid >= last || entry.uid <= after || entries.length === PAGE) {
        throw new SealpostError("protocol", "the server lists what was not asked for");
      }
      last = entry.uid;
      entries.push(entry);
    }
  } catch (error) {
    await answer.cancel().catch(() => {});
    throw error;
  }
  return { epoch, nextUid, entries };
}

/** The entries in the data of a listing: `LP(entry)` each. Throws `protocol`, `format`. */
async function* readEntries(data: AsyncIterable<Bytes>): AsyncGenerator<Entry, void, undefined> {
  let buffer: Bytes = new Uint8Array(0);
  for await (const piece of data) {
    buffer = concat(buffer, piece);
    let at = 0;
    while (buffer.length - at >= 4) {
      const length = readU32(buffer, at);
      if (length > MAX_ENTRY) throw new SealpostError("protocol", "an entry of an impossible size");
      if (buffer.length - at < 4 + length) break;
      yield decodeEntry(buffer.slice(at + 4, at + 4 + length));
      at += 4 + length;
    }
    buffer = buffer.slice(at);
  }
  if (buffer.length > 0) throw new SealpostError("protocol", "a listing that is cut");
}
