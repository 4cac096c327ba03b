import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { SealpostError } from "../../../crypto/error.ts";
import type { RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";

function change({ link }: RawSession, old: string, to: string) {
  return link.ask({ op: "passwd", old, new: to });
}

async function refusal(work: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(work, SealpostError)).code;
}

Deno.test("a new password ends the other sessions and all tickets; the old one opens nothing", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const { session: own, ticket } = await serving.logIn("alice");
  const other = await serving.session("alice");
  const bob = await serving.session("bob");
  assert(ticket);
  const { password } = own.person;
  assertEquals(await change(own, password, "a new password"), { ok: true });
  assertMatch((await other.link.ended).message, /your account was changed; log in again$/);
  assertEquals(await serving.resume("alice", ticket), null);
  assertEquals(await refusal(() => serving.session("alice")), "login-refused");
  assertEquals((await own.link.ask({ op: "whoami" })).name, "alice");
  assertEquals((await bob.link.ask({ op: "whoami" })).name, "bob");
  // The session that changed it rests on the new one now, and can change it again.
  const { session: again } = await serving.logIn("alice", "a new password");
  assertEquals(await change(own, "a new password", "a newer password"), { ok: true });
  await again.link.ended;
  const audit = await Deno.readTextFile(join(serving.folder.dir, "audit.log"));
  assertEquals(audit.split("\n").filter((line) => line.includes("password-changed")).length, 2);
  for (const secret of [password, "a new password"]) assert(!audit.includes(secret));
  await Promise.all([own, bob].map((session) => session.close()));
});

Deno.test("a password is not changed by whoever does not know it, nor to one that is out of bounds", async () => {
  await using serving = await Serving.start(["alice"], { "max-guesses": "3" });
  const alice = await serving.session("alice");
  const { password } = alice.person;
  const path = join(serving.folder.dir, "user_pass.json");
  const before = await Deno.readTextFile(path);
  assertEquals(await refusal(() => change(alice, password, "short")), "limit");
  assertEquals(await refusal(() => change(alice, password, "ä".repeat(129))), "limit");
  assertEquals(await refusal(() => change(alice, password, password)), "limit");
  // Wrong ones are guesses like those at a login.
  for (let i = 0; i < 3; i++) {
    assertEquals(await refusal(() => change(alice, "wrong", "a new password")), "login-refused");
  }
  assertEquals(await refusal(() => change(alice, password, "a new password")), "busy");
  assertEquals(await refusal(() => serving.session("alice")), "busy");
  assertEquals(await Deno.readTextFile(path), before);
  assertEquals((await alice.link.ask({ op: "whoami" })).name, "alice");
  await alice.close();
});
