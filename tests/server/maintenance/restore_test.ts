import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { exists } from "@std/fs";
import { basename, join } from "@std/path";
import { type Bytes, toHex } from "../../../crypto/bytes.ts";
import { makeBackup } from "../../../server/maintenance/backup.ts";
import { checkStore } from "../../../server/maintenance/fsck.ts";
import { restoreBackup } from "../../../server/maintenance/restore.ts";
import { listSnapshots } from "../../../server/maintenance/snapshot.ts";
import { DATABASE_NAME } from "../../../server/store/database.ts";
import { JOURNAL_NAME } from "../../../server/store/delivery_journal.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import type { Account, Entry, Store } from "../../../server/store/store.ts";
import { inFolder } from "../../support/command.ts";
import {
  filesIn,
  fillStore,
  sendThrough,
  type Stored,
  tamper,
} from "../../support/filled_store.ts";
import { run } from "../../support/program.ts";
import { assertCode, readAll } from "../store/store_contract.ts";

const posix = Deno.build.os !== "windows";
const usual = { force: false, newEpochs: false };

interface Place {
  readonly dir: string;
  readonly mail: string;
  readonly from: string;
  readonly stored: readonly Stored[];
  /** The folder that all of it is in. */
  readonly folder: string;
}

/** A server's folder with mail and a backup of it, the keys included. */
async function inBackup(test: (place: Place) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const dir = join(folder, "server");
    const mail = join(dir, "mail");
    const from = join(folder, "backups");
    const stored = await fillStore(mail);
    for (const name of ["server_private.pem", "server_public.pem", "user_pass.json"]) {
      await Deno.writeTextFile(join(dir, name), `what is in ${name}`, { mode: 0o600 });
    }
    await makeBackup({ dir, into: from, keys: true, keep: 7 });
    await test({ dir, mail, from, stored, folder });
  });
}

/** All that a store says of two mailboxes, bodies included. */
async function contentOf(mail: string) {
  const store = await openSqliteStore(mail);
  try {
    const content: { name: string; entry: Entry; body: Bytes | null }[] = [];
    for (const name of ["alice", "bob"]) {
      for (const entry of await store.list(name, { limit: 100 })) {
        content.push({ name, entry, body: await readAll(store, name, entry.uid) });
      }
    }
    return content;
  } finally {
    await store.close();
  }
}

async function withStore<T>(mail: string, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openSqliteStore(mail);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

function accountOf(mail: string, name: string): Promise<Account | null> {
  return withStore(mail, (store) => store.account(name));
}

Deno.test("a restored store has what was backed up, byte for byte", () =>
  inBackup(async ({ mail, from, folder }) => {
    const dir = join(folder, "deep", "other");
    const report = await restoreBackup({ from, dir, ...usual });
    assertEquals([report.check.findings, report.aside, report.kept], [[], null, []]);
    assertEquals(report.check.store, join(dir, "mail"));
    assertEquals(report.files, ["server_private.pem", "server_public.pem", "user_pass.json"]);
    for (const name of report.files) {
      assertEquals(await Deno.readTextFile(join(dir, name)), `what is in ${name}`);
      if (posix) assertEquals(((await Deno.stat(join(dir, name))).mode ?? 0) & 0o777, 0o600);
    }
    assertEquals(await contentOf(join(dir, "mail")), await contentOf(mail));
    assertEquals((await checkStore(join(dir, "mail"))).findings, []);
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), [
      "mail",
      "server_private.pem",
      "server_public.pem",
      "user_pass.json",
    ]);
    if (!posix) return;
    for (const path of filesIn(dir)) {
      const { mode, nlink } = Deno.statSync(path);
      assertEquals([(mode ?? 0) & 0o077, nlink], [0, 1], path);
    }
  }));

Deno.test("a store that is there is replaced only with force, and kept aside", () =>
  inBackup(async ({ dir, mail, from }) => {
    await withStore(mail, (store) => sendThrough(store, 310_000));
    const before = await contentOf(mail);
    const files = filesIn(dir);
    await assertCode("file-exists", () => restoreBackup({ from, dir, ...usual }));
    assertEquals(filesIn(dir), files);
    const { aside, kept } = await restoreBackup({ from, dir, ...usual, force: true });
    assertEquals(kept, ["server_private.pem", "server_public.pem", "user_pass.json"]);
    assert(aside !== null);
    assertEquals(await contentOf(aside), before);
    assertEquals((await contentOf(mail)).length, before.length - 2);
  }));

Deno.test("a store whose journal cannot be read is replaced, and its key log's time not gone behind", () =>
  inBackup(async ({ dir, mail, from }) => {
    const hence = Date.now() + 86_400_000;
    {
      using db = new DatabaseSync(join(mail, DATABASE_NAME));
      db.prepare("UPDATE key_log SET at = ? WHERE number = (SELECT max(number) FROM key_log)").run(
        hence,
      );
    }
    const journal = join(mail, JOURNAL_NAME);
    await Deno.remove(journal);
    await Deno.mkdir(journal);
    await restoreBackup({ from, dir, ...usual, force: true });
    const { generation } = await withStore(mail, (store) => store.logState());
    assert(generation > hence / 1000);
  }));

Deno.test("UIDs never go back, however often an old backup is put back", () =>
  inBackup(async ({ dir, mail, from }) => {
    let last = (await accountOf(mail, "bob"))?.nextUid ?? 0;
    const epoch = (await accountOf(mail, "bob"))?.epoch;
    for (let i = 0; i < 3; i++) {
      const { renewed } = await restoreBackup({ from, dir, ...usual, force: i < 2 });
      assertEquals(renewed, []);
      const bob = await accountOf(mail, "bob");
      assert(bob !== null && bob.nextUid >= last && bob.nextUid >= 1_795_000_000_000, `${last}`);
      assertEquals(bob.epoch, epoch);
      const uids = await withStore(mail, async (store) => [
        (await sendThrough(store, 10)).uid,
        (await sendThrough(store, 10)).uid,
      ]);
      assertEquals(uids, [bob.nextUid, bob.nextUid + 1]);
      last = bob.nextUid + 2;
      assertEquals((await checkStore(mail)).findings, []);
      // The last time the store is lost, and nothing says how far it came.
      if (i === 1) await Deno.remove(mail, { recursive: true });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }));

Deno.test("a mailbox that was made anew since the backup is another one again", () =>
  inBackup(async ({ dir, mail, from }) => {
    const old = await accountOf(mail, "bob");
    await Deno.remove(mail, { recursive: true });
    await withStore(mail, (store) => store.ensureAccounts(["bob", "carol"]));
    const between = await accountOf(mail, "bob");
    const { renewed } = await restoreBackup({ from, dir, ...usual, force: true });
    assertEquals(renewed, ["bob"]);
    const now = await accountOf(mail, "bob");
    assertEquals(now?.epoch.length, 8);
    assertNotEquals(toHex(now?.epoch ?? new Uint8Array()), toHex(old?.epoch ?? new Uint8Array()));
    assertNotEquals(now?.epoch, between?.epoch);
    const all = await restoreBackup({ from, dir, ...usual, force: true, newEpochs: true });
    assertEquals(all.renewed, ["alice", "bob"]);
  }));

Deno.test("tickets do not come back: one that was used since must not work again", () =>
  inBackup(async ({ dir, mail, from, folder }) => {
    const id = new Uint8Array(16).fill(3);
    await withStore(mail, (store) =>
      store.saveTicket({
        id,
        account: "bob",
        fp: new Uint8Array(32),
        credential: new Uint8Array(16),
        wrapped: new Uint8Array(60),
        fullAt: 1,
        expires: 2e12,
      }, 64));
    await makeBackup({ dir, into: from, keys: false, keep: 7 });
    const other = join(folder, "other");
    await restoreBackup({ from, dir: other, ...usual });
    assertEquals(await withStore(join(other, "mail"), (store) => store.ticket(id)), null);
  }));

Deno.test("a backup with one byte changed anywhere is refused, and nothing is touched", async (t) => {
  await inBackup(async ({ from, folder }) => {
    const dir = join(folder, "other");
    await Deno.mkdir(dir);
    for (const path of filesIn(from).filter((path) => basename(path) !== "lock")) {
      await t.step(basename(path), async () => {
        const bytes = await Deno.readFile(path);
        // The manifest has no checksum: another number in it can be a number all the same.
        const places = basename(path) === "manifest.json"
          ? [0]
          : [0, Math.floor(bytes.length / 2), bytes.length - 1];
        for (const at of places) {
          const harmed = bytes.slice();
          harmed[at] = (harmed[at] ?? 0) ^ 1;
          await Deno.writeFile(path, harmed);
          const error = await assertCode("format", () => restoreBackup({ from, dir, ...usual }));
          assertMatch(error.message, /snapshot|manifest/);
          assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), []);
        }
        await Deno.remove(path);
        await assertCode("file-missing", () => restoreBackup({ from, dir, ...usual }));
        await Deno.writeFile(path, bytes);
      });
    }
    await restoreBackup({ from, dir, ...usual });
  });
});

Deno.test("an older snapshot can be named, and one that is not complete cannot", () =>
  inBackup(async ({ dir, mail, from, folder, stored }) => {
    await withStore(mail, (store) => sendThrough(store, 320_000));
    await makeBackup({ dir, into: from, keys: false, keep: 7 });
    const [first = "", second = ""] = (await listSnapshots(from)).complete;
    const messages = async (name: string, snapshot?: string) => {
      const to = join(folder, name);
      const chosen = snapshot === undefined ? {} : { snapshot };
      return (await restoreBackup({ from, dir: to, ...chosen, ...usual })).check.messages;
    };
    assertEquals(await messages("newest"), stored.length + 1);
    assertEquals(await messages("first", first), stored.length);
    await Deno.rename(join(from, second), join(from, `${second}.partial`));
    assertEquals(await messages("without"), stored.length);
    for (const name of [second, `${second}.partial`, "..", "20261122T000000000Z"]) {
      await assertCode("file-missing", () => messages("none", name));
    }
    await assertCode("file-missing", () => restoreBackup({ from: folder, dir, ...usual }));
    await assertCode("file-missing", () => restoreBackup({ from: `${folder}/x`, dir, ...usual }));
  }));

Deno.test("a snapshot of a damaged store is taken only with force", () =>
  inBackup(async ({ dir, mail, from, folder }) => {
    tamper(mail, "UPDATE folder SET unseen = 50 WHERE folder = 0");
    await makeBackup({ dir, into: from, keys: false, keep: 7 });
    const to = join(folder, "other");
    const error = await assertCode("format", () => restoreBackup({ from, dir: to, ...usual }));
    assertMatch(error.message, /was damaged when it was backed up: 2 things/);
    assertEquals(await exists(join(to, "mail")), false);
    const { check } = await restoreBackup({ from, dir: to, ...usual, force: true });
    assertEquals(check.damaged, 2);
  }));

Deno.test("a restore that was broken off is done again, and is not taken for an empty store", () =>
  inBackup(async ({ dir, mail, from, folder }) => {
    // Between the two renames, and before that.
    await Deno.rename(mail, join(folder, "aside"));
    await Deno.mkdir(`${mail}.restoring`);
    await Deno.writeTextFile(join(`${mail}.restoring`, "sealpost.db"), "half of it");
    const error = await assertCode("config", () => openSqliteStore(mail));
    assertMatch(error.message, /^a restore or a migration to .*mail was broken off; do it again/);
    assertEquals(await exists(mail), false);
    const { check } = await restoreBackup({ from, dir, ...usual });
    assertEquals([check.messages, check.findings], [6, []]);
    await (await openSqliteStore(mail)).close();
  }));

Deno.test("a store that is in use is not replaced", () =>
  inBackup(async ({ dir, mail, from }) => {
    await withStore(mail, async () => {
      await assertCode("busy", () => restoreBackup({ from, dir, ...usual, force: true }));
    });
    assertEquals((await checkStore(mail)).messages, 6);
  }));

Deno.test("the command says until when mail is there, and what else has to be there", () =>
  inBackup(async ({ dir, from, folder }) => {
    const cwd = folder;
    const done = await run(["restore", "backups", "--dir", "new"], { cwd });
    assertEquals([done.code, done.stderr], [0, ""]);
    assertMatch(done.stdout, /^restored backups.\d{8}T\d{9}Z$/m);
    assertMatch(done.stdout, /^put back in new: server_private.pem, server_public.pem, user_/m);
    assertMatch(
      done.stdout,
      /^mail and changes after 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ are not in it/m,
    );
    const again = await run(["restore", "backups", "--dir", "new"], { cwd });
    assertEquals([again.code, again.stdout], [73, ""]);
    assertMatch(again.stderr, /^sealpost: there is a store in new.mail already; .*--force\n$/);
    await makeBackup({ dir, into: from, keys: false, keep: 7 });
    const bare = await run(["restore", "backups", "--dir", "bare"], { cwd });
    assertMatch(
      bare.stdout,
      /^the server's keys and user_pass.json are not in this backup: bare must/m,
    );
    const json = await run(["restore", "backups", "--dir", "json", "--json"], { cwd });
    assertEquals(JSON.parse(json.stdout).check.messages, 6);
  }));
