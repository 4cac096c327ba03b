// Attachments from one folder to another, byte for byte, whatever they are called.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { testInFull } from "../support/full.ts";
import { CHOICE, Group, inboxIn, reading, sending, SENT, type Turn } from "../support/group.ts";
import { UNCONFINED } from "../support/program.ts";
import { filesBelow } from "../support/search.ts";

const SAVE: Turn = ["Would you like to save them to files/? (Y/N) ", "Y"];

/** `size` random bytes. */
function bytes(size: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(data.subarray(at, at + 65_536));
  return data;
}

testInFull("attachments come out as they went in", async (t) => {
  await using group = await Group.start(["alice", "bob"], { build: UNCONFINED });
  await group.bind("alice", "bob");
  const out = group.path("alice", "files");
  const into = group.path("bob", "files");
  const send = (attach: readonly string[], title = "files") => {
    return group.talk("alice", sending({ to: "bob", title, contents: { typed: "here" }, attach }));
  };
  const save = async () => (await group.talk("bob", [...reading(1), SAVE])).stdout;

  await t.step("several at once, of every size, with names of every kind", async () => {
    const files = new Map([
      ["empty.txt", bytes(0)],
      ["one", bytes(1)],
      ["53.bin", bytes(53)],
      ["64 KiB.bin", bytes(65_536)],
      ["300 kB.bin", bytes(300_000)],
      ["Grüße 🙂 日本語.pdf", bytes(1000)],
      ['it\'s "quoted", 100%.txt', bytes(10)],
      [`${"long".repeat(40)}.tar.gz`, bytes(10)],
      ["lines.txt", new TextEncoder().encode("a\r\nb\nc\r.\n\n..\n")],
    ]);
    for (const [name, data] of files) await Deno.writeFile(join(out, name), data);
    await send([...files.keys()]);
    const { stdout } = await group.talk("bob", [[CHOICE, "2"], ...reading(1), SAVE]);
    assertEquals(inboxIn(stdout)[0]?.title, "[new] files [9 attached]");
    assertStringIncludes(stdout, "Attachments:\n  1) empty.txt (0 bytes)\n  2) one (1 byte)\n");
    const saved = [...stdout.matchAll(/Saved (files\/.*)\n/g)].map(([, path]) => path ?? "");
    assertEquals(saved.length, files.size);
    for (const [i, [name, data]] of [...files].entries()) {
      assertEquals(await Deno.readFile(group.path("bob", saved[i] ?? "")), data, name);
      if (!name.includes('"')) assertEquals(saved[i], `files/${name}`);
    }
  });

  await t.step("a name that is taken gets a number; nothing is overwritten", async () => {
    const first = bytes(100);
    const second = bytes(100);
    await Deno.mkdir(join(out, "sub"));
    await Deno.writeFile(join(out, "report.txt"), first);
    await Deno.writeFile(join(out, "sub", "report.txt"), second);
    await Deno.writeTextFile(join(into, "report.txt"), "mine");
    await send(["report.txt", "files/sub/report.txt"]);
    assertMatch(await save(), /Saved files\/report \(2\)\.txt\nSaved files\/report \(3\)\.txt\n/);
    assertMatch(await save(), /Saved files\/report \(4\)\.txt\nSaved files\/report \(5\)\.txt\n/);
    assertEquals(await Deno.readTextFile(join(into, "report.txt")), "mine");
    for (
      const [name, data] of [["(2)", first], ["(3)", second], ["(4)", first], [
        "(5)",
        second,
      ]] as const
    ) {
      assertEquals(await Deno.readFile(join(into, `report ${name}.txt`)), data);
    }
  });

  await t.step("a name that leads elsewhere stays in files/", async () => {
    const before = await filesBelow(group.dir);
    const names = ["..\\..\\evil.txt", ".bashrc", "-rf", "CON", "a:b.txt"];
    for (const name of names) await Deno.writeTextFile(join(out, name), name);
    await send(names.map((name) => join("files", name)));
    const stdout = await save();
    const saved = [...stdout.matchAll(/Saved (files\/.*)\n/g)].map(([, path]) => path ?? "");
    assertEquals(saved.length, names.length);
    for (const [i, path] of saved.entries()) {
      assertMatch(path, /^files\/[^./\\:-][^/\\:]*$/);
      assertEquals(await Deno.readTextFile(group.path("bob", path)), names[i]);
    }
    const made = (await filesBelow(group.dir)).filter((path) => !before.includes(path));
    assertEquals(
      made.filter((path) => !path.startsWith("server/mail/") && !path.includes("/.sealpost/"))
        .sort(),
      [...names.map((name) => `alice/files/${name}`), ...saved.map((path) => `bob/${path}`)].sort(),
    );
  });

  await t.step("what cannot be attached is named, and nothing is sent", async () => {
    await Deno.mkdir(join(out, "folder"), { recursive: true });
    for (
      const [file, code, what] of [["missing.bin", 66, "no such file"], [
        "folder",
        74,
        "folder",
      ]] as const
    ) {
      const draft = sending({
        to: "bob",
        title: "x",
        contents: { typed: "x" },
        attach: ["one", file],
      });
      const { stdout, stderr } = await group.talk("alice", draft, { code });
      assertMatch(stderr, new RegExp(`^[^\n]*${file}[^\n]*${what}[^\n]*\n$`));
      assertEquals(stdout.includes(SENT), false);
    }
    const none = sending({ to: "bob", title: "x", contents: { typed: "x" }, attach: [" ; "] });
    assertEquals(
      (await group.talk("alice", none, { code: 64 })).stderr,
      "no file was named; nothing was sent\n",
    );
  });

  await t.step(
    "who does not save has nothing, and nothing is left of what was fetched",
    async () => {
      await Deno.writeFile(join(out, "2 MB.bin"), bytes(2_000_000));
      await send(["2 MB.bin"]);
      const before = await filesBelow(into);
      await group.talk("bob", [...reading(1), [SAVE[0], "N"]]);
      assertEquals(await filesBelow(into), before);
      assertEquals(await filesBelow(group.path("bob", ".sealpost", "bob", "tmp")), []);
      assertEquals(await filesBelow(group.path("alice", ".sealpost", "alice", "outbox")), []);
    },
  );
});
