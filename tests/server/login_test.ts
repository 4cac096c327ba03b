import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { ClientResumption } from "../../protocol/resumption.ts";
import { ClientHandshake } from "../../protocol/handshake.ts";
import { parseBusyLine } from "../../protocol/plaintext.ts";
import { testInFull } from "../support/full.ts";
import { RawSession } from "../support/raw_session.ts";
import { Serving } from "../support/serving.ts";
import { waitFor } from "../support/wait.ts";

testInFull("a hundred good logins from one address pass, and what fails is penalised", async () => {
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

Deno.test("a handshake keeps its place in the queue until its answer has left", async () => {
  await using serving = await Serving.start(["alice"]);
  const { bundle } = serving.folder;
  const [hostname = "", port] = serving.address.split(":");
  const { identity } = serving.person("alice");
  const sockets = await Promise.all(
    Array.from({ length: 16 }, () => Deno.connect({ hostname, port: Number(port) })),
  );
  try {
    const firsts = await Promise.all(
      sockets.map(async () => await (await ClientHandshake.start(bundle, identity)).writeA()),
    );
    await Promise.all(sockets.map((socket, i) => socket.write(firsts[i] ?? new Uint8Array(0))));
    await Promise.race(sockets.map((socket) => socket.read(new Uint8Array(1))));
    // A step of the grid is four times what the others' private operations take.
    const waiting = serving.server.gauges().queues["rsa"] ?? 0;
    assert(waiting >= 12, `${waiting} wait when the first of 16 is answered`);
  } finally {
    for (const socket of sockets) socket.close();
  }
});

Deno.test("who knows a ticket's key and not the rest buys one private operation with it", async () => {
  await using serving = await Serving.start(["alice"]);
  const { ticket, session } = await serving.logIn("alice");
  assert(ticket);
  await session.close();
  const { name, identity } = serving.person("alice");
  const handshake = await ClientResumption.start({
    name,
    client: identity.bundle,
    server: serving.folder.bundle,
    ticket: ticket.id,
    psk: ticket.psk,
  }, identity);
  const r1 = await handshake.writeR1();
  r1[r1.length - 1] = (r1.at(-1) ?? 0) ^ 1;
  assertEquals(await serving.knock(r1), "");
  assertEquals(await serving.resume("alice", ticket), null, "the ticket is gone");
});
