import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

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
    const added = await people.as("alice", ["groups", "add", "team", "alice"]);
    assertEquals(
      [added.stdout, added.stderr],
      ["team: alice, bob, carol\n", "team is shared: bob, carol get the new list.\n"],
    );
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

testInFullUnless(
  missing,
  "whoever reads a message that shares a group is asked once whether they want it",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob", "carol", "dave", "eve"]);
    await people.ok("alice", ["groups", "make", "team", "bob", "carol", "dave", "eve"]);
    await people.ok("alice", ["groups", "share", "team", "--yes"]);
    const size = { columns: 100, rows: 30 };
    const groups = async (name: string): Promise<string[]> => {
      const all: { name: string; owner: string }[] = await people.json(name, ["groups", "list"]);
      return all.map(({ name, owner }) => `${name} of ${owner}`);
    };
    const shortOf = async (name: string) => (await people.json(name, ["inbox"]))[0].short;

    await t.step("by the command that reads it, at a terminal alone", async () => {
      const short = await shortOf("bob");
      const { stdout } = await people.as("bob", ["read", short]);
      assertStringIncludes(stdout, "In it are: bob, carol, dave, eve.");
      assertEquals(await groups("bob"), []);
      await using screen = await people.at("bob", ["read", short], size);
      await screen.see(/alice shares the group team with you: bob, carol, dave, eve\./);
      await screen.enter("y");
      await screen.see("You can write to team now");
      assertEquals((await screen.ended()).code, 0);
      assertEquals(await groups("bob"), ["team of alice"]);
      await using again = await people.at("bob", ["read", short], size);
      await again.ended();
      assertEquals(/shares the group team with you/.test(await again.text()), false);
    });

    await t.step("whoever does not want it is not asked again, and can take it later", async () => {
      const short = await shortOf("carol");
      await using screen = await people.at("carol", ["read", short], size);
      await screen.see("Take it over");
      await screen.enter("");
      await screen.see(`"groups accept ${short}" does it later`);
      await screen.ended();
      await using again = await people.at("carol", ["read", short], size);
      await again.ended();
      assertEquals((await again.text()).includes("Take it over"), false);
      assertEquals(await groups("carol"), []);
      await people.ok("carol", ["groups", "accept", short]);
      assertEquals(await groups("carol"), ["team of alice"]);
    });

    await t.step("on the full screen", async () => {
      await using screen = await people.at("dave", ["connect"], size);
      await screen.see("The group team");
      await screen.press("Enter");
      await screen.see("alice shares the group team with you");
      await screen.press("y");
      await screen.see("You can write to team now");
      await people.ok("alice", ["groups", "remove", "team", "eve"]);
      await screen.see("alice has changed the group team: removed eve.");
      await screen.press("q");
      await screen.press("q");
      await screen.ended();
      assertEquals(await groups("dave"), ["team of alice"]);
    });

    await t.step("in the menu, at a terminal", async () => {
      await using screen = await people.at("eve", ["connect", "--menu"], size);
      await screen.converse([["choice:", "2"], ["choice:", "3"], ["wish to view:", "1"]]);
      await screen.converse([["files/? (Y/N)", "n"], ["changes? (y/N)", "y"]]);
      await screen.see("You can write to team now");
      await screen.converse([["choice:", "4"]]);
      await screen.ended();
      assertEquals(await groups("eve"), ["team of alice"]);
    });
  },
);
