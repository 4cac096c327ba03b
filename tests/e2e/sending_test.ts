import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testUnless } from "../support/testing.ts";
import { buildFor } from "../support/command.ts";
import { withControl } from "../support/control.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { run } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

Deno.test("an empty message is refused where nobody can be asked", async () => {
  await using people = await Commanding.start(["alice", "bob"]);
  for (const input of ["", " \n\n"]) {
    const { code, stdout, stderr } = await people.as("alice", ["send", "-t", "bob", "-s", "x"], {
      input,
    });
    assertEquals([code, stdout], [64, ""], stderr);
    assertMatch(stderr, /^sealpost: the message is empty: [^\n]*; nothing was sent\n$/);
  }
  assertEquals(await people.json("bob", ["inbox"]), []);
  // An attachment is something.
  await people.ok("alice", ["send", "-t", "bob", "-a", "sealpost.toml"], { input: "" });
  assertEquals((await people.json("bob", ["inbox"])).length, 1);
});

testInFullUnless(missing, "at a terminal an empty message is asked about", async () => {
  await using people = await Commanding.start(["alice", "bob"]);
  for (const [answer, code, sent] of [["", 130, 0], ["y", 0, 1]] as const) {
    await using screen = await people.at("alice", ["send", "-t", "bob", "-s", "Nothing"]);
    await screen.expect("a single .:");
    await screen.enter(".");
    await screen.expect("The message is empty. Send it all the same? (y/N)");
    await screen.enter(answer);
    assertEquals((await screen.ended()).code, code);
    assertEquals((await people.json("bob", ["inbox"])).length, sent);
  }
});

testInFullUnless(
  missing,
  "a terminal says to whom a message went, a pipe gets its short id",
  async () => {
    await using people = await Commanding.start(["alice", "bob", "carol"]);
    await using screen = await people.at("alice", ["send", "-t", "bob", "-b", "carol", "-s", "Hi"]);
    await screen.expect("a single .:");
    await screen.enter("Hello");
    await screen.enter(".");
    assertEquals((await screen.ended()).code, 0);
    const [{ short }] = await people.json("bob", ["inbox"]);
    assertStringIncludes(await screen.text(), `Sent to bob, carol: ${short}\n`);
    const piped = await people.ok("alice", ["send", "-t", "bob", "-s", "Hi"], { input: "again" });
    const [last] = await people.json("bob", ["inbox"]);
    assertEquals(piped, `${last.short}\n`);
  },
);

// Deno 2.7 ends at such an argument before any program of its own runs.
const old = /^2\.[0-8]\./.test(Deno.version.deno) ? `Deno ${Deno.version.deno} panics` : null;

testUnless(old, "an argument that is not UTF-8 gives one line", async () => {
  await using people = await Commanding.start(["alice"]);
  const { command, args } = await buildFor(["send"]);
  const line = 'name=$(printf "caf\\351.txt"); exec "$0" "$@" send -t alice -a "$name"';
  const { code, stdout, stderr } = await run([], {
    cwd: people.group.path("alice"),
    build: { command: "sh", args: ["-c", line, command, ...args] },
    input: "x",
  });
  assertEquals([code, stdout], [66, ""]);
  assertMatch(stderr, /^sealpost: [^\n]*caf\ufffd\.txt[^\n]*\n$/);
});

testInFull(
  "a recipient on this server may be written with its address; another is named",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    const { address } = people.group.server;
    await people.ok("alice", ["send", "-t", `Bob@${address}`, "-s", "x"], { input: "x" });
    assertEquals((await people.json("bob", ["inbox"])).length, 1);
    const other = await people.as("alice", ["send", "-t", "bob@mail.lan", "-s", "x"], {
      input: "x",
    });
    assertEquals([other.code, other.stdout], [67, ""]);
    assertMatch(other.stderr, /^sealpost: "bob@mail\.lan" is on another server [^\n]*\n$/);
  },
);

testInFull("what was not sent of what waits is said in one line, however much it is", async () => {
  await using people = await Commanding.start(["alice", "bob"]);
  const { group } = people;
  await people.ok("alice", ["send", "-t", "bob", "-s", "x"], { input: "so that the key is known" });
  await group.server.stop();
  for (const subject of ["one", "two", "three"]) {
    const sent = await people.as("alice", ["send", "-t", "bob", "-s", subject], { input: "x" });
    assertEquals(sent.code, 75, sent.stderr);
  }
  const build = withControl(group.dir);
  const gone = await run(["user", "remove", "bob", "--purge", "--yes"], { cwd: group.dir, build });
  assertEquals(gone.code, 0, gone.stderr);
  await group.restart();
  await people.settle("alice");
  const { code, stderr } = await people.as("alice", ["inbox"]);
  assertEquals(code, 0, stderr);
  assertMatch(
    stderr,
    /^3 waiting messages were not sent, as "outbox" shows; the first, [^\n]*bob[^\n]*\n$/,
  );
});
