import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { encodeBundle } from "../../crypto/identity.ts";
import { DATABASE_NAME } from "../../server/store/database.ts";
import { checkStore } from "../../server/maintenance/fsck.ts";
import { APPLICATION_ID, MIGRATIONS } from "../../server/store/schema.sql.ts";
import { openSqliteStore } from "../../server/store/sqlite_store.ts";
import { inFolder } from "../support/command.ts";
import { bindPeople, filesIn, realDelivery, sendThrough } from "../support/filled_store.ts";
import { identityOf } from "../support/identities.ts";
import { assertCode, readAll } from "./store_contract.ts";

/** Makes a store in `folder` as the first version did, with a message of each kind from alice to bob. */
async function makeFirstVersion(folder: string) {
  const scratch = join(folder, "scratch");
  const store = await openSqliteStore(scratch);
  await bindPeople(store);
  const sent = [await realDelivery(store, 500), await realDelivery(store, 400_000)];
  await Deno.mkdir(join(folder, "v1"));
  const db = new DatabaseSync(join(folder, "v1", DATABASE_NAME));
  db.exec(`PRAGMA journal_mode = WAL; ${MIGRATIONS[0] ?? ""};
    PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1`);
  for (const [i, name] of ["alice", "bob"].entries()) {
    const { bundle } = await identityOf(name);
    db.prepare("INSERT INTO account (name, epoch, bound_at, fp, bundle) VALUES (?, ?, 5, ?, ?)")
      .run(name, new Uint8Array(8).fill(i + 1), bundle.fp, encodeBundle(bundle));
  }
  for (const [i, { delivery }] of sent.entries()) {
    const { body, header, summary, copies } = delivery;
    db.prepare(
      "INSERT INTO message (body_size, body_file, header, summary, body) VALUES (?,?,?,?,?)",
    )
      .run(body.size, body.file, header, summary, body.inline);
    if (body.file !== null) {
      const to = join(folder, "v1", "bodies", body.file.slice(0, 2), body.file);
      await Deno.mkdir(dirname(to), { recursive: true });
      await Deno.copyFile(join(scratch, "bodies", "tmp", body.file), to);
    }
    for (const { account, stanza, note } of copies) {
      const bytes = header.length + summary.length + body.size + stanza.length +
        (note?.length ?? 0);
      const folderOf = account === "bob" ? 0 : 1;
      db.prepare(`INSERT INTO entry SELECT id, next_uid, ?, ?, ?, ?, ?, ?, ? FROM account
        WHERE name = ?`).run(i + 1, folderOf, folderOf, 1000 + i, bytes, stanza, note, account);
      db.prepare(`UPDATE account SET next_uid = next_uid + 1, entries = entries + 1,
        unseen = unseen + ?, bytes = bytes + ? WHERE name = ?`).run(1 - folderOf, bytes, account);
    }
    db.prepare("INSERT INTO delivered_id VALUES (?, ?, ?, ?)")
      .run(delivery.senderFp, delivery.messageId, delivery.digest, 1000 + i);
  }
  db.close();
  await store.close();
  return { mail: join(folder, "v1"), sent };
}

function versionOf(mail: string): unknown {
  const db = new DatabaseSync(join(mail, DATABASE_NAME), { readOnly: true });
  try {
    return db.prepare("PRAGMA user_version").get()?.["user_version"];
  } finally {
    db.close();
  }
}

Deno.test("a store of the first version is checked, brought forward at the start, and goes on", () =>
  inFolder(async (folder) => {
    const { mail, sent } = await makeFirstVersion(folder);
    const before = await checkStore(mail);
    assertEquals([before.schema, before.damaged, before.messages], [1, 0, 2]);
    assertEquals(before.findings[0], {
      kind: "schema",
      severity: "note",
      what: `schema 1, which the next start brings to ${MIGRATIONS.length}`,
      repaired: false,
    });
    const store = await openSqliteStore(mail);
    try {
      const entries = await store.list("bob", { limit: 10, ascending: true });
      assertEquals(entries.map(({ uid, receivedAt }) => [uid, receivedAt]), [[1, 1000], [2, 1001]]);
      for (const [i, { uid }] of entries.entries()) {
        assertEquals(await readAll(store, "bob", uid), sent[i]?.body);
      }
      assertEquals((await store.account("alice"))?.epoch, new Uint8Array(8).fill(1));
      assertEquals((await sendThrough(store, 300_000)).uid, 3);
      const [first] = sent;
      assert(first);
      const known = await store.delivered(first.delivery.senderFp, first.delivery.messageId);
      assertEquals(known?.digest, first.delivery.digest);
    } finally {
      await store.close();
    }
    const after = await checkStore(mail);
    assertEquals([after.schema, after.findings, after.messages], [MIGRATIONS.length, [], 3]);
  }));

Deno.test("a step that fails leaves the version before it, with everything in it", async (t) => {
  // Whatever is in the way of each step: a table of that name, or a full disk.
  await t.step("because something is in its way", () =>
    inFolder(async (folder) => {
      const { mail } = await makeFirstVersion(folder);
      const db = new DatabaseSync(join(mail, DATABASE_NAME));
      db.exec("CREATE INDEX ticket_expires ON account (name)");
      db.close();
      const files = filesIn(join(mail, "bodies"));
      const error = await assertCode("config", () => openSqliteStore(mail));
      assertMatch(error.message, /has schema 1, cannot be brought forward, and is left as it was/);
      assertEquals(versionOf(mail), 1);
      assertEquals(filesIn(join(mail, "bodies")), files);
      const again = new DatabaseSync(join(mail, DATABASE_NAME));
      assertEquals(
        again.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'ticket'")
          .get()?.["n"],
        0,
      );
      again.exec("DROP INDEX ticket_expires");
      again.close();
      await (await openSqliteStore(mail)).close();
      assertEquals((await checkStore(mail)).findings, []);
    }));

  await t.step("at the last of several, the others stay done", () =>
    inFolder(async (folder) => {
      const { mail } = await makeFirstVersion(folder);
      const db = new DatabaseSync(join(mail, DATABASE_NAME));
      db.exec("CREATE INDEX entry_trash ON account (name)");
      db.close();
      await assertCode("config", () => openSqliteStore(mail));
      assertEquals(versionOf(mail), 2);
      assertEquals((await checkStore(mail)).messages, 2);
    }));
});
