import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { decodeChange, type MailboxChange } from "../../protocol/change.ts";
import type { Entry } from "../../protocol/entry.ts";
import { MAX_CHANGES } from "../../protocol/limits.ts";
import type { Channel } from "../connection/client_session.ts";
import type { EntryState, Fetched } from "../state/cache.ts";
import { older } from "../state/mailbox_memory.ts";
import { readParts } from "../connection/read_parts.ts";
import { contradiction, MAX_ENTRY } from "./listing.ts";

/** Pages of changes that are followed at the most, and their bytes. */
const MAX_PAGES = 10;
const MAX_BYTES = 64 * 1024 * 1024;

/** Largest change, bytes. */
const MAX_CHANGE = 9 + MAX_ENTRY;

/** All that has changed in a mailbox since it was looked at, each entry as it is now. */
export interface ChangesSince {
  readonly nextUid: number;
  readonly modseq: number;
  /** Those that are new. */
  readonly entries: readonly Entry[];
  /** How those are that were there before. */
  readonly states: readonly EntryState[];
  /** The UIDs of those that were removed for good. */
  readonly gone: readonly number[];
}

/**
 * Asks what has changed since `from`, page by page. Null if the mailbox must be listed: the server
 * does not remember all of it, the mailbox is another one, or the changes are too many. Throws
 * `protocol` if what the server says cannot be (PROTOCOL.md, 10.13), `format`, and what `channel`
 * throws.
 */
export async function changesSince(
  channel: Channel,
  from: Fetched,
): Promise<ChangesSince | null> {
  const collected = new Collected(from.top + 1);
  let { modseq } = from;
  let [since, nextUid] = [modseq, from.top + 1];
  let bytes = 0;
  for (let pages = 0; pages < MAX_PAGES && bytes < MAX_BYTES; pages++) {
    const answer = await ask(channel, since, from.top + 1);
    if (answer === null) return null;
    const { response, data, cancel } = answer;
    try {
      if (response.epoch !== from.epoch) {
        await cancel();
        return null;
      }
      if (response.nextUid < nextUid || response.modseq < modseq) throw older();
      ({ nextUid, modseq } = response);
      let count = 0;
      for await (const part of readParts(data, MAX_CHANGE)) {
        bytes += part.length;
        const change = decodeChange(part);
        // In ascending order: so no two of them have the same modification sequence.
        if (change.modseq <= since || change.modseq > modseq || ++count > MAX_CHANGES) {
          throw contradiction();
        }
        since = change.modseq;
        collected.add(change, nextUid);
      }
      if (response.more && count > 0) continue;
      // Each modification sequence was taken by a change, and nothing can have replaced the last one.
      if (response.more || since !== modseq) throw contradiction();
      return { nextUid, modseq, ...collected.result(nextUid) };
    } catch (error) {
      await cancel().catch(() => {});
      throw error;
    }
  }
  return null;
}

async function ask(channel: Channel, since: number, nextUid: number) {
  try {
    return await channel.stream({ op: "changes", since, nextUid, limit: MAX_CHANGES });
  } catch (error) {
    if (isSealpostError(error, "too-old")) return null;
    throw error;
  }
}

/** What pages of changes say, and which UIDs they account for. */
class Collected {
  /** From this UID on entries are new. */
  readonly #firstNew: number;
  readonly #latest = new Map<number, Entry | EntryState | "gone">();
  readonly #left = new Set<number>();
  /** Ranges of UIDs that were never given. */
  readonly #skipped: { readonly from: number; readonly to: number }[] = [];

  constructor(firstNew: number) {
    this.#firstNew = firstNew;
  }

  /** Throws `protocol` for a change that cannot be. */
  add(change: MailboxChange, nextUid: number): void {
    if (change.kind === "skipped") {
      this.#skipped.push(change);
      return;
    }
    const uid = change.kind === "new" ? change.entry.uid : change.uid;
    const isNew = uid >= this.#firstNew;
    if (uid >= nextUid) throw contradiction();
    if (change.kind === "left") this.#left.add(uid);
    else if (change.kind === "gone") this.#latest.set(uid, "gone");
    else if (this.#latest.get(uid) === "gone") throw contradiction();
    else if (isNew !== (change.kind === "new")) throw contradiction();
    else this.#latest.set(uid, change.kind === "new" ? change.entry : change);
  }

  /**
   * Throws `protocol` unless every new UID below `nextUid` is accounted for, and everything that was
   * moved.
   */
  result(nextUid: number): Pick<ChangesSince, "entries" | "states" | "gone"> {
    // Where an entry that left its place is now has a higher modification sequence.
    if ([...this.#left].some((uid) => !this.#latest.has(uid))) throw contradiction();
    const entries: Entry[] = [];
    const states: EntryState[] = [];
    const gone: number[] = [];
    for (const [uid, latest] of this.#latest) {
      if (latest === "gone") gone.push(uid);
      else if ("header" in latest) entries.push(latest);
      else states.push(latest);
    }
    const accounted = [
      ...this.#skipped,
      ...[...entries.map(({ uid }) => uid), ...gone].map((uid) => ({ from: uid, to: uid })),
    ].sort((a, b) => a.from - b.from);
    let next = this.#firstNew;
    for (const { from, to } of accounted) {
      if (from > next) break;
      next = Math.max(next, to + 1);
    }
    if (next < nextUid) {
      throw new SealpostError(
        "protocol",
        `the server does not show message number ${next} of your mailbox, nor says what became of ` +
          "it; ask its operator what happened",
      );
    }
    return { entries, states, gone };
  }
}
