import { join } from "@std/path";
import { type Bytes, equal, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import {
  type Identity,
  identityFromPem,
  isEncryptedPem,
  shortFingerprint,
} from "../../crypto/identity.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { readKeyFile } from "../../files/key_files.ts";

/**
 * The private keys that one user had before: `NAME_private.<short fp>.pem`, which `keygen --force`
 * leaves beside the new ones so that old mail can still be read. Each is loaded when it is needed.
 */
export class RetiredKeys {
  readonly #dir: string;
  readonly #name: string;
  readonly #askPassphrase: (path: string) => Promise<Bytes | null>;
  readonly #loaded = new Map<string, Identity>();

  constructor(
    dir: string,
    name: string,
    askPassphrase: (path: string) => Promise<Bytes | null>,
    /** Those of them, maybe, that are open already. */
    open: readonly Identity[] = [],
  ) {
    this.#dir = dir;
    this.#name = name;
    this.#askPassphrase = askPassphrase;
    for (const identity of open) this.#loaded.set(this.#fileOf(identity.bundle.fp), identity);
  }

  /** The identity with this fingerprint; null if it was never here. Throws `passphrase`, `key-format`. */
  async find(fp: Bytes): Promise<Identity | null> {
    const file = this.#fileOf(fp);
    if (!(await this.#files()).includes(file)) return null;
    const identity = await this.#load(file);
    return equal(identity.bundle.fp, fp) ? identity : null;
  }

  /** Whether the key with this fingerprint is among them. */
  async has(fp: Bytes): Promise<boolean> {
    return (await this.#files()).includes(this.#fileOf(fp));
  }

  /** All of them. Throws as {@linkcode RetiredKeys.find} does. */
  async all(): Promise<Identity[]> {
    const out: Identity[] = [];
    for (const file of await this.#files()) out.push(await this.#load(file));
    return out;
  }

  #fileOf(fp: Bytes): string {
    return `${this.#name}_private.${shortFingerprint(fp)}.pem`;
  }

  async #files(): Promise<string[]> {
    return (await retiredKeyFiles(this.#dir, this.#name)).map(({ file }) => file);
  }

  async #load(file: string): Promise<Identity> {
    const known = this.#loaded.get(file);
    if (known) return known;
    const path = join(this.#dir, file);
    const pem = await readKeyFile(path);
    const passphrase = isEncryptedPem(pem) ? await this.#askPassphrase(path) : null;
    if (isEncryptedPem(pem) && passphrase === null) {
      throw new SealpostError(
        "passphrase",
        `${path} has a passphrase, which is needed to read old mail`,
      );
    }
    const identity = await identityFromPem(pem, passphrase ?? undefined);
    if (passphrase) wipe(passphrase);
    this.#loaded.set(file, identity);
    return identity;
  }
}

/** The files of retired keys of `name` in `dir`, each with its short fingerprint. Throws `file-io`. */
export async function retiredKeyFiles(
  dir: string,
  name: string,
): Promise<{ readonly short: string; readonly file: string }[]> {
  const start = `${name}_private.`;
  const out: { short: string; file: string }[] = [];
  try {
    for await (const { name: file, isFile } of Deno.readDir(dir)) {
      const rest = file.startsWith(start) ? file.slice(start.length) : "";
      const [, short] = /^([0-9a-f]{8,})\.pem$/.exec(rest) ?? [];
      if (isFile && short !== undefined) out.push({ short, file });
    }
  } catch (error) {
    throw wrapFileError(error, `read ${dir}`);
  }
  return out.sort((a, b) => a.file < b.file ? -1 : 1);
}
