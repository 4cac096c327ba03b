// Messages when the connection or the server fails under them: none is lost, none comes twice.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { random } from "../../crypto/bytes.ts";
import { stepInFull, testInFull } from "../support/full.ts";
import {
  CHOICE,
  ended,
  Group,
  inboxIn,
  inboxOf,
  reading,
  sending,
  SENT,
} from "../support/group.ts";
import { Relay } from "../support/relay.ts";
import { filesBelow } from "../support/search.ts";

/** What the client says of a message that it could not hand over. */
const KEPT = "the message is kept sealed in the outbox and goes out with your next connection";
const LOST = new RegExp(
  `^sealpost: the connection (was lost|ended without a goodbye); ${KEPT}\n$`,
);

testInFull("a message goes out exactly once, whatever fails while it is sent", async (t) => {
  await using group = await Group.start(["alice", "bob"]);
  await group.bind("alice", "bob");
  const data = random(3 << 20);
  await Deno.writeFile(group.path("alice", "files", "bulk.bin"), data);
  const draft = (title: string) => {
    return sending({ to: "bob", title, contents: { typed: "see the file" }, attach: ["bulk.bin"] });
  };
  const waiting = async () => {
    const files = await filesBelow(group.path("alice", ".sealpost", "alice", "outbox"));
    return files.length;
  };
  const bodies = async () => {
    const files = await filesBelow(group.path("server", "mail", "bodies"));
    return files.length;
  };
  /** Alice connects once more; then bob has this message on top, once, and whole. */
  const arrivesOnce = async (title: string, before: number) => {
    const { stdout } = await group.talk("alice", []);
    assertStringIncludes(stdout, "1 waiting message(s) went out.");
    assertEquals(await waiting(), 0);
    assert(!(await group.talk("alice", [])).stdout.includes("waiting"));
    const bob = await group.talk("bob", [
      [CHOICE, "2"],
      ...reading(1),
      ["Would you like to save them to files/? (Y/N) ", "Y"],
    ]);
    const list = inboxIn(bob.stdout);
    assertEquals(list.length, before + 1);
    assertEquals(list[0]?.title, `[new] ${title} [1 attached]`);
    const [, saved] = /Saved (files\/.*)\n/.exec(bob.stdout) ?? [];
    assertEquals(await Deno.readFile(group.path("bob", saved ?? "")), data);
  };

  await t.step("the server is killed during the upload", async () => {
    await using relay = Relay.start(group.server.address, {
      hook: (piece, { direction, offset }) => {
        if (direction === "up" && offset > 1 << 20) group.server.program.kill("SIGKILL");
        return piece;
      },
    });
    const alice = group.connect("alice", { address: relay.address });
    await alice.converse(draft("killed"));
    const { stderr } = await ended(alice, 75);
    assertMatch(stderr, LOST);
    assertEquals(await waiting(), 1);

    await group.server.program.finish();
    await group.restart();
    assertEquals(await bodies(), 0, "what had arrived of it is gone");
    assertEquals(await inboxOf(group, "bob"), []);
    await arrivesOnce("killed", 0);
  });

  await t.step("the connection is cut during the upload", async () => {
    await using relay = Relay.start(group.server.address, {
      hook: (piece, { direction, offset }) => direction === "up" && offset > 1 << 20 ? null : piece,
    });
    const alice = group.connect("alice", { address: relay.address });
    await alice.converse(draft("cut"));
    assertMatch((await ended(alice, 75)).stderr, LOST);
    await arrivesOnce("cut", 1);
  });

  await t.step("the answer is lost, and the message had arrived", async () => {
    await using relay = Relay.start(group.server.address, {
      hook: (piece, { direction, line }) => {
        return direction === "down" && line.count("up") > data.length ? null : piece;
      },
    });
    const alice = group.connect("alice", { address: relay.address });
    await alice.converse(draft("unanswered"));
    assertMatch((await ended(alice, 75)).stderr, LOST);
    assertEquals((await inboxOf(group, "bob")).length, 3);
    assertEquals(await waiting(), 1);
    await arrivesOnce("unanswered", 2);
  });

  await stepInFull(t, "a byte is changed on its way", async () => {
    await using relay = Relay.start(group.server.address, {
      hook: (piece, { direction, offset }) => {
        const at = (1 << 20) - offset;
        if (direction === "up" && at >= 0 && at < piece.length) piece[at] = (piece[at] ?? 0) ^ 1;
        return piece;
      },
    });
    const alice = group.connect("alice", { address: relay.address });
    await alice.converse(draft("changed"));
    assertMatch((await ended(alice, 75)).stderr, LOST);
    assertMatch(group.log, /connection-ended .*code=authentication/);
    await arrivesOnce("changed", 3);
  });

  await stepInFull(t, "the client is killed during the upload", async () => {
    let alice: ReturnType<Group["connect"]> | null = null;
    await using relay = Relay.start(group.server.address, {
      hook: (piece, { direction, offset }) => {
        if (direction === "up" && offset > 1 << 20) alice?.kill("SIGKILL");
        return piece;
      },
    });
    alice = group.connect("alice", { address: relay.address });
    await alice.converse(draft("client killed"));
    await alice.finish();
    assertEquals(await waiting(), 1);
    await arrivesOnce("client killed", 4);
  });
  assertEquals((await filesBelow(group.path("server", "mail", "bodies", "tmp"))).length, 0);
});

testInFull("the server is away: one line, and what to do", async () => {
  await using group = await Group.start(["alice"]);
  await group.bind("alice");
  const { address } = group.server;
  await group.server.stop();
  const away = async (target: string) =>
    (await ended(group.connect("alice", { address: target }), 69)).stderr;
  assertEquals(
    await away(address),
    `sealpost: cannot reach ${address} (nobody listens there); ` +
      "check the address, and that the server is running\n",
  );
  assertMatch(await away("localhost:1"), /^sealpost: cannot reach localhost:1 \(.*\n$/);
});

testInFull("what is written while the server stops goes out when it is back", async () => {
  await using group = await Group.start(["alice", "bob"]);
  await group.bind("bob");
  const draft = (title: string) => sending({ to: "bob", title, contents: { typed: "hello" } });
  const alice = group.connect("alice");
  await alice.converse(draft("before"));
  await alice.expect(SENT);
  const turns = draft("meanwhile");
  await alice.converse(turns.slice(0, 3));
  const { code, stderr: log } = await group.server.stop();
  assertEquals(code, 0);
  assertMatch(log, /info stopping( .*)?\n/);
  await alice.converse(turns.slice(3));
  const { stderr } = await ended(alice, 75);
  assertMatch(
    stderr,
    new RegExp(`^sealpost: the server ended the connection: [^\n]*stop[^\n]*; ${KEPT}\n$`),
  );

  await group.restart();
  const back = await group.talk("alice", []);
  assertStringIncludes(back.stdout, "1 waiting message(s) went out.");
  const titles = (await inboxOf(group, "bob")).map(({ title }) => title);
  assertEquals(titles, ["[new] meanwhile", "[new] before"]);
});
