import { join } from "@std/path";
import { type Bytes, toHex } from "../../crypto/bytes.ts";
import { wrapFileError, writeAll } from "../../files/atomic_file.ts";
import { fileChunks } from "./body_reader.ts";
import { CountingSink } from "./body_sink.ts";
import type { Disk } from "./disk.ts";
import type { BodySink, ResumedBody, StoredBody, UploadId, UploadStart } from "./store.ts";

/** Name of the folder, in the store's, of uploads that have broken off or still go on. */
export const UPLOADS_NAME = "uploads";

const NAME = /^([0-9a-f]{32})-([0-9a-f]{32})-(\d{1,16})\.(envelope|body)$/;
const ENVELOPE = ".envelope";
const BODY = ".body";

/** Most uploads of one sender that are kept; the oldest go first. */
export const MAX_PARTIALS = 8;

/** Bytes after which what came is made durable, so that it does not take long in the end. */
const SYNC_STEP = 32 * 1024 * 1024;

/** Whether `name` is one that a file of an unfinished upload has. */
export function isUploadName(name: string): boolean {
  return NAME.test(name);
}

/** Where finished bodies go. */
export interface Finisher {
  /** Takes over the durable, closed file at `path`; returns the handle of the body. */
  adopt(path: string): Promise<string>;
  /** Removes an adopted body that no delivery has taken. */
  release(name: string): Promise<void>;
}

/** One upload that is kept. */
interface Kept {
  readonly key: string;
  readonly bytes: number;
  /** When it was written to last, milliseconds since 1970. */
  readonly at: number;
}

/**
 * Uploads that can be continued: `uploads/SENDER-ID-SIZE.envelope`, written whole before the body
 * begins, and `….body`, which grows. SENDER is the first half of the sender's fingerprint, ID the
 * message's, SIZE the announced size of the whole, all of which the session has proven or must say
 * again: so nobody goes on with another's upload, nor with another message.
 *
 * Nothing here decides what a message is. Whoever goes on says the digest of the whole beforehand,
 * and the server hashes every byte again, those that were there too.
 */
export class PartialUploads {
  readonly #folder: string;
  readonly #disk: Disk;
  readonly #finisher: Finisher;
  readonly #active = new Map<string, PartialSink>();
  /** Serialises the operations on one key. */
  readonly #turns = new Map<string, Promise<unknown>>();

  private constructor(folder: string, disk: Disk, finisher: Finisher) {
    this.#folder = folder;
    this.#disk = disk;
    this.#finisher = finisher;
  }

  /** Opens, or makes, `uploads` in the store's folder. Throws `disk-full`, `file-io`. */
  static async open(folder: string, disk: Disk, finisher: Finisher): Promise<PartialUploads> {
    const uploads = join(folder, UPLOADS_NAME);
    try {
      await Deno.mkdir(uploads, { recursive: true, mode: 0o700 });
      if (Deno.build.os !== "windows") await Deno.chmod(uploads, 0o700);
    } catch (error) {
      throw wrapFileError(error, `make ${uploads}`);
    }
    return new PartialUploads(uploads, disk, finisher);
  }

  /** A sink for the body of a new upload. */
  create(size: number, { id, envelope, limit }: UploadStart): Promise<BodySink> {
    const key = keyOf(id);
    return this.#inTurn(key, async () => {
      await this.#active.get(key)?.suspend();
      await this.#drop(key);
      try {
        using file = await Deno.open(this.#path(key, ENVELOPE), {
          write: true,
          createNew: true,
          mode: 0o600,
        });
        await writeAll(file, envelope());
        const body = await Deno.open(this.#path(key, BODY), {
          write: true,
          createNew: true,
          mode: 0o600,
        });
        return this.#sink(key, size, 0, body, limit);
      } catch (error) {
        await this.#drop(key);
        throw wrapFileError(error, `write ${this.#path(key, BODY)}`);
      }
    });
  }

  /** As `Store.uploaded`. */
  offset(id: UploadId): Promise<number> {
    const key = keyOf(id);
    return this.#inTurn(key, async () => {
      await this.#active.get(key)?.suspend();
      const stored = await this.#storedSizes(key);
      return stored === null ? 0 : stored.envelope + stored.body;
    });
  }

  /** As `Store.resumeBody`. */
  resume(id: UploadId, offset: number, limit: number): Promise<ResumedBody | null> {
    const key = keyOf(id);
    return this.#inTurn(key, async () => {
      await this.#active.get(key)?.suspend();
      const stored = await this.#storedSizes(key);
      if (stored === null || offset < stored.envelope || offset > stored.envelope + stored.body) {
        return null;
      }
      const done = offset - stored.envelope;
      const path = this.#path(key, BODY);
      try {
        const envelope = await Deno.readFile(this.#path(key, ENVELOPE));
        const body = await Deno.open(path, { read: true, write: true });
        await body.truncate(done);
        await body.seek(done, Deno.SeekMode.Start);
        const sink = this.#sink(key, id.size - stored.envelope, done, body, limit);
        return { envelope, stored: fileChunks(path, done, 0), sink };
      } catch (error) {
        throw wrapFileError(error, `go on with ${path}`);
      }
    });
  }

  /** As `Store.dropUploads`. */
  async expire(before: number, limit: number): Promise<number> {
    const senders = new Map<string, Kept[]>();
    let dropped = 0;
    for (const kept of await this.#list()) {
      if (this.#active.has(kept.key)) continue;
      if (kept.at < before || kept.bytes === 0) {
        await this.#drop(kept.key);
        dropped++;
      } else {
        const sender = kept.key.slice(0, 32);
        senders.set(sender, [...senders.get(sender) ?? [], kept]);
      }
    }
    for (const all of senders.values()) dropped += await this.#bound(all, limit);
    return dropped;
  }

  /** Leaves what goes on to be continued by a later process. */
  async close(): Promise<void> {
    for (const sink of [...this.#active.values()]) await sink.suspend();
  }

  #sink(key: string, size: number, done: number, file: Deno.FsFile, limit: number): BodySink {
    const path = this.#path(key, BODY);
    const sink: PartialSink = new PartialSink(size, done, path, file, this.#disk, {
      finished: async () => {
        const name = await this.#finisher.adopt(path);
        this.#active.delete(key);
        await this.#drop(key);
        return name;
      },
      dropped: async (name) => {
        if (this.#active.get(key) === sink) this.#active.delete(key);
        if (name !== null) await this.#finisher.release(name);
        else await this.#drop(key);
      },
      suspended: async () => {
        this.#active.delete(key);
        const sender = key.slice(0, 32);
        const own = (await this.#list()).filter((kept) => kept.key.startsWith(`${sender}-`));
        await this.#bound(own.filter((kept) => !this.#active.has(kept.key)), limit);
      },
    });
    this.#active.set(key, sink);
    return sink;
  }

  /** Removes the oldest of `all`, uploads of one sender, that are too many or over `limit` bytes. */
  async #bound(all: readonly Kept[], limit: number): Promise<number> {
    let room = limit;
    let count = 0;
    let dropped = 0;
    for (const { key, bytes } of all.toSorted((a, b) => b.at - a.at)) {
      if (count < MAX_PARTIALS && bytes <= room) {
        room -= bytes;
        count++;
      } else {
        await this.#drop(key);
        dropped++;
      }
    }
    return dropped;
  }

  /** How much of an upload is stored, made durable first; null, and nothing left, if it cannot be used. */
  async #storedSizes(key: string): Promise<{ envelope: number; body: number } | null> {
    const sizes: number[] = [];
    for (const suffix of [ENVELOPE, BODY]) {
      try {
        // Some systems fsync only what is open for writing.
        using file = await Deno.open(this.#path(key, suffix), { read: true, write: true });
        await this.#disk.syncFile(file);
        sizes.push((await file.stat()).size);
      } catch {
        await this.#drop(key);
        return null;
      }
    }
    await this.#disk.syncFolder(this.#folder);
    const [envelope = 0, body = 0] = sizes;
    return { envelope, body };
  }

  async #list(): Promise<Kept[]> {
    const all = new Map<string, Kept>();
    for await (const { name } of Deno.readDir(this.#folder)) {
      if (!isUploadName(name)) continue;
      const key = name.slice(0, name.lastIndexOf("."));
      // It may be finished meanwhile.
      const info = await Deno.lstat(join(this.#folder, name)).catch(() => null);
      if (info === null) continue;
      const before = all.get(key) ?? { bytes: 0, at: 0 };
      all.set(key, {
        key,
        bytes: before.bytes + info.size,
        at: Math.max(before.at, info.mtime?.getTime() ?? 0),
      });
    }
    return [...all.values()];
  }

  async #drop(key: string): Promise<void> {
    for (const suffix of [BODY, ENVELOPE]) {
      await Deno.remove(this.#path(key, suffix)).catch(() => {});
    }
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(work, work);
    this.#turns.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  #path(key: string, suffix: string): string {
    return join(this.#folder, `${key}${suffix}`);
  }
}

function keyOf({ senderFp, messageId, size }: UploadId): string {
  return `${toHex(senderFp.subarray(0, 16))}-${toHex(messageId)}-${size}`;
}

/** Callbacks to the owner of the files; the file is closed before each. */
interface Owner {
  finished(): Promise<string>;
  /** `name`: the body that was finished before, null if it never was. */
  dropped(name: string | null): Promise<void>;
  suspended(): Promise<void>;
}

/** A body that goes to a file which stays when the upload breaks off. */
class PartialSink extends CountingSink {
  #open = true;
  #unsynced = 0;
  #name: string | null = null;
  /** The write that is going on. */
  #writing: Promise<void> = Promise.resolve();

  constructor(
    size: number,
    done: number,
    private readonly path: string,
    private readonly file: Deno.FsFile,
    private readonly disk: Disk,
    private readonly owner: Owner,
  ) {
    super(size, done);
  }

  protected override async put(chunk: Bytes): Promise<void> {
    this.#writing = this.#write(chunk);
    await this.#writing;
  }

  async #write(chunk: Bytes): Promise<void> {
    try {
      await writeAll(this.file, chunk);
      this.#unsynced += chunk.length;
      if (this.#unsynced < SYNC_STEP) return;
      await this.disk.syncFile(this.file);
      this.#unsynced = 0;
    } catch (error) {
      throw wrapFileError(error, `write ${this.path}`);
    }
  }

  protected override async seal(): Promise<StoredBody> {
    try {
      await this.disk.syncFile(this.file);
      this.#close();
      this.#name = await this.owner.finished();
    } catch (error) {
      throw wrapFileError(error, `write ${this.path}`);
    }
    return { size: this.size, inline: null, file: this.#name };
  }

  protected override async forget(): Promise<void> {
    await this.#writing.catch(() => {});
    this.#close();
    await this.owner.dropped(this.#name);
  }

  protected override async keep(): Promise<void> {
    const whole = await this.#writing.then(() => true, () => false);
    this.#close();
    // After a failed write nobody knows what is there.
    if (whole) await this.owner.suspended();
    else await this.owner.dropped(null);
  }

  #close(): void {
    if (this.#open) this.file.close();
    this.#open = false;
  }
}
