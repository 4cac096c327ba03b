import { join } from "@std/path";
import { type Bytes, concat, random, toHex, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { wrapFileError, writeAll } from "../../files/atomic_file.ts";
import { readPieces } from "../../files/pieces.ts";

/** Up to this size a message is held in memory and no file is made, bytes. */
const IN_MEMORY = 1024 * 1024;

/**
 * An opened message that nobody has seen: in memory if it is small, else in a 0600 temporary file.
 * It can be read only after {@linkcode TemporaryMessage.verified}.
 */
export class TemporaryMessage {
  readonly #folder: string;
  #parts: Bytes[] = [];
  #size = 0;
  #path: string | null = null;
  #file: Deno.FsFile | null = null;
  #verified = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** Takes the next part. Throws `disk-full`, `file-io`. */
  async write(part: Bytes): Promise<void> {
    this.#size += part.length;
    if (!this.#file && this.#size <= IN_MEMORY) {
      this.#parts.push(part);
      return;
    }
    try {
      const file = this.#file ?? await this.#spill();
      await writeAll(file, part);
    } catch (error) {
      throw wrapFileError(error, `write to ${this.#folder}`);
    }
  }

  async #spill(): Promise<Deno.FsFile> {
    this.#path = join(this.#folder, `${toHex(random(8))}.message`);
    this.#file = await Deno.open(this.#path, { write: true, createNew: true, mode: 0o600 });
    await writeAll(this.#file, concat(...this.#parts));
    wipe(...this.#parts);
    this.#parts = [];
    return this.#file;
  }

  /** Says that the sender's signature verified. Throws `authentication` for another size. */
  verified(size: number): Promise<void> {
    if (size !== this.#size) {
      return Promise.reject(
        new SealpostError("authentication", "the message does not have the size its summary says"),
      );
    }
    this.#file?.close();
    this.#file = null;
    this.#verified = true;
    return Promise.resolve();
  }

  /** The message, from its beginning. */
  async *stream(): AsyncGenerator<Bytes, void, undefined> {
    if (!this.#verified) throw new SealpostError("internal", "a message that did not verify");
    if (this.#path === null) {
      for (const part of this.#parts) yield part;
      return;
    }
    yield* readPieces(this.#path);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Forgets the message. Safe to call again. */
  async dispose(): Promise<void> {
    this.#verified = false;
    wipe(...this.#parts);
    this.#parts = [];
    this.#file?.close();
    this.#file = null;
    if (this.#path !== null) await Deno.remove(this.#path).catch(() => {});
    this.#path = null;
  }
}
