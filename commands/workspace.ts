import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { formatFingerprint } from "../crypto/identity.ts";
import { nameArgument } from "../cli/options.ts";
import { keygen, readServerKey } from "../keygen.ts";
import { wrapFileError, writeFileAtomic } from "../files/atomic_file.ts";
import { loadBundle, publicKeyPath, SERVER_NAME } from "../files/key_files.ts";
import {
  adoptFolder,
  disownFolder,
  fileNamesIn,
  requireOwnFiles,
  STATE_FOLDER,
} from "../files/own_folders.ts";
import { requireOwnServer } from "../files/server_folder.ts";
import { isServerPin } from "../files/server_pin.ts";
import { CONFIG_FILE } from "../client/state/config.ts";
import { isName } from "../protocol/name.ts";
import { printable } from "../cli/printable.ts";
import { PROGRAM } from "../cli/program.ts";
import { readInputLine } from "../cli/secret_input.ts";
import { LOCK_NAME, lockStore } from "../server/store/database.ts";
import { join, SEPARATOR } from "@std/path";

// The seed's Makefile: a server's folder and clients' folders side by side in the current one.

const FILES = "files";
/** The folder of the server's store, in the server's folder. */
const MAIL = "mail";
/**
 * `client NAME`: the folder of a client on this machine, with keys and the server's public key.
 * Throws `usage`, `file-missing` (no server key), and what {@linkcode keygen} throws.
 */
export async function makeClient(nameText: string): Promise<void> {
  const name = clientName(nameText);
  if (await readServerKey() === null) throw noServerKey();
  await keygen({ name });
}

/**
 * `pubkey NAME`: the server's public key into a client's folder, over the one that is there. Throws
 * `usage`, `file-missing`, `key-format`, `disk-full`, `file-io`.
 */
export async function copyPublicKey(nameText: string): Promise<void> {
  const name = clientName(nameText);
  const pem = await readServerKey();
  if (pem === null) throw noServerKey();
  const { fp } = await loadBundle(publicKeyPath(SERVER_NAME, SERVER_NAME));
  if (await kindOf(name) !== "folder") {
    throw new SealpostError(
      "file-missing",
      `there is no folder ${name} here; \`${PROGRAM} client ${name}\` makes it`,
    );
  }
  const path = publicKeyPath(name, SERVER_NAME);
  const before = await previousFingerprint(path);
  await writeFileAtomic(path, pem, { mode: 0o644 });
  console.log(`${path}: ${formatFingerprint(fp)}`);
  if (before !== null && before !== formatFingerprint(fp)) console.log(`  instead of ${before}`);
}

/** The fingerprint in a public key file; null if there is none, or it is damaged. */
async function previousFingerprint(path: string): Promise<string | null> {
  try {
    return formatFingerprint((await loadBundle(path)).fp);
  } catch (error) {
    if (isSealpostError(error, "file-missing", "key-format")) return null;
    throw error;
  }
}

/**
 * `adopt DIR`: keeps that a client's or a server's folder is the person's own. Throws `file-missing` if
 * it is neither, `key-permissions` if others have a hand in it, `config` where there is no place to
 * keep it.
 */
export async function adopt(dir: string): Promise<void> {
  const names = await fileNamesIn(dir);
  if (!names.some((name) => name === CONFIG_FILE || name.endsWith("_private.pem"))) {
    throw new SealpostError(
      "file-missing",
      `there are no keys and no ${CONFIG_FILE} in ${dir === "." ? "this folder" : dir}`,
    );
  }
  await requireOwnFiles(dir, { named: false });
  if (!await adoptFolder(dir)) {
    throw new SealpostError(
      "config",
      "no folder is known to keep this in: HOME and XDG_CONFIG_HOME are not set, or not for this " +
        "program to use; name the folder with --dir instead",
    );
  }
  console.log(
    `${printable(await Deno.realPath(dir))} is used from now on by commands started in it.`,
  );
}

/** `adopt --undo DIR`: the folder is not the person's own any more. Throws `file-io`. */
export async function disown(dir: string): Promise<void> {
  const path = printable(await Deno.realPath(dir));
  console.log(
    await disownFolder(dir)
      ? `${path} is not used any more unless it is named.`
      : `${path} was not yours.`,
  );
}

/** How {@linkcode clean} and {@linkcode cleanAll} go about it. */
export interface CleanOptions {
  /** Whether not to ask. */
  readonly yes: boolean;
}

/** A thing to remove, as a path below the current folder, in pieces. */
type RemovalTarget = readonly [string, ...string[]];

/**
 * `clean`: removes every client's keys, state and what is in its `files/`, and the server's mail; the
 * folders stay. Says so first, and asks unless told not to. Throws `busy` (the server is running),
 * `cancelled`, `file-io`.
 */
export async function clean(options: CleanOptions): Promise<void> {
  await removeAll(options, async (client) => {
    const targets: RemovalTarget[] = [];
    for (const entry of await entriesOf(client)) {
      if (entry.name === FILES && entry.isDirectory) {
        for (const { name } of await entriesOf(client, FILES)) targets.push([client, FILES, name]);
      } else if (belongsTo(client, entry)) targets.push([client, entry.name]);
    }
    return targets;
  });
}

/** `cleanall`: like {@linkcode clean}, but the clients' folders go as a whole. */
export async function cleanAll(options: CleanOptions): Promise<void> {
  await removeAll(options, (client) => Promise.resolve([[client]]));
}

async function removeAll(
  options: CleanOptions,
  ofClient: (name: string) => Promise<readonly RemovalTarget[]>,
): Promise<void> {
  const lock = await lockOutServer();
  try {
    const targets: RemovalTarget[] = [];
    for (const { name } of await entriesOf(".")) {
      if (await isRemovableClient(name)) targets.push(...await ofClient(name));
    }
    if (lock !== null) {
      for (const { name } of await entriesOf(SERVER_NAME, MAIL)) {
        // The lock stays, so that no server can start on what is half removed.
        if (name !== LOCK_NAME) targets.push([SERVER_NAME, MAIL, name]);
      }
    }
    if (targets.length === 0) return console.log("There is nothing to remove here.");
    console.log(`To be removed from ${printable(Deno.cwd())}:`);
    for (const path of targets) console.log(`  ${printable(await describe(path))}`);
    if (!options.yes) confirm();
    for (const path of targets) await remove(path);
    console.log("Removed.");
  } finally {
    lock?.close();
  }
}

function confirm(): void {
  Deno.stdout.writeSync(new TextEncoder().encode("Remove all this for good? [y/N] "));
  if (!/^\s*y(es)?\s*$/i.test(readInputLine() ?? "")) {
    throw new SealpostError("cancelled", "nothing was removed");
  }
}

/**
 * Whether `name` is the folder of a client: it holds keys of that name; or, as `clean` leaves it,
 * nothing but an empty `files/` and what belongs to a client.
 */
async function isRemovableClient(name: string): Promise<boolean> {
  if (!isName(name) || name === SERVER_NAME || await kindOf(name) !== "folder") return false;
  const entries = await entriesOf(name);
  if (entries.some((entry) => isOwnKey(name, entry))) return true;
  const files = entries.find((entry) => entry.name === FILES && entry.isDirectory);
  return files !== undefined && (await entriesOf(name, FILES)).length === 0 &&
    entries.every((entry) => entry === files || belongsTo(name, entry));
}

function isOwnKey(client: string, entry: Deno.DirEntry): boolean {
  return entry.isFile && entry.name.startsWith(client) &&
    /^_(public|private(\.[0-9a-f]{8})?)\.pem$/.test(entry.name.slice(client.length));
}

/** Whether `entry` of a client's folder is made by this program: keys and what it remembers. */
function belongsTo(client: string, entry: Deno.DirEntry): boolean {
  return isOwnKey(client, entry) || isServerPin(entry.name) ||
    entry.name === STATE_FOLDER || entry.name === CONFIG_FILE;
}

/** Whether `name` is that of the server, and one runs with its folder. Throws `file-io`. */
export async function serverRuns(name: string, dir = name): Promise<boolean> {
  if (name !== SERVER_NAME) return false;
  const store = join(dir, MAIL);
  if (await kindOf(store) !== "folder") return false;
  const lock = await lockStore(store);
  lock?.close();
  return lock === null;
}

/** Keeps a server from starting; null if there is no store. Throws `busy` if one is running. */
async function lockOutServer(): Promise<Deno.FsFile | null> {
  if (await kindOf(SERVER_NAME) !== "folder") return null;
  const store = join(SERVER_NAME, MAIL);
  if (await kindOf(store) !== "folder") return null;
  await requireOwnServer(SERVER_NAME);
  const lock = await lockStore(store);
  if (lock) return lock;
  throw new SealpostError("busy", `the server of ./${SERVER_NAME} is running; stop it first`);
}

/** The line that announces a removal. */
async function describe(path: RemovalTarget): Promise<string> {
  const shown = join(...path);
  if (await kindOf(shown) !== "folder") return shown;
  let files = 0;
  const count = async (folder: string): Promise<void> => {
    for (const { name, isDirectory } of await entriesOf(folder)) {
      if (isDirectory) await count(join(folder, name));
      else files++;
    }
  };
  await count(shown);
  return `${join(shown, SEPARATOR)} with ${files === 1 ? "1 file" : `${files} files`}`;
}

/** Removes what `path` names; of a symbolic link, the link. Follows none on the way there. */
async function remove(path: RemovalTarget): Promise<void> {
  for (let depth = 1; depth < path.length; depth++) {
    const folder = join(path[0], ...path.slice(1, depth));
    if (await kindOf(folder) === "folder") continue;
    throw new SealpostError("file-io", `${folder} is no longer a folder; stopped there`);
  }
  try {
    await Deno.remove(join(...path), { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw wrapFileError(error, `remove ${join(...path)}`);
  }
}

/** The entries of a folder, sorted by name. */
async function entriesOf(...path: RemovalTarget): Promise<Deno.DirEntry[]> {
  const folder = join(...path);
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    throw wrapFileError(error, `read the folder ${folder}`);
  }
}

/** What is at `path` itself: a symbolic link is `other`, whatever it leads to. */
async function kindOf(path: string): Promise<"folder" | "other" | "nothing"> {
  try {
    return (await Deno.lstat(path)).isDirectory ? "folder" : "other";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "nothing";
    throw wrapFileError(error, `look at ${path}`);
  }
}

/** The argument NAME of a client. Throws `usage`. */
function clientName(text: string): string {
  const name = nameArgument(text);
  if (name !== SERVER_NAME) return name;
  throw new SealpostError("usage", `${SERVER_NAME} is the name of the server, not of a client`);
}

function noServerKey(): SealpostError {
  const path = publicKeyPath(SERVER_NAME, SERVER_NAME);
  return new SealpostError(
    "file-missing",
    `there is no ${path} here; \`${PROGRAM} keygen ${SERVER_NAME}\` makes it`,
  );
}
