import { join } from "@std/path";
import type { Bytes } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import {
  bundleToPem,
  type Identity,
  identityFromPem,
  identityToPem,
  isEncryptedPem,
  type NewIdentity,
} from "../crypto/identity.ts";
import { syncFolder, wrapFileError, writeFileAtomic } from "./atomic_file.ts";
import {
  isThere,
  loadBundle,
  privateKeyPath,
  publicKeyPath,
  readKeyFile,
  requirePrivate,
  retireKey,
} from "./key_files.ts";

/**
 * Keys that are to take the place of `NAME_private.pem` and `NAME_public.pem`: `NAME_private.next.pem`
 * and `NAME_public.next.pem` beside them, which are on the disk before anybody is told of them and until
 * they have taken that place. While this is held, no other process of this user settles what becomes of
 * them.
 */
export class NextKeys implements Disposable {
  readonly #dir: string;
  readonly #name: string;
  readonly #lock: Deno.FsFile;

  private constructor(dir: string, name: string, lock: Deno.FsFile) {
    this.#dir = dir;
    this.#name = name;
    this.#lock = lock;
  }

  /** Whether there are any: a rotation goes on, or was broken off. */
  static async waiting(dir: string, name: string): Promise<boolean> {
    return await isThere(nextPrivate(dir, name));
  }

  /** {@linkcode NextKeys.put} for new keys. */
  static async prepare(
    dir: string,
    name: string,
    identity: NewIdentity,
    passphrase?: Bytes,
  ): Promise<NextKeys> {
    const pem = await identityToPem(identity, passphrase);
    return await NextKeys.put(dir, name, pem, bundleToPem(identity.bundle));
  }

  /**
   * Writes key files beside the present ones. Throws `file-exists` (some wait already), `busy`,
   * `disk-full`, `file-io`.
   */
  static async put(dir: string, name: string, pem: string, bundle: string): Promise<NextKeys> {
    if (await NextKeys.waiting(dir, name)) {
      throw new SealpostError("file-exists", `${nextPrivate(dir, name)} is already there`);
    }
    // The public one first: where the private one is, so is the public one.
    await writeFileAtomic(nextPublic(dir, name), bundle, { mode: 0o644 });
    await writeFileAtomic(nextPrivate(dir, name), pem, { mode: 0o600, overwrite: false });
    const keys = await NextKeys.take(dir, name);
    // Another process may have been at it in the moments before.
    const isThere = async (path: string, text: string) => {
      return await readKeyFile(path).catch(() => null) === text;
    };
    const own = keys !== null && await isThere(nextPrivate(dir, name), pem);
    if (own && await isThere(nextPublic(dir, name), bundle)) return keys;
    if (own) await keys.discard();
    keys?.[Symbol.dispose]();
    throw new SealpostError(
      "busy",
      "another client of this user changed keys, or looked at them, in the same moment; nothing was " +
        "changed, try again",
    );
  }

  /**
   * Completes a change of keys of which only the last steps are missing, where the new private key is in
   * its place already: before anything is loaded. Throws `disk-full`, `file-io`.
   */
  static async complete(dir: string, name: string): Promise<void> {
    if (!await NextKeys.waiting(dir, name)) return;
    using next = await NextKeys.take(dir, name);
    if (next && await next.inPlace()) await next.finish();
  }

  /** The fingerprint of the new keys. Throws `key-format`, `file-missing`, `file-io`. */
  async fingerprint(): Promise<Bytes> {
    return (await loadBundle(nextPublic(this.#dir, this.#name))).fp;
  }

  /** Takes those that are there; null if there are none, or if another process has them. */
  static async take(dir: string, name: string): Promise<NextKeys | null> {
    const path = nextPrivate(dir, name);
    let lock: Deno.FsFile;
    try {
      lock = await Deno.open(path, { read: true, write: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw wrapFileError(error, `open ${path}`);
    }
    try {
      if (await lock.tryLock(true)) return new NextKeys(dir, name, lock);
    } catch (error) {
      lock.close();
      throw wrapFileError(error, `lock ${path}`);
    }
    lock.close();
    return null;
  }

  /** The new private key. Throws `passphrase`, `key-format`, `key-permissions`. */
  async load(askPassphrase: (path: string) => Promise<Bytes | null>): Promise<Identity> {
    const path = nextPrivate(this.#dir, this.#name);
    await requirePrivate(path);
    const pem = await this.#text();
    const passphrase = isEncryptedPem(pem) ? await askPassphrase(path) : null;
    return await identityFromPem(pem, passphrase ?? undefined);
  }

  /** Whether they are the ones with this public key file. */
  async isOf(bundle: string): Promise<boolean> {
    return await readKeyFile(nextPublic(this.#dir, this.#name)) === bundle;
  }

  /** Whether the new private key has taken its place already, so that {@linkcode finish} is due. */
  async inPlace(): Promise<boolean> {
    return await this.#text() === await readKeyFile(privateKeyPath(this.#dir, this.#name));
  }

  /**
   * Puts them in their place; the private key that was there stays, under the name of its fingerprint.
   * A crash at any moment leaves either something that this finishes when it is called again, or the
   * work done. Throws `disk-full`, `file-io`.
   */
  async finish(): Promise<void> {
    const pem = await this.#text();
    const path = privateKeyPath(this.#dir, this.#name);
    if (!await this.inPlace()) {
      await retireKey(this.#dir, this.#name);
      await writeFileAtomic(path, pem, { mode: 0o600 });
    }
    const bundle = await readKeyFile(nextPublic(this.#dir, this.#name));
    await writeFileAtomic(publicKeyPath(this.#dir, this.#name), bundle, { mode: 0o644 });
    await this.discard();
  }

  /** Removes them. Throws `file-io`. */
  async discard(): Promise<void> {
    for (const path of [nextPrivate, nextPublic].map((of) => of(this.#dir, this.#name))) {
      try {
        await Deno.remove(path);
        await syncFolder(this.#dir);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw wrapFileError(error, `remove ${path}`);
      }
    }
  }

  /** Lets other processes settle what is left. */
  [Symbol.dispose](): void {
    this.#lock.close();
  }

  async #text(): Promise<string> {
    return await readKeyFile(nextPrivate(this.#dir, this.#name));
  }
}

function nextPrivate(dir: string, name: string): string {
  return join(dir, `${name}_private.next.pem`);
}

function nextPublic(dir: string, name: string): string {
  return join(dir, `${name}_public.next.pem`);
}
