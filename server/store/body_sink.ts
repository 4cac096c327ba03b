import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { wrapFileError, writeAll } from "../../files/atomic_file.ts";
import type { Disk } from "./disk.ts";
import type { BodySink, StoredBody } from "./store.ts";

/** The base of all sinks: counts bytes and ends once. Any failure gives the body up. */
export abstract class CountingSink implements BodySink {
  #left: number;
  #state: "open" | "finished" | "ended" | "suspended" = "open";

  /** `done`: how many of the `size` bytes are there already. */
  constructor(protected readonly size: number, done = 0) {
    this.#left = size - done;
  }

  async write(chunk: Bytes): Promise<void> {
    this.#mustBeOpen();
    try {
      if (chunk.length > this.#left) {
        throw new SealpostError("limit", `a body of more than the ${this.size} bytes announced`);
      }
      this.#left -= chunk.length;
      await this.put(chunk, this.size - this.#left - chunk.length);
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  async finish(): Promise<StoredBody> {
    this.#mustBeOpen();
    try {
      if (this.#left > 0) {
        throw new SealpostError("format", `a body that ends ${this.#left} bytes early`);
      }
      const body = await this.seal();
      if (this.#state !== "open") {
        await this.forget(true);
        throw givenUp();
      }
      this.#state = "finished";
      return body;
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  async abort(): Promise<void> {
    const state = this.#state;
    if (state === "suspended") return;
    this.#state = "ended";
    if (state !== "ended") await this.forget(state === "finished");
  }

  async suspend(): Promise<void> {
    if (this.#state !== "open") return await this.abort();
    this.#state = "suspended";
    await this.keep();
  }

  #mustBeOpen(): void {
    if (this.#state === "suspended") throw givenUp();
    if (this.#state !== "open") {
      throw new SealpostError("internal", "a body that is finished or was given up");
    }
  }

  /** Keeps `chunk`, whose first byte is byte `at` of the body. */
  protected abstract put(chunk: Bytes, at: number): Promise<void>;
  /** Makes the whole body durable, as far as that is done before the commit. */
  protected abstract seal(): Promise<StoredBody>;
  /** Drops what was kept. */
  protected abstract forget(finished: boolean): Promise<void>;
  /** Leaves what was kept to be continued, if it can be. */
  protected keep(): Promise<void> {
    return this.forget(false);
  }
}

/** The error of an upload that somebody else has taken over. */
export function givenUp(): SealpostError {
  return new SealpostError("cancelled", "this upload was given up, or goes on elsewhere");
}

/** A body that goes into the database with its row; it never touches the disk before that. */
export class MemorySink extends CountingSink {
  readonly #bytes: Bytes;

  constructor(size: number) {
    super(size);
    this.#bytes = new Uint8Array(size);
  }

  protected override put(chunk: Bytes, at: number): Promise<void> {
    this.#bytes.set(chunk, at);
    return Promise.resolve();
  }

  protected override seal(): Promise<StoredBody> {
    return Promise.resolve({ size: this.size, inline: this.#bytes, file: null });
  }

  protected override forget(): Promise<void> {
    return Promise.resolve();
  }
}

/** Callbacks to the owner of the files. */
export interface FileOwner {
  /** The handle that the finished body has. */
  readonly name: string;
  /** The file is whole, durable and closed. */
  finished(): void;
  /** The file is closed and to be removed, unless it was `finished` and someone has taken it. */
  aborted(finished: boolean): Promise<void>;
}

/** A body that goes to `file`, open for writing, whose path is `path`. */
export class FileSink extends CountingSink {
  #open = true;

  constructor(
    size: number,
    private readonly path: string,
    private readonly file: Deno.FsFile,
    private readonly disk: Disk,
    private readonly owner: FileOwner,
  ) {
    super(size);
  }

  protected override async put(chunk: Bytes): Promise<void> {
    try {
      await writeAll(this.file, chunk);
    } catch (error) {
      throw wrapFileError(error, `write ${this.path}`);
    }
  }

  protected override async seal(): Promise<StoredBody> {
    try {
      await this.disk.syncFile(this.file);
    } catch (error) {
      throw wrapFileError(error, `write ${this.path}`);
    }
    this.#close();
    this.owner.finished();
    return { size: this.size, inline: null, file: this.owner.name };
  }

  protected override async forget(finished: boolean): Promise<void> {
    this.#close();
    await this.owner.aborted(finished);
  }

  #close(): void {
    if (this.#open) this.file.close();
    this.#open = false;
  }
}
