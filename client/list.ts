import { type Bytes, concat, readU32 } from "../crypto/bytes.ts";
import { type ErrorCode, isSealpostError, SealpostError } from "../crypto/error.ts";
import { decodeEntry, type Entry, type Folder } from "../protocol/entry.ts";
import { MAX_STANZA } from "../protocol/stanza.ts";
import { MAX_NOTE, MAX_SUMMARY } from "../protocol/summary.ts";
import type { Link } from "./link.ts";
import type { MailboxMemory } from "./mailbox_memory.ts";
import type { Opened, Unsealer } from "./unseal.ts";

/** Entries that are asked for at a time. */
const PAGE = 100;
/** After these no other entry would open either. */
const FATAL: readonly ErrorCode[] = ["connection-lost", "internal", "disk-full", "file-io"];
const MAX_ENTRY = 1024 + MAX_STANZA + MAX_SUMMARY + MAX_NOTE;

/** One line of a listing: an entry that opened, or one that did not and why. */
export interface Item {
  readonly entry: Entry;
  readonly opened: Opened | null;
  /** Why it did not open; null if it did. */
  readonly problem: string | null;
  /** The same message, or another one with its id, was seen under another UID before. */
  readonly duplicate: boolean;
}

/** Which part of a folder to list. */
export interface ListOptions {
  readonly folder: Folder;
  /** Most entries. */
  readonly limit: number;
}

/** A folder as it was listed. */
export interface Listing {
  /** Newest first. */
  readonly items: readonly Item[];
  /** The server made the mailbox anew since it was seen last. */
  readonly renewed: boolean;
}

/**
 * The newest entries of a folder, opened. What cannot be opened is listed with the reason. Throws
 * if the server shows a mailbox older than one that was seen before, and what `link` throws.
 * `onProgress` is told how many are done.
 */
export async function listFolder(
  link: Link,
  unsealer: Unsealer,
  memory: MailboxMemory,
  options: ListOptions,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<Listing> {
  const known = await memory.known();
  const { epoch, nextUid, list } = await fetchEntries(link, options);
  const findings = await memory.check(epoch, nextUid, list, known);
  const twice = new Set([...findings.duplicates, ...findings.reused]);
  const items: Item[] = [];
  for (const entry of list) {
    items.push({ ...await openItem(unsealer, entry), duplicate: twice.has(entry.uid) });
    onProgress(items.length, list.length);
  }
  return { items, renewed: findings.renewed };
}

async function openItem(unsealer: Unsealer, entry: Entry): Promise<Omit<Item, "duplicate">> {
  try {
    return { entry, opened: await unsealer.open(entry), problem: null };
  } catch (error) {
    if (!isSealpostError(error) || FATAL.includes(error.code)) throw error;
    return { entry, opened: null, problem: error.message };
  }
}

interface Entries {
  readonly epoch: string;
  readonly nextUid: number;
  readonly list: readonly Entry[];
}

async function fetchEntries(link: Link, options: ListOptions): Promise<Entries> {
  const list: Entry[] = [];
  let before: number | undefined;
  for (;;) {
    const limit = Math.min(PAGE, options.limit - list.length);
    const answer = await link.stream({
      op: "list",
      folder: options.folder,
      order: "newest",
      limit,
      ...(before === undefined ? {} : { before }),
    });
    let count = 0;
    try {
      for await (const entry of readEntries(answer.data)) {
        if (entry.uid >= (before ?? answer.response.nextUid) || entry.folder !== options.folder) {
          throw new SealpostError("protocol", "the server lists what was not asked for");
        }
        before = entry.uid;
        list.push(entry);
        if (++count > limit) throw new SealpostError("protocol", "the server lists too much");
      }
    } catch (error) {
      await answer.cancel().catch(() => {});
      throw error;
    }
    if (count < limit || list.length >= options.limit) {
      return { epoch: answer.response.epoch, nextUid: answer.response.nextUid, list };
    }
  }
}

/** The entries in the data of a listing: `LP(entry)` each. Throws `protocol`, `format`. */
async function* readEntries(data: AsyncIterable<Bytes>): AsyncGenerator<Entry, void, undefined> {
  let buffer: Bytes = new Uint8Array(0);
  for await (const piece of data) {
    buffer = concat(buffer, piece);
    for (;;) {
      if (buffer.length < 4) break;
      const length = readU32(buffer, 0);
      if (length > MAX_ENTRY) throw new SealpostError("protocol", "an entry of an impossible size");
      if (buffer.length < 4 + length) break;
      yield decodeEntry(buffer.slice(4, 4 + length));
      buffer = buffer.slice(4 + length);
    }
  }
  if (buffer.length > 0) throw new SealpostError("protocol", "a listing that is cut");
}
