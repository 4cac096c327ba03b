import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withControl } from "../support/control.ts";
import { Program } from "../support/program.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFull } from "../support/full.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

testInFull(
  "members have full names: the operator's word until their owner has signed them",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    const { dir } = people.group;
    const run = (...args: string[]) => {
      return Program.start(args, { cwd: dir, env: {}, build: withControl(dir) }).finish();
    };
    // The server of a group has no control socket: what its operator does is done while it stands still.
    const operate = async (...commands: string[][]) => {
      await people.group.server.stop();
      for (const args of commands) {
        const { code, stderr } = await run(...args);
        assertEquals(code, 0, stderr);
      }
      await people.group.restart();
      for (const name of ["alice", "bob"]) await people.settle(name);
    };
    await operate(
      ["user", "full-name", "bob", "  Bob   Müller "],
      ["user", "add", "carol", "--full-name", "김 철수", "--generate"],
    );

    await t.step("listed for people, for programs and for shells", async () => {
      const [head = "", alice = "", bob = "", carol = ""] = (await people.ok("alice", ["members"]))
        .split("\n");
      assertMatch(head, /^Name +Full name +Since +Key$/);
      assertMatch(alice, /^alice +- +\d{4}-\d\d-\d\d +you$/);
      assertMatch(bob, /^bob +Bob Müller \* +\d{4}-\d\d-\d\d +not used yet$/);
      assertMatch(
        carol,
        /^carol +김 철수 \* +\d{4}-\d\d-\d\d +none yet: they have never connected$/,
      );
      const [, listed] = await people.json("alice", ["members"]);
      assertEquals(
        [listed.name, listed.fullName, listed.fullNameSigned, listed.canBeWrittenTo],
        ["bob", "Bob Müller", false, true],
      );
      assertEquals(await people.ok("alice", ["members", "names"]), "alice\nbob\ncarol\neveryone\n");
    });

    await t.step("signed by what their owner sends, who is told once", async () => {
      const send = ["send", "-t", "alice", "-s", "Hello"];
      const first = await people.as("bob", send, { input: "x" });
      assertStringIncludes(first.stderr, "The operator calls you Bob Müller");
      const second = await people.as("bob", send, { input: "x" });
      assertEquals([second.code, second.stderr.includes("Müller")], [0, false]);
      const [message] = await people.json("alice", ["inbox"]);
      assertEquals([message.from, message.fullName], ["bob", "Bob Müller"]);
      assertMatch(await people.ok("alice", ["read", message.short]), /^From: bob, Bob Müller \(/);
      // From here on the operator's word does not count for Alice.
      await operate(["user", "full-name", "bob", "Alice's Bank"]);
      const [, listed] = await people.json("alice", ["members"]);
      assertEquals([listed.fullName, listed.fullNameSigned], ["Bob Müller", true]);
    });

    await t.step("on the full screen, beside names where there is room", async () => {
      if (missing !== null) return;
      await people.ok("alice", ["send", "-t", "bob", "-s", "Answer"], { input: "x" });
      await using screen = await people.at("alice", ["connect"], { columns: 120, rows: 24 });
      await screen.see(/bob \(Bob Müller\) +Hello/);
      await screen.press("2");
      await screen.see(/To bob \(Bob Müller\) +Answer/);
      await screen.press("C");
      await screen.see(/bob +Bob Müller +not verified/);
      await screen.see(/Full name +Bob Müller\n/);
      await using narrow = await people.at("alice", ["connect"], { columns: 80, rows: 24 });
      await narrow.see(/bob +Hello/);
      // Bob has not heard from her what she is called.
      await operate(["user", "full-name", "alice", "Alice Ames"]);
      await using other = await people.at("bob", ["connect"], { columns: 120, rows: 24 });
      await other.see(/alice \(Alice Ames \*\) +Answer/);
      await other.press("C");
      await other.see(/alice +Alice Ames \* +not verified/);
      await other.see("* said by the operator, and signed by nobody until they write to you");
    });

    await t.step("what is no full name is refused, and changes nothing", async () => {
      for (const wrong of ["a\u202eb", "x".repeat(101)]) {
        const { code, stderr } = await run("user", "full-name", "bob", wrong);
        assertEquals([code, stderr.trimEnd().split("\n").length], [65, 1], stderr);
      }
    });

    await t.step("without the server, as it was said last", async () => {
      await people.group.server.stop();
      const { code, stdout, stderr } = await people.as("alice", ["members"]);
      assertEquals(code, 0, stderr);
      assertMatch(stdout, /^bob +Bob Müller +\d/m);
    });
  },
);
