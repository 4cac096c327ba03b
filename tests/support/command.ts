import { join } from "@std/path";
import { type Build, MAIN, type Outcome, ROOT, run } from "./program.ts";

/** Where and with what {@linkcode sealpost} runs. */
export interface CommandOptions {
  readonly cwd: string;
  /** Lines that are piped in; nothing if not given. */
  readonly input?: string;
  readonly env?: Record<string, string>;
}

/** The line of a task in deno.json; of one that hands on to another (`as:client`), that one's. */
export async function taskLine(task: string): Promise<string> {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const line: string = tasks[task];
  const other = /^deno task -q (as:\w+) \S+$/.exec(line)?.[1];
  return other === undefined ? line : tasks[other];
}

/** The permissions that the task of a command has in deno.json, as flags of `deno run`. */
export async function permissionsOf(task: string): Promise<string[]> {
  const flags = (await taskLine(task)).match(/--allow-\w+(=[^\s"]+)?/g);
  if (flags === null) throw new Error(`the task ${task} has no permissions`);
  return flags;
}

/** Runs a command to its end with exactly the permissions of its task. */
export async function sealpost(
  args: readonly string[],
  options: CommandOptions,
): Promise<Outcome> {
  return await run(args, { ...options, build: await buildFor(args) });
}

/**
 * The program from its source with exactly the permissions of the task that `args` name, and with
 * `flags` of `deno run` beside them.
 */
export async function buildFor(
  args: readonly string[],
  flags: readonly string[] = [],
): Promise<Build> {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const permissions = await permissionsOf(args.find((arg) => arg in tasks) ?? "help");
  return {
    command: Deno.execPath(),
    args: ["run", "--no-prompt", "--quiet", ...flags, ...permissions, MAIN],
  };
}

/** Runs a line of a shell's to its end; throws unless it succeeds. */
export async function shell(line: string, ...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", line, ...args],
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${line}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** Calls `fn` with a new folder, which is removed afterwards. */
export async function inFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Makes a symbolic link. `Deno.symlink` wants the right to read and write everything. */
export async function symlink(target: string, path: string): Promise<void> {
  await shell('ln -s "$0" "$1"', target, path);
}

/** Why `program` cannot be used here; null if it can. */
export async function whyNo(program: string): Promise<string | null> {
  const found = await shell(`command -v ${program} || echo none`);
  return found.trim() === "none" ? `there is no ${program}` : null;
}
