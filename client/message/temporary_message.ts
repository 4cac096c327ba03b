import { join } from "@std/path";
import { type AesKey, aesOpen, aesSeal, importAesKey, TAG_SIZE } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, free, random, toHex, u32, u64, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { wrapFileError, writeAll } from "../../files/atomic_file.ts";

/** Up to this size a message is held in memory and no file is made, bytes. */
const IN_MEMORY = 1024 * 1024;

/** What is sealed at a time, bytes. */
const CHUNK = 65_536;
const SEALED_CHUNK = CHUNK + TAG_SIZE;

/**
 * An opened message that nobody has seen: in memory if it is small, else in a 0600 temporary file,
 * sealed under a key that is in memory alone. It can be read only after
 * {@linkcode TemporaryMessage.verified}.
 *
 * The file: chunks of 64 KiB, the last one shorter, each under AES-256-GCM with its index as nonce.
 */
export class TemporaryMessage {
  readonly #folder: string;
  #parts: Bytes[] = [];
  /** What is in `#parts`, bytes. */
  #held = 0;
  #size = 0;
  #path: string | null = null;
  #file: Deno.FsFile | null = null;
  #key: AesKey | null = null;
  #chunks = 0;
  #verified = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  /** Takes the next part, which nobody else uses any more. Throws `disk-full`, `file-io`. */
  async write(part: Bytes): Promise<void> {
    this.#size += part.length;
    this.#parts.push(part);
    this.#held += part.length;
    if (!this.#file && this.#size <= IN_MEMORY) return;
    try {
      const file = this.#file ?? await this.#spill();
      if (this.#held >= CHUNK) await this.#sealHeld(file, false);
    } catch (error) {
      throw wrapFileError(error, `write to ${this.#folder}`);
    }
  }

  async #spill(): Promise<Deno.FsFile> {
    const raw = random(32);
    this.#key = await importAesKey(raw);
    wipe(raw);
    this.#path = join(this.#folder, `${toHex(random(8))}.message`);
    this.#file = await Deno.open(this.#path, {
      read: true,
      write: true,
      createNew: true,
      mode: 0o600,
    });
    return this.#file;
  }

  /** Writes what is held in whole chunks; with `last`, the rest too. */
  async #sealHeld(file: Deno.FsFile, last: boolean): Promise<void> {
    const held = concat(...this.#parts);
    wipe(...this.#parts);
    free(...this.#parts);
    let at = 0;
    for (; at + CHUNK <= held.length || (last && at < held.length); at += CHUNK) {
      const chunk = held.subarray(at, Math.min(at + CHUNK, held.length));
      const sealed = await aesSeal(this.#aes(), nonceOf(this.#chunks++), chunk);
      await writeAll(file, sealed);
      free(sealed);
    }
    const rest = held.slice(Math.min(at, held.length));
    wipe(held);
    free(held);
    this.#parts = [rest];
    this.#held = rest.length;
  }

  /** Says that the sender's signature verified. Throws `authentication` for another size. */
  async verified(size: number): Promise<void> {
    if (size !== this.#size) {
      throw new SealpostError(
        "authentication",
        "the message does not have the size its summary says",
      );
    }
    if (this.#file) {
      try {
        await this.#sealHeld(this.#file, true);
      } catch (error) {
        throw wrapFileError(error, `write to ${this.#folder}`);
      }
    } else this.#parts = [concat(...this.#parts)];
    this.#verified = true;
  }

  /** The message, from its beginning. */
  stream(): AsyncGenerator<Bytes, void, undefined> {
    return this.read(0, this.#size);
  }

  /** What is there from `from` up to `to`, bytes; at most up to the end. Throws `file-io`. */
  async *read(from: number, to: number): AsyncGenerator<Bytes, void, undefined> {
    if (!this.#verified) throw new SealpostError("internal", "a message that did not verify");
    const end = Math.min(to, this.#size);
    if (this.#path === null) {
      const [whole = new Uint8Array(0)] = this.#parts;
      if (from < end) yield whole.slice(from, end);
      return;
    }
    for (let at = from; at < end;) {
      const index = Math.floor(at / CHUNK);
      const chunk = await this.#chunk(index);
      const start = index * CHUNK;
      yield chunk.subarray(at - start, Math.min(end - start, chunk.length));
      at = start + CHUNK;
    }
  }

  async #chunk(index: number): Promise<Bytes> {
    const size = Math.min(SEALED_CHUNK, this.#size - index * CHUNK + TAG_SIZE);
    const sealed = new Uint8Array(size);
    try {
      // Opened for each chunk: several may read the message at a time, each at its own place.
      using file = await Deno.open(this.#path ?? "");
      await file.seek(index * SEALED_CHUNK, Deno.SeekMode.Start);
      for (let got = 0; got < size;) {
        const n = await file.read(sealed.subarray(got));
        if (n === null) throw new SealpostError("file-io", `${this.#path} was cut`);
        got += n;
      }
    } catch (error) {
      throw wrapFileError(error, `read ${this.#path}`);
    }
    const chunk = await aesOpen(this.#aes(), nonceOf(index), sealed);
    free(sealed);
    return chunk;
  }

  #aes(): AesKey {
    if (this.#key) return this.#key;
    throw new SealpostError("internal", "a temporary message without its key");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Forgets the message. Safe to call again. */
  async dispose(): Promise<void> {
    this.#verified = false;
    wipe(...this.#parts);
    this.#parts = [];
    this.#key = null;
    this.#file?.close();
    this.#file = null;
    if (this.#path !== null) await Deno.remove(this.#path).catch(() => {});
    this.#path = null;
  }
}

function nonceOf(index: number): Bytes {
  return concat(u32(0), u64(index));
}
