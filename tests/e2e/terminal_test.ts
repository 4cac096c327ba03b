// The program on a real terminal, with a person's fingers played by tmux.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { testUnless } from "../support/testing.ts";
import { stepInFull, testInFullUnless } from "../support/full.ts";
import {
  CHOICE,
  Group,
  inboxIn,
  LOGIN_REFUSED,
  reading,
  sending,
  SENT,
  textsIn,
} from "../support/group.ts";
import { FROM_SOURCE, passwordOf } from "../support/program.ts";
import { Relay } from "../support/relay.ts";
import { assertRestored, Screen, whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();
if (missing) console.log(`The tests on a terminal are not run: ${missing}.`);

testUnless(missing, "a person writes, lists, reads and leaves on a terminal", async (t) => {
  await using group = await Group.start(["alice", "bob"]);
  await group.bind("bob");
  const cwd = group.path("alice");
  const connect = (address = group.server.address) => {
    const env = { SEALPOST_PASSWORD: passwordOf("alice") };
    return Screen.start(["connect", "--menu", `alice@${address}`], { cwd, env });
  };

  await t.step("the password is not shown, the rest is", async () => {
    await using screen = await Screen.start(["connect", "--menu"], { cwd });
    await screen.converse([
      ["Enter the server IP or name:", group.server.address],
      ["Enter your username:", "alice"],
      ["Enter your password:", passwordOf("alice")],
      [CHOICE, "2"],
      [CHOICE, "4"],
    ]);
    const { code, stty } = await screen.ended();
    assertEquals(code, 0);
    assertRestored(stty);
    const text = await screen.text();
    assertStringIncludes(text, `Enter your username: alice\nEnter your password:\n`);
    assertStringIncludes(text, "The inbox is empty.");
    const written = await screen.written();
    for (const part of [passwordOf("alice"), "password of", "*"]) {
      assert(!written.includes(part), part);
    }
  });

  await t.step("a text of several lines is typed, corrected, and ended by a dot", async () => {
    await using screen = await connect();
    const [first, ...others] = sending({ to: "bob", title: "typed", contents: { typed: "" } })
      .slice(0, 4);
    await screen.converse([first ?? [CHOICE, "1"], ...others]);
    await screen.expect("(end with a line that is a single .):");
    await screen.enter("Dear Bob,");
    await screen.enter("");
    await screen.type("a line with a mistakn 🙂");
    await screen.press("BSpace", "BSpace", "BSpace");
    await screen.enter("e 🙂 Grüße");
    await screen.enter(".");
    await screen.converse([[CHOICE, "4"]]);
    assertEquals((await screen.ended()).code, 0);
    assertStringIncludes(await screen.text(), SENT);
    const { stdout } = await group.talk("bob", reading(1));
    assertEquals(textsIn(stdout), ["Dear Bob,\n\na line with a mistake 🙂 Grüße"]);
  });

  await t.step("a pasted line of 5,000 characters, and a pasted text, arrive whole", async () => {
    const line = Array.from({ length: 1000 }, (_, i) => `${String(i).padStart(4, "0")}.`).join("");
    const text = `${line}\nanother\n\n${"ü🙂".repeat(500)}\nlast`;
    await using screen = await connect();
    await screen.converse(
      sending({ to: "bob", title: "pasted", contents: { typed: "" } }).slice(0, 4),
    );
    await screen.expect("(end with a line that is a single .):");
    await screen.paste(`${text}\n.\n`);
    await screen.converse([[CHOICE, "4"]]);
    assertEquals((await screen.ended()).code, 0);
    assertEquals(line.length, 5000);
    assertStringIncludes(await screen.text(), line);
    assertEquals(textsIn((await group.talk("bob", reading(1))).stdout), [text]);
  });

  await t.step(
    "a wrong answer is told at once and asked again; new mail is announced",
    async () => {
      await using screen = await connect();
      await screen.converse([
        [CHOICE, "1"],
        ["Enter destinations (separated by ;):", "nobody"],
      ]);
      await screen.expect("Enter destinations (separated by ;):");
      assertStringIncludes(await screen.text(), "there is no user nobody on this server\n");
      await screen.enter("bob");
      await screen.converse([
        ["Enter title:", "x".repeat(101)],
        ["Enter title:", "short"],
        ["(Y/N)", "maybe"],
        ["(Y/N)", "N"],
      ]);
      await screen.expect("(end with a line that is a single .):");
      await screen.enter("hello\n.");
      await screen.expect(CHOICE);
      await group.talk(
        "bob",
        sending({ to: "alice", title: "an answer", contents: { typed: "hi" } }),
      );
      await screen.enter("2");
      await screen.expect(CHOICE);
      assertStringIncludes(await screen.text(), "(1 new message)");
      await screen.enter("4");
      // A person was there and saw it: no error is left to report.
      assertEquals((await screen.ended()).code, 0);
      assertEquals(inboxIn(await screen.text())[0]?.title, "[new] an answer");
    },
  );

  await t.step("names of files are completed; an empty message is asked about", async () => {
    await Deno.writeTextFile(group.path("alice", "files", "report one.txt"), "1");
    await Deno.writeTextFile(group.path("alice", "files", "report two.txt"), "2");
    await using screen = await connect();
    await screen.converse([
      [CHOICE, "5"],
      ["Enter destinations (separated by ;):", "bob"],
      ["Enter title:", "two files"],
      ["(Y/N)", "N"],
    ]);
    await screen.expect("(end with a line that is a single .):");
    await screen.enter(".");
    await screen.expect("(separated by ;):");
    await screen.type("re");
    await screen.press("Tab", "Tab");
    await screen.see("report one.txt  report two.txt\nEnter files to attach");
    await screen.type("o");
    await screen.press("Tab");
    await screen.see("(separated by ;): report one.txt");
    await screen.type("; report t");
    await screen.press("Tab");
    await screen.see("(separated by ;): report one.txt; report two.txt");
    await screen.enter("");
    await screen.converse([
      [CHOICE, "1"],
      ["Enter destinations (separated by ;):", "bob"],
      ["Enter title:", "nothing"],
      ["(Y/N)", "N"],
    ]);
    await screen.expect("(end with a line that is a single .):");
    await screen.enter(".");
    await screen.expect("Send it all the same? (y/N)");
    await screen.enter("n");
    await screen.converse([[CHOICE, "4"]]);
    const { stdout } = await group.talk("bob", [[CHOICE, "2"]]);
    assertEquals(inboxIn(stdout).map(({ title }) => title).includes("[new] nothing"), false);
    assertEquals(inboxIn(stdout)[0]?.title, "[new] two files [2 attached]");
  });

  await stepInFull(t, "a long transfer shows how far it is", async () => {
    const data = new Uint8Array(8 << 20);
    for (let i = 0; i < data.length; i += 65_536) {
      crypto.getRandomValues(data.subarray(i, i + 65_536));
    }
    await Deno.writeFile(group.path("alice", "files", "8MiB.bin"), data);
    await using relay = Relay.start(group.server.address, {
      hook: async (piece, { direction, offset }) => {
        const slow = direction === "up" && offset > 10_000;
        if (slow) await new Promise((resolve) => setTimeout(resolve, 15));
        return piece;
      },
    });
    await using screen = await connect(relay.address);
    await screen.converse([
      [CHOICE, "5"],
      ["Enter destinations (separated by ;):", "bob"],
      ["Enter title:", "large"],
      ["(Y/N)", "N"],
      ["(end with a line that is a single .):", "see the file\n."],
      ["Enter files to attach, from files/ (separated by ;):", "8MiB.bin"],
      [CHOICE, "4"],
    ]);
    assertEquals((await screen.ended()).code, 0);
    assertMatch(
      await screen.written(),
      /\rSending \[#*-*\] +\d+% {2}[\d.]+ [KM]iB of 11 MiB {2}/,
    );
    // It is gone when it is done.
    assert(!(await screen.text()).includes("Sending ["));
    assertStringIncludes(await screen.text(), SENT);
  });
});

testUnless(
  missing,
  "Ctrl-C ends the program wherever it is, and leaves the terminal as it was",
  async () => {
    await using group = await Group.start(["alice"]);
    const connect = (env: Record<string, string> = {}) => {
      return Screen.start(["connect", "--menu", `alice@${group.server.address}`], {
        cwd: group.path("alice"),
        env,
      });
    };
    const password = { SEALPOST_PASSWORD: passwordOf("alice") };
    for (
      const [env, prompt, typed] of [
        [{}, "Enter your password:", "half a passw"],
        [password, CHOICE, "1"],
        [password, CHOICE, ""],
      ] as const
    ) {
      await using screen = await connect(env);
      await screen.expect(prompt);
      if (typed !== "") await screen.type(typed);
      await screen.press("C-c");
      const { code, stty } = await screen.ended();
      assertEquals(code, 130);
      assertRestored(stty);
      assert(!(await screen.written()).includes("passw\r"));
      const lines = (await screen.text()).split("\n");
      assertEquals(lines.at(-2), "sealpost: cancelled");
    }
  },
);

testUnless(
  missing,
  "a server that is not known yet shows its fingerprint, and the person decides",
  async () => {
    await using group = await Group.start(["alice"]);
    const path = group.path("alice", "server_public.pem");
    const pem = await Deno.readTextFile(path);
    await Deno.remove(path);
    const [, fingerprint = "?"] = /key (SHA256:\S+)/.exec(group.server.program.stdout) ?? [];
    const connect = () => {
      return Screen.start(["connect", "--menu", `alice@${group.server.address}`], {
        cwd: group.path("alice"),
      });
    };
    const question = "Is it the same, and do you want to go on? (yes/no)";

    for (const answer of ["no", "y", ""]) {
      await using screen = await connect();
      await screen.converse([[question, answer]]);
      assertEquals((await screen.ended()).code, 130);
      const text = await screen.text();
      assertStringIncludes(text, `It says that its fingerprint is\n  ${fingerprint}\n`);
      assertStringIncludes(text, "sealpost: the server's key was not accepted; nothing was sent");
      assert(!await exists(path));
    }
    assert(!group.log.includes("login"), group.log);

    await using screen = await connect();
    await screen.converse([[question, "yes"], ["Enter your password:", passwordOf("alice")], [
      CHOICE,
      "4",
    ]]);
    assertEquals((await screen.ended()).code, 0);
    assertEquals(await Deno.readTextFile(path), pem);
    await group.talk("alice", []);
  },
);

testInFullUnless(
  missing,
  "a wrong password and a wrong passphrase are told on a terminal too",
  async () => {
    await using group = await Group.start(["alice"]);
    const cwd = group.path("alice");
    {
      await using screen = await Screen.start([
        "connect",
        "--menu",
        `alice@${group.server.address}`,
      ], {
        cwd,
      });
      await screen.converse([["Enter your password:", "not this one"]]);
      const { code, stty } = await screen.ended();
      assertEquals(code, 77);
      assertRestored(stty);
      assertStringIncludes(
        (await screen.text()).replaceAll("\n", " "),
        `sealpost: ${LOGIN_REFUSED} ended`,
      );
      assert(!(await screen.written()).includes("not this one"));
    }
    {
      await using screen = await Screen.start(
        ["keygen", "carol", "--passphrase", "--bits", "2048"],
        {
          cwd: group.dir,
          build: FROM_SOURCE,
        },
      );
      await screen.converse([["New passphrase:", "correct horse"], [
        "Once more:",
        "correct house",
      ]]);
      const { code, stty } = await screen.ended();
      assertEquals(code, 77);
      assertRestored(stty);
      assertStringIncludes(
        await screen.text(),
        "sealpost: the two are not the same; nothing was made",
      );
      assert(!await exists(group.path("carol")));
    }
    {
      await using screen = await Screen.start(
        ["keygen", "carol", "--passphrase", "--bits", "2048"],
        {
          cwd: group.dir,
        },
      );
      await screen.converse([["New passphrase:", "correct horse"], [
        "Once more:",
        "correct horse",
      ]]);
      assertEquals((await screen.ended()).code, 0);
      assert(!(await screen.written()).includes("horse"));
    }
    await using screen = await Screen.start(
      ["connect", "--menu", `carol@${group.server.address}`],
      {
        cwd: group.dir,
      },
    );
    const question = "Passphrase of the private key of carol:";
    await screen.converse([[question, "wrong"], [question, "correct horse"]]);
    await screen.expect("Enter your password:");
    await screen.press("C-c");
    assertEquals((await screen.ended()).code, 130);
    assert(!(await screen.written()).includes("horse"));
  },
);
