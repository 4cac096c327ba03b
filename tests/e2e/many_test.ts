import { assertEquals, assertStringIncludes } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

testInFull(
  "what a search finds is marked, moved and deleted at once, and taken back",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    const send = async (subject: string, input: string) => {
      return (await people.ok("bob", ["send", "-t", "alice", "-s", subject], { input })).trim();
    };
    const ids = [
      await send("one", "the secret word"),
      await send("two", "nothing"),
      await send("three", "the secret word"),
      await send("four", "nothing"),
    ];
    const subjects = async (...args: string[]) => {
      const all: { subject: string }[] = await people.json("alice", ["inbox", ...args]);
      return all.map(({ subject }) => subject);
    };

    await t.step("by what is in texts that were never opened", async () => {
      const result = await people.json("alice", [
        ...["move", "--search", "secret from:bob", "--folder", "archive", "--yes"],
      ]);
      assertEquals(result, { moved: 2, folder: "archive" });
      assertEquals(await subjects(), ["four", "two"]);
      assertEquals(await subjects("--folder", "archive", "--search", "secret"), ["three", "one"]);
      assertEquals(
        await people.ok("alice", ["undo"]),
        "2 messages are back where they were.\n",
      );
      assertEquals(await subjects(), ["four", "three", "two", "one"]);
      const { code, stderr } = await people.as("alice", ["undo"]);
      assertEquals(code, 64);
      assertStringIncludes(stderr, "nothing to take back");
    });

    await t.step("a range of them, and only what was changed is taken back", async () => {
      await people.ok("alice", ["mark", ids[1] ?? "", "--set", "read"]);
      await people.ok("alice", [
        "mark",
        `${ids[0]}..${ids[2]}`,
        "--set",
        "read",
        "--set",
        "flagged",
      ]);
      assertEquals(await subjects("--search", "is:read is:flagged"), ["three", "two", "one"]);
      // What was changed again since stays.
      await people.ok("alice", ["inbox"]);
      await people.ok("alice", ["undo"]);
      assertEquals(await subjects("--search", "is:read"), ["two"]);
      assertEquals(await subjects("--search", "is:flagged"), []);
    });

    await t.step(
      "not without a question, nor with ids and a search, nor with neither",
      async () => {
        for (
          const args of [
            ["delete", "--search", "from:bob"],
            ["delete", ids[0] ?? "", "--search", "from:bob", "--yes"],
            ["move"],
            ["mark", "--search", "form:bob", "--set", "read", "--yes"],
          ]
        ) {
          const { code } = await people.as("alice", args);
          assertEquals(code, 64, args.join(" "));
        }
        assertEquals(await subjects(), ["four", "three", "two", "one"]);
        const none = await people.json("alice", ["delete", "--search", "from:alice", "--yes"]);
        assertEquals(none, { deleted: 0, forGood: false });
      },
    );
  },
);

testInFullUnless(
  missing,
  "a person is told how many they are before they are deleted",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    for (const subject of ["one", "two"]) {
      await people.ok("bob", ["send", "-t", "alice", "-s", subject], { input: "x" });
    }
    const args = ["delete", "--search", "from:bob"];
    await using refused = await people.at("alice", args);
    await refused.see("Delete 2 messages to Trash? (y/N)");
    await refused.enter("");
    assertEquals((await refused.ended()).code, 130);
    await using agreed = await people.at("alice", args);
    await agreed.see("(y/N)");
    await agreed.enter("y");
    await agreed.see("Deleted 2 messages to Trash");
    assertEquals((await people.json("alice", ["inbox"])).length, 0);
  },
);
