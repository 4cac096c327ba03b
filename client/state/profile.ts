import { join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../../crypto/error.ts";
import { type Address, parseServer } from "../../protocol/address.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { isThere, privateKeyPath, SERVER_NAME } from "../../files/key_files.ts";
import {
  isHereOwn,
  isOwnFolder,
  platformFolder,
  requireOwnFiles,
} from "../../files/own_folders.ts";
import { parseName } from "../../protocol/name.ts";
import { terminalSize } from "../../cli/environment.ts";
import { breakLines, printable } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { type Config, CONFIG_FILE, readConfig } from "./config.ts";

/** What the person said of who and where they are. */
export interface ProfileOptions {
  /** The client's folder. */
  readonly dir?: string;
  /** `[user@]host[:port]`; several hosts with commas between. */
  readonly server?: string;
  /** Whether the output is for a program, so that nobody is told which folder is used. */
  readonly json?: boolean;
}

/** Who somebody is, where their keys are, and which server has their mail. */
export interface Profile {
  readonly dir: string;
  readonly name: string;
  /** Null if nothing says which: enough for what needs no server. */
  readonly address: Address | null;
  readonly config: Config;
}

/**
 * Finds the client's folder (`--dir`, SEALPOST_HOME, the current folder if it is one that the person
 * has said is theirs, then the platform's place for settings), the user's name (from `--server
 * USER@…`, `sealpost.toml`, or the one key in the folder) and the server. Throws `config`,
 * `file-missing`, or `key-permissions` where somebody else may have had a hand in the folder, saying
 * what to do. At a terminal, says which folder it is unless it is the usual one.
 */
export async function findProfile(options: ProfileOptions): Promise<Profile> {
  const at = options.server?.lastIndexOf("@") ?? -1;
  const user = at < 0 ? undefined : options.server?.slice(0, at);
  const host = at < 0 ? options.server : options.server?.slice(at + 1);
  const { dir, named, notice } = await chooseFolder(options.dir, user);
  await requireOwnFiles(dir, { named });
  if (!options.json) tellNotice(notice);
  const config = await readConfig(dir);
  const name = parseName(user ?? config.user ?? await onlyKey(dir));
  if (!await exists(privateKeyPath(dir, name))) {
    throw new SealpostError(
      "file-missing",
      `there are no keys for ${name} in ${dir}; "${PROGRAM} setup" makes them, or name their ` +
        "folder with --dir",
    );
  }
  const where = host ?? config.server;
  const address = where === undefined ? null : parseServer(where);
  return { dir, name, config, address };
}

/** The server of a profile. Throws `config` if none is known. */
export function requireAddress(profile: Profile): Address {
  if (profile.address) return profile.address;
  throw new SealpostError(
    "config",
    `which server? Write server = "HOST" into ${join(profile.dir, CONFIG_FILE)}, or give ` +
      "--server HOST",
  );
}

/** The folder that is used, and why. */
interface Choice {
  readonly dir: string;
  /** Whether the person named it with --dir. */
  readonly named: boolean;
  /** What the person should know of it; null where it is the usual one. */
  readonly notice: string | null;
}

async function chooseFolder(given: string | undefined, user: string | undefined): Promise<Choice> {
  if (given !== undefined) return { dir: given, named: true, notice: usedNotice(given) };
  const home = Deno.env.get("SEALPOST_HOME");
  if (home) return { dir: home, named: false, notice: usedNotice(home) };
  let foreign: string | null = null;
  for (const dir of user === undefined ? ["."] : [".", user]) {
    if (!(dir === "." ? await isClientFolder(dir) : (await keysIn(dir)).length > 0)) continue;
    if (await isUsual(dir)) break;
    if (await isOwnFolder(dir)) {
      return { dir, named: false, notice: isHereOwn() ? null : usedNotice(dir) };
    }
    foreign ??= notAdopted(dir);
  }
  const platform = platformFolder();
  if (platform !== null && await isClientFolder(platform)) {
    return { dir: platform, named: false, notice: foreign };
  }
  if (foreign !== null) throw new SealpostError("key-permissions", foreign);
  throw new SealpostError(
    "file-missing",
    `there are no keys in this folder${
      platform === null ? "" : ` or in ${platform}`
    }; start with "${PROGRAM} setup", or name the folder that has them with --dir or SEALPOST_HOME`,
  );
}

/** Whether `dir` is the platform's folder, by another name. */
async function isUsual(dir: string): Promise<boolean> {
  const platform = platformFolder();
  return platform !== null && await isThere(platform) &&
    await Deno.realPath(dir) === await Deno.realPath(platform);
}

/** What to tell the person of a folder that is used and not the usual one. */
export function usedNotice(dir: string): string {
  return `Using ${dir === "." ? "this folder" : `the folder ${dir}`}.`;
}

/** Says at a terminal, beside what a command prints, which folder is used. */
export function tellNotice(notice: string | null): void {
  if (notice === null || !Deno.stderr.isTerminal()) return;
  console.error(breakLines(printable(notice), terminalSize().columns));
}

/** Why a folder that looks like a client's is not used, and what to do about it. */
export function notAdopted(dir: string): string {
  return `the keys and settings in ${
    dir === "." ? "this folder" : `./${dir}`
  } are not used, since ` +
    `nobody has said that they are yours; if they are: ${PROGRAM} adopt ${dir}, or give --dir ${dir}`;
}

/**
 * The folder that the commands of somebody who has none yet would use by themselves: SEALPOST_HOME,
 * the current one if it is a client's and the person's own, or the platform's. Null if there is none.
 */
export async function usualFolder(): Promise<string | null> {
  return Deno.env.get("SEALPOST_HOME") ||
    (await isClientFolder(".") && await isOwnFolder(".") ? "." : platformFolder());
}

/** Whether `dir` has the keys of a user, or settings that are not those of a server. */
async function isClientFolder(dir: string): Promise<boolean> {
  if ((await keysIn(dir)).length > 0) return true;
  return await isThere(join(dir, CONFIG_FILE)) &&
    !await isThere(privateKeyPath(dir, SERVER_NAME));
}

/** The one user whose keys are in `dir`. */
async function onlyKey(dir: string): Promise<string> {
  const names = await keysIn(dir);
  const [name] = names;
  if (name !== undefined && names.length === 1) return name;
  throw new SealpostError(
    "config",
    names.length === 0
      ? `there are no keys in ${dir}; "${PROGRAM} setup" makes them`
      : `which user? ${dir} has keys of ${names.join(", ")}: write user = "NAME" into ` +
        `${join(dir, CONFIG_FILE)}, or give --server NAME@HOST`,
  );
}

/** The users whose private keys are in `dir`; none if there is no such folder. Throws `file-io`. */
export async function keysIn(dir: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(dir)) {
      const user = /^([a-z0-9][a-z0-9._-]{0,31})_private\.pem$/.exec(name)?.[1];
      if (user !== undefined && user !== SERVER_NAME) names.push(user);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw wrapFileError(error, `read ${dir}`);
  }
  return names.sort();
}
