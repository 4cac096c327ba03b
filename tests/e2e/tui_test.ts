// The full-screen program, with a person's fingers played by tmux.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testUnless } from "../support/testing.ts";
import { join } from "@std/path";
import { shell } from "../support/command.ts";
import { Group } from "../support/group.ts";
import { passwordOf, run } from "../support/program.ts";
import { assertRestored, Screen, type ScreenOptions, whyNoTmux } from "../support/tmux.ts";
import { step } from "../support/step.ts";
import { waitFor } from "../support/wait.ts";
import { testInFullUnless } from "../support/full.ts";

const missing = await whyNoTmux();

/** Starts `connect` as `name` on a screen of its own. */
function connect(
  group: Group,
  name: string,
  options: Partial<ScreenOptions> = {},
): Promise<Screen> {
  return Screen.start(["connect", `${name}@${group.server.address}`], {
    cwd: group.path(name),
    ...options,
    env: { SEALPOST_PASSWORD: passwordOf(name), ...options.env },
  });
}

testUnless(missing, "two people write to each other on the whole screen", async (t) => {
  await using group = await Group.start(["alice", "bob"]);
  await using alice = await connect(group, "alice", { columns: 80, rows: 24 });
  await alice.see("The inbox is empty.");
  await using bob = await connect(group, "bob");
  await bob.see("The inbox is empty.");

  await step(t, "what one sends, the other sees at once", async () => {
    await bob.press("m");
    await bob.see("Subject:");
    await bob.type("alice");
    await bob.press("Enter", "Enter", "Enter");
    await bob.type("Grüße 日本語 🙂");
    await bob.press("Enter");
    await bob.type("Dear Alice,\n\nthis is all.");
    await bob.press("C-x");
    await bob.see("Sent to alice.");
    await alice.see(/N +bob +Grüße 日本語 🙂/);
  });

  await step(t, "it is read, answered with its text quoted, and marked as answered", async () => {
    await alice.press("Enter");
    const shown = await alice.see("this is all.");
    assertMatch(shown, /From: +bob \(not verified\)/);
    assertMatch(shown, /Subject: Grüße 日本語 🙂/);
    await alice.press("r");
    await alice.see("> this is all.");
    await alice.type("Thank you.");
    await alice.press("C-x");
    await alice.see("Sent to bob.");
    await alice.press("q");
    await alice.see(/ r +bob/);
    await bob.see(/alice +↳ Re: Grüße 日本語 🙂/);
  });

  await step(t, "q ends it, and the terminal is as it was", async () => {
    for (const screen of [alice, bob]) {
      await screen.press("q");
      const { code, stty } = await screen.ended();
      assertEquals(code, 0);
      assertRestored(stty);
      assertStringIncludes(await screen.written(), "\x1b[?1049l");
    }
  });
});

testInFullUnless(
  missing,
  "what is done on another machine appears on the screen by itself",
  async () => {
    await using group = await Group.start(["alice", "bob"]);
    await group.bind("alice", "bob");
    // Another machine of bob's: the same keys.
    await shell('cp -r "$0" "$1"', group.path("bob"), group.path("bob2"));
    const command = async (folder: string, name: string, ...args: string[]) => {
      const { code, stderr } = await run(
        [...args, "--dir", ".", "--server", `${name}@${address}`],
        {
          cwd: group.path(folder),
          env: { SEALPOST_PASSWORD: passwordOf(name) },
        },
      );
      assertEquals([code, stderr], [0, ""], args.join(" "));
    };
    const { address } = group.server;
    await Deno.writeTextFile(group.path("alice", "text"), "words\n");
    const ids: string[] = [];
    for (const subject of ["first", "second", "third"]) {
      const { stdout } = await run(
        [
          "send",
          "-t",
          "bob",
          "-s",
          subject,
          "--file",
          "text",
          "--dir",
          ".",
          "--server",
          `alice@${address}`,
        ],
        { cwd: group.path("alice"), env: { SEALPOST_PASSWORD: passwordOf("alice") } },
      );
      ids.push(stdout.trim());
    }
    const [first = "", second = "", third = ""] = ids;
    await using bob = await connect(group, "bob", { columns: 80, rows: 24 });
    await bob.see(/N +alice +third/);
    await command("bob2", "bob", "mark", third, "--set", "read");
    await bob.see(/^(?!.*N +alice +third).*alice +third/m);
    await command("bob2", "bob", "delete", second, "--for-good", "--yes");
    await bob.see(/^(?![^]*second)[^]*third/);
    await command("bob2", "bob", "move", first, "--folder", "archive");
    await bob.see(/^(?![^]*first)[^]*third/);
  },
);

testUnless(missing, "on the whole screen nothing is lost and nothing is obeyed", async (t) => {
  await using group = await Group.start(["alice", "bob"]);
  await group.bind("alice", "bob");
  const data = crypto.getRandomValues(new Uint8Array(60_000));
  await Deno.mkdir(group.path("bob", "files"), { recursive: true });
  await Deno.writeFile(group.path("bob", "files", "Bild 1.png"), data);
  await using bob = await connect(group, "bob", { colours: true });
  await bob.see("The inbox is empty.");
  let alice = await connect(group, "alice", { columns: 80, rows: 24 });
  await alice.see("The inbox is empty.");
  try {
    await step(t, "a hostile title and text are shown, not obeyed", async () => {
      const cwd = group.path("bob");
      await Deno.writeTextFile(join(cwd, "text"), "in the text \x1b]0;owned\x07 and \u202e\n");
      const subject = "a \x1b[2J\u202egnp.exe";
      const args = ["send", "-t", "alice", "-s", subject, "--file", "text", "--dir", "."];
      const sent = await run([...args, "--server", `bob@${group.server.address}`], {
        cwd,
        env: { SEALPOST_PASSWORD: passwordOf("bob") },
      });
      assertEquals([sent.code, sent.stderr], [0, ""]);
      await alice.see("a \\x1b[2J\\u202egnp.exe");
      await alice.press("Enter");
      await alice.see("in the text \\x1b]0;owned\\x07 and \\u202e");
      assert(!(await alice.written()).includes("owned\x07"));
      assert(!(await alice.written()).includes("\u202e"));
      await alice.press("q");
      await alice.see("Inbox");
    });

    await step(t, "a missing attachment is asked about; a path is completed", async () => {
      await bob.press("m");
      await bob.see("Subject:");
      await bob.type("alice");
      await bob.press("Enter", "Enter", "Enter");
      await bob.type("a picture");
      await bob.press("Enter");
      await bob.type("It is attached.");
      await bob.press("C-x");
      await bob.see(`The text says "attached", but nothing is attached.`);
      await bob.press("n");
      await bob.press("C-t");
      await bob.see("Attach file: files/");
      await bob.type("Bi");
      await bob.press("Tab");
      await bob.see("files/Bild 1.png");
      await bob.press("Enter");
      await bob.see(/Attached: Bild 1.png, 59 KiB/);
      await bob.press("C-x");
      await bob.see("Sent to alice.");
    });

    await step(t, "it is saved byte for byte, and nothing is overwritten unasked", async () => {
      await alice.see(/bob +a picture +@1/);
      await alice.press("g", "g", "Enter");
      await alice.see("[1: Bild 1.png, 59 KiB]");
      const path = group.path("alice", "files", "Bild 1.png");
      for (const [key, name] of [["", "Bild 1.png"], ["k", "Bild 1 (2).png"]] as const) {
        await alice.press("s");
        await alice.see("Save Bild 1.png as: files/Bild 1.png");
        await alice.press("Enter");
        if (key !== "") {
          await alice.see("is there already: (o)verwrite, (k)eep both, (c)ancel?");
          await alice.press(key);
        }
        await alice.see(`Saved files/${name}`);
        assertEquals(await Deno.readFile(group.path("alice", "files", name)), data);
      }
      await Deno.writeTextFile(path, "mine");
      for (const [key, said] of [["c", "Nothing was saved."], ["o", "Saved files/Bild"]] as const) {
        await alice.press("s");
        await alice.see("Save Bild 1.png as:");
        await alice.press("Enter");
        await alice.see("is there already");
        assertEquals(await Deno.readTextFile(path), "mine");
        await alice.press(key);
        await alice.see(said);
      }
      assertEquals(await Deno.readFile(path), data);
      await alice.press("q");
    });

    await step(t, "a search finds words of a text, and Esc shows all again", async () => {
      await alice.see("a picture");
      await alice.press("/");
      await alice.see("Search:");
      await alice.type("ATTACHED");
      await alice.press("Enter");
      const found = await alice.see("found 1: ATTACHED");
      assert(!found.includes("gnp.exe"), found);
      await alice.press("Escape");
      await alice.see("gnp.exe");
    });

    await step(t, "flags, Trash and back", async () => {
      await alice.press("g", "g", "F");
      await alice.see(/^ {2}! +bob +a picture/m);
      await alice.press("d");
      await alice.see("The message moved to Trash; u takes that back.");
      await alice.press("4");
      await alice.see(/Trash +1/);
      await alice.see("a picture");
      await alice.press("u");
      await alice.see("There is nothing here.");
      await alice.press("1");
      await alice.see("a picture");
    });

    await step(t, "it fits into 40×10 and 200×60", async () => {
      await alice.resize(40, 10);
      const small = await alice.see(/^ Sealpost {2}Inbox.*\n.*bob/);
      assert(small.split("\n").every((line) => line.length <= 40), small);
      await alice.press("m");
      await alice.see("Subject:");
      await alice.press("C-c");
      await alice.resize(200, 60);
      const large = await alice.see(/1 Inbox +2 /);
      assertMatch(large, /│ +! +bob +a picture/);
      await alice.resize(80, 24);
      await alice.see(/^ {2}! +bob +a picture/m);
    });

    await step(t, "a draft survives that the program is killed", async () => {
      await alice.press("m");
      await alice.see("Subject:");
      await alice.type("bob");
      await alice.press("Enter", "Enter", "Enter");
      await alice.type("half a letter");
      await alice.press("Enter");
      await alice.type("Dear Bob, I just wanted");
      await alice.see("just wanted");
      const typed = Date.now();
      await alice.type(" ");
      await waitFor("the draft to be saved", async () => {
        return await savedAt(group.path("alice", ".sealpost", "alice")) > typed ? true : null;
      });
      await killProgram(await alice.pid());
      await alice[Symbol.asyncDispose]();
      alice = await connect(group, "alice", { columns: 80, rows: 24 });
      await alice.see("a picture");
      await alice.press("5");
      await alice.see(/To bob +half a letter/);
      await alice.press("Enter");
      await alice.see("Dear Bob, I just wanted");
      await alice.type("More. ");
      await alice.press("C-x");
      await alice.see("Sent to bob.");
      await alice.see("There is nothing here.");
      await alice.press("1");
      await bob.see("half a letter");
    });

    await step(t, "SIGTERM keeps what is being written, and restores the terminal", async () => {
      await bob.press("m");
      await bob.see("Subject:");
      await bob.press("Enter", "Enter", "Enter", "Enter");
      await bob.type("not yet finished");
      await bob.see("not yet finished");
      await signalProgram(await bob.pid(), "TERM");
      const { code, stty } = await bob.ended();
      assertEquals(code, 143);
      assertRestored(stty);
      const folder = group.path("bob", ".sealpost", "bob");
      const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
      assertEquals(await draftsOf(folder), 1, names.join(" "));
      // Colours were wanted there, and here not.
      assertStringIncludes(await bob.written(), "\x1b[1;34m");
      for (const colour of await coloursIn(alice)) assert(false, colour);
    });

    await step(t, "a lost connection is seen, and comes back by itself", async () => {
      const { address } = group.server;
      await group.server.stop();
      await alice.see(/offline, again in \d+ s|connecting/);
      // What was read before can be read all the same.
      await alice.press("g", "g");
      await alice.see("a picture");
      await alice.press("Enter");
      await alice.see("It is attached.");
      await alice.press("q");
      await alice.press("m");
      await alice.see("Subject:");
      await alice.type("bob");
      await alice.press("Enter", "Enter", "Enter");
      await alice.type("from afar");
      await alice.press("Enter", "C-x");
      await alice.see("It has no text and no attachment. Send it? (y/n)");
      await alice.type("n");
      await alice.type("is anybody there?");
      await alice.see("is anybody there?");
      await alice.press("C-x");
      await alice.see("waits, sealed, in the Outbox (6)");
      await alice.press("m");
      await alice.see("Subject:");
      await alice.type("bob");
      await alice.press("Enter", "Enter", "Enter");
      await alice.type("thought better of");
      await alice.press("Enter", "C-x");
      await alice.see("It has no text and no attachment. Send it? (y/n)");
      await alice.type("y");
      await alice.see("waits, sealed, in the Outbox (6)");
      await alice.press("6");
      await alice.see("Outbox  2");
      await alice.press("G", "d");
      await alice.see("Throw this message away for good");
      await alice.type("y");
      await alice.see("it will not be sent");
      await alice.press("?");
      // The terminal may be looked at while a frame is drawn: its last line comes last.
      await alice.see(/The list of messages(?![^]*it will not be sent)/);
      await alice.press("q");
      await alice.see("Outbox  1");
      await group.restart(["--listen", address]);
      await alice.see(`alice@${address}`);
      await alice.press("6");
      await alice.see("There is nothing here.");
      const { stdout } = await run(["inbox", "--server", `bob@${address}`, "--dir", "."], {
        cwd: group.path("bob"),
        env: { SEALPOST_PASSWORD: passwordOf("bob") },
      });
      assertStringIncludes(stdout, "from afar");
      assert(!stdout.includes("thought better of"));
    });
  } finally {
    await alice[Symbol.asyncDispose]();
  }
});

/** The sequences that set a colour, among all that a program has written. */
async function coloursIn(screen: Screen): Promise<string[]> {
  const written = (await screen.written()).split("\x1b[").map((part) => /^[\d;]*m/.exec(part)?.[0]);
  return written.filter((part) => part !== undefined)
    .filter((part) => part.split(/[;m]/).some((code) => /^(3|4|9|10)\d$/.test(code)));
}

/** When a draft was saved last, milliseconds since 1970; 0 if none is there. */
async function savedAt(folder: string): Promise<number> {
  let latest = 0;
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.startsWith("draft-")) continue;
    const { mtime } = await Deno.stat(join(folder, name)).catch(() => ({ mtime: null }));
    latest = Math.max(latest, mtime?.getTime() ?? 0);
  }
  return latest;
}

/** How many drafts are in the state folder of a client. */
async function draftsOf(folder: string): Promise<number> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  return names.filter((name) => name.startsWith("draft-")).length;
}

/** Sends a signal to the program under the shell `pid`: the last of its descendants. */
async function signalProgram(pid: number, signal: string): Promise<void> {
  const script = `p=$1; while c=$(ps -o pid= --ppid $p | head -n 1 | tr -d ' ') && [ -n "$c" ] &&
    ps -o args= -p $c | grep -q connect; do p=$c; done; kill -$2 $p`;
  await shell(script.replaceAll("$1", String(pid)).replaceAll("$2", signal));
}

function killProgram(pid: number): Promise<void> {
  return signalProgram(pid, "KILL");
}
