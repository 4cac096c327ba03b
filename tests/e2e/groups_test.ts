import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { testInFull } from "../support/full.ts";

testInFull("a group is a name for several people, shared and followed", async (t) => {
  await using people = await Commanding.start(["alice", "bob", "carol"]);
  const inbox = async (name: string) => (await people.json(name, ["inbox"]))[0];

  await t.step("whoever is written to by its name sees all, and answers all", async () => {
    assertEquals(
      await people.ok("alice", ["groups", "make", "team", "carol", "bob"]),
      "team: bob, carol\n",
    );
    await people.ok("alice", ["send", "-t", "team", "-s", "Plan"], { input: "x" });
    const { to, short } = await inbox("bob");
    assertEquals(to, ["bob", "carol"]);
    await people.ok("bob", ["reply", short, "--all"], { input: "yes" });
    assertEquals((await inbox("carol")).subject, "Re: Plan");
    assertEquals((await inbox("alice")).to, ["alice", "carol"]);
    assertMatch(
      await people.ok("bob", ["groups", "list"]),
      /^everyone +operator +alice, bob, carol$/m,
    );
  });

  await t.step("everyone is who the server says, and that is told", async () => {
    const { code, stderr } = await people.as("bob", ["send", "-t", "everyone", "-s", "All"], {
      input: "x",
    });
    assertEquals([code, stderr], [0, "everyone, as the server says: alice, carol.\n"]);
  });

  await t.step("shared once, later lists of its owner are followed and told", async () => {
    const refused = await people.as("alice", ["groups", "share", "team"]);
    assertEquals(refused.code, 64);
    await people.ok("alice", ["groups", "share", "team", "--yes"]);
    const { short } = await inbox("bob");
    assertEquals(
      await people.ok("bob", ["groups", "accept", short, "--as", "crew"]),
      "crew, of alice: bob, carol\n",
    );
    assertEquals((await people.as("bob", ["groups", "add", "crew", "bob"])).code, 64);
    await people.ok("alice", ["groups", "add", "team", "alice"]);
    await people.ok("alice", ["groups", "share", "team", "--yes"]);
    const { stderr } = await people.as("bob", ["send", "-t", "crew", "-s", "Crew"], { input: "x" });
    assertStringIncludes(stderr, "alice has changed the group crew: added alice.");
    assertEquals((await inbox("carol")).to, ["alice", "carol"]);
    const [crew] = await people.json("bob", ["groups", "list"]);
    assertEquals(crew, { name: "crew", members: ["alice", "bob", "carol"], owner: "alice" });
  });

  await t.step("what is wrong is said, and changes nothing", async () => {
    const wrong: [string[], number][] = [
      [["groups", "make", "carol", "bob"], 64],
      [["groups", "make", "team", "bob"], 64],
      [["groups", "make", "new", "nobody"], 67],
      [["groups", "remove", "team", "mallory"], 64],
      [["groups", "show", "none"], 64],
    ];
    for (const [args, expected] of wrong) {
      const { code, stderr } = await people.as("alice", args);
      assertEquals([code, stderr.split("\n").length], [expected, 2], stderr);
    }
    await people.ok("alice", ["groups", "discard", "team"]);
    assertEquals(await people.json("alice", ["groups", "list"]), []);
  });
});
