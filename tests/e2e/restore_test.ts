import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { attachmentFromFile } from "../../client/message/attachments.ts";
import type { Item } from "../../client/mailbox/open.ts";
import { SealpostError } from "../../crypto/error.ts";
import { checkStore } from "../../server/maintenance/fsck.ts";
import { testInFull } from "../support/full.ts";
import { makeGroup } from "../support/group_folder.ts";
import { run, ServerProcess } from "../support/program.ts";
import { openSession, type Session } from "../support/session.ts";

/** Everything of a message that its reader gets. */
async function read(session: Session, item: Item) {
  assert(item.opened, item.problem ?? "");
  const message = await session.mail.fetch(item.opened);
  try {
    const chunks = await Array.fromAsync(message.stream());
    return {
      uid: item.entry.uid,
      subject: item.opened.summary.subject,
      from: item.opened.summary.from.name,
      text: await new Blob(chunks).text(),
    };
  } finally {
    await message.dispose();
  }
}

async function inbox(session: Session) {
  const { renewed } = await session.mail.sync();
  const items = await session.mail.list({ folder: "inbox", limit: 100 });
  const messages = [];
  for (const item of items) messages.push(await read(session, item));
  return { messages, renewed, duplicates: items.filter(({ duplicate }) => duplicate).length };
}

async function command(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(args, { cwd });
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

testInFull("a server that is gone is restored, and its clients find the same mail", async () => {
  const { dir, remove } = await makeGroup(["alice", "bob"]);
  let server = await ServerProcess.start({ cwd: dir });
  const sessions: Session[] = [];
  const open = async (name: string) => {
    const session = await openSession(dir, name, server.address);
    sessions.push(session);
    return session;
  };
  const closeAll = async () => {
    for (const session of sessions.splice(0)) await session.mail.close();
  };
  const restart = async () => server = await ServerProcess.start({ cwd: dir });
  try {
    const big = join(dir, "big.bin");
    await Deno.writeFile(big, crypto.getRandomValues(new Uint8Array(60_000)).map((n) => n & 15));
    await Deno.writeFile(big, new Uint8Array(500_000).map((_, i) => i % 251), { append: true });
    const send = (from: Session, subject: string, attached = false) =>
      attachmentFromFile(big).then((attachment) =>
        from.mail.send({
          to: [from.name === "alice" ? "bob" : "alice"],
          subject,
          text: `the text of ${subject}\n`,
          attachments: attached ? [attachment] : [],
        })
      );

    let bob = await open("bob");
    let alice = await open("alice");
    await send(alice, "one");
    await send(alice, "two, with a file", true);
    await send(bob, "an answer");
    const before = await inbox(bob);
    assertEquals(before.messages.map(({ subject }) => subject), ["two, with a file", "one"]);

    const said = await command(dir, "backup", "backups", "--keys");
    assertMatch(said, /: 2 accounts, 3 messages, 1 large bodies of \d+ bytes/);
    await send(alice, "after the backup");
    assertEquals((await inbox(bob)).messages.length, 3);

    // The server's machine is gone.
    await closeAll();
    server.program.kill("SIGKILL");
    await server.program.finish();
    await Deno.remove(join(dir, "server"), { recursive: true });
    await command(dir, "restore", "backups");
    await restart();

    bob = await open("bob");
    assertEquals(bob.resumed, false, "tickets are void, the password works");
    const after = await inbox(bob);
    assertEquals(after, before, "the same mail, and nothing to complain about");
    alice = await open("alice");
    assertEquals((await inbox(alice)).messages.length, 1);
    await send(alice, "from now on");
    const [latest] = (await inbox(bob)).messages;
    assertEquals(latest?.subject, "from now on");
    assert((latest?.uid ?? 0) > 1_795_000_000_000);

    // Somebody starts with an empty store, people use it, and then the backup is found.
    await closeAll();
    await server.stop();
    await Deno.remove(join(dir, "server", "mail"), { recursive: true });
    await restart();
    bob = await open("bob");
    alice = await open("alice");
    await send(alice, "into the empty one");
    const empty = await inbox(bob);
    assertEquals([empty.renewed, empty.messages.length], [true, 1]);
    await closeAll();
    await server.stop();
    const forced = await command(dir, "restore", "backups", "--force");
    assertMatch(forced, /^clients will say that these mailboxes were made anew: alice, bob$/m);
    await restart();
    bob = await open("bob");
    const found = await inbox(bob);
    assertEquals(found.renewed, true, "told, and no more than that");
    assertEquals(found.messages, before.messages);
    assertEquals((await inbox(bob)).renewed, false);
    alice = await open("alice");
    await send(alice, "at last");
    assertEquals((await inbox(bob)).messages[0]?.subject, "at last");
    await closeAll();
    await server.stop();
    assertEquals((await checkStore(join(dir, "server", "mail"))).findings, []);
  } finally {
    await closeAll();
    await server.stop();
    await remove();
  }
});

testInFull(
  "a store that was put back by hand is noticed by clients, and restore is the way out",
  async () => {
    const { dir, remove } = await makeGroup(["alice", "bob"]);
    let server = await ServerProcess.start({ cwd: dir });
    try {
      const mail = join(dir, "server", "mail");
      let bob = await openSession(dir, "bob", server.address);
      const alice = await openSession(dir, "alice", server.address);
      const letter = { to: ["bob"], subject: "x", text: "y", attachments: [] };
      await alice.mail.send(letter);
      await command(dir, "backup", "backups");
      await alice.mail.send(letter);
      assertEquals((await inbox(bob)).messages.length, 2);
      await alice.mail.close();
      await bob.mail.close();
      await server.stop();

      const [snapshot = ""] = [...Deno.readDirSync(join(dir, "backups"))]
        .map(({ name }) => name).filter((name) => name.endsWith("Z"));
      await Deno.copyFile(join(dir, "backups", snapshot, "sealpost.db"), join(mail, "sealpost.db"));
      server = await ServerProcess.start({ cwd: dir });
      bob = await openSession(dir, "bob", server.address);
      const error = await assertRejects(() => inbox(bob), SealpostError);
      assertMatch(error.message, /older state of your mailbox/);
      await bob.mail.close();
      await server.stop();

      await command(dir, "restore", "backups", "--force");
      server = await ServerProcess.start({ cwd: dir });
      bob = await openSession(dir, "bob", server.address);
      const { messages, renewed } = await inbox(bob);
      assertEquals([messages.length, renewed], [1, false]);
      await bob.mail.close();
    } finally {
      await server.stop();
      await remove();
    }
  },
);
