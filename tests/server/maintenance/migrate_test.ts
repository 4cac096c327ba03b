import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { exitCodeFor } from "../../../cli/exit_codes.ts";
import { checkDatabaseStore } from "../../../server/maintenance/database_check.ts";
import { migrateToDatabase, migrateToFolder } from "../../../server/maintenance/migrate.ts";
import { openPostgresStore } from "../../../server/store/postgres/postgres_store.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import { inFolder } from "../../support/command.ts";
import {
  contentOf,
  fillStore,
  sendMany,
  sendThrough,
  tamper,
  using,
} from "../../support/filled_store.ts";
import { type Cluster, NO_POSTGRES, sharedCluster } from "../../support/postgres.ts";
import { FROM_SOURCE, Program, run } from "../../support/program.ts";
import { testInFullUnless } from "../../support/full.ts";
import { testUnless } from "../../support/testing.ts";
import { waitFor } from "../../support/wait.ts";
import { assertCode } from "../store/store_contract.ts";

const HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" +
  "dGhpcyBpcyBubyBoYXNoIGF0IGFsbCAuLi4uLi4uLi4";

interface Place {
  readonly cluster: Cluster;
  readonly name: string;
  readonly database: Parameters<typeof migrateToDatabase>[0]["database"];
  readonly folder: string;
  readonly dir: string;
  readonly mail: string;
}

/** Declares a test with a server's folder that has mail, and an empty database. */
function testMigration(
  name: string,
  test: (place: Place) => Promise<void>,
  declare = testUnless,
): void {
  declare(NO_POSTGRES, name, () =>
    inFolder(async (folder) => {
      const cluster = await sharedCluster();
      const name = await cluster.makeDatabase();
      const dir = join(folder, "server");
      const mail = join(dir, "mail");
      await fillStore(mail);
      await Deno.writeTextFile(join(dir, "user_pass.json"), `{"bob": "${HASH}"}`, { mode: 0o600 });
      await Deno.writeTextFile(join(dir, "store.password"), cluster.password, { mode: 0o600 });
      const options = { ...cluster.options(name), patience: 0 };
      try {
        const database = { name: cluster.address(name), options };
        await test({ cluster, name, database, folder, dir, mail });
      } finally {
        await cluster.removeDatabase(name);
      }
    }));
}

testMigration("a store goes to a database and back, and is the same each time", async (place) => {
  const { cluster, name, database, folder, dir, mail } = place;
  const before = await contentOf(await openSqliteStore(mail));
  await using(await openSqliteStore(mail), async (store) => {
    await store.seeMachine("bob", { id: new Uint8Array(8), at: 5, source: "here" }, 3);
    await store.putSharedRecord("bob", 0, new Uint8Array(10));
    await store.putKit("alice", { id: new Uint8Array(16), at: 9, sealed: new Uint8Array(20) });
    await store.unbindKey("alice", { mayReturn: true });
  });
  const there = await migrateToDatabase({ dir, database, verify: true });
  assertEquals([there.check.findings, there.resumed, there.users], [[], 0, 1]);
  assertEquals([there.check.messages, there.check.entries, there.compared?.bodies], [6, 11, 2]);
  const after = await contentOf(await openPostgresStore(database.options));
  assertEquals([after.content, after.changes], [before.content, before.changes]);
  assertEquals(after.log.records.slice(0, -1), before.log.records);
  assertEquals((await checkDatabaseStore(database)).findings, []);
  const logins = await cluster.within(name, (pool) => pool.query("SELECT * FROM login"));
  assertEquals(logins.map(({ name, value }) => [name, value]), [["bob", HASH]]);

  // What was there counts on.
  const sent = await using(await openPostgresStore(database.options), async (store) => {
    await store.ensureAccounts(["carol"]);
    return await sendThrough(store, 400_000);
  });
  assertEquals(sent.uid, 8);

  const other = join(folder, "other");
  await Deno.mkdir(other);
  await Deno.writeTextFile(join(other, "user_pass.json"), "{}", { mode: 0o600 });
  const back = await migrateToFolder({ dir: other, database, verify: true });
  assertEquals([back.check.findings, back.check.messages, back.check.accounts], [[], 7, 3]);
  assertMatch(back.formerUsers ?? "", /^user_pass\.json\.before-\d{8}T\d{9}Z$/);
  assertEquals(
    JSON.parse(await Deno.readTextFile(join(other, "user_pass.json"))),
    { bob: HASH },
  );
  const names = [...Deno.readDirSync(other)].map(({ name }) => name).sort();
  assertEquals(names, ["mail", "user_pass.json", back.formerUsers]);
  const [here, away] = [
    await contentOf(await openSqliteStore(join(other, "mail"))),
    await contentOf(await openPostgresStore(database.options)),
  ];
  assertEquals(here.accounts, away.accounts);
  assertEquals([here.log, here.changes], [away.log, away.changes]);
  assertEquals(here.content.map(({ entry }) => entry), away.content.map(({ entry }) => entry));
  assertEquals(here.content, away.content);
  await using(await openSqliteStore(join(other, "mail")), async (store) => {
    assertEquals((await store.machines("bob")).length, 1);
    assertEquals((await store.sharedRecord("bob")).version, 1);
    assertEquals((await store.kitState("alice"))?.at, 9);
    assertEquals((await sendThrough(store, 10)).uid, 9);
  });
});

testMigration(
  "nothing is moved while somebody uses it, or over a store that is there",
  async (place) => {
    const { database, folder, dir, mail } = place;
    const [away, back] = [{ dir, database, verify: false }, {
      dir: join(folder, "other"),
      database,
      verify: false,
    }];
    await using(await openSqliteStore(mail), async () => {
      await assertCode("busy", () => migrateToDatabase(away));
    });
    await migrateToDatabase(away);
    await assertCode("file-exists", () => migrateToDatabase(away));
    await using(await openPostgresStore(database.options), async () => {
      await assertCode("busy", () => migrateToDatabase(away));
      await assertCode("busy", () => migrateToFolder(back));
    });
    await assertCode("file-exists", () => migrateToFolder(away));
    await assertCode("file-missing", () => migrateToDatabase(back));
  },
);

testMigration("a damaged store is not moved, and nothing is there then", async (place) => {
  const { database, folder, dir, mail } = place;
  tamper(mail, "UPDATE account SET bytes = bytes + 1");
  await assertCode("format", () => migrateToDatabase({ dir, database, verify: false }));
  await assertCode("config", () => openPostgresStore(database.options));
  tamper(mail, "UPDATE account SET bytes = bytes - 1");
  await migrateToDatabase({ dir, database, verify: false });
  const pool = place.cluster.within(
    place.name,
    (pool) => pool.run("UPDATE account SET bytes = bytes + 1"),
  );
  await pool;
  const other = join(folder, "other");
  await assertCode("format", () => migrateToFolder({ dir: other, database, verify: false }));
  assert(![...Deno.readDirSync(other)].some(({ name }) => name === "mail"));
});

testMigration("a difference between the two is found", async (place) => {
  const { cluster, name, database, dir, mail } = place;
  // As a disk may do it between the two: the copy is altered while it is compared.
  await cluster.within(name, async (pool) => {
    await pool.run(`CREATE FUNCTION public.spoil() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN NEW.changed_at = NEW.changed_at + 1; RETURN NEW; END $$`);
    await pool.run(`CREATE FUNCTION public.spoiling() RETURNS event_trigger LANGUAGE plpgsql AS $$
      BEGIN IF to_regclass('sealpost_incoming.entry') IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM pg_trigger WHERE tgname = 'spoil') THEN
        CREATE TRIGGER spoil BEFORE INSERT ON sealpost_incoming.entry
          FOR EACH ROW EXECUTE FUNCTION public.spoil();
      END IF; END $$`);
    await pool.run(`CREATE EVENT TRIGGER spoiling ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
      EXECUTE FUNCTION public.spoiling()`);
  });
  await assertCode("format", () => migrateToDatabase({ dir, database, verify: true }));
  await assertCode("config", () => openPostgresStore(database.options));
  assertEquals((await contentOf(await openSqliteStore(mail))).content.length, 11);
});

/** How large a database is, as others see it who may not use it, bytes. */
async function sizeOf(cluster: Cluster, name: string): Promise<number> {
  return await cluster.within("postgres", async (pool) => {
    const [row] = await pool.query("SELECT pg_database_size($1) AS n", [name]);
    return Number(row?.["n"]);
  });
}

testMigration("a migration that was killed goes on where it ended, both ways", async (place) => {
  const { cluster, name, database, folder, dir, mail } = place;
  await using(await openSqliteStore(mail), (store) => sendMany(store, 6000));
  const before = await contentOf(await openSqliteStore(mail));
  const args = ["store", "migrate", "--store-password-file", "store.password", "--json"];
  const away = [...args, "--from", "server", "--to", database.name];
  const start = (args: readonly string[]) =>
    Program.start(args, { cwd: folder, build: FROM_SOURCE });
  {
    const empty = await sizeOf(cluster, name);
    const killed = start(away);
    await waitFor("some rows", async () => await sizeOf(cluster, name) > empty + 6e6 || null);
    killed.kill("SIGKILL");
    await killed.finish();
  }
  const there = await run([...away, "--verify"], { cwd: folder });
  assertEquals(there.code, 0, there.stderr);
  const report = JSON.parse(there.stdout);
  assert(report.resumed > 0 && report.check.messages === 6006, there.stdout);
  assertEquals(
    (await contentOf(await openPostgresStore(database.options))).content,
    before.content,
  );

  await Deno.mkdir(join(folder, "other"));
  await Deno.copyFile(join(dir, "store.password"), join(folder, "other", "store.password"));
  const back = [...args, "--from", database.name, "--to", "other"];
  {
    const killed = start(back);
    const log = join(folder, "other", "mail.restoring", "sealpost.db-wal");
    await waitFor("some rows", async () => {
      const size = await Deno.stat(log).then(({ size }) => size, () => 0);
      return size > 2_000_000 || null;
    });
    killed.kill("SIGKILL");
    await killed.finish();
  }
  const returned = await run([...back, "--verify"], { cwd: folder });
  assertEquals(returned.code, 0, returned.stderr);
  assert(JSON.parse(returned.stdout).resumed > 0, returned.stdout);
  const last = await contentOf(await openSqliteStore(join(folder, "other", "mail")));
  assertEquals(last.content, before.content);
}, testInFullUnless);

testMigration(
  "a copy that was broken off begins anew if its store was used since",
  async (place) => {
    const { database, dir, mail } = place;
    // All rows are there when the damage is found.
    tamper(mail, "UPDATE account SET bytes = bytes + 1");
    await assertCode("format", () => migrateToDatabase({ dir, database, verify: false }));
    tamper(mail, "UPDATE account SET bytes = bytes - 1");
    await using(await openSqliteStore(mail), (store) => sendThrough(store, 10));
    const { resumed, check } = await migrateToDatabase({ dir, database, verify: true });
    assertEquals([resumed, check.messages], [0, 7]);
  },
);

testMigration(
  "the command refuses what makes no sense, and a password in an address",
  async (place) => {
    const { cluster, database, folder } = place;
    const migrate = (...args: readonly string[]) =>
      run(["store", "migrate", ...args], { cwd: folder });
    for (
      const args of [
        ["--from", "server"],
        ["--from", "server", "--to", "other"],
        ["--from", database.name, "--to", database.name],
        ["--from", "server", "--to", database.name.replace("@", `:${cluster.password}@`)],
      ]
    ) {
      const { code, stdout, stderr } = await migrate(...args);
      assertEquals([code, stdout], [exitCodeFor("usage"), ""], stderr);
      assertMatch(stderr, /^sealpost: [^\n]+\n$/);
      assert(!stderr.includes(cluster.password));
    }
    // As `deno task backup` runs it, for which a server's folder is enough.
    const task = {
      ...FROM_SOURCE,
      args: FROM_SOURCE.args.map((arg) => arg.replace(",PGAPPNAME", "")),
    };
    const args = ["backup", "into", "--dir", "server", "--store", database.name];
    const confined = await run(args, { cwd: folder, build: task });
    assertEquals(confined.code, exitCodeFor("config"));
    assertMatch(confined.stderr, /^sealpost: this task may not connect [^\n]*as:cluster\n$/);
    const said = await migrate(
      "--from",
      "server",
      "--to",
      database.name,
      "--store-password-file",
      "store.password",
    );
    assertEquals(said.code, 0, said.stderr);
    assertEquals(said.stderr, "");
    assertStringIncludes(said.stdout, "2 accounts, 6 messages, 11 entries, 2 large bodies");
    assertStringIncludes(said.stdout, `store = "${database.name}"`);
  },
);
