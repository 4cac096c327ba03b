// What a person types is never lost: on a real terminal, with everything that can end it.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { testInFullUnless } from "../support/full.ts";
import { buildFor, shell } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { CHOICE } from "../support/group.ts";
import { passwordOf } from "../support/program.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";
import { waitFor } from "../support/wait.ts";

const missing = await whyNoTmux();
const PROMPT = "Text, ended by a line that is a single .:";
/** Lines are typed here, whatever editor there is. */
const typing = { env: { VISUAL: "", EDITOR: "" } };

testInFullUnless(missing, "what is typed is a draft whatever ends the program", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  const state = people.group.path("alice", ".sealpost", "alice");
  const draftFiles = () =>
    [...Deno.readDirSync(state)].map(({ name }) => name).filter((name) => /^draft-/.test(name));
  /** The one draft, which is then gone. */
  const take = async () => {
    const drafts = await people.json("alice", ["drafts"]);
    assertEquals(drafts.length, 1);
    const draft = await people.json("alice", ["drafts", "show", drafts[0].short]);
    await people.ok("alice", ["drafts", "discard", draft.id, "--yes"]);
    return draft;
  };

  await t.step("Ctrl-C in the middle of a line", async () => {
    await using screen = await people.at("alice", ["send", "-t", "bob", "-s", "Title"], typing);
    await screen.expect(PROMPT);
    await screen.enter("first line");
    await screen.type("half a li");
    await screen.press("C-c");
    assertEquals((await screen.ended()).code, 130);
    assertMatch(
      await screen.text(),
      /Kept as draft [0-9a-f]{8}: "drafts send [0-9a-f]{8}" sends it/,
    );
    const { to, subject, text, from, date } = await take();
    assertEquals([to, subject, text, from], [["bob"], "Title", "first line\nhalf a li", "alice"]);
    assert(Date.parse(date) > 0);
  });

  await t.step("a terminal that is closed, and a signal", async () => {
    {
      await using screen = await people.at("alice", ["send", "-t", "bob"], typing);
      await screen.expect(PROMPT);
      await screen.enter("typed into a window");
      await waitFor("the echo", async () => (await screen.text()).endsWith("window") || null);
    }
    await waitFor("the draft", () => draftFiles().length > 0 || null);
    assertEquals((await take()).text, "typed into a window");
    assertEquals(await people.json("bob", ["inbox"]), []);
  });

  await t.step("kill -9, a moment after it was typed", async () => {
    const title = crypto.randomUUID();
    await using screen = await people.at("alice", ["send", "-t", "bob", "-s", title], typing);
    await screen.expect(PROMPT);
    await screen.enter("typed and killed");
    await waitFor("the draft", () => draftFiles().length > 0 || null);
    await shell(
      `kill -9 $(ps -eo pid=,args= | awk -v t="$0" '$3 == "run" && index($0, t) {print $1}')`,
      title,
    );
    assertEquals((await screen.ended()).code, 137);
    assertEquals((await take()).text, "typed and killed");
  });

  await t.step("a refusal, by the client or by the server", async () => {
    await using screen = await people.at(
      "alice",
      ["send", "-t", "bob", "-s", "x".repeat(101)],
      typing,
    );
    await screen.expect(PROMPT);
    await screen.enter("with too long a title\n.".split("\n")[0] ?? "");
    await screen.enter(".");
    assertEquals((await screen.ended()).code, 65);
    assertEquals((await take()).text, "with too long a title");
  });

  await t.step("in the menu too, where work goes on", async () => {
    await using screen = await people.at("alice", ["connect", "--menu"], typing);
    await screen.converse([
      [CHOICE, "1"],
      ["Enter destinations (separated by ;):", "bob"],
      ["Enter title:", "From the menu"],
      ["(Y/N)", "N"],
    ]);
    await screen.expect("(end with a line that is a single .):");
    await screen.enter("given up");
    await screen.press("C-c");
    await screen.expect(CHOICE);
    await screen.enter("4");
    assertEquals((await screen.ended()).code, 0);
    assertStringIncludes(await screen.text(), "Kept as draft ");
    const { to, subject, text } = await take();
    assertEquals([to, subject, text], [["bob"], "From the menu", "given up"]);
  });

  await t.step("and is none any more once it is sent", async () => {
    await people.ok("bob", ["send", "-t", "alice", "-s", "Question", "-a", "sealpost.toml"], {
      input: "the question",
    });
    const [{ id }] = await people.json("alice", ["inbox"]);
    const write = async (...args: string[]) => {
      await using screen = await people.at("alice", args, typing);
      await screen.expect(PROMPT);
      await screen.enter("typed");
      await waitFor("the draft", () => draftFiles().length > 0 || null);
      await screen.enter(".");
      assertEquals((await screen.ended()).code, 0);
      assertEquals(draftFiles(), []);
    };
    await write("reply", id);
    await write("forward", id, "-t", "bob");
    const [forwarded, answer] = await people.json("bob", ["inbox"]);
    assertEquals([answer.subject, answer.inReplyTo], ["Re: Question", id]);
    assertEquals(forwarded.attachments.map(({ name }: { name: string }) => name), [
      "sealpost.toml",
    ]);
    const { text } = await people.json("bob", ["read", forwarded.id]);
    assertMatch(text, /^typed\n---------- Forwarded message ----------\n.*the question/s);
  });

  await t.step("an answer and what is passed on stay so as drafts", async () => {
    const [{ id }] = await people.json("alice", ["inbox"]);
    for (const args of [["reply", id], ["forward", id, "-t", "bob"]]) {
      await using screen = await people.at("alice", args, typing);
      await screen.expect(PROMPT);
      await screen.enter("later");
      await screen.press("C-c");
      assertEquals((await screen.ended()).code, 130);
      const [draft] = await people.json("alice", ["drafts"]);
      assertEquals(draft.answers ?? draft.forwards, id);
      await people.ok("alice", ["drafts", "send", draft.short]);
    }
    const [forwarded, answer] = await people.json("bob", ["inbox"]);
    assertEquals(answer.inReplyTo, id);
    assertEquals(forwarded.attachmentCount, 1);
    assertEquals(await people.json("alice", ["drafts"]), []);
  });
});

/**
 * Runs "$@" with a disk of its own for what the client remembers, which is full from when there is a
 * file `fill` until that is gone.
 */
const MOUNT = `exec unshare --user --map-root-user --mount sh -c '
  set -e
  mkdir -p .sealpost
  mount -t tmpfs -o size=2m,mode=0700 none .sealpost
  { while [ ! -e fill ]; do sleep 0.05; done
    dd if=/dev/zero of=.sealpost/filler bs=4k 2>/dev/null || :
    touch full
    while [ -e fill ]; do sleep 0.05; done
    rm .sealpost/filler full; } &
  exec "$@"' sh "$@"`;

const possible = Deno.build.os === "linux" && (await new Deno.Command("sh", {
  args: ["-c", "unshare --user --map-root-user --mount mount -t tmpfs none /mnt"],
}).output()).success;

testInFullUnless(
  missing ?? (possible ? null : "nothing can be mounted"),
  "on a full disk a text stays in memory until the person has decided",
  async () => {
    await using people = await Commanding.start(["alice"]);
    const path = (name: string) => people.group.path("alice", name);
    const args = ["send", "-t", "alice", "-s", "Full"];
    const build = await buildFor(args);
    await using screen = await Screen.start(args, {
      cwd: path("."),
      build: { command: "sh", args: ["-c", MOUNT, "sh", build.command, ...build.args] },
      env: { SEALPOST_PASSWORD: passwordOf("alice"), ...typing.env },
    });
    await screen.expect(PROMPT);
    await Deno.writeTextFile(path("fill"), "");
    await waitFor("the disk to be full", async () => await exists(path("full")) || null);
    await screen.enter("precious words");
    await screen.enter(".");
    const question = "or (g)ive it up?";
    await screen.expect(question);
    assertMatch(await screen.text(), /no space left on the\sdisk/);
    await screen.enter("p");
    await screen.expect(question);
    assertStringIncludes(await screen.text(), "Subject: Full\nAttach:\n\nprecious words\n");
    await screen.enter("t");
    await screen.expect(question);
    await Deno.remove(path("fill"));
    await waitFor("room on the disk", async () => await exists(path("full")) ? null : true);
    await screen.enter("t");
    assertEquals((await screen.ended()).code, 74);
    assertMatch(await screen.text(), /Kept as draft [0-9a-f]{8}:/);
  },
);
