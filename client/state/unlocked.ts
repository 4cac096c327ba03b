import { join } from "@std/path";
import { aesOpen, aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, lp, random, readU32, readU64, toHex } from "../../crypto/bytes.ts";
import { u64, utf8, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import {
  forgetPkcs8,
  type Identity,
  importIdentity,
  type NewIdentity,
} from "../../crypto/identity.ts";
import {
  readFileBounded,
  syncFolder,
  wrapFileError,
  writeFileAtomic,
} from "../../files/atomic_file.ts";
import { ensurePrivateDir, isThere, requirePrivate } from "../../files/key_files.ts";
import { stateFolder } from "./state.ts";
import { variable } from "../../cli/environment.ts";

const LABEL = "sealpost/1 unlock";
const VERSION = 1;
const ID_SIZE = 16;
const HEADER_SIZE = 1 + ID_SIZE + 8 + 8;
const KEY_SIZE = 32;
const MAX_FILE = 1024 * 1024;
/** How far the clock may have gone back since, milliseconds. */
const CLOCK_SLACK = 60_000;
/** The key is good for one file, so its nonce is zero. */
const NONCE = new Uint8Array(12);

/**
 * The folder that the system makes when a person logs in and removes when the last session ends, in
 * memory: XDG_RUNTIME_DIR. Null where there is none, or it is not ours to use.
 */
export function runtimeFolder(): string | null {
  const base = variable("XDG_RUNTIME_DIR");
  if (!base) return null;
  const folder = join(base, "sealpost");
  const may = (["read", "write"] as const).every((name) =>
    Deno.permissions.querySync({ name, path: folder }).state === "granted"
  );
  return may ? folder : null;
}

function blobPath(dir: string, name: string): string {
  return join(stateFolder(dir, name), "unlocked");
}

/**
 * Keeps `identities` without their passphrase until `until`, milliseconds since 1970. What is in the
 * user's state, `unlocked` (0600), is useless without the key in the runtime folder (0600), and the
 * other way round:
 *
 * `version (1, = 1) ‖ id (16) ‖ u64 since ‖ u64 until ‖ AES-256-GCM` of the PrivateKeyInfo, `LP(rsa) ‖
 * LP(mlkem) ‖ LP(ed25519)` for each, under the random key in `ID.key`; nonce zero, additional data
 * `"sealpost/1 unlock" ‖ what stands before ‖ LP(name)`.
 *
 * Throws `config` where there is no runtime folder, `key-permissions`, `disk-full`, `file-io`.
 */
export async function keepUnlocked(
  dir: string,
  name: string,
  identities: readonly NewIdentity[],
  until: number,
  runtime = runtimeFolder(),
): Promise<void> {
  if (runtime === null) throw noRuntimeFolder();
  await forgetUnlocked(dir, name, runtime);
  try {
    await Deno.mkdir(runtime, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw wrapFileError(error, `make the folder ${runtime}`);
  }
  await requirePrivate(runtime);
  const id = random(ID_SIZE);
  const raw = random(KEY_SIZE);
  const header = concat(new Uint8Array([VERSION]), id, u64(Date.now()), u64(until));
  const plaintext = concat(
    ...identities.map(({ pkcs8: { rsa, mlkem, ed25519 } }) =>
      concat(lp(rsa), lp(mlkem), lp(ed25519))
    ),
  );
  try {
    const sealed = await aesSeal(await importAesKey(raw), NONCE, plaintext, bound(header, name));
    await ensurePrivateDir(stateFolder(dir, name));
    await writeFileAtomic(join(runtime, `${toHex(id)}.key`), raw);
    await writeFileAtomic(blobPath(dir, name), concat(header, sealed));
  } finally {
    wipe(raw, plaintext);
  }
}

/**
 * The identities that {@linkcode keepUnlocked} kept; null if there are none any more. What has
 * expired, was altered, or has lost its key is removed.
 */
export async function loadUnlocked(
  dir: string,
  name: string,
  runtime = runtimeFolder(),
): Promise<Identity[] | null> {
  const path = blobPath(dir, name);
  if (runtime === null || !await isThere(path)) return null;
  try {
    await requirePrivate(path);
    const blob = await readFileBounded(path, MAX_FILE);
    const header = blob.slice(0, HEADER_SIZE);
    const [since, until] = [readU64(header, 1 + ID_SIZE), readU64(header, 1 + ID_SIZE + 8)];
    const now = Date.now();
    if (blob[0] !== VERSION || now >= until || now < since - CLOCK_SLACK) throw expired();
    await requirePrivate(runtime);
    const keyPath = join(runtime, keyName(blob));
    await requirePrivate(keyPath);
    const raw = await readFileBounded(keyPath, KEY_SIZE);
    let plaintext: Bytes;
    try {
      const key = await importAesKey(raw);
      plaintext = await aesOpen(key, NONCE, blob.slice(HEADER_SIZE), bound(header, name));
    } finally {
      wipe(raw);
    }
    try {
      return await decode(plaintext);
    } finally {
      wipe(plaintext);
    }
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    await forgetUnlocked(dir, name, runtime);
    return null;
  }
}

/** Removes what {@linkcode keepUnlocked} kept, the key first. Whether there was any. Throws `file-io`. */
export async function forgetUnlocked(
  dir: string,
  name: string,
  runtime = runtimeFolder(),
): Promise<boolean> {
  const path = blobPath(dir, name);
  if (!await isThere(path)) return false;
  try {
    const blob = await Deno.readFile(path);
    if (runtime !== null && blob.length > HEADER_SIZE) {
      const keyPath = join(runtime, keyName(blob));
      if (await isThere(keyPath)) {
        await Deno.writeFile(keyPath, new Uint8Array(KEY_SIZE), { create: false });
        await Deno.remove(keyPath);
      }
    }
    await Deno.remove(path);
  } catch (error) {
    // Another process of this user was faster.
    if (!(error instanceof Deno.errors.NotFound)) throw wrapFileError(error, `remove ${path}`);
  }
  await syncFolder(stateFolder(dir, name));
  return true;
}

/** The error of a system that has no place for the key. */
export function noRuntimeFolder(): SealpostError {
  return new SealpostError(
    "config",
    "this needs a folder that goes when you log out of this machine, and XDG_RUNTIME_DIR names none " +
      "that can be used; so the passphrase is asked for each time",
  );
}

function keyName(blob: Bytes): string {
  return `${toHex(blob.slice(1, 1 + ID_SIZE))}.key`;
}

function bound(header: Bytes, name: string): Bytes {
  return concat(utf8(LABEL), header, lp(utf8(name)));
}

async function decode(plaintext: Bytes): Promise<Identity[]> {
  const parts: Bytes[] = [];
  for (let at = 0; at < plaintext.length;) {
    const length = readU32(plaintext, at);
    parts.push(plaintext.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  const identities: Identity[] = [];
  for (let i = 0; i + 2 < parts.length; i += 3) {
    const [rsa, mlkem, ed25519] = parts.slice(i, i + 3);
    if (!rsa || !mlkem || !ed25519) throw expired();
    identities.push(forgetPkcs8(await importIdentity(rsa, mlkem, ed25519)));
  }
  return identities;
}

function expired(): SealpostError {
  return new SealpostError("format", "what was unlocked is not any more");
}
