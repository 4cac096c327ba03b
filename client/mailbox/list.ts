import type { Folder } from "../../protocol/entry.ts";
import type { Cache } from "../state/cache.ts";
import type { Item, MessageOpener } from "./open.ts";

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
 * `onProgress` receives how many were opened.
 */
export async function listCached(
  cache: Cache,
  opener: MessageOpener,
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
      const item = await opener.openItem(cached);
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
