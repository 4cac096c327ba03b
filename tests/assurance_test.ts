import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { MUTANTS } from "./mutants/list.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const document = await Deno.readTextFile(join(ROOT, "docs", "ASSURANCE.md"));

/** The part of the document under `heading`, without its title. */
function sectionOf(heading: string): string {
  const [, part = ""] = document.split(`\n## ${heading}\n`);
  return part.split("\n## ")[0] ?? "";
}

/** A guarantee, the sections it is given in, and the list under it. */
interface Guarantee {
  readonly text: string;
  readonly where: string;
  readonly heldBy: readonly string[];
  readonly tried: readonly string[];
}

const guarantees = [...sectionOf("Guarantees").matchAll(/^\*\*(.+)\*\* \((.+)\)\n((?:- .+\n?)+)/gm)]
  .map(([, text = "", where = "", list = ""]): Guarantee => {
    const lines = list.trimEnd().split("\n");
    const after = (word: string) =>
      lines.filter((line) => line.startsWith(word)).map((line) => line.slice(word.length));
    const [heldBy, tried] = [after("- held by "), after("- tried: ")];
    assertEquals(heldBy.length + tried.length, lines.length, text);
    return { text, where, heldBy, tried };
  });

/** Each breakage of the last run: its name, the files that it changes, the test that noticed it. */
const breakages = [
  ...sectionOf("Breakages").matchAll(/^- \*\*(.+)\*\*, in (.+): noticed by\n {2}(.+)$/gm),
].map(([, name = "", files = "", test = ""]) => ({ name, files, test }));

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
  for (const { text, where, heldBy } of guarantees) {
    assert(/\b[PT]\b/.test(where) && heldBy.length > 0, text);
    for (const reference of heldBy) await assertTest(reference);
  }
  const bold = sectionOf("Guarantees").split("\n").filter((line) => line.startsWith("**"));
  assertEquals(bold.length, guarantees.length, "a guarantee that is not written like the others");
});

Deno.test("every breakage belongs to one guarantee", () => {
  const named = guarantees.flatMap(({ tried }) => tried);
  assertEquals(named.toSorted(), MUTANTS.map(({ name }) => name).toSorted());
});

Deno.test("in the last run every breakage was noticed, by a test that is there", async () => {
  assertEquals(breakages.map(({ name }) => name), MUTANTS.map(({ name }) => name));
  const sources = await allSources();
  const made = sources.flatMap(templates);
  for (const { name, files, test: reference } of breakages) {
    const changed = MUTANTS.find((mutant) => mutant.name === name)?.changes ?? [];
    for (const { file } of changed) assert(files.includes(`\`${file}\``), name);
    // What ran is named, which is a name that is put together here and there, or in another file.
    const [, test] = parts(reference);
    const [title = ""] = test.split(" ... ");
    // Tests of several implementations of one thing begin with which of them it is.
    const [, own = title] = /^(?:SQLite|PostgreSQL) store: (.+)$/.exec(title) ?? [];
    const there = sources.some((source) => source.includes(`"${own}"`)) ||
      made.some((pattern) => pattern.test(title));
    assert(there, `there is no test of this name: ${title}`);
  }
});
