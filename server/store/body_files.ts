import { type Bytes, random, toHex } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { fileChunks } from "./body_reader.ts";
import { FileSink } from "./body_sink.ts";
import { BODIES_NAME } from "./database.ts";
import type { Disk } from "./disk.ts";
import { isPinned } from "./pin.ts";
import type { BodySink } from "./store.ts";
import { exists } from "@std/fs";
import { join } from "@std/path";

/** Name of the folder, among those of the bodies, of the ones that arrive. */
export const TEMP_NAME = "tmp";

/** How long bodies that a pin held are kept before the next look, milliseconds. */
const RETRY = 500;

/** Whether `name` is one that a body has. */
export function isBodyName(name: string): boolean {
  return /^[0-9a-f]{32}$/.test(name);
}

/** Where the body `name` is, below the folder of bodies: `AB/NAME`. */
export function bodyPath(name: string): string {
  return join(name.slice(0, 2), name);
}

/**
 * The bodies too large for the database: `bodies/AB/NAME`, where NAME is 32 random hexadecimal
 * digits and AB its first two, and `bodies/tmp/NAME` while one arrives.
 *
 * The order of what is made durable, so that at any crash every row has its file:
 * 1. the bytes: written to `bodies/tmp/NAME`, the file fsynced ({@linkcode BodySink.finish});
 * 2. the name: renamed to `bodies/AB/NAME` and `bodies/AB` fsynced ({@linkcode BodyFiles.place}); a new
 *    `bodies/AB` was fsynced into `bodies` before that;
 * 3. the row that names it: COMMIT, which fsyncs the database's log.
 *
 * Removal is the other way round: COMMIT without the row, then the file, unless somebody who copies
 * the store has pinned it ({@linkcode isPinned}); then as soon as nobody has. So a crash can leave a
 * file without a row, never a row without a file; {@linkcode BodyFiles.sweep} removes those at the
 * start.
 *
 * A file whose fsync failed is given up, never fsynced again: the second attempt would succeed without
 * the bytes that the first one lost.
 */
export class BodyFiles {
  readonly #folder: string;
  readonly #root: string;
  readonly #disk: Disk;
  readonly #shards = new Set<string>();
  readonly #arriving = new Set<BodySink>();
  readonly #finished = new Set<string>();
  /** Paths, below the root, of bodies without a row that a pin keeps. */
  readonly #held = new Set<string>();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  private constructor(folder: string, disk: Disk) {
    this.#folder = folder;
    this.#root = join(folder, BODIES_NAME);
    this.#disk = disk;
  }

  /** Opens, or makes, `bodies` in the store's folder. Throws `disk-full` or `file-io`. */
  static async open(folder: string, disk: Disk): Promise<BodyFiles> {
    const files = new BodyFiles(folder, disk);
    try {
      await Deno.mkdir(join(files.#root, TEMP_NAME), { recursive: true, mode: 0o700 });
      if (Deno.build.os !== "windows") await Deno.chmod(files.#root, 0o700);
    } catch (error) {
      throw wrapFileError(error, `make ${files.#root}`);
    }
    await disk.syncFolder(files.#root);
    await disk.syncFolder(folder);
    return files;
  }

  /**
   * Removes every file that no row names: unfinished uploads, deliveries that were not committed,
   * messages whose removal was. `rows` gives the names that rows have in one `AB`. Returns the names
   * without a file, sorted. Throws `file-io`.
   */
  async sweep(rows: (shard: string) => ReadonlySet<string>): Promise<readonly string[]> {
    const missing: string[] = [];
    const unnamed: string[] = [];
    try {
      for await (const { name } of Deno.readDir(join(this.#root, TEMP_NAME))) {
        if (isBodyName(name)) await Deno.remove(this.#temp(name));
      }
      for (let i = 0; i < 256; i++) {
        const shard = toHex(new Uint8Array([i]));
        const folder = join(this.#root, shard);
        const lost = new Set(rows(shard));
        if (await exists(folder, { isDirectory: true })) {
          this.#shards.add(shard);
          for await (const { name } of Deno.readDir(folder)) {
            if (!lost.delete(name) && isBodyName(name)) unnamed.push(join(shard, name));
          }
        }
        missing.push(...lost);
      }
      // Nothing goes from a damaged store: what is there may be of use to whoever mends it.
      if (missing.length === 0) await this.#removeUnnamed(unnamed);
    } catch (error) {
      throw wrapFileError(error, `check the files in ${this.#root}`);
    }
    return missing.sort();
  }

  /** A sink for a body of exactly `size` bytes that goes to a file. Throws as `Store.openBody`. */
  async create(size: number): Promise<BodySink> {
    const name = toHex(random(16));
    const path = this.#temp(name);
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    } catch (error) {
      throw wrapFileError(error, `write ${path}`);
    }
    const sink = new FileSink(size, path, file, this.#disk, {
      name,
      finished: () => {
        this.#arriving.delete(sink);
        this.#finished.add(name);
      },
      // What a delivery took over is not the sink's any more.
      aborted: async (finished) => {
        this.#arriving.delete(sink);
        if (!finished || this.#finished.delete(name)) await Deno.remove(path).catch(() => {});
      },
    });
    this.#arriving.add(sink);
    return sink;
  }

  /**
   * Takes a whole, durable, closed file from elsewhere in the store, as if it had been written here.
   * Returns the body's name. Throws what the system throws.
   */
  async adopt(path: string): Promise<string> {
    const name = toHex(random(16));
    try {
      await Deno.rename(path, this.#temp(name));
    } catch (error) {
      // The server's operator may have put the bodies on a disk of their own.
      if (!(error instanceof Error && "code" in error && error.code === "EXDEV")) throw error;
      await this.#copy(path, this.#temp(name));
    }
    this.#finished.add(name);
    return name;
  }

  async #copy(from: string, to: string): Promise<void> {
    try {
      await Deno.copyFile(from, to);
      using file = await Deno.open(to, { read: true, write: true });
      await this.#disk.syncFile(file);
    } catch (error) {
      await Deno.remove(to).catch(() => {});
      throw error;
    }
  }

  /** Removes an adopted body, unless a delivery has taken it. */
  async release(name: string): Promise<void> {
    if (this.#finished.delete(name)) await Deno.remove(this.#temp(name)).catch(() => {});
  }

  /** Removes all that no delivery took over. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const sink of [...this.#arriving]) await sink.abort();
    for (const name of this.#finished) await this.discard(name);
    this.#finished.clear();
  }

  /** Takes over a finished body, so that its sink can no longer remove it. */
  claim(name: string): void {
    if (!this.#finished.delete(name)) {
      throw new SealpostError("internal", "a body that this store has not finished, or has taken");
    }
  }

  /** Gives a claimed body its lasting name, durably. On failure it is removed. */
  async place(name: string): Promise<void> {
    const shard = name.slice(0, 2);
    const folder = join(this.#root, shard);
    try {
      if (!this.#shards.has(shard)) {
        await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
        await this.#disk.syncFolder(this.#root);
        this.#shards.add(shard);
      }
      await Deno.rename(this.#temp(name), this.#path(name));
      await this.#disk.syncFolder(folder);
    } catch (error) {
      await this.discard(name);
      throw wrapFileError(error, `keep ${this.#path(name)}`);
    }
  }

  /**
   * Removes a body that no committed row has ever named, wherever it is. What cannot be removed now is
   * removed by the next start, so this does not reject.
   */
  async discard(name: string): Promise<void> {
    await Deno.remove(this.#temp(name)).catch(() => {});
    await Deno.remove(this.#path(name)).catch(() => {});
  }

  /**
   * Removes a body whose row was removed, now or when no pin holds it any more. What cannot be removed
   * is removed by the next start, so this does not reject.
   */
  async remove(name: string): Promise<void> {
    await this.#removeUnnamed([bodyPath(name)]);
  }

  async #removeUnnamed(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.#held.add(path);
    if (this.#held.size === 0 || this.#retry !== undefined) return;
    if (!await isPinned(this.#folder)) {
      for (const path of [...this.#held]) {
        await Deno.remove(join(this.#root, path)).catch(() => {});
        this.#held.delete(path);
      }
    } else if (!this.#closed && this.#retry === undefined) {
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#removeUnnamed([]);
      }, RETRY);
      Deno.unrefTimer(this.#retry);
    }
  }

  /** The bytes of a body of `size` from `offset` on, read as {@linkcode fileChunks} does. */
  read(name: string, size: number, offset: number): AsyncIterable<Bytes> {
    return fileChunks(this.#path(name), size, offset);
  }

  #temp(name: string): string {
    return join(this.#root, TEMP_NAME, name);
  }

  #path(name: string): string {
    return join(this.#root, bodyPath(name));
  }
}
