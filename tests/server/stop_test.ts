import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SealpostError } from "../../crypto/error.ts";
import type { Connection } from "../../protocol/connection.ts";
import { type Frame, FrameKind } from "../../protocol/frame.ts";
import { decodeGoodbye } from "../../protocol/goodbye.ts";
import { RefusedError } from "../../protocol/refused.ts";
import { encodeJson } from "../../protocol/request.ts";
import { preseal, type Presealed } from "../support/raw_session.ts";
import { Serving } from "../support/serving.ts";
import { waitFor } from "../support/wait.ts";

const NONE = new Uint8Array(0);

/** Sends the request and the bytes from `from` to `to`. */
async function upload(
  connection: Connection,
  id: number,
  { request, bytes }: Presealed,
  from = 0,
  to = bytes.length,
): Promise<void> {
  if (from === 0) {
    await connection.send({ kind: FrameKind.request, id, payload: encodeJson(request) });
  }
  for (let at = from; at < to; at += 60_000) {
    const payload = bytes.slice(at, Math.min(at + 60_000, to));
    await connection.send({ kind: FrameKind.data, id, payload });
  }
  if (to === bytes.length) await connection.send({ kind: FrameKind.end, id, payload: NONE });
}

/** All frames until the goodbye. */
async function framesOf(connection: Connection): Promise<Frame[]> {
  const frames: Frame[] = [];
  for (;;) {
    const frame = await connection.receive();
    if (!frame) return frames;
    frames.push(frame);
  }
}

Deno.test("what is in progress at a stop finishes, what comes after is not begun, and all are asked back", async () => {
  const serving = await Serving.start(["alice", "bob"]);
  const alice = await serving.connection("alice");
  const idle = await serving.connection("bob");
  const [first, later] = await Promise.all(
    [300_000, 1000].map((size) =>
      preseal(serving.person("alice"), [serving.person("alice")], size)
    ),
  );
  assert(first && later);
  await upload(alice, 1, first, 0, 100_000);
  await waitFor("the upload", () => serving.server.load().inFlight > 0 ? true : null);
  const stopped = serving.server.stop();
  // One without anything to do goes first.
  assertEquals(await framesOf(idle), []);
  const told = idle.goodbye && decodeGoodbye(idle.goodbye);
  assertEquals([told?.reconnect, typeof told?.after], [true, "number"]);
  assert(told?.after !== undefined && told.after >= 1 && told.after <= 31);
  assertMatch(told.reason, /the server stops/);

  const frames = framesOf(alice);
  await upload(alice, 1, first, 100_000);
  await upload(alice, 2, later);
  await alice.send({ kind: FrameKind.request, id: 3, payload: encodeJson({ op: "whoami" }) });
  const answers = (await frames).filter(({ kind }) => kind === FrameKind.response);
  assertEquals(answers.map(({ id }) => id), [1]);
  assertMatch(new TextDecoder().decode(answers[0]?.payload), /^\{"ok":true,/);
  assert(alice.goodbye && decodeGoodbye(alice.goodbye)?.reconnect);
  await stopped;
  await assertRejects(() => serving.session("bob"), SealpostError, "nobody listens there");

  // The same again, with what got no answer sent again: everything there once.
  const again = await Serving.of(serving.folder);
  const session = await again.session("alice");
  await session.deliver(first);
  await session.deliver(later);
  assertEquals((await session.link.ask({ op: "whoami" })).entries, 4);
  await session.close();
  await again[Symbol.asyncDispose]();
});

Deno.test("an upload that takes longer than a stop may is cut off, whole or not at all", async () => {
  const serving = await Serving.start(["alice"], { "stop-timeout": "0s" });
  const alice = await serving.connection("alice");
  const message = await preseal(serving.person("alice"), [serving.person("alice")], 500_000);
  await upload(alice, 1, message, 0, 300_000);
  await waitFor("the upload", () => serving.server.load().inFlight > 0 ? true : null);
  const frames = framesOf(alice);
  await serving.server.stop();
  assertEquals((await frames).filter(({ kind }) => kind === FrameKind.response), []);
  assert(alice.goodbye && decodeGoodbye(alice.goodbye)?.reconnect);

  const again = await Serving.of(serving.folder);
  const session = await again.session("alice");
  assertEquals((await session.link.ask({ op: "whoami" })).entries, 0);
  await session.deliver(message);
  assertEquals((await session.link.ask({ op: "whoami" })).entries, 2);
  await session.close();
  await again[Symbol.asyncDispose]();
});

Deno.test("a client that waits for an answer is told why there is none, and when to come again", async () => {
  const serving = await Serving.start(["alice"]);
  const alice = await serving.session("alice");
  const answered = alice.link.ask({ op: "whoami" });
  await answered;
  const stopped = serving.server.stop();
  const error = await assertRejects(async () => {
    for (;;) await alice.link.ask({ op: "whoami" });
  }, RefusedError);
  assertEquals(error.code, "connection-lost");
  assertMatch(error.message, /^the server ended the connection: the server stops/);
  assert(error.retryAfter !== undefined && error.retryAfter >= 1);
  await stopped;
  await serving.folder[Symbol.asyncDispose]();
});

Deno.test("a client that takes nothing does not keep a server from stopping", async () => {
  const serving = await Serving.start(["alice"], { "stop-timeout": "1s" });
  const alice = await serving.session("alice");
  await alice.deliver(await preseal(alice.person, [alice.person], 2_000_000));
  await alice.close();
  const deaf = await serving.connection("alice");
  const payload = encodeJson({ op: "fetch", uid: 1 });
  for (let id = 1; id <= 20; id++) await deaf.send({ kind: FrameKind.request, id, payload });
  await waitFor("the stall", () => serving.server.observer.network.get("out") > 2e6 ? true : null);
  await serving.server.stop();
  deaf.abort(new Error("over"));
  await serving.folder[Symbol.asyncDispose]();
});
