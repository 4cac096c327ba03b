import { join } from "@std/path";
import { type Bytes, toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { wrapFileError, writeAll } from "../../files/atomic_file.ts";
import { readPieces } from "../../files/pieces.ts";
import type { Entry } from "../../protocol/entry.ts";
import type { State } from "./state.ts";

const FOLDER = "bodies";
const PARTIAL = ".partial";

/** Whose body it is, and its size in bytes; `Entry` and `Envelope` have these. */
type BodyOf = Pick<Entry, "header" | "bodySize">;

/** What all bodies that are kept may come to, bytes; those that were read longest ago go first. */
export const MAX_BODIES = 512 * 1024 * 1024;

/**
 * The part of the limit that is kept before the folder is looked at again, which lists all of it: other
 * clients of the user keep bodies there too.
 */
const UNCOUNTED = 1 / 16;

/** Age at which an interrupted download is given up, milliseconds. */
const MAX_INTERRUPTION = 7 * 86_400_000;

/**
 * The bodies of messages that were fetched, each in a file as the server has it: sealed under the
 * file key of its message, which is kept sealed for the user's identity. So what is here is verified
 * again, to its last byte, whenever it is read, and says nothing to anybody else.
 *
 * A file has the name of its message while it is whole, and `.partial` behind it while it is fetched;
 * what a broken connection, or a crash, left of it is where the next attempt goes on.
 */
export class Bodies {
  readonly #folder: string;
  readonly #limit: number;
  /** Bytes that may be kept before the folder is looked at again. */
  #room = 0;

  private constructor(folder: string, limit: number) {
    this.#folder = folder;
    this.#limit = limit;
  }

  /** Opens the folder, or makes it, and removes downloads that were given up. Throws `file-io`. */
  static async open(state: State, limit = MAX_BODIES): Promise<Bodies> {
    const folder = state.path(FOLDER);
    try {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      for await (const { name } of Deno.readDir(folder)) {
        if (!name.endsWith(PARTIAL)) continue;
        const path = join(folder, name);
        const { mtime } = await Deno.lstat(path).catch(() => ({ mtime: null }));
        if (mtime !== null && Date.now() - mtime.getTime() > MAX_INTERRUPTION) {
          await Deno.remove(path).catch(() => {});
        }
      }
    } catch (error) {
      throw wrapFileError(error, `use ${folder}`);
    }
    return new Bodies(folder, limit);
  }

  /** The sealed body of an entry; null if it is not here in full. */
  async read(entry: Entry): Promise<AsyncIterable<Bytes> | null> {
    const path = await this.#path(entry);
    const info = await Deno.stat(path).catch(() => null);
    if (info?.size !== entry.bodySize) return null;
    // What was read last is kept longest.
    await Deno.utime(path, new Date(), new Date()).catch(() => {});
    return readPieces(path);
  }

  /** Keeps a body that is all there. A disk that refuses keeps none, and says nothing. */
  async put(entry: BodyOf, body: AsyncIterable<Bytes>): Promise<void> {
    const partial = await this.fetching(entry);
    if (!partial) return;
    if (partial.storedSize > 0) return await partial.drop();
    try {
      for await (const piece of body) await partial.append(piece);
      await partial.keep();
    } catch (error) {
      await partial.drop();
      throw error;
    }
  }

  /** Forgets the body of an entry, or what there is of it. */
  async drop(entry: Pick<Entry, "header">): Promise<void> {
    const path = await this.#path(entry);
    for (const one of [path, path + PARTIAL]) await Deno.remove(one).catch(() => {});
  }

  /**
   * Room for a body that is fetched, with what an earlier attempt left; null where it cannot be kept:
   * another client of the user fetches it now, or the disk refuses.
   */
  async fetching(entry: BodyOf): Promise<PartialBody | null> {
    const path = await this.#path(entry);
    try {
      const file = await Deno.open(path + PARTIAL, {
        create: true,
        read: true,
        write: true,
        mode: 0o600,
      });
      if (!await file.tryLock(true)) {
        file.close();
        return null;
      }
      const { size } = await file.stat();
      const there = size <= entry.bodySize ? size : 0;
      await file.truncate(there);
      await file.seek(there, Deno.SeekMode.Start);
      return new PartialBody(path, file, there, () => this.#makeRoom(path, entry.bodySize));
    } catch {
      return null;
    }
  }

  /** Removes bodies until all together are within the limit; `newest` alone if it is too large. */
  async #makeRoom(newest: string, added: number): Promise<void> {
    if (added <= this.#room) {
      this.#room -= added;
      return;
    }
    const all: { path: string; size: number; at: number }[] = [];
    for await (const { name } of Deno.readDir(this.#folder)) {
      const path = join(this.#folder, name);
      const info = await Deno.lstat(path).catch(() => null);
      if (!info || name.endsWith(PARTIAL)) continue;
      // One that takes most of the room is not worth the loss of all others.
      const size = path === newest && info.size > this.#limit / 4 ? Infinity : info.size;
      all.push({ path, size, at: path === newest ? Infinity : info.mtime?.getTime() ?? 0 });
    }
    let room = this.#limit;
    for (const { path, size } of all.sort((a, b) => b.at - a.at)) {
      if (size <= room) room -= size;
      else await Deno.remove(path).catch(() => {});
    }
    this.#room = Math.min(room, this.#limit * UNCOUNTED);
  }

  async #path({ header }: Pick<Entry, "header">): Promise<string> {
    return join(this.#folder, toHex((await sha256(header)).slice(0, 16)));
  }
}

/** A body while it is fetched. A disk that refuses ends only the keeping. */
export class PartialBody {
  readonly #path: string;
  #file: Deno.FsFile | null;
  readonly #makeRoom: () => Promise<void>;

  /** `storedSize`: the bytes that an earlier attempt left. */
  constructor(
    path: string,
    file: Deno.FsFile,
    readonly storedSize: number,
    makeRoom: () => Promise<void>,
  ) {
    this.#path = path;
    this.#file = file;
    this.#makeRoom = makeRoom;
  }

  /** The bytes that an earlier attempt left. */
  async *stored(): AsyncGenerator<Bytes, void, undefined> {
    let left = this.storedSize;
    for await (const piece of readPieces(this.#path + PARTIAL)) {
      if (piece.length >= left) return yield piece.subarray(0, left);
      left -= piece.length;
      yield piece;
    }
  }

  /** Takes what came next. */
  async append(piece: Bytes): Promise<void> {
    if (!this.#file) return;
    try {
      await writeAll(this.#file, piece);
    } catch {
      await this.drop();
    }
  }

  /** All of it is there and has verified: it is kept. */
  async keep(): Promise<void> {
    if (!this.#file) return;
    this.#close();
    try {
      await Deno.rename(this.#path + PARTIAL, this.#path);
      await this.#makeRoom();
    } catch {
      await Deno.remove(this.#path + PARTIAL).catch(() => {});
    }
  }

  /** Keeps what is stored for another attempt, and stops writing. */
  suspend(): void {
    this.#close();
  }

  /** Forgets what is there. */
  async drop(): Promise<void> {
    this.#close();
    await Deno.remove(this.#path + PARTIAL).catch(() => {});
  }

  #close(): void {
    // The lock goes with the file.
    this.#file?.close();
    this.#file = null;
  }
}
