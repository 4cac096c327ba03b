import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Argon2Params, nativeArgon2 } from "../../crypto/argon2.ts";
import { utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { hashPassword } from "../../crypto/phc.ts";
import { FrameKind } from "../../protocol/frame.ts";
import { encodeJson, type Event } from "../../protocol/request.ts";
import type { ControlRequest } from "../../server/control/protocol.ts";
import { preseal, type RawSession } from "../support/raw_session.ts";
import { Serving } from "../support/serving.ts";
import { waitFor } from "../support/wait.ts";
import { sampleOf } from "../support/full.ts";

/** What a password check costs so that an operator's command is done while one goes on. */
const SLOW: Argon2Params = { memory: 65_536, passes: 6, parallelism: 1 };

/** What an operator can do to alice: the running server does it for the commands of the same name. */
const COMMANDS: Readonly<Record<string, ControlRequest>> = {
  remove: { op: "user-remove", by: { pid: 1 }, name: "alice", purge: false },
  disable: { op: "user-disable", by: { pid: 1 }, name: "alice" },
  passwd: {
    op: "user-passwd",
    by: { pid: 1 },
    name: "alice",
    credential: await hashPassword(utf8("another one")),
  },
};
const { disable, passwd } = COMMANDS;
const enable: ControlRequest = { op: "user-enable", by: { pid: 1 }, name: "alice" };
assert(disable && passwd);

/**
 * Lets alice log in, and runs `command` while her password is being checked. Where the runtime checks
 * passwords on its only thread, the command is done before or after.
 */
async function logInDuring(serving: Serving, command: ControlRequest) {
  let decided = false;
  const login = serving.logIn("alice").then(
    (loggedIn) => ({ loggedIn, error: null }),
    (error) => ({ loggedIn: null, error }),
  ).finally(() => decided = true);
  await waitFor("the password check", () => {
    return decided || serving.server.load().passwordChecks === 1 ? true : null;
  });
  await serving.server.operations.run(command);
  const met = serving.server.load().passwordChecks === 1;
  if (nativeArgon2 !== null) assert(met, "the command was done while the password was checked");
  return { ...await login, met };
}

async function assertOver({ link }: RawSession, reason: RegExp): Promise<void> {
  await assertRejects(() => link.ask({ op: "whoami" }), SealpostError);
  assertMatch((await link.ended).message, reason);
}

for (const [name, command] of sampleOf(Object.entries(COMMANDS), 4)) {
  Deno.test(`a login whose password is being checked does not outlive user ${name}`, async () => {
    await using serving = await Serving.start(["alice"], {}, { cost: SLOW });
    await (await serving.session("alice")).close();
    const { loggedIn, met } = await logInDuring(serving, command);
    if (!met) return;
    assert(loggedIn, "the password was right when it was checked");
    await assertOver(loggedIn.session, /your account was changed; log in again$/);
    await waitFor("the end", () => serving.server.registry.size === 0 ? true : null);
    // Not even once everything is as it was before.
    if (name === "disable") await serving.server.operations.run(enable);
    assert(loggedIn.ticket);
    assertEquals(await serving.resume("alice", loggedIn.ticket), null);
  });
}

Deno.test("a login whose password was replaced while it was checked binds no key", async () => {
  await using serving = await Serving.start(["alice"], {}, { cost: SLOW });
  const { error, met } = await logInDuring(serving, passwd);
  if (!met) return;
  assert(error instanceof SealpostError);
  assertEquals(error.code, "login-refused");
  const list = await serving.server.operations.run({ op: "user-list", by: { pid: 1 } });
  assert("users" in list && Array.isArray(list.users));
  assertEquals(list.users.map(({ key }) => key), [null]);
  assertEquals(serving.logged("login-failed").at(-1)?.fields.why, "not-allowed");
});

Deno.test("a login that is under way does not outlive the key that it was decided on", async () => {
  await using serving = await Serving.start(["alice"]);
  const { operations } = serving.server;
  let met = 0;
  for (let round = 0; round < 12; round++) {
    const { session, ticket } = await serving.logIn("alice");
    assert(ticket);
    const resuming = serving.resume("alice", ticket).catch(() => null);
    // The later, the further the other login has come.
    for (let turn = 0; turn < 6 * round; turn++) await new Promise((done) => setTimeout(done));
    const unbind = { op: "user-unbind", by: { pid: 1 }, name: "alice", sameKey: true } as const;
    const [resumed] = await Promise.all([resuming, operations.run(unbind)]);
    await assertOver(session, /your account was/);
    if (!resumed) continue;
    met++;
    await assertOver(resumed, /your account was/);
  }
  assert(met > 0, "no resumption came far enough to be ended");
  assertEquals(serving.server.registry.size, 0);
});

Deno.test("a disabled user's sessions end, and their tickets open nothing, even once enabled", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const { session, ticket } = await serving.logIn("alice");
  const { ticket: unused } = await serving.logIn("alice");
  const bob = await serving.session("bob");
  assert(ticket && unused);
  const resumed = await serving.resume("alice", ticket);
  assert(resumed);
  const next = await resumed.nextTicket();
  await serving.server.operations.run(disable);
  for (const one of [session, resumed]) await assertOver(one, /your account was/);
  for (const one of [unused, next]) assertEquals(await serving.resume("alice", one), null);
  await assertRejects(() => serving.session("alice"), SealpostError, "invalid username");
  await serving.server.operations.run(enable);
  for (const one of [unused, next]) assertEquals(await serving.resume("alice", one), null);
  assertEquals((await bob.link.ask({ op: "whoami" })).name, "bob");
  await (await serving.session("alice")).close();
  await bob.close();
});

Deno.test("new mail is told to every session of its owner, and to nobody else", async () => {
  await using serving = await Serving.start(["alice", "bob", "carol"]);
  const [alice, bob, bobToo, carol] = await Promise.all(
    ["alice", "bob", "bob", "carol"].map((name) => serving.session(name)),
  );
  assert(alice && bob && bobToo && carol);
  await alice.deliver(await preseal(alice.person, [bob.person]));
  const mail = (session: RawSession) =>
    waitFor("the event", () => session.events.length > 0 ? session.events : null);
  const inbox: readonly Event[] = [
    { event: "mail", uid: 1, folder: "inbox", number: 1, modseq: 1 },
  ];
  assertEquals(await Promise.all([bob, bobToo].map(mail)), [inbox, inbox]);
  assertEquals(await mail(alice), [
    { event: "mail", uid: 1, folder: "sent", number: 1, modseq: 1 },
  ]);
  await carol.link.ask({ op: "whoami" });
  assertEquals(carol.events, []);
  await Promise.all([alice, bob, bobToo, carol].map((session) => session.close()));
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
  for (let id = 1; id <= 30; id++) await deaf.send({ kind: FrameKind.request, id, payload: fetch });

  const mute = await serving.connection("alice");
  const { request, bytes } = await preseal(quiet.person, [quiet.person], 1000);
  await mute.send({ kind: FrameKind.request, id: 1, payload: encodeJson(request) });
  await mute.send({ kind: FrameKind.data, id: 1, payload: bytes.slice(0, 100) });
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
