import { random, toHex, utf8 } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { sha256 } from "../crypto/hash.ts";
import { variable } from "../cli/environment.ts";
import { readFileBounded, syncFolder, wrapFileError, writeFileAtomic } from "./atomic_file.ts";
import { ensurePrivateDir, isThere, requirePrivate, shellWord } from "./key_files.ts";
import { join } from "@std/path";

// A folder that looks like somebody's mail folder may have been prepared by somebody else: a cloned
// repository, an archive, a folder in /tmp. So a folder is used because a person named it, or said
// once that it is theirs; and what decides who reads their mail must be their own files.

/**
 * Set to 1 by `deno task` and in the container: whoever starts the program that way says that the
 * current folder is theirs. Somebody who only prepares a folder for others sets no variable.
 */
const OWN_FOLDER_VARIABLE = "SEALPOST_HERE";

/** The folder, in the platform's one, of what the person said of other folders. */
const LIST = "own_folders";
const MAX_PATH = 65_536;

/**
 * Where the platform keeps the settings of programs: XDG_CONFIG_HOME or ~/.config, ~/Library/
 * Application Support, or %APPDATA%; `sealpost` in it. Null if the environment does not say, or if
 * this program may not go there, as when it runs from its source.
 */
export function platformFolder(): string | null {
  const path = platformPath();
  if (path === null) return null;
  const { state } = Deno.permissions.querySync({ name: "read", path });
  return state === "granted" ? path : null;
}

function platformPath(): string | null {
  const within = (base: string | undefined, ...rest: string[]) => {
    return base ? join(base, ...rest, "sealpost") : null;
  };
  switch (Deno.build.os) {
    case "windows":
      return within(variable("APPDATA"));
    case "darwin":
      return within(variable("HOME"), "Library", "Application Support");
    default:
      return within(variable("XDG_CONFIG_HOME")) ?? within(variable("HOME"), ".config");
  }
}

/** Whether whoever started the program said that the current folder is theirs: {@linkcode OWN_FOLDER_VARIABLE}. */
export function isHereOwn(): boolean {
  return variable(OWN_FOLDER_VARIABLE) === "1";
}

/**
 * Whether the person has said that `dir`, which is the current folder or in it, is theirs, or it is
 * the platform's. False where it cannot be found out, as for a user with the HOME of another.
 */
export async function isOwnFolder(dir: string): Promise<boolean> {
  return isHereOwn() || await isKept(dir);
}

/** Whether `dir` is the platform's folder, or one that {@linkcode adoptFolder} kept. */
async function isKept(dir: string): Promise<boolean> {
  const platform = platformFolder();
  if (platform === null) return false;
  try {
    const path = await realPath(dir);
    if (await isThere(platform) && path === await realPath(platform)) return true;
    const entry = await entryOf(platform, path);
    return new TextDecoder().decode(await readFileBounded(entry, MAX_PATH)) === path;
  } catch (error) {
    if (isSealpostError(error)) return false;
    throw error;
  }
}

/**
 * Whether nobody else can have put anything into `dir`: it is not there, it is empty, or the person has
 * said that it is theirs. Throws `file-io`.
 */
export async function isNewOrOwn(dir: string): Promise<boolean> {
  return !await isThere(dir) || (await fileNamesIn(dir)).length === 0 || await isOwnFolder(dir);
}

/**
 * Keeps that `dir` is the person's own, under its real path, in the platform's folder. False where
 * there is none to keep it in. Throws `disk-full`, `file-io`.
 */
export async function adoptFolder(dir: string): Promise<boolean> {
  if (await isKept(dir)) return true;
  const platform = platformFolder();
  if (platform === null) return false;
  const path = await realPath(dir);
  await ensurePrivateDir(join(platform, LIST));
  await writeFileAtomic(await entryOf(platform, path), path);
  return true;
}

/**
 * {@linkcode adoptFolder} for a folder that was made just now, unless {@linkcode HERE} does without;
 * false also where that fails.
 */
export async function claimFolder(dir: string): Promise<boolean> {
  try {
    return isHereOwn() || await adoptFolder(dir);
  } catch (error) {
    // The folder is what was asked for; that it has to be named is told.
    if (isSealpostError(error)) return false;
    throw error;
  }
}

/** Takes back what {@linkcode adoptFolder} kept. Whether there was anything. Throws `file-io`. */
export async function disownFolder(dir: string): Promise<boolean> {
  const platform = platformFolder();
  if (platform === null) return false;
  const entry = await entryOf(platform, await realPath(dir));
  if (!await isThere(entry)) return false;
  try {
    await Deno.remove(entry);
  } catch (error) {
    throw wrapFileError(error, `remove ${entry}`);
  }
  await syncFolder(join(platform, LIST));
  return true;
}

/** A file for each folder: two programs that add one at the same time do not meet. */
async function entryOf(platform: string, path: string): Promise<string> {
  return join(platform, LIST, toHex(await sha256(utf8(path))));
}

async function realPath(dir: string): Promise<string> {
  try {
    return await Deno.realPath(dir);
  } catch (error) {
    throw wrapFileError(error, `look at ${dir}`);
  }
}

/** What a client remembers, in its folder, with a folder in it for each user. */
export const STATE_FOLDER = ".sealpost";

/** What in a folder decides whose mail is read, by whom, and on which server. */
const DECIDES = /_(?:private|public)(?:\.[0-9a-f]+)?\.pem$|^sealpost\.toml$|^\.sealpost$/;

/**
 * Refuses the folder `dir` unless it, its key files, `sealpost.toml`, and `.sealpost` with the folders
 * in it belong to this user, can be written by nobody else, and are no links. `named` says that the
 * person named the folder: then links are followed, and what root owns is taken too, as containers
 * hand out secrets. Windows shows neither owners nor modes; there, only links are refused.
 *
 * Throws `key-permissions`, `file-io`.
 */
export async function requireOwnFiles(dir: string, { named }: { named: boolean }): Promise<void> {
  // What is not there decides nothing, and is reported by whoever looks for it.
  if (!await isThere(dir)) return;
  const uid = Deno.build.os === "windows" ? null : await ownUid(dir);
  await requireOwn(dir, uid, named);
  const state = join(dir, STATE_FOLDER);
  for (const name of await fileNamesIn(dir)) {
    if (DECIDES.test(name)) await requireOwn(join(dir, name), uid, named);
  }
  if (!await isThere(state)) return;
  for (const name of await fileNamesIn(state)) await requireOwn(join(state, name), uid, named);
}

/** The names of what is in `dir`. Throws `file-missing`, `file-io`. */
export async function fileNamesIn(dir: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
  } catch (error) {
    throw wrapFileError(error, `read ${dir}`);
  }
}

/** The user that this process makes files as in `dir`: nothing else shows it without more rights. */
async function ownUid(dir: string): Promise<number | null> {
  const path = join(dir, `.owner.${toHex(random(8))}.tmp`);
  try {
    (await Deno.open(path, { write: true, createNew: true, mode: 0o600 })).close();
    try {
      return (await Deno.lstat(path)).uid;
    } finally {
      await Deno.remove(path);
    }
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw refused(
        `nothing can be written in ${dir}, so it is not used; use a folder of your own with --dir`,
      );
    }
    throw wrapFileError(error, `make a file in ${dir}`);
  }
}

async function requireOwn(path: string, uid: number | null, named: boolean): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await (named ? Deno.stat(path) : Deno.lstat(path));
  } catch (error) {
    throw wrapFileError(error, `look at ${path}`);
  }
  if (info.isSymlink) {
    throw refused(
      `${path} is a link, so it is not used; put what it leads to in its place, or name the folder ` +
        "with --dir",
    );
  }
  if (uid === null) return;
  if (info.uid !== uid && !(named && info.uid === ROOT)) {
    throw refused(
      `${path} belongs to another user of this machine, so it is not used; run the command as ` +
        `that user, or if it is meant for you: chown ${uid} ${shellWord(path)}`,
    );
  }
  if (((info.mode ?? 0) & OTHERS_WRITE) === 0) return;
  if (path.includes("_private.")) return await requirePrivate(path);
  throw refused(`others can change ${path}, so it is not used; run: chmod go-w ${shellWord(path)}`);
}

const ROOT = 0;
/** Write permission for the group and for everybody. */
const OTHERS_WRITE = 0o022;

function refused(message: string): SealpostError {
  return new SealpostError("key-permissions", message);
}
