import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { equal } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { type Disk, SYSTEM_DISK } from "../../../server/store/disk.ts";
import { checkStore } from "../../../server/maintenance/fsck.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import type { Delivery, Store, StoredBody } from "../../../server/store/store.ts";
import { inFolder } from "../../support/command.ts";
import { bindPeople, filesIn, realDelivery, sendThrough } from "../../support/filled_store.ts";
import { FULL } from "../../support/full.ts";
import { assertCode, readAll } from "./store_contract.ts";

/** What SQLite throws when the fsync of its log fails: SQLITE_IOERR_FSYNC. */
function fsyncFailed(): Error {
  return Object.assign(new Error("disk I/O error"), { code: "ERR_SQLITE_ERROR", errcode: 1034 });
}

/** What Deno throws when an fsync fails. */
function ioError(): Error {
  return new Error("Input/output error (os error 5)");
}

/**
 * A disk on which steps fail. A COMMIT fails before it, as SQLite leaves it after a failed fsync, or,
 * with `late`, after it: then it is on the disk although the program was told otherwise.
 */
class FailingDisk implements Disk {
  /** How many steps were taken. */
  steps = 0;
  /** Which steps fail. */
  fails: (step: number, what: keyof Disk) => boolean = () => false;
  late = false;

  #failsNow(what: keyof Disk): boolean {
    return this.fails(++this.steps, what);
  }

  async syncFile(file: Deno.FsFile): Promise<void> {
    if (this.#failsNow("syncFile")) throw ioError();
    await SYSTEM_DISK.syncFile(file);
  }

  async syncData(file: Deno.FsFile): Promise<void> {
    if (this.#failsNow("syncData")) throw ioError();
    await SYSTEM_DISK.syncData(file);
  }

  async syncFolder(folder: string): Promise<void> {
    if (this.#failsNow("syncFolder")) {
      throw new SealpostError("file-io", `cannot sync the folder ${folder}: input/output error`);
    }
    await SYSTEM_DISK.syncFolder(folder);
  }

  commit(run: () => void): void {
    const fails = this.#failsNow("commit");
    if (fails && !this.late) throw fsyncFailed();
    SYSTEM_DISK.commit(run);
    if (fails) throw fsyncFailed();
  }
}

/** The bytes of a message, to be delivered as often as it takes. */
interface Letter {
  readonly delivery: Omit<Delivery, "body">;
  readonly body: Uint8Array<ArrayBuffer>;
}

async function letterOf(store: Store, size: number): Promise<Letter> {
  const { delivery: { body: _, ...delivery }, body } = await realDelivery(store, size);
  return { delivery, body };
}

async function upload(store: Store, { body }: Letter): Promise<StoredBody> {
  const sink = await store.openBody(body.length);
  await sink.write(body);
  return await sink.finish();
}

async function send(store: Store, letter: Letter): Promise<string> {
  return (await store.deliver({ ...letter.delivery, body: await upload(store, letter) })).kind;
}

/** Asserts that a letter is in both mailboxes once and whole, or, unless it `must`, in none. */
async function assertWhole(store: Store, letter: Letter, must: boolean): Promise<boolean> {
  const found: boolean[] = [];
  for (const name of ["alice", "bob"]) {
    const entries = (await store.list(name, { limit: 100 }))
      .filter(({ header }) => equal(header, letter.delivery.header));
    assert(entries.length <= 1, "more than once");
    for (const { uid } of entries) assertEquals(await readAll(store, name, uid), letter.body);
    found.push(entries.length === 1);
  }
  assertEquals(found[0], found[1], "in one mailbox and not in the other");
  if (must) assert(found[0], "lost");
  return found[0] ?? false;
}

for (const late of [false, true]) {
  const how = late ? "although it was done" : "and is not done";
  Deno.test(`whichever step of the disk fails ${how}, nothing is half there, and it can be repeated`, () =>
    inFolder(async (parent) => {
      const lender = await openSqliteStore(join(parent, "lender"));
      await bindPeople(lender);
      const letters = [500, 300_000, 3000, 400_000];
      const sealed: Letter[] = [];
      for (const size of letters) sealed.push(await letterOf(lender, size));
      await lender.close();

      let failed = 1;
      for (let n = 1; failed > 0; n += FULL ? 1 : 4) {
        const folder = join(parent, `step ${n}`);
        const disk = new FailingDisk();
        disk.late = late;
        let store = await openSqliteStore(folder, { disk });
        await bindPeople(store);
        disk.steps = 0;
        disk.fails = (step) => step === n;
        failed = 0;
        /** Does it once more if it fails. */
        const twice = async (work: () => Promise<unknown>): Promise<void> => {
          try {
            await work();
          } catch (error) {
            failed++;
            assert(error instanceof SealpostError && error.code === "file-io", String(error));
            assert(!error.message.includes("\n"));
            await store.usage("bob");
            await work();
          }
        };
        for (const letter of sealed) {
          const before = failed;
          await twice(async () => {
            const outcome = await send(store, letter);
            if (outcome === "stored") return;
            assert(outcome === "already" && late && failed > before);
          });
          await assertWhole(store, letter, true);
        }
        await twice(() => store.flag("bob", [1], { set: ["seen"], clear: [] }));
        await twice(() => store.flag("bob", [2], { set: [], clear: [], folder: "trash" }));
        await twice(() => store.remove("bob", [4]));
        await twice(() => store.remove("alice", [4]));
        disk.fails = () => false;
        const bodies = filesIn(join(folder, "bodies"));
        assertEquals(bodies.length, 1, "no body without a message");
        await store.close();
        assertEquals((await checkStore(folder)).findings, []);
        store = await openSqliteStore(folder);
        const entries = await store.list("bob", { limit: 100, ascending: true });
        assertEquals(entries.map(({ uid, flags, folder }) => [uid, flags, folder]), [
          [1, ["seen"], "inbox"],
          [2, [], "trash"],
          [3, [], "inbox"],
        ]);
        assertEquals(await readAll(store, "bob", 2), sealed[1]?.body);
        await store.close();
        await Deno.remove(folder, { recursive: true });
        assert(failed <= 1);
        // The last round reaches its end without a failure.
        if (failed === 0) assert(n > 13, `only ${n} steps`);
      }
    }));
}

Deno.test("while every step fails, reads go on; when none does any more, so do writes", () =>
  inFolder(async (folder) => {
    const disk = new FailingDisk();
    const store = await openSqliteStore(folder, { disk });
    try {
      await bindPeople(store);
      const first = await sendThrough(store, 350_000);
      const small = await letterOf(store, 500);
      const large = await letterOf(store, 400_000);
      disk.fails = () => true;
      for (let i = 0; i < 3; i++) {
        const results = await Promise.allSettled([
          send(store, small),
          send(store, large),
          store.flag("bob", [1], { set: ["seen"], clear: [] }),
          store.remove("bob", [1]),
          store.ensureAccounts(["carol"]),
        ]);
        for (const result of results) {
          assert(result.status === "rejected" && result.reason instanceof SealpostError);
          assertEquals(result.reason.code, "file-io");
          assertMatch(
            result.reason.message,
            /^(cannot write|cannot keep|.*sealpost\.db: the system)/,
          );
        }
        assertEquals(await readAll(store, "bob", first.uid), first.body);
        assertEquals(await store.usage("bob").then(({ entries, unseen }) => [entries, unseen]), [
          1,
          1,
        ]);
        assertEquals(await store.account("carol"), null);
        assertEquals(await assertWhole(store, small, false), false);
      }
      disk.fails = () => false;
      assertEquals([await send(store, small), await send(store, large)], ["stored", "stored"]);
      await assertWhole(store, large, true);
      await assertCode("no-such-user", () => store.usage("carol"));
    } finally {
      await store.close();
    }
    assertEquals((await checkStore(folder)).findings, []);
  }));

Deno.test("a body whose commit failed is kept until another commit has taken its place", () =>
  inFolder(async (folder) => {
    const disk = new FailingDisk();
    const store = await openSqliteStore(folder, { disk });
    try {
      await bindPeople(store);
      const large = await letterOf(store, 400_000);
      const bodies = () => filesIn(join(folder, "bodies"));
      const body = await upload(store, large);
      const { length } = bodies();
      disk.fails = (_, what) => what === "commit";
      await assertCode("file-io", () => store.deliver({ ...large.delivery, body }));
      assertEquals(bodies().length, length, "a crash now may bring its row back");
      disk.fails = () => false;
      await store.flag("bob", [], { set: [], clear: [] });
      assertEquals(bodies().length, length - 1);
    } finally {
      await store.close();
    }
  }));
