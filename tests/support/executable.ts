import { exists } from "@std/fs";
import { join } from "@std/path";
import { toHex, utf8 } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { executableName } from "../../tools/release/build.ts";
import { shell } from "./command.ts";
import { ROOT } from "./program.ts";

/** Gives a Deno and the runtime for `deno compile` where Deno's own server cannot be reached. */
const PREPARE = join(ROOT, "..", "shared", "denort", "prepare");

const WITNESS = join(ROOT, "tests", "support", "witness_if_asked.ts");

/** Where the executable is kept between tests. */
const FOLDER = join(ROOT, ".deno", "tmp", "executable");

/**
 * Runs a task of deno.json that compiles, with a Deno that has a runtime to compile with; returns
 * what it printed.
 */
export async function compilingTask(task: string, ...args: readonly string[]): Promise<string> {
  // What PREPARE fetches is kept where it is found again, not in the tests' own temporary folder.
  return await shell(
    'unset TMPDIR; cd "$0" && if [ -x "$1" ]; then eval "$("$1")"; else DENO_COMPILE=$2; fi; ' +
      'shift 2; exec "$DENO_COMPILE" task --quiet "$@"',
    ROOT,
    PREPARE,
    Deno.execPath(),
    task,
    ...args,
  );
}

/** Why nothing can be compiled here, such as for want of a network; null if it can. */
export async function whyNotCompile(): Promise<string | null> {
  if (await exists(PREPARE)) return null;
  const probe = await Deno.makeTempDir();
  try {
    const module = join(probe, "probe.js");
    await Deno.writeTextFile(module, "");
    await shell(
      '"$0" compile --quiet --no-config --output "$1" "$2"',
      Deno.execPath(),
      join(probe, "probe"),
      module,
    );
    return null;
  } catch {
    return `Deno has no runtime to compile with, and there is no ${PREPARE}`;
  } finally {
    await Deno.remove(probe, { recursive: true });
  }
}

/**
 * The path of the executable, compiled once for all tests and compiled again only if its source
 * changed. It is the one that `deno task compile` makes, with a witness in front that speaks if the
 * variable SEALPOST_WITNESS is set (`witness.ts`).
 */
export async function executable(): Promise<string> {
  await Deno.mkdir(FOLDER, { recursive: true });
  using lock = await Deno.open(join(FOLDER, "lock"), { create: true, write: true });
  await lock.lock(true); // Tests in other processes wait for the one that compiles.
  const path = join(FOLDER, executableName(Deno.build.target));
  const stamp = join(FOLDER, "stamp");
  const source = await sourceHash();
  if (await exists(path) && await exists(stamp) && await Deno.readTextFile(stamp) === source) {
    return path;
  }
  await Deno.writeTextFile(stamp, "");
  await compilingTask(
    "compile",
    ...["--output", path],
    ...["--bundle", join(FOLDER, "bundle")],
    ...["--preload", WITNESS],
  );
  await Deno.writeTextFile(stamp, source);
  return path;
}

/** Folders of the source that nothing of the executable comes from. */
const APART = ["bench", "dist", "docs", "node_modules", "tests"];

/** A hash of everything that an executable is made from, and of what it is made with. */
export async function sourceHash(): Promise<string> {
  const parts = [Deno.version.deno];
  const add = async (folder: string): Promise<void> => {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    for (const { name, isDirectory, isFile } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
      const path = join(folder, name);
      if (isDirectory && !name.startsWith(".") && !APART.includes(name)) await add(path);
      if (isFile && /\.(tsx?|css|html|svg|json|lock)$/.test(name)) {
        parts.push(path, await Deno.readTextFile(path));
      }
    }
  };
  await add(ROOT);
  parts.push(await Deno.readTextFile(WITNESS));
  return toHex(await sha256(utf8(parts.join("\0"))));
}
