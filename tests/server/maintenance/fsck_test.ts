import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { DATABASE_NAME } from "../../../server/store/database.ts";
import type { FindingKind } from "../../../server/maintenance/findings.ts";
import type { FsckReport } from "../../../server/maintenance/findings.ts";
import { checkStore, LOST_NAME } from "../../../server/maintenance/fsck.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "../../../server/store/schema.sql.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import { inFolder } from "../../support/command.ts";
import {
  copyFolder,
  filesIn,
  fillStore,
  realDelivery,
  sendThrough,
  tamper,
} from "../../support/filled_store.ts";
import { identityOf } from "../../support/identities.ts";
import { run } from "../../support/program.ts";
import { encodeBundle } from "../../../crypto/identity.ts";
import { toHex } from "../../../crypto/bytes.ts";
import { assertCode } from "../store/store_contract.ts";

const posix = Deno.build.os !== "windows";

/** The findings that say that something is damaged. */
function damageIn(report: FsckReport): string[] {
  return report.findings.filter(({ severity }) => severity === "damage").map(({ what }) => what);
}

function kindsIn(report: FsckReport): Set<FindingKind> {
  return new Set(report.findings.map(({ kind }) => kind));
}

function bodiesIn(folder: string): string[] {
  return filesIn(join(folder, "bodies"));
}

Deno.test("a store that was only ever used by the server is clean, running or not", () =>
  inFolder(async (folder) => {
    await fillStore(folder);
    const stopped = await checkStore(folder);
    assertEquals([stopped.findings, stopped.damaged], [[], 0]);
    assertEquals([stopped.running, stopped.schema], [false, SCHEMA_VERSION]);
    assertEquals([stopped.accounts, stopped.messages, stopped.entries], [2, 6, 11]);
    assertEquals([stopped.bodies, bodiesIn(folder).length], [2, 2]);
    const store = await openSqliteStore(folder);
    try {
      const running = await checkStore(folder);
      assertEquals(running, { ...stopped, running: true });
      await sendThrough(store, 500_000);
      assertEquals((await checkStore(folder)).bodies, 3);
      await assertCode("busy", () => checkStore(folder, { repair: true }));
    } finally {
      await store.close();
    }
  }));

Deno.test("a check keeps the bodies of messages that are removed meanwhile", () =>
  inFolder(async (folder) => {
    await fillStore(folder);
    const store = await openSqliteStore(folder);
    try {
      // The check is at its first await, with its transaction open or about to be.
      const report = checkStore(folder);
      await store.remove("bob", [3, 5]);
      await store.remove("alice", [3, 5]);
      assertEquals((await report).damaged, 0);
    } finally {
      await store.close();
    }
    await (await openSqliteStore(folder)).close();
    assertEquals(bodiesIn(folder), []);
  }));

Deno.test("what a crash leaves is noted and is no damage; it can be put aside", () =>
  inFolder(async (folder) => {
    await fillStore(folder);
    const store = await openSqliteStore(folder);
    const { delivery } = await realDelivery(store, 300_000);
    const arriving = join(folder, "bodies", "tmp", delivery.body.file ?? "");
    const orphan = join(folder, "bodies", "ab", "ab".repeat(16));
    await Deno.mkdir(dirname(orphan), { recursive: true });
    await Deno.copyFile(arriving, orphan);
    await Deno.rename(arriving, `${arriving}.kept`);
    await store.close();
    await Deno.rename(`${arriving}.kept`, arriving);
    const kept = await Deno.readFile(arriving);

    const before = bodiesIn(folder);
    const report = await checkStore(folder);
    assertEquals([report.damaged, report.bodies], [0, 2]);
    assertEquals(report.findings.map(({ kind, repaired }) => [kind, repaired]), [[
      "unnamed",
      false,
    ]]);
    assertMatch(report.findings[0]?.what ?? "", /^2 files .* no message names/);
    assertEquals(bodiesIn(folder), before, "looking changes nothing");

    const repaired = await checkStore(folder, { repair: true });
    assertEquals(repaired.findings.map(({ kind, repaired }) => [kind, repaired]), [[
      "unnamed",
      true,
    ]]);
    const lost = filesIn(join(folder, LOST_NAME));
    assertEquals(lost.length, 2);
    for (const path of lost) assertEquals(await Deno.readFile(path), kept);
    assertEquals((await checkStore(folder)).findings, []);
  }));

/** All files of a store but those that SQLite makes and removes as it likes. */
function mailIn(folder: string): string[] {
  return filesIn(folder).filter((path) => !/sealpost\.db-(wal|shm)$/.test(path));
}

/** What is done to a store, and what the check says of it. */
interface Case {
  readonly name: string;
  readonly harm: string | ((folder: string) => void | Promise<void>);
  readonly kinds: readonly FindingKind[];
  readonly says: RegExp;
  /** Whether it can be repaired. */
  readonly repairs?: boolean;
}

const BODY = `(SELECT min(id) FROM message WHERE body_file IS NOT NULL)`;

const CASES: readonly Case[] = [
  {
    name: "counters that do not count",
    harm: `UPDATE account SET bytes = bytes - 1 WHERE name = 'bob';
      UPDATE folder SET unseen = unseen + 1
        WHERE folder = 0 AND account_id = (SELECT id FROM account WHERE name = 'bob');
      UPDATE folder SET count = 77
        WHERE folder = 0 AND account_id = (SELECT id FROM account WHERE name = 'alice')`,
    kinds: ["counter"],
    says: /^alice, folder 0: count is 77, not 0$/m,
    repairs: true,
  },
  {
    name: "a UID that would be given twice",
    harm: "UPDATE account SET next_uid = 3 WHERE name = 'bob'",
    kinds: ["next-uid"],
    says: /^bob: the next UID, 3, is taken$/m,
    repairs: true,
  },
  {
    name: "an entry whose message is gone",
    harm: `DELETE FROM message WHERE id = 1`,
    kinds: ["database", "entry"],
    says: /^bob\/1 has no message$/m,
  },
  {
    name: "a message in no mailbox",
    harm: "DELETE FROM entry WHERE message_id = 2",
    kinds: ["message", "counter"],
    says: /^message [0-9a-f-]{36} is in no mailbox$/m,
  },
  {
    name: "a message that is there twice",
    harm: `INSERT INTO message (body_size, header, summary, body)
        SELECT body_size, header, summary, body FROM message WHERE id = 1;
      UPDATE entry SET message_id = last_insert_rowid() WHERE message_id = 2`,
    kinds: ["message"],
    says: /^message [0-9a-f-]{36} is there twice$/m,
  },
  {
    name: "a header of another version",
    harm: "UPDATE message SET header = CAST(x'07' || substr(header, 2) AS BLOB) WHERE id = 1",
    kinds: ["message"],
    says: /^message in row 1: a message of version 7/m,
  },
  {
    name: "a header that is cut",
    harm: "UPDATE message SET header = substr(header, 1, 80) WHERE id = 1",
    kinds: ["message", "entry"],
    says: /^message in row 1: a message header of the wrong size$/m,
  },
  {
    name: "a summary that is gone",
    harm: "UPDATE message SET summary = x'' WHERE id = 1",
    kinds: ["message", "entry"],
    says: /: a summary of 0 bytes$/m,
  },
  {
    name: "a stanza that is cut",
    harm: "UPDATE entry SET stanza = substr(stanza, 1, 1000) WHERE uid = 2",
    kinds: ["entry"],
    says: /^bob\/2: a stanza of the wrong size$/m,
  },
  {
    name: "a note that is too long",
    harm: "UPDATE entry SET note = zeroblob(40000) WHERE uid = 2",
    kinds: ["entry"],
    says: /^alice\/2: a note of 40000 bytes$/m,
  },
  {
    name: "an unknown folder and unknown flags",
    harm: "UPDATE entry SET folder = 9, flags = 201 WHERE uid = 4",
    kinds: ["entry", "counter"],
    says: /^bob\/4: no folder 9 with flags 201, 0$/m,
  },
  {
    name: "an entry that counts for too little",
    harm: "UPDATE entry SET bytes = 1 WHERE uid = 4",
    kinds: ["entry", "counter"],
    says: /^bob\/4 counts for another number of bytes than it has$/m,
  },
  {
    name: "an id that is not remembered",
    harm: `DELETE FROM delivered_id WHERE message_id =
      (SELECT substr(header, 2, 16) FROM message WHERE id = 4)`,
    kinds: ["delivered"],
    says: /^the id of message [0-9a-f-]{36} is not remembered$/m,
  },
  {
    name: "a key under the fingerprint of another",
    harm: async (folder) => {
      const other = toHex(encodeBundle((await identityOf("bob")).bundle));
      tamper(folder, `UPDATE account SET bundle = x'${other}' WHERE name = 'alice'`);
    },
    kinds: ["account"],
    says: /^the key of alice: it does not have the fingerprint SHA256:/m,
  },
  {
    name: "a key that is none",
    harm: "UPDATE account SET bundle = x'00' WHERE name = 'alice'",
    kinds: ["account"],
    says: /^the key of alice: /m,
  },
  {
    name: "an index that is gone",
    harm: "DROP INDEX entry_uid",
    kinds: ["schema"],
    says: /^the index entry_uid is missing$/m,
  },
  {
    name: "a value that its column forbids",
    harm: "UPDATE account SET epoch = x'00' WHERE name = 'bob'",
    kinds: ["database"],
    says: /CHECK constraint failed in account/m,
  },
  {
    name: "a body that is gone",
    harm: (folder) => Deno.remove(bodiesIn(folder)[0] ?? ""),
    kinds: ["body"],
    says: /bodies.[0-9a-f]{2}.[0-9a-f]{32} is missing$/m,
  },
  {
    name: "a body that is cut",
    harm: (folder) => Deno.truncate(bodiesIn(folder)[0] ?? "", 1000),
    kinds: ["body"],
    says: /bodies.[0-9a-f]{2}.[0-9a-f]{32} has 1000 bytes, not \d{6}$/m,
  },
  {
    name: "a row that names a file elsewhere",
    harm: `UPDATE message SET body_file = '../../server_private.pem' WHERE id = ${BODY}`,
    kinds: ["message", "unnamed"],
    says: /^message [0-9a-f-]{36} names a file that no body has$/m,
  },
  {
    name: "a page of the database that is overwritten",
    harm: async (folder) => {
      using file = await Deno.open(join(folder, DATABASE_NAME), { write: true, read: true });
      // The root of the first table: account.
      await file.seek(4096, Deno.SeekMode.Start);
      await file.write(new Uint8Array(4096).fill(0xab));
    },
    kinds: ["database"],
    says: /malformed|damaged|btree/i,
  },
  {
    name: "a database that is none",
    harm: (folder) => Deno.writeTextFile(join(folder, DATABASE_NAME), "no\n".repeat(5000)),
    kinds: ["database"],
    says: /is damaged/,
  },
];

Deno.test("every kind of damage is found, and repaired only where nothing can be lost", async (t) => {
  await inFolder(async (folder) => {
    const good = join(folder, "good");
    await fillStore(good);
    for (const { name, harm, kinds, says, repairs = false } of CASES) {
      await t.step(name, async () => {
        const store = join(folder, name);
        await copyFolder(good, store);
        if (typeof harm === "string") tamper(store, harm);
        else await harm(store);
        const report = await checkStore(store);
        assertMatch(damageIn(report).join("\n"), says);
        for (const kind of kinds) assert(kindsIn(report).has(kind), `${kind} is missing`);
        if (name !== "a page of the database that is overwritten") {
          assertEquals(kindsIn(report), new Set(kinds));
        }
        for (const { what } of report.findings) assert(!what.includes("\n"));
        assert(report.damaged > 0);

        const before = mailIn(store).length;
        const repaired = await checkStore(store, { repair: true });
        assertEquals(repaired.damaged === 0, repairs);
        if (repairs) assertEquals((await checkStore(store)).findings, []);
        assert(mailIn(store).length >= before, "nothing is removed");
      });
    }
  });
});

Deno.test("much damage of one kind is counted, not listed without end", () =>
  inFolder(async (folder) => {
    await fillStore(folder);
    tamper(folder, "UPDATE entry SET folder = 9");
    const store = await openSqliteStore(folder);
    await store.ensureAccounts(Array.from({ length: 200 }, (_, i) => `user${i}`));
    await store.close();
    tamper(
      folder,
      `UPDATE folder SET count = 5, bytes = 7 WHERE folder = 0
        AND account_id IN (SELECT id FROM account WHERE name LIKE 'user%')`,
    );
    const report = await checkStore(folder);
    const said = damageIn(report).filter((what) => /: (count|unseen|bytes) is/.test(what));
    // Of 408: the 200 have two wrong counters each, and the folders that were left have 8.
    assertEquals(said.length, 50);
    assert(damageIn(report).includes("358 more of this kind"));
    assertEquals(report.damaged, 408 + 11);
  }));

Deno.test({
  name: "what others can read is noted",
  ignore: !posix,
  fn: () =>
    inFolder(async (folder) => {
      await fillStore(folder);
      await Deno.chmod(join(folder, DATABASE_NAME), 0o644);
      await Deno.chmod(bodiesIn(folder)[0] ?? "", 0o640);
      const report = await checkStore(folder);
      assertEquals(report.damaged, 0);
      assertEquals(report.findings.map(({ kind }) => kind), ["permissions", "permissions"]);
    }),
});

Deno.test("a database that another program holds is said to be held, not to be damaged", () =>
  inFolder(async (folder) => {
    await fillStore(folder);
    const path = join(folder, DATABASE_NAME);
    const db = new DatabaseSync(path);
    db.exec("UPDATE account SET bytes = bytes + 1");
    db.exec("BEGIN IMMEDIATE");
    try {
      await assertCode("busy", () => checkStore(folder, { repair: true }));
    } finally {
      db.close();
    }
    assert((await checkStore(folder)).damaged > 0);
    await checkStore(folder, { repair: true });
    assertEquals((await checkStore(folder)).findings, []);
  }));

Deno.test("what cannot be opened as a database is said to be that", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(join(folder, DATABASE_NAME));
    await assertCode("file-io", () => checkStore(folder));
  }));

Deno.test("where there is no store, or one of a newer version, that is said", () =>
  inFolder(async (folder) => {
    await assertCode("file-missing", () => checkStore(join(folder, "none")));
    await assertCode("file-missing", () => checkStore(folder));
    tamper(folder, `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 99`);
    await assertCode("config", () => checkStore(folder));
  }));

Deno.test("the command ends with 0 for a clean store and with 65 for a damaged one", () =>
  inFolder(async (cwd) => {
    const mail = join(cwd, "server", "mail");
    await fillStore(mail);
    const fsck = (...args: string[]) => run(["fsck", "--dir", "server", ...args], { cwd });
    const clean = await fsck();
    assertEquals([clean.code, clean.stderr], [0, ""]);
    assertMatch(clean.stdout, /^server.mail: 2 accounts, 6 messages, 11 entries .*\nclean\n$/);

    tamper(
      mail,
      `UPDATE folder SET unseen = 50
      WHERE folder = 0 AND account_id = (SELECT id FROM account WHERE name = 'bob')`,
    );
    const damaged = await fsck();
    assertEquals(damaged.code, 65);
    assertMatch(
      damaged.stderr,
      /^sealpost: the store server.mail is damaged: 1 thing is not .*\n$/,
    );
    assertStringIncludes(damaged.stdout, "\ndamage: bob, folder 0: unseen is 50, not 3\n");
    const json = await fsck("--json");
    assertEquals(json.code, 65);
    assertEquals(JSON.parse(json.stdout).damaged, 1);

    const repaired = await fsck("--repair");
    assertEquals([repaired.code, repaired.stderr], [0, ""]);
    assertStringIncludes(
      repaired.stdout,
      "damage: bob, folder 0: unseen is 50, not 3 (repaired)\nclean\n",
    );
    assertEquals((await fsck()).code, 0);
  }));
