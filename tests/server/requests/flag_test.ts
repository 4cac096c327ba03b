import { assertEquals } from "@std/assert";
import { preseal } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";

Deno.test("flags are set, cleared and moved with their entries, for what is there and one's own", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const [alice, bob] = [await serving.session("alice"), await serving.session("bob")];
  for (let i = 0; i < 3; i++) await alice.deliver(await preseal(alice.person, [bob.person]));
  const unseen = async () => (await bob.link.ask({ op: "whoami" })).unseen;
  assertEquals(await unseen(), 3);
  const flagged = await bob.link.ask({ op: "flag", uids: [1, 2, 9], set: ["seen"], clear: [] });
  assertEquals(flagged, { ok: true, uids: [1, 2], modseq: flagged.modseq });
  assertEquals(await unseen(), 1);
  // A flag in both is set; a move out of the inbox leaves nothing unseen there.
  await bob.link.ask({ op: "flag", uids: [1], set: ["seen"], clear: ["seen"] });
  await bob.link.ask({ op: "flag", uids: [3], set: [], clear: [], folder: "trash" });
  assertEquals(await unseen(), 0);
  await bob.link.ask({ op: "flag", uids: [2, 3], set: [], clear: ["seen"], folder: "inbox" });
  assertEquals(await unseen(), 2);
  assertEquals((await alice.link.ask({ op: "whoami" })).entries, 3);
  await Promise.all([alice, bob].map((session) => session.close()));
});
