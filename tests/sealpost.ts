import { fromFileUrl } from "@std/path";

/** The project's folder. */
export const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** How a process ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and with what {@linkcode sealpost} runs. */
export interface RunOptions {
  readonly cwd: string;
  /** What is piped in; nothing if not given. */
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The arguments of `deno` that the task of a command has: its permissions are what tests run with. */
export async function permissionsOf(task: string): Promise<string[]> {
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  const command: string = config.tasks[task].command;
  const flags = command.match(/--allow-\w+(=[^\s"]+)?/g);
  if (flags === null) throw new Error(`the task ${task} has no permissions`);
  return flags;
}

/** Runs a command in a process of its own, with the permissions of its task. */
export async function sealpost(args: readonly string[], options: RunOptions): Promise<Ended> {
  const known = /^(serve|connect|keygen|client|pubkey|clean|cleanall)$/;
  const task = args.find((arg) => known.test(arg)) ?? "help";
  const flags = ["run", "--no-prompt", "--quiet", ...await permissionsOf(task), `${ROOT}/main.ts`];
  return await runToEnd(Deno.execPath(), [...flags, ...args], options);
}

/** Runs a program and gives it its input. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<Ended> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: options.cwd,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const feed = async () => {
    const writer = child.stdin.getWriter();
    try {
      await writer.write(new TextEncoder().encode(options.stdin ?? ""));
      await writer.close();
    } catch (error) {
      // A program that ends without reading its input is no failure of the test.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  };
  const [output] = await Promise.all([child.output(), feed()]);
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
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
  const { code, stderr } = await runToEnd("ln", ["-s", target, path], { cwd: "." });
  if (code !== 0) throw new Error(stderr);
}
