// Without a server: what was fetched can be read, and what is written waits and goes out once.

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { emptyDraft } from "../../client/state/drafts.ts";
import { SealpostError } from "../../crypto/error.ts";
import { buildFor, sealpost } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFull } from "../support/full.ts";
import { Group } from "../support/group.ts";
import { passwordOf } from "../support/program.ts";
import { openSession } from "../support/session.ts";

const NOW = /^offline, as of \d{4}-\d\d-\d\d \d\d:\d\d \(.*nobody listens there.*\)\n$/;

testInFull("without a server mail can be read and written; it goes out exactly once", async (t) => {
  await using group = await Group.start(["alice", "bob"]);
  await group.bind("alice", "bob");
  const { address } = group.server;
  /** Runs a command of `name`; where the server was, or is now. */
  const command = (name: string, args: readonly string[], input = "", at = address) => {
    return sealpost([...args, "--server", `${name}@${at}`], {
      cwd: group.path(name),
      input,
      env: { SEALPOST_PASSWORD: passwordOf(name) },
    });
  };
  const online = async (name: string, args: readonly string[], input = "") => {
    const outcome = await command(name, args, input);
    assertEquals(outcome.code, 0, outcome.stderr);
    return outcome.stdout;
  };
  const first = (await online("bob", ["send", "-t", "alice", "-s", "read"], "first\n")).trim();
  const second = (await online("bob", ["send", "-t", "alice", "-s", "unread"], "second\n")).trim();
  const shown = await online("alice", ["read", first]);
  const listed = await online("alice", ["inbox", "--json"]);
  await online("alice", ["send", "-t", "bob"], "so that his key is known\n");
  // A ticket makes the password needless today, and the mistake is one all the same.
  const wrong = await command("alice", ["inbox", "--password-file", "nowhere.txt"]);
  assertEquals([wrong.code, wrong.stdout], [66, ""], wrong.stderr);
  group.server.program.kill("SIGKILL");
  await group.server.program.finish();

  await t.step(
    "the list and what was opened are shown as before, and how old they are",
    async () => {
      const inbox = await command("alice", ["inbox", "--json"]);
      assertEquals([inbox.code, inbox.stdout], [0, listed]);
      assertMatch(inbox.stderr, NOW);
      const read = await command("alice", ["read", first]);
      assertEquals([read.code, read.stdout], [0, shown]);
      assertMatch(read.stderr, NOW);
    },
  );

  await t.step("nobody is asked for a password that nobody could check", async () => {
    const cwd = group.path("alice");
    assertEquals((await sealpost(["logout", "--server", `alice@${address}`], { cwd })).code, 0);
    const read = await sealpost(["read", first, "--server", `alice@${address}`], { cwd });
    assertEquals([read.code, read.stdout], [0, shown], read.stderr);
    assertMatch(read.stderr, NOW);
  });

  await t.step(
    "what was not fetched, and what changes the mailbox, is refused in a line",
    async () => {
      for (const args of [["read", second], ["mark", first, "--set", "flagged"], ["status"]]) {
        const { code, stdout, stderr } = await command("alice", args);
        assertEquals([code, stdout], [69, ""], stderr);
        assertMatch(stderr, /sealpost: (there is no connection|cannot reach)[^\n]*\n$/);
      }
      const none = await command("alice", ["inbox", "--no-cache"]);
      assertEquals([none.code, none.stdout], [69, ""]);
    },
  );

  let waiting = "";
  await t.step("a message to somebody whose key is known waits in the outbox", async () => {
    const stranger = await command("alice", ["send", "-t", "carol"], "hello");
    assertEquals([stranger.code, stranger.stdout], [69, ""]);
    assertStringIncludes(stranger.stderr, "the key of carol is not known here yet");

    const sent = await command("alice", ["send", "-t", "bob", "-s", "later"], "written offline\n");
    assertEquals(sent.code, 75, sent.stderr);
    assertMatch(sent.stderr, /^there is no connection.*kept sealed in the outbox.*\n$/);
    waiting = sent.stdout.trim();
    assertMatch(waiting, /^[0-9a-f]{8}$/);
    const list = await command("alice", ["outbox", "--json"]);
    const [one, ...others] = JSON.parse(list.stdout);
    assertEquals(others, []);
    const { short, from, to, subject, state, why } = one;
    assertEquals([short, from, to, subject, state], [
      waiting,
      "alice",
      ["bob"],
      "later",
      "waiting",
    ]);
    assertStringIncludes(why, "there is no connection");
    const table = await command("alice", ["outbox"]);
    assertMatch(
      table.stdout,
      /^ID .*\n[0-9a-f]{8} +bob +\S+ \S+ +\d{4}-.* later: there is no .*\n$/,
    );
    const show = await command("alice", ["outbox", "show", one.short]);
    assertMatch(
      show.stdout,
      /^Id: .*\nTo: bob\nSubject: later\nSize: .*, sealed\nSince: .*\nWaits: /,
    );
  });

  await t.step("what is thrown away is not sent", async () => {
    const sent = await command("alice", ["reply", first, "--json"], "no, wait\n");
    assertEquals(sent.code, 75, sent.stderr);
    const { id, waiting: waits } = JSON.parse(sent.stdout);
    assert(waits);
    const refused = await command("alice", ["outbox", "discard", id]);
    assertEquals(refused.code, 64);
    const gone = await command("alice", ["outbox", "discard", id, "--yes"]);
    assertEquals([gone.code, gone.stderr], [0, ""]);
    assertEquals(JSON.parse((await command("alice", ["outbox", "--json"])).stdout).length, 1);
  });

  await t.step("with the server the message goes out, once", async () => {
    await group.restart();
    const flush = () => command("alice", ["outbox", "flush", "--json"], "", group.server.address);
    const done = await flush();
    assertEquals([done.code, JSON.parse(done.stdout)], [0, { sent: 1, waiting: [] }], done.stderr);
    assertEquals(JSON.parse((await flush()).stdout), { sent: 0, waiting: [] });
    const { stdout } = await command("bob", ["inbox", "--json"], "", group.server.address);
    const ids = JSON.parse(stdout).map(({ short }: { short: string }) => short);
    assertEquals(ids.filter((id: string) => id === waiting).length, 1);
  });
});

testInFull(
  "a crash between the outbox and the removal of its draft leaves the message once",
  async () => {
    await using group = await Group.start(["alice", "bob"]);
    const { address } = group.server;
    const bob = await openSession(group.dir, "bob", address);
    await bob.mail.close();
    const parts = { to: ["bob"], subject: "once", text: "x", attachments: [] };
    {
      const { mail } = await openSession(group.dir, "alice", address);
      const { id, savedAt } = await mail.drafts.save({ ...emptyDraft(), ...parts });
      await assertRejects(() =>
        mail.send({
          ...parts,
          onSealed: (message) => mail.drafts.sending(id, savedAt, message),
          onKept: () => Promise.reject(new Error("the process ends here")),
        })
      );
      assertEquals((await mail.drafts.list()).drafts.length, 1);
      await mail.close();
    }
    const { mail } = await openSession(group.dir, "alice", address);
    assertEquals([(await mail.drafts.list()).drafts, (await mail.waiting()).length], [[], 1]);
    assertEquals(await mail.flushOutbox(), { sent: 1, refused: [] });
    await mail.close();
    const again = await openSession(group.dir, "bob", address);
    await again.mail.sync();
    assertEquals((await again.mail.list({ folder: "inbox", limit: 10 })).length, 1);
    await again.mail.close();
  },
);

testInFull("what is taken back is out of the way before it is a draft again", async () => {
  await using group = await Group.start(["alice", "bob"]);
  const { address } = group.server;
  await (await openSession(group.dir, "bob", address)).mail.close();
  const { mail } = await openSession(group.dir, "alice", address);
  const refused: (string | null)[][] = [];
  const takeBack = (onTakenBack: () => Promise<void>) => {
    const hold = () => Promise.resolve(false);
    return mail.send({ to: ["bob"], subject: "no", text: "x", attachments: [], hold, onTakenBack });
  };
  const unsent = async () => {
    return (await mail.unsent()).map(({ waiting, refused }) => refused ? waiting.why : "waits");
  };
  await assertRejects(
    () => takeBack(async () => void refused.push(await unsent())),
    SealpostError,
    "nothing was sent",
  );
  // Killed there, it is not sent, and is not lost.
  assertEquals(refused, [["you have taken it back"]]);
  assertEquals(await unsent(), []);
  const full = () => Promise.reject(new SealpostError("disk-full", "no room for a draft"));
  await assertRejects(() => takeBack(full), SealpostError, "no room for a draft");
  assertEquals(await mail.flushOutbox(), { sent: 0, refused: [] });
  assertEquals(await unsent(), ["you have taken it back"]);
  await mail.close();
});

testInFull(
  "a command that asks nothing of the server, or whose reader goes away, keeps its ticket",
  async () => {
    await using people = await Commanding.start(["alice"]);
    const unasked = { password: null };
    await people.ok("alice", ["status"]);
    await people.ok("alice", ["outbox", "flush"], unasked);
    await people.ok("alice", ["outbox", "flush"], unasked);
    const { command, args } = await buildFor(["status"]);
    const child = new Deno.Command(command, {
      args: [...args, "status"],
      cwd: people.group.path("alice"),
      env: { SEALPOST_HERE: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    await child.stdout.cancel();
    const stderr = await new Response(child.stderr).text();
    assertEquals([(await child.status).code, stderr], [141, ""]);
    await people.ok("alice", ["status"], unasked);
  },
);
