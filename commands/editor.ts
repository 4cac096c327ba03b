import { giveUpPrograms } from "../cli/rights.ts";
import type { Hooks, Tools } from "../client/terminal/programs.ts";

/**
 * A person's editor and pager, if `wanted` and where there are any. From then on this process can
 * start no program.
 */
export async function openTools(wanted: boolean): Promise<Tools | null> {
  const tools = wanted ? (await import("../client/terminal/programs.ts")).Tools.start() : null;
  giveUpPrograms();
  return tools;
}

/** {@linkcode openTools} where a person is at a terminal, and writes what no `file` has. */
export async function openEditor(file?: string): Promise<Tools | null> {
  return await openTools(
    file === undefined && Deno.stdin.isTerminal() && Deno.stdout.isTerminal(),
  );
}

/**
 * What is started when mail comes: `command`, a line of shell, and the desktop's notifications; with
 * null, nothing. From then on this process can start no program.
 */
export async function openHooks(command: string | null): Promise<Hooks | null> {
  const hooks = command === null
    ? null
    : (await import("../client/terminal/programs.ts")).Hooks.start(command, (bytes) => {
      for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    });
  giveUpPrograms();
  return hooks;
}
