import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { makeBackup } from "../../../server/maintenance/backup.ts";
import { checkDatabaseStore } from "../../../server/maintenance/database_check.ts";
import { checkStore } from "../../../server/maintenance/fsck.ts";
import { restoreBackup } from "../../../server/maintenance/restore.ts";
import { readSnapshot } from "../../../server/maintenance/snapshot.ts";
import type { DatabaseStore } from "../../../server/maintenance/which_store.ts";
import { openPostgresStore } from "../../../server/store/postgres/postgres_store.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import { inFolder } from "../../support/command.ts";
import { contentOf, fill, sendThrough, using } from "../../support/filled_store.ts";
import { sampleOf } from "../../support/full.ts";
import { type Cluster, NO_POSTGRES, sharedCluster } from "../../support/postgres.ts";
import { testUnless } from "../../support/testing.ts";
import { assertCode } from "../store/store_contract.ts";

const usual = { force: false, newEpochs: false };

interface Place {
  readonly cluster: Cluster;
  /** The name of a database with a store. */
  readonly name: string;
  readonly database: DatabaseStore;
  /** A server's folder, in which nothing is. */
  readonly dir: string;
  readonly into: string;
}

/** Declares a test with a database that has a store with mail from alice to bob. */
function testWithDatabase(name: string, test: (place: Place) => Promise<void>): void {
  testUnless(NO_POSTGRES, name, () =>
    inFolder(async (folder) => {
      const cluster = await sharedCluster();
      const database = await cluster.makeStore();
      const options = { ...cluster.options(database), patience: 0 };
      await fill(await openPostgresStore(options));
      const dir = join(folder, "server");
      await Deno.mkdir(dir, { mode: 0o700 });
      try {
        const store = { name: cluster.address(database), options };
        await test({
          cluster,
          name: database,
          database: store,
          dir,
          into: join(folder, "backups"),
        });
      } finally {
        await cluster.removeDatabase(database);
      }
    }));
}

async function makeEmpty(cluster: Cluster) {
  const name = await cluster.makeDatabase();
  const options = { ...cluster.options(name), patience: 0 };
  return { name, database: { name: cluster.address(name), options } };
}

testWithDatabase("a store that was only ever used by servers is clean", async ({ database }) => {
  const report = await checkDatabaseStore(database);
  assertEquals(report.findings, []);
  assertEquals([report.running, report.store], [false, database.name]);
  assertEquals([report.accounts, report.messages, report.entries, report.bodies], [2, 6, 11, 2]);
  await using(await openPostgresStore(database.options), async () => {
    assertEquals((await checkDatabaseStore(database)).running, true);
    await assertCode("busy", () => checkDatabaseStore(database, { repair: true }));
  });
});

const DAMAGE: readonly (readonly [kind: string, sql: string])[] = [
  ["counter", "UPDATE account SET bytes = bytes + 1 WHERE name = 'bob'"],
  ["counter", "UPDATE folder SET unseen = unseen + 1 WHERE folder = 0 AND account_id = 1"],
  ["next-uid", "UPDATE account SET next_uid = 2 WHERE name = 'bob'"],
  ["entry", "UPDATE entry SET bytes = bytes + 1 WHERE uid = 2"],
  ["message", "UPDATE message SET header = substr(header, 1, 40) WHERE id = 1"],
  ["message", "DELETE FROM entry WHERE message_id = 2"],
  ["delivered", "DELETE FROM delivered_id WHERE at > (SELECT min(at) FROM delivered_id)"],
  ["account", "UPDATE account SET bundle = substr(bundle, 1, 100) WHERE name = 'bob'"],
  ["account", "DELETE FROM folder WHERE folder = 3 AND account_id = 1"],
  ["account", "INSERT INTO login (name, value) VALUES ('bob', 'plain')"],
  ["key-log", "UPDATE key_log SET name = 'carol' WHERE number = 1"],
  ["body", "DELETE FROM body_chunk WHERE start > 0"],
  ["body", "UPDATE body SET state = 'gone' WHERE state = 'taken'"],
  ["schema", "DROP INDEX entry_modseq"],
  ["schema", "ALTER TABLE message DROP CONSTRAINT message_body_id_key"],
];

testWithDatabase("every kind of damage is found, and counters are repaired", async (place) => {
  const { cluster, name, database, dir, into } = place;
  await makeBackup({ dir, into, keys: false, keep: 9, database });
  for (const [kind, sql] of sampleOf(DAMAGE, 5)) {
    await cluster.within(name, (pool) => pool.run(sql));
    const { findings, damaged } = await checkDatabaseStore(database);
    const kinds = findings.filter(({ severity }) => severity === "damage").map(({ kind }) => kind);
    assert(kinds.includes(kind as typeof kinds[number]) && damaged > 0, `${sql}: ${kinds}`);
    const report = await checkDatabaseStore(database, { repair: true });
    const repairs = kind === "counter" || kind === "next-uid";
    if (repairs) assert(report.findings.some(({ repaired }) => repaired), sql);
    const after = await checkDatabaseStore(database);
    assertEquals(after.findings.some((found) => found.kind === kind), !repairs, sql);
    // Users stay as they are.
    await cluster.within(name, (pool) => pool.run("DELETE FROM login"));
    await restoreBackup({ from: into, dir, ...usual, force: true, database });
    assertEquals((await checkDatabaseStore(database)).findings, [], sql);
  }
});

testWithDatabase(
  "a backup can be restored to a folder, to a database, and from one to the other",
  async (place) => {
    const { cluster, database, dir, into } = place;
    const before = await contentOf(await openPostgresStore(database.options));
    const { manifest, snapshot } = await makeBackup({ dir, into, keys: false, keep: 9, database });
    assertEquals([manifest.messages, manifest.entries, manifest.bodies], [6, 11, 2]);
    assertEquals([manifest.damaged, manifest.keys], [0, false]);
    assert((await readSnapshot(into, snapshot)).sums.size === 3);
    const again = await makeBackup({ dir, into, keys: false, keep: 9, database });
    assertEquals([again.added, again.manifest.bodies], [0, 2]);

    const folder = join(dir, "..", "folder");
    await restoreBackup({ from: into, dir: folder, ...usual });
    const inFolder = await contentOf(await openSqliteStore(join(folder, "mail")));
    assertEquals(inFolder.content, before.content);
    assertEquals((await checkStore(join(folder, "mail"))).findings, []);

    const second = join(dir, "..", "second");
    await makeBackup({ dir: folder, into: second, keys: false, keep: 9 });
    const other = await makeEmpty(cluster);
    const report = await restoreBackup({
      from: second,
      dir,
      ...usual,
      database: other.database,
    });
    assertEquals([report.check.findings, report.aside, report.renewed], [[], null, []]);
    const last = await contentOf(await openPostgresStore(other.database.options));
    assertEquals(last.content, before.content);
    assertEquals(
      last.accounts.map(({ fp, epoch }) => [fp, epoch]),
      before.accounts.map(
        ({ fp, epoch }) => [fp, epoch],
      ),
    );
    // Each restore begins a generation, which is all that comes to the log.
    assertEquals(last.log.records.slice(0, -2), before.log.records);
    // UIDs go on above all that were given.
    for (const { nextUid } of last.accounts) assert(nextUid > 1_600_000_000_000);
    const sent = await using(
      await openPostgresStore(other.database.options),
      (store) => sendThrough(store, 400_000),
    );
    assert(sent.uid > 1_600_000_000_000);
    assertEquals((await checkDatabaseStore(other.database)).findings, []);
  },
);

testWithDatabase(
  "a store in a database is replaced only with force, kept aside, and not while it is used",
  async (place) => {
    const { cluster, name, database, dir, into } = place;
    await makeBackup({ dir, into, keys: false, keep: 9, database });
    await using(await openPostgresStore(database.options), async (store) => {
      await sendThrough(store, 310_000);
      await assertCode(
        "busy",
        () => restoreBackup({ from: into, dir, ...usual, force: true, database }),
      );
    });
    await assertCode("file-exists", () => restoreBackup({ from: into, dir, ...usual, database }));
    const before = await contentOf(await openPostgresStore(database.options));
    const { aside } = await restoreBackup({ from: into, dir, ...usual, force: true, database });
    assertMatch(aside ?? "", /^the schema sealpost_before_\d{8}t\d{9}z of the database$/);
    const schema = aside?.split(" ")[2] ?? "";
    assertEquals(
      (await contentOf(await openPostgresStore({ ...database.options, schema }))).content,
      before.content,
    );
    const after = await contentOf(await openPostgresStore(database.options));
    assertEquals(after.content.length, before.content.length - 2);
    // The mailboxes go on above those that are aside, with the same epochs.
    for (const [i, account] of after.accounts.entries()) {
      assert(account.nextUid > (before.accounts[i]?.nextUid ?? 0));
      assertEquals(account.epoch, before.accounts[i]?.epoch);
    }
    assertEquals([...Deno.readDirSync(dir)], []);
    await cluster.within(name, (pool) => pool.run(`DROP SCHEMA ${schema} CASCADE`));
  },
);

testWithDatabase(
  "a mailbox that was made anew since the backup gets another epoch",
  async (place) => {
    const { cluster, name, database, dir, into } = place;
    await makeBackup({ dir, into, keys: false, keep: 9, database });
    await cluster.within(
      name,
      (pool) => pool.run("UPDATE account SET epoch = '\\x0102030405060708' WHERE name = 'bob'"),
    );
    const { renewed } = await restoreBackup({ from: into, dir, ...usual, force: true, database });
    assertEquals(renewed, ["bob"]);
    const accounts = (await contentOf(await openPostgresStore(database.options))).accounts;
    assertNotEquals(accounts[1]?.epoch, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
  },
);

testWithDatabase("a backup while servers write is of one moment", async (place) => {
  const { database, dir, into } = place;
  const store = await openPostgresStore({ ...database.options, patience: 10_000 });
  let stop = false;
  const writing = (async () => {
    for (let i = 0; !stop; i++) {
      const { uid } = await sendThrough(store, i % 5 === 0 ? 300_000 : 50);
      if (i % 3 === 0) await store.remove("bob", [uid]);
      else await store.flag("bob", [uid], { set: ["seen"], clear: [], folder: "archive" });
    }
  })();
  try {
    for (let i = 0; i < 3; i++) {
      const { manifest, damage } = await makeBackup({ dir, into, keys: false, keep: 9, database });
      assertEquals([manifest.damaged, damage], [0, []]);
    }
  } finally {
    stop = true;
    await writing;
    await store.close();
  }
  const folder = join(dir, "..", "folder");
  assertEquals((await restoreBackup({ from: into, dir: folder, ...usual })).check.findings, []);
});

testWithDatabase("users go with the keys, and come back where there are none", async (place) => {
  const { cluster, database, dir, into } = place;
  const hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" +
    "dGhpcyBpcyBubyBoYXNoIGF0IGFsbCAuLi4uLi4uLi4";
  await using(await openPostgresStore(database.options), async (store) => {
    await store.changeLogins(() => new Map([["bob", hash]]));
  });
  for (const name of ["server_private.pem", "server_public.pem"]) {
    await Deno.writeTextFile(join(dir, name), `the key file ${name}`, { mode: 0o600 });
  }
  await Deno.writeTextFile(join(dir, "user_pass.json"), `{"old": "${hash}"}`, { mode: 0o600 });
  const without = await makeBackup({ dir, into, keys: false, keep: 9, database });
  const names = ({ snapshot }: typeof without) =>
    [...Deno.readDirSync(join(into, snapshot))].map(({ name }) => name);
  assert(!names(without).includes("user_pass.json"));
  const { snapshot } = await makeBackup({ dir, into, keys: true, keep: 9, database });
  const file = join(into, snapshot, "user_pass.json");
  assertEquals(JSON.parse(await Deno.readTextFile(file)), { bob: hash });
  assertEquals(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);

  const folder = join(dir, "..", "folder");
  await restoreBackup({ from: into, dir: folder, ...usual });
  assertEquals(
    JSON.parse(await Deno.readTextFile(join(folder, "user_pass.json"))),
    { bob: hash },
  );
  const other = await makeEmpty(cluster);
  const empty = join(dir, "..", "empty");
  const report = await restoreBackup({
    from: into,
    dir: empty,
    ...usual,
    database: other.database,
  });
  assertEquals(report.files, ["server_private.pem", "server_public.pem"]);
  const logins = await cluster.within(other.name, (pool) => pool.query("SELECT * FROM login"));
  assertEquals(logins.map(({ name, value }) => [name, value]), [["bob", hash]]);
});
