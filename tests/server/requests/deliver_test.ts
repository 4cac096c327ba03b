import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { RefusedError } from "../../../protocol/refused.ts";
import { preseal, RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";

/** What a delivery is refused with. */
async function refused(work: () => Promise<unknown>): Promise<RefusedError> {
  return await assertRejects(work, RefusedError);
}

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
  // One that was stored, and is sent again as if its answer had been lost, counts again.
  const retry = await refused(() => two.deliver(m1));
  assertEquals([retry.code, retry.limit], ["busy", "messages-per-minute"]);
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
