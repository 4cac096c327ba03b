import { SOME_HEAD } from "../../support/log_head.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Cache } from "../../../client/state/cache.ts";
import { OpenedMessages } from "../../../client/state/opened_messages.ts";
import { State } from "../../../client/state/state.ts";
import { random, toBase64, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import type { Entry } from "../../../protocol/entry.ts";
import { inFolder } from "../../support/command.ts";
import { entryOf } from "../../support/entries.ts";
import { identityOf } from "../../support/identities.ts";

const EPOCH = "0123456789abcdef";
const NONE: ReadonlySet<number> = new Set();

const upTo = (top: number) => ({ epoch: EPOCH, bottom: 1, top, modseq: top });

/** Puts entries into a cache that has everything up to `top` then. */
async function put(cache: Cache, entries: readonly Entry[], top: number, duplicates = NONE) {
  const update = { entries, fetched: upTo(top), duplicates };
  assert(await cache.apply(cache.fetched(), update));
}

/** Runs `work` with the state of a person in an empty folder. */
async function inState(work: (state: State, path: string) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    const state = await State.open(dir, "bob", await identityOf("bob"));
    await work(state, join(dir, ".sealpost", "bob", "cache.db"));
  });
}

Deno.test("what was put into a cache comes out again, also when it is opened anew", async () => {
  await inState(async (state) => {
    const first = entryOf(1);
    const entries = [first, entryOf(2, { folder: "sent" }), entryOf(3)];
    const cache = await Cache.open(state, true);
    assertEquals([cache.fetched(), cache.synced, cache.full], [
      { epoch: "", bottom: 1, top: 0, modseq: 0 },
      null,
      false,
    ]);
    await put(cache, entries, 3, new Set([3]));
    cache.setSynced(42);
    await cache.putText(2, utf8("text"));
    cache.setPlace(1, "trash", ["seen", "flagged"]);
    cache.close();

    const again = await Cache.open(state, true);
    assertEquals([again.fetched(), again.synced], [upTo(3), 42]);
    const listed = await again.list({ folder: null, limit: 2 });
    assertEquals(listed, [
      { entry: entries[2], duplicate: true },
      { entry: entries[1], duplicate: false },
    ]);
    // Its number there is not known yet.
    const moved: Entry = { ...first, folder: "trash", number: 0, flags: ["seen", "flagged"] };
    assertEquals(again.places("trash"), []);
    // Two in the inbox had been there, one of them after the first change.
    assertEquals(again.placesSince("inbox", 1), { changed: again.places("inbox"), count: 1 });
    assertEquals(again.placesSince("inbox", 3), { changed: [], count: 1 });
    assertEquals(again.placesSince("trash", 0), { changed: [], count: 0 });
    assertEquals((await again.list({ folder: "trash", limit: 9 })).map(({ entry }) => entry), [
      moved,
    ]);
    assertEquals((await again.entry(1))?.entry, moved);
    assertEquals((await again.list({ folder: null, before: 2, limit: 9 })).length, 1);
    assertEquals([again.count(null), again.count("sent"), await again.entry(9)], [3, 1, null]);
    assertEquals(await Array.fromAsync(again.texts(null)), [
      ...[3, 2, 1].map((uid) => {
        const { folder, flags } = uid === 1 ? moved : entries[uid - 1] ?? moved;
        return { uid, folder, flags, text: uid === 2 ? utf8("text") : null };
      }),
    ]);
    again.close();
  });
});

Deno.test("what another client has taken over is not overwritten by what was asked before", async () => {
  await inState(async (state) => {
    const [one, other] = [await Cache.open(state, true), await Cache.open(state, true)];
    await put(one, [entryOf(1), entryOf(2)], 2);
    const from = one.fetched();
    const seen = { uid: 1, number: 1, modseq: 3, folder: "archive", flags: ["seen"] } as const;
    const fetched = { ...upTo(2), modseq: 3 };
    assertEquals(await other.apply(from, { entries: [], states: [seen], fetched }), true);
    const late = { ...seen, folder: "trash", modseq: 9 } as const;
    const update = { entries: [entryOf(3)], states: [late], fetched: upTo(3) };
    assertEquals(await one.apply(from, update), false);
    assertEquals([one.fetched(), one.has(3)], [fetched, false]);
    // After a restore modification sequences of entries may be lower.
    const restored = { ...seen, modseq: 2, folder: "trash", flags: [] } as const;
    assert(await one.apply(fetched, { entries: [], states: [restored], fetched: upTo(4) }));
    const { entry } = await one.entry(1) ?? {};
    assertEquals([entry?.folder, entry?.flags, entry?.modseq], ["trash", [], 2]);
    const elsewhere = other.changesElsewhere;
    assert(await one.apply(upTo(4), { entries: [], fetched: upTo(4) }));
    assertEquals(other.changesElsewhere, elsewhere, "what changes nothing is not written");
    one.close();
    other.close();
  });
});

Deno.test("entries that are dropped go with everything that was kept of them", async () => {
  await inState(async (state) => {
    const cache = await Cache.open(state, true);
    await put(cache, [entryOf(1), entryOf(2)], 2);
    for (const uid of [1, 2]) {
      await cache.putRecord("opened", uid, utf8(`opened ${uid}`));
      await cache.putText(uid, utf8(`text ${uid}`));
    }
    cache.drop([1]);
    assertEquals([await cache.record("opened", 1), await cache.record("text", 1)], [null, null]);
    assertEquals(await cache.record("opened", 2), utf8("opened 2"));
    assertEquals(cache.ids().map(({ uid }) => uid), [2]);
    cache.startEpoch("fedcba9876543210");
    assertEquals([cache.count(null), await cache.record("opened", 2)], [0, null]);
    cache.close();
  });
});

Deno.test("what was opened is given back for the very same message only", async () => {
  await inState(async (state) => {
    const cache = await Cache.open(state, false);
    const opened = new OpenedMessages(cache);
    const record = {
      fileKey: random(32),
      summaryHash: random(32),
      summary: {
        from: { name: "alice", fp: toBase64(random(32)) },
        to: [],
        cc: [],
        subject: "title",
        date: 1,
        head: SOME_HEAD,
        size: 2,
        attachmentCount: 0,
        attachments: [],
      },
    };
    const hash = random(32);
    await opened.put(7, hash, record);
    assertEquals(await opened.get(7, hash), record);
    assertEquals([await opened.get(8, hash), await opened.get(7, random(32))], [null, null]);
    cache.close();
  });
});

Deno.test("a row that was exchanged is refused with what to do", async () => {
  await inState(async (state, path) => {
    const cache = await Cache.open(state, true);
    await put(cache, [entryOf(1), entryOf(2)], 2);
    const { DatabaseSync } = await import("node:sqlite");
    using db = new DatabaseSync(path);
    db.exec("UPDATE entry SET sealed = (SELECT sealed FROM entry WHERE uid = 1) WHERE uid = 2");
    await assertRejects(() => cache.entry(2), SealpostError, "remove it; it will be recreated");
    assert(await cache.entry(1));
    cache.close();
  });
});

Deno.test("a damaged cache is made anew; one that somebody is using is not", async () => {
  await inState(async (state, path) => {
    await Deno.writeFile(path, random(10_000));
    const cache = await Cache.open(state, true);
    await put(cache, [entryOf(1)], 1);
    // Several at once, as ten commands of one person open it.
    const others = await Promise.all(Array.from({ length: 10 }, () => Cache.open(state, true)));
    assertEquals(others.map((other) => other.count(null)), others.map(() => 1));
    for (const other of [cache, ...others]) other.close();
  });
});

Deno.test("a full cache keeps no more texts", async () => {
  await inState(async (state) => {
    const cache = await Cache.open(state, false, 200_000);
    let uid = 0;
    while (!cache.full && uid < 100) {
      uid++;
      await put(cache, [entryOf(uid)], uid);
      await cache.putText(uid, random(10_000));
    }
    assert(cache.full && uid > 5);
    await put(cache, [entryOf(uid + 1)], uid + 1);
    await cache.putText(uid + 1, random(10_000));
    assertEquals(await cache.record("text", uid + 1), null);
    cache.close();
  });
});
