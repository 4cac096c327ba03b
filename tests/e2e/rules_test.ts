import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { Bridging } from "../support/bridging.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { passwordOf, Program } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";
import { waitFor } from "../support/wait.ts";

const missing = await whyNoTmux();

const BILLS = `
[[rules]]
name = "bills"
if = "from:bob subject:bill"
move = "archive"
mark = "read"

[[rules]]
name = "secrets"
if = "text:treasure not:joke"
mark = ["flagged", "urgent"]
`;

/** Alice with two machines, the folders alice and desk, and bob, who writes to her. */
class TwoMachines {
  private constructor(readonly people: Commanding) {}

  static async start(): Promise<TwoMachines> {
    const people = await Commanding.start(["alice", "bob"]);
    await people.anotherMachine("alice", "desk");
    return new TwoMachines(people);
  }

  /** Runs a command on a machine of alice's. */
  on(machine: string, ...args: string[]) {
    return this.people.as(machine, args, { password: passwordOf("alice") });
  }

  async ok(machine: string, ...args: string[]): Promise<string> {
    return await this.people.ok(machine, args, { password: passwordOf("alice") });
  }

  /** Puts these rules into the sealpost.toml of a machine, and nothing else but the server. */
  async write(machine: string, rules: string): Promise<void> {
    await this.people.settle(machine);
    const path = this.people.group.path(machine, "sealpost.toml");
    await Deno.writeTextFile(path, rules, { append: true });
  }

  async send(subject: string, input = "x"): Promise<void> {
    await this.people.ok("bob", ["send", "-t", "alice", "-s", subject], { input });
  }

  /** Subjects of what is in a folder as a machine has it, with its flags, newest first. */
  async list(machine: string, folder = "inbox"): Promise<string[]> {
    const text = await this.ok(machine, "inbox", "--folder", folder, "--json");
    const all: { subject: string; flags: string[] }[] = JSON.parse(text);
    return all.map(({ subject, flags }) => [subject, ...flags].join(" "));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.people[Symbol.asyncDispose]();
  }
}

testInFull("rules move and mark what comes, once, on the one machine that runs them", async (t) => {
  await using alice = await TwoMachines.start();
  await alice.send("an old bill");
  await alice.ok("alice", "mark", "--search", "subject:old", "--set", "urgent", "--new", "--yes");
  await alice.ok("alice", "mark", "--search", "subject:old", "--clear", "urgent", "--yes");

  await t.step("nothing is done before they are tried and used", async () => {
    await alice.write("alice", BILLS);
    const tried = await alice.ok("alice", "rules", "test");
    assertMatch(tried, /^bills: 1 message: move to archive, mark read\n {2}[0-9a-f]{8} +bob /);
    assertMatch(tried, /\nsecrets: 0 messages\nNothing was changed\.\n$/);
    assertEquals(await alice.list("alice"), ["an old bill"]);
    assertEquals(
      await alice.ok("alice", "rules", "use"),
      "2 rules for what comes from now on. alice, this machine, runs them.\n",
    );
    assertEquals(await alice.list("alice"), ["an old bill"]);
  });

  await t.step("what comes is moved and marked, by its text too", async () => {
    await alice.send("a bill");
    await alice.send("Treasure", "here lies the treasure");
    await alice.send("a joke", "the treasure");
    await alice.send("Lunch");
    assertEquals(await alice.list("alice"), [
      "Lunch",
      "a joke",
      "Treasure flagged urgent",
      "an old bill",
    ]);
    assertEquals(await alice.list("alice", "archive"), ["a bill seen"]);
  });

  await t.step("what is moved back stays, and what is unmarked", async () => {
    await alice.ok("alice", "move", "--search", 'subject:"a bill"', "--folder", "inbox", "--yes");
    await alice.ok("alice", "mark", "--search", "in:inbox", "--clear", "flagged", "--yes");
    await alice.send("another");
    assertEquals(await alice.list("alice"), [
      "another",
      "Lunch",
      "a joke",
      "Treasure urgent",
      "a bill seen",
      "an old bill",
    ]);
  });

  await t.step("the other machine knows the rules, and leaves them to the first", async () => {
    await alice.send("bill at the desk");
    assertEquals((await alice.list("desk"))[0], "bill at the desk");
    const rules = JSON.parse(await alice.ok("desk", "rules", "list", "--json"));
    assertEquals(rules.machine, { name: "alice", own: false });
    assertEquals(rules.rules[0], {
      name: "bills",
      if: "from:bob subject:bill",
      move: "archive",
      mark: ["seen"],
    });
    assertMatch(
      await alice.ok("desk", "rules", "list"),
      /^alice runs them \(\d{4}-.*, from 127\.0\.0\.1\)\.$/m,
    );
    assertMatch(await alice.ok("desk", "devices", "list"), /^ {2}alice .*; runs your rules$/m);
    assertEquals((await alice.list("alice"))[0], "another");
    assertEquals((await alice.list("desk", "archive"))[0], "bill at the desk seen");
  });

  await t.step("another machine runs them when that is said", async () => {
    await alice.send("bill between");
    assertEquals(await alice.ok("desk", "rules", "run-here"), "desk, this machine, runs them.\n");
    assertEquals((await alice.list("alice"))[0], "bill between");
    await alice.send("bill after");
    assertEquals((await alice.list("alice"))[0], "bill after");
    assertEquals((await alice.list("desk"))[0], "bill between");
    assertEquals((await alice.list("desk", "archive"))[0], "bill after seen");
  });

  await t.step("what is there is changed when that is wanted, and taken back", async () => {
    const before = await alice.list("alice");
    const refused = await alice.on("alice", "rules", "apply");
    assertEquals(refused.code, 64);
    if (missing === null) {
      const password = passwordOf("alice");
      await using screen = await alice.people.at("alice", ["rules", "apply"], { password });
      const shown = await screen.see("Change 4 messages in inbox? (y/N)");
      assertStringIncludes(shown, "bills: 3 messages: move to archive, mark read");
      await screen.enter("n");
      assertEquals((await screen.ended()).code, 130);
      assertEquals(await alice.list("alice"), before);
    }
    assertEquals(
      await alice.ok("alice", "rules", "apply", "--yes"),
      'Changed 4 messages; "undo" takes it back.\n',
    );
    assertEquals(await alice.list("alice"), [
      "another",
      "Lunch",
      "a joke",
      "Treasure flagged urgent",
    ]);
    assertEquals(
      await alice.ok("alice", "undo"),
      "4 messages are back where they were.\n",
    );
    assertEquals(await alice.list("alice"), before);
  });

  await t.step("a rule whose folder is gone is not run, and that is said", async () => {
    await alice.ok("alice", "folders", "make", "work");
    await alice.write("alice", BILLS.replace("archive", "work"));
    await alice.ok("alice", "rules", "use");
    await alice.ok("alice", "folders", "remove", "work");
    await alice.send("bill without a folder");
    const { stderr } = await alice.on("desk", "inbox");
    assertStringIncludes(
      stderr,
      'rule "bills" is not run: the folder that it moves to is not there any more; change it in ' +
        "sealpost.toml, then",
    );
    assertEquals((await alice.list("desk"))[0], "bill without a folder");
  });

  await t.step("rules end when none are left, after a question", async () => {
    await alice.write("alice", "");
    assertEquals((await alice.on("alice", "rules", "use")).code, 64);
    assertEquals(
      await alice.ok("alice", "rules", "use", "--yes"),
      "No rules are run any more.\n",
    );
    await alice.write("alice", BILLS);
    await alice.send("bill without rules");
    await alice.ok("alice", "rules", "use");
    assertEquals((await alice.list("desk"))[0], "bill without rules");
  });
});

testInFull("no rule touches what its sender has not signed", async () => {
  await using alice = await TwoMachines.start();
  await alice.write("alice", BILLS.replace('"urgent"', '"read"'));
  await alice.ok("alice", "rules", "use");
  const path = alice.people.group.path("alice", "forged.eml");
  await Deno.writeTextFile(
    path,
    "From: bob\r\nTo: alice\r\nSubject: forged bill\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n" +
      "Message-ID: <1@example.org>\r\n\r\nthe treasure\r\n",
  );
  await alice.ok("alice", "import", path, "--folder", "inbox");
  // A person who looks for it finds it; no rule does.
  const found = JSON.parse(await alice.ok("alice", "inbox", "--search", "from:bob", "--json"));
  assertEquals(found.length, 1);
  assertEquals((await alice.list("alice", "archive")).length, 0);
  assertEquals(await alice.ok("alice", "rules", "apply", "--yes"), "Changed 0 messages.\n");
  await alice.send("true bill");
  assertEquals(await alice.list("alice"), ["forged bill seen"]);
  assertEquals(await alice.list("alice", "archive"), ["true bill seen"]);
});

testInFull("a rule that cannot be used is refused in a line that says what to write", async () => {
  await using alice = await TwoMachines.start();
  const rule = (rest: string) => `[[rules]]\nname = "one"\n${rest}\n`;
  const bad: [string, RegExp][] = [
    ["rules = 3\n", /rules: each one begins with \[\[rules\]\]/],
    ['[[rules]]\nif = "x"\n', /rule 1: it needs a name; for example name = /],
    [rule('move = "archive"'), /rule "one": it needs a search, as in if = /],
    [rule('if = "form:bob"\nmove = "archive"'), /rule "one": .*did you mean from/],
    [rule('if = "from:bob"'), /rule "one": it does nothing; write move = /],
    [rule('if = "x"\nmove = "nowhere"'), /rule "one": there is no folder "nowhere"; .*make/],
    [rule('if = "x"\nmove = "inbox"'), /rule "one": what has come cannot be moved to inbox/],
    [rule('if = "x"\nmark = "nothing"'), /rule "one": there is no mark "nothing"; .*--new/],
    [rule('if = "x"\nmark = 3'), /rule "one": mark is a word or several/],
    [rule('if = "x"\nmark = "read"\nbell = true'), /rule "one": a rule has no "bell", .*above/],
    [rule('if = "x"\nmark = "read"').repeat(2), /rule "one": there are two of this name/],
  ];
  for (const [text, expected] of bad) {
    await alice.write("alice", text);
    const { code, stderr } = await alice.on("alice", "rules", "use");
    assertEquals([code, stderr.split("\n").length], [78, 2], stderr);
    assertMatch(stderr, /sealpost\.toml: rule/);
    assertMatch(stderr, expected);
  }
  // What is wrong with them keeps nobody from their mail.
  assertEquals((await alice.on("alice", "inbox")).code, 0);
  await alice.write("alice", "");
  assertEquals((await alice.on("alice", "rules", "use")).code, 64);
  assertEquals((await alice.on("alice", "rules", "run-here")).code, 64);
});

testInFull("the bridge and watch run rules too, and tell of what stays in the inbox", async (t) => {
  await using alice = await TwoMachines.start();
  await alice.list("desk");
  await alice.write("alice", BILLS.replace('"urgent"', '"read"'));
  await alice.ok("alice", "rules", "use");

  await t.step("the bridge, while no mail program is there", async () => {
    await using _bridge = await Bridging.start(alice.people.group, "alice");
    await alice.send("bill for the bridge");
    await waitFor("the rule", async () => {
      return (await alice.list("desk", "archive")).length === 1 || null;
    });
    assertEquals(await alice.list("desk"), []);
  });

  await t.step("watch", async () => {
    const watch = Program.start(["watch", "--count", "2", "--from-now", "--json"], {
      cwd: alice.people.group.path("alice"),
      env: { SEALPOST_PASSWORD: passwordOf("alice") },
    });
    const place = alice.people.group.path("alice", ".sealpost", "alice", "watched-inbox");
    await waitFor("the first look", async () => await exists(place) || null);
    for (const subject of ["Lunch", "bill for nobody", "Dinner"]) await alice.send(subject);
    const { code, stdout } = await watch.finish();
    assertEquals(code, 0);
    assertEquals(
      stdout.trim().split("\n").map((line) => JSON.parse(line).subject),
      ["Lunch", "Dinner"],
    );
    assertEquals(await alice.list("desk"), ["Dinner", "Lunch"]);
  });
});

testInFull("programs at once on one machine run a rule once for each message", async () => {
  await using alice = await TwoMachines.start();
  await alice.write("alice", BILLS.replace('"urgent"', '"read"'));
  await alice.ok("alice", "rules", "use");
  for (let i = 0; i < 6; i++) await alice.send(`bill ${i}`);
  const all = await Promise.all(Array.from({ length: 4 }, () => alice.on("alice", "inbox")));
  assertEquals(all.map(({ code, stderr }) => [code, stderr]), all.map(() => [0, ""]));
  assertEquals((await alice.list("alice", "archive")).length, 6);
  assertEquals(await alice.list("alice"), []);
});

testInFullUnless(
  missing,
  "the full screen runs rules as mail comes, and the machine that stays takes over",
  async (t) => {
    await using alice = await TwoMachines.start();
    await alice.list("desk");
    await alice.write("desk", BILLS.replace('"urgent"', '"read"'));
    await alice.ok("desk", "rules", "use");
    const size = { columns: 120, rows: 24, password: passwordOf("alice") };

    await t.step("on the machine that runs them, at once", async () => {
      await using screen = await alice.people.at("desk", ["connect"], size);
      await screen.see("Inbox");
      await alice.send("bill on the screen");
      await screen.see(/3 Archive +1/);
      await alice.send("Lunch on the screen");
      await screen.see("New mail from bob: Lunch on the screen");
      await screen.press("C");
      await screen.see("Contacts");
      await screen.press("D");
      await screen.see("runs your rules");
      await screen.press("q");
      await screen.press("q");
      await screen.press("q");
      assertEquals((await screen.ended()).code, 0);
    });

    await t.step("the one that stays takes over when that is removed", async () => {
      await using screen = await alice.people.at("alice", ["devices", "remove", "desk"], size);
      await screen.converse([["(lost, retired, or Enter)", "retired"]]);
      assertEquals((await screen.ended()).code, 0, await screen.text());
      assertStringIncludes(
        (await screen.text()).replaceAll("\n", ""),
        "desk ran your rules and was removed: from now on this machine runs them",
      );
      await alice.send("bill after the removal");
      assert(!(await alice.list("alice")).includes("bill after the removal"));
      assertEquals((await alice.list("alice", "archive"))[0], "bill after the removal seen");
    });
  },
);
