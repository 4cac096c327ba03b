// What the operator tells everybody, and how each program shows it.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { testInFullUnless } from "../support/full.ts";
import { step } from "../support/step.ts";
import { whyNoTmux } from "../support/tmux.ts";

const TEXT = "Dear all,\n\non Sunday the server is down — for an hour.\n";

testInFullUnless(
  await whyNoTmux(),
  "the operator tells everybody something, and everybody sees whose word it is",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"], { control: true });
    const operate = (args: readonly string[], input?: string) => people.group.operate(args, input);
    const added = await operate(["user", "add", "carol", "--generate"]);
    assertEquals(added.code, 0, added.stderr);

    await step(t, "it goes to all who have a key, and the others are named", async () => {
      await using screen = await people.at("bob", ["connect"], { columns: 80, rows: 24 });
      await screen.see("Inbox");
      const done = await operate(["announce", "-s", "Wartung am Sonntag – kurz"], TEXT);
      assertEquals([done.code, done.stdout], [0, "Announced to 2 users.\n"], done.stderr);
      assertStringIncludes(done.stderr, "Not to those who have never connected: carol.");
      // Who is there is told at once.
      await screen.see("New mail from the operator");
      await screen.see(/the operator +.*\[announcement\] Wartung am Sonntag/);
      await screen.press("Enter");
      await screen.see("From:    The operator (an announcement, signed with the server's key)");
      await screen.see("To:      everyone");
      await screen.see("on Sunday the server is down — for an hour.");
      await screen.press("r");
      await screen.see("An announcement cannot be answered");
    });

    await step(t, "commands mark it, for people and for programs", async () => {
      const [message] = await people.json("alice", ["inbox"]);
      assertEquals(
        [message.from, message.announcement, message.verified, message.to, message.subject],
        [null, true, true, [], "Wartung am Sonntag – kurz"],
      );
      assertMatch(
        await people.ok("alice", ["inbox"]),
        /the operator +\S+ \S+ +\[new\] \[announcement\] Wartung/,
      );
      const read = await people.ok("alice", ["read", message.short]);
      assertStringIncludes(read, "From: The operator (an announcement, signed with the server's");
      assertStringIncludes(read, "\nTo: everyone\n");
      assertStringIncludes(read, TEXT.trimEnd());
      const json = await people.json("alice", ["read", message.short]);
      assertEquals([json.from, json.announcement, json.verification], [null, true, "operator"]);
      const raw = await people.ok("alice", ["read", message.short, "--raw"]);
      assertStringIncludes(raw, "From: The operator <the=operator@sealpost.invalid>\r\n");
      assertStringIncludes(raw, "Subject: =?utf-8?B?");
      const answer = await people.as("alice", ["reply", message.short], { input: "but" });
      assertEquals(answer.code, 64);
      assertStringIncludes(answer.stderr, "an announcement cannot be answered");
      const found = await people.json("alice", ["search", "sonntag"]);
      assertEquals(found.length, 1);
    });

    await step(t, "what it cannot be is refused, and nothing is sent", async () => {
      const wrong: [string[], string, number, RegExp][] = [
        [["announce"], "x", 64, /needs a subject/],
        [["announce", "-s", "s".repeat(101)], "x", 65, /at most 100 characters/],
        [["announce", "-s", "Empty"], "\n", 65, /has no text/],
        [["announce", "-s", "Odd"], "a\u001bb", 65, /plain text/],
        [["announce", "-s", "Long"], "x".repeat(30_001), 65, /at most 30000 characters/],
        [["announce", "--new-address", "not an address"], "x", 64, /is not an address/],
      ];
      for (const [args, input, code, why] of wrong) {
        const done = await operate(args, input);
        assertMatch(done.stderr, why);
        assertEquals([done.code, done.stderr.trimEnd().split("\n").length], [code, 1]);
      }
      assertEquals((await people.json("alice", ["inbox"])).length, 1);
      const audit = await operate(["audit", "--json"]);
      const [done] = JSON.parse(audit.stdout).filter((one: { action: string }) => {
        return one.action === "announce";
      });
      assertEquals([done.result, done.subject], ["done", "Wartung am Sonntag – kurz"]);
    });

    await step(t, "it stays readable after the server's key has changed", async () => {
      await people.group.server.stop();
      const rotated = await operate(["keygen", "server", "--rotate"]);
      assertEquals(rotated.code, 0, rotated.stderr);
      await people.group.restart();
      for (const name of ["alice", "bob"]) await people.settle(name);
      const [old] = await people.json("alice", ["inbox"]);
      assertEquals([old.announcement, old.verified], [true, true]);
      const done = await operate(["announce", "-s", "Under the new key"], "x\n");
      assertEquals(done.code, 0, done.stderr);
      const [now] = await people.json("alice", ["inbox", "--no-cache"]);
      assertEquals([now.subject, now.announcement], ["Under the new key", true]);
      const all = await people.json("alice", ["inbox", "--no-cache"]);
      assertEquals(all.map(({ announcement }: { announcement: boolean }) => announcement), [
        true,
        true,
      ]);
    });

    await step(t, "without a server there is nobody to announce to", async () => {
      await people.group.server.stop();
      const done = await operate(["announce", "-s", "Down"], "x");
      assertEquals(done.code, 69);
      assertMatch(done.stderr, /^[^\n]*no server is running[^\n]*\n$/);
    });
  },
);
