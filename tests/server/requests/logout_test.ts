import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { SealpostError } from "../../../crypto/error.ts";
import type { RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";
import { waitFor } from "../../support/wait.ts";

function logOut({ link }: RawSession) {
  return link.ask({ op: "logout", everywhere: true });
}

async function assertOver({ link }: RawSession): Promise<void> {
  const error = await assertRejects(() => link.ask({ op: "whoami" }), SealpostError);
  assertMatch(error.message, /you logged out everywhere/);
}

Deno.test("logging out everywhere ends the user's other sessions and all tickets, nobody else's", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const { session: own, ticket: first } = await serving.logIn("alice");
  const { session: second, ticket } = await serving.logIn("alice");
  const { session: bob, ticket: his } = await serving.logIn("bob");
  assert(first && ticket && his);
  const resumed = await serving.resume("alice", ticket);
  assert(resumed);
  const next = await resumed.nextTicket();

  assertEquals(await logOut(own), { ok: true, sessions: 2, tickets: 2 });
  for (const other of [second, resumed]) await assertOver(other);
  for (const dead of [first, next]) assertEquals(await serving.resume("alice", dead), null);
  assertEquals((await own.link.ask({ op: "whoami" })).name, "alice");
  assertEquals(await logOut(own), { ok: true, sessions: 0, tickets: 0 });

  assertEquals((await bob.link.ask({ op: "whoami" })).name, "bob");
  assert(await serving.resume("bob", his));
  const { ticket: later } = await serving.logIn("alice");
  assert(later && await serving.resume("alice", later));
  const audit = await Deno.readTextFile(join(serving.folder.dir, "audit.log"));
  const recorded = audit.trim().split("\n").map((line) => JSON.parse(line))
    .find(({ action }) => action === "logged-out-everywhere");
  assertEquals([recorded.name, recorded.sessions, recorded.tickets], ["alice", 2, 2]);
});

Deno.test("a ticket that is used at the very moment opens nothing, and leaves no other", async () => {
  await using serving = await Serving.start(["alice"]);
  const own = await serving.session("alice");
  let met = 0;
  for (let round = 0; round < 12; round++) {
    const { session, ticket } = await serving.logIn("alice");
    assert(ticket);
    const resuming = serving.resume("alice", ticket).catch(() => null);
    // The later, the further the other login has come.
    for (let turn = 0; turn < 6 * round; turn++) await new Promise((done) => setTimeout(done));
    const [resumed] = await Promise.all([resuming, logOut(own)]);
    await assertOver(session);
    if (!resumed) continue;
    met++;
    const next = await resumed.nextTicket().catch(() => null);
    await waitFor("the end of the session", async () => {
      return await resumed.link.ask({ op: "whoami" }).then(() => null, () => true);
    });
    if (next) assertEquals(await serving.resume("alice", next), null);
  }
  assert(met > 0, "no resumption came far enough to be ended");
  assertEquals(serving.server.registry.size, 1);
});

Deno.test("a logout that is not everywhere is no request", async () => {
  await using serving = await Serving.start(["alice"]);
  const session = await serving.session("alice");
  for (const everywhere of [false, undefined]) {
    const request = { op: "logout", everywhere } as unknown as { op: "logout"; everywhere: true };
    const error = await assertRejects(() => session.link.ask(request), SealpostError);
    assertEquals(error.code, "format");
  }
});
