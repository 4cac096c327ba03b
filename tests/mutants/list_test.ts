import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { MUTANTS, NEAREST } from "./list.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

Deno.test("every mutant still fits the code: its texts are there, each exactly once", async () => {
  const texts = new Map<string, string>();
  for (const { name, changes } of MUTANTS) {
    assert(changes.length > 0, name);
    for (const { file, old, new: by } of changes) {
      const text = texts.get(file) ?? await Deno.readTextFile(join(ROOT, file));
      texts.set(file, text);
      assert(old !== by, name);
      assertEquals([name, text.split(old).length - 1], [name, 1]);
    }
  }
});

Deno.test("there are at least forty mutants, each with a name of its own", () => {
  assert(MUTANTS.length >= 40);
  assertEquals(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

Deno.test("every file with a mutant has tests of its own, and they are there", async () => {
  for (const file of new Set(MUTANTS.flatMap(({ changes }) => changes.map(({ file }) => file)))) {
    const nearest = NEAREST[file] ?? [];
    assert(nearest.length > 0, file);
    for (const tests of nearest) {
      const name = typeof tests === "string" ? tests : tests.file;
      await Deno.stat(join(ROOT, "tests", `${name}_test.ts`));
    }
  }
});
