import { join } from "@std/path";
import { type AesKey, aesOpen, aesSeal, importAesKey, TAG_SIZE } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, random, utf8, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { hkdf } from "../../crypto/hash.ts";
import { type Identity, shortFingerprint } from "../../crypto/identity.ts";
import {
  readFileBounded,
  syncFolder,
  wrapFileError,
  writeFileAtomic,
} from "../../files/atomic_file.ts";
import { lockFile, tryLockFile } from "../../files/file_lock.ts";
import { isThere } from "../../files/key_files.ts";
import { STATE_FOLDER } from "../../files/own_folders.ts";
import { parseName } from "../../protocol/name.ts";
import type { RetiredKeys } from "./retired_keys.ts";

/** Largest file of the state, bytes. */
const MAX_FILE = 64 * 1024 * 1024;
const VERSION = 1;
const NONCE_SIZE = 12;
const OVERHEAD = 1 + NONCE_SIZE + TAG_SIZE;
const FILE_NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;
const LOCK = "lock";
const TEMP = "tmp";

/** The folder of the state of user `name` in their client's folder `dir`. Throws `format`. */
export function stateFolder(dir: string, name: string): string {
  return join(dir, STATE_FOLDER, parseName(name));
}

/** The folder for temporary files in it: {@linkcode State.tempFolder}. Throws `format`. */
export function tempFolderOf(dir: string, name: string): string {
  return join(stateFolder(dir, name), TEMP);
}

/** What the names of temporary files begin with that may hold what somebody wrote: they stay. */
export const EDITING = "edit-";

/** How long another client of the same user may hold the lock, milliseconds. */
const LOCK_PATIENCE = 10_000;
const HOLDER = "another command or program of this user";
/** Age at which a temporary file is taken for left by a crash, milliseconds. */
const TEMP_AGE = 3_600_000;

/**
 * What a client remembers for one user, in files under `DIR/.sealpost/NAME` (0700), sealed for that
 * user's identity alone.
 *
 * A file: `version (1, = 1) ‖ nonce (12, random for every write) ‖ AES-256-GCM`, the key
 * `HKDF(ML-KEM seed, "", "sealpost/1 client state")`, the additional data the file's name.
 */
export class State {
  readonly #folder: string;
  readonly #key: AesKey;
  readonly #retired: RetiredKeys | null;
  /** The fingerprint of the identity, 32 bytes. */
  readonly fp: Bytes;
  readonly #raw: Bytes;
  /** The keys of identities that had this state before, raw: see {@linkcode State.handOver}. */
  #former: readonly Bytes[] = [];

  private constructor(
    folder: string,
    key: AesKey,
    raw: Bytes,
    fp: Bytes,
    retired: RetiredKeys | null,
  ) {
    this.#folder = folder;
    this.#key = key;
    this.#raw = raw;
    this.#retired = retired;
    this.fp = fp;
  }

  /**
   * Opens, and makes where it is missing, the state of user `name` under `dir`, and removes
   * temporary files that a crash left. What was sealed for one of the `retired` keys is read too,
   * and sealed for `identity` when it is written next. Throws `format` for what is no name, `file-io`, `disk-full`.
   */
  static async open(
    dir: string,
    name: string,
    identity: Identity,
    retired: RetiredKeys | null = null,
  ): Promise<State> {
    const folder = stateFolder(dir, name);
    const raw = await rawStateKey(identity);
    const state = new State(folder, await importAesKey(raw), raw, identity.bundle.fp, retired);
    await state.#prepare();
    const former = await state.read(formerKeys(identity));
    if (former) state.#former = split(former);
    return state;
  }

  /**
   * Lets the identity `to`, which is to take this one's place, read what was sealed for this one: the
   * keys for that are sealed for it. Throws `disk-full`, `file-io`.
   */
  async handOver(to: Identity): Promise<void> {
    const raw = await rawStateKey(to);
    const next = new State(this.#folder, await importAesKey(raw), raw, to.bundle.fp, null);
    await next.write(formerKeys(to), concat(this.#raw, ...this.#former));
    wipe(raw);
  }

  async #prepare(): Promise<void> {
    try {
      for (const folder of [this.#folder, this.tempFolder()]) {
        await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
        if (Deno.build.os !== "windows") await Deno.chmod(folder, 0o700);
      }
      for await (const { name } of Deno.readDir(this.tempFolder())) {
        if (name.startsWith(EDITING)) continue;
        const path = join(this.tempFolder(), name);
        // Another client may remove it first, or, on Windows, have it open.
        const { mtime } = await Deno.lstat(path).catch(() => ({ mtime: null }));
        if (mtime !== null && Date.now() - mtime.getTime() > TEMP_AGE) {
          await Deno.remove(path).catch(() => {});
        }
      }
    } catch (error) {
      throw wrapFileError(error, `use ${this.#folder}`);
    }
  }

  /** Where the file called `file` is. */
  path(file: string): string {
    if (!FILE_NAME.test(file) || file === LOCK || file === TEMP) {
      throw new SealpostError("internal", "not the name of a state file");
    }
    return join(this.#folder, file);
  }

  /** The files whose names begin with `prefix`, in the order of their names. Throws `file-io`. */
  async files(prefix: string): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name, isFile } of Deno.readDir(this.#folder)) {
        if (isFile && name.startsWith(prefix)) names.push(name);
      }
    } catch (error) {
      throw wrapFileError(error, `read ${this.#folder}`);
    }
    return names.sort();
  }

  /** A folder (0700) for temporary files; {@linkcode State.open} removes what is left there. */
  tempFolder(): string {
    return join(this.#folder, TEMP);
  }

  /**
   * What was written to `file`; null if it does not exist. Throws `format` or `authentication` if
   * it is damaged or another identity's, `limit`, `file-io`.
   */
  async read(file: string): Promise<Bytes | null> {
    const path = this.path(file);
    let sealed: Bytes;
    try {
      sealed = await readFileBounded(path, MAX_FILE);
    } catch (error) {
      if (isSealpostError(error, "file-missing")) return null;
      throw error;
    }
    if (sealed.length < OVERHEAD || sealed[0] !== VERSION) {
      throw new SealpostError("format", `${path} is not a file of this program; ${ADVICE}`);
    }
    const opened = await this.open(file, sealed);
    if (opened) return opened;
    throw new SealpostError(
      "authentication",
      `${path} was damaged or altered, or was written with another private key; ${ADVICE}`,
    );
  }

  async #openRetired(sealed: Bytes, file: string): Promise<Bytes | null> {
    for (const raw of this.#former) {
      const opened = await openWith(await importAesKey(raw), sealed, file);
      if (opened) return opened;
    }
    for (const identity of await this.#retired?.all() ?? []) {
      const raw = await rawStateKey(identity);
      const opened = await openWith(await importAesKey(raw), sealed, file);
      wipe(raw);
      if (opened) return opened;
    }
    return null;
  }

  /** `data` sealed for this user, as in a file called `name`. */
  async seal(name: string, data: Bytes): Promise<Bytes> {
    const nonce = random(NONCE_SIZE);
    const sealed = await aesSeal(this.#key, nonce, data, utf8(name));
    return concat(new Uint8Array([VERSION]), nonce, sealed);
  }

  /** The inverse of {@linkcode State.seal}; null if it was not sealed so, or for another key. */
  async open(name: string, sealed: Bytes): Promise<Bytes | null> {
    if (sealed.length < OVERHEAD || sealed[0] !== VERSION) return null;
    return await openWith(this.#key, sealed, name) ?? await this.#openRetired(sealed, name);
  }

  /** Replaces `file` (0600), durably. Throws `disk-full`, `file-io`. */
  async write(file: string, data: Bytes): Promise<void> {
    const path = this.path(file);
    await writeFileAtomic(path, await this.seal(file, data));
  }

  /**
   * Removes `file` of the state of user `name` under `dir`, durably, without the keys that it is
   * sealed for; false if it was not there. Throws `busy`, `file-io`.
   */
  static async forget(dir: string, name: string, file: string): Promise<boolean> {
    const folder = stateFolder(dir, name);
    const path = join(folder, file);
    if (!await isThere(path)) return false;
    using _lock = await lockFolder(folder);
    try {
      await Deno.remove(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw wrapFileError(error, `remove ${path}`);
    }
    await syncFolder(folder);
    return true;
  }

  /** Removes `file` if it exists. Throws `file-io`. */
  async remove(file: string): Promise<void> {
    const path = this.path(file);
    try {
      await Deno.remove(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw wrapFileError(error, `remove ${path}`);
    }
  }

  /**
   * Reads `file`, hands its content to `change`, writes what that returns as `data` (null: nothing)
   * and gives back its `result`. Meanwhile no other client of this user, in this process or another,
   * changes the file in this way. Throws what `read`, `write`, `lock` and `change` throw.
   */
  async update<T>(
    file: string,
    change: (current: Bytes | null) => Change<T> | Promise<Change<T>>,
  ): Promise<T> {
    using _lock = await this.lock();
    const { data, result } = await change(await this.read(file));
    if (data !== null) await this.write(file, data);
    return result;
  }

  /**
   * Waits until no other client of this user has the lock, and takes it until it is disposed of.
   * It must not be taken twice, so not within {@linkcode State.update}. Throws `busy` after 10 s.
   */
  lock(): Promise<Disposable> {
    return lockFolder(this.#folder);
  }

  /** Takes the lock called `file`, one of its own, unless somebody has it: null then. Throws `file-io`. */
  tryLock(file: string): Promise<Disposable | null> {
    return tryLockFile(this.path(file));
  }

  /** Waits for the lock called `file`, and takes it. Throws `busy` after `patience` milliseconds. */
  waitForLock(file: string, patience: number): Promise<Disposable> {
    return lockFile(this.path(file), patience, HOLDER);
  }
}

/** What {@linkcode State.update} is to do. */
export interface Change<T> {
  /** The new content; null to leave the file as it is. */
  readonly data: Bytes | null;
  readonly result: T;
}

const ADVICE = "restore it from a backup, or move it away and lose what it remembers";

function lockFolder(folder: string): Promise<Disposable> {
  return lockFile(join(folder, LOCK), LOCK_PATIENCE, HOLDER);
}

/** The key of an identity's state, 32 bytes. */
async function rawStateKey(identity: Identity): Promise<Bytes> {
  return await hkdf(identity.mlkemSeed, new Uint8Array(0), "sealpost/1 client state", 32);
}

/** The file with the keys of identities that `identity` took the place of: 32 bytes each. */
function formerKeys(identity: Identity): string {
  return `former-keys.${shortFingerprint(identity.bundle.fp)}`;
}

function split(keys: Bytes): Bytes[] {
  return Array.from({ length: keys.length / 32 }, (_, i) => keys.slice(32 * i, 32 * i + 32));
}

/** The content of a sealed file; null if it was not sealed under `key`. */
async function openWith(key: AesKey, sealed: Bytes, file: string): Promise<Bytes | null> {
  const nonce = sealed.slice(1, 1 + NONCE_SIZE);
  try {
    return await aesOpen(key, nonce, sealed.subarray(1 + NONCE_SIZE), utf8(file));
  } catch (error) {
    if (isSealpostError(error, "authentication")) return null;
    throw error;
  }
}
