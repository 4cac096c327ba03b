import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { type Bytes, concat, toHex, u32 } from "../../../crypto/bytes.ts";
import { checkStore } from "../../../server/maintenance/fsck.ts";
import { DATABASE_NAME } from "../../../server/store/database.ts";
import { JOURNAL_NAME } from "../../../server/store/delivery_journal.ts";
import { commitJournal } from "../../../server/store/replay.ts";
import { type Disk, SYSTEM_DISK } from "../../../server/store/disk.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import type { Copy, Delivery, Store } from "../../../server/store/store.ts";
import { inFolder } from "../../support/command.ts";
import { assertCode, bodyOf, copyFor, delivered, deliveryOf, readAll } from "./store_contract.ts";

/** Longer than any test takes, milliseconds. */
const NEVER = 2 ** 31 - 1;

/** A disk that counts what the store waits for, and can keep it waiting. */
class WatchedDisk implements Disk {
  commits = 0;
  syncs = 0;
  /** What a sync of the journal waits for. */
  held: Promise<void> = Promise.resolve();
  failsToCommit = false;

  syncFile = SYSTEM_DISK.syncFile;
  syncFolder = SYSTEM_DISK.syncFolder;

  async syncData(file: Deno.FsFile): Promise<void> {
    await this.held;
    await SYSTEM_DISK.syncData(file);
    this.syncs++;
  }

  commit(run: () => void): void {
    if (this.failsToCommit) throw Object.assign(new Error("disk I/O error"), { errcode: 1034 });
    run();
    this.commits++;
  }
}

/** Runs `test` with a store in a folder below `parent`. */
function inStore(
  test: (store: Store, folder: string, disk: WatchedDisk, parent: string) => Promise<void>,
): Promise<void> {
  return inFolder(async (parent) => {
    const folder = join(parent, "mail");
    const disk = new WatchedDisk();
    const store = await openSqliteStore(folder, { disk, commitAfter: NEVER });
    try {
      await store.ensureAccounts(["alice", "bob"]);
      disk.commits = 0;
      await test(store, folder, disk, parent);
    } finally {
      await store.close();
    }
  });
}

/** The files of a store as a crash at this moment would leave them. */
async function crashed(folder: string, to: string): Promise<string> {
  await Deno.mkdir(to);
  for (const suffix of [DATABASE_NAME, `${DATABASE_NAME}-wal`, JOURNAL_NAME]) {
    await Deno.copyFile(join(folder, suffix), join(to, suffix)).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  return to;
}

/** Opens the store in `folder`, and closes it after `look`. */
async function reopened<T>(folder: string, look: (store: Store) => Promise<T>): Promise<T> {
  const store = await openSqliteStore(folder);
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}

const uidsOf = async (store: Store) =>
  (await store.list("alice", { limit: 1000, ascending: true })).map(({ uid }) => uid);

/** Every row of a closed store. The journal's generation is random, and no promise. */
function rowsOf(folder: string): unknown {
  using db = new DatabaseSync(join(folder, DATABASE_NAME), { readOnly: true });
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all()
    .map(({ name }) => String(name)).filter((name) => name !== "journal");
  return tables.map((name) => [
    name,
    db.prepare(`SELECT * FROM "${name}"`).all().map((row) =>
      Object.entries(row).map(([key, value]) =>
        `${key}=${value instanceof Uint8Array ? toHex(value) : value}`
      )
    ),
  ]);
}

Deno.test("deliveries at the same moment share one sync, and are committed with the next other write", () =>
  inStore(async (store, folder, disk) => {
    const deliveries = await Promise.all(
      Array.from({ length: 64 }, () => deliveryOf(store, { body: bodyOf(100) })),
    );
    await Promise.all(deliveries.map((delivery) => store.deliver(delivery)));
    assertEquals([disk.syncs, disk.commits], [1, 0]);
    assertEquals((await checkStore(folder)).journaled, 64);
    await store.flag("alice", [1], { set: ["seen"], clear: [] });
    assertEquals([disk.syncs, disk.commits], [1, 1]);
    assertEquals((await checkStore(folder)).journaled, 0);
  }));

Deno.test("a delivery is neither acknowledged nor seen before it is safe", () =>
  inStore(async (store, _, disk) => {
    let release = () => {};
    disk.held = new Promise((resolve) => release = resolve);
    let acknowledged = false;
    const delivering = delivered(store).then((placed) => {
      acknowledged = true;
      assertEquals(disk.syncs, 1);
      return placed;
    });
    for (let i = 0; i < 50; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      assert(!acknowledged);
      assertEquals(await uidsOf(store), []);
    }
    release();
    assertEquals((await delivering).map(({ uid }) => uid), [1]);
    assertEquals(await uidsOf(store), [1]);
  }));

Deno.test("after a crash the journal gives back every whole record before the first that is not", () =>
  inStore(async (store, folder, _disk, parent) => {
    const ends: number[] = [];
    for (let i = 0; i < 4; i++) {
      await delivered(store, { body: bodyOf(1000, i) });
      ends.push(Deno.statSync(join(folder, JOURNAL_NAME)).size);
    }
    const whole = await Deno.readFile(join(folder, JOURNAL_NAME));
    const [first = 0, second = 0, third = 0, fourth = 0] = ends;
    let n = 0;
    const after = async (bytes: Bytes, expected: readonly number[]) => {
      const copy = await crashed(folder, join(parent, `crash ${n++}`));
      await Deno.writeFile(join(copy, JOURNAL_NAME), bytes);
      assertEquals((await checkStore(copy)).journaled, expected.length);
      await reopened(copy, async (store) => {
        assertEquals(await uidsOf(store), expected);
        for (const uid of expected) {
          assertEquals(await readAll(store, "alice", uid), bodyOf(1000, uid - 1));
        }
        const next = await delivered(store, { body: bodyOf(7) });
        assertEquals(next.map(({ uid }) => uid), [expected.length + 1]);
      });
      // What stood in the journal behind the tail has not come back either.
      await reopened(copy, async (store) => {
        assertEquals((await uidsOf(store)).length, expected.length + 1);
      });
      const kinds = new Set((await checkStore(copy)).findings.map(({ kind }) => kind));
      for (const kind of ["database", "counter", "next-uid", "journal"] as const) {
        assert(!kinds.has(kind), kind);
      }
    };
    await after(whole, [1, 2, 3, 4]);
    await after(whole.slice(0, fourth - 1), [1, 2, 3]);
    await after(whole.slice(0, third + 5), [1, 2, 3]);
    await after(whole.slice(0, third), [1, 2, 3]);
    for (const at of [first, first + 4, first + 8, first + 300, second - 1]) {
      const altered = whole.slice();
      altered[at] = (altered[at] ?? 0) ^ 1;
      await after(altered, [1]);
    }
    await after(new Uint8Array(0), []);
    await after(new Uint8Array(5000), []);
  }));

Deno.test("what the database has is not taken from the journal again", () =>
  inStore(async (store, folder, disk, parent) => {
    for (let i = 0; i < 3; i++) await delivered(store);
    const before = await Deno.readFile(join(folder, JOURNAL_NAME));
    // Commits the rows: a crash may come before the journal is written from its start.
    await store.flag("alice", [2], { set: [], clear: [], folder: "trash" });
    await store.remove("alice", [1]);
    assertEquals(disk.commits, 2);
    const copy = await crashed(folder, join(parent, "crash"));
    await Deno.writeFile(join(copy, JOURNAL_NAME), before);
    assertEquals((await checkStore(copy)).journaled, 0);
    await reopened(copy, async (store) => assertEquals(await uidsOf(store), [2, 3]));
    // A short record of the next generation leaves longer ones of the last behind it.
    await delivered(store, { body: bodyOf(1), summary: new Uint8Array(1) });
    const longer = await crashed(folder, join(parent, "longer"));
    assert(Deno.statSync(join(longer, JOURNAL_NAME)).size >= before.length);
    await reopened(longer, async (store) => assertEquals(await uidsOf(store), [2, 3, 4]));
  }));

Deno.test("rows made again from the journal are those that a crash took, down to the last byte", () =>
  inStore(async (store, folder, _disk, parent) => {
    const below = (n: number) => Math.floor(Math.random() * n);
    const folders = ["inbox", "sent", "archive", "drafts"] as const;
    const copies = (): Copy[] =>
      Array.from({ length: 1 + below(3) }, (_, i) => ({
        ...copyFor(i === 1 ? "bob" : "alice"),
        folder: below(3) === 0 ? 100 + below(40) : folders[below(folders.length)] ?? "inbox",
        flags: below(2) === 0 ? [] : ["seen", below(50)],
        note: below(3) === 0 ? bodyOf(below(300)) : null,
        ...(below(3) === 0 ? { date: 1_700_000_000_000 + below(1e9) } : {}),
      }));
    const outcomes: string[] = [];
    let before: Delivery | null = null;
    for (let round = 0; round < 120; round++) {
      const delivery: Delivery = {
        ...await deliveryOf(store, { body: bodyOf(below(3000), round), copies: copies() }),
        // Later than any folder so far: the validity of the next one follows from it.
        receivedAt: 1_900_000_000_000 + round * 1e6 + below(1e6),
        ...(below(5) === 0 ? { quota: 100_000 } : {}),
      };
      // The same once more, and another under its id.
      const what = before === null ? 9 : below(10);
      const next: Delivery = what === 0
        ? { ...delivery, messageId: before?.messageId ?? delivery.messageId }
        : what === 1 && before !== null
        ? { ...delivery, messageId: before.messageId, digest: before.digest }
        : what === 2
        ? { ...delivery, copies: [...delivery.copies, copyFor("nobody")] }
        : delivery;
      before = next;
      outcomes.push(
        await store.deliver(next).then(({ kind }) => kind, (error) => String(error.code)),
      );
    }
    const kinds = ["already", "conflict", "no-such-user", "quota", "stored"];
    assertEquals([...new Set(outcomes)].sort(), kinds);
    assertNotEquals((await checkStore(folder)).journaled, 0);
    const copy = await crashed(folder, join(parent, "crash"));
    await store.close();
    await reopened(copy, () => Promise.resolve());
    assertEquals(rowsOf(copy), rowsOf(folder));
  }));

Deno.test("rows lost with a transaction come back at once, and a commit that failed ends the journal", () =>
  inStore(async (store, folder, disk, parent) => {
    const uids: number[] = [];
    for (let i = 0; i < 3; i++) uids.push(...(await delivered(store)).map(({ uid }) => uid));
    disk.failsToCommit = true;
    await assertCode("file-io", () => store.flag("alice", [1], { set: ["seen"], clear: [] }));
    assertEquals(await uidsOf(store), uids);
    // What failed could come back in a crash, and bring a place in the mailbox with it: nothing is
    // acknowledged on top of it.
    await assertCode("file-io", () => delivered(store));
    assertEquals(await uidsOf(store), uids);
    const copy = await crashed(folder, join(parent, "crash"));
    await reopened(copy, async (store) => assertEquals(await uidsOf(store), uids));
    disk.failsToCommit = false;
    const { syncs } = disk;
    assertEquals((await delivered(store)).map(({ uid }) => uid), [4]);
    assertEquals([disk.syncs, disk.commits], [syncs, 1]);
    await delivered(store);
    assertEquals([disk.syncs, disk.commits], [syncs + 1, 1]);
  }));

Deno.test("many deliveries share a commit, and the journal does not grow with them", () =>
  inStore(async (store, folder, disk) => {
    for (let round = 0; round < 12; round++) {
      const deliveries = await Promise.all(
        Array.from({ length: 100 }, () => deliveryOf(store, { body: bodyOf(10) })),
      );
      await Promise.all(deliveries.map((delivery) => store.deliver(delivery)));
    }
    assert(disk.commits >= 2 && disk.commits <= 4, `${disk.commits} commits`);
    assert(Deno.statSync(join(folder, JOURNAL_NAME)).size < 2_000_000);
    assertEquals((await store.usage("alice")).entries, 1200);
  }));

Deno.test("a whole record that is no delivery is damage: the store says so and keeps it", () =>
  inStore(async (store, folder, _disk, parent) => {
    await delivered(store);
    const copy = await crashed(folder, join(parent, "crash"));
    const path = join(copy, JOURNAL_NAME);
    const journal = await Deno.readFile(path);
    const generation = journal.slice(8, 16);
    const marked = concat(generation, bodyOf(100));
    const record = concat(u32(100), u32(crc32(marked)), marked);
    await Deno.writeFile(path, concat(journal, record));
    const { findings, damaged } = await checkStore(copy);
    assertEquals(findings.filter(({ kind }) => kind === "journal").length, 1);
    assert(damaged > 0);
    const { message } = await assertCode("file-io", () => openSqliteStore(copy));
    assert(message.includes(path));
    const db = new DatabaseSync(join(copy, DATABASE_NAME));
    const journalNow = await Deno.readFile(path);
    const refused = await assertCode("format", async () => {
      await Promise.resolve(commitJournal(db, journalNow, copy));
    });
    db.close();
    assertEquals(refused.message, message);
    assertEquals(await Deno.readFile(path), concat(journal, record));
  }));

Deno.test("a delivery that cannot be made again stays in the journal until it can be", () =>
  inStore(async (store, folder, _disk, parent) => {
    await delivered(store);
    const copy = await crashed(folder, join(parent, "crash"));
    const journal = await Deno.readFile(join(copy, JOURNAL_NAME));
    const inDatabase = (sql: string) => {
      using db = new DatabaseSync(join(copy, DATABASE_NAME));
      db.exec(sql);
    };
    inDatabase(
      "CREATE TRIGGER fails BEFORE INSERT ON message BEGIN SELECT abs(-9223372036854775807 - 1); END",
    );
    await assertCode("internal", () => openSqliteStore(copy));
    assertEquals(await Deno.readFile(join(copy, JOURNAL_NAME)), journal);
    inDatabase("DROP TRIGGER fails");
    const again = await openSqliteStore(copy);
    assertEquals((await again.usage("alice")).entries, (await store.usage("alice")).entries);
    await again.close();
  }));
