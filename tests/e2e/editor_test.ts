// Editor, pager and the right to start them, on a real terminal.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { testInFullUnless } from "../support/full.ts";
import { buildFor, shell } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { ROOT, run, ServerProcess } from "../support/program.ts";
import { filesBelow } from "../support/search.ts";
import { whyNoTmux } from "../support/tmux.ts";
import { waitFor } from "../support/wait.ts";

const missing = await whyNoTmux();
const QUESTION = "(y)es, (e)dit again, keep as (d)raft, or (t)hrow away?";

/** An editor that does what a script says, with the letter in "$1"; the value for EDITOR. */
async function editor(people: Commanding, script: string): Promise<{ EDITOR: string }> {
  const path = people.group.path(`editor-${crypto.randomUUID()}`);
  await Deno.writeTextFile(path, script);
  return { EDITOR: `sh '${path}'` };
}

testInFullUnless(missing, "a person writes in an editor and reads in a pager", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  const inboxOf = (name: string) => people.json(name, ["inbox"]);
  const noDrafts = async () => assertEquals(await people.json("alice", ["drafts"]), []);
  const temporary = people.group.path("alice", ".sealpost", "alice", "tmp");

  await t.step("headers and text come from the editor, and are asked about", async () => {
    await Deno.writeTextFile(people.group.path("alice", "notes.txt"), "n");
    const env = await editor(
      people,
      `cp "$1" seen
       ls -ld "$1" "\${1%/*}" | cut -c1-10 > modes
       env | grep -cE 'SEALPOST_(PASS|HERE)' > secrets
       printf 'Subject: From an editor\\nTo: bob\\nAttach: notes.txt\\n\\nGrüße,\\nalice\\n' > "$1"`,
    );
    await using screen = await people.at("alice", ["send", "-s", "Draft title"], { env });
    await screen.expect(`Send "From an editor" to bob: ${QUESTION}`);
    await screen.enter("y");
    assertEquals((await screen.ended()).code, 0);
    const [message] = await inboxOf("bob");
    assertEquals(message.subject, "From an editor");
    assertEquals(message.attachments, [{ name: "notes.txt", size: 1 }]);
    assertEquals((await people.json("bob", ["read", message.id])).text.trim(), "Grüße,\nalice");
    const path = (name: string) => people.group.path("alice", name);
    assertEquals(
      await Deno.readTextFile(path("seen")),
      "To:\nCc:\nBcc:\nSubject: Draft title\nAttach:\n\n",
    );
    assertEquals(await Deno.readTextFile(path("modes")), "drwx------\n-rw-------\n");
    assertEquals(await Deno.readTextFile(path("secrets")), "0\n");
    await noDrafts();
    assertEquals(await filesBelow(temporary), []);
  });

  await t.step("an answer quotes, and what is left as it was is not sent", async () => {
    await people.ok("bob", ["send", "-t", "alice", "-s", "Question"], { input: "one\n\ntwo" });
    const [{ id }] = await inboxOf("alice");
    const untouched = await editor(people, `cp "$1" seen`);
    {
      await using screen = await people.at("alice", ["reply", id], { env: untouched });
      assertEquals((await screen.ended()).code, 130);
      assertStringIncludes(await screen.text(), "the text was left as it was; nothing was sent");
      await noDrafts();
    }
    assertMatch(
      await Deno.readTextFile(people.group.path("alice", "seen")),
      /^To: bob\nCc:\nBcc:\nSubject: Re: Question\nAttach:\n\nOn [-0-9: ]+, bob wrote:\n> one\n>\n> two\n\n$/,
    );
    const env = await editor(people, `echo 'my answer' >> "$1"`);
    await using screen = await people.at("alice", ["reply", id], { env });
    await screen.expect(QUESTION);
    await screen.enter("e");
    await screen.expect(QUESTION);
    await screen.enter("y");
    assertEquals((await screen.ended()).code, 0);
    const [answer] = await inboxOf("bob");
    assertEquals(answer.inReplyTo, id);
    const { text } = await people.json("bob", ["read", answer.id]);
    assertMatch(text, /bob wrote:\n> one\n>\n> two\n\nmy answer\nmy answer$/m);
  });

  await t.step(
    "a recipient who is nobody is said before the question, and edited again",
    async () => {
      const env = await editor(
        people,
        `if [ -e wrong ]; then name=bob; else name=bbo; touch wrong; fi
       printf "To: $name\\nSubject: mistyped\\n\\nhello\\n" > "$1"`,
      );
      await using screen = await people.at("alice", ["send"], { env });
      await screen.expect("Edit it again? (Y/n)");
      assertStringIncludes(await screen.text(), "there is no user bbo on this server");
      await screen.enter("y");
      await screen.expect(`Send "mistyped" to bob: ${QUESTION}`);
      await screen.enter("y");
      assertEquals((await screen.ended()).code, 0);
      assertEquals((await inboxOf("bob"))[0].subject, "mistyped");
      await noDrafts();
    },
  );

  await t.step("headers that cannot be read lose nothing", async () => {
    const env = await editor(people, `printf 'To: bob\\nDear Bob,\\nhello\\n' > "$1"`);
    {
      await using screen = await people.at("alice", ["send", "-t", "bob"], { env });
      await screen.expect("Edit it again? (Y/n)");
      assertStringIncludes(await screen.text(), 'line 2: "Dear Bob," is none of To');
      await screen.enter("n");
      assertEquals((await screen.ended()).code, 130);
      assertMatch(await screen.text(), /Kept as draft [0-9a-f]{8}:/);
    }
    const [draft] = await people.json("alice", ["drafts"]);
    assertEquals((await people.as("alice", ["drafts", "send", draft.id])).code, 64);
    const mend = await editor(people, `sed -i 's/^Dear Bob,/\\n&/' "$1"`);
    {
      await using screen = await people.at("alice", ["drafts", "edit", draft.short], { env: mend });
      assertEquals((await screen.ended()).code, 0);
      assertStringIncludes(await screen.text(), `Saved; "drafts send ${draft.short}" sends it.`);
    }
    await people.ok("alice", ["drafts", "send", draft.short]);
    const [message] = await inboxOf("bob");
    assertEquals((await people.json("bob", ["read", message.id])).text.trim(), "Dear Bob,\nhello");
    await noDrafts();
  });

  await t.step("an editor that is not there or fails is told of", async () => {
    for (
      const [EDITOR, why] of [
        ["/nonexistent/editor", "your editor cannot be started"],
        ["exit 3; :", "your editor ended with an error (code 3)"],
      ] as const
    ) {
      await using screen = await people.at("alice", ["send", "-t", "bob"], { env: { EDITOR } });
      assertEquals((await screen.ended()).code, 74);
      assertStringIncludes(await screen.text(), why);
    }
    await noDrafts();
    assertEquals(await filesBelow(temporary), []);
  });

  await t.step("kill -9 while the editor is open leaves a draft", async () => {
    const env = await editor(
      people,
      `printf 'To: bob\\nSubject: Cut off\\n\\nwritten so far' > "$1"; ps -o ppid= -p $PPID > pid; sleep 60`,
    );
    await using screen = await people.at("alice", ["send"], { env });
    const pid = await waitFor("the editor", async () => {
      const path = people.group.path("alice", "pid");
      return await exists(path) ? Number(await Deno.readTextFile(path)) || null : null;
    });
    // What the editor runs in is a shell, whose parent is the shell that the program has started.
    const { stdout } = await new Deno.Command("ps", { args: ["-o", "ppid=", "-p", `${pid}`] })
      .output();
    const program = Number(new TextDecoder().decode(stdout));
    await shell(`kill -9 ${program}`);
    assertEquals((await screen.ended()).code, 137);
    const { stdout: listed, stderr } = await people.as("alice", ["drafts"]);
    assertMatch(stderr, /^A text was left in an editor and is draft [0-9a-f]{8} now/);
    assertStringIncludes(listed, "Cut off");
    const [draft] = await people.json("alice", ["drafts"]);
    const { text, to } = await people.json("alice", ["drafts", "show", draft.id]);
    assertEquals([text, to], ["written so far", ["bob"]]);
    await people.ok("alice", ["drafts", "discard", draft.id, "--yes"]);
    assertEquals(await filesBelow(temporary), []);
  });

  await t.step("a long text goes through the pager, and none of it is obeyed", async () => {
    const input = Array.from({ length: 100 }, (_, i) => `line ${i} \x1b[31m\u202e`).join("\n");
    await people.ok("bob", ["send", "-t", "alice", "-s", "\x1b]0;title\x07"], { input });
    const [{ id }] = await inboxOf("alice");
    const env = { PAGER: "cat > paged; echo paged to its end" };
    {
      await using screen = await people.at("alice", ["read", id], { env });
      assertEquals((await screen.ended()).code, 0);
      assertStringIncludes(await screen.text(), "paged to its end");
      assert(!(await screen.text()).includes("line 5"));
      const paged = await Deno.readTextFile(people.group.path("alice", "paged"));
      assertStringIncludes(paged, "line 99 \\x1b[31m\\u202e\n");
      assertStringIncludes(paged, "Subject: \\x1b]0;title\\x07\n");
    }
    for (
      const [args, PAGER] of [
        [["read", id, "--no-pager"], env.PAGER],
        [["read", id], "cat"],
        [["read", id], ""],
        [["read", id], "/nonexistent/pager"],
      ] as const
    ) {
      await using screen = await people.at("alice", args, { env: { PAGER } });
      assertEquals((await screen.ended()).code, 0);
      const text = await screen.text();
      assert(text.includes("line 0 ") && text.includes("line 99 \\x1b[31m"), text);
    }
    const short = await people.ok("bob", ["send", "-t", "alice", "-s", "short"], { input: "x" });
    await using screen = await people.at("alice", ["read", short.trim()], { env });
    assertEquals((await screen.ended()).code, 0);
    assertStringIncludes(await screen.text(), "Subject: short");
  });

  await t.step("no right to start programs is left when others are listened to", async () => {
    const [{ id }] = await inboxOf("alice");
    const witness = `--preload=${join(ROOT, "tests/support/witness.ts")}`;
    for (
      const args of [["read", id], ["send", "-t", "bob", "-s", "x"], ["inbox"], [
        "drafts",
        "send",
        "x",
      ]]
    ) {
      const { stderr } = await run(args, {
        cwd: people.group.path("alice"),
        build: await buildFor(args, [witness]),
        input: "text",
      });
      assertWitness(stderr, "connecting");
    }
    {
      const env = await editor(people, `echo written >> "$1"`);
      const args = ["send", "-t", "bob"];
      await using screen = await people.at("alice", args, {
        env,
        build: await buildFor(args, [witness]),
      });
      await screen.expect(QUESTION);
      await screen.enter("y");
      assertEquals((await screen.ended()).code, 0);
      assertWitness(await screen.text(), "connecting");
    }
    const build = await buildFor(["serve"], [witness, "--allow-run=/bin/sh"]);
    const dir = people.group.path("other");
    await Deno.mkdir(join(dir, "server"), { recursive: true });
    for await (const { name, isFile } of Deno.readDir(people.group.path("server"))) {
      if (isFile) await Deno.copyFile(people.group.path("server", name), join(dir, "server", name));
    }
    const server = await ServerProcess.start({ cwd: dir, build });
    assertWitness((await server.stop()).stderr, "listening");
  });
});

/** Asserts that a process could start programs at first, and not from `when` on. */
function assertWitness(said: string, when: string): void {
  const lines = said.split("\n").filter((line) => line.startsWith("witness: "));
  assertEquals(lines[0], "witness: starting may start programs", said);
  assert(lines.includes(`witness: ${when} may not start programs`), said);
  assertEquals(lines.filter((line) => line.includes(" may start programs")).length, 1);
  assertEquals(lines.at(-1), "witness: ending may not start programs");
}
