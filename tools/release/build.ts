/**
 * Turns the source into an executable in two steps: `deno bundle` puts the program and the packages
 * it uses into a folder of a few plain modules, `deno compile` puts that folder behind Deno's runtime.
 * Compiling the bundle, and not main.ts, keeps out what the program never loads, and it is the only
 * way on Deno 2.9, whose `compile` overflows its stack on some npm packages.
 */
import { Buffer } from "node:buffer";
import { dirname, join } from "@std/path";
import { toHex, utf8 } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import config from "../../deno.json" with { type: "json" };
import { buildPage } from "../page/build.ts";
import { output, ProgramFailed, ROOT } from "./run.ts";

export { output, ProgramFailed, ROOT };

/** The version that is built, from deno.json. */
export const VERSION: string = config.version;

/** A platform that executables are made for. */
export interface Target {
  /** What `deno compile --target` calls it. */
  readonly triple: string;
  /** What our files call it. */
  readonly name: string;
  /** What Debian calls its processor; only for Linux. */
  readonly debian?: string;
}

export const TARGETS: readonly Target[] = [
  { triple: "x86_64-unknown-linux-gnu", name: "linux-x64", debian: "amd64" },
  { triple: "aarch64-unknown-linux-gnu", name: "linux-arm64", debian: "arm64" },
  { triple: "x86_64-apple-darwin", name: "macos-x64" },
  { triple: "aarch64-apple-darwin", name: "macos-arm64" },
  { triple: "x86_64-pc-windows-msvc", name: "windows-x64" },
];

/** Whether executables of `triple` end in `.exe`, and find no `sh` to start programs with. */
function isWindows(triple: string): boolean {
  return triple.includes("windows");
}

/** The name of the executable where it is installed. */
export function executableName(triple: string): string {
  return isWindows(triple) ? "sealpost.exe" : "sealpost";
}

/** The permissions of the executable for `triple`, as flags of `deno run`. */
export function permissionFlags(triple: string = Deno.build.target): string[] {
  return [
    "--no-prompt",
    "--allow-read",
    "--allow-write",
    "--allow-net",
    "--allow-env",
    "--allow-sys=hostname",
    ...isWindows(triple) ? [] : ["--allow-run=/bin/sh"],
  ];
}

/** What an executable is built from. */
export interface Source {
  /** The commit, with `+changes` behind it if files differ from it; null outside a git checkout. */
  readonly commit: string | null;
  /** When the commit was made, in seconds since 1970: the time of every file that is built. */
  readonly time: number;
}

/** The earliest time that every archive can hold: the first second of 1980. */
const EARLIEST = 315_532_800;

/** Asks git what the source is. */
export async function readSource(): Promise<Source> {
  try {
    const [commit, time] = (await output("git", ["log", "-1", "--format=%H %ct"])).split(" ");
    const changed = await output("git", ["status", "--porcelain", "--untracked-files=no"]);
    return { commit: `${commit}${changed === "" ? "" : "+changes"}`, time: Number(time) };
  } catch (error) {
    const expected = error instanceof ProgramFailed || error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotCapable;
    if (!expected) throw error;
    return { commit: null, time: EARLIEST }; // an unpacked archive, or no git on this machine
  }
}

/** What stands in cli/program.ts for the commit. */
const COMMIT_MARK = "@COMMIT@";

/** How a module of a bundle complains that it was not given a `require`. */
const NO_REQUIRE = "Dynamic require of";

/** Where this machine keeps its packages, as the bundler names the modules of one in what it writes. */
const CACHED_PACKAGE = /(?:\.\.\/)*[^\s"'`(]*\bnpm\/registry\.npmjs\.org\//g;

/** Gives a module a `require` of its own. */
const MAKE_REQUIRE =
  'import{createRequire}from"node:module";const require=createRequire(import.meta.url);\n';

/**
 * Gives a module whose packages expect Node's timers, which have `unref`, those that it does not import:
 * in a bundle they would get the web's, which are numbers on Deno 2.7.
 */
function importTimers(text: string): string {
  if (!text.includes(".unref()")) return "";
  const imports = [...text.matchAll(/^import \{([^}]*)\} from "node:timers";$/gm)];
  const bound = imports.flatMap(([, list = ""]) => {
    return list.split(",").map((one) => one.trim().split(" as ").at(-1));
  });
  const names = ["clearInterval", "clearTimeout", "setInterval", "setTimeout"];
  const free = names.filter((name) => !bound.includes(name));
  return free.length === 0 ? "" : `import{${free.join(",")}}from"node:timers";\n`;
}

/**
 * Bundles the program into `folder`, which is made anew; returns the path of the module that runs.
 * The same source and the same Deno give the same bytes and times of files.
 */
export async function bundle(folder: string, source: Source): Promise<string> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  // Each command's modules stay in files of their own, so that a command loads only what it needs. Not
  // minified: esbuild then puts a `using` that is read once in its place, and what it holds is never
  // given back.
  await output(Deno.execPath(), [
    "bundle",
    "--quiet",
    "--frozen",
    "--code-splitting",
    "--outdir",
    folder,
    "main.ts",
  ]);
  const modules = new Map<string, string>();
  let marks = 0;
  for await (const { name } of Deno.readDir(folder)) {
    const text = (await Deno.readTextFile(join(folder, name))).replaceAll(CACHED_PACKAGE, "npm/");
    const parts = text.split(COMMIT_MARK);
    marks += parts.length - 1;
    // What Deno 2.7 writes into the module that CommonJS packages load others by needs a `require`.
    const head = (text.includes(NO_REQUIRE) ? MAKE_REQUIRE : "") + importTimers(text);
    modules.set(name, head + parts.join(source.commit ?? "unknown"));
    await Deno.remove(join(folder, name));
  }
  if (marks !== 1) throw new Error(`the bundle has ${marks} places for the commit, not one`);
  for (const [name, text] of await renameByContent(modules)) {
    const path = join(folder, name);
    await Deno.writeTextFile(path, text);
    await Deno.utime(path, source.time, source.time);
  }
  const page = join(folder, PAGE);
  await buildPage(page);
  for await (const { name } of Deno.readDir(page)) {
    await Deno.utime(join(page, name), source.time, source.time);
  }
  await Deno.utime(page, source.time, source.time);
  return join(folder, "main.js");
}

/** The folder, beside the modules of a bundle, that the page of `sealpost web` is in. */
const PAGE = "page";

/** The name of a module that the bundler made up: what it is, and a hash. */
const HASHED_NAME = /([\w.]+(?:-[\w.]+)*)-[A-Z0-9]{8}\.js/g;

/**
 * The modules of a bundle under names that follow from what they contain, those of the modules that
 * they import included. The bundler's own names depend on the folders that it read from.
 */
async function renameByContent(modules: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  let names = new Map([...modules.keys()].map((name) => [name, name.replace(HASHED_NAME, "$1")]));
  const renamed = (text: string) => text.replace(HASHED_NAME, (name) => names.get(name) ?? name);
  // Each round tells apart what differs one import further away.
  for (let told = 0; told < new Set(names.values()).size;) {
    told = new Set(names.values()).size;
    const next = new Map<string, string>();
    for (const [name, text] of modules) {
      const hash = toHex(await sha256(utf8(renamed(text)))).slice(0, 16);
      const stem = name.replace(HASHED_NAME, "$1");
      next.set(name, stem === name ? name : `${stem}-${hash}.js`);
    }
    names = next;
  }
  const result = new Map<string, string>();
  for (const [name, text] of modules) {
    const newName = names.get(name) ?? name;
    // Modules without content are one; others are not made one, since each may keep its own state.
    if (result.has(newName) && text !== "") {
      throw new Error(`two modules of the bundle are ${newName}`);
    }
    result.set(newName, renamed(text));
  }
  return result;
}

/** What {@linkcode compile} takes besides the defaults. */
export interface CompileOptions {
  /** The platform, if it is not this one. */
  readonly triple?: string;
  /** A module that runs before the program; for tests. */
  readonly preload?: string;
}

/**
 * Makes the executable `path` from the module `main` of a bundle. Deno's runtime comes from Deno's
 * own server, or is the file that the variable DENORT_BIN names. Throws {@linkcode ProgramFailed} if
 * it cannot be had, or is that of another version.
 */
export async function compile(
  main: string,
  path: string,
  options: CompileOptions = {},
): Promise<void> {
  const { triple = Deno.build.target, preload } = options;
  await output(Deno.execPath(), [
    "compile",
    "--quiet",
    "--no-config",
    // Deno would keep compiled code in /tmp, in a file whose name everybody can guess and which it
    // trusts: whoever made it first would have their code run.
    "--no-code-cache",
    ...permissionFlags(triple),
    ...triple === Deno.build.target ? [] : ["--target", triple],
    ...preload === undefined ? [] : ["--preload", preload],
    "--include",
    join(dirname(main), PAGE),
    "--output",
    path,
    main,
  ]);
  // What Deno appends to its runtime, only the runtime of the same version reads.
  const version = `Deno/${Deno.version.deno}`;
  if (Buffer.from(await Deno.readFile(path)).includes(version)) return;
  await Deno.remove(path);
  throw new ProgramFailed(
    `the runtime in DENORT_BIN is not that of ${version}, so the executable would not start; name ` +
      "that one, or unset it, and Deno fetches its own",
  );
}
