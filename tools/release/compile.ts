/**
 * `deno task compile`: makes `dist/sealpost` for this machine. Tests give `--output FILE`,
 * `--bundle FOLDER` (where the bundle goes) and `--preload MODULE`.
 */
import { join } from "@std/path";
import { parseArgs } from "node:util";
import { defined } from "../../crypto/defined.ts";
import { bundle, compile, executableName, ProgramFailed, readSource, ROOT } from "./build.ts";

const { values: given } = parseArgs({
  args: Deno.args,
  options: { output: { type: "string" }, bundle: { type: "string" }, preload: { type: "string" } },
});
const output = given.output ?? join(ROOT, "dist", executableName(Deno.build.target));
try {
  const main = await bundle(given.bundle ?? join(ROOT, ".deno", "bundle"), await readSource());
  await compile(main, output, defined({ preload: given.preload }));
} catch (error) {
  if (!(error instanceof ProgramFailed)) throw error;
  console.error(`compile: ${error.message}`);
  Deno.exit(1);
}
const { size } = await Deno.stat(output);
console.log(`${output}, ${(size / 1e6).toFixed(0)} MB`);
