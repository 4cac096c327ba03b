import { assertEquals } from "@std/assert";
import { FrameKind } from "../../../protocol/frame.ts";
import { encodeJson } from "../../../protocol/request.ts";
import { preseal } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";
import { waitFor } from "../../support/wait.ts";

Deno.test("requests that come too fast are answered later, all of them, and the client is told once", async () => {
  await using serving = await Serving.start(["alice"], {
    "requests-per-second": "100",
    "requests-burst": "5",
  });
  const connection = await serving.connection("alice");
  const payload = encodeJson({ op: "whoami" });
  for (let id = 1; id <= 30; id++) await connection.send({ kind: FrameKind.request, id, payload });
  const events: string[] = [];
  for (let answered = 0; answered < 30;) {
    const frame = await connection.receive();
    if (frame?.kind === FrameKind.event) events.push(new TextDecoder().decode(frame.payload));
    else assertEquals([frame?.kind, frame?.id], [FrameKind.response, ++answered]);
  }
  assertEquals(events, ['{"event":"slowed","limit":"requests-per-second"}']);
  await connection.close();
});

Deno.test("small data frames are slowed down like requests, and large ones are not", async () => {
  await using serving = await Serving.start(["alice", "bob"], {
    "requests-per-second": "50",
    "requests-burst": "20",
  });
  const alice = await serving.session("alice");
  const large = await preseal(alice.person, [alice.person], 2_000_000);
  await alice.deliver(large);
  assertEquals(alice.events.filter(({ event }) => event !== "mail"), []);
  await alice.close();

  const connection = await serving.connection("alice");
  const { request, bytes } = await preseal(serving.person("alice"), [serving.person("alice")]);
  await connection.send({ kind: FrameKind.request, id: 1, payload: encodeJson(request) });
  const sending = (async () => {
    for (const byte of bytes.subarray(0, 800)) {
      await connection.send({ kind: FrameKind.data, id: 1, payload: new Uint8Array([byte]) });
    }
    await connection.send({ kind: FrameKind.data, id: 1, payload: bytes.slice(800) });
    await connection.send({ kind: FrameKind.end, id: 1, payload: new Uint8Array(0) });
  })();
  const told: string[] = [];
  for (;;) {
    const frame = await connection.receive();
    if (frame?.kind === FrameKind.response) break;
    told.push(new TextDecoder().decode(frame?.payload));
  }
  await sending;
  assertEquals(told[0], '{"event":"slowed","limit":"requests-per-second"}');
  await connection.close();
});

Deno.test("one user's uploads that stand still do not hold up the others'", async () => {
  await using serving = await Serving.start(["alice", "bob"], { "max-in-flight-total": "8MiB" });
  const stuck = await serving.connection("alice");
  const bob = await serving.session("bob");
  const { session: alice } = await serving.logIn("alice");
  const { request, bytes } = await preseal(alice.person, [bob.person], 1_500_000);
  const waiting = await preseal(alice.person, [bob.person], 1_500_000);
  const half = bytes.slice(0, 30_000);
  await stuck.send({ kind: FrameKind.request, id: 1, payload: encodeJson(request) });
  await stuck.send({ kind: FrameKind.data, id: 1, payload: half });
  await waitFor("the upload", () => serving.server.load().inFlight > 2 ** 20 ? true : null);

  // A second one would be more than her share; bob is not alice, and a small request is no upload.
  let done = false;
  const second = alice.deliver(waiting).then(() => done = true);
  await bob.deliver(await preseal(bob.person, [alice.person], 1_500_000));
  await bob.link.ask({ op: "whoami" });
  assertEquals(done, false);
  for (let at = half.length; at < bytes.length; at += 60_000) {
    await stuck.send({ kind: FrameKind.data, id: 1, payload: bytes.slice(at, at + 60_000) });
  }
  await stuck.send({ kind: FrameKind.end, id: 1, payload: new Uint8Array(0) });
  await second;
  assertEquals(done, true);
  assertEquals((await bob.link.ask({ op: "whoami" })).entries, 3);
  await waitFor("the end", () => serving.server.load().inFlight === 0 ? true : null);
  await Promise.all([stuck, alice, bob].map((session) => session.close()));
});
