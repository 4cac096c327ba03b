// Where passwords and passphrases come from, and that nothing else is taken for one.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { buildFor } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { type Build, passwordOf, run } from "../support/program.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";

const USAGE = 64;
const LATER = 75;
const LETTER = "The diagnosis is X.\nsecond line\n\nand the last";

/** What of `LETTER` a command in somebody's folder left unread on its standard input. */
async function leftOf(
  people: Commanding,
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
) {
  const letter = people.group.path("letter.txt");
  await Deno.writeTextFile(letter, LETTER);
  const inner = await buildFor(args);
  const build: Build = {
    command: "sh",
    args: [
      "-c",
      'letter=$1; shift; { "$@"; echo "code $?" >&2; echo ---; cat; } < "$letter"',
      "sh",
      letter,
      inner.command,
      ...inner.args,
    ],
  };
  const { stdout, stderr } = await run(args, { cwd: people.group.path(name), build, env });
  const [own = "", left] = stdout.split("---\n");
  return { own, left, stderr, code: Number(/^code (\d+)$/m.exec(stderr)?.[1]) };
}

/** Forgets the ticket, so that the next command needs the password. */
async function forgetTicket(people: Commanding, name: string): Promise<void> {
  await people.ok(name, ["logout"], { password: null });
}

/** How many logins the server has seen fail. */
function failedLogins({ group }: Commanding): number {
  return group.log.split("login-failed").length - 1;
}

testInFull("a letter that is piped in is never taken for a password", async (t) => {
  await using people = await Commanding.start(["alice", "bob", "carol"]);
  await people.ok("alice", ["send", "-t", "bob", "-s", "first"], { input: "x" });
  await forgetTicket(people, "alice");
  const logins = () => people.group.log.split("alice").length;

  await t.step("to somebody whose key is known it waits in the outbox, whole", async () => {
    const before = logins();
    const sent = await people.as("alice", ["send", "-t", "bob", "-s", "Results"], {
      input: LETTER,
      password: null,
    });
    assertEquals(sent.code, LATER, sent.stderr);
    assertStringIncludes(sent.stderr, "your password is needed");
    assertStringIncludes(sent.stderr, "--password-file or SEALPOST_PASSWORD");
    assertStringIncludes(sent.stderr, "kept sealed in the outbox");
    assert(!sent.stderr.includes("diagnosis"));
    const answered = await people.as("alice", ["outbox", "--json"], { password: null });
    assertEquals(JSON.parse(answered.stdout).map((one: { short: string }) => one.short), [
      sent.stdout.trim(),
    ]);
    assertEquals([logins(), failedLogins(people)], [before, 0]);

    await people.ok("alice", ["outbox", "flush"]);
    const [{ short }] = await people.json("bob", ["inbox", "--limit", "1"]);
    assertStringIncludes(await people.ok("bob", ["read", short]), LETTER);
  });

  await t.step("to somebody unknown nothing is read and nothing kept", async () => {
    await forgetTicket(people, "alice");
    const before = logins();
    const { code, own, left, stderr } = await leftOf(people, "alice", [
      ...["send", "-t", "bob", "-t", "carol", "-s", "Results"],
    ]);
    assertEquals([code, own, left], [USAGE, "", LETTER], stderr);
    assertStringIncludes(stderr, "the key of carol is not known here yet");
    assertStringIncludes(stderr, "your password is needed");
    const waiting = await people.as("alice", ["outbox", "--json"], { password: null });
    assertEquals(JSON.parse(waiting.stdout), []);
    assertEquals([logins(), failedLogins(people)], [before, 0]);
  });

  await t.step("a command that only reads says so, and reads nothing from the pipe", async () => {
    const { code, left, stderr } = await leftOf(people, "alice", ["inbox"]);
    assertEquals([code, left], [USAGE, LETTER], stderr);
    assertStringIncludes(stderr, "your password is needed, and there is no terminal to ask for it");
  });
});

testInFull("a letter that is piped in is never taken for a passphrase", async () => {
  await using people = await Commanding.start(["bob"]);
  const dir = people.group.path("alice");
  const passphrase = "correct horse battery";
  const made = await run(["keygen", "alice", "--passphrase", "--bits", "2048"], {
    cwd: people.group.dir,
    env: { SEALPOST_PASSPHRASE: passphrase },
  });
  assertEquals(made.code, 0, made.stderr);
  await people.settle("alice");
  for (
    const args of [["send", "-t", "alice", "-s", "x"], ["inbox"], ["keys", "list"]]
  ) {
    const { code, own, left, stderr } = await leftOf(people, "alice", args);
    assertEquals([code, own, left], [USAGE, "", LETTER], stderr);
    assertStringIncludes(stderr, "set SEALPOST_PASSPHRASE");
  }
  assertEquals((await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort(), [
    "alice_private.pem",
    "alice_public.pem",
    "files",
    "sealpost.toml",
    "server_public.pem",
  ]);
});

testInFullUnless(
  await whyNoTmux(),
  "a password is asked for on the terminal beside a letter that is piped in",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    const letter = people.group.path("letter.txt");
    await Deno.writeTextFile(letter, LETTER);
    const args = ["send", "-t", "bob", "-s", "Results"];
    const inner = await buildFor(args);
    /** The command with the letter on its standard input, and the terminal only on the others. */
    const build: Build = {
      command: "sh",
      args: [
        "-c",
        'letter=$1; shift; "$@" < "$letter"',
        "sh",
        letter,
        inner.command,
        ...inner.args,
      ],
    };
    const start = { cwd: people.group.path("alice"), build };

    await t.step("Ctrl-C there sends nothing", async () => {
      await forgetTicket(people, "alice");
      await using screen = await Screen.start(args, start);
      await screen.expect("Enter your password:");
      await screen.type("half a pass");
      await screen.press("C-c");
      const { code, stty } = await screen.ended();
      assertEquals(code, 130);
      assert(/ icanon/.test(stty) && / echo /.test(stty), stty);
      assert(!(await screen.text()).includes("half"));
    });

    await t.step("the right one sends it whole", async () => {
      await using screen = await Screen.start(args, start);
      await screen.expect("Enter your password:");
      await screen.enter(passwordOf("alice"));
      const { code, stty } = await screen.ended();
      const text = await screen.text();
      assertEquals(code, 0, text);
      assert(/ icanon/.test(stty) && / echo /.test(stty), stty);
      assert(!text.includes(passwordOf("alice")));
      const [{ short }] = await people.json("bob", ["inbox", "--limit", "1"]);
      assertStringIncludes(await people.ok("bob", ["read", short]), LETTER);
    });
    assertEquals(failedLogins(people), 0);
    assertEquals(await Deno.readTextFile(join(people.group.dir, "letter.txt")), LETTER);
  },
);
