import { type ErrorCode, isSealpostError } from "../../crypto/error.ts";
import type { Entry, Folder } from "../../protocol/entry.ts";
import type { Cache, CachedEntry } from "../state/cache.ts";
import type { Opened, Unsealer } from "../message/unseal.ts";

/** After these no other entry would open either. */
const FATAL: readonly ErrorCode[] = ["connection-lost", "internal", "disk-full", "file-io"];

/** One line of a listing: an entry that opened, or one that did not and why. */
export interface Item {
  readonly entry: Entry;
  readonly opened: Opened | null;
  /** Why it did not open; null if it did. */
  readonly problem: string | null;
  /** The same message, or another one with its id, was there under another UID before. */
  readonly duplicate: boolean;
}

/** Which entries to list. */
export interface ListOptions {
  /** Null for all folders. */
  readonly folder: Folder | null;
  /** Most items. */
  readonly limit: number;
  /** Only items for which this says yes count. */
  readonly wanted?: (item: Item) => boolean;
}

/** Entries that are opened at a time. */
const PAGE = 50;

/**
 * The newest entries of the cache, opened, newest first. What cannot be opened is listed with the
 * reason. `older` is asked for what the cache does not reach; false when there is no more.
 * `onProgress` is told how many were opened.
 */
export async function listCached(
  cache: Cache,
  unsealer: Unsealer,
  options: ListOptions,
  older: () => Promise<boolean>,
  onProgress: (done: number) => void = () => {},
): Promise<Item[]> {
  const items: Item[] = [];
  let before = Number.MAX_SAFE_INTEGER;
  let more = true;
  let opened = 0;
  while (items.length < options.limit) {
    const limit = options.wanted ? PAGE : Math.min(PAGE, options.limit - items.length);
    const page = await cache.list({ folder: options.folder, before, limit });
    for (const cached of page) {
      before = cached.entry.uid;
      const item = await openItem(unsealer, cached);
      onProgress(++opened);
      if (options.wanted?.(item) ?? true) items.push(item);
      if (items.length === options.limit) break;
    }
    if (page.length < limit) {
      if (!more) break;
      more = await older();
    }
  }
  return items;
}

/** Opens one entry; the reason if it does not open. */
export async function openItem(
  unsealer: Pick<Unsealer, "open">,
  cached: CachedEntry,
): Promise<Item> {
  const { entry, duplicate } = cached;
  try {
    return { entry, opened: await unsealer.open(entry), problem: null, duplicate };
  } catch (error) {
    if (!isSealpostError(error) || FATAL.includes(error.code)) throw error;
    return { entry, opened: null, problem: error.message, duplicate };
  }
}
