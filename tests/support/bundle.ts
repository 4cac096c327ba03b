// Prints the path of the program as a bundle, which most tests start, since it loads faster than the
// source. It is the bundle that executables are compiled from, made again only if its source changed.

import { exists } from "@std/fs";
import { join } from "@std/path";
import { bundle, ROOT } from "../../tools/release/build.ts";
import { sourceHash } from "./executable.ts";

const FOLDER = join(ROOT, ".deno", "tmp", "bundles");

/** How long a bundle of another source is kept, for tests that are still running, milliseconds. */
const KEPT = 3_600_000;

/** The path of the bundle, which is made if it is not there. */
export async function bundled(): Promise<string> {
  const folder = join(FOLDER, (await sourceHash()).slice(0, 16));
  await Deno.mkdir(FOLDER, { recursive: true });
  using lock = await Deno.open(join(FOLDER, "lock"), { create: true, write: true });
  await lock.lock(true); // Another run of the tests may be making it.
  if (await exists(folder)) return join(folder, "main.js");
  await removeOld();
  const now = Math.floor(Date.now() / 1000);
  await bundle(`${folder}.new`, { commit: null, time: now });
  await Deno.rename(`${folder}.new`, folder);
  return join(folder, "main.js");
}

async function removeOld(): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(FOLDER)) {
    const path = join(FOLDER, name);
    const made = (await Deno.stat(path)).mtime?.getTime() ?? 0;
    if (isDirectory && made < Date.now() - KEPT) await Deno.remove(path, { recursive: true });
  }
}

if (import.meta.main) console.log(await bundled());
