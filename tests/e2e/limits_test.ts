// The limits of titles, contents and whole messages, met before anything is uploaded.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testInFull } from "../support/full.ts";
import {
  CHOICE,
  ended,
  Group,
  inboxOf,
  reading,
  sending,
  SENT,
  textsIn,
} from "../support/group.ts";
import { Relay } from "../support/relay.ts";

testInFull("titles, contents and messages have limits that are told", async (t) => {
  await using group = await Group.start(["alice", "bob"], { serve: ["--max-message", "8MiB"] });
  await group.bind("alice", "bob");
  const put = async (file: string, data: string | Uint8Array) => {
    await Deno.writeFile(
      group.path("alice", "files", file),
      typeof data === "string" ? new TextEncoder().encode(data) : data,
    );
  };

  await t.step("a title has up to 100 characters, whatever they are", async () => {
    for (const title of ["x".repeat(100), "🙂".repeat(100), "ü".repeat(100), ""]) {
      await group.talk("alice", sending({ to: "bob", title, contents: { typed: "x" } }));
      const [row] = await inboxOf(group, "bob");
      assertEquals(row?.title, `[new] ${title === "" ? "(no title)" : title}`);
    }
    const before = (await inboxOf(group, "bob")).length;
    for (const title of ["x".repeat(101), "🙂".repeat(101)]) {
      const turns = sending({ to: "bob", title, contents: { typed: "x" } });
      const { stderr } = await group.talk("alice", turns, { code: 65 });
      assertEquals(stderr, "a title has at most 100 characters\n");
    }
    assertEquals((await inboxOf(group, "bob")).length, before);
  });

  await t.step("contents have up to 1,000,000 characters, loaded or typed", async () => {
    const line = "0123456789äöü€🙂 the quick brown fox, eighty characters or so with the others\n";
    const characters = [...line.repeat(13_000)];
    const most = characters.slice(0, 999_999).join("") + "!";
    await put("most.txt", most);
    await group.talk(
      "alice",
      sending({ to: "bob", title: "most", contents: { file: "most.txt" } }),
    );
    assertEquals(textsIn((await group.talk("bob", reading(1))).stdout), [most]);
    await group.talk("alice", sending({ to: "bob", title: "typed", contents: { typed: most } }));
    assertEquals(textsIn((await group.talk("bob", reading(1))).stdout), [most]);

    await put("more.txt", `${most}!`);
    await put("far-more.txt", "x".repeat(5_000_000));
    for (const file of ["more.txt", "far-more.txt"]) {
      const { stderr } = await group.talk(
        "alice",
        sending({ to: "bob", title: "more", contents: { file } }),
        { code: 65 },
      );
      assertMatch(stderr, /^[^\n]*(1000001|over 1000000) characters[^\n]*attach[^\n]*\n$/);
    }
    const typed = sending({ to: "bob", title: "more", contents: { typed: `${most}!` } });
    const { stderr } = await group.talk("alice", typed, { code: 65 });
    assertMatch(
      stderr,
      /^the contents have 1000001 characters; at most 1000000 are possible[^\n]*\n$/,
    );
    assertEquals((await inboxOf(group, "bob"))[0]?.title, "typed");
  });

  await t.step("a file that is not text is not loaded as contents", async () => {
    await put("picture.png", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe));
    const draft = sending({ to: "bob", title: "x", contents: { file: "picture.png" } });
    const { stderr } = await group.talk("alice", draft, { code: 65 });
    assertMatch(stderr, /^picture\.png is not text in UTF-8; [^\n]*\n$/);
  });

  await t.step(
    "a message over the server's limit is refused before it is sealed or sent",
    async () => {
      await using relay = Relay.start(group.server.address);
      // With base64 and its line ends, 74 bytes for 54.
      await put("fits.bin", crypto.getRandomValues(new Uint8Array(65_000)).slice(0, 65_000));
      await put("large.bin", new Uint8Array(6_200_000));
      const draft = (file: string) => {
        return sending({ to: "bob", title: file, contents: { typed: "x" }, attach: [file] });
      };
      const { address } = relay;
      const alice = group.connect("alice", { address });
      await alice.converse([...draft("large.bin"), [CHOICE, "4"]]);
      const { stderr } = await ended(alice, 65);
      assertEquals(
        stderr,
        "the message has 8.1 MiB with its attachments as mail carries them; this server takes 8.0 MiB\n",
      );
      assert(relay.last.count("up") < 20_000, `${relay.last.count("up")} bytes were sent`);
      await put("large.bin", new Uint8Array(6_050_000));
      assertStringIncludes((await group.talk("alice", draft("large.bin"))).stdout, SENT);
      assertEquals((await inboxOf(group, "bob"))[0]?.title, "[new] large.bin [1 attached]");
    },
  );
});
