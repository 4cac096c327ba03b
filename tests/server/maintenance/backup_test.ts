import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { basename, join } from "@std/path";
import { concat } from "../../../crypto/bytes.ts";
import { makeBackup } from "../../../server/maintenance/backup.ts";
import { DATABASE_NAME } from "../../../server/store/database.ts";
import { checkStore } from "../../../server/maintenance/fsck.ts";
import { PIN_NAME } from "../../../server/store/pin.ts";
import { SCHEMA_VERSION } from "../../../server/store/schema.sql.ts";
import {
  digestFile,
  listSnapshots,
  MANIFEST_NAME,
  PARTIAL_SUFFIX,
  readSnapshot,
  SUMS_NAME,
} from "../../../server/maintenance/snapshot.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import { inFolder, shell } from "../../support/command.ts";
import { filesIn, fillStore, sendThrough, tamper } from "../../support/filled_store.ts";
import { run } from "../../support/program.ts";
import { assertCode } from "../store/store_contract.ts";

const posix = Deno.build.os !== "windows";

/** A server's folder with mail, and where its backups go. */
async function inServer(
  test: (place: { readonly dir: string; readonly mail: string; readonly into: string }) => Promise<
    void
  >,
): Promise<void> {
  await inFolder(async (folder) => {
    const dir = join(folder, "server");
    await fillStore(join(dir, "mail"));
    for (const name of ["server_private.pem", "server_private.AbC12.pem", "server_public.pem"]) {
      await Deno.writeTextFile(join(dir, name), `the key file ${name}`, { mode: 0o600 });
    }
    await Deno.writeTextFile(join(dir, "user_pass.json"), "{}", { mode: 0o600 });
    await Deno.writeTextFile(join(dir, "sealpost.toml"), "# settings\n");
    await test({ dir, mail: join(dir, "mail"), into: join(folder, "backups") });
  });
}

const usual = { keys: false, keep: 7 };

/** Asserts that every file of a snapshot has its checksum. */
async function verify(into: string, name: string): Promise<Map<string, string>> {
  const { sums } = await readSnapshot(into, name);
  for (const [path, sum] of sums) assertEquals((await digestFile(join(into, path))).sum, sum, path);
  return new Map(sums);
}

const bodiesIn = (folder: string) => filesIn(join(folder, "bodies"));

Deno.test("a backup has the database and every body, for its owner alone", () =>
  inServer(async ({ dir, mail, into }) => {
    const { snapshot, manifest, added } = await makeBackup({ dir, into, ...usual });
    assertEquals(await listSnapshots(into), { complete: [snapshot], partial: [] });
    assertEquals([manifest.messages, manifest.entries, manifest.bodies, added], [6, 11, 2, 2]);
    assertEquals([manifest.schema, manifest.damaged, manifest.keys], [SCHEMA_VERSION, 0, false]);
    assertEquals(
      bodiesIn(into).map((path) => basename(path)),
      bodiesIn(mail).map((p) => basename(p)),
    );
    assertEquals(filesIn(join(into, snapshot)).map((path) => basename(path)), [
      SUMS_NAME,
      MANIFEST_NAME,
      DATABASE_NAME,
      "sealpost.toml",
    ]);
    const sums = await verify(into, snapshot);
    assertEquals(sums.size, 4);
    if (!posix) return;
    for (const path of filesIn(into)) {
      assertEquals((Deno.statSync(path).mode ?? 0) & 0o077, 0, path);
    }
    for (const path of [into, join(into, snapshot), join(into, "bodies")]) {
      assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o700, path);
    }
  }));

Deno.test("a backup of a serving store has what is in its journal alone, and the store goes on", () =>
  inServer(async ({ dir, mail, into }) => {
    const store = await openSqliteStore(mail, { commitAfter: 2 ** 31 - 1 });
    try {
      const sent = [await sendThrough(store, 500), await sendThrough(store, 700)];
      assertEquals((await checkStore(mail)).journaled, 2);
      const { snapshot, manifest } = await makeBackup({ dir, into, ...usual });
      assertEquals([manifest.messages, manifest.entries, manifest.damaged], [8, 15, 0]);
      await verify(into, snapshot);
      assertEquals((await checkStore(mail)).journaled, 2);
      for (const { uid, body } of sent) {
        const chunks = await store.readBody("bob", uid);
        assert(chunks !== null);
        assertEquals(concat(...await Array.fromAsync(chunks)), body);
      }
    } finally {
      await store.close();
    }
    assertEquals((await checkStore(mail)).findings, []);
  }));

Deno.test({
  name: "sha256sum checks a snapshot without this program",
  ignore: !posix,
  fn: () =>
    inServer(async ({ dir, into }) => {
      const { snapshot } = await makeBackup({ dir, into, ...usual, keys: true });
      const said = await shell('cd "$0" && sha256sum -c SHA256SUMS', join(into, snapshot));
      assertEquals(said.match(/: OK$/gm)?.length, 8);
      await Deno.writeTextFile(join(into, snapshot, "user_pass.json"), "{} ");
      await shell('cd "$0" && ! sha256sum --quiet -c SHA256SUMS 2>/dev/null', join(into, snapshot));
    }),
});

Deno.test("keys and passwords are in it only if asked for, the retired keys too", () =>
  inServer(async ({ dir, into }) => {
    const { snapshot, manifest } = await makeBackup({ dir, into, ...usual, keys: true });
    assertEquals(manifest.keys, true);
    const names = filesIn(join(into, snapshot)).map((path) => basename(path));
    for (const name of ["server_private.pem", "server_private.AbC12.pem", "user_pass.json"]) {
      assert(names.includes(name), name);
    }
    await verify(into, snapshot);
    await Deno.remove(join(dir, "server_private.pem"));
    await assertCode("file-missing", () => makeBackup({ dir, into, ...usual, keys: true }));
    assertEquals((await listSnapshots(into)).complete, [snapshot]);
  }));

Deno.test("the next backup copies new bodies only, and drops what no snapshot needs", () =>
  inServer(async ({ dir, mail, into }) => {
    const first = await makeBackup({ dir, into, ...usual, keep: 2 });
    const store = await openSqliteStore(mail);
    await sendThrough(store, 350_000);
    for (const name of ["alice", "bob"]) await store.remove(name, [3]);
    await store.close();
    const second = await makeBackup({ dir, into, ...usual, keep: 2 });
    assertEquals([second.manifest.bodies, second.added, second.removed], [2, 1, []]);
    assertEquals(bodiesIn(into).length, 3, "the first snapshot has the removed one still");
    await verify(into, first.snapshot);
    await verify(into, second.snapshot);

    const third = await makeBackup({ dir, into, ...usual, keep: 2 });
    assertEquals([third.added, third.removed], [0, [first.snapshot]]);
    assertEquals(bodiesIn(into).length, 2);
    const kept = await listSnapshots(into);
    assertEquals(kept, { complete: [second.snapshot, third.snapshot], partial: [] });
    for (const name of kept.complete) await verify(into, name);
  }));

Deno.test("one that broke off is marked, and the next goes on from what it had", () =>
  inServer(async ({ dir, into }) => {
    const { snapshot } = await makeBackup({ dir, into, ...usual });
    // As a crash leaves it: bodies there, the folder not renamed, the list of checksums not written.
    await Deno.rename(join(into, snapshot), join(into, snapshot + PARTIAL_SUFFIX));
    await Deno.remove(join(into, snapshot + PARTIAL_SUFFIX, SUMS_NAME));
    const [cut = ""] = bodiesIn(into);
    await Deno.remove(cut);
    await Deno.writeTextFile(cut, "half of it");
    await Deno.writeTextFile(join(into, "bodies", "tmp", basename(cut)), "half of it");
    assertEquals((await listSnapshots(into)).complete, []);
    const next = await makeBackup({ dir, into, ...usual });
    assertEquals([next.added, next.manifest.damaged], [1, 0]);
    assertEquals(await listSnapshots(into), { complete: [next.snapshot], partial: [] });
    await verify(into, next.snapshot);
  }));

Deno.test({
  name: "where links are not possible bodies are copied",
  // Not everybody may mount, and root may everywhere.
  ignore: !posix || !(await new Deno.Command("sh", {
    args: ["-c", "unshare --user --map-root-user --mount mount -t tmpfs none /mnt"],
  }).output()).success,
  fn: () =>
    inServer(async ({ dir, mail, into }) => {
      const linked = await makeBackup({ dir, into, ...usual });
      const nlink = (path: string) => Deno.statSync(path).nlink;
      assertEquals(bodiesIn(mail).map(nlink), [2, 2]);
      assertEquals(linked.added, 2);
      // On a file system of its own there, which is gone with its process: so it is checked inside.
      const inside = `set -e; mkdir other; mount -t tmpfs none other; "$@" backup other --dir server
        cd other/2*Z; sha256sum --quiet -c SHA256SUMS; ls -l ../bodies/*/* | cut -c1-12`;
      const main = new URL("../../../main.ts", import.meta.url).pathname;
      const command = [
        Deno.execPath(),
        "run",
        "--quiet",
        "--allow-read=.",
        "--allow-write=.",
        main,
      ];
      const said = await shell(
        `cd "$0"; script=$1; shift; unshare --user --map-root-user --mount sh -c "$script" sh "$@"`,
        join(dir, ".."),
        inside,
        ...command,
      );
      assertMatch(said, /2 large bodies of \d+ bytes, 2 of them new here/);
      assertEquals(said.match(/^-rw------- 1$/gm)?.length, 2);
    }),
});

Deno.test("a backup of a serving store is that of one moment, with every body of it", () =>
  inServer(async ({ dir, mail, into }) => {
    const store = await openSqliteStore(mail);
    try {
      // Mail comes and goes all the time: some of it right after the database was copied.
      for (let round = 0; round < 4; round++) {
        const uids: number[] = [];
        for (let i = 0; i < 12; i++) uids.push((await sendThrough(store, 270_000 + i)).uid);
        let busy = true;
        const work = (async () => {
          while (busy) {
            await store.remove("bob", uids.splice(0, 1));
            const [oldest] = await store.list("alice", { limit: 1, ascending: true });
            if (oldest) await store.remove("alice", [oldest.uid]);
            if (uids.length === 0) uids.push((await sendThrough(store, 280_000)).uid);
          }
        })();
        const { snapshot, manifest } = await makeBackup({ dir, into, ...usual })
          .finally(() => busy = false);
        await work;
        assertEquals(manifest.damaged, 0);
        const sums = await verify(into, snapshot);
        assertEquals(
          [...sums.keys()].filter((path) => /^bodies/.test(path)).length,
          manifest.bodies,
        );
        assert(manifest.bodies > 0);
      }
      const { code, stdout, stderr } = await run(
        ["backup", "backups", "--dir", "server", "--json"],
        { cwd: join(dir, "..") },
      );
      assertEquals([code, stderr], [0, ""], "from another process too");
      await verify(into, JSON.parse(stdout).snapshot);
    } finally {
      await store.close();
    }
    await (await openSqliteStore(mail)).close();
    assertEquals((await checkStore(mail)).findings, []);
  }));

Deno.test("a damaged store is backed up as it is, said to be, and pushes out no older backup", () =>
  inServer(async ({ dir, mail, into }) => {
    const good = await makeBackup({ dir, into, ...usual, keep: 1 });
    tamper(mail, "UPDATE folder SET unseen = 50 WHERE folder = 0");
    const [lost = ""] = bodiesIn(mail);
    await Deno.remove(lost);
    for (const path of bodiesIn(into).filter((path) => basename(path) === basename(lost))) {
      await Deno.remove(path);
    }
    const { code, stdout, stderr } = await run(
      ["backup", "backups", "--dir", "server", "--keep", "1"],
      { cwd: join(dir, "..") },
    );
    assertEquals(code, 65);
    assertMatch(
      stderr,
      /^sealpost: the backup \d+T\d+Z is complete, but the store is damaged; .*\n$/,
    );
    assertMatch(stdout, /^damage: .*[0-9a-f]{32} is missing$/m);
    assertMatch(stdout, /^damage: bob, folder 0: unseen is 50/m);
    const { complete } = await listSnapshots(into);
    assertEquals([complete.length, complete[0]], [2, good.snapshot]);
    assertEquals((await readSnapshot(into, complete[1] ?? "")).manifest.damaged, 3);
  }));

Deno.test("a second backup to the same place waits for nobody, and none goes into the store", () =>
  inServer(async ({ dir, mail, into }) => {
    await makeBackup({ dir, into, ...usual });
    using lock = await Deno.open(join(into, "lock"), { write: true });
    await lock.lock(true);
    await assertCode("busy", () => makeBackup({ dir, into, ...usual }));
    await assertCode("usage", () => makeBackup({ dir, into: join(mail, "backups"), ...usual }));
    await assertCode("usage", () => makeBackup({ dir, into: mail, ...usual }));
    await assertCode("file-missing", () => makeBackup({ dir: into, into, ...usual }));
    assertEquals((await listSnapshots(into)).complete.length, 1);
    assertNotEquals(filesIn(mail).filter((path) => basename(path) === PIN_NAME), []);
  }));

Deno.test("a list of checksums that was altered, or that names other files, is refused", () =>
  inServer(async ({ dir, into }) => {
    const { snapshot } = await makeBackup({ dir, into, ...usual });
    const path = join(into, snapshot, SUMS_NAME);
    const sums = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, sums.replace(/^./, (c) => c === "0" ? "1" : "0"));
    await assertCode("format", () => readSnapshot(into, snapshot));

    // Whoever can write to the backups can write a manifest to go with any list.
    const manifestPath = join(into, snapshot, MANIFEST_NAME);
    const manifest = JSON.parse(await Deno.readTextFile(manifestPath));
    const line = (name: string) => `${"0".repeat(64)}  ${name}\n`;
    for (
      const name of [
        "../../../../etc/passwd",
        "/etc/passwd",
        ".ssh",
        "a/b",
        "../bodies/ab/../../x",
        `../bodies/cd/${"ab".repeat(16)}`,
        `../bodies/ab/${"AB".repeat(16)}`,
      ]
    ) {
      await Deno.writeTextFile(path, line(name));
      const { sum } = await digestFile(path);
      await Deno.writeTextFile(manifestPath, JSON.stringify({ ...manifest, sums: sum }));
      await assertCode("format", () => readSnapshot(into, snapshot));
    }
    await Deno.writeTextFile(manifestPath, JSON.stringify({ ...manifest, version: 2 }));
    await assertCode("version", () => readSnapshot(into, snapshot));
    for (const text of ["{}", "not json", JSON.stringify({ ...manifest, bodies: -1 })]) {
      await Deno.writeTextFile(manifestPath, text);
      await assertCode("format", () => readSnapshot(into, snapshot));
    }
    // The next backup does not trust it, and reads everything again.
    const next = await makeBackup({ dir, into, ...usual });
    await verify(into, next.snapshot);
  }));
