import { exists } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import { MUTANTS, NEAREST, type Tests } from "./list.ts";
import type { Mutant } from "./mutant.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const DOCUMENT = join(ROOT, "docs", "ASSURANCE.md");

/** What is not copied: nothing that the tests run on. */
const LEFT_OUT = [".git", ".deno", ".scratch", ".ci", "node_modules", "dist", "bench", "contrib"];
/** What became of a mutant. */
interface Outcome {
  readonly mutant: Mutant;
  /** The file and the name of the test that noticed it; null if none did. */
  readonly killer: { readonly file: string; readonly test: string } | null;
}

/** A copy of the tree, in which one mutant after the other lives. */
class Copy {
  constructor(readonly root: string) {}

  static async make(): Promise<Copy> {
    const folder = join(ROOT, ".deno", "tmp");
    await Deno.mkdir(folder, { recursive: true });
    const copy = new Copy(await Deno.makeTempDir({ dir: folder, prefix: "mutants-" }));
    await copyTree(ROOT, copy.root);
    await Deno.mkdir(join(copy.root, ".deno", "tmp"), { recursive: true });
    return copy;
  }

  /** Does `work` while the changes of `mutant` are in place. Identities that it makes do not stay. */
  async mutated<T>(mutant: Mutant, work: () => Promise<T>): Promise<T> {
    const originals = new Map<string, string>();
    const pool = new Set(await this.#pool());
    for (const { file, old, new: by } of mutant.changes) {
      const path = join(this.root, file);
      const text = await Deno.readTextFile(path);
      if (!originals.has(path)) originals.set(path, text);
      if (text.split(old).length !== 2) {
        throw new Error(`${mutant.name}: ${file} does not have this text exactly once:\n${old}`);
      }
      await Deno.writeTextFile(path, text.replace(old, () => by));
    }
    try {
      return await work();
    } finally {
      for (const [path, text] of originals) await Deno.writeTextFile(path, text);
      for (const path of await this.#pool()) if (!pool.has(path)) await Deno.remove(path);
    }
  }

  /** The identities that tests in the copy have made and share: see tests/support/identities.ts. */
  async #pool(): Promise<string[]> {
    const folder = join(this.root, ".deno", "tmp", "identities");
    if (!await exists(folder)) return [];
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => join(folder, name));
  }

  /** Runs tests until the first failure, which is returned; null if all pass. */
  async test(files: readonly string[], filter?: string): Promise<Outcome["killer"]> {
    const temporary = join(this.root, ".deno", "tmp");
    const env = {
      ...{ NO_COLOR: "1", TMPDIR: temporary, TMP: temporary, TEMP: temporary },
      // In full, but for the many inputs of parsers.
      ...{ SEALPOST_TESTS: "full", SEALPOST_FUZZ_RUNS: "2000" },
    };
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        "--no-prompt",
        "--no-check",
        "--fail-fast",
        `--allow-read=${this.root}`,
        `--allow-write=${temporary}`,
        "--allow-env",
        "--allow-net=127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5,[::1]",
        `--allow-run=${Deno.execPath()},ps,sh`,
        ...(filter === undefined ? [] : ["--filter", filter]),
        ...files,
      ],
      cwd: this.root,
      env,
    }).output();
    if (success) return null;
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    const [, test, file] = /^(.+) => \.\/(\S+?):\d+:\d+$/m.exec(output) ?? [];
    if (test === undefined || file === undefined || output.includes("(uncaught error)")) {
      throw new Error(`the tests could not be run:\n${output.slice(-4000)}`);
    }
    return { file, test };
  }

  async remove(): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    if (LEFT_OUT.includes(name)) continue;
    if (isDirectory) await copyTree(join(from, name), join(to, name));
    else if (isFile) await Deno.copyFile(join(from, name), join(to, name));
  }
}

/** Runs of tests, the nearest to the files that are named first. */
function nearestTo(files: readonly string[]): Required<Tests>[] {
  const runs = new Map<string, Required<Tests>>();
  for (const tests of files.flatMap((file) => NEAREST[file] ?? [])) {
    const { file, filter = "" } = typeof tests === "string" ? { file: tests } : tests;
    runs.set(`${file} ${filter}`, { file: `tests/${file}_test.ts`, filter });
  }
  return [...runs.values()];
}

/** The first failure among `runs`: whole files together, tests that are chosen by name each alone. */
async function firstFailure(
  copy: Copy,
  runs: readonly Required<Tests>[],
): Promise<Outcome["killer"]> {
  const whole = runs.filter(({ filter }) => filter === "").map(({ file }) => file);
  let killer = whole.length > 0 ? await copy.test(whole) : null;
  for (const { file, filter } of runs) {
    if (filter !== "" && killer === null) killer = await copy.test([file], filter);
  }
  return killer;
}

/** The runs of tests for a mutant: those that its files name. */
function runsFor({ changes }: Mutant): Required<Tests>[] {
  return nearestTo(changes.map(({ file }) => file));
}

async function fate(copy: Copy, mutant: Mutant): Promise<Outcome> {
  const killer = await copy.mutated(mutant, () => firstFailure(copy, runsFor(mutant)));
  return { mutant, killer };
}

/** The list of the document, an item for each mutant. */
function list(outcomes: readonly Outcome[]): string {
  return outcomes.map(({ mutant, killer }) => {
    const files = [...new Set(mutant.changes.map(({ file }) => `\`${file}\``))].join(", ");
    const test = killer ? `\`${killer.file}\`: ${killer.test}` : "nothing";
    return `- **${mutant.name}**, in ${files}: noticed by\n  ${test}`;
  }).join("\n");
}

async function writeDocument(outcomes: readonly Outcome[]): Promise<void> {
  const text = await Deno.readTextFile(DOCUMENT);
  const [start, end] = ["<!-- mutants -->\n", "<!-- /mutants -->"];
  const at = text.indexOf(start) + start.length;
  const killed = outcomes.filter(({ killer }) => killer !== null).length;
  const date = new Date().toISOString().slice(0, 10);
  const counts = `${outcomes.length} breakages, ${killed} noticed, ${
    outcomes.length - killed
  } survived`;
  const summary = `${date}, Deno ${Deno.version.deno}: ${counts}.`;
  await Deno.writeTextFile(
    DOCUMENT,
    `${text.slice(0, at)}${summary}\n\n${list(outcomes)}\n${text.slice(text.indexOf(end))}`,
  );
}

/** Whether the tests of `mutants` pass without any; throws if not: what fails would notice everything. */
async function testUnbroken(copies: readonly Copy[], mutants: readonly Mutant[]): Promise<void> {
  const runs = nearestTo(mutants.flatMap(({ changes }) => changes.map(({ file }) => file)));
  await inParallel(copies, runs, async (copy, tests) => {
    const failed = await firstFailure(copy, [tests]);
    if (failed) throw new Error(`without any mutant, ${failed.file} fails: ${failed.test}`);
  });
}

/** Does `work` with each of `items`, as many at once as there are copies. */
async function inParallel<T>(
  copies: readonly Copy[],
  items: readonly T[],
  work: (copy: Copy, item: T) => Promise<void>,
): Promise<void> {
  const left = [...items];
  await Promise.all(copies.map(async (copy) => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(copy, item);
  }));
}

async function main(words: readonly string[]): Promise<void> {
  const chosen = MUTANTS.filter(({ name, changes }) => {
    return words.every((word) => `${name} ${changes.map(({ file }) => file)}`.includes(word));
  });
  const copies: Copy[] = [];
  const outcomes = new Map<Mutant, Outcome>();
  try {
    const most = Math.min(navigator.hardwareConcurrency, chosen.length);
    while (copies.length < most) copies.push(await Copy.make());
    await testUnbroken(copies, chosen);
    await inParallel(copies, chosen, async (copy, mutant) => {
      const outcome = await fate(copy, mutant);
      outcomes.set(mutant, outcome);
      const { killer } = outcome;
      console.log(
        `${killer ? "noticed " : "SURVIVED"} ${mutant.name}${killer ? `: ${killer.test}` : ""}`,
      );
    });
  } finally {
    for (const copy of copies) await copy.remove();
  }
  const inOrder = chosen.flatMap((mutant) => outcomes.get(mutant) ?? []);
  const survived = inOrder.filter(({ killer }) => killer === null);
  console.log(`${inOrder.length} breakages, ${survived.length} survived`);
  if (chosen.length === MUTANTS.length) await writeDocument(inOrder);
  if (survived.length > 0 || chosen.length === 0) Deno.exit(1);
}

if (import.meta.main) await main(Deno.args);
