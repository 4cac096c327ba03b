import { join } from "@std/path";
import { SealpostError } from "../../crypto/error.ts";
import type { Bundle } from "../../crypto/identity.ts";
import { bundleToPem } from "../../crypto/identity.ts";
import { equal } from "../../crypto/bytes.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { writeFileAtomic } from "../../files/atomic_file.ts";
import {
  ensurePrivateDir,
  isThere,
  loadBundle,
  publicKeyPath,
  SERVER_NAME,
  shellWord,
} from "../../files/key_files.ts";
import { claimFolder, isNewOrOwn, isOwnFolder, requireOwnFiles } from "../../files/own_folders.ts";
import { expandHome } from "../../cli/environment.ts";
import { PROGRAM } from "../../cli/program.ts";
import { CONFIG_FILE, readConfig, writeConfig } from "../state/config.ts";
import { keysIn, usualFolder } from "../state/profile.ts";
import { completePath } from "../terminal/complete.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { askTrimmed } from "./who.ts";

/** What a folder says of an earlier setup, finished or not. */
export interface Earlier {
  readonly dir: string;
  readonly name: string;
  readonly server: string;
}

/**
 * The setup that was begun in `given`, or in the folder that commands use. Null if there is none. Throws
 * `key-permissions` for a folder in which others may have had a hand.
 */
export async function findEarlier(given: string | undefined): Promise<Earlier | null> {
  const dir = given ?? await usualFolder();
  if (dir === null) return null;
  await requireOwnFiles(dir, { named: given !== undefined });
  const { user, server } = await readConfig(dir);
  if (user === undefined || server === undefined) return null;
  return await isThere(publicKeyPath(dir, SERVER_NAME)) ? { dir, name: user, server } : null;
}

/**
 * The folder for `name`: the one that is given, else the usual one, which a person may replace.
 * Throws `file-exists` if it is somebody else's, `cancelled`.
 */
export async function chooseFolder(
  terminal: Terminal,
  name: string,
  given: string | undefined,
): Promise<string> {
  if (given !== undefined) {
    await requireFree(given, name);
    return given;
  }
  let usual = await usualFolder() ?? name;
  if (!terminal.interactive) {
    await requireFree(usual, name);
    return usual;
  }
  for (;;) {
    const question = `Folder for your keys and files (Enter for ${shown(usual)}): `;
    const answer = await askTrimmed(terminal, question, completePath);
    const dir = answer === "" ? usual : expandHome(answer);
    const owner = await ownerOf(dir, name);
    if (owner === null) return dir;
    terminal.printError(`${shown(dir)} is the folder of ${owner}; choose another for ${name}.`);
    usual = name;
  }
}

/** The folder as people write it. */
export function shown(dir: string): string {
  if (dir === ".") return "this folder";
  const home = Deno.build.os === "windows" ? undefined : Deno.env.get("HOME");
  return home && dir.startsWith(`${home}/`) ? `~${dir.slice(home.length)}` : dir;
}

async function requireFree(dir: string, name: string): Promise<void> {
  const owner = await ownerOf(dir, name);
  if (owner === null) return;
  throw new SealpostError(
    "file-exists",
    `${shown(dir)} is the folder of ${owner}; give ${name} another with --dir`,
  );
}

/** Who but `name` has `dir`; null for nobody. */
async function ownerOf(dir: string, name: string): Promise<string | null> {
  const { user } = await readConfig(dir);
  if (user !== undefined) return user === name ? null : user;
  const names = await keysIn(dir);
  return names.includes(name) ? null : names[0] ?? null;
}

/**
 * Makes the folder with `files/`, the server's key and the settings, and keeps that it is the person's
 * own if there was nothing in it. What is there stays; `named` says that the person gave it with --dir.
 * Throws `key-permissions` for a folder in which others may have had a hand, `server-identity` if it
 * has the key of another server, `config` if it names another, `disk-full`, `file-io`.
 */
export async function createClientFolder(
  dir: string,
  named: boolean,
  name: string,
  address: Address,
  server: Bundle,
): Promise<void> {
  const made = await isNewOrOwn(dir);
  await ensurePrivateDir(dir);
  await requireOwnFiles(dir, { named });
  await ensurePrivateDir(join(dir, "files"));
  const keyPath = publicKeyPath(dir, SERVER_NAME);
  if (await isThere(keyPath)) {
    if (!equal((await loadBundle(keyPath)).fp, server.fp)) {
      throw new SealpostError(
        "server-identity",
        `${keyPath} is the key of another server; move it away if you are sure, or use another ` +
          "folder with --dir",
      );
    }
  } else await writeFileAtomic(keyPath, bundleToPem(server), { mode: 0o644, overwrite: false });
  await addSettings(dir, name, formatAddress(address));
  if (made) await claimFolder(dir);
}

async function addSettings(dir: string, name: string, server: string): Promise<void> {
  const path = join(dir, CONFIG_FILE);
  const config = await readConfig(dir);
  if (config.server !== undefined && config.server !== server) {
    throw new SealpostError(
      "config",
      `${path} names the server ${config.server}, and not ${server}; change it there, or use ` +
        "another folder with --dir",
    );
  }
  await writeConfig(dir, { server, user: config.user ?? name });
}

/** The commands to go on with, as they have to be typed for the folder `dir`. */
export async function nextCommands(dir: string): Promise<string[]> {
  const word = shellWord(dir);
  const found = dir === await usualFolder();
  const named = found || await isOwnFolder(dir) ? "" : ` --dir ${word}`;
  const rows = [
    ["inbox", "what has come"],
    ['send -t NAME -s "Hello"', "write to somebody"],
    ["connect", "the mail program"],
  ] as const;
  return [
    ...found || named !== "" ? [] : [`  cd ${word}`],
    ...rows.map(([command, what]) => `  ${`${PROGRAM} ${command}${named}`.padEnd(35)} ${what}`),
  ];
}
