import { dirname } from "@std/path";
import { SealpostError } from "../crypto/error.ts";
import { giveUpPrograms } from "../cli/rights.ts";
import type { ProfileOptions } from "../client/state/profile.ts";
import type {
  Background,
  BrowserOpener,
  Hooks,
  ProgramPipe,
  Tools,
} from "../client/terminal/programs.ts";

/**
 * A person's pager, and the editor for drafts in `folder` (null: none), if `wanted` and where there are
 * any. From then on this process can start no program.
 */
export async function openTools(
  wanted: boolean,
  folder: string | null = null,
): Promise<Tools | null> {
  const tools = wanted
    ? (await import("../client/terminal/programs.ts")).Tools.start(folder)
    : null;
  giveUpPrograms();
  return tools;
}

/**
 * {@linkcode openTools} for the drafts of whoever `options` name, where a person is at a terminal, and
 * writes what no `file` has. Throws what `findProfile` throws.
 */
export async function openEditor(
  options: ProfileOptions,
  file?: string,
): Promise<Tools | null> {
  if (file !== undefined || !isAtTerminal()) return await openTools(false);
  const { findProfile } = await import("../client/state/profile.ts");
  const { tempFolderOf } = await import("../client/state/state.ts");
  // The command itself says which folder is used.
  const { dir, name } = await findProfile({ ...options, json: true });
  return await openTools(true, tempFolderOf(dir, name));
}

/**
 * The program that `command` is, words or, with `byShell`, a line of shell; null for none. From then on
 * this process can start no program. Throws `usage` for what is no command, or where none can be started.
 */
export async function openPipe(
  command: string | undefined,
  byShell: boolean,
): Promise<ProgramPipe | null> {
  if (command === undefined) {
    if (byShell) throw new SealpostError("usage", "--shell is about --pipe, which is missing");
    return null;
  }
  const { ProgramPipe } = await import("../client/terminal/programs.ts");
  const pipe = ProgramPipe.start(command, byShell);
  giveUpPrograms();
  if (pipe === null) throw new SealpostError("usage", "here no program can be started for --pipe");
  return pipe;
}

/** Whether a person types and reads. */
export function isAtTerminal(): boolean {
  return Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
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

/**
 * What opens a person's browser, if `wanted`, and what starts this program with `background` once more,
 * unless that is null. From then on this process can start no program.
 */
export async function openBrowser(
  wanted: boolean,
  background: readonly string[] | null,
): Promise<{ readonly browser: BrowserOpener | null; readonly background: Background | null }> {
  let browser: BrowserOpener | null = null;
  if (wanted) {
    const { runtimeFolder } = await import("../client/state/unlocked.ts");
    const { BrowserOpener } = await import("../client/terminal/programs.ts");
    const folder = runtimeFolder() ?? await temporaryFolder();
    if (folder !== null) browser = BrowserOpener.start(folder);
  }
  const started = background === null
    ? null
    : (await import("../client/terminal/programs.ts")).Background.start(background);
  giveUpPrograms();
  return { browser, background: started };
}

/** The system's folder for temporary files, which the runtime does not tell; null if it may not be used. */
async function temporaryFolder(): Promise<string | null> {
  try {
    const probe = await Deno.makeTempFile();
    await Deno.remove(probe);
    return dirname(probe);
  } catch {
    return null;
  }
}
