// What went wrong in the seed, in the order of its failures, through real processes.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import {
  ended,
  Group,
  inboxIn,
  inboxOf,
  reading,
  sending,
  SENT,
  textsIn,
} from "../support/group.ts";
import { CHOICE } from "../support/group.ts";
import { exists } from "@std/fs";
import { UNCONFINED } from "../support/program.ts";

/** Sends the file `text` as alice to bob, and returns what bob reads. */
async function throughMail(group: Group, title: string, text: string): Promise<string> {
  await Deno.writeTextFile(group.path("alice", "files", "text.txt"), text);
  const draft = { to: "bob", title, contents: { file: "text.txt" } };
  assertStringIncludes((await group.talk("alice", sending(draft))).stdout, SENT);
  const [read, ...others] = textsIn((await group.talk("bob", reading(1))).stdout);
  assertEquals(others, []);
  assert(read !== undefined, "the message was not shown");
  return read;
}

Deno.test("mail comes through whole, whatever is in it", async (t) => {
  await using group = await Group.start(["alice", "bob", "carol"], { build: UNCONFINED });
  await group.bind("alice", "bob");

  await t.step("a message of 100 KB is whole, from a file and typed", async () => {
    const lines = Array.from(
      { length: 1000 },
      (_, i) => `${i} ${"abcdefghi ".repeat(10)}`.slice(0, 99),
    );
    const text = lines.join("\n");
    assertEquals(text.length, 99_999);
    assertEquals(await throughMail(group, "from a file", text), text);

    const draft = { to: "bob", title: "typed", contents: { typed: text } };
    await group.talk("alice", sending(draft));
    assertEquals(textsIn((await group.talk("bob", reading(1))).stdout), [text]);
  });

  await t.step("40 lines stay 40 lines, empty ones and spaces included", async () => {
    const lines = Array.from(
      { length: 40 },
      (_, i) => i % 7 === 3 ? "" : `${" ".repeat(i)}line ${i} `,
    );
    const draft = { to: "bob", title: "40 lines", contents: { typed: lines.join("\n") } };
    await group.talk("alice", sending(draft));
    const [text = ""] = textsIn((await group.talk("bob", reading(1))).stdout);
    assertEquals(text.split("\n"), lines);
  });

  await t.step("UTF-8, emoji and lines of any length are intact", async () => {
    const text = [
      "Grüße aus Köln, Ελληνικά, Кириллица, עברית, العربية, 日本語, 한국어",
      "emoji 🙂 👩🏽‍⚕️ 👨‍👩‍👧‍👦 🇨🇦 e\u0301 ✈️",
      "x".repeat(76),
      "y".repeat(77),
      "ä".repeat(80),
      "🙂".repeat(300),
      `${"=".repeat(90)}3D =20 =`,
      "z".repeat(998),
      "w".repeat(999),
      "v ".repeat(5000).trimEnd(),
      "u".repeat(60_000),
      "From here, a line that mailbox files would change",
      "--boundary--",
      "Subject: this is no header",
      "",
      "\tindented with a tab,  two  spaces  and a trailing one ",
    ].join("\n");
    assertEquals(await throughMail(group, "Grüße 🙂 日本語", text), text);
    const [row] = await inboxOf(group, "bob");
    assertEquals(row?.title, "Grüße 🙂 日本語");

    const typed = text.split("\n").slice(0, 9).join("\n");
    await group.talk("alice", sending({ to: "bob", title: "typed", contents: { typed } }));
    assertEquals(textsIn((await group.talk("bob", reading(1))).stdout), [typed]);
  });

  await t.step("a line that is a single dot comes through", async () => {
    const text = "before\n.\n..\n...\n.hidden\nafter\n.";
    assertEquals(await throughMail(group, "dots", text), text);

    // Typed, such a line has one dot more.
    const typed = "before\n..\n...\n....\n.hidden\nafter\n..";
    await group.talk("alice", sending({ to: "bob", title: "dots", contents: { typed } }));
    assertEquals(textsIn((await group.talk("bob", reading(1))).stdout), [text]);
  });

  await t.step("two messages with the same title are both kept", async () => {
    const draft = (typed: string) => sending({ to: "bob", title: "again", contents: { typed } });
    await group.talk("alice", [...draft("the first"), ...draft("the second")]);
    const { stdout } = await group.talk("bob", [[CHOICE, "2"], ...reading(1), ...reading(2)]);
    assertEquals(inboxIn(stdout).slice(0, 2).map(({ title }) => title), [
      "[new] again",
      "[new] again",
    ]);
    assertEquals(textsIn(stdout), ["the second", "the first"]);
  });

  await t.step("a title and a recipient that are paths harm nothing", async () => {
    const before = await tree(group.dir);
    const title = "../../etc/x";
    const { stdout } = await group.talk(
      "alice",
      sending({ to: "bob", title, contents: { typed: "x" } }),
    );
    assertStringIncludes(stdout, SENT);
    const wrong = sending({ to: "../client2", title, contents: { typed: "x" } });
    const refused = await group.talk("alice", wrong, { code: 67 });
    assertEquals(
      refused.stderr,
      '"../client2" is not a user\'s name: names have 1 to 32 of the characters a-z 0-9 . _ - ' +
        "and start with a letter or digit\n",
    );
    assertEquals((await inboxOf(group, "bob"))[0]?.title, `[new] ${title}`);
    await group.talk("bob", reading(1));
    // What belongs to the store, and to what clients keep: none of it has a name that others chose.
    const isOfTheStore = (path: string) =>
      /^server\/mail\/sealpost\.db(-wal|-shm)?$/.test(path) ||
      /^(alice|bob)\/\.sealpost\/\1\/bodies\/[0-9a-f]{32}$/.test(path);
    assertEquals(
      (await tree(group.dir)).filter((path) => !before.includes(path) && !isOfTheStore(path)),
      [],
    );
    for (const folder of [".", "server", "server/mail", "alice/files", "bob/.sealpost/bob"]) {
      for (const path of [title, "../client2"]) {
        assert(!await exists(join(group.dir, folder, path)), `${folder}/${path}`);
      }
    }
  });

  await t.step("nobody gets anything if one of the recipients has never connected", async () => {
    const before = (await inboxOf(group, "bob")).length;
    const draft = { to: "bob; carol", title: "to both", contents: { typed: "hello" } };
    const refused = await group.talk("alice", sending(draft), { code: 75 });
    assertEquals(
      refused.stderr,
      "carol has never connected, so there is no key to seal with yet; " +
        "ask carol to connect once, then send again\n",
    );
    assertEquals((await inboxOf(group, "bob")).length, before);

    const carol = group.connect("carol");
    assertStringIncludes(await carol.expect(CHOICE), "This was the first connection");
    assertStringIncludes((await group.talk("alice", sending(draft))).stdout, SENT);
    await carol.type("2");
    await carol.converse([...reading(1), [CHOICE, "4"]]);
    const { stdout } = await ended(carol, 0);
    assertEquals(inboxIn(stdout), [{ index: 1, from: "alice", title: "[new] to both" }]);
    assertEquals(textsIn(stdout), ["hello"]);
    assertEquals((await inboxOf(group, "bob")).length, before + 1);
  });

  await t.step("a name that the server does not know is named", async () => {
    const draft = { to: "bob;nobody", title: "x", contents: { typed: "x" } };
    const { stderr } = await group.talk("alice", sending(draft), { code: 67 });
    assertEquals(stderr, "there is no user nobody on this server\n");
  });

  await t.step("two clients at once write to each other and are told of new mail", async () => {
    const people = [["alice", "bob"], ["bob", "alice"]] as const;
    const counts = await Promise.all(people.map(([name]) => inboxOf(group, name)));
    const clients = people.map(([name]) => group.connect(name));
    for (const client of clients) await client.expect(CHOICE);
    await Promise.all(people.map(async ([, to], i) => {
      const client = clients[i];
      for (let n = 0; n < 5; n++) {
        const draft = sending({ to, title: `number ${n}`, contents: { typed: `text ${n}` } });
        const [, ...afterChoice] = draft;
        await client?.type("1");
        await client?.converse([...afterChoice]);
        await client?.expect(SENT);
        await client?.expect(CHOICE);
      }
    }));
    for (const [i, client] of clients.entries()) {
      await client.type("2");
      await client.converse([[CHOICE, "4"]]);
      const { stdout } = await ended(client, 0);
      assertStringIncludes(stdout, "new message");
      const list = inboxIn(stdout);
      assertEquals(list.length, (counts[i]?.length ?? 0) + 5);
      assertEquals(
        list.slice(0, 5).map(({ title }) => title),
        [4, 3, 2, 1, 0].map((n) => `[new] number ${n}`),
      );
    }
  });
});

/** The paths of all files below `folder`. */
async function tree(folder: string, below = ""): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) paths.push(...await tree(folder, path));
    else paths.push(path);
  }
  return paths.sort();
}
