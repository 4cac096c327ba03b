import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { type ErrorCode, isSealpostError, SealpostError } from "../../crypto/error.ts";
import {
  readFileBounded,
  syncFolder,
  wrapFileError,
  writeFileAtomic,
} from "../../files/atomic_file.ts";

const posix = Deno.build.os !== "windows";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sealpost-atomic-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

async function assertCode(code: ErrorCode, run: () => Promise<unknown>): Promise<SealpostError> {
  const error = await assertRejects(run, SealpostError);
  assertEquals(error.code, code);
  assert(!error.message.includes("\n"), "one line");
  return error;
}

Deno.test("writeFileAtomic writes text and bytes and leaves nothing beside them", () =>
  inFolder(async (folder) => {
    const path = join(folder, "file");
    await writeFileAtomic(path, "grüße\n");
    assertEquals(await Deno.readTextFile(path), "grüße\n");
    await writeFileAtomic(path, new Uint8Array([1, 2, 3]));
    assertEquals(await Deno.readFile(path), new Uint8Array([1, 2, 3]));
    const big = new Uint8Array(3_000_000).fill(7);
    await writeFileAtomic(path, big);
    assertEquals((await Deno.readFile(path)).length, big.length);
    assertEquals(names(folder), ["file"]);
  }));

Deno.test({
  name: "writeFileAtomic gives the mode that was asked for, 0600 if none was",
  ignore: !posix,
  fn: () =>
    inFolder(async (folder) => {
      const path = join(folder, "file");
      await Deno.writeTextFile(path, "old", { mode: 0o644 });
      await writeFileAtomic(path, "new");
      assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
      await writeFileAtomic(path, "new", { mode: 0o640 });
      assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o640);
      await writeFileAtomic(join(folder, "exclusive"), "x", { mode: 0o640, overwrite: false });
      assertEquals((Deno.statSync(join(folder, "exclusive")).mode ?? 0) & 0o777, 0o640);
    }),
});

Deno.test("writeFileAtomic with overwrite: false refuses what is there and keeps it", () =>
  inFolder(async (folder) => {
    const path = join(folder, "file");
    await writeFileAtomic(path, "first", { overwrite: false });
    const error = await assertCode(
      "file-exists",
      () => writeFileAtomic(path, "second", { overwrite: false }),
    );
    assert(error.message.includes(path));
    assertEquals(await Deno.readTextFile(path), "first");
    assertEquals(names(folder), ["file"]);
  }));

Deno.test("of many exclusive writers of one name exactly one wins, whole", () =>
  inFolder(async (folder) => {
    const path = join(folder, "file");
    const outcomes = await Promise.allSettled(
      Array.from(
        { length: 20 },
        (_, i) => writeFileAtomic(path, `writer ${i}`, { overwrite: false }),
      ),
    );
    const winners = outcomes.flatMap((outcome, i) => outcome.status === "fulfilled" ? [i] : []);
    assertEquals(winners.length, 1);
    assertEquals(await Deno.readTextFile(path), `writer ${winners[0]}`);
    assertEquals(names(folder), ["file"]);
  }));

Deno.test("a reader during many replacements sees a whole file every time", () =>
  inFolder(async (folder) => {
    const path = join(folder, "file");
    await writeFileAtomic(path, "a".repeat(100_000));
    let writing = true;
    const writer = (async () => {
      for (const letter of "bcdefghijklmnop") await writeFileAtomic(path, letter.repeat(100_000));
      writing = false;
    })();
    while (writing) {
      const text = await Deno.readTextFile(path);
      assertEquals(text, text.charAt(0).repeat(100_000));
    }
    await writer;
  }));

Deno.test("a beforeRename that rejects leaves the old file and no temporary one", () =>
  inFolder(async (folder) => {
    const path = join(folder, "file");
    await writeFileAtomic(path, "old");
    await assertCode("cancelled", () =>
      writeFileAtomic(path, "new", {
        beforeRename: async () => {
          assertEquals(names(folder).length, 2);
          assertEquals(await Deno.readTextFile(path), "old");
          throw new SealpostError("cancelled", "no");
        },
      }));
    assertEquals(await Deno.readTextFile(path), "old");
    assertEquals(names(folder), ["file"]);
  }));

Deno.test("writing into a missing folder or over a folder is an error that names the file", () =>
  inFolder(async (folder) => {
    const missing = join(folder, "no", "file");
    const error = await assertCode("file-missing", () => writeFileAtomic(missing, "x"));
    assertEquals(error.message, `cannot write ${missing}: no such file or folder`);
    assert(error.cause instanceof Deno.errors.NotFound);
    await Deno.mkdir(join(folder, "taken"));
    await Deno.writeTextFile(join(folder, "taken", "inside"), "x");
    await assertCode("file-io", () => writeFileAtomic(join(folder, "taken"), "x"));
    await assertCode(
      "file-exists",
      () => writeFileAtomic(join(folder, "taken"), "x", { overwrite: false }),
    );
    assertEquals(names(folder), ["taken"]);
    assertEquals(names(join(folder, "taken")), ["inside"]);
  }));

Deno.test("readFileBounded reads up to the bound and refuses one byte more", () =>
  inFolder(async (folder) => {
    const path = join(folder, "file");
    await Deno.writeFile(path, new Uint8Array(1000).fill(9));
    assertEquals(await readFileBounded(path, 1000), new Uint8Array(1000).fill(9));
    assertEquals((await readFileBounded(path, 1_000_000)).length, 1000);
    const error = await assertCode("limit", () => readFileBounded(path, 999));
    assert(error.message.includes("999 bytes"));
    await Deno.writeFile(path, new Uint8Array(0));
    assertEquals(await readFileBounded(path, 0), new Uint8Array(0));
    await assertCode("file-missing", () => readFileBounded(join(folder, "none"), 10));
    await assertCode("file-io", () => readFileBounded(folder, 10));
  }));

Deno.test("readFileBounded reads files of several buffers, to the byte", () =>
  inFolder(async (folder) => {
    const path = join(folder, "file");
    for (const size of [65_535, 65_536, 65_537, 131_072, 300_000]) {
      const data = Uint8Array.from({ length: size }, (_, i) => i % 251);
      await Deno.writeFile(path, data);
      assertEquals(await readFileBounded(path, size), data);
      assertEquals(await readFileBounded(path, 1_000_000), data);
      await assertCode("limit", () => readFileBounded(path, size - 1));
    }
  }));

Deno.test("syncFolder takes a folder and says when there is none", () =>
  inFolder(async (folder) => {
    await syncFolder(folder);
    if (posix) await assertCode("file-missing", () => syncFolder(join(folder, "none")));
  }));

Deno.test("wrapFileError names a full disk whatever the system calls it, and keeps the cause", () => {
  for (const code of ["ENOSPC", "EDQUOT"]) {
    const cause = Object.assign(new Error("No space left on device (os error 28)"), { code });
    const error = wrapFileError(cause, "write x");
    assert(isSealpostError(error, "disk-full"));
    assertEquals(error.message, "cannot write x: no space left on the disk");
    assertEquals(error.cause, cause);
  }
  const own = new SealpostError("limit", "own");
  assertEquals(wrapFileError(own, "write x"), own);
  assertEquals(
    wrapFileError(new Error("Is a directory (os error 21): open '/a'"), "write /a").message,
    "cannot write /a: is a directory",
  );
});
