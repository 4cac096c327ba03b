import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { MUTANTS } from "./mutants/list.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const document = await Deno.readTextFile(join(ROOT, "docs", "ASSURANCE.md"));

/** The cells of the rows of all tables in the part of the document under `heading`. */
function rowsUnder(heading: string): string[][] {
  const [, part = ""] = document.split(`\n## ${heading}\n`);
  const [own = ""] = part.split("\n## ");
  return own.split("\n").filter((line) => /^\| (?!where|breakage)/.test(line)).map((line) => {
    return line.slice(2, -2).split(" | ");
  });
}

const guarantees = rowsUnder("Guarantees");
const breakages = rowsUnder("Breakages");

/** Asserts that there is a test of this name in this file, written as `` `FILE`: NAME ``. */
async function assertTest(reference: string): Promise<void> {
  const [file, name] = parts(reference);
  const source = await Deno.readTextFile(join(ROOT, file));
  assert(
    source.includes(`"${name}"`) || source.includes(`\`${name}\``),
    `there is no ${reference}`,
  );
}

function parts(reference: string): [file: string, name: string] {
  const [, file, name] = /^`(tests\/[a-z0-9_/]+\.ts)`: (.+)$/.exec(reference) ?? [];
  assert(file !== undefined && name !== undefined, `not a test: ${reference}`);
  return [file, name];
}

/** The sources of all tests, helpers included. */
async function allSources(folder = join(ROOT, "tests")): Promise<string[]> {
  const sources: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) sources.push(...await allSources(path));
    else if (name.endsWith(".ts")) sources.push(await Deno.readTextFile(path));
  }
  return sources;
}

/** Patterns of the texts in `source` that are put together and have some words of their own. */
function templates(source: string): RegExp[] {
  return [...source.matchAll(/`([^`\n]*\$\{[^`\n]*)`/g)].flatMap(([, text = ""]) => {
    const words = text.split(/\$\{[^}]*\}/);
    if (words.join("").length < 15) return [];
    const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return [new RegExp(`^${escaped.join(".+")}$`)];
  });
}

Deno.test("every guarantee names where it is given and tests that are there", async () => {
  assert(guarantees.length >= 60, `${guarantees.length} guarantees`);
  for (const [where = "", guarantee = "", tests = "", mutants] of guarantees) {
    assert(/\b[PT]\b/.test(where) && guarantee !== "" && mutants !== undefined, guarantee);
    for (const reference of tests.split("<br>")) await assertTest(reference);
  }
});

Deno.test("every breakage belongs to one guarantee", () => {
  const named = guarantees.flatMap(([, , , mutants = ""]) => mutants.split("<br>"))
    .filter((name) => name !== "–");
  assertEquals(named.toSorted(), MUTANTS.map(({ name }) => name).toSorted());
});

Deno.test("in the last run every breakage was noticed, by a test that is there", async () => {
  assertEquals(breakages.map(([name]) => name), MUTANTS.map(({ name }) => name));
  const sources = await allSources();
  const made = sources.flatMap(templates);
  for (const [name, files = "", reference = ""] of breakages) {
    const changed = MUTANTS.find((mutant) => mutant.name === name)?.changes ?? [];
    for (const { file } of changed) assert(files.includes(`\`${file}\``), name);
    // What ran is named, which is a name that is put together here and there, or in another file.
    const [, test] = parts(reference);
    const [title = ""] = test.split(" ... ");
    // Tests of several implementations of one thing begin with which of them it is.
    const [, own = title] = /^SQLite store: (.+)$/.exec(title) ?? [];
    const there = sources.some((source) => source.includes(`"${own}"`)) ||
      made.some((pattern) => pattern.test(title));
    assert(there, `there is no test of this name: ${title}`);
  }
});
