import { join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../../crypto/error.ts";
import { type Address, parseAddress } from "../../protocol/address.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { isThere, privateKeyPath, SERVER_NAME } from "../../files/key_files.ts";
import { parseName } from "../../protocol/name.ts";
import { PROGRAM } from "../../cli/program.ts";
import { type Config, CONFIG_FILE, readConfig } from "./config.ts";

/** What the person said of who and where he is. */
export interface ProfileOptions {
  /** The client's folder. */
  readonly dir?: string;
  /** `[user@]host[:port]`. */
  readonly server?: string;
}

/** Who somebody is, where his keys are, and which server has his mail. */
export interface Profile {
  readonly dir: string;
  readonly name: string;
  /** Null if nothing says which: enough for what needs no server. */
  readonly address: Address | null;
  readonly config: Config;
}

/**
 * Finds the client's folder (`--dir`, SEALPOST_HOME, the current folder if it is one, then the
 * platform's place for settings), the user's name (from `--server USER@…`, `sealpost.toml`, or the
 * one key in the folder) and the server. Throws `config` or `file-missing`, saying what to do.
 */
export async function findProfile(options: ProfileOptions): Promise<Profile> {
  const at = options.server?.lastIndexOf("@") ?? -1;
  const user = at < 0 ? undefined : options.server?.slice(0, at);
  const host = at < 0 ? options.server : options.server?.slice(at + 1);
  const dir = await findFolder(options.dir, user);
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
  return { dir, name, config, address: where === undefined ? null : parseAddress(where) };
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

async function findFolder(given: string | undefined, user: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const home = Deno.env.get("SEALPOST_HOME");
  if (home) return home;
  if (await isClientFolder(".")) return ".";
  if (user !== undefined && (await keysIn(user)).length > 0) return user;
  const platform = await platformFolder();
  if (platform !== null && await isClientFolder(platform)) return platform;
  throw new SealpostError(
    "file-missing",
    `there are no keys in this folder${
      platform === null ? "" : ` or in ${platform}`
    }; start with "${PROGRAM} setup", or name the folder that has them with --dir or SEALPOST_HOME`,
  );
}

/**
 * The folder that the commands of somebody who has none yet would use by themselves: SEALPOST_HOME,
 * the current one if it is a client's, or the platform's. Null if there is none.
 */
export async function usualFolder(): Promise<string | null> {
  return Deno.env.get("SEALPOST_HOME") ||
    (await isClientFolder(".") ? "." : await platformFolder());
}

/** Whether `dir` has the keys of a user, or settings that are not those of a server. */
async function isClientFolder(dir: string): Promise<boolean> {
  if ((await keysIn(dir)).length > 0) return true;
  return await isThere(join(dir, CONFIG_FILE)) &&
    !await isThere(privateKeyPath(dir, SERVER_NAME));
}

/**
 * Where the platform keeps the settings of programs: XDG_CONFIG_HOME or ~/.config, ~/Library/
 * Application Support, or %APPDATA%; `sealpost` in it. Null if the environment does not say, or if
 * this program may not go there, as from its source.
 */
export async function platformFolder(): Promise<string | null> {
  const dir = platformPath();
  if (dir === null) return null;
  const { state } = await Deno.permissions.query({ name: "read", path: dir });
  return state === "granted" ? dir : null;
}

function platformPath(): string | null {
  const within = (base: string | undefined, ...rest: string[]) => {
    return base ? join(base, ...rest, "sealpost") : null;
  };
  switch (Deno.build.os) {
    case "windows":
      return within(Deno.env.get("APPDATA"));
    case "darwin":
      return within(Deno.env.get("HOME"), "Library", "Application Support");
    default:
      return within(Deno.env.get("XDG_CONFIG_HOME")) ?? within(Deno.env.get("HOME"), ".config");
  }
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
