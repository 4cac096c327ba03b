import { assertEquals } from "@std/assert";
import { sha256 } from "../../../crypto/hash.ts";
import { random, toBase64 } from "../../../crypto/bytes.ts";
import { FrameKind } from "../../../protocol/frame.ts";
import { encodeJson } from "../../../protocol/request.ts";
import { preseal, type Presealed, type RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";
import { waitFor } from "../../support/wait.ts";

async function state({ link }: RawSession, { request, bytes }: Presealed) {
  const { id, size } = request;
  return await link.ask({ op: "upload", id, size, digest: toBase64(await sha256(bytes)) });
}

Deno.test("a sender learns what is there of a message: nothing, a part, or all of it; others do not", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const [alice, bob] = [await serving.session("alice"), await serving.session("bob")];
  const message = await preseal(alice.person, [bob.person], 1_000_000);
  const { request, bytes } = message;
  assertEquals(await state(alice, message), { ok: true, offset: 0 });

  const broken = await serving.connection("alice");
  await broken.send({ kind: FrameKind.request, id: 1, payload: encodeJson(request) });
  for (let at = 0; at < 600_000; at += 60_000) {
    await broken.send({ kind: FrameKind.data, id: 1, payload: bytes.slice(at, at + 60_000) });
  }
  await waitFor("the bytes", () => {
    return serving.server.observer.network.get("in") > 600_000 ? true : null;
  });
  broken.abort(new Error("cut off"));
  const { offset } = await waitFor("the part", async () => {
    const part = await state(alice, message);
    return part.offset > 0 ? part : null;
  });
  assertEquals(await state(bob, message), { ok: true, offset: 0 });

  const digest = toBase64(await sha256(bytes));
  const stored = await alice.link.upload(
    { ...request, offset, digest },
    (async function* () {
      yield await Promise.resolve(bytes.slice(offset));
    })(),
  );
  assertEquals(await state(alice, message), { ok: true, offset: bytes.length, at: stored.at });
  // Another message under this id is none that is there.
  const other = { request, bytes: random(100) };
  assertEquals(await state(alice, other), { ok: true, offset: 0 });
  assertEquals((await bob.link.ask({ op: "whoami" })).entries, 1);
  await Promise.all([alice, bob].map((session) => session.close()));
});
