import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { type Bytes, concat } from "../../crypto/bytes.ts";
import { encodeBundle, type Identity } from "../../crypto/identity.ts";
import { sha256 } from "../../crypto/hash.ts";
import { DATABASE_NAME } from "../../server/store/database.ts";
import { openSqliteStore } from "../../server/store/sqlite_store.ts";
import type { Delivery, Entry, Store } from "../../server/store/store.ts";
import { newMessageId } from "../../protocol/uuid.ts";
import { identityOf } from "./identities.ts";
import { sealMessage } from "./sealed.ts";

/** What {@linkcode sendThrough} stored. */
export interface Stored {
  /** The message as it was before it was sealed. */
  readonly message: Bytes;
  readonly header: Bytes;
  readonly body: Bytes;
  /** Its UID in the recipient's inbox. */
  readonly uid: number;
}

/** A delivery of a message of `size` bytes, really sealed, from alice to bob with a Sent copy. */
export async function realDelivery(
  store: Store,
  size: number,
): Promise<{ readonly delivery: Delivery; readonly message: Bytes; readonly body: Bytes }> {
  const [alice, bob] = await Promise.all([identityOf("alice"), identityOf("bob")]);
  const message = new Uint8Array(size).map((_, i) => 32 + (i * 7 + size) % 90);
  const parts = await sealMessage(alice, [bob.bundle], message);
  const body = concat(...parts.chunks);
  const sink = await store.openBody(body.length);
  await sink.write(body);
  const [toBob, own] = parts.stanzas;
  if (!toBob || !own) throw new Error("no stanzas");
  const delivery: Delivery = {
    senderFp: alice.bundle.fp,
    messageId: parts.header.slice(1, 17),
    digest: await sha256(parts.header, parts.summary, body),
    header: parts.header,
    summary: parts.summary,
    body: await sink.finish(),
    copies: [
      { account: "bob", folder: "inbox", flags: [], stanza: toBob, note: null },
      { account: "alice", folder: "sent", flags: ["seen"], stanza: own, note: parts.note },
    ],
    receivedAt: Date.now(),
  };
  return { delivery, message, body };
}

/** Stores a message of `size` bytes. */
export async function sendThrough(store: Store, size: number): Promise<Stored> {
  const { delivery, message, body } = await realDelivery(store, size);
  const outcome = await store.deliver(delivery);
  if (outcome.kind !== "stored") throw new Error(outcome.kind);
  const uid = outcome.placed.find(({ account }) => account === "bob")?.uid ?? 0;
  return { message, header: delivery.header, body, uid };
}

/**
 * Stores `count` small messages from alice to bob. Each is laid out as a real one, but for the id in its
 * header, under which nobody has sealed it.
 */
export async function sendMany(store: Store, count: number): Promise<void> {
  const { delivery } = await realDelivery(store, 10);
  const WAVE = 500;
  for (let done = 0; done < count; done += WAVE) {
    const wave = Array.from({ length: Math.min(WAVE, count - done) }, async () => {
      const messageId = newMessageId();
      const header = concat(
        delivery.header.slice(0, 1),
        messageId,
        delivery.header.slice(1 + messageId.length),
      );
      const digest = await sha256(header);
      return await store.deliver({ ...delivery, messageId, header, digest });
    });
    for (const { kind } of await Promise.all(wave)) if (kind !== "stored") throw new Error(kind);
  }
}

/** Gives alice and bob accounts and binds their keys. */
export async function bindPeople(store: Store): Promise<void> {
  await store.ensureAccounts(["alice", "bob"]);
  for (const name of ["alice", "bob"]) {
    const { bundle }: Identity = await identityOf(name);
    await store.bindKey(name, bundle.fp, encodeBundle(bundle), Date.now());
  }
}

/** Sizes of messages of which some have their bodies in files. */
const SIZES = [10, 3000, 400_000, 70_000, 900_000, 100, 300_000];

/** Makes a store in `folder` with mail from alice to bob, some of it read, moved and removed. */
export async function fillStore(folder: string): Promise<Stored[]> {
  return await fill(await openSqliteStore(folder));
}

/** Fills an empty store with mail as {@linkcode fillStore} does, and closes it. */
export async function fill(store: Store): Promise<Stored[]> {
  await bindPeople(store);
  const stored: Stored[] = [];
  for (const size of SIZES) stored.push(await sendThrough(store, size));
  await store.flag("bob", [1, 2], { set: ["seen"], clear: [] });
  await store.flag("bob", [3], { set: [], clear: [], folder: "archive" });
  await store.remove("bob", [7]);
  await store.remove("alice", [7, 1]);
  await store.close();
  return stored.slice(0, 6);
}

/** Uses a store, and closes it. */
export async function using<S extends Store, T>(
  store: S,
  use: (store: S) => Promise<T>,
): Promise<T> {
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** All that a store says of two mailboxes and the key log, bodies included. */
export async function contentOf(store: Store) {
  return await using(store, async (store) => {
    const content: { name: string; entry: Entry; body: Bytes | null }[] = [];
    const changes = [];
    for (const name of ["alice", "bob"]) {
      for (const entry of await store.list(name, { limit: 100 })) {
        content.push({ name, entry, body: await bodyOf(store, name, entry.uid) });
      }
      changes.push((await store.changes(name, 0, 1, 1000).catch(() => null))?.changes);
    }
    const accounts = await store.accounts(["alice", "bob"]);
    const { first, records } = await store.logRecords(0, 100);
    return { content, changes, accounts, log: { first, records } };
  });
}

async function bodyOf(store: Store, account: string, uid: number): Promise<Bytes | null> {
  const pieces = await store.readBody(account, uid);
  return pieces === null ? null : concat(...await Array.fromAsync(pieces));
}

/** Runs `sql` on the database of the store in `folder`, without what keeps it consistent. */
export function tamper(folder: string, sql: string): void {
  const db = new DatabaseSync(join(folder, DATABASE_NAME));
  db.exec(`PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; ${sql}`);
  db.close();
}

/** Copies a folder with all that is in it. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true, mode: 0o700 });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}

/** The paths of all files in `folder`, sorted. */
export function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    return isDirectory ? filesIn(path) : [path];
  }).sort();
}
