import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, random } from "../../../crypto/bytes.ts";
import { type ErrorCode, SealpostError } from "../../../crypto/error.ts";
import { BUILT_IN_FOLDERS, folderNumber, NAMED_FLAGS } from "../../../protocol/entry.ts";
import { MAX_OWN_FOLDERS } from "../../../protocol/limits.ts";
import { RefusedError } from "../../../protocol/refused.ts";
import { newMessageId } from "../../../protocol/uuid.ts";
import { FULL } from "../../support/full.ts";
import { testUnless } from "../../support/testing.ts";
import type {
  Copy,
  Delivery,
  Entry,
  Flag,
  Folder,
  Placed,
  Store,
  StoredBody,
} from "../../../server/store/store.ts";

/** A place for one store, which can be opened, closed, and opened again. */
export interface StorePlace {
  open(): Promise<Store>;
  /** Removes all that was stored. Called when the store is closed. */
  remove(): Promise<void>;
}

/** Sizes of bodies around the limits that an implementation may have. */
export const BODY_SIZES = [0, 1, 5000, 65_536, 262_144, 262_145, 1_000_003];

/** `size` bytes that differ along the way. */
export function bodyOf(size: number, seed = 1): Bytes {
  const body = new Uint8Array(size);
  let x = seed >>> 0;
  for (let i = 0; i < size; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    body[i] = x >>> 24;
  }
  return body;
}

/** Gives the store a body in pieces of 64 KiB less 13. */
export async function storeBody(store: Store, body: Bytes): Promise<StoredBody> {
  const sink = await store.openBody(body.length);
  for (let at = 0; at < body.length; at += 65_523) {
    await sink.write(body.subarray(at, at + 65_523));
  }
  return await sink.finish();
}

/** A copy in `account`'s inbox, with a stanza that names the account. */
export function copyFor(account: string, more: Partial<Copy> = {}): Copy {
  const stanza = new TextEncoder().encode(`stanza for ${account}`);
  return { account, folder: "inbox", flags: [], stanza, note: null, ...more };
}

/** A delivery to alice's inbox, unless `parts` says otherwise. The body is stored already. */
export async function deliveryOf(
  store: Store,
  parts: Partial<Omit<Delivery, "body">> & { readonly body?: Bytes } = {},
): Promise<Delivery> {
  const { body = bodyOf(5000), ...rest } = parts;
  return {
    senderFp: new Uint8Array(32).fill(9),
    messageId: newMessageId(),
    digest: random(32),
    header: random(81),
    summary: random(1100),
    body: await storeBody(store, body),
    copies: [copyFor("alice")],
    receivedAt: 1_800_000_000_000,
    ...rest,
  };
}

/** Delivers, expecting it to be stored, and returns where. */
export async function delivered(
  store: Store,
  parts: Partial<Omit<Delivery, "body">> & { readonly body?: Bytes } = {},
): Promise<readonly Placed[]> {
  const outcome = await store.deliver(await deliveryOf(store, parts));
  assert(outcome.kind === "stored", outcome.kind);
  return outcome.placed;
}

/** A body as it is read, each chunk checked against its bound. */
export async function readAll(
  store: Store,
  account: string,
  uid: number,
  offset?: number,
): Promise<Bytes | null> {
  const body = await store.readBody(account, uid, offset);
  if (body === null) return null;
  const chunks: Bytes[] = [];
  for await (const chunk of body) {
    assert(chunk.length > 0 && chunk.length <= 65_536);
    chunks.push(chunk);
  }
  return concat(...chunks);
}

/** Asserts that `run` rejects with a SealpostError of `code`, of one line, and returns it. */
export async function assertCode(
  code: ErrorCode,
  run: () => Promise<unknown>,
): Promise<SealpostError> {
  const error = await assertRejects(run, SealpostError);
  assertEquals(error.code, code, error.message);
  assert(!error.message.includes("\n"));
  return error;
}

const uids = (entries: readonly { readonly uid: number }[]) => entries.map(({ uid }) => uid);

/**
 * Defines the tests that every implementation of Store passes. `place` gives a new, empty one. `why`: why
 * they cannot run here; null if they can. Not in full, one of `sample` is run.
 */
export function testStoreContract(
  kind: string,
  place: () => Promise<StorePlace>,
  why: string | null = null,
  sample = 1,
): void {
  let declared = 0;
  const test = (
    name: string,
    run: (store: Store, reopen: () => Promise<Store>) => Promise<void>,
  ) => {
    if (!FULL && declared++ % sample !== 0) return;
    testUnless(why, `${kind}: ${name}`, async () => {
      const where = await place();
      let store = await where.open();
      try {
        await store.ensureAccounts(["alice", "bob", "carol"]);
        await run(store, async () => {
          await store.close();
          return store = await where.open();
        });
      } finally {
        await store.close();
        await where.remove();
      }
    });
  };

  test("accounts are made once and found by name", async (store) => {
    const alice = await store.account("alice");
    assert(alice !== null);
    assertEquals([alice.name, alice.fp, alice.bundle, alice.boundAt], ["alice", null, null, null]);
    assertEquals([alice.epoch.length, alice.nextUid], [8, 1]);
    assertEquals(await store.account("nobody"), null);
    assertNotEquals((await store.account("bob"))?.epoch, alice.epoch);
    await store.bindKey("alice", random(32), random(1700), 5);
    await delivered(store);
    const before = await store.account("alice");
    await store.ensureAccounts(["dave", "alice", "dave"]);
    await store.ensureAccounts([]);
    assertEquals(await store.account("alice"), before);
    assertEquals((await store.account("dave"))?.nextUid, 1);
  });

  test("a key is bound once, to one account", async (store, reopen) => {
    const [key, other] = [random(32), random(32)];
    const bundle = random(1700);
    assertEquals(await store.bindKey("alice", key, bundle, 1234), "bound");
    assertEquals(await store.bindKey("alice", key, random(10), 5678), "same");
    assertEquals(await store.bindKey("alice", other, bundle, 5678), "other-key");
    assertEquals(await store.bindKey("bob", key, bundle, 5678), "taken");
    assertEquals(await store.bindKey("nobody", other, bundle, 5678), "unknown");
    const again = await reopen();
    const alice = await again.account("alice");
    assertEquals([alice?.fp, alice?.bundle, alice?.boundAt], [key, bundle, 1234]);
    assertEquals(await again.accountByFp(key), alice);
    assertEquals(await again.accountByFp(other), null);
    assertEquals((await again.account("bob"))?.fp, null);
  });

  test("a key is taken away with its tickets, and another can be bound", async (store, reopen) => {
    const [key, other] = [random(32), random(32)];
    assertEquals(await store.unbindKey("alice", { mayReturn: false }), null);
    await store.bindKey("alice", key, random(10), 1);
    await store.bindKey("bob", random(32), random(10), 1);
    const ticket = { fp: key, credential: random(16), wrapped: random(60), fullAt: 1, expires: 9 };
    const [his, hers] = [random(16), random(16)];
    await store.saveTicket({ id: hers, account: "alice", ...ticket }, 64);
    await store.saveTicket({ id: his, account: "bob", ...ticket }, 64);
    const before = await store.stats();
    assertEquals([before.bound, before.tickets], [2, 2]);
    assertEquals(await store.unbindKey("alice", { mayReturn: false }), key);
    const again = await reopen();
    const alice = await again.account("alice");
    assertEquals([alice?.fp, alice?.bundle, alice?.boundAt], [null, null, null]);
    assertEquals(await again.accountByFp(key), null);
    assertEquals([await again.ticket(hers), (await again.ticket(his))?.account], [null, "bob"]);
    assertEquals(await again.bindKey("alice", other, random(10), 2), "bound");
    await assertCode("no-such-user", () => again.unbindKey("nobody", { mayReturn: false }));
  });

  test(
    "the latest machines of an account are remembered, until its key is changed",
    async (store, reopen) => {
      const ids = [1, 2, 3].map((n) => new Uint8Array(8).fill(n));
      const [one = random(8), two = random(8), three = random(8)] = ids;
      await store.seeMachine("alice", { id: one, at: 10, source: "a" }, 2);
      await store.seeMachine("alice", { id: two, at: 20, source: "b" }, 2);
      await store.seeMachine("alice", { id: one, at: 30, source: "c" }, 2);
      await store.seeMachine("bob", { id: one, at: 5, source: "d" }, 2);
      await store.seeMachine("alice", { id: three, at: 40, source: "e" }, 2);
      const again = await reopen();
      assertEquals(await again.machines("alice"), [
        { id: three, first: 40, last: 40, source: "e" },
        { id: one, first: 10, last: 30, source: "c" },
      ]);
      assertEquals((await again.machines("bob")).length, 1);
      assertEquals(await again.machines("carol"), []);
      await assertCode(
        "no-such-user",
        () => again.seeMachine("nobody", { id: one, at: 1, source: "" }, 2),
      );
    },
  );

  test("an account has one kit, which is found by its id alone", async (store, reopen) => {
    const [id, other] = [random(16), random(16)];
    assertEquals(await store.kitState("alice"), null);
    await store.putKit("alice", { id, at: 10, sealed: random(100) });
    const sealed = random(50);
    await store.putKit("alice", { id, at: 20, sealed });
    await assertCode(
      "id-conflict",
      () => store.putKit("bob", { id, at: 30, sealed: random(10) }),
    );
    assertEquals(await store.fetchKit(other, 40), null);
    const again = await reopen();
    assertEquals(await again.kitState("alice"), { id, at: 20, fetchedAt: null });
    assertEquals(await again.fetchKit(id, 50), { account: "alice", sealed });
    await again.putKit("alice", { id, at: 60, sealed });
    assertEquals(
      await again.kitState("alice"),
      { id, at: 60, fetchedAt: 50 },
      "renewed, not forgotten",
    );
    await again.putKit("alice", { id: other, at: 70, sealed });
    assertEquals(await again.kitState("alice"), { id: other, at: 70, fetchedAt: null });
    assertEquals([await again.dropKit("alice"), await again.dropKit("alice")], [true, false]);
    assertEquals(await again.fetchKit(other, 80), null);
  });

  test("a key that was taken away comes back only where that is allowed", async (store, reopen) => {
    const [key, second] = [random(32), random(32)];
    const bind = (to: Store, name: string, fp: Bytes) => to.bindKey(name, fp, random(10), 1);
    await bind(store, "alice", key);
    assertEquals(await store.unbindKey("alice", { mayReturn: false }), key);
    for (const name of ["alice", "bob"]) {
      assertEquals(await bind(store, name, key), "taken-away");
    }
    assertEquals(await store.unbindKey("alice", { mayReturn: false }), null);
    assertEquals(await bind(store, "alice", key), "taken-away");

    // Where no key is bound, it is about the last one.
    assertEquals(await store.unbindKey("alice", { mayReturn: true }), key);
    const again = await reopen();
    assertEquals(await bind(again, "bob", key), "taken-away");
    assertEquals(await bind(again, "alice", key), "bound");
    assertEquals(await again.unbindKey("alice", { mayReturn: true }), key);
    assertEquals(await bind(again, "alice", second), "bound");
    assertEquals(await again.unbindKey("alice", { mayReturn: false }), second);
    assertEquals(await bind(again, "alice", second), "taken-away");
    assertEquals(await bind(again, "alice", key), "bound");
    assertEquals(await again.unbindKey("carol", { mayReturn: true }), null);
  });

  test("a key is bound only if that is still allowed in the transaction", async (store) => {
    const key = random(32);
    let allowed = true;
    const binding = store.bindKey("alice", key, random(10), 1, () => allowed);
    allowed = false;
    assertEquals(await binding, "not-allowed");
    assertEquals((await store.account("alice"))?.fp, null);
  });

  test(
    "a key is left for another once, and no key that was left comes back",
    async (store, reopen) => {
      const [a, b, c, bobs] = [random(32), random(32), random(32), random(32)];
      const rotation = (fpOld: Bytes, fpNew: Bytes, seq: number, name = "alice") => ({
        name,
        fpOld,
        fpNew,
        bundleOld: fpOld.slice(0, 10),
        bundleNew: fpNew.slice(0, 10),
        seq,
        certificate: random(250),
        at: 1000 + seq,
      });
      const first = rotation(a, b, 1);
      assertEquals(await store.rotateKey(first), "other-key");
      await store.bindKey("alice", a, first.bundleOld, 1);
      await store.bindKey("bob", bobs, random(10), 1);
      const ticket = { fp: a, credential: random(16), wrapped: random(60), fullAt: 1, expires: 9 };
      const id = random(16);
      await store.saveTicket({ id, account: "alice", ...ticket }, 64);
      assertEquals(await store.rotateKey(rotation(b, c, 1)), "other-key");
      assertEquals(await store.rotateKey(rotation(a, b, 2)), "other-key");
      assertEquals(await store.rotateKey(rotation(a, bobs, 1)), "used");
      assertEquals(await store.rotateKey(rotation(a, b, 1, "nobody")), "other-key");
      assertEquals((await store.ticket(id))?.account, "alice");
      const outcomes = await Promise.all([
        store.rotateKey(first),
        store.rotateKey(rotation(a, c, 1)),
      ]);
      assertEquals(outcomes, ["rotated", "other-key"]);
      const again = await reopen();
      const alice = await again.account("alice");
      assertEquals([alice?.fp, alice?.bundle, alice?.boundAt, alice?.seq], [
        b,
        first.bundleNew,
        1001,
        1,
      ]);
      assertEquals(await again.ticket(id), null);
      assertEquals(await again.rotateKey(rotation(b, a, 2)), "used");
      const second = rotation(b, c, 2);
      assertEquals(await again.rotateKey(second), "rotated");
      const kept = await again.rotations("alice", a, 16);
      assertEquals(kept, [
        { fpNew: b, certificate: first.certificate, bundle: first.bundleOld },
        { fpNew: c, certificate: second.certificate, bundle: second.bundleOld },
      ]);
      assertEquals(await again.rotations("alice", a, 1), kept.slice(0, 1));
      assertEquals((await again.rotations("bob", a, 16)).length, 0);
      assertEquals(await again.countRotations("alice", 1001), 1);
      // An operator takes the key away: its certificates stay, and none leads to it again.
      assertEquals(await again.unbindKey("alice", { mayReturn: false }), c);
      assertEquals(await again.bindKey("alice", b, random(10), 5), "retired");
      const fresh = random(32);
      assertEquals(await again.bindKey("alice", fresh, random(10), 5), "bound");
      assertEquals((await again.account("alice"))?.seq, 0);
      assertEquals(await again.rotateKey(rotation(fresh, c, 1)), "used");
      assertEquals(await again.rotateKey(rotation(bobs, fresh, 1, "bob")), "used");
      assertEquals((await again.rotations("alice", a, 16)).length, 2);
    },
  );

  test("the store says what it holds in all", async (store) => {
    const none = await store.stats();
    assertEquals([none.bound, none.entries, none.bytes, none.waiting], [0, 0, 0, 0]);
    assert(none.database > 0 && none.accounts >= 2);
    await delivered(store, { copies: [copyFor("alice"), copyFor("bob")] });
    const some = await store.stats();
    const alice = await store.usage("alice");
    const bob = await store.usage("bob");
    assertEquals([some.entries, some.bytes], [2, alice.bytes + bob.bytes]);
  });

  test("of bindings at the same moment one wins", async (store) => {
    const key = random(32);
    const outcomes = await Promise.all([
      store.bindKey("alice", key, random(10), 1),
      store.bindKey("bob", key, random(10), 1),
      store.bindKey("carol", random(32), random(10), 1),
      store.bindKey("carol", random(32), random(10), 1),
    ]);
    assertEquals(outcomes, ["bound", "taken", "bound", "other-key"]);
  });

  test(
    "a delivery is in every mailbox as it was given, also after a restart",
    async (store, reopen) => {
      const delivery = await deliveryOf(store, {
        body: bodyOf(7000),
        copies: [
          copyFor("bob", { stanza: random(1600) }),
          copyFor("alice", { stanza: random(1601) }),
          copyFor("carol", {
            folder: "sent",
            flags: ["seen"],
            stanza: random(9),
            note: random(700),
          }),
        ],
      });
      const outcome = await store.deliver(delivery);
      assertEquals(outcome, {
        kind: "stored",
        at: delivery.receivedAt,
        placed: [
          { account: "bob", folder: "inbox", number: 1, uid: 1, modseq: 1 },
          { account: "alice", folder: "inbox", number: 1, uid: 1, modseq: 1 },
          { account: "carol", folder: "sent", number: 1, uid: 1, modseq: 1 },
        ],
      });
      for (const restarted of [false, true]) {
        const each = restarted ? await reopen() : store;
        for (const copy of delivery.copies) {
          const expected: Entry = {
            uid: 1,
            modseq: 1,
            folder: copy.folder,
            number: 1,
            flags: copy.flags,
            receivedAt: delivery.receivedAt,
            header: delivery.header,
            stanza: copy.stanza,
            summary: delivery.summary,
            note: copy.note,
            bodySize: 7000,
          };
          assertEquals(await each.entry(copy.account, 1), expected);
          assertEquals(await each.list(copy.account, { limit: 10 }), [expected]);
          assertEquals(await readAll(each, copy.account, 1), bodyOf(7000));
          assertEquals((await each.account(copy.account))?.nextUid, 2);
        }
      }
    },
  );

  test("bodies of every size are read from every offset", async (store) => {
    for (const [i, size] of BODY_SIZES.entries()) {
      const body = bodyOf(size, i);
      const [placed] = await delivered(store, { body });
      assert(placed);
      for (const offset of [0, 1, 65_535, 65_536, 200_000, size - 1, size, size + 1]) {
        if (offset < 0) continue;
        assertEquals(await readAll(store, "alice", placed.uid, offset), body.slice(offset));
      }
      assertEquals(await readAll(store, "alice", placed.uid), body);
    }
    assertEquals(await readAll(store, "alice", 99), null);
    assertEquals(await readAll(store, "bob", 1), null);
  });

  test("a body may be left unread or half read", async (store) => {
    for (const size of [100_000, 1_000_000]) {
      const [placed] = await delivered(store, { body: bodyOf(size) });
      assert(placed);
      await store.readBody("alice", placed.uid);
      for await (const chunk of await store.readBody("alice", placed.uid) ?? []) {
        assertEquals(chunk.length, 65_536);
        break;
      }
      assertEquals(await readAll(store, "alice", placed.uid), bodyOf(size));
    }
  });

  test("the memory of a chunk that was written may be used again", async (store) => {
    for (const size of [200_000, 400_000]) {
      const sink = await store.openBody(size);
      const chunk = new Uint8Array(50_000);
      for (let i = 0; i < size / 50_000; i++) await sink.write(chunk.fill(i + 1));
      chunk.fill(0xff);
      const { messageId, ...rest } = await deliveryOf(store);
      await store.deliver({ ...rest, messageId, body: await sink.finish() });
      const [entry] = await store.list("alice", { limit: 1 });
      const body = await readAll(store, "alice", entry?.uid ?? 0);
      assertEquals(body?.length, size);
      assert(body?.every((byte, i) => byte === Math.floor(i / 50_000) + 1));
    }
  });

  test("a body of another length than announced is refused", async (store) => {
    for (const size of [0, 1000, 300_000]) {
      const long = await store.openBody(size);
      await long.write(new Uint8Array(size));
      await assertCode("limit", () => long.write(new Uint8Array(1)));
      await assertCode("internal", () => long.finish());
      await long.abort();
      if (size === 0) continue;
      const short = await store.openBody(size);
      await short.write(new Uint8Array(size - 1));
      await assertCode("format", () => short.finish());
      await assertCode("internal", () => short.write(new Uint8Array(1)));
      await short.abort();
    }
    await assertRejects(() => store.openBody(-1));
    await assertRejects(() => store.openBody(1.5));
  });

  test("giving a body up has no effect on a delivery that took it over", async (store) => {
    for (const size of [1000, 300_000]) {
      const body = bodyOf(size, size);
      const sink = await store.openBody(size);
      await sink.write(body);
      const finished = await sink.finish();
      await store.deliver({ ...await deliveryOf(store), body: finished });
      await sink.abort();
      await sink.abort();
      const [entry] = await store.list("alice", { limit: 1 });
      assertEquals(await readAll(store, "alice", entry?.uid ?? 0), body);
    }
  });

  test(
    "the same delivery again gets the first answer and is stored once",
    async (store, reopen) => {
      for (const size of [1000, 300_000]) {
        const first = await deliveryOf(store, { body: bodyOf(size) });
        const again = async (target: Store) => ({
          ...first,
          body: await storeBody(target, bodyOf(size)),
          receivedAt: first.receivedAt + 5000,
        });
        assertEquals(await store.delivered(first.senderFp, first.messageId), null);
        assertEquals((await store.deliver(first)).kind, "stored");
        const expected = { kind: "already", at: first.receivedAt } as const;
        assertEquals(await store.deliver(await again(store)), expected);
        assertEquals(await store.delivered(first.senderFp, first.messageId), {
          digest: first.digest,
          at: first.receivedAt,
        });
        store = await reopen();
        assertEquals(await store.deliver(await again(store)), expected);
        const { entries } = await store.usage("alice");
        assertEquals(entries, size === 1000 ? 1 : 2);
      }
    },
  );

  test("an id used for another digest is a conflict; another sender's is not", async (store) => {
    const first = await deliveryOf(store);
    await store.deliver(first);
    const body = () => storeBody(store, bodyOf(300_000));
    assertEquals(
      await store.deliver({ ...first, digest: random(32), body: await body() }),
      { kind: "conflict" },
    );
    const other = { ...first, senderFp: random(32), digest: random(32), body: await body() };
    assertEquals((await store.deliver(other)).kind, "stored");
    assertEquals((await store.usage("alice")).entries, 2);
  });

  test("of the same delivery many times at once one is stored", async (store) => {
    const first = await deliveryOf(store);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async (_, i) =>
        (await store.deliver({
          ...first,
          digest: i === 19 ? random(32) : first.digest,
          body: await storeBody(store, bodyOf(i % 2 === 0 ? 1000 : 300_000)),
        })).kind),
    );
    assertEquals(outcomes.filter((kind) => kind === "stored").length, 1);
    assertEquals(outcomes.filter((kind) => kind === "already").length >= 1, true);
    assertEquals((await store.usage("alice")).entries, 1);
  });

  test("an unknown recipient is named and nothing is stored", async (store) => {
    for (const size of [1000, 300_000]) {
      const delivery = await deliveryOf(store, {
        body: bodyOf(size),
        copies: [copyFor("alice"), copyFor("bob"), copyFor("mallory")],
      });
      const error = await assertCode("no-such-user", () => store.deliver(delivery));
      assert(error.message.includes("mallory"));
      assertEquals(await store.delivered(delivery.senderFp, delivery.messageId), null);
      for (const name of ["alice", "bob"]) {
        assertEquals(await store.list(name, { limit: 10 }), []);
        assertEquals(await store.usage(name), { entries: 0, unseen: 0, bytes: 0 });
        assertEquals((await store.account(name))?.nextUid, 1);
      }
    }
    const id = newMessageId();
    const none = await deliveryOf(store, { messageId: id, copies: [] });
    await assertRejects(() => store.deliver(none));
    assertEquals(await store.delivered(none.senderFp, id), null);
  });

  test("a failing write spoils none of those at the same moment", async (store) => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, async (_, i) =>
        await delivered(store, {
          copies: i % 3 === 0 ? [copyFor("alice"), copyFor("mallory")] : [copyFor("alice")],
        })),
    );
    assertEquals(
      outcomes.map(({ status }) => status),
      Array.from({ length: 30 }, (_, i) => i % 3 === 0 ? "rejected" : "fulfilled"),
    );
    assertEquals(
      uids(await store.list("alice", { limit: 100, ascending: true })),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  });

  test("an account may get several copies of its own", async (store) => {
    const placed = await delivered(store, {
      body: bodyOf(300_000),
      copies: [copyFor("alice"), copyFor("alice", { folder: "sent", flags: ["seen"] })],
    });
    assertEquals(placed.map(({ folder, uid }) => [folder, uid]), [["inbox", 1], ["sent", 2]]);
    assertEquals((await store.remove("alice", [1])).uids, [1]);
    assertEquals(await readAll(store, "alice", 2), bodyOf(300_000));
    assertEquals((await store.usage("alice")).entries, 1);
  });

  test("a message for 256 mailboxes is stored once and removed with the last", async (store) => {
    const names = Array.from({ length: 256 }, (_, i) => `user${i}`);
    await store.ensureAccounts(names);
    await delivered(store, { body: bodyOf(300_000), copies: names.map((name) => copyFor(name)) });
    for (const name of names.slice(1)) assertEquals((await store.remove(name, [1])).uids, [1]);
    assertEquals(await readAll(store, "user0", 1), bodyOf(300_000));
    assertEquals(await readAll(store, "user255", 1), null);
    await store.remove("user0", [1]);
    assertEquals(await readAll(store, "user0", 1), null);
  });

  test("UIDs only grow, whatever is removed", async (store, reopen) => {
    for (let i = 0; i < 3; i++) await delivered(store);
    assertEquals((await store.remove("alice", [3, 2])).uids, [3, 2]);
    const again = await reopen();
    const epoch = (await again.account("alice"))?.epoch;
    await delivered(again);
    assertEquals(uids(await again.list("alice", { limit: 10 })), [4, 1]);
    await again.remove("alice", [1, 4]);
    await delivered(again);
    assertEquals(uids(await again.list("alice", { limit: 10 })), [5]);
    assertEquals((await again.account("alice"))?.nextUid, 6);
    assertEquals((await again.account("alice"))?.epoch, epoch);
  });

  test("lists go both ways, between bounds, in a folder", async (store) => {
    for (let i = 0; i < 12; i++) {
      await delivered(store, {
        body: bodyOf(10),
        copies: [copyFor("alice", { folder: i % 3 === 0 ? "sent" : "inbox" }), copyFor("bob")],
      });
    }
    const list = async (query: Omit<Parameters<Store["list"]>[1], "limit">, limit = 1000) =>
      uids(await store.list("alice", { ...query, limit }));
    assertEquals(await list({}), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assertEquals(await list({ ascending: true }, 3), [1, 2, 3]);
    assertEquals(await list({}, 3), [12, 11, 10]);
    assertEquals(await list({ before: 10 }, 3), [9, 8, 7]);
    assertEquals(await list({ after: 10, ascending: true }, 3), [11, 12]);
    assertEquals(await list({ after: 3, before: 7 }), [6, 5, 4]);
    assertEquals(await list({ after: 3, before: 7, ascending: true }, 2), [4, 5]);
    assertEquals(await list({ after: 12 }), []);
    assertEquals(await list({ before: 1 }), []);
    assertEquals(await list({ folder: "sent" }), [10, 7, 4, 1]);
    assertEquals(await list({ folder: "sent", ascending: true, after: 1 }, 2), [4, 7]);
    assertEquals(await list({ folder: "inbox", before: 10 }, 4), [9, 8, 6, 5]);
    assertEquals(await list({ folder: "trash" }), []);
    assertEquals(await store.list("carol", { limit: 5 }), []);
    for (const limit of [0, 1001, 1.5, -1]) {
      await assertRejects(() => store.list("alice", { limit }));
    }
  });

  test("a move gives another number and leaves the old one behind; the UID stays", async (store) => {
    for (let i = 0; i < 3; i++) await delivered(store);
    const moved = await store.flag("alice", [2], { set: [], clear: [], folder: 16 });
    assertEquals(moved, { uids: [2], modified: [], modseq: 5, any: true });
    const { uid, folder, number } = await store.entry("alice", 2) ?? {};
    assertEquals([uid, folder, number], [2, 16, 1]);
    await store.flag("alice", [2], { set: [], clear: [], folder: "inbox" });
    assertEquals((await store.entry("alice", 2))?.number, 4, "3 was given, and 2 never again");
    const { changes, more } = await store.changes("alice", 3, 4, 100);
    assertEquals(more, false);
    assertEquals(changes, [
      { kind: "left", modseq: 4, uid: 2, folder: "inbox", number: 2 },
      { kind: "left", modseq: 6, uid: 2, folder: 16, number: 1 },
      { kind: "changed", modseq: 7, uid: 2, folder: "inbox", number: 4, flags: [] },
    ]);
  });

  test("changes come in pages, and what is forgotten is said to be too old", async (store) => {
    for (let i = 0; i < 5; i++) await delivered(store);
    await store.remove("alice", [1, 2]);
    const first = await store.changes("alice", 0, 1, 3);
    assertEquals([first.changes.map(({ kind }) => kind), first.more], [
      ["new", "new", "new"],
      true,
    ]);
    const rest = await store.changes("alice", 5, 6, 3);
    assertEquals([rest.changes.map(({ kind }) => kind), rest.more], [["gone", "gone"], false]);
    await assertCode("too-old", () => store.changes("alice", 8, 6, 3));
    assertEquals((await store.changes("alice", 7, 6, 3)).changes, []);
    assertEquals(await store.forgetDepartures(0), 0);
    assertEquals(await store.forgetDepartures(Date.now() + 1000), 2);
    await assertCode("too-old", () => store.changes("alice", 6, 6, 3));
    assertEquals((await store.changes("alice", 7, 6, 3)).modseq, 7);
  });

  test("folders of one's own are made, bounded, and go when they are empty", async (store) => {
    const validity = await store.makeFolder("alice", 16);
    assertEquals(await store.makeFolder("alice", 16), validity);
    assert(await store.makeFolder("alice", 17) > validity);
    await delivered(store, { copies: [copyFor("alice", { folder: 16 })] });
    await assertCode("limit", () => store.dropFolder("alice", 16));
    await store.remove("alice", [1]);
    await store.dropFolder("alice", 16);
    await store.dropFolder("alice", 16);
    assert(await store.makeFolder("alice", 16) > validity, "its numbers start anew");
    for (let i = 2; i < MAX_OWN_FOLDERS; i++) await store.makeFolder("alice", 16 + i);
    await assertCode("limit", () => store.makeFolder("alice", 5000));
    await delivered(store);
    await assertCode(
      "limit",
      () => store.flag("alice", [2], { set: [], clear: [], folder: 5000 }),
    );
    assertEquals((await store.entry("alice", 2))?.folder, "inbox", "nothing was moved");
  });

  test("the shared record is replaced only by who has seen the last one", async (store, reopen) => {
    assertEquals(await store.sharedRecord("alice"), { version: 0, sealed: new Uint8Array(0) });
    const [one, two] = [random(100), random(300_000)];
    assertEquals(await store.putSharedRecord("alice", 0, one), 1);
    await assertCode("version-conflict", () => store.putSharedRecord("alice", 0, two));
    assertEquals(await store.putSharedRecord("alice", 1, two), 2);
    const again = await reopen();
    assertEquals(await again.sharedRecord("alice"), { version: 2, sealed: two });
    assertEquals((await again.sharedRecord("bob")).version, 0);
    await assertCode("no-such-user", () => again.sharedRecord("nobody"));
  });

  test(
    "flags are set and cleared, and entries moved, under the same UID",
    async (store, reopen) => {
      for (let i = 0; i < 3; i++) await delivered(store);
      const unseen = async () => (await store.usage("alice")).unseen;
      const seen: Flag[] = ["seen"];
      assertEquals(await unseen(), 3);
      assertEquals((await store.flag("alice", [2, 77, 1, 2], { set: seen, clear: [] })).uids, [
        2,
        1,
      ]);
      assertEquals(await unseen(), 1);
      assertEquals((await store.flag("alice", [1], { set: seen, clear: [] })).uids, [1], "again");
      assertEquals((await store.flag("alice", [], { set: seen, clear: [] })).uids, []);
      await store.flag("alice", [2], { set: ["flagged", "answered"], clear: seen });
      assertEquals((await store.entry("alice", 2))?.flags, ["answered", "flagged"]);
      assertEquals(await unseen(), 2);
      await store.flag("alice", [2], { set: seen, clear: seen });
      assertEquals((await store.entry("alice", 2))?.flags, ["seen", "answered", "flagged"]);

      assertEquals((await store.flag("alice", [3], { set: [], clear: [], folder: "trash" })).uids, [
        3,
      ]);
      assertEquals(await unseen(), 0, "only the inbox counts");
      const again = await reopen();
      assertEquals(uids(await again.list("alice", { folder: "trash", limit: 5 })), [3]);
      assertEquals(uids(await again.list("alice", { folder: "inbox", limit: 5 })), [2, 1]);
      await again.flag("alice", [3], { set: [], clear: [], folder: "inbox" });
      assertEquals((await again.usage("alice")).unseen, 1);
    },
  );

  test(
    "removing takes an entry from one mailbox, the body with the last",
    async (store, reopen) => {
      const delivery = await deliveryOf(store, {
        body: bodyOf(300_000),
        copies: [copyFor("alice"), copyFor("bob")],
      });
      await store.deliver(delivery);
      assertEquals((await store.remove("alice", [5, 1, 1])).uids, [1]);
      assertEquals((await store.remove("alice", [1])).uids, []);
      assertEquals(await store.entry("alice", 1), null);
      assertEquals(await readAll(store, "alice", 1), null);
      assertEquals(await store.usage("alice"), { entries: 0, unseen: 0, bytes: 0 });
      assertEquals(await readAll(store, "bob", 1), bodyOf(300_000));
      assertEquals((await store.remove("bob", [1])).uids, [1]);
      const again = await reopen();
      assertEquals(await again.list("bob", { limit: 5 }), []);
      const body = await storeBody(again, bodyOf(10));
      assertEquals(
        await again.deliver({ ...delivery, body }),
        { kind: "already", at: delivery.receivedAt },
        "the id is remembered",
      );
      assertEquals(await again.list("bob", { limit: 5 }), []);
    },
  );

  test("a reading that has begun gets every byte, whatever is removed meanwhile", async (store) => {
    for (const size of [200_000, 2_000_000]) {
      const [placed] = await delivered(store, { body: bodyOf(size) });
      const uid = placed?.uid ?? 0;
      const chunks: Bytes[] = [];
      for await (const chunk of await store.readBody("alice", uid) ?? []) {
        if (chunks.length === 0) assertEquals((await store.remove("alice", [uid])).uids, [uid]);
        chunks.push(chunk);
      }
      assertEquals(concat(...chunks), bodyOf(size));
      assertEquals(await store.readBody("alice", uid), null);
    }
  });

  test("a reading that has not begun gets every byte, or an error, after a removal", async (store) => {
    for (const size of [200_000, 2_000_000]) {
      const [placed] = await delivered(store, { body: bodyOf(size) });
      const uid = placed?.uid ?? 0;
      const body = await store.readBody("alice", uid);
      await store.remove("alice", [uid]);
      try {
        const chunks: Bytes[] = [];
        for await (const chunk of body ?? []) chunks.push(chunk);
        assertEquals(concat(...chunks), bodyOf(size));
      } catch (error) {
        assert(error instanceof SealpostError);
        assertEquals(error.code, "no-such-message");
      }
    }
  });

  test("usage counts entries, the inbox's unseen, and every part of every copy", async (store) => {
    const shared = 81 + 1100;
    await delivered(store, {
      body: bodyOf(300_000),
      copies: [
        copyFor("alice", { stanza: random(100) }),
        copyFor("bob", { stanza: random(200), note: random(30), folder: "sent" }),
      ],
    });
    await delivered(store, { body: bodyOf(7), copies: [copyFor("alice", { stanza: random(5) })] });
    const first = { entries: 2, unseen: 2, bytes: 2 * shared + 300_000 + 100 + 7 + 5 };
    assertEquals(await store.usage("alice"), first);
    assertEquals(await store.usage("bob"), {
      entries: 1,
      unseen: 0,
      bytes: shared + 300_000 + 200 + 30,
    });
    await store.remove("alice", [1]);
    assertEquals(await store.usage("alice"), { entries: 1, unseen: 1, bytes: shared + 12 });
  });

  test("a quota holds for every mailbox, to the byte, and nobody gets what one cannot", async (store) => {
    const parts = (quota: number, ...names: string[]) => ({
      body: bodyOf(300_000),
      copies: names.map((name) => copyFor(name, { stanza: random(100) })),
      quota,
    });
    const size = 81 + 1100 + 300_000 + 100;
    const refused = async (about: string, quota: number, ...names: string[]) => {
      const error = await assertRejects(
        async () => store.deliver(await deliveryOf(store, parts(quota, ...names))),
        RefusedError,
      );
      assertEquals([error.code, error.limit, error.about], ["quota", "quota", about]);
    };
    await refused("alice", size - 1, "alice", "bob");
    await delivered(store, parts(size, "alice", "bob"));
    await refused("bob", 2 * size - 1, "carol", "bob");
    await refused("carol", 2 * size, "carol", "carol", "carol");
    assertEquals((await store.usage("bob")).bytes, size);
    assertEquals((await store.usage("carol")).entries, 0);

    // At the same moment: as many as there is room for, whoever is first.
    const outcomes = await Promise.allSettled(
      Array.from(
        { length: 5 },
        async () => store.deliver(await deliveryOf(store, parts(3 * size, "alice"))),
      ),
    );
    assertEquals(outcomes.filter(({ status }) => status === "fulfilled").length, 2);
    assertEquals((await store.usage("alice")).bytes, 3 * size);
    await store.remove("alice", [1]);
    await delivered(store, parts(3 * size, "alice"));
    // Who has more than a new quota allows keeps it.
    await refused("alice", size, "alice");
    assertEquals((await store.usage("alice")).bytes, 3 * size);
  });

  test("what lies in Trash, or was read, expires a time after its last change", async (store) => {
    const at = 1_800_000_000_000;
    for (let i = 0; i < 6; i++) {
      await delivered(store, {
        receivedAt: at,
        body: bodyOf(i === 0 ? 300_000 : 10),
        copies: [copyFor("alice"), copyFor("bob", { folder: "sent", flags: ["seen"] })],
      });
    }
    const change = { set: [], clear: [] };
    await store.flag("alice", [1, 2], { ...change, folder: "trash", at: at + 100 });
    await store.flag("alice", [2], { ...change, set: ["seen"], at: at + 200 });
    await store.flag("alice", [3, 4, 5], { ...change, set: ["seen"], at: at + 100 });
    await store.flag("alice", [4], { ...change, set: ["flagged"], at: at + 100 });
    await store.flag("alice", [5], { ...change, folder: "archive", at: at + 100 });
    await store.flag("alice", [1, 3], { ...change, at: at + 300 }); // Changes nothing.

    assertEquals(await store.expire("trash", at + 100), 0);
    assertEquals(await store.expire("read", at + 100), 0);
    assertEquals(await store.expire("trash", at + 101), 1);
    assertEquals(uids(await store.list("alice", { limit: 9 })), [6, 5, 4, 3, 2]);
    assertEquals(await store.expire("read", at + 1000), 1);
    assertEquals(uids(await store.list("alice", { limit: 9 })), [6, 5, 4, 2]);
    assertEquals(await store.expire("trash", at + 201), 1);
    assertEquals(await store.usage("alice"), {
      entries: 3,
      unseen: 1,
      bytes: 3 * (81 + 1100 + 10 + "stanza for alice".length),
    });
    assertEquals((await store.usage("bob")).entries, 6);
    assertEquals((await readAll(store, "bob", 1))?.length, 300_000);
  });

  test("more entries than one transaction takes expire", async (store) => {
    const copies = Array.from({ length: 250 }, () => copyFor("alice", { folder: "trash" }));
    await delivered(store, { copies, receivedAt: 5 });
    await delivered(store, { copies, receivedAt: 7 });
    assertEquals(await store.expire("trash", 7), 250);
    assertEquals((await store.usage("alice")).entries, 250);
    assertEquals(await store.expire("trash", 8), 250);
    assertEquals(await store.usage("alice"), { entries: 0, unseen: 0, bytes: 0 });
  });

  test("ids older than a time are forgotten, and may then come again", async (store) => {
    const at = 1_800_000_000_000;
    const deliveries: Delivery[] = [];
    for (let i = 0; i < 5; i++) {
      deliveries.push(await deliveryOf(store, { receivedAt: at + i, body: bodyOf(10) }));
    }
    await Promise.all(deliveries.map((delivery) => store.deliver(delivery)));
    assertEquals(await store.forgetDelivered(at), 0);
    assertEquals(await store.forgetDelivered(at + 3), 3);
    assertEquals(await store.forgetDelivered(at + 3), 0);
    const kinds: string[] = [];
    for (const delivery of deliveries) {
      const body = await storeBody(store, bodyOf(10));
      kinds.push((await store.deliver({ ...delivery, body })).kind);
    }
    assertEquals(kinds, ["stored", "stored", "stored", "already", "already"]);
    assertEquals((await store.usage("alice")).entries, 8);
  });

  test("more ids than one transaction takes are forgotten", async (store) => {
    const body = await storeBody(store, bodyOf(0));
    const delivery = await deliveryOf(store);
    await Promise.all(
      Array.from(
        { length: 2100 },
        (_, i) => store.deliver({ ...delivery, messageId: newMessageId(), receivedAt: i, body }),
      ),
    );
    assertEquals(await store.forgetDelivered(2050), 2050);
    assertEquals(await store.forgetDelivered(9999), 50);
  });

  test("64 deliveries at once are all there, once, in order", async (store, reopen) => {
    const outcomes = await Promise.all(Array.from({ length: 64 }, (_, i) =>
      delivered(store, {
        header: new Uint8Array([i]),
        body: bodyOf(i % 16 === 0 ? 300_000 + i : 100 + i, i),
        copies: [copyFor(i % 2 === 0 ? "alice" : "bob"), copyFor("carol", { folder: "archive" })],
      })));
    const again = await reopen();
    for (const [i, placed] of outcomes.entries()) {
      for (const { account, folder, uid } of placed) {
        const entry = await again.entry(account, uid);
        assertEquals([entry?.header, entry?.folder], [new Uint8Array([i]), folder]);
        assertEquals(
          await readAll(again, account, uid),
          bodyOf(i % 16 === 0 ? 300_000 + i : 100 + i, i),
        );
      }
    }
    const carol = uids(await again.list("carol", { limit: 1000, ascending: true }));
    assertEquals(carol, Array.from({ length: 64 }, (_, i) => i + 1));
    assertEquals((await again.usage("alice")).entries, 32);
    assertEquals((await again.usage("carol")).entries, 64);
  });

  test("a mailbox that does not exist is an error", async (store) => {
    const calls: (() => Promise<unknown>)[] = [
      () => store.list("nobody", { limit: 1 }),
      () => store.entry("nobody", 1),
      () => store.readBody("nobody", 1),
      () => store.flag("nobody", [1], { set: [], clear: [] }),
      () => store.remove("nobody", [1]),
      () => store.usage("nobody"),
    ];
    for (const call of calls) await assertCode("no-such-user", call);
  });

  test("a closed store says so", async (store) => {
    const delivery = await deliveryOf(store);
    await store.close();
    await store.close();
    await assertCode("busy", () => store.account("alice"));
    await assertCode("busy", () => store.list("alice", { limit: 1 }));
    await assertCode("busy", () => store.deliver(delivery));
    await assertCode("busy", () => store.remove("alice", [1]));
  });

  test("closing waits for the writes that were asked for", async (store, reopen) => {
    const deliveries: Delivery[] = [];
    for (let i = 0; i < 10; i++) deliveries.push(await deliveryOf(store, { body: bodyOf(10) }));
    const stored = deliveries.map((delivery) => store.deliver(delivery));
    const again = await reopen();
    for (const outcome of await Promise.all(stored)) assertEquals(outcome.kind, "stored");
    assertEquals((await again.usage("alice")).entries, 10);
  });

  test("any run of deliveries, changes and removals does what a simple model does", async (store) => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 25 }), async (actions) => {
        const names = ["x", "y"].map((letter) => `${letter}${run}`);
        run++;
        await store.ensureAccounts(names);
        const model = new Model(names);
        for (const each of actions) await model.apply(store, each);
        await model.compare(store);
      }),
      { numRuns: 100 },
    );
  });
}

type Action =
  | {
    readonly kind: "deliver";
    readonly size: number;
    readonly to: readonly [number, Folder, Flag[]][];
  }
  | {
    readonly kind: "flag";
    readonly at: number;
    readonly uids: number[];
    readonly set: Flag[];
    readonly clear: Flag[];
    readonly folder: Folder | null;
    readonly unchanged: boolean;
  }
  | { readonly kind: "remove"; readonly at: number; readonly uids: number[] };

const OWN_FOLDERS = [16, 17, 0xffff_ffff];
const FOLDERS: readonly Folder[] = [...BUILT_IN_FOLDERS, ...OWN_FOLDERS];
const FLAGS: readonly Flag[] = [...NAMED_FLAGS, 4, 31, 32, 62];

const mailbox = fc.integer({ min: 0, max: 1 });
const folder = fc.constantFrom(...FOLDERS);
const flags = fc.subarray([...FLAGS]);
const someUids = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 5 });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("deliver"),
      size: fc.oneof({ weight: 9, arbitrary: fc.nat(3000) }, {
        weight: 1,
        arbitrary: fc.constant(270_000),
      }),
      to: fc.array(fc.tuple(mailbox, folder, flags), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("flag"),
      at: mailbox,
      uids: someUids,
      set: flags,
      clear: flags,
      folder: fc.option(folder),
      unchanged: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove"), at: mailbox, uids: someUids }) },
);

/** A mailbox as plain maps, and what a client makes of it that only follows `changes`. */
class ModelBox {
  readonly entries = new Map<number, { readonly entry: Entry; readonly body: Bytes }>();
  readonly numbers = new Map<Folder, number>();
  nextUid = 1;
  modseq = 0;
  /** What a follower has, and up to which modification sequence. */
  readonly followed = new Map<number, Omit<Entry, "modseq">>();
  since = 0;
  knownUid = 1;

  /** The next number of a folder. */
  take(folder: Folder): number {
    const number = (this.numbers.get(folder) ?? 0) + 1;
    this.numbers.set(folder, number);
    return number;
  }
}

/** Two mailboxes as plain maps from UIDs. */
class Model {
  readonly #boxes: readonly ModelBox[] = [new ModelBox(), new ModelBox()];

  constructor(readonly names: readonly string[]) {}

  async apply(store: Store, action: Action): Promise<void> {
    if (action.kind === "deliver") return await this.#deliver(store, action);
    const name = this.names[action.at] ?? "";
    const box = this.#boxes[action.at];
    assert(box);
    const existing = action.uids.filter((uid) => box.entries.has(uid));
    const before = box.modseq;
    if (action.kind === "remove") {
      const outcome = await store.remove(name, action.uids);
      for (const uid of existing) box.entries.delete(uid);
      box.modseq += existing.length;
      assertEquals(outcome, {
        uids: existing,
        modified: [],
        modseq: box.modseq,
        any: existing.length > 0,
      });
      return;
    }
    const { set, clear, folder, unchanged } = action;
    // Half of what there is has changed since.
    const unchangedSince = Math.floor(box.modseq / 2);
    const outcome = await store.flag(name, action.uids, {
      set,
      clear,
      ...folder === null ? {} : { folder },
      ...unchanged ? { unchangedSince } : {},
    });
    const isModified = (uid: number) =>
      unchanged && (box.entries.get(uid)?.entry.modseq ?? 0) > unchangedSince;
    const modified = existing.filter(isModified);
    const found = existing.filter((uid) => !isModified(uid));
    for (const uid of found) {
      const kept = box.entries.get(uid);
      assert(kept);
      const { entry } = kept;
      const now = FLAGS.filter((flag) =>
        set.includes(flag) || entry.flags.includes(flag) && !clear.includes(flag)
      );
      const moves = folder !== null && folder !== entry.folder;
      if (!moves && now.join() === entry.flags.join()) continue;
      box.modseq += moves ? 2 : 1;
      const place = moves ? { folder, number: box.take(folder) } : {};
      const changed = { ...entry, flags: now, modseq: box.modseq, ...place };
      box.entries.set(uid, { ...kept, entry: changed });
    }
    assertEquals(outcome, {
      uids: found,
      modified,
      modseq: box.modseq,
      any: box.modseq !== before,
    });
  }

  async #deliver(store: Store, action: Action & { kind: "deliver" }): Promise<void> {
    const body = bodyOf(action.size, action.to.length);
    const delivery = await deliveryOf(store, {
      body,
      copies: action.to.map(([at, folder, flags]) =>
        copyFor(this.names[at] ?? "", { folder, flags, stanza: random(20) })
      ),
    });
    const outcome = await store.deliver(delivery);
    assert(outcome.kind === "stored");
    for (const [i, [at, folder, flags]] of action.to.entries()) {
      const box = this.#boxes[at];
      assert(box);
      const uid = box.nextUid++;
      const modseq = ++box.modseq;
      const number = box.take(folder);
      const account = this.names[at] ?? "";
      assertEquals(outcome.placed[i], { account, folder, number, uid, modseq });
      const { header, summary, receivedAt, copies } = delivery;
      const stanza = copies[i]?.stanza ?? new Uint8Array(0);
      const entry = {
        uid,
        modseq,
        folder,
        number,
        flags,
        receivedAt,
        header,
        stanza,
        summary,
        note: null,
        bodySize: body.length,
      };
      box.entries.set(uid, { entry, body });
    }
  }

  async compare(store: Store): Promise<void> {
    for (const [at, box] of this.#boxes.entries()) {
      const name = this.names[at] ?? "";
      const all = [...box.entries.values()].map(({ entry }) => entry);
      assertEquals(await store.list(name, { limit: 1000, ascending: true }), all);
      assertEquals(
        await store.entries(name, all.map(({ uid }) => uid).reverse()),
        all.toReversed(),
      );
      for (const folder of FOLDERS) {
        assertEquals(
          await store.list(name, { limit: 1000, folder }),
          all.filter((entry) => entry.folder === folder).reverse(),
        );
      }
      for (const { entry: { uid }, body } of box.entries.values()) {
        assertEquals(await readAll(store, name, uid), body);
      }
      const sizeOf = ({ header, stanza, summary, bodySize }: Entry) =>
        header.length + stanza.length + summary.length + bodySize;
      assertEquals(await store.usage(name), {
        entries: all.length,
        unseen: all.filter(({ folder, flags }) =>
          folder === "inbox" && !flags.includes("seen")
        ).length,
        bytes: all.reduce((sum, entry) => sum + sizeOf(entry), 0),
      });
      const account = await store.account(name);
      assertEquals([account?.nextUid, account?.modseq], [box.nextUid, box.modseq]);
      await this.#compareFolders(store, name, box, all, sizeOf);
      await this.#follow(store, name, box);
      assertEquals(
        [...box.followed.values()].toSorted((a, b) => a.uid - b.uid),
        all.map(({ modseq: _, ...entry }) => entry).toSorted((a, b) => a.uid - b.uid),
      );
    }
  }

  async #compareFolders(
    store: Store,
    name: string,
    box: ModelBox,
    all: readonly Entry[],
    sizeOf: (entry: Entry) => number,
  ): Promise<void> {
    const { folders, nextUid, modseq } = await store.folders(name);
    assertEquals([nextUid, modseq], [box.nextUid, box.modseq]);
    const known = FOLDERS.filter((folder) => typeof folder === "string" || box.numbers.has(folder));
    assertEquals(
      folders.map(({ folder, next, count, unseen, bytes }) => {
        return { folder, next, count, unseen, bytes };
      }),
      known.toSorted((a, b) => folderNumber(a) - folderNumber(b)).map((folder) => {
        const there = all.filter((entry) => entry.folder === folder);
        return {
          folder,
          next: (box.numbers.get(folder) ?? 0) + 1,
          count: there.length,
          unseen: there.filter(({ flags }) => !flags.includes("seen")).length,
          bytes: there.reduce((sum, entry) => sum + sizeOf(entry), 0),
        };
      }),
    );
    for (const { validity, folder, modseq } of folders) {
      assert(validity > 0);
      const highest = Math.max(0, ...all.filter((e) => e.folder === folder).map((e) => e.modseq));
      assert(modseq >= highest && modseq <= box.modseq);
    }
  }

  /** Brings the follower up to date by `changes` alone, in small pages. */
  async #follow(store: Store, name: string, box: ModelBox): Promise<void> {
    for (;;) {
      const page = await store.changes(name, box.since, box.knownUid, 3);
      assertEquals([page.nextUid, page.modseq], [box.nextUid, box.modseq]);
      for (const change of page.changes) {
        assert(change.modseq > box.since && change.modseq <= page.modseq);
        box.since = change.modseq;
        const known = "uid" in change ? box.followed.get(change.uid) : undefined;
        switch (change.kind) {
          case "new": {
            const [entry] = await store.entries(name, [change.uid]);
            assert(entry);
            const { modseq: _, ...rest } = entry;
            box.followed.set(change.uid, rest);
            break;
          }
          case "changed": {
            assert(known);
            const { folder, number, flags } = change;
            box.followed.set(change.uid, { ...known, folder, number, flags });
            break;
          }
          case "gone":
            box.followed.delete(change.uid);
            break;
          case "left":
            break;
          case "skipped":
            throw new Error("nothing was skipped");
        }
      }
      if (!page.more) break;
    }
    box.since = box.modseq;
    box.knownUid = box.nextUid;
  }
}
