import { assert, assertEquals } from "@std/assert";
import { preseal } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";

Deno.test("what is removed is gone for its owner alone, and its bytes with the last copy", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const [alice, bob] = [await serving.session("alice"), await serving.session("bob")];
  const bodies = async () => {
    let count = 0;
    const root = `${serving.folder.dir}/mail/bodies`;
    for await (const { name } of Deno.readDir(root)) {
      if (name === "tmp") continue;
      for await (const _ of Deno.readDir(`${root}/${name}`)) count++;
    }
    return count;
  };
  await alice.deliver(await preseal(alice.person, [bob.person], 400_000));
  assertEquals(await bodies(), 1);
  assertEquals((await alice.link.ask({ op: "remove", uids: [1, 1, 7] })).uids, [1]);
  const { entries, bytes, nextUid } = await alice.link.ask({ op: "whoami" });
  assertEquals([entries, bytes, nextUid], [0, 0, 2]);
  assertEquals([(await bob.link.ask({ op: "whoami" })).entries, await bodies()], [1, 1]);
  assertEquals((await bob.link.ask({ op: "remove", uids: [1] })).uids, [1]);
  assertEquals((await bob.link.ask({ op: "remove", uids: [1] })).uids, []);
  assertEquals(await bodies(), 0);
  // A number is never given again.
  await alice.deliver(await preseal(alice.person, [bob.person]));
  assert((await bob.link.ask({ op: "whoami" })).nextUid === 3);
  await Promise.all([alice, bob].map((session) => session.close()));
});
