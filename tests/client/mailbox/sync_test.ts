import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Channel } from "../../../client/connection/client_session.ts";
import { fetchOlder, type LocalMailbox, sync } from "../../../client/mailbox/sync.ts";
import { Cache } from "../../../client/state/cache.ts";
import { MailboxMemory } from "../../../client/state/mailbox_memory.ts";
import { State } from "../../../client/state/state.ts";
import { type Bytes, concat, lp, random, toBase64 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { BUILT_IN_FOLDERS, encodeEntry, type Entry, NAMED_FLAGS } from "../../../protocol/entry.ts";
import { encodeHeader } from "../../../protocol/header.ts";
import { decodeResponse, encodeJson, type Request } from "../../../protocol/request.ts";
import { newMessageId } from "../../../protocol/uuid.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

/** A mailbox as a server has it: what a cache must come to agree with. */
class ModelServer implements Channel {
  entries: Entry[] = [];
  nextUid = 1;
  epoch = "0123456789abcdef";
  /** Pages that were asked for. */
  pages = 0;

  async add(): Promise<void> {
    const header = encodeHeader({
      id: newMessageId(),
      senderFp: random(32),
      commitment: random(32),
    });
    this.entries.push({
      uid: this.nextUid,
      modseq: this.nextUid,
      number: this.nextUid++,
      receivedAt: Date.now(),
      header: await Promise.resolve(header),
      stanza: random(40),
      summary: random(60),
      note: null,
      bodySize: 5000,
      folder: "inbox",
      flags: [],
    });
  }

  // deno-lint-ignore no-explicit-any -- the operations have responses of different types
  ask(request: Request): Promise<any> {
    assertEquals(request.op, "whoami");
    return Promise.resolve(decodeResponse(
      "whoami",
      encodeJson({
        ok: true,
        name: "bob",
        fp: toBase64(new Uint8Array(32)),
        epoch: this.epoch,
        nextUid: this.nextUid,
        modseq: this.nextUid,
        entries: this.entries.length,
        unseen: 0,
        bytes: 0,
      }),
    ));
  }

  // deno-lint-ignore no-explicit-any -- as `ask`
  stream(request: Request): Promise<any> {
    assert(request.op === "list");
    this.pages++;
    const { after = 0, before = this.nextUid, brief, limit } = request;
    const none = new Uint8Array(0);
    const page = this.entries.filter(({ uid }) => uid > after && uid < before)
      .sort((a, b) => b.uid - a.uid).slice(0, limit)
      .map((entry) => brief ? { ...entry, stanza: none, summary: none } : entry);
    const data = concat(...page.map((entry) => lp(encodeEntry(entry))));
    return Promise.resolve({
      response: { ok: true, epoch: this.epoch, nextUid: this.nextUid },
      data: pieces(data),
      cancel: () => Promise.resolve(),
    });
  }

  upload(): Promise<never> {
    return Promise.reject(new Error("nothing is sent here"));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Data in pieces of any size, as a connection brings them. */
async function* pieces(data: Bytes): AsyncGenerator<Bytes, void, undefined> {
  for (let at = 0; at < data.length;) {
    const size = 1 + Math.floor(Math.random() * 5000);
    yield await Promise.resolve(data.slice(at, at + size));
    at += size;
  }
}

/** Runs `work` with an empty mailbox, a cache of it, and what was forgotten. */
async function inMailbox(
  work: (server: ModelServer, local: LocalMailbox, forgotten: number[]) => Promise<void>,
): Promise<void> {
  await inFolder(async (dir) => {
    const state = await State.open(dir, "bob", await identityOf("bob"));
    const cache = await Cache.open(state, false);
    const forgotten: number[] = [];
    const forget = (uids: readonly number[]) => {
      forgotten.push(...uids);
      cache.drop(uids);
      return Promise.resolve();
    };
    await work(
      new ModelServer(),
      { cache, memory: await MailboxMemory.load(state), forget },
      forgotten,
    );
    cache.close();
  });
}

/** Asserts that the cache has what the server has, from `bottom` on. */
async function assertSame(server: ModelServer, { cache }: LocalMailbox, bottom = 0): Promise<void> {
  const cached = await cache.list({ folder: null, limit: 10_000 });
  const sorted = server.entries.filter(({ uid }) => uid >= bottom).sort((a, b) => b.uid - a.uid);
  assertEquals(cached.map(({ entry }) => entry), sorted);
}

Deno.test("a cache follows its mailbox: what is new, moved, marked and removed, however old", async () => {
  await inMailbox(async (server, local, forgotten) => {
    const any = <T>(values: readonly T[]): T => {
      const value = values[Math.floor(Math.random() * values.length)];
      assert(value !== undefined);
      return value;
    };
    for (let i = 0; i < 150; i++) await server.add();
    await sync(server, local);
    const removed: number[] = [];
    for (let round = 0; round < 30; round++) {
      const fresh = Math.floor(Math.random() * 60);
      for (let i = 0; i < fresh; i++) await server.add();
      for (let i = 0; i < 20; i++) {
        // Flags and folders of others are looked at among the newest; removals everywhere.
        const newest = any(server.entries.slice(-100));
        server.entries = server.entries.map((entry) =>
          entry === newest
            ? { ...entry, folder: any(BUILT_IN_FOLDERS), flags: [any(NAMED_FLAGS)] }
            : entry
        );
        if (Math.random() < 0.5) {
          const { uid } = any(server.entries);
          removed.push(uid);
          server.entries = server.entries.filter((entry) => entry.uid !== uid);
        }
      }
      const { fresh: told } = await sync(server, local);
      // One that came and went in between was never here.
      assertEquals(told.length, server.entries.filter(({ uid }) => told.includes(uid)).length);
      const gone = local.cache.ids().filter(({ uid }) => removed.includes(uid));
      assertEquals(gone, [], `round ${round}`);
      assertEquals(local.cache.count(null), server.entries.length);
    }
    assert(server.entries.length > 400);
    assert(forgotten.every((uid) => removed.includes(uid)));
    const before = server.pages;
    await sync(server, local);
    assertEquals(server.pages - before, 2, "nothing is looked through where nothing is missing");
  });
});

Deno.test("a part of a mailbox is looked through once a day", async () => {
  await inMailbox(async (server, local) => {
    for (let i = 0; i < 1000; i++) await server.add();
    await sync(server, local);
    assertEquals(await fetchOlder(server, local), true);
    assertEquals(await fetchOlder(server, local), true);
    await assertSame(server, local, 401);
    server.entries = server.entries
      .filter(({ uid }) => uid !== 450 && uid !== 950)
      .map((entry) => entry.uid === 500 ? { ...entry, flags: ["seen"] } : entry);
    await sync(server, local);
    // Looked through when it was fetched: only the newest are looked at again today.
    assertEquals(local.cache.ids().some(({ uid }) => uid === 950), false);
    assertEquals(local.cache.ids().some(({ uid }) => uid === 450), true);
    local.cache.setReviewed(Date.now() - 90_000_000);
    await sync(server, local);
    await assertSame(server, local, 401);
    while (await fetchOlder(server, local));
    await assertSame(server, local);
  });
});

Deno.test("of a mailbox that was made anew nothing old is kept", async () => {
  await inMailbox(async (server, local, forgotten) => {
    for (let i = 0; i < 5; i++) await server.add();
    await sync(server, local);
    Object.assign(server, { epoch: "fedcba9876543210", entries: [], nextUid: 1 });
    await server.add();
    const { renewed, fresh } = await sync(server, local);
    assertEquals([renewed, fresh], [true, [1]]);
    assertEquals(forgotten, [5, 4, 3, 2, 1]);
    await assertSame(server, local);
  });
});

Deno.test("a mailbox that goes back, or contradicts itself, is refused and changes nothing", async () => {
  await inMailbox(async (server, local) => {
    for (let i = 0; i < 5; i++) await server.add();
    await sync(server, local);
    const { entries, nextUid } = server;
    server.entries = entries.slice(0, 3);
    server.nextUid = 4;
    await assertRejects(() => sync(server, local), SealpostError, "an older state of your mailbox");
    Object.assign(server, { entries, nextUid });
    await assertSame(server, local);

    const [first, ...rest] = entries;
    assert(first);
    const header = first.header.slice();
    header[80] = (header[80] ?? 0) ^ 1;
    server.entries = [...rest, { ...first, header }];
    await assertRejects(() => sync(server, local), SealpostError, "another message under number 1");
    server.entries = entries;
    await assertSame(server, local);
  });
});
