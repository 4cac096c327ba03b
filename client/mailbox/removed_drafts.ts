import * as v from "valibot";
import type { SharedRecord } from "../../protocol/shared_record.ts";
import type { EntryChange } from "./own_names.ts";

/** How the keys of such entries begin; the id of the machine follows. */
const PREFIX = "drafts-removed/";
/** How many ids each machine names, the latest; the id of a draft and that of its edition are two. */
const MAX_REMOVED = 1000;
/** Ids of drafts have 16 characters, those of editions 36. */
const ids = v.pipe(v.array(v.pipe(v.string(), v.maxLength(36))), v.maxLength(MAX_REMOVED));

/**
 * The ids of drafts, and of editions, that a machine of the person has removed from the server because
 * the draft was sent or thrown away. What vanished there and is not among them, the server has lost.
 */
export function removedDrafts(record: SharedRecord): Set<string> {
  const removed = new Set<string>();
  for (const { key, value } of record.entries.values()) {
    if (!key.startsWith(PREFIX)) continue;
    const parsed = v.safeParse(ids, value);
    if (parsed.success) { for (const id of parsed.output) removed.add(id); }
  }
  return removed;
}

/** Adds `more` to what `machine` has removed; nothing if all of it is there. */
export function planRemovedDrafts(
  record: SharedRecord,
  machine: string,
  more: readonly string[],
): EntryChange[] {
  const key = PREFIX + machine;
  const parsed = v.safeParse(ids, record.entries.get(key)?.value);
  const known = parsed.success ? parsed.output : [];
  const added = [...new Set(more)].filter((id) => !known.includes(id));
  if (added.length === 0) return [];
  return [{ key, value: [...known, ...added].slice(-MAX_REMOVED), isNew: false }];
}
