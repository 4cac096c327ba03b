import { basename, fromFileUrl } from "@std/path";

/** The root of the source. */
export const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** A program that ended badly; the message says why in one line. */
export class ProgramFailed extends Error {
  override name = "ProgramFailed";
}

/** The line of what a failed program said that tells why: of Deno, the cause under the cause. */
function reason(said: string): string {
  const lines = said.trim().split("\n");
  const line = lines.find((line) => /^ +1: /.test(line)) ??
    lines.find((line) => line.startsWith("error")) ?? lines.at(-1) ?? "";
  return line.replace(/^( +1|error): /, "") || "it said nothing";
}

/** Runs a program to its end; returns what it printed. Throws {@linkcode ProgramFailed}. */
export async function output(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd: options.cwd ?? ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new ProgramFailed(`${basename(command)} ${args[0]}: ${reason(decoder.decode(stderr))}`);
}
