import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Channel } from "../../../client/connection/client_session.ts";
import { fetchOlder, type LocalMailbox, sync } from "../../../client/mailbox/sync.ts";
import { Cache } from "../../../client/state/cache.ts";
import { MailboxMemory } from "../../../client/state/mailbox_memory.ts";
import { State } from "../../../client/state/state.ts";
import { type Bytes, concat, lp, random } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { encodeChange, type MailboxChange } from "../../../protocol/change.ts";
import {
  BUILT_IN_FOLDERS,
  encodeEntry,
  type Entry,
  type Flag,
  type Folder,
} from "../../../protocol/entry.ts";
import { encodeHeader } from "../../../protocol/header.ts";
import type { Request } from "../../../protocol/request.ts";
import { newMessageId } from "../../../protocol/uuid.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

/** A mailbox as a server has it: what a cache must come to agree with. */
class ModelServer implements Channel {
  entries: Entry[] = [];
  nextUid = 1;
  modseq = 0;
  epoch = "0123456789abcdef";
  departures: MailboxChange[] = [];
  /** Changes up to this modification sequence are not all remembered. */
  forgotten = 0;
  /** Requests that were made, by their names; a listing without sealed parts is "brief". */
  asked: string[] = [];
  /** Called when a request was answered, but before its data were read. */
  meanwhile: () => void = () => {};

  add(): void {
    const header = encodeHeader({
      id: newMessageId(),
      senderFp: random(32),
      commitment: random(32),
    });
    this.entries.push({
      uid: this.nextUid,
      modseq: ++this.modseq,
      number: this.nextUid++,
      receivedAt: Date.now(),
      header,
      stanza: random(40),
      summary: random(60),
      note: null,
      bodySize: 5000,
      folder: "inbox",
      flags: [],
    });
  }

  /** Sets the flags of an entry, and moves it. */
  change(uid: number, folder: Folder, flags: readonly Flag[]): void {
    this.entries = this.entries.map((entry) => {
      if (entry.uid !== uid) return entry;
      const moved = folder !== entry.folder;
      if (moved) this.#depart("left", entry);
      const number = moved ? ++this.modseq : entry.number;
      return { ...entry, folder, flags, number, modseq: ++this.modseq };
    });
  }

  remove(uid: number): void {
    const entry = this.entries.find((entry) => entry.uid === uid);
    if (entry) this.#depart("gone", entry);
    this.entries = this.entries.filter((entry) => entry.uid !== uid);
  }

  /** As after a restore: UIDs and modification sequences go on above all that were given. */
  restore(): void {
    const from = this.nextUid;
    this.nextUid += 1_000_000;
    this.modseq += 1_000_000;
    this.forgotten = this.modseq - 1;
    this.departures.push({ kind: "skipped", modseq: this.modseq, from, to: this.nextUid - 1 });
  }

  #depart(kind: "left" | "gone", { uid, folder, number }: Entry): void {
    this.departures.push({ kind, modseq: ++this.modseq, uid, folder, number });
  }

  ask(): Promise<never> {
    return Promise.reject(new Error("nothing else is asked"));
  }

  upload(): Promise<never> {
    return Promise.reject(new Error("nothing is sent here"));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  // deno-lint-ignore no-explicit-any -- the operations have responses of different types
  stream(request: Request): Promise<any> {
    const { epoch, nextUid, modseq } = this;
    const state = { ok: true, epoch, nextUid, modseq };
    const answer = (response: unknown, parts: readonly Bytes[]) => {
      this.meanwhile();
      return Promise.resolve({
        response,
        data: pieces(concat(...parts.map(lp))),
        cancel: () => Promise.resolve(),
      });
    };
    if (request.op === "changes") {
      this.asked.push("changes");
      const { since, limit } = request;
      if (since < this.forgotten || since > modseq) {
        return Promise.reject(new SealpostError("too-old", "list it"));
      }
      const all = [
        ...this.entries.map((entry): MailboxChange => {
          return entry.uid >= request.nextUid
            ? { kind: "new", modseq: entry.modseq, entry }
            : { ...entry, kind: "changed" };
        }),
        ...this.departures,
      ].filter((change) => change.modseq > since).sort((a, b) => a.modseq - b.modseq);
      const page = all.slice(0, limit);
      return answer({ ...state, more: page.length < all.length }, page.map(encodeChange));
    }
    assert(request.op === "list");
    const { after = 0, before = nextUid, brief, limit } = request;
    this.asked.push(brief ? "brief" : "list");
    const none = new Uint8Array(0);
    const page = this.entries.filter(({ uid }) => uid > after && uid < before)
      .sort((a, b) => b.uid - a.uid).slice(0, limit)
      .map((entry) => brief ? { ...entry, stanza: none, summary: none } : entry);
    return answer(state, page.map(encodeEntry));
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
  const cached = await cache.list({ folder: null, limit: 100_000 });
  const sorted = server.entries.filter(({ uid }) => uid >= bottom).sort((a, b) => b.uid - a.uid);
  assertEquals(cached.map(({ entry }) => entry), sorted);
}

function any<T>(values: readonly T[]): T {
  const value = values[Math.floor(Math.random() * values.length)];
  assert(value !== undefined);
  return value;
}

/** Something that changes a mailbox, at random. */
function stir(server: ModelServer): void {
  const { uid } = server.entries.length === 0 ? { uid: 0 } : any(server.entries);
  const what = Math.random();
  if (what < 0.4) server.add();
  else if (what < 0.75) server.change(uid, any(FOLDERS), any(FLAGS));
  else if (what < 0.85) server.change(uid, any(FOLDERS), []);
  else server.remove(uid);
}
const FOLDERS: readonly Folder[] = [...BUILT_IN_FOLDERS, 16, 4_000_000_000];
const FLAGS: readonly (readonly Flag[])[] = [["seen"], ["seen", "answered", 4], [
  "flagged",
  31,
  32,
  62,
]];

Deno.test("a cache follows its mailbox: what is new, moved, marked and removed, however old", async () => {
  await inMailbox(async (server, local, forgotten) => {
    for (let i = 0; i < 150; i++) server.add();
    await sync(server, local);
    assertEquals(server.asked, ["list"]);
    for (let round = 0; round < 60; round++) {
      server.asked = [];
      for (let i = Math.floor(Math.random() * 60); i > 0; i--) stir(server);
      const { top } = local.cache.fetched();
      const { fresh } = await sync(server, local);
      const now = server.entries.map(({ uid }) => uid).filter((uid) => uid > top);
      assertEquals(fresh, now.sort((a, b) => b - a));
      await assertSame(server, local);
      assertEquals(server.asked, ["changes"], "it is asked once");
    }
    assert(forgotten.every((uid) => !server.entries.some((entry) => entry.uid === uid)));
  });
});

Deno.test("after a long time changes come in pages, and what has changed between them too", async () => {
  await inMailbox(async (server, local) => {
    for (let i = 0; i < 150; i++) server.add();
    await sync(server, local);
    for (let i = 0; i < 2500; i++) stir(server);
    server.asked = [];
    server.meanwhile = () => {
      for (let i = 0; i < 10; i++) stir(server);
    };
    await sync(server, local);
    server.meanwhile = () => {};
    assert(server.asked.length >= 2 && server.asked.every((op) => op === "changes"));
    await sync(server, local);
    await assertSame(server, local);
  });
});

Deno.test("where changes are not remembered, or too many, the mailbox is listed", async () => {
  await inMailbox(async (server, local) => {
    for (let i = 0; i < 500; i++) server.add();
    await sync(server, local);
    await fetchOlder(server, local);
    await assertSame(server, local, 101);
    for (let i = 0; i < 300; i++) stir(server);
    server.forgotten = server.modseq;
    server.asked = [];
    await sync(server, local);
    // What is new, and how the rest is: nothing twice.
    assertEquals(server.asked.slice(0, 2), ["changes", "list"]);
    assert(server.asked.slice(2).every((op) => op === "brief"));
    await assertSame(server, local, 101);
    // Each move leaves a place, and that is told.
    const { uid } = any(server.entries);
    for (let i = 0; i < 10_100; i++) server.change(uid, i % 2 === 0 ? 17 : 18, []);
    for (let i = 0; i < 300; i++) server.add();
    server.asked = [];
    await sync(server, local);
    assertEquals(server.asked.filter((op) => op === "list").length, 2);
    await assertSame(server, local, 101);
    for (let i = 0; i < 3000; i++) server.add();
    server.forgotten = server.modseq;
    const { nextUid } = server;
    // So many that the newest page has to do.
    const { fresh } = await sync(server, local);
    assertEquals(fresh.length, 200);
    await assertSame(server, local, nextUid - 200);
    while (await fetchOlder(server, local));
    await assertSame(server, local);
  });
});

Deno.test("a mailbox that was restored is listed, and UIDs that were never given are missed by nobody", async () => {
  await inMailbox(async (server, local) => {
    for (let i = 0; i < 5; i++) server.add();
    const backup = server.entries;
    server.change(1, "archive", ["seen"]);
    server.remove(2);
    await sync(server, local);
    server.entries = backup;
    server.restore();
    server.add();
    server.asked = [];
    await sync(server, local);
    // The last for the message that was removed and is there again.
    assertEquals(server.asked, ["changes", "list", "brief", "list"]);
    await assertSame(server, local);
    // Where all changes are remembered, the range that was skipped is told among them.
    server.restore();
    server.forgotten = 0;
    server.add();
    server.asked = [];
    assertEquals((await sync(server, local)).fresh, [server.nextUid - 1]);
    assertEquals(server.asked, ["changes"]);
    await assertSame(server, local);
  });
});

Deno.test("a part of a mailbox follows its changes, and older pages join it as they are", async () => {
  await inMailbox(async (server, local) => {
    for (let i = 0; i < 1000; i++) server.add();
    await sync(server, local);
    assertEquals(await fetchOlder(server, local), true);
    assertEquals(await fetchOlder(server, local), true);
    await assertSame(server, local, 401);
    // Of what is not here yet a change is passed over.
    for (const uid of [100, 450, 950]) server.change(uid, "archive", ["seen"]);
    for (const uid of [101, 451, 951]) server.remove(uid);
    server.asked = [];
    await sync(server, local);
    assertEquals(server.asked, ["changes"]);
    await assertSame(server, local, 401);
    // A change that comes while an older page is fetched is not lost, nor is a removal.
    let syncing: Promise<unknown> = Promise.resolve();
    server.meanwhile = () => {
      server.meanwhile = () => {};
      server.change(350, "trash", ["flagged"]);
      server.remove(351);
      syncing = sync(server, local);
    };
    await fetchOlder(server, local);
    await syncing;
    await sync(server, local);
    await assertSame(server, local, local.cache.fetched().bottom);
    while (await fetchOlder(server, local));
    await assertSame(server, local);
  });
});

Deno.test("of a mailbox that was made anew nothing old is kept", async () => {
  await inMailbox(async (server, local, forgotten) => {
    for (let i = 0; i < 5; i++) server.add();
    await sync(server, local);
    Object.assign(server, { epoch: "fedcba9876543210", entries: [], nextUid: 1, modseq: 0 });
    server.add();
    const { renewed, fresh } = await sync(server, local);
    assertEquals([renewed, fresh], [true, [1]]);
    assertEquals(forgotten, [5, 4, 3, 2, 1]);
    await assertSame(server, local);
  });
});

Deno.test("a mailbox that goes back, or contradicts itself, is refused and changes nothing", async () => {
  await inMailbox(async (server, local) => {
    for (let i = 0; i < 5; i++) server.add();
    await sync(server, local);
    const { entries, nextUid, modseq } = server;
    Object.assign(server, { entries: entries.slice(0, 3), nextUid: 4, modseq: 3 });
    await assertRejects(() => sync(server, local), SealpostError, "an older state of your mailbox");
    Object.assign(server, { entries, nextUid, modseq });
    await assertSame(server, local);

    const [first, ...rest] = entries;
    assert(first);
    const header = first.header.slice();
    header[80] = (header[80] ?? 0) ^ 1;
    server.entries = [...rest, { ...first, header }];
    server.forgotten = ++server.modseq;
    await assertRejects(() => sync(server, local), SealpostError, "another message under number 1");
    server.entries = entries;
    await assertSame(server, local);
  });
});
