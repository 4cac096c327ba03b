import { type AesKey, aesOpen, aesSeal, TAG_SIZE } from "./aes_gcm.ts";
import { type Bytes, concat, u64 } from "./bytes.ts";
import { SealpostError } from "./error.ts";

/** Bytes of plaintext in every chunk but the last, which has 1 to this many. */
export const CHUNK = 65536;

/** Bytes of a whole chunk when sealed. */
export const SEALED_CHUNK = CHUNK + TAG_SIZE;

/** Nonce: an 11-byte big-endian counter of chunks from 0, then 1 for the last chunk, else 0. */
function nonce(counter: number, last: boolean): Bytes {
  return concat(new Uint8Array(3), u64(counter), new Uint8Array([last ? 1 : 0]));
}

/** Checks the order and the size of chunks, for both directions. */
class Chunks {
  #next = 0;
  #ended = false;

  take(size: number, last: boolean): Bytes {
    if (this.#ended) throw new SealpostError("format", "a chunk after the end of a stream");
    const fits = last ? size >= 1 && size <= CHUNK : size === CHUNK;
    this.#ended = last || !fits;
    if (!fits) throw new SealpostError("format", "a chunk of a stream has a wrong size");
    return nonce(this.#next++, last);
  }

  end(): void {
    this.#ended = true;
  }
}

/**
 * Seals a stream chunk by chunk (STREAM, Hoang et al. 2015, as age uses it). The key must be for
 * this one stream. Calls may overlap; chunks count in the order of the calls.
 */
export class StreamSealer {
  readonly #chunks = new Chunks();

  constructor(private readonly key: AesKey) {}

  /**
   * Ciphertext ‖ tag: 16 bytes more than `chunk`, which has {@linkcode CHUNK} bytes, or 1 to that
   * many if it is the last. Throws `format` for another size and after the last chunk.
   */
  async seal(chunk: Bytes, last: boolean): Promise<Bytes> {
    return await aesSeal(this.key, this.#chunks.take(chunk.length, last), chunk);
  }
}

/** Opens what {@linkcode StreamSealer} sealed. Calls may overlap, in the order of the chunks. */
export class StreamOpener {
  readonly #chunks = new Chunks();

  constructor(private readonly key: AesKey) {}

  /**
   * The plaintext of the next chunk. `last` is what the caller knows from where the data ends.
   * Throws `format` for a wrong size and after the last chunk or any failure, and `authentication`
   * if the chunk does not verify: it was altered, moved, or is (not) the last against what was
   * said.
   */
  async open(chunk: Bytes, last: boolean): Promise<Bytes> {
    const iv = this.#chunks.take(chunk.length - TAG_SIZE, last);
    try {
      return await aesOpen(this.key, iv, chunk);
    } catch (error) {
      this.#chunks.end();
      throw error;
    }
  }
}
