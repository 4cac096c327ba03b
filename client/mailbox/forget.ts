import { formatMessageId } from "../../protocol/uuid.ts";
import type { Bodies } from "../state/bodies.ts";
import type { Cache } from "../state/cache.ts";
import type { Drafts } from "../state/drafts.ts";

/** Where a client keeps what belongs to a message. */
export interface KeptBeside {
  readonly cache: Cache;
  /** Null if bodies are not kept. */
  readonly bodies: Bodies | null;
  readonly drafts: Drafts;
}

/**
 * Removes every trace of messages that are deleted for good: entry, what was opened of it, the words
 * that are searched, the body, and the draft that it was sent from if a crash left that. Only the
 * memory of the mailbox keeps hashes of them, so that a server cannot bring them back as new. Throws
 * `file-io`, `disk-full`.
 */
export async function forgetMessages(
  { cache, bodies, drafts }: KeptBeside,
  uids: readonly number[],
): Promise<void> {
  if (uids.length === 0) return;
  const ids = new Set<string>();
  for (const uid of uids) {
    const cached = await cache.entry(uid);
    if (!cached) continue;
    ids.add(formatMessageId(cached.entry.header.slice(1, 17)));
    await bodies?.drop(cached.entry);
  }
  await drafts.dropSent((message) => ids.has(message));
  cache.drop(uids);
}
