import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testInFull } from "../support/full.ts";
import { Commanding } from "../support/commanding.ts";
import { searchFolder } from "../support/search.ts";

testInFull("messages are found by their words, wherever those are", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  const { group } = people;
  await Deno.writeTextFile(group.path("alice", "Übersicht.txt"), "x");
  const send = async (subject: string, input: string, ...args: string[]) => {
    const options = ["--json", ...args];
    const out = await people.ok("alice", ["send", "-t", "bob", "-s", subject, ...options], {
      input,
    });
    const { id }: { id: string } = JSON.parse(out);
    return id;
  };
  const report = await send("Annual figures", "Dear Bob,\nthe big\nreport is due in Zürich. 🙂");
  const scan = await send("Scan", "see below", "-a", "Übersicht.txt");
  const other = await send("A big day", "no report here, ask for the bigger one");
  const ids = (found: { id: string }[]) => found.map(({ id }) => id);
  const search = async (...args: string[]) => await people.json("bob", ["search", ...args]);

  await t.step(
    "in subjects, senders and names of attachments before anything was read",
    async () => {
      assertEquals(ids(await search("FIGURES")), [report]);
      assertEquals(ids(await search("alice")), [other, scan, report]);
      const [found] = await search("ubersicht");
      assertEquals([found.id, found.from, found.subject], [scan, "alice", "Scan"]);
      assertEquals(found.found, {
        in: "attachment",
        before: "",
        match: "Übersicht",
        after: ".txt",
      });
      assertEquals(Date.parse(found.date) > 0, true);
      const { code, stdout, stderr } = await people.as("bob", ["search", "zurich"]);
      assertEquals([code, stdout], [0, "Nothing was found.\n"]);
      assertStringIncludes(stderr, "The texts of 3 messages were not searched");
    },
  );

  await t.step("in a text once it was read, or fetched", async () => {
    await people.ok("bob", ["read", report]);
    const { stdout, stderr } = await people.as("bob", ["search", "zurich"]);
    const [line, context] = stdout.split("\n");
    assertMatch(line ?? "", /^[0-9a-f]{8} {2}alice .*Annual figures$/);
    assertEquals(context, "          Dear Bob, the big report is due in Zürich. 🙂");
    assertStringIncludes(stderr, "The texts of 2 messages were not searched");
    const fetched = await people.as("bob", ["search", "report", "--fetch"]);
    assertEquals(fetched.stderr, "");
    assertEquals(ids(await search("report")), [other, report]);
    // Nothing was fetched for nothing: they are as unread as before.
    const unread = await people.json("bob", ["inbox", "--unread"]);
    assertEquals(ids(unread), [other, scan]);
  });

  await t.step("all words, phrases, and within limits", async () => {
    assertEquals(ids(await search("report", "bigger")), [other]);
    assertEquals(ids(await search("big report")), [report]);
    assertEquals(ids(await search('"big report" zürich')), [report]);
    assertEquals(ids(await search("big", "--limit", "1")), [other]);
    const { stderr } = await people.as("bob", ["search", "big", "-n", "1"]);
    assertStringIncludes(stderr, "(the newest 1 of 2 are shown)");
    assertEquals(await search("big", "--from", "bob"), []);
    assertEquals(await search("big", "--folder", "trash"), []);
    assertEquals(ids(await search("big", "--since", "1h")), [other, report]);
    assertEquals(await search("big", "--since", "2100-01-01"), []);
    assertEquals((await people.as("bob", ["search", '""'])).code, 64);
    const none = await people.as("bob", ["search"]);
    assertEquals([none.code, none.stderr], [64, "sealpost: search needs words; see --help\n"]);
    const listed = (await people.ok("bob", ["search", "alice"])).split("\n");
    const columns = listed.slice(0, 3).map((line) => line.search(/\d{4}-\d\d-\d\d/));
    assertEquals(new Set(columns).size, 1, "columns align");
  });

  await t.step("what was removed is not found any more", async () => {
    await people.ok("bob", ["delete", scan, "--for-good", "--yes"]);
    assertEquals(await search("übersicht"), []);
  });

  await t.step("without a cache too, where only what is fetched has a text", async () => {
    const { stdout, stderr } = await people.as("bob", ["search", "report", "--no-cache"]);
    assertEquals(stdout, "Nothing was found.\n");
    assertStringIncludes(stderr, "--no-cache keeps none; --fetch gets them");
    assertEquals(ids(await search("report", "--no-cache", "--fetch")), [other, report]);
  });

  await t.step("and none of it is readable on the disk", async () => {
    const secrets = ["big report", "Zürich", "Annual", "bersicht"];
    const found = await searchFolder(
      group.path("bob", ".sealpost"),
      secrets.map((text) => ({ what: text, text })),
    );
    assertEquals(found, []);
    assert(!group.log.includes("report"));
  });
});

testInFull("what one wrote oneself is searched, and a long text to its end", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  const search = async (name: string, ...args: string[]) => {
    const found: { short: string; found: { match: string } }[] = await people.json(name, [
      "search",
      ...args,
    ]);
    return found.map(({ short, found }) => [short, found.match]);
  };
  const send = async (input: string, ...args: string[]) => {
    const out = await people.ok("alice", ["send", "-t", "bob", "-s", "title", ...args], { input });
    return out.trim();
  };

  await t.step("without being fetched from the server, from the first search on", async () => {
    const id = await send("only alice knows the Känguru");
    assertEquals(await search("alice", "kanguru"), [[id, "Känguru"]]);
    assertEquals(await search("alice", "kanguru", "--folder", "sent"), [[id, "Känguru"]]);
    const { stderr } = await people.as("alice", ["search", "kanguru"]);
    assertEquals(stderr, "");
    assertEquals(await search("bob", "kanguru"), []);
  });

  await t.step("also what waited for a connection", async () => {
    const { group } = people;
    const { address } = group.server;
    await group.server.stop();
    const { code, stdout } = await people.as("alice", ["send", "-t", "bob", "-s", "late"], {
      input: "a Wombat that waited",
    });
    assertEquals(code, 75);
    await group.restart(["--listen", address]);
    await people.ok("alice", ["outbox", "flush"]);
    assertEquals(await search("alice", "wombat"), [[stdout.trim(), "Wombat"]]);
    await people.ok("alice", ["delete", stdout.trim(), "--for-good", "--yes"]);
    assertEquals(await search("alice", "wombat"), []);
  });

  await t.step("the last word of the longest text", async () => {
    const words = "Wörter, die niemand sucht, und mehr davon. ";
    const text = `${words.repeat(30_000).slice(0, 999_980)} Nasenbär`;
    const file = people.group.path("alice", "long.txt");
    await Deno.writeTextFile(file, text);
    const id = await send("", "--file", "long.txt");
    assertEquals(await search("alice", "nasenbar"), [[id, "Nasenbär"]]);
    await people.ok("bob", ["read", id]);
    assertEquals(await search("bob", '"davon. nasenbar"'), []);
    assertEquals(await search("bob", "nasenbar"), [[id, "Nasenbär"]]);
  });
});
