/**
 * `deno task release [PLATFORM...]`: fills `dist/` with everything that a release consists of, for
 * the platforms named, or for all (docs/RELEASING.md). A platform whose runtime cannot be had is left
 * out and named; with `--require-all` it fails the release. `--output FOLDER` is for tests.
 */
import { join } from "@std/path";
import { parseArgs } from "node:util";
import { toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import {
  bundle,
  compile,
  executableName,
  output,
  ProgramFailed,
  readSource,
  ROOT,
  type Target,
  TARGETS,
  VERSION,
} from "./build.ts";
import { packDeb, packTar, type Texts } from "./packages.ts";
import { listParts, readParts, writeNotices } from "./parts.ts";

/** Ends the release with one line that says why. */
function fail(message: string): never {
  console.error(`release: ${message}`);
  Deno.exit(1);
}

/** The platforms that `names` name; all if there are none. */
function chooseTargets(names: readonly string[]): readonly Target[] {
  if (names.length === 0) return TARGETS;
  return names.map((name) =>
    TARGETS.find((target) => target.name === name) ??
      fail(`there is no platform ${name}; there are ${TARGETS.map(({ name }) => name).join(", ")}`)
  );
}

/** The manual and the completions, from the program itself. */
async function readTexts(main: string, notices: string): Promise<Texts> {
  const say = async (...args: readonly string[]) =>
    await output(Deno.execPath(), ["run", "--no-prompt", "--no-config", main, ...args]);
  return {
    manual: await say("man", "--troff"),
    completions: {
      bash: await say("completions", "bash"),
      zsh: await say("completions", "zsh"),
      fish: await say("completions", "fish"),
    },
    notices,
  };
}

/** An empty folder at `path`. */
async function emptyFolder(path: string): Promise<string> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(path, { recursive: true });
  return path;
}

/** `SHA256SUMS` of everything in `folder`, as `sha256sum --check` reads it. */
async function writeSums(folder: string): Promise<void> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  let lines = "";
  for (const name of names) {
    lines += `${toHex(await sha256(await Deno.readFile(join(folder, name))))}  ${name}\n`;
  }
  await Deno.writeTextFile(join(folder, "SHA256SUMS"), lines);
}

/** Makes the files for one platform; returns why not if its runtime cannot be had. */
async function releaseFor(
  target: Target,
  main: string,
  texts: Texts,
  work: string,
  into: string,
): Promise<string | null> {
  const here = target.triple === Deno.build.target;
  if (!here && Deno.env.has("DENORT_BIN")) {
    return "DENORT_BIN names a runtime for this machine alone";
  }
  const suffix = executableName(target.triple).replace(/^sealpost/, "");
  const executable = join(into, `sealpost-${VERSION}-${target.name}${suffix}`);
  try {
    await compile(main, executable, { triple: target.triple });
  } catch (error) {
    if (error instanceof ProgramFailed) return error.message;
    throw error;
  }
  await packTar(executable, target, texts, source, await emptyFolder(join(work, "tar")), into);
  if (target.debian !== undefined) {
    const folder = await emptyFolder(join(work, "deb"));
    await packDeb(executable, target.debian, texts, source, folder, into);
  }
  return null;
}

const { values: given, positionals } = parseArgs({
  args: Deno.args,
  options: { output: { type: "string" }, "require-all": { type: "boolean" } },
  allowPositionals: true,
});
const targets = chooseTargets(positionals);
if (Deno.build.os !== "linux") fail("make releases on Linux: it makes them for all platforms");
const source = await readSource();
if (source.commit === null) fail("the commit is not known; release from a git checkout");
const into = await emptyFolder(given.output ?? join(ROOT, "dist"));
const work = await emptyFolder(join(into, ".work"));
try {
  const main = await bundle(join(work, "bundle"), source);
  const parts = await readParts();
  await Deno.writeTextFile(
    join(into, `sealpost-${VERSION}.cdx.json`),
    await listParts(parts, source),
  );
  const texts = await readTexts(main, writeNotices(parts));
  let left = 0;
  for (const target of targets) {
    const reason = await releaseFor(target, main, texts, work, into);
    if (reason !== null) left++;
    console.log(reason === null ? `made ${target.name}` : `left out ${target.name}: ${reason}`);
  }
  await Deno.remove(work, { recursive: true });
  if (left === targets.length) fail("no platform's runtime could be had");
  if (left > 0 && given["require-all"]) fail(`${left} of ${targets.length} platforms are missing`);
  await writeSums(into);
} catch (error) {
  if (!(error instanceof ProgramFailed)) throw error;
  fail(error.message);
} finally {
  await Deno.remove(work, { recursive: true }).catch(() => {});
}
console.log(
  `${into} holds version ${VERSION}, built from ${source.commit} by Deno ${Deno.version.deno}`,
);
