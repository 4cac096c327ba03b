import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { random } from "../../../crypto/bytes.ts";
import { encodeBundle } from "../../../crypto/identity.ts";
import { KeyLog } from "../../../protocol/key_log.ts";
import { LogHeads } from "../../../server/accounts/log_heads.ts";
import { decodeHead, isSignedHead } from "../../../protocol/key_log.ts";
import { makeBackup } from "../../../server/maintenance/backup.ts";
import { checkStore } from "../../../server/maintenance/fsck.ts";
import { restoreBackup } from "../../../server/maintenance/restore.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import type { Store } from "../../../server/store/store.ts";
import { inFolder } from "../../support/command.ts";
import { bindPeople, tamper } from "../../support/filled_store.ts";
import { identityOf } from "../../support/identities.ts";

async function withStore<T>(folder: string, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openSqliteStore(folder);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** The whole log of a store. */
async function logOf(store: Store): Promise<KeyLog> {
  const { first, log, records } = await store.logRecords(0, 1000);
  const whole = KeyLog.begin(first).extend(records);
  assertEquals(whole.hash(whole.n), log.hash);
  assertEquals([whole.n, whole.generation], [log.n, log.generation]);
  return whole;
}

Deno.test("each change of a key is a record of the log, and what changes nothing is none", () =>
  inFolder(async (folder) => {
    const alice = (await identityOf("alice")).bundle;
    const carol = (await identityOf("carol")).bundle;
    const rotation = {
      name: "alice",
      fpOld: alice.fp,
      fpNew: carol.fp,
      bundleOld: encodeBundle(alice),
      bundleNew: encodeBundle(carol),
      seq: 1,
      certificate: random(250),
      at: Date.now(),
    };
    const bind = (store: Store) =>
      store.bindKey("alice", alice.fp, encodeBundle(alice), Date.now());
    await withStore(folder, async (store) => {
      await store.ensureAccounts(["alice", "bob"]);
      assertEquals(await store.logServerKeys([{ fp: random(32), seq: 0 }], Date.now()), 1);
      assertEquals(await bind(store), "bound");
      assertEquals(await bind(store), "same");
      assertEquals(await store.bindKey("bob", alice.fp, encodeBundle(alice), 1), "taken");
      assertEquals(await store.rotateKey({ ...rotation, seq: 2 }), "other-key");
      assertEquals(await store.rotateKey(rotation), "rotated");
      assertEquals(await store.rotateKey(rotation), "other-key");
      assertEquals(await store.unbindKey("alice", { mayReturn: true }), carol.fp);
      assertEquals(await store.unbindKey("bob", { mayReturn: false }), null);
    });
    await withStore(folder, async (store) => {
      const { records } = await logOf(store);
      assertEquals(
        records.map(({ event, name, seq }) => [event, name, seq]),
        [["server-key", "", 0], ["bound", "alice", 0], ["rotated", "alice", 1], [
          "unbound",
          "alice",
          1,
        ]],
      );
      const [server, bound, rotated, unbound] = records;
      assertEquals([bound?.fp, rotated?.fp, unbound?.fp], [alice.fp, carol.fp, carol.fp]);
      assert(server);
      assertEquals(await store.logServerKeys([server], Date.now()), 0);
      // Rotated twice before it was started again.
      const next = [{ fp: random(32), seq: 1 }, { fp: random(32), seq: 2 }];
      assertEquals(await store.logServerKeys([server, ...next], Date.now()), 2);
      assertEquals(await store.logServerKeys([server, ...next], Date.now()), 0);
      // A page begins behind the record that is named.
      const page = await store.logRecords(2, 1);
      assertEquals(page.records.map(({ index }) => index), [3]);
      const { accounts, log } = await store.accountsAndLog(["bob", "nobody"]);
      assertEquals([accounts.map((one) => one?.name), log.n], [["bob", undefined], 6]);
    });
  }));

Deno.test("times in the log and of its heads never go back, whatever the clock does", () =>
  inFolder(async (folder) => {
    await withStore(folder, async (store) => {
      const ahead = Date.now() + 3_600_000;
      await store.logServerKeys([{ fp: random(32), seq: 0 }], ahead);
      await store.logServerKeys([{ fp: random(32), seq: 0 }], Date.now());
      const { records } = await logOf(store);
      assertEquals(records.map(({ time }) => time), [ahead, ahead]);
      const server = await identityOf("server");
      const head = decodeHead(await new LogHeads(store, server).now());
      assertEquals([head.time, head.n], [ahead, 2]);
      // A record of the same moment is later than the head before it: so no two heads are of one time.
      await store.logServerKeys([{ fp: random(32), seq: 0 }], ahead);
      assertEquals((await store.logState()).time, ahead + 1);
      assert(await isSignedHead(head, server.bundle));
    });
  }));

Deno.test("fsck finds a log that was cut, altered, or says another key than the accounts", () =>
  inFolder(async (folder) => {
    await withStore(folder, bindPeople);
    assertEquals((await checkStore(folder)).findings, []);
    const broken: [string, string][] = [
      ["DELETE FROM key_log WHERE number = 2", "says another key"],
      ["UPDATE key_log SET name = 'carol' WHERE number = 1", "a changed name"],
      ["UPDATE key_log SET hash = zeroblob(32) WHERE number = 2", "a changed hash"],
      ["UPDATE key_log SET at = 1 WHERE number = 2", "a time that decreases"],
      ["UPDATE key_log SET generation = generation + 1 WHERE number = 1", "a generation"],
      ["DELETE FROM key_log", "nothing"],
      ["UPDATE account SET fp = NULL, bundle = NULL, bound_at = NULL WHERE name = 'bob'", "no key"],
    ];
    const database = join(folder, "sealpost.db");
    const whole = await Deno.readFile(database);
    for (const [sql, what] of broken) {
      tamper(folder, sql);
      const { findings } = await checkStore(folder);
      assertEquals(findings.map(({ kind, severity }) => [kind, severity]), [[
        "key-log",
        "damage",
      ]], what);
      for (const file of [`${database}-wal`, `${database}-shm`]) {
        await Deno.remove(file).catch(() => {});
      }
      await Deno.writeFile(database, whole);
    }
  }));

Deno.test("a restore goes on with the log in a generation above all that were there", () =>
  inFolder(async (folder) => {
    const dir = join(folder, "server");
    const mail = join(dir, "mail");
    const from = join(folder, "backups");
    await withStore(mail, bindPeople);
    await makeBackup({ dir, into: from, keys: false, keep: 7 });
    const before = await withStore(mail, async (store) => {
      await store.ensureAccounts(["carol"]);
      const { fp } = (await identityOf("carol")).bundle;
      await store.bindKey(
        "carol",
        fp,
        encodeBundle((await identityOf("carol")).bundle),
        Date.now(),
      );
      return await logOf(store);
    });
    const generations: number[] = [before.generation];
    for (let i = 0; i < 2; i++) {
      const { check } = await restoreBackup({ from, dir, force: true, newEpochs: false });
      assertEquals(check.findings, []);
      const after = await withStore(mail, logOf);
      assertEquals(after.first, before.first);
      assertEquals(after.common(before), 2);
      assertEquals(after.records.map(({ event }) => event), ["bound", "bound", "generation"]);
      generations.push(after.generation);
      // As if the clock had been an hour ahead.
      tamper(mail, "UPDATE key_log SET generation = generation + 3600 WHERE number = 3");
    }
    assertEquals(generations, [...new Set(generations)].sort((a, b) => a - b));
  }));
