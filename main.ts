import { runProgram } from "./cli/failure.ts";
import { run } from "./cli/run.ts";
import { TABLE } from "./commands/table.ts";

if (import.meta.main) await runProgram(() => run(TABLE, Deno.args));
