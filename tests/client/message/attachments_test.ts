import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { basename, join } from "@std/path";
import fc from "fast-check";
import { utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import {
  attachmentFromFile,
  type ExistingFileAction,
  safeName,
  writeAttachment,
} from "../../../client/message/attachments.ts";
import { symlink } from "../../support/command.ts";
import { collect, stream } from "../../support/mime.ts";

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function names(folder: string): Promise<string[]> {
  const all: string[] = [];
  for await (const { name } of Deno.readDir(folder)) all.push(name);
  return all.sort();
}

const posix = Deno.build.os !== "windows";

Deno.test("a harmless name stays as it is", () => {
  for (
    const name of ["report.pdf", "two words (2).tar.gz", "Zoë 漢字 👩‍👩‍👧.png", "a-b_c~1", "CONfig"]
  ) {
    assertEquals(safeName(name), name);
  }
});

Deno.test("a hostile name becomes a harmless one", () => {
  for (
    const [hostile, safe] of [
      ["../../", "attachment"],
      ["..", "attachment"],
      ["", "attachment"],
      [" . . ", "attachment"],
      ["../../../../etc/passwd", "passwd"],
      ["/etc/passwd", "passwd"],
      ["..\\..\\boot.ini", "boot.ini"],
      ["\\\\server\\share\\x", "x"],
      ["C:\\x", "x"],
      ["C:x", "x"],
      ["file.txt:stream", "file.txt_stream"],
      ["CON", "_CON"],
      ["nul.txt", "_nul.txt"],
      ["NUL .tar.gz", "_NUL .tar.gz"],
      ["com1.", "_com1"],
      ["LPT³", "_LPT³"],
      ["a\0b\x1b[2J\r\n.txt", "ab[2J.txt"],
      ["gpj.\u202Eexe", "gpj.exe"],
      ["in\u200bvis\u{e0041}ible", "invisible"],
      [".bashrc", "bashrc"],
      ["-rf", "rf"],
      ["--output=x", "output=x"],
      ["~root", "root"],
      ["name. . .", "name"],
      ['a<b>|"c?*', "a_b___c__"],
      ["\ud800x", "x"],
    ] as const
  ) {
    assertEquals(safeName(hostile), safe, JSON.stringify(hostile));
  }
});

Deno.test("a long name is cut between characters and keeps its extension", () => {
  assertEquals(safeName(`${"x".repeat(4096)}.pdf`), `${"x".repeat(196)}.pdf`);
  assertEquals(safeName(`${"漢".repeat(4096)}.pdf`), `${"漢".repeat(65)}.pdf`);
  assertEquals(safeName(`${"👩‍👩‍👧".repeat(30)}.pdf`), `${"👩‍👩‍👧".repeat(10)}.pdf`);
  assertEquals(safeName(`x.${"y".repeat(300)}`), `x.${"y".repeat(198)}`);
});

Deno.test("whatever the name, the safe one is a name on every system", () => {
  const anything = fc.string({ unit: "binary", maxLength: 600 });
  const likely = fc.string({
    unit: fc.constantFrom(..."./\\:-~ CONnul\0\n\u202e漢👩\u200d"),
    maxLength: 300,
  });
  fc.assert(
    fc.property(fc.oneof(anything, likely), (name) => {
      const safe = safeName(name);
      assert(safe.length > 0 && utf8(safe).length <= 200);
      assert(!/[/\\:<>"|?*\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]/u.test(safe), safe);
      assertMatch(safe, /^[^\s.~-].*$|^[^\s.~-]$/u);
      assert(!/[\s.]$/.test(safe));
      assert(!/^(CON|PRN|AUX|NUL|COM\d|LPT\d)\s*(\.|$)/i.test(safe));
      assertEquals(safeName(safe), safe);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("attachments of one name are all kept", async () => {
  await inFolder(async (folder) => {
    for (const [i, expected] of ["a.txt", "a (2).txt", "a (3).txt"].entries()) {
      const path = await writeAttachment(folder, "x/a.txt", stream(`content ${i}`));
      assertEquals(path, join(folder, expected));
      assertEquals(await Deno.readTextFile(path), `content ${i}`);
      if (posix) assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    }
    assertEquals(await names(folder), ["a (2).txt", "a (3).txt", "a.txt"]);
  });
});

Deno.test("many saved at once under one name get names of their own", async () => {
  await inFolder(async (folder) => {
    const all = Array.from({ length: 20 }, (_, i) => `content ${i}`);
    const paths = await Promise.all(all.map((text) => writeAttachment(folder, "n", stream(text))));
    assertEquals(new Set(paths).size, 20);
    assertEquals(await Promise.all(paths.map((path) => Deno.readTextFile(path))), all);
    assertEquals((await names(folder)).length, 20);
  });
});

Deno.test("nothing is left of content that fails", async () => {
  await inFolder(async (folder) => {
    const failing = async function* () {
      yield await Promise.resolve(new Uint8Array(100_000));
      throw new SealpostError("authentication", "forged");
    };
    const error = await assertRejects(
      () => writeAttachment(folder, "a", failing()),
      SealpostError,
    );
    assertEquals(error.code, "authentication");
    assertEquals(await names(folder), []);
  });
});

Deno.test({
  name: "a symbolic link in the folder is neither followed nor replaced",
  ignore: !posix,
  async fn() {
    await inFolder(async (folder) => {
      const inside = join(folder, "inside");
      await Deno.mkdir(inside);
      await Deno.writeTextFile(join(folder, "precious"), "precious");
      for (const [name, target] of [["a", "../precious"], ["b", "../new"], ["c", ".."]] as const) {
        await symlink(target, join(inside, name));
        const path = await writeAttachment(inside, name, stream("content"));
        assertEquals(basename(path), `${name} (2)`);
        assert((await Deno.lstat(join(inside, name))).isSymlink);
      }
      assertEquals(await Deno.readTextFile(join(folder, "precious")), "precious");
      assertEquals(await names(folder), ["inside", "precious"]);
    });
  },
});

Deno.test("a folder that is not there is named", async () => {
  await inFolder(async (folder) => {
    const error = await assertRejects(
      () => writeAttachment(join(folder, "none"), "a", stream("x")),
      SealpostError,
    );
    assertEquals(error.code, "file-missing");
  });
});

Deno.test("a file to send has its own name, size and content, again for another attempt", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "notes é.txt");
    await Deno.writeTextFile(path, "content");
    const source = await attachmentFromFile(path);
    assertEquals([source.name, source.size], ["notes é.txt", 7]);
    assertEquals(await collect(await source.open()), utf8("content"));
    assertEquals(await collect(await source.open()), utf8("content"));
  });
});

Deno.test("a file that changed since it was attached is not sent", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "f");
    await Deno.writeTextFile(path, "content");
    const source = await attachmentFromFile(path);
    await Deno.utime(path, new Date(0), new Date(0));
    const error = await assertRejects(() => source.open(), SealpostError);
    assertEquals(error.code, "file-io");
    assertMatch(error.message, /changed since it was attached/);
    await Deno.remove(path);
    assertEquals((await assertRejects(() => source.open(), SealpostError)).code, "file-missing");
  });
});

Deno.test("what cannot be sent is refused with the reason", async () => {
  await inFolder(async (folder) => {
    const missing = await assertRejects(
      () => attachmentFromFile(join(folder, "none")),
      SealpostError,
    );
    assertEquals(missing.code, "file-missing");
    const directory = await assertRejects(() => attachmentFromFile(folder), SealpostError);
    assertEquals(directory.code, "file-io");
    assertMatch(directory.message, /is a folder/);
  });
});

Deno.test("a file that is there is overwritten only if somebody says so, and a link never", async () => {
  await inFolder(async (folder) => {
    const save = (text: string, decision: ExistingFileAction) => {
      return writeAttachment(folder, "a.txt", stream(text), () => Promise.resolve(decision));
    };
    const read = (name: string) => Deno.readTextFile(join(folder, name));
    assertEquals(await save("first", "skip"), join(folder, "a.txt"));
    assertEquals(await save("second", "skip"), null);
    assertEquals(await save("third", "rename"), join(folder, "a (2).txt"));
    assertEquals([await read("a.txt"), await read("a (2).txt")], ["first", "third"]);
    assertEquals(await save("fourth", "overwrite"), join(folder, "a.txt"));
    assertEquals(await read("a.txt"), "fourth");
    await Deno.remove(join(folder, "a.txt"));
    await Deno.mkdir(join(folder, "a.txt"));
    assertEquals(await save("fifth", "overwrite"), join(folder, "a (3).txt"));
  });
});
