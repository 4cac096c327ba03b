import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { type Bytes, concat, random } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { type Disk, SYSTEM_DISK } from "../../../server/store/disk.ts";
import { checkStore } from "../../../server/maintenance/fsck.ts";
import { MAX_PARTIALS, UPLOADS_NAME } from "../../../server/store/partial_uploads.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import type { Store, UploadId } from "../../../server/store/store.ts";
import { inFolder } from "../../support/command.ts";
import { filesIn } from "../../support/filled_store.ts";
import { bodyOf } from "./store_contract.ts";

const ENVELOPE = bodyOf(5000, 9);
const BODY = bodyOf(400_000);
const NO_LIMIT = 1 << 30;

function newId(senderFp: Bytes = random(32)): UploadId {
  return { senderFp, messageId: random(16), size: ENVELOPE.length + BODY.length };
}

/** Uploads the first `bytes` of the body, and breaks off. */
async function breakOff(store: Store, id: UploadId, bytes: number, limit = NO_LIMIT) {
  const sink = await store.openBody(BODY.length, { id, envelope: () => ENVELOPE, limit });
  await sink.write(BODY.subarray(0, bytes));
  await sink.suspend();
}

function unfinished(folder: string): string[] {
  return filesIn(join(folder, UPLOADS_NAME));
}

Deno.test("an upload that broke off goes on in a later store, from the byte that was said", async () => {
  await inFolder(async (folder) => {
    const id = newId();
    const first = await openSqliteStore(folder);
    await breakOff(first, id, 123_457);
    await first.close();
    const store = await openSqliteStore(folder);
    assertEquals(await store.uploaded(id), ENVELOPE.length + 123_457);
    const report = await checkStore(folder);
    assertEquals([report.damaged, report.findings.map(({ kind }) => kind)], [0, ["uploads"]]);
    // Less than all of it may be wanted; more is not there, nor the middle of an envelope.
    const most = ENVELOPE.length + 123_457;
    for (const offset of [most + 1, ENVELOPE.length - 1]) {
      assertEquals(await store.resumeBody(id, offset, NO_LIMIT), null);
    }
    const resumed = await store.resumeBody(id, most - 1000, NO_LIMIT);
    assert(resumed);
    assertEquals(resumed.envelope, ENVELOPE);
    const there = await Array.fromAsync(resumed.stored);
    assertEquals(concat(...there), BODY.slice(0, 122_457));
    await resumed.sink.write(BODY.subarray(122_457));
    const { file, size } = await resumed.sink.finish();
    assertEquals(size, BODY.length);
    assertEquals(await Deno.readFile(join(folder, "bodies", "tmp", file ?? "")), BODY);
    assertEquals(unfinished(folder), []);
    await store.close();
  });
});

Deno.test("nobody goes on with what is another's, another message's or of another size", async () => {
  await inFolder(async (folder) => {
    const store = await openSqliteStore(folder);
    const id = newId();
    await breakOff(store, id, 1000);
    const others = [
      newId(),
      { ...id, senderFp: random(32) },
      { ...id, messageId: random(16) },
      { ...id, size: id.size + 1 },
    ];
    for (const other of others) {
      assertEquals(await store.uploaded(other), 0);
      assertEquals(await store.resumeBody(other, ENVELOPE.length, NO_LIMIT), null);
    }
    assertEquals(await store.uploaded(id), ENVELOPE.length + 1000);
    await store.close();
  });
});

Deno.test("who goes on with an upload ends it where it still went on", async () => {
  await inFolder(async (folder) => {
    const store = await openSqliteStore(folder);
    const id = newId();
    const sink = await store.openBody(BODY.length, {
      id,
      envelope: () => ENVELOPE,
      limit: NO_LIMIT,
    });
    await sink.write(BODY.subarray(0, 70_000));
    assertEquals(await store.uploaded(id), ENVELOPE.length + 70_000);
    const late = await assertRejects(() => sink.write(BODY.subarray(0, 1)), SealpostError);
    assertEquals(late.code, "cancelled");
    await sink.abort();
    assertEquals(await store.uploaded(id), ENVELOPE.length + 70_000);
    // One that begins anew takes the place of what was there.
    const anew = await store.openBody(BODY.length, {
      id,
      envelope: () => ENVELOPE,
      limit: NO_LIMIT,
    });
    await anew.abort();
    assertEquals(await store.uploaded(id), 0);
    assertEquals(unfinished(folder), []);
    await store.close();
  });
});

Deno.test("what broke off is bounded: in bytes and number for each sender, and in time", async () => {
  await inFolder(async (folder) => {
    const store = await openSqliteStore(folder);
    const [alice, bob] = [random(32), random(32)];
    await breakOff(store, newId(bob), 1000);
    const count = () => unfinished(folder).length / 2;
    for (let i = 0; i < MAX_PARTIALS + 3; i++) await breakOff(store, newId(alice), 1000);
    assertEquals(count(), MAX_PARTIALS + 1);
    // Two of these fit.
    for (let i = 0; i < 4; i++) await breakOff(store, newId(alice), 100_000, 215_000);
    assertEquals(count(), 3);
    await breakOff(store, newId(alice), 300_000, 215_000);
    assertEquals(count(), 3);
    assertEquals(await store.dropUploads(0, 110_000), 1);
    assertEquals(await store.dropUploads(Date.now() + 60_000, NO_LIMIT), 2);
    assertEquals(unfinished(folder), []);
    // Without a limit above zero none is kept.
    await breakOff(store, newId(alice), 1000, 0);
    assertEquals(unfinished(folder), []);
    await store.close();
  });
});

Deno.test("what a disk will not make durable is not said to be there", async () => {
  await inFolder(async (folder) => {
    let fails = false;
    const disk: Disk = {
      ...SYSTEM_DISK,
      syncFile: (file) => fails ? Promise.reject(new Error("EIO")) : SYSTEM_DISK.syncFile(file),
    };
    const store = await openSqliteStore(folder, { disk });
    const id = newId();
    await breakOff(store, id, 50_000);
    fails = true;
    assertEquals(await store.uploaded(id), 0);
    fails = false;
    assertEquals(await store.uploaded(id), 0, "and never is again");
    await store.close();
  });
});
