// A search through what a client keeps of 10,000 messages, which finds nothing: it looks at all.

import { Cache } from "../client/state/cache.ts";
import { fold } from "../client/mailbox/fold.ts";
import { search } from "../client/mailbox/search.ts";
import { State } from "../client/state/state.ts";
import { random, utf8 } from "../crypto/bytes.ts";
import { generateIdentity } from "../crypto/identity.ts";
import { encodeHeader } from "../protocol/header.ts";
import { newMessageId } from "../protocol/uuid.ts";
import { time } from "./serving.ts";

/** What was measured, milliseconds. */
export interface Searched {
  readonly search: number;
  /** The same texts, folded and looked through in memory. */
  readonly inMemory: number;
}

/** Keeps `count` messages of `size` characters in a folder of its own, and searches them. */
export async function searchKept(count: number, size: number, runs: number): Promise<Searched[]> {
  const dir = await Deno.makeTempDir();
  const state = await State.open(dir, "alice", await generateIdentity({ rsaBits: 2048 }));
  const cache = await Cache.open(state, true);
  const text = "Some words about something, as people write them. ".repeat(Math.ceil(size / 50));
  try {
    const entry = (uid: number) => ({
      uid,
      modseq: uid,
      number: uid,
      folder: "inbox" as const,
      flags: [],
      receivedAt: 0,
      header: encodeHeader({ id: newMessageId(), senderFp: state.fp, commitment: random(32) }),
      stanza: random(1500),
      summary: random(600),
      note: null,
      bodySize: 2000,
    });
    for (let uid = 1; uid <= count; uid += 500) {
      const entries = Array.from(
        { length: Math.min(500, count + 1 - uid) },
        (_, i) => entry(uid + i),
      );
      const top = uid + entries.length - 1;
      const fetched = { epoch: "bench", bottom: 1, top, modseq: top };
      await cache.apply(cache.fetched(), { entries, fetched });
      for (const { uid } of entries) {
        await cache.putText(uid, utf8(JSON.stringify(kept(uid, text))));
      }
    }
    const never = () => Promise.reject(new Error("nothing is to be opened"));
    const sources = { opener: { openItem: never }, own: "bob", written: never };
    const results: Searched[] = [];
    for (let i = 0; i < runs; i++) {
      const inMemory = await time(() => {
        for (let uid = 0; uid < count; uid++) {
          if (fold(text + uid).includes("nowhere")) throw new Error("found");
        }
        return Promise.resolve();
      });
      const ms = await time(async () => {
        const words = { kind: "words", words: "nowhere", field: null } as const;
        const query = [{ condition: words, not: false }];
        const { matches } = await search(cache, sources, query, { folder: null, limit: 50 });
        if (matches.length !== 0) throw new Error("found");
      });
      results.push({ search: ms, inMemory });
    }
    return results;
  } finally {
    cache.close();
    await Deno.remove(dir, { recursive: true });
  }
}

function kept(uid: number, text: string) {
  return {
    received: 0,
    from: "bob",
    to: ["alice"],
    subject: `Title ${uid}`,
    attachments: [],
    text: `${text}${uid}`,
  };
}
