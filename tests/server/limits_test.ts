import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { Kind } from "../../protocol/frame.ts";
import { parseBusyLine } from "../../protocol/plaintext.ts";
import { RefusedError } from "../../protocol/refused.ts";
import { encodeJson } from "../../protocol/request.ts";
import { openSqliteStore } from "../../server/store/sqlite_store.ts";
import { preseal, RawSession } from "../support/raw_session.ts";
import { makeServerFolder } from "../support/server_folder.ts";
import { Serving } from "../support/serving.ts";
import { waitFor } from "../support/wait.ts";
import { copyFor, delivered } from "./store_contract.ts";
import { join } from "@std/path";

/** What a delivery is refused with. */
async function refused(work: () => Promise<unknown>): Promise<RefusedError> {
  return await assertRejects(work, RefusedError);
}

Deno.test("a hundred good logins from one address pass, and what fails is penalised", async () => {
  await using serving = await Serving.start(["alice", "bob"], {
    "penalty-exempt": "off",
    "max-guesses": "1000",
  });
  const sessions: RawSession[] = [];
  const { session, ticket } = await serving.logIn("alice");
  sessions.push(session);
  let next = ticket;
  // Through the door with tickets, which is cheap, and some with the password.
  for (let i = 0; i < 90 && next; i++) {
    const resumed = await serving.resume("alice", next);
    assert(resumed);
    sessions.push(resumed);
    next = await resumed.nextTicket();
  }
  sessions.push(...await Promise.all(Array.from({ length: 10 }, () => serving.session("alice"))));
  assertEquals(sessions.length, 101);

  // Three at once would do; each second takes one second of a penalty away.
  const stranger = { ...serving.person("bob"), name: "nobody" };
  while (serving.logged("source-penalised").length === 0) {
    const wrong = () => serving.logIn("alice", "wrong");
    const unknown = () => RawSession.logIn(serving.address, serving.folder.bundle, stranger);
    const outcomes = await Promise.allSettled([wrong(), unknown(), wrong(), unknown()]);
    for (const outcome of outcomes) assertEquals(outcome.status, "rejected");
  }
  const said = parseBusyLine(await serving.knock());
  assertEquals([said?.code, said?.limit], ["busy", "penalties"]);
  assert(said?.retryAfter !== undefined && said.retryAfter >= 1 && said.retryAfter <= 20);
  assertEquals(serving.logged("source-penalised").length, 1);
  await serving.knock();
  assertEquals(serving.logged("source-penalised").length, 1);
  // Who is inside stays there.
  for (const session of sessions) await session.link.ask({ op: "whoami" });
  await Promise.all(sessions.map((session) => session.close()));
});

Deno.test("garbage is penalised, silence is not, nor asking for the key or an old ticket", async () => {
  await using serving = await Serving.start(["alice"], { "penalty-exempt": "off" });
  const { ticket, session } = await serving.logIn("alice");
  assert(ticket);
  await session.close();
  const resumed = await serving.resume("alice", ticket);
  await resumed?.close();
  for (let i = 0; i < 20; i++) {
    assertEquals(await serving.resume("alice", ticket), null);
    (await Deno.connect({ hostname: "127.0.0.1", port: Number(serving.address.split(":")[1]) }))
      .close();
    assert((await serving.knock(new Uint8Array([1, 1, 3]))).length > 1000);
  }
  assertMatch(await serving.knock(utf8("GET / HTTP/1.1\r\n\r\n")), /^sealpost: this server speaks/);
  await session.close();
  assertMatch(await serving.knock(utf8("SSH-2.0-x\r\n")), /^sealpost: this server speaks/);
  assertMatch(await serving.knock(), /^sealpost: not now \(penalties\); try again in \d+ s\n$/);
  const [line] = serving.logged("source-penalised");
  assertEquals([line?.fields.source, line?.fields.offence], ["127.0.0.1", "garbage"]);
});

Deno.test("whoever meets a limit of connections is told which, and when to try again", async () => {
  await using serving = await Serving.start(["alice", "bob"], {
    "max-connections-per-source": "3",
    "max-connections-per-user": "2",
  });
  const { session, ticket } = await serving.logIn("alice");
  assert(ticket);
  const second = await serving.session("alice");
  const error = await assertRejects(() => serving.session("alice"), SealpostError);
  assertEquals(error.code, "busy");
  assertMatch(error.message, /\(max-connections-per-user\); .*try again in 60 s$/);
  const connections = (count: number) =>
    waitFor("goodbyes", () => serving.server.load().connections === count ? true : null);
  await connections(2);
  // A ticket is not spent for it.
  assertEquals(await serving.resume("alice", ticket), null);
  await second.close();
  await connections(1);
  const third = await serving.resume("alice", ticket);
  assert(third);
  const bob = await serving.session("bob");
  assertEquals(
    await serving.knock(),
    "sealpost: not now (max-connections-per-source); try again in 10 s\n",
  );
  assertEquals(serving.server.observer.rejected.get("max-connections-per-source"), 1);
  await Promise.all([session, third, bob].map((one) => one.close()));
});

Deno.test("a quota holds for every mailbox, and the sender is told whose is full", async () => {
  await using serving = await Serving.start(["alice", "bob", "carol"], { quota: "1MiB" });
  const [alice, bob, carol] = await Promise.all(
    ["alice", "bob", "carol"].map((name) => serving.session(name)),
  );
  assert(alice && bob && carol);
  const send = async (from: RawSession, size: number, ...to: string[]) => {
    const message = await preseal(from.person, to.map((name) => serving.person(name)), size);
    return from.deliver(message);
  };
  // Bob's mailbox is filled by himself; each copy counts, that in Sent too.
  await send(bob, 400_000, "bob");
  await send(alice, 100_000, "bob", "carol");
  const full = await refused(() => send(alice, 300_000, "carol", "bob"));
  assertEquals([full.code, full.limit, full.about], ["quota", "quota", "bob"]);
  assertMatch(full.message, /^the mailbox of bob has no room .* nobody got it/);
  assertEquals(full.retryAfter, undefined);
  const own = await refused(() => send(bob, 300_000, "carol"));
  assertEquals(own.about, "bob");
  assertMatch(own.message, /^your own mailbox has no room for a copy \(quota: 1\.0 MiB\)/);
  assertEquals((await carol.link.ask({ op: "whoami" })).entries, 1);

  // Many at once, which all see room: as many as there is room for are stored.
  const outcomes = await Promise.allSettled(
    Array.from({ length: 6 }, () => send(alice, 200_000, "carol")),
  );
  assertEquals(outcomes.filter(({ status }) => status === "fulfilled").length, 4);
  const { bytes } = await carol.link.ask({ op: "whoami" });
  assert(bytes <= 2 ** 20 && bytes > 800_000, `${bytes}`);
  assertEquals(serving.server.observer.refusals.get("quota"), 4);
  // What is removed makes room.
  await bob.link.ask({ op: "remove", uids: [1, 2] });
  await send(carol, 100, "bob");
  await Promise.all([alice, bob, carol].map((one) => one.close()));
});

Deno.test("too many messages are refused for a while, over all of a user's connections", async () => {
  await using serving = await Serving.start(["alice", "bob"], {
    "messages-per-minute": "1",
    "messages-burst": "3",
  });
  const { session: one, ticket } = await serving.logIn("alice");
  assert(ticket);
  const two = await serving.resume("alice", ticket);
  const bob = await serving.session("bob");
  assert(two);
  const messages = await Promise.all(
    Array.from({ length: 4 }, () => preseal(one.person, [bob.person])),
  );
  const [m1, m2, m3, m4] = messages;
  assert(m1 && m2 && m3 && m4);
  await one.deliver(m1);
  await two.deliver(m2);
  await one.deliver(m3);
  const error = await refused(() => two.deliver(m4));
  assertEquals([error.code, error.limit], ["busy", "messages-per-minute"]);
  assert(error.retryAfter !== undefined && error.retryAfter > 0 && error.retryAfter <= 60);
  assertMatch(error.message, new RegExp(`try again in ${error.retryAfter} s$`));
  // One that was stored, and whose answer was lost, is none more.
  for (const message of [m1, m2, m3]) await two.deliver(message);
  // Others are not held up, and reading is no sending.
  await bob.deliver(await preseal(bob.person, [one.person]));
  assertEquals((await bob.link.ask({ op: "whoami" })).entries, 4);
  await Promise.all([one, two, bob].map((session) => session.close()));
});

Deno.test("sizes and recipients are refused by the settings of the moment", async () => {
  await using serving = await Serving.start(["alice", "bob", "carol"], {}, {
    toml: "max-recipients = 1",
  });
  const [alice, bob, carol] = await Promise.all(
    ["alice", "bob", "carol"].map((name) => serving.session(name)),
  );
  assert(alice && bob && carol);
  const message = await preseal(alice.person, [bob.person, carol.person]);
  const many = await refused(() => alice.deliver(message));
  assertEquals([many.code, many.limit], ["limit", "max-recipients"]);

  await Deno.writeTextFile(`${serving.folder.dir}/sealpost.toml`, 'max-message = "1MiB"');
  await serving.server.reload();
  assertEquals(serving.logged("reloaded").map(({ fields }) => fields.applied), [
    "max-message,max-recipients",
  ]);
  await alice.deliver(message);
  const heavy = await preseal(bob.person, [alice.person], 1_300_000);
  const large = await refused(() => bob.deliver(heavy));
  assertEquals([large.code, large.limit], ["too-large", "max-message"]);
  assertMatch(large.message, /up to 1\.0 MiB/);

  await Deno.writeTextFile(`${serving.folder.dir}/sealpost.toml`, "max-message = 1");
  await serving.server.reload();
  assertEquals(serving.logged("reload-failed").length, 1);
  assertEquals(serving.server.settings.current.maxMessage, 2 ** 20);
  await Promise.all([alice, bob, carol].map((session) => session.close()));
});

Deno.test("requests that come too fast are answered later, all of them, and the client is told once", async () => {
  await using serving = await Serving.start(["alice"], {
    "requests-per-second": "100",
    "requests-burst": "5",
  });
  const connection = await serving.connection("alice");
  const payload = encodeJson({ op: "whoami" });
  for (let id = 1; id <= 30; id++) await connection.send({ kind: Kind.request, id, payload });
  const events: string[] = [];
  for (let answered = 0; answered < 30;) {
    const frame = await connection.receive();
    if (frame?.kind === Kind.event) events.push(new TextDecoder().decode(frame.payload));
    else assertEquals([frame?.kind, frame?.id], [Kind.response, ++answered]);
  }
  assertEquals(events, ['{"event":"slowed","limit":"requests-per-second"}']);
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
  await stuck.send({ kind: Kind.request, id: 1, payload: encodeJson(request) });
  await stuck.send({ kind: Kind.data, id: 1, payload: half });
  await waitFor("the upload", () => serving.server.load().inFlight > 2 ** 20 ? true : null);

  // A second one would be more than her share; bob is not alice, and a small request is no upload.
  let done = false;
  const second = alice.deliver(waiting).then(() => done = true);
  await bob.deliver(await preseal(bob.person, [alice.person], 1_500_000));
  await bob.link.ask({ op: "whoami" });
  assertEquals(done, false);
  for (let at = half.length; at < bytes.length; at += 60_000) {
    await stuck.send({ kind: Kind.data, id: 1, payload: bytes.slice(at, at + 60_000) });
  }
  await stuck.send({ kind: Kind.end, id: 1, payload: new Uint8Array(0) });
  await second;
  assertEquals(done, true);
  assertEquals((await bob.link.ask({ op: "whoami" })).entries, 3);
  await waitFor("the end", () => serving.server.load().inFlight === 0 ? true : null);
  await Promise.all([stuck, alice, bob].map((session) => session.close()));
});

Deno.test("clients that do not read, do not send, or fall silent are let go; quiet ones stay", async () => {
  await using serving = await Serving.start(["alice", "bob"], {
    "stall-timeout": "1s",
    "ping-after": "1s",
    "idle-timeout": "3s",
  });
  const quiet = await serving.session("bob");
  await quiet.deliver(await preseal(quiet.person, [quiet.person], 2_000_000));

  const deaf = await serving.connection("bob");
  const fetch = encodeJson({ op: "fetch", uid: 1 });
  for (let id = 1; id <= 30; id++) await deaf.send({ kind: Kind.request, id, payload: fetch });

  const mute = await serving.connection("alice");
  const { request, bytes } = await preseal(quiet.person, [quiet.person], 1000);
  await mute.send({ kind: Kind.request, id: 1, payload: encodeJson(request) });
  await mute.send({ kind: Kind.data, id: 1, payload: bytes.slice(0, 100) });
  const reading = mute.receive().catch((error) => error);

  // It does not answer the ping, as nobody reads from it.
  const silent = await serving.connection("alice");
  const reasons = await waitFor("the end of all three", () => {
    const ends = serving.logged("connection-ended");
    return ends.length === 3 ? ends.map(({ fields }) => `${fields.code}: ${fields.why}`) : null;
  });
  assertEquals(reasons.sort(), [
    "timeout: the client does not read",
    "timeout: the client fell silent",
    "timeout: the client's upload stands still",
  ]);
  assert(await reading instanceof SealpostError);
  // For all of 60 MB that were asked for, the server has read and held next to nothing.
  assert(serving.server.observer.network.get("out") < 30_000_000);
  assertEquals(serving.server.gauges().sessions, 1);
  assertEquals((await quiet.link.ask({ op: "whoami" })).entries, 2);
  for (const connection of [deaf, mute, silent]) connection.abort(new Error("over"));
  await quiet.close();
});

Deno.test("what lies in Trash expires while the server runs, if that is wanted", async () => {
  const folder = await makeServerFolder(["alice"]);
  const store = await openSqliteStore(join(folder.dir, "mail"));
  await store.ensureAccounts(["alice"]);
  const day = 86_400_000;
  for (const [i, age] of [40, 20].entries()) {
    const receivedAt = Date.now() - age * day;
    await delivered(store, { copies: [copyFor("alice", { folder: "trash" })], receivedAt });
    await delivered(store, { copies: [copyFor("alice", { flags: ["seen"] })], receivedAt });
    assertEquals((await store.usage("alice")).entries, 2 * (i + 1));
  }
  await store.close();
  const count = async (settings: Record<string, string>) => {
    const serving = await Serving.of(folder, settings);
    const alice = await serving.session("alice");
    if (Object.keys(settings).length > 0) {
      await waitFor("expiry", () => serving.logged("expired").length > 0 ? true : null);
    }
    const { entries } = await alice.link.ask({ op: "whoami" });
    await alice.close();
    await serving.server.stop();
    return entries;
  };
  assertEquals(await count({}), 4);
  assertEquals(await count({ "expire-trash": "30d" }), 3);
  assertEquals(await count({ "expire-read": "30d" }), 2);
  await folder[Symbol.asyncDispose]();
});
