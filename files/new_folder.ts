import { basename, dirname, join, resolve } from "@std/path";
import { random, toHex } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { syncFolder, wrapFileError, writeAll } from "./atomic_file.ts";
import { isThere } from "./key_files.ts";

/**
 * Makes the folder `path` (0700), with what `fill` puts into it, whole or not at all: it is filled under
 * another name beside it, and removed if `fill` throws. An empty folder may be there already. Throws
 * `file-exists` if there is anything else, `file-missing`, `file-io`, `disk-full`, and what `fill` throws.
 */
export async function makeFolderWhole<T>(
  path: string,
  fill: (folder: string) => Promise<T>,
): Promise<T> {
  const target = resolve(path);
  await requireNothingIn(path);
  const temp = join(dirname(target), `.${basename(target)}.${toHex(random(8))}.tmp`);
  let made = false;
  try {
    await Deno.mkdir(temp, { mode: 0o700 });
    made = true;
    const result = await fill(temp);
    // Nothing but an empty folder gives way.
    await Deno.remove(target).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await Deno.rename(temp, target);
    made = false;
    await syncFolder(dirname(target));
    return result;
  } catch (error) {
    throw wrapFileError(error, `make ${path}`);
  } finally {
    if (made) await Deno.remove(temp, { recursive: true }).catch(() => {});
  }
}

/** Makes `folder` and its parents (0700), durably, unless it is there. Throws `file-io`, `disk-full`. */
export async function makePrivateFolder(folder: string): Promise<void> {
  if (await isThere(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) await makePrivateFolder(parent);
  try {
    await Deno.mkdir(folder, { mode: 0o700 });
  } catch (error) {
    throw wrapFileError(error, `make the folder ${folder}`);
  }
  await syncFolder(parent);
}

/** Throws `file-exists` unless `path` is not there, or an empty folder. */
export async function requireNothingIn(path: string): Promise<void> {
  try {
    for await (const _ of Deno.readDir(path)) {
      throw new SealpostError("file-exists", `${path} is there and not empty; name a new folder`);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.NotADirectory) {
      throw new SealpostError("file-exists", `${path} is there and no folder; name a new one`);
    }
    throw wrapFileError(error, `read ${path}`);
  }
}

/** A new file (0600) that is written piece by piece. Its functions throw `file-io`, `disk-full`. */
export class NewFile implements Disposable {
  #file: Deno.FsFile | null;

  private constructor(readonly path: string, file: Deno.FsFile) {
    this.#file = file;
  }

  /** Throws `file-exists` if it is there, `file-io`, `disk-full`. */
  static async create(path: string): Promise<NewFile> {
    try {
      const options = { write: true, createNew: true, mode: 0o600 };
      return new NewFile(path, await Deno.open(path, options));
    } catch (error) {
      throw wrapFileError(error, `write ${path}`);
    }
  }

  async write(data: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const piece of data) if (this.#file) await writeAll(this.#file, piece);
    } catch (error) {
      throw wrapFileError(error, `write ${this.path}`);
    }
  }

  /** What was written is on the disk. */
  async finish(): Promise<void> {
    try {
      await this.#file?.syncData();
    } catch (error) {
      throw wrapFileError(error, `write ${this.path}`);
    } finally {
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = null;
  }
}

/** Writes a new file (0600), durably. Throws what {@linkcode NewFile} does, and what `data` throws. */
export async function writeNewFile(path: string, data: AsyncIterable<Uint8Array>): Promise<void> {
  using file = await NewFile.create(path);
  await file.write(data);
  await file.finish();
}
