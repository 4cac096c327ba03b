import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { type Bytes, concat } from "../../crypto/bytes.ts";
import { encodeBundle, type Identity } from "../../crypto/identity.ts";
import { sha256 } from "../../crypto/hash.ts";
import { DATABASE_NAME } from "../../server/store/database.ts";
import { openSqliteStore } from "../../server/store/sqlite_store.ts";
import type { Delivery, Store } from "../../server/store/store.ts";
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
