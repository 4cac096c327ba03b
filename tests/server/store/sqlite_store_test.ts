import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { basename, dirname, fromFileUrl, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { toHex } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { DATABASE_NAME } from "../../../server/store/database.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "../../../server/store/schema.sql.ts";
import { INLINE_MAX } from "../../../server/store/sizes.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import { SQL } from "../../../server/store/statements.ts";
import type { Store } from "../../../server/store/store.ts";
import { bodyFor, filesOf } from "./store_child.ts";
import {
  assertCode,
  bodyOf,
  copyFor,
  delivered,
  deliveryOf,
  readAll,
  storeBody,
  testStoreContract,
} from "./store_contract.ts";

const posix = Deno.build.os !== "windows";
const BIG = INLINE_MAX + 1;

testStoreContract("SQLite store", async () => {
  const folder = await Deno.makeTempDir({ prefix: "sealpost-store-" });
  return {
    open: () => openSqliteStore(folder),
    remove: () => Deno.remove(folder, { recursive: true }),
  };
});

/** Runs `run` with an empty folder; stores opened through `open` are closed after it. */
async function inFolder(
  run: (folder: string, open: () => Promise<Store>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sealpost-store-" });
  const stores: Store[] = [];
  try {
    await run(folder, async () => {
      const store = await openSqliteStore(folder);
      stores.push(store);
      await store.ensureAccounts(["alice", "bob"]);
      return store;
    });
  } finally {
    for (const store of stores) await store.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** The names of the body files, those of unfinished ones included. */
function bodies(folder: string): string[] {
  return filesOf(join(folder, "bodies"));
}

/** Asserts that every row has its file and every file its row. The store is closed. */
function checkBodies(folder: string): void {
  const named = ask(
    folder,
    "SELECT body_file FROM message WHERE body_file IS NOT NULL ORDER BY body_file",
  );
  assertEquals(bodies(folder).map((file) => basename(file)), named);
}

/** What the database says, asked through a connection of its own. */
function ask(folder: string, sql: string): unknown[] {
  const db = new DatabaseSync(join(folder, DATABASE_NAME));
  try {
    return db.prepare(sql).all().map((row) => Object.values(row)[0]);
  } finally {
    db.close();
  }
}

Deno.test({
  name: "the store's files are for their owner alone, also those that were not",
  ignore: !posix,
  fn: () =>
    inFolder(async (parent) => {
      const folder = join(parent, "deep", "mail");
      const modes = async () => {
        const store = await openSqliteStore(folder);
        await store.ensureAccounts(["alice"]);
        await delivered(store, { body: bodyOf(BIG) });
        for (const path of [folder, join(folder, "bodies"), join(folder, "bodies", "tmp")]) {
          assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o700, path);
        }
        const names = [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile);
        assertEquals(names.map(({ name }) => name).sort(), [
          "sealpost.db",
          "sealpost.db-shm",
          "sealpost.db-wal",
          "sealpost.journal",
          "sealpost.lock",
        ]);
        for (const { name } of names) {
          assertEquals((Deno.statSync(join(folder, name)).mode ?? 0) & 0o777, 0o600, name);
        }
        for (const file of bodies(folder)) {
          assertEquals((Deno.statSync(file).mode ?? 0) & 0o777, 0o600, file);
        }
        assert(bodies(folder).length > 0);
        await store.close();
      };
      await modes();
      Deno.chmodSync(join(folder, "sealpost.db"), 0o644);
      Deno.chmodSync(join(folder, "bodies"), 0o755);
      await modes();
    }),
});

Deno.test("a second server in the same process or another is told that the store is in use", () =>
  inFolder(async (folder, open) => {
    const store = await open();
    const error = await assertCode("busy", () => openSqliteStore(folder));
    assert(error.message.includes(folder));
    await store.close();
    await (await open()).close();

    const child = spawn("hold", folder);
    await child.until((line) => line === "open");
    await assertCode("busy", () => openSqliteStore(folder));
    await child.kill();
    await (await open()).close();
  }));

Deno.test("a database that is not a store of this version is refused and kept", async (t) => {
  const cases: [string, (path: string) => void, "config" | "file-io", RegExp][] = [
    [
      "from a newer version",
      (path) => {
        const db = new DatabaseSync(path);
        db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
        db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
        db.close();
      },
      "config",
      /newer Sealpost \(schema \d+, this one knows \d+\)/,
    ],
    [
      "of another program",
      (path) => {
        const db = new DatabaseSync(path);
        db.exec("CREATE TABLE account (id)");
        db.close();
      },
      "config",
      /another program/,
    ],
    [
      "of another program that says so",
      (path) => {
        const db = new DatabaseSync(path);
        db.exec("PRAGMA application_id = 7");
        db.close();
      },
      "config",
      /another program/,
    ],
    [
      "that is none",
      (path) => Deno.writeTextFileSync(path, "some text\n".repeat(1000)),
      "file-io",
      /damaged/,
    ],
  ];
  for (const [name, make, code, message] of cases) {
    await t.step(name, () =>
      inFolder(async (folder) => {
        const path = join(folder, DATABASE_NAME);
        make(path);
        const before = await Deno.readFile(path);
        const error = await assertCode(code, () => openSqliteStore(folder));
        assertMatch(error.message, message);
        assertEquals(await Deno.readFile(path), before);
        await assertCode(code, () => openSqliteStore(folder));
      }));
  }
});

Deno.test("a store's folder that cannot be made is an error that names it", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "taken"), "");
    const error = await assertRejects(() => openSqliteStore(join(folder, "taken")), SealpostError);
    assert(error.message.includes(join(folder, "taken")));
  }));

Deno.test("a small body never has a file, a large one only as long as it is needed", () =>
  inFolder(async (folder, open) => {
    const store = await open();
    const none = () => assertEquals(bodies(folder), []);
    await delivered(store, { body: bodyOf(INLINE_MAX) });
    none();

    const sink = await store.openBody(BIG);
    await sink.write(bodyOf(BIG - 1));
    assertEquals(bodies(folder).length, 1);
    await sink.abort();
    none();
    await storeBody(store, bodyOf(BIG)).then(() => assertEquals(bodies(folder).length, 1));
    const finished = await store.openBody(BIG);
    await finished.write(bodyOf(BIG));
    await finished.finish();
    await finished.abort();
    assertEquals(bodies(folder).length, 1, "only the one that nobody gave up");
    const long = await store.openBody(BIG);
    await assertCode("limit", () => long.write(bodyOf(BIG + 1)));
    const short = await store.openBody(BIG);
    await assertCode("format", () => short.finish());
    assertEquals(bodies(folder).length, 1);

    const delivery = await deliveryOf(store, {
      body: bodyOf(BIG),
      copies: [copyFor("alice"), copyFor("bob")],
    });
    const body = () => storeBody(store, bodyOf(BIG));
    assertEquals((await store.deliver(delivery)).kind, "stored");
    const name = delivery.body.file ?? "";
    const kept = join(folder, "bodies", name.slice(0, 2), name);
    assert(bodies(folder).includes(kept));
    assertEquals(bodies(folder).length, 2);
    await store.deliver({ ...delivery, body: await body() });
    await store.deliver({
      ...delivery,
      digest: delivery.digest.slice().fill(1),
      body: await body(),
    });
    const unknown = await deliveryOf(store, { body: bodyOf(BIG), copies: [copyFor("mallory")] });
    await assertCode("no-such-user", () => store.deliver(unknown));
    assertEquals(bodies(folder).length, 2);

    await store.remove("alice", [2]);
    assert(bodies(folder).includes(kept), "bob has it still");
    await store.remove("bob", [1]);
    assertEquals(bodies(folder).length, 1);
    await store.close();
    none();
  }));

Deno.test("closing gives up bodies that are still arriving", () =>
  inFolder(async (folder, open) => {
    const store = await open();
    const sink = await store.openBody(BIG);
    await sink.write(bodyOf(1000));
    await store.close();
    assertEquals(bodies(folder), []);
    await assertCode("internal", () => sink.write(bodyOf(1000)));
    await sink.abort();
  }));

Deno.test("a finished body goes into one delivery, and only one that the store made", () =>
  inFolder(async (_, open) => {
    const store = await open();
    const delivery = await deliveryOf(store, { body: bodyOf(BIG) });
    await store.deliver(delivery);
    await assertCode("internal", () => store.deliver(delivery));
    const body = { size: 3, inline: null, file: "../../../../etc/passwd" };
    await assertCode("internal", () => store.deliver({ ...delivery, body }));
    assertEquals(await readAll(store, "alice", 1), bodyOf(BIG));
  }));

Deno.test("a start removes what a crash left and keeps all else", () =>
  inFolder(async (folder, open) => {
    let store = await open();
    await delivered(store, { body: bodyOf(BIG) });
    await store.close();
    const kept = bodies(folder);
    const orphan = "ab".repeat(16);
    for (const place of ["tmp", "ab", basename(dirname(kept[0] ?? ""))]) {
      await Deno.mkdir(join(folder, "bodies", place), { recursive: true });
      await Deno.writeTextFile(join(folder, "bodies", place, orphan), "left over");
    }
    await Deno.writeTextFile(join(folder, "bodies", "ab", "README"), "not a body");
    store = await open();
    assertEquals(bodies(folder), [...kept, join(folder, "bodies", "ab", "README")].sort());
    assertEquals(await readAll(store, "alice", 1), bodyOf(BIG));
  }));

Deno.test("a store without the bodies that it names is damaged, and says which", () =>
  inFolder(async (folder, open) => {
    const store = await open();
    for (let i = 0; i < 5; i++) await delivered(store, { body: bodyOf(BIG) });
    const [lost, ...others] = bodies(folder);
    assert(lost !== undefined);
    Deno.removeSync(lost);
    const entries = await store.list("alice", { limit: 10 });
    const reads = await Promise.allSettled(entries.map(({ uid }) => readAll(store, "alice", uid)));
    const failures = reads.filter((read) => read.status === "rejected");
    assertEquals(failures.length, 1);
    const [failure] = failures;
    assert(failure?.reason instanceof SealpostError);
    assertEquals(failure.reason.code, "file-io");
    assertMatch(failure.reason.message, /damaged/);
    await store.close();

    const error = await assertCode("file-io", () => open());
    assertMatch(error.message, /is damaged: restore from a backup/);
    assert(error.message.includes(basename(lost)));
    for (const path of others) Deno.removeSync(path);
    assertMatch((await assertCode("file-io", () => open())).message, /, 2 more$/);
  }));

Deno.test("a body cut short on the disk is an error, not a shorter body", () =>
  inFolder(async (folder, open) => {
    const store = await open();
    await delivered(store, { body: bodyOf(BIG) });
    await Deno.truncate(bodies(folder)[0] ?? "", 100_000);
    await assertCode("file-io", () => readAll(store, "alice", 1));
  }));

Deno.test("more than one batch takes is committed in several", () =>
  inFolder(async (_, open) => {
    const store = await open();
    const deliveries = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        deliveryOf(store, { body: bodyOf(i < 50 ? INLINE_MAX : 1) })),
    );
    await Promise.all(deliveries.map((delivery) =>
      store.deliver(delivery)
    ));
    assertEquals((await store.usage("alice")).entries, 300);
  }));

Deno.test("no statement reads a table through, or sorts: a large mailbox lists like a small one", () =>
  inFolder(async (folder, open) => {
    await (await open()).close();
    const db = new DatabaseSync(join(folder, DATABASE_NAME));
    // The numbers for operators count accounts and tickets, however much mail there is.
    const { stats: _, ...rest } = SQL;
    for (const [name, sql] of Object.entries(rest)) {
      const plan = db.prepare(`EXPLAIN QUERY PLAN ${sql}`);
      const parameters = sql.includes("?1") ? 1 : sql.split("?").length - 1;
      const steps = plan.all(...new Array<null>(parameters).fill(null)).map(({ detail }) => detail);
      for (const step of steps) {
        assert(typeof step === "string");
        assert(!/SCAN|TEMP B-TREE/.test(step) || step === "SCAN CONSTANT ROW", `${name}: ${step}`);
      }
    }
    db.close();
  }));

Deno.test("the counters and the database's own check hold after all kinds of changes", () =>
  inFolder(async (folder, open) => {
    const store = await open();
    for (let i = 0; i < 40; i++) {
      await delivered(store, {
        body: bodyOf(i % 10 === 0 ? BIG : i),
        copies: [copyFor("alice"), copyFor("bob", { folder: i % 2 === 0 ? "inbox" : "sent" })],
      });
      if (i % 3 === 0) {
        await store.flag("alice", [i], { set: ["seen"], clear: [], folder: "inbox" });
      }
      if (i % 4 === 0) await store.flag("bob", [i], { set: [], clear: [], folder: "trash" });
      if (i % 5 === 0) await store.remove("alice", [i - 1, i - 2]);
      if (i % 7 === 0) await store.remove("bob", [i - 1, i - 2]);
    }
    await store.close();
    const wrong =
      `SELECT name FROM account WHERE bytes <> (SELECT sum(length(header) + length(summary) + body_size + length(stanza)
          + coalesce(length(note), 0))
        FROM entry JOIN message ON message.id = message_id WHERE account_id = account.id)`;
    assertEquals(ask(folder, wrong), []);
    const inFolders = `SELECT folder FROM folder AS f WHERE
      count <> (SELECT count(*) FROM entry
        WHERE account_id = f.account_id AND folder = f.folder) OR
      unseen <> (SELECT count(*) FROM entry
        WHERE account_id = f.account_id AND folder = f.folder AND flags & 1 = 0)`;
    assertEquals(ask(folder, inFolders), []);
    assertEquals(
      ask(folder, "SELECT id FROM message WHERE id NOT IN (SELECT message_id FROM entry)"),
      [],
    );
    assertEquals(ask(folder, "PRAGMA integrity_check"), ["ok"]);
    assertEquals(ask(folder, "PRAGMA foreign_key_check"), []);
    checkBodies(folder);
  }));

Deno.test("kill -9 at any moment loses nothing acknowledged and leaves nothing half-visible", () =>
  inFolder(async (folder, open) => {
    const stored = new Set<string>();
    const removing = new Set<string>();
    const removed = new Set<string>();
    for (const acknowledged of [1, 60, 150]) {
      const child = spawn("work", folder);
      let n = 0;
      const note = (line: string) => {
        const [what, id = ""] = line.split(" ");
        if (what === "stored") stored.add(id);
        else if (what === "removing") removing.add(id);
        else if (what === "removed") removed.add(id);
        if (what === "stored") n++;
        return n >= acknowledged;
      };
      await child.until(note);
      for (const line of await child.kill()) note(line);
      const store = await open();
      await checkAfterCrash(store, stored, removing, removed);
      assertEquals((await Array.fromAsync(Deno.readDir(join(folder, "bodies", "tmp")))).length, 0);
      await store.close();
      checkBodies(folder);
      assertEquals(ask(folder, "PRAGMA integrity_check"), ["ok"]);
    }
    assert(removed.size > 0 && stored.size >= 211);
  }));

async function checkAfterCrash(
  store: Store,
  stored: ReadonlySet<string>,
  removing: ReadonlySet<string>,
  removed: ReadonlySet<string>,
): Promise<void> {
  const inboxes = { alice: new Map<string, number>(), bob: new Map<string, number>() };
  for (const [name, found] of [["alice", inboxes.alice], ["bob", inboxes.bob]] as const) {
    const entries = await store.list(name, { limit: 1000 });
    assertEquals((await store.usage(name)).entries, entries.length);
    for (const { uid, header } of entries) {
      const id = toHex(header);
      assert(!found.has(id), "once");
      found.set(id, uid);
      assert(!removed.has(id), "what was removed stays so");
      assertEquals(await readAll(store, name, uid), bodyFor(id), "whole");
      const known = await store.delivered(new Uint8Array(32).fill(9), header);
      assertEquals(known?.digest, new Uint8Array(32).fill(7));
    }
  }
  for (const id of stored) {
    if (removing.has(id)) continue;
    assert(inboxes.alice.has(id) && inboxes.bob.has(id), `${id} was acknowledged`);
  }
  // What was never acknowledged may be there, but in both mailboxes or in none.
  for (const id of inboxes.alice.keys()) if (!removing.has(id)) assert(inboxes.bob.has(id));
  for (const id of inboxes.bob.keys()) if (!removing.has(id)) assert(inboxes.alice.has(id));
}

/** Runs the command after it on a file system of 8 MiB that only it sees, at $0, and that ends with it. */
const TINY_DISK = `exec unshare --user --map-root-user --mount sh -c '
  mount -t tmpfs -o size=8m none "$0" && exec "$@"' "$0" "$@"`;

Deno.test({
  name: "a full disk refuses writes, keeps serving reads, and is forgotten when there is room",
  ignore: !await shell(TINY_DISK, "/mnt", "true"),
  fn: () =>
    inFolder(async (folder) => {
      const args = ["-c", TINY_DISK, folder, ...command("fill", folder)];
      const { success, stdout, stderr } = await new Deno.Command("sh", { args }).output();
      assert(success, new TextDecoder().decode(stderr));
      assertMatch(new TextDecoder().decode(stdout), /^refused [1-9]/);
    }),
});

Deno.test({
  name: "when the system refuses to write, what was acknowledged stays and the rest never was",
  ignore: !await shell("trap '' XFSZ; ulimit -f 4096"),
  fn: () =>
    inFolder(async (folder, open) => {
      const limit = `trap '' XFSZ; ulimit -f 4096; exec "$0" "$@"`;
      const args = ["-c", limit, ...command("refuse", folder)];
      const { success, stdout, stderr } = await new Deno.Command("sh", { args }).output();
      assert(success, new TextDecoder().decode(stderr));
      const [, stored] = /^stored (\d+)\n$/.exec(new TextDecoder().decode(stdout)) ?? [];
      const store = await open();
      const entries = await store.list("alice", { limit: 1000 });
      assertEquals(entries.length, Number(stored));
      assert(entries.length > 5);
      for (const { uid, bodySize } of entries) {
        assertEquals((await readAll(store, "alice", uid))?.length, bodySize);
      }
      await store.close();
      checkBodies(folder);
    }),
});

/** Whether this system can run `script`. */
async function shell(script: string, ...args: string[]): Promise<boolean> {
  if (!posix) return false;
  return (await new Deno.Command("sh", { args: ["-c", script, ...args] }).output()).success;
}

/** The command line of store_child.ts, with no rights but to the store and to what says which tests are run. */
function command(what: string, folder: string): string[] {
  const script = fromFileUrl(new URL("./store_child.ts", import.meta.url));
  const rights = [
    `--allow-read=${folder}`,
    `--allow-write=${folder}`,
    "--allow-env=SEALPOST_TESTS",
    "--no-prompt",
  ];
  return [Deno.execPath(), "run", "--quiet", "--cached-only", ...rights, script, what, folder];
}

/** A child process whose lines are read one by one. */
function spawn(what: string, folder: string): {
  /** Resolves when `seen` is true of a line. */
  until(seen: (line: string) => boolean): Promise<void>;
  /** Ends it with SIGKILL and gives the lines that it wrote and nobody has read. */
  kill(): Promise<string[]>;
} {
  const [program = "", ...args] = command(what, folder);
  const child = new Deno.Command(program, { args, stdout: "piped", stderr: "inherit" }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let lines: string[] = [];
  let rest = "";
  const more = async () => {
    const { done, value } = await reader.read();
    if (done) return false;
    const parts = (rest + value).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
    return true;
  };
  return {
    async until(seen) {
      for (;;) {
        for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
          if (seen(line)) return;
        }
        assert(await more(), "the child has ended");
      }
    },
    async kill() {
      child.kill("SIGKILL");
      while (await more());
      await child.status;
      const left = lines;
      lines = [];
      return left;
    },
  };
}
