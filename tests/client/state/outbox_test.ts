import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Outbox } from "../../../client/state/outbox.ts";
import { State } from "../../../client/state/state.ts";
import { type Bytes, toBase64, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { formatMessageId, newMessageId } from "../../../protocol/uuid.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

/** A message that counts as sealed. */
function sealed(text: string) {
  const bytes = utf8(text);
  const request = {
    op: "deliver" as const,
    id: formatMessageId(newMessageId()),
    size: bytes.length,
    recipients: [{ name: "bob", fp: toBase64(new Uint8Array(32)) }],
    copy: true,
  };
  const stream = async function* (): AsyncGenerator<Bytes, void, undefined> {
    yield await Promise.resolve(bytes);
  };
  return { request, bytes: stream() };
}

async function inOutbox(
  work: (open: () => Promise<Outbox>, folder: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (dir) => {
    const identity = await identityOf("alice");
    const folder = join(dir, ".sealpost", "alice");
    await work(async () => Outbox.open(await State.open(dir, "alice", identity)), folder);
  });
}

async function textsIn(outbox: Outbox): Promise<string[]> {
  const texts: string[] = [];
  for (const waiting of (await outbox.list()).waiting) {
    let text = "";
    for await (const piece of waiting.bytes()) text += new TextDecoder().decode(piece);
    texts.push(text);
  }
  return texts;
}

Deno.test("a message that was made of a waiting one takes its place", async () => {
  await inOutbox(async (open) => {
    const outbox = await open();
    const old = await outbox.add(sealed("old"));
    await outbox.add(sealed("other"));
    await outbox.add(sealed("new"), () => {}, old);
    assertEquals((await textsIn(await open())).sort(), ["new", "other"]);
    assertEquals((await (await open()).list()).unknown, []);
  });
});

Deno.test("a crash between the two leaves one of them, and the old one does not come back", async () => {
  await inOutbox(async (open, folder) => {
    const outbox = await open();
    const old = await outbox.add(sealed("old"));
    const { id } = old.request;
    const files = [`outbox-${id}`, join("outbox", `${id}.sealed`)].map((file) => {
      return { path: join(folder, file), data: Deno.readFileSync(join(folder, file)) };
    });
    await outbox.add(sealed("new"), () => {}, old);
    for (const { path, data } of files) Deno.writeFileSync(path, data);
    assertEquals(await textsIn(await open()), ["new"]);
    assertEquals(await textsIn(await open()), ["new"]);
    // Nor does it when the new one has gone out.
    for (const waiting of (await outbox.list()).waiting) await waiting.remove();
    assertEquals(await textsIn(await open()), []);
  });
});

Deno.test("of two clients that seal a waiting message again one does", async () => {
  await inOutbox(async (open) => {
    const [one, two] = [await open(), await open()];
    const old = await one.add(sealed("old"));
    const outcomes = await Promise.allSettled([
      one.add(sealed("first"), () => {}, old),
      two.add(sealed("second"), () => {}, old),
    ]);
    assertEquals(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
    assertEquals((await textsIn(one)).length, 1);
    const error = await assertRejects(
      () => two.add(sealed("third"), () => {}, old),
      SealpostError,
    );
    assertEquals(error.code, "cancelled");
    assertEquals((await textsIn(one)).length, 1);
    assertEquals((await two.list()).unknown, []);
  });
});

Deno.test("a message is claimed by one client at a time, and by nobody once it is gone", async () => {
  await inOutbox(async (open) => {
    const mine = await (await open()).add(sealed("text"));
    const [other] = (await (await open()).list()).waiting;
    assert(other);
    // What was just added is its sender's.
    assertEquals(await other.claim(), false);
    await assertRejects(() => other.discard(), SealpostError, "sending this message just now");
    mine.release();
    assertEquals([await other.claim(), await other.claim()], [true, true]);
    assertEquals(await mine.claim(), false);
    const waited = (await (await open()).list()).waiting[0]?.claim("wait");
    await other.remove();
    assertEquals([await waited, await mine.claim()], [false, false]);
    assertEquals(await (await open()).list(), { waiting: [], unknown: [] });
  });
});

Deno.test("what is set aside is never sent again, also if the disk has no room for the reason", async () => {
  await inFolder(async (dir) => {
    const state = await State.open(dir, "alice", await identityOf("alice"));
    const outbox = await Outbox.open(state);
    const waiting = await outbox.add(sealed("refused"));
    state.write = () => Promise.reject(new SealpostError("disk-full", "the disk is full"));
    await assertRejects(() => waiting.setAside("the reason"), SealpostError, "the disk is full");
    waiting.release();
    assertEquals(await textsIn(outbox), []);
    assertEquals((await outbox.listRefused()).map(({ request }) => request.id), [
      waiting.request.id,
    ]);
    await waiting.remove();
    assertEquals(await outbox.listRefused(), []);
  });
});

Deno.test("what one client sets aside is not forgotten by another one that saw it wait", async () => {
  await inOutbox(async (open) => {
    const outbox = await open();
    const waiting = await outbox.add(sealed("refused"));
    const other = await open();
    const [seen] = (await other.list()).waiting;
    assert(seen);
    await waiting.setAside("the reason");
    waiting.release();
    assertEquals(await seen.claim(), false);
    assertEquals((await other.listRefused()).map(({ why }) => why), ["the reason"]);
    assert(await waiting.claim());
    waiting.release();
  });
});
