import process from "node:process";
import { runProgram } from "./cli/failure.ts";
import { run } from "./cli/run.ts";
import { calledAs } from "./commands/bridge.ts";
import { TABLE } from "./commands/table.ts";

if (import.meta.main) {
  await runProgram(() => run(TABLE, calledAs(process.argv0, Deno.args)));
}
