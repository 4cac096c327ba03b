import { type Bytes, equal, fromUtf8, wipe } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import {
  type Bundle,
  bundleFromPem,
  bundleToPem,
  forgetPkcs8,
  type Identity,
  identityFromPem,
  identityToPem,
  isEncryptedPem,
  type NewIdentity,
  newIdentityFromPem,
  requirePair,
  shortFingerprint,
} from "../crypto/identity.ts";
import { readFileBounded, syncFolder, wrapFileError, writeFileAtomic } from "./atomic_file.ts";
import { parseName } from "../protocol/name.ts";
import { PROGRAM } from "../cli/program.ts";
import { exists } from "@std/fs";
import { dirname, join } from "@std/path";

/** The name under which the server's keys are filed. */
export const SERVER_NAME = "server";

/** Most bytes of a key file; the largest has about 8,000. */
const MAX_KEY_FILE = 65_536;

/** How often a wrong passphrase may be followed by another. */
const PASSPHRASE_TRIES = 3;

/** `NAME_private.pem` in `dir`. Throws `format` if `name` is not a name. */
export function privateKeyPath(dir: string, name: string): string {
  return join(dir, `${parseName(name)}_private.pem`);
}

/** `NAME_public.pem` in `dir`. Throws `format` if `name` is not a name. */
export function publicKeyPath(dir: string, name: string): string {
  return join(dir, `${parseName(name)}_public.pem`);
}

/** How {@linkcode saveIdentityFiles} writes. */
export interface SaveIdentityOptions {
  /** Encrypts the private key. */
  readonly passphrase?: Bytes | undefined;
  /** Whether keys that are there may be replaced. */
  readonly force?: boolean;
}

/** What {@linkcode saveIdentityFiles} wrote. */
export interface SavedFiles {
  readonly privatePath: string;
  readonly publicPath: string;
  /** Where the private key that was there before is now; null if there was none. */
  readonly retiredPath: string | null;
}

/**
 * Writes `NAME_private.pem` (0600) and `NAME_public.pem` (0644) to `dir`, which is made (0700) if it
 * is not there. With `force`, a private key that is there is first kept as
 * `NAME_private.<short fp>.pem`.
 *
 * The private file comes first: if the power fails in between, the public one can be made from it
 * (`keygen --public`).
 *
 * Throws `file-exists` if one of the files is there and `force` is not given, `disk-full`, `file-io`.
 */
export async function saveIdentityFiles(
  dir: string,
  name: string,
  identity: NewIdentity,
  options: SaveIdentityOptions = {},
): Promise<SavedFiles> {
  const force = options.force ?? false;
  const privatePath = privateKeyPath(dir, name);
  const publicPath = publicKeyPath(dir, name);
  if (!force) await requireNoKeys(dir, name);
  await ensurePrivateDir(dir);
  const retiredPath = await retireKey(dir, name);
  const pem = await identityToPem(identity, options.passphrase);
  await writeFileAtomic(privatePath, pem, { mode: 0o600, overwrite: force });
  await savePublicKey(dir, name, identity.bundle);
  return { privatePath, publicPath, retiredPath };
}

/** Throws `file-exists` if one of the key files of `name` is in `dir`. */
export async function requireNoKeys(dir: string, name: string): Promise<void> {
  for (const path of [privateKeyPath(dir, name), publicKeyPath(dir, name)]) {
    if (!await isThere(path)) continue;
    throw new SealpostError(
      "file-exists",
      `${path} is already there; keys are only replaced with --force, which keeps the old ones`,
    );
  }
}

/** Makes `dir` and its parents (0700 where the system has modes) unless it is there. Throws `file-io`. */
export async function ensurePrivateDir(dir: string): Promise<void> {
  try {
    if (await exists(dir, { isDirectory: true })) return;
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    await syncFolder(dirname(dir));
  } catch (error) {
    throw wrapFileError(error, `make the folder ${dir}`);
  }
}

/**
 * Keeps the private key file of `name`, if there is one, under the name of its fingerprint, too; returns
 * that path. Throws `key-format`, `file-exists`, `disk-full`, `file-io`.
 */
export async function retireKey(dir: string, name: string): Promise<string | null> {
  const privatePath = privateKeyPath(dir, name);
  if (!await isThere(privatePath)) return null;
  const text = await readKeyFile(privatePath);
  const fp = await fingerprintOf(text, dir, name);
  const path = retiredPath(dir, name, fp);
  const there = await isThere(path) ? await readKeyFile(path) : null;
  if (there === text) return path;
  // A crash while its name was taken leaves an empty file.
  await writeFileAtomic(path, text, { mode: 0o600, overwrite: there === "" });
  return path;
}

/** The fingerprint of a private key file: from itself if it is not encrypted, else from the public one. */
async function fingerprintOf(privatePem: string, dir: string, name: string): Promise<Bytes> {
  try {
    if (!isEncryptedPem(privatePem)) return (await identityFromPem(privatePem)).bundle.fp;
    return (await loadBundle(publicKeyPath(dir, name))).fp;
  } catch (cause) {
    throw new SealpostError(
      "key-format",
      `cannot tell which key ${privateKeyPath(dir, name)} is, to keep it; move it away yourself`,
      { cause },
    );
  }
}

/**
 * The identity of `name` in `dir`. `askPassphrase` is called if the private key is encrypted, again
 * after a wrong answer (the argument counts from 1, at most 3); null gives up. What it returns is not
 * wiped here.
 *
 * Throws `file-missing`, `key-permissions` (group or others can read the private key), `key-format`,
 * `key-mismatch` (the public file belongs to another private one), `passphrase`, `file-io`.
 */
export async function loadIdentity(
  dir: string,
  name: string,
  askPassphrase: (attempt: number) => Promise<Bytes | null>,
): Promise<Identity> {
  return forgetPkcs8(await loadNewIdentity(dir, name, askPassphrase));
}

/** {@linkcode loadIdentity} for an identity that is to be written again: the caller forgets it. */
export async function loadNewIdentity(
  dir: string,
  name: string,
  askPassphrase: (attempt: number) => Promise<Bytes | null>,
): Promise<NewIdentity> {
  const privatePath = privateKeyPath(dir, name);
  const publicPath = publicKeyPath(dir, name);
  const identity = await openPrivateKey(dir, name, askPassphrase);
  if (!await isThere(publicPath)) {
    throw new SealpostError(
      "file-missing",
      `${publicPath} is missing; \`${keygenCommand(dir, name)} --public\` makes it anew`,
    );
  }
  const bundle = await loadBundle(publicPath);
  try {
    requirePair(identity, bundle);
  } catch (cause) {
    throw new SealpostError(
      "key-mismatch",
      `${privatePath} and ${publicPath} do not belong together; put back the one that was ` +
        `changed, or make the public one from the private one: ` +
        `\`${keygenCommand(dir, name)} --public\``,
      { cause },
    );
  }
  return identity;
}

/**
 * {@linkcode loadIdentity} without a look at the public file. Throws `file-missing`,
 * `key-permissions`, `key-format`, `passphrase`, `file-io`.
 */
export async function loadPrivateKey(
  dir: string,
  name: string,
  askPassphrase: (attempt: number) => Promise<Bytes | null>,
): Promise<Identity> {
  return forgetPkcs8(await openPrivateKey(dir, name, askPassphrase));
}

/**
 * The private key of `name` with the fingerprint `fp`, which {@linkcode retireKey} kept. Throws what
 * {@linkcode loadPrivateKey} throws, and `key-mismatch` if the file has another one.
 */
export async function loadRetired(
  dir: string,
  name: string,
  fp: Bytes,
  askPassphrase: (attempt: number) => Promise<Bytes | null>,
): Promise<Identity> {
  const path = retiredPath(dir, name, fp);
  if (!await isThere(path)) throw new SealpostError("file-missing", `${path} is missing`);
  const identity = forgetPkcs8(await openKeyFile(path, askPassphrase));
  if (equal(identity.bundle.fp, fp)) return identity;
  throw new SealpostError("key-mismatch", `${path} has another key than its name says`);
}

/** Where {@linkcode retireKey} keeps a private key. */
export function retiredPath(dir: string, name: string, fp: Bytes): string {
  return join(dir, `${name}_private.${shortFingerprint(fp)}.pem`);
}

async function openPrivateKey(
  dir: string,
  name: string,
  askPassphrase: (attempt: number) => Promise<Bytes | null>,
): Promise<NewIdentity> {
  const path = privateKeyPath(dir, name);
  if (await isThere(path)) return await openKeyFile(path, askPassphrase);
  throw new SealpostError(
    "file-missing",
    `${path} is missing; \`${keygenCommand(dir, name)}\` makes keys`,
  );
}

async function openKeyFile(
  path: string,
  askPassphrase: (attempt: number) => Promise<Bytes | null>,
): Promise<NewIdentity> {
  await requirePrivate(path);
  const text = await readKeyFile(path);
  if (!isEncryptedPem(text)) return await named(path, newIdentityFromPem(text));
  let wrong: unknown = new SealpostError(
    "passphrase",
    `${path} is encrypted; set SEALPOST_PASSPHRASE or start this on a terminal to be asked`,
  );
  for (let attempt = 1; attempt <= PASSPHRASE_TRIES; attempt++) {
    const passphrase = await askPassphrase(attempt);
    if (passphrase === null) break;
    try {
      return await named(path, newIdentityFromPem(text, passphrase));
    } catch (error) {
      if (!isSealpostError(error, "passphrase")) throw error;
      wrong = error;
    }
  }
  throw wrong;
}

/**
 * Whether `secret` is the passphrase of the private key of `name`; false for one that has none. Throws
 * `file-missing`, `key-format`, `file-io`.
 */
export async function isPassphrase(dir: string, name: string, secret: Bytes): Promise<boolean> {
  const path = privateKeyPath(dir, name);
  const text = await readKeyFile(path);
  if (!isEncryptedPem(text)) return false;
  try {
    await named(path, identityFromPem(text, secret));
    return true;
  } catch (error) {
    if (isSealpostError(error, "passphrase")) return false;
    throw error;
  }
}

/** Whether the private key of `name` has a passphrase. Throws `file-missing`, `file-io`. */
export async function hasPassphrase(dir: string, name: string): Promise<boolean> {
  return isEncryptedPem(await readKeyFile(privateKeyPath(dir, name)));
}

/** The bundle in a public key file. Throws `file-missing`, `key-format`, `file-io`. */
export async function loadBundle(path: string): Promise<Bundle> {
  return await named(path, bundleFromPem(await readKeyFile(path)));
}

/** Writes `NAME_public.pem` (0644) for a private key; returns its path. Throws `disk-full`, `file-io`. */
export async function savePublicKey(dir: string, name: string, bundle: Bundle): Promise<string> {
  const path = publicKeyPath(dir, name);
  await writeFileAtomic(path, bundleToPem(bundle), { mode: 0o644 });
  return path;
}

/**
 * Refuses a file with a secret in it that others than its owner can use, as ssh does. Throws
 * `key-permissions`, `file-io`.
 */
export async function requirePrivate(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  let mode: number | null;
  try {
    mode = (await Deno.stat(path)).mode;
  } catch (error) {
    throw wrapFileError(error, `look at ${path}`);
  }
  if (mode === null || (mode & 0o077) === 0) return;
  throw new SealpostError(
    "key-permissions",
    `others can read or change ${path}, so it is not used; run: chmod 600 ${shellWord(path)}`,
  );
}

/** The text of the key file `path`. Throws `file-missing`, `file-io`, `limit`, `key-format`. */
export async function readKeyFile(path: string): Promise<string> {
  const bytes = await readFileBounded(path, MAX_KEY_FILE);
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new SealpostError("key-format", `${path} is not a PEM file`, { cause });
  } finally {
    wipe(bytes);
  }
}

/** The result of reading the key file `path`; what is wrong with it is said with its name. */
async function named<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    if (!isSealpostError(cause)) throw cause;
    throw new SealpostError(cause.code, `${path}: ${cause.message}`, { cause });
  }
}

/** Whether `path` is there. Throws `file-io`. */
export async function isThere(path: string): Promise<boolean> {
  try {
    return await exists(path);
  } catch (error) {
    throw wrapFileError(error, `look at ${path}`);
  }
}

/** The command that makes the keys of `name` in `dir`, as the person would type it. */
function keygenCommand(dir: string, name: string): string {
  return `${PROGRAM} keygen ${name}${dir === name ? "" : ` --dir ${shellWord(dir)}`}`;
}

/** `path` as one word of a shell's command line. */
export function shellWord(path: string): string {
  return /^[\w./:\\@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
