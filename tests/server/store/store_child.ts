// A process of its own for what the tests of the store do to a process: kill it, and take its disk.
// Arguments: what to do, and the store's folder.

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type Bytes, fromHex, toHex } from "../../../crypto/bytes.ts";
import { isSealpostError } from "../../../crypto/error.ts";
import { newMessageId } from "../../../protocol/uuid.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import type { Delivery, Store } from "../../../server/store/store.ts";
import {
  assertCode,
  bodyOf,
  copyFor,
  delivered,
  deliveryOf,
  readAll,
  storeBody,
} from "./store_contract.ts";

/** The body that belongs to a message id: small ones mostly, some in files. */
export function bodyFor(id: string): Bytes {
  const seed = parseInt(id.slice(-6), 16);
  return bodyOf(seed % 8 === 0 ? 262_145 + seed % 100_000 : seed % 9000, seed);
}

/** The delivery that belongs to a message id: to alice and bob, with the id as header. */
export async function deliveryFor(store: Store, id: string): Promise<Delivery> {
  const messageId = fromHex(id);
  const { digest, ...rest } = await deliveryOf(store, {
    messageId,
    header: messageId,
    body: bodyFor(id),
  });
  digest.fill(7);
  return { ...rest, digest, copies: [copyFor("alice"), copyFor("bob", { folder: "archive" })] };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Delivers, and removes every fifth, until it is killed; says what was acknowledged. */
async function work(folder: string): Promise<void> {
  const store = await openSqliteStore(folder);
  await store.ensureAccounts(["alice", "bob"]);
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let i = 0;; i++) {
      const id = toHex(newMessageId());
      const outcome = await store.deliver(await deliveryFor(store, id));
      assert(outcome.kind === "stored");
      say(`stored ${id}`);
      if (i % 5 !== 4) continue;
      say(`removing ${id}`);
      for (const { account, uid } of outcome.placed) {
        assertEquals((await store.remove(account, [uid])).uids, [uid]);
      }
      say(`removed ${id}`);
    }
  }));
}

/** Opens the store and keeps it until it is killed. */
async function hold(folder: string): Promise<void> {
  await openSqliteStore(folder);
  say("open");
  setInterval(() => {}, 1000);
}

/** Everything a full disk does. `folder` is on a file system of 8 MiB that is this test's alone. */
async function fill(folder: string): Promise<void> {
  let store = await openSqliteStore(folder);
  await store.ensureAccounts(["alice"]);
  await delivered(store, { body: bodyOf(1000) });
  await delivered(store, { body: bodyOf(1_000_000) });
  const filler = join(folder, "filler");
  fillUp(filler);

  const before = filesOf(folder);
  await assertCode("disk-full", () => storeBody(store, bodyOf(3_000_000)));
  assertEquals(filesOf(folder), before, "nothing left of a body that found no room");

  const ids = Array.from({ length: 60 }, () => toHex(newMessageId()));
  const deliveries = await Promise.all(ids.map(async (id) => ({
    ...await deliveryOf(store, { messageId: fromHex(id), body: bodyOf(100_000) }),
  })));
  const outcomes = await Promise.allSettled(deliveries.map((delivery) => store.deliver(delivery)));
  const refused: Delivery[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    const delivery = deliveries[i];
    assert(delivery);
    const known = await store.delivered(delivery.senderFp, delivery.messageId);
    if (outcome.status === "fulfilled") assert(known !== null);
    else {
      assert(isSealpostError(outcome.reason, "disk-full"), String(outcome.reason));
      assertEquals(known, null);
      refused.push(delivery);
    }
  }
  assert(refused.length > 0);

  const { entries } = await store.usage("alice");
  assertEquals(entries, 2 + 60 - refused.length);
  assertEquals((await store.list("alice", { limit: 100 })).length, entries, "still readable");
  assertEquals(await readAll(store, "alice", 1), bodyOf(1000));
  assertEquals(await readAll(store, "alice", 2), bodyOf(1_000_000));

  Deno.removeSync(filler);
  const again = refused[0];
  assert(again);
  assertEquals((await store.deliver(again)).kind, "stored", "by itself once there is room");
  await delivered(store, { body: bodyOf(300_000) });
  await store.close();
  store = await openSqliteStore(folder);
  assertEquals((await store.usage("alice")).entries, entries + 2);
  assertEquals(await readAll(store, "alice", entries + 2), bodyOf(300_000));
  await store.close();
  say(`refused ${refused.length}`);
}

function fillUp(path: string): void {
  const file = Deno.openSync(path, { write: true, create: true });
  for (let size = 65_536; size >= 1;) {
    try {
      file.writeSync(new Uint8Array(size));
    } catch {
      size = Math.floor(size / 4);
    }
  }
  file.close();
}

/** Delivers until the system refuses a write: files may have 2 MiB here. */
async function refuse(folder: string): Promise<void> {
  const store = await openSqliteStore(folder);
  await store.ensureAccounts(["alice"]);
  let stored = 0;
  for (let failures = 0; failures < 3;) {
    const id = newMessageId();
    const delivery = await deliveryOf(store, {
      messageId: id,
      body: bodyOf(failures === 1 ? 300_000 : 100_000),
    });
    try {
      await store.deliver(delivery);
      stored++;
    } catch (error) {
      assert(isSealpostError(error, "file-io"), String(error));
      assertEquals(await store.delivered(delivery.senderFp, id), null);
      failures++;
    }
  }
  await assertCode("file-io", () => storeBody(store, bodyOf(3_000_000)));
  assertEquals((await store.list("alice", { limit: 1000 })).length, stored, "still readable");
  assertEquals(await readAll(store, "alice", 1), bodyOf(100_000));
  say(`stored ${stored}`);
}

/** The paths of all files under `folder` but the database's, sorted. */
export function filesOf(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    if (isDirectory) return filesOf(path);
    return name.startsWith("sealpost.") ? [] : [path];
  }).sort();
}

if (import.meta.main) {
  const [what, folder = ""] = Deno.args;
  if (what === "work") await work(folder);
  else if (what === "hold") await hold(folder);
  else if (what === "fill") await fill(folder);
  else if (what === "refuse") await refuse(folder);
  else throw new Error("unknown");
}
