import { SealpostError } from "../../crypto/error.ts";
import { decodeEntry, type Entry } from "../../protocol/entry.ts";
import { MAX_STANZA } from "../../protocol/stanza.ts";
import { MAX_NOTE, MAX_SUMMARY } from "../../protocol/summary.ts";
import type { Channel } from "../connection/client_session.ts";
import { readParts } from "../connection/read_parts.ts";

/** Entries of one page. */
const PAGE = 200;

/** Largest entry, bytes. */
export const MAX_ENTRY = 1024 + MAX_STANZA + MAX_SUMMARY + MAX_NOTE;

/** A page of a listing, and how the mailbox stood when it was asked for. */
export interface ListedPage {
  readonly epoch: string;
  readonly nextUid: number;
  readonly modseq: number;
  /** Newest first. */
  readonly entries: readonly Entry[];
}

/** Whether there may be more behind a page. */
export function isFull({ entries }: ListedPage): boolean {
  return entries.length === PAGE;
}

/**
 * The newest entries with UIDs between `after` and `before`, both excluded, at most a page; with
 * `brief`, without stanza, summary and note. Throws `protocol`, `format`, and what `channel` throws.
 */
export async function fetchPage(
  channel: Channel,
  range: { readonly after?: number; readonly before?: number },
  brief: boolean,
): Promise<ListedPage> {
  const answer = await channel.stream({
    op: "list",
    ...range,
    order: "newest",
    limit: PAGE,
    ...(brief ? { brief } : {}),
  });
  const { epoch, nextUid, modseq } = answer.response;
  const { after = 0, before = nextUid } = range;
  const entries: Entry[] = [];
  let last = Math.min(before, nextUid);
  try {
    for await (const part of readParts(answer.data, MAX_ENTRY)) {
      const entry = decodeEntry(part);
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
  return { epoch, nextUid, modseq, entries };
}

/** What a server says of a mailbox cannot be true. */
export function contradiction(): SealpostError {
  return new SealpostError(
    "protocol",
    "the server contradicts itself about what is in your mailbox; try again, and if that stays " +
      "so, ask its operator",
  );
}
