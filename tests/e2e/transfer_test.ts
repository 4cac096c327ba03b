import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { Commanding } from "../support/commanding.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

/** What lists show of a message, as far as it is to survive. */
interface Listed {
  readonly subject: string;
  readonly folder: string;
  readonly flags: readonly string[];
  readonly received: string;
}

/** All messages of somebody, in the order of their subjects. */
async function everything(people: Commanding, name: string): Promise<Listed[]> {
  const folders: { folder: string; count: number }[] = await people.json(name, [
    "folders",
    "list",
  ]);
  const all: Listed[] = [];
  for (const { folder, count } of folders) {
    if (count === 0) continue;
    all.push(...await people.json(name, ["inbox", "--folder", folder, "--limit", "1000"]));
  }
  return all.map(({ subject, folder, flags, received }) => ({ subject, folder, flags, received }))
    .sort((a, b) => `${a.subject} ${a.folder}` < `${b.subject} ${b.folder}` ? -1 : 1);
}

/** The paths of all files in a folder, without their names where `only` is not in them. */
async function filesIn(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    const inner = join(path, name);
    if (isDirectory) found.push(...await filesIn(inner));
    else found.push(inner);
  }
  return found.sort();
}

const TEXT = "From here on\r\n>From there\n\nüml\n";

/** Somebody with mail in several folders, with flags, keywords and an attachment. */
async function withMail(): Promise<Commanding> {
  const people = await Commanding.start(["alice", "bob", "carol"]);
  const { group } = people;
  await Deno.writeFile(group.path("bob", "a.bin"), new Uint8Array(2_000_000).fill(7));
  const send = async (subject: string, ...more: string[]) => {
    const args = ["send", "-t", "alice", "-s", subject, ...more];
    return (await people.ok("bob", args, { input: TEXT })).trim();
  };
  const ids = [await send("one"), await send("two", "-a", "a.bin"), await send("three")];
  await people.ok("alice", ["send", "-t", "alice", "-s", "to myself"], { input: "x" });
  await people.ok("alice", ["folders", "make", "work/reports.2026"]);
  await people.ok("alice", ["move", ids[1] ?? "", "--folder", "work/reports.2026"]);
  await people.ok("alice", ["mark", ids[1] ?? "", "--set", "urgent", "--set", "read", "--new"]);
  await people.ok("alice", ["mark", ids[2] ?? "", "--set", "flagged"]);
  return people;
}

testInFull("mail goes out in each format and comes back in, whole and once", async (t) => {
  await using people = await withMail();
  const { group } = people;
  const before = await everything(people, "alice");
  assertEquals(before.length, 5);
  const read = async (name: string, subject: string) => {
    const [{ short }] = await people.json(name, ["search", subject]);
    return await people.json(name, ["read", short]);
  };
  const original = await read("alice", "two");

  await t.step("nobody who cannot be asked exports without --yes", async () => {
    const { code, stderr } = await people.as("alice", ["export", "out"]);
    assertEquals(code, 64);
    assertStringIncludes(stderr, "--yes");
    assertEquals(await Deno.stat(group.path("alice", "out")).catch(() => null), null);
  });

  for (const format of ["mbox", "maildir", "eml", "sealpost"]) {
    await t.step(`${format}: written, and readable by nobody else`, async () => {
      const out = await people.ok("alice", [
        "export",
        "--yes",
        "--format",
        format,
        `out-${format}`,
      ]);
      assertEquals(out, `Exported 5 messages to out-${format}.\n`);
      for (const path of await filesIn(group.path("alice", `out-${format}`))) {
        const { mode } = await Deno.stat(path);
        assertEquals((mode ?? 0) & 0o777, 0o600, path);
      }
      // Nothing else is left beside it.
      const beside = [...Deno.readDirSync(group.path("alice"))].filter(({ name }) => {
        return name.endsWith(".tmp");
      });
      assertEquals(beside, []);
    });

    await t.step(`${format}: brings nothing new where it comes from`, async () => {
      const { stdout, stderr } = await people.as("alice", ["import", `out-${format}`]);
      assertStringIncludes(stdout, "Imported 0 messages. 5 messages were here already.", stderr);
    });
  }

  await t.step("somebody else takes what was exported for Sealpost: all is as it was", async () => {
    await Deno.rename(group.path("alice", "out-sealpost"), group.path("carol", "in"));
    await people.ok("carol", ["import", "in"]);
    assertEquals(await everything(people, "carol"), before);
    assertStringIncludes(await people.ok("carol", ["import", "in"]), "Imported 0 messages.");
    const { text, attachments, from, stored } = await read("carol", "two");
    assertEquals([text, attachments], [original.text, original.attachments]);
    assertEquals([from, stored.kind], [null, "import"]);
    assertMatch(stored.from, /bob/);
    assertStringIncludes(await people.ok("carol", ["inbox"]), "[imported]");
  });

  await t.step("and what was exported for others, from every format", async () => {
    for (const format of ["mbox", "maildir", "eml"]) {
      await using other = await Commanding.start(["dave"]);
      const to = other.group.path("dave", "in");
      await Deno.rename(group.path("alice", `out-${format}`), to);
      await other.ok("dave", ["import", "in"]);
      const after = await everything(other, "dave");
      const folders = (all: Listed[]) => all.map(({ folder }) => folder.replace(/[._]/g, "."));
      assertEquals(after.map(({ subject }) => subject), before.map(({ subject }) => subject));
      assertEquals(folders(after), folders(before), format);
      if (format === "eml") continue;
      const flags = (all: Listed[]) =>
        all.map(({ flags }) => flags.filter((flag) => flag !== "urgent"));
      assertEquals(flags(after), flags(before), format);
    }
  });

  await t.step("one folder since a day, and nothing else", async () => {
    const out = await people.json("alice", [
      "export",
      "--yes",
      "--folder",
      "sent",
      "--since",
      "1d",
      "sent-only",
    ]);
    assertEquals([out.exported, out.failed], [1, 0]);
    assertEquals(
      (await filesIn(group.path("alice", "sent-only"))).map((path) => path.split("/").at(-1)),
      ["sent.mbox"],
    );
  });

  await t.step("a folder that is there is not written over", async () => {
    const { code, stderr } = await people.as("alice", ["export", "--yes", "sent-only"]);
    assertEquals(code, 73, stderr);
    const other = await people.as("alice", ["export", "--yes", "--format", "pst", "x"]);
    assertEquals(other.code, 64);
    assertStringIncludes(other.stderr, "mbox, maildir, eml, sealpost");
  });
});

testInFull("mail of other programs comes in with its folders, dates and flags", async () => {
  await using people = await Commanding.start(["alice"]);
  const dir = people.group.path("alice", "old");
  const write = async (path: string, ...lines: string[]) => {
    const to = join(dir, path);
    await Deno.mkdir(join(to, ".."), { recursive: true });
    await Deno.writeTextFile(to, lines.join("\n"));
  };
  const from = "From jane@example.org Sun Nov 22 14:05:06 2020";
  await write(
    "Inbox",
    from,
    "Status: RO",
    "From: Jane <jane@example.org>",
    "Subject: a",
    "",
    "x",
    "",
  );
  await write("Inbox.msf", "an index");
  await write(
    "Inbox.sbd/Work",
    ...[from, "From: j@x.org", "X-Mozilla-Status: 0004", "Subject: b", "", "y", ""],
    ...["From - Mon Nov 23 00:00:00 2020", "Subject: c", "Date: Mon, 23 Nov 2020 00:00:00 +0000"],
    ...["", "z", ""],
  );
  await write("letters/one.eml", "From: k@x.org", "Subject: d", "Date: 1 Jan 2019 00:00 +0000", "");
  await write("Maildir/cur/1500000000.1.host:2,FS", "From: l@x.org", "Subject: e", "", "m");
  await write("Maildir/new/1500000001.2.host", "From: l@x.org", "Subject: f", "", "n");
  await write("Maildir/.Sent/cur/1500000002.3.host:2,ST", "Subject: g", "", "o");
  await write("Maildir/.Sent/new/1500000003.4.host", "Subject: h", "", "p");
  await write("notes.txt", "no mail");

  const result = await people.json("alice", ["import", "old"]);
  assertEquals([result.imported, result.alreadyThere, result.failed], [8, 0, 0]);
  assertEquals(
    result.others.map((path: string) => path.split("/").at(-1)).sort(),
    ["Inbox.msf", "notes.txt"],
  );
  const at = (ms: number) => new Date(ms).toISOString();
  assertEquals(await everything(people, "alice"), [
    { subject: "a", folder: "inbox", flags: ["seen"], received: "2020-11-22T14:05:06.000Z" },
    {
      subject: "b",
      folder: "Inbox/Work",
      flags: ["flagged"],
      received: "2020-11-22T14:05:06.000Z",
    },
    { subject: "c", folder: "Inbox/Work", flags: ["seen"], received: "2020-11-23T00:00:00.000Z" },
    { subject: "d", folder: "letters", flags: ["seen"], received: "2019-01-01T00:00:00.000Z" },
    { subject: "e", folder: "Maildir", flags: ["seen", "flagged"], received: at(1.5e12) },
    { subject: "f", folder: "Maildir", flags: [], received: at(1.5e12 + 1000) },
    { subject: "g", folder: "trash", flags: ["seen"], received: at(1.5e12 + 2000) },
    { subject: "h", folder: "Maildir/Sent", flags: [], received: at(1.5e12 + 3000) },
  ]);
  // The same mail in another form is the same mail.
  const again = await people.json("alice", ["import", "old/Maildir", "--folder", "archive"]);
  assertEquals([again.imported, again.alreadyThere], [0, 4]);
  const missing = await people.as("alice", ["import", "nothing"]);
  assertEquals(missing.code, 66);
  const noMail = await people.as("alice", ["import", "old/notes.txt"]);
  assertEquals(noMail.code, 64);
  assertStringIncludes(noMail.stderr, "neither an mbox file nor a message");
});

testInFullUnless(
  missing,
  "an import that is stopped goes on where it was, and an export leaves nothing",
  async () => {
    await using people = await Commanding.start(["alice"]);
    const { group } = people;
    const count = 2000;
    const pieces = Array.from({ length: count }, (_, i) => {
      return `From a@b.org Sun Nov 22 14:05:06 2020\nFrom: a@b.org\nSubject: m${i}\n\ntext ${i}\n\n`;
    });
    await Deno.writeTextFile(group.path("alice", "many.mbox"), pieces.join(""));
    await using importing = await people.at("alice", ["import", "many.mbox"]);
    await importing.see("Importing");
    await importing.press("C-c");
    await importing.see("goes on from there");
    assertEquals((await importing.ended()).code, 130);
    const rest = await people.json("alice", ["import", "many.mbox"]);
    assert(rest.alreadyThere > 0 && rest.imported > 0, JSON.stringify(rest));
    assertEquals(rest.alreadyThere + rest.imported, count);
    const listed: { count: number; folder: string }[] = await people.json("alice", [
      "folders",
      "list",
    ]);
    assertEquals(listed.find(({ folder }) => folder === "many")?.count, count);

    await using exporting = await people.at("alice", ["export", "--format", "eml", "out"]);
    await exporting.see("Go on?");
    await exporting.enter("y");
    await exporting.see("Exporting");
    await exporting.press("C-c");
    await exporting.see("nothing was exported");
    assertEquals((await exporting.ended()).code, 130);
    const left = [...Deno.readDirSync(group.path("alice"))].map(({ name }) => name);
    assertEquals(left.filter((name) => name.includes("out")), []);
  },
);
