import { type Bytes, random, toHex } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { syncFolder, wrapFileError } from "../protocol/atomic_file.ts";
import { fileChunks } from "./body_reader.ts";
import { FileSink } from "./body_sink.ts";
import type { BodySink } from "./store.ts";
import { exists } from "@std/fs";
import { join } from "@std/path";

const NAME = /^[0-9a-f]{32}$/;

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
 * Removal is the other way round: COMMIT without the row, then the file. So a crash can leave a file
 * without a row, never a row without a file; {@linkcode BodyFiles.sweep} removes those at the start.
 */
export class BodyFiles {
  readonly #root: string;
  readonly #shards = new Set<string>();
  readonly #arriving = new Set<BodySink>();
  readonly #finished = new Set<string>();

  private constructor(root: string) {
    this.#root = root;
  }

  /** Opens, or makes, `bodies` in the store's folder. Throws `disk-full` or `file-io`. */
  static async open(folder: string): Promise<BodyFiles> {
    const files = new BodyFiles(join(folder, "bodies"));
    try {
      await Deno.mkdir(join(files.#root, "tmp"), { recursive: true, mode: 0o700 });
      if (Deno.build.os !== "windows") await Deno.chmod(files.#root, 0o700);
    } catch (error) {
      throw wrapFileError(error, `make ${files.#root}`);
    }
    await syncFolder(files.#root);
    await syncFolder(folder);
    return files;
  }

  /**
   * Removes every file that no row names: unfinished uploads, deliveries that were not committed,
   * messages whose removal was. `rows` gives the names that rows have in one `AB`. Returns the names without a file, sorted. Throws `file-io`.
   */
  async sweep(rows: (shard: string) => ReadonlySet<string>): Promise<readonly string[]> {
    const missing: string[] = [];
    try {
      for await (const { name } of Deno.readDir(join(this.#root, "tmp"))) {
        if (NAME.test(name)) await Deno.remove(join(this.#root, "tmp", name));
      }
      for (let i = 0; i < 256; i++) {
        const shard = toHex(new Uint8Array([i]));
        const folder = join(this.#root, shard);
        const lost = new Set(rows(shard));
        if (await exists(folder, { isDirectory: true })) {
          this.#shards.add(shard);
          for await (const { name } of Deno.readDir(folder)) {
            if (!lost.delete(name) && NAME.test(name)) await Deno.remove(join(folder, name));
          }
        }
        missing.push(...lost);
      }
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
    const sink = new FileSink(size, path, file, {
      name,
      finished: () => {
        this.#arriving.delete(sink);
        this.#finished.add(name);
      },
      // What a delivery took over is not the sink's any more.
      aborted: async (finished) => {
        this.#arriving.delete(sink);
        if (!finished || this.#finished.delete(name)) await removeQuietly(path);
      },
    });
    this.#arriving.add(sink);
    return sink;
  }

  /** Removes all that no delivery took over. */
  async close(): Promise<void> {
    for (const sink of [...this.#arriving]) await sink.abort();
    for (const name of this.#finished) await this.remove(name);
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
        await syncFolder(this.#root);
        this.#shards.add(shard);
      }
      await Deno.rename(this.#temp(name), this.#path(name));
      await syncFolder(folder);
    } catch (error) {
      await this.remove(name);
      throw wrapFileError(error, `keep ${this.#path(name)}`);
    }
  }

  /**
   * Removes a body that no row names any more, wherever it is. What cannot be removed now is removed
   * by the next start, so this does not reject.
   */
  async remove(name: string): Promise<void> {
    await removeQuietly(this.#temp(name));
    await removeQuietly(this.#path(name));
  }

  /** The bytes of a body of `size` from `offset` on, read as {@linkcode fileChunks} does. */
  read(name: string, size: number, offset: number): AsyncIterable<Bytes> {
    return fileChunks(this.#path(name), size, offset);
  }

  #temp(name: string): string {
    return join(this.#root, "tmp", name);
  }

  #path(name: string): string {
    return join(this.#root, name.slice(0, 2), name);
  }
}

/** Removes a file, if it is there and can be removed now. */
async function removeQuietly(path: string): Promise<void> {
  await Deno.remove(path).catch(() => {});
}
