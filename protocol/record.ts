import { type AesKey, aesOpen, aesSeal, importAesKey } from "../crypto/aes_gcm.ts";
import { type Bytes, concat, free, wipe } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { hkdf } from "../crypto/hash.ts";

/** Bytes before the ciphertext: its length, 3 bytes big-endian. */
export const RECORD_HEADER = 3;
const TAG = 16;

/** Largest plaintext of a record, bytes. */
export const MAX_RECORD_PLAINTEXT = 65_536;
/** Smallest and largest ciphertext of a record, tag included, bytes. */
export const MIN_RECORD = TAG + 1;
export const MAX_RECORD = MAX_RECORD_PLAINTEXT + TAG;

/** Records under one key: before record i with `i mod 2^20 = 0`, i > 0, the key is ratcheted. */
export const REKEY_INTERVAL = 2 ** 20;

/** One direction's key and counter. Calls do not overlap. */
class RecordKey {
  #key: AesKey | null = null;
  #raw: Bytes | null;
  #i: number;

  constructor(raw: Bytes, startAt: number) {
    this.#raw = raw.slice();
    this.#i = startAt;
  }

  /** The key and nonce of the next record. The nonce is the 96-bit counter, never reset. */
  async next(): Promise<{ key: AesKey; nonce: Bytes }> {
    if (this.#i > 0 && this.#i % REKEY_INTERVAL === 0) {
      const raw = await hkdf(this.#live(), new Uint8Array(0), "sealpost/1 rekey", 32);
      wipe(this.#live());
      this.#raw = raw;
      this.#key = null;
    }
    const key = this.#key ?? await importAesKey(this.#live());
    // It may have been erased in the meantime.
    this.#live();
    this.#key = key;
    const nonce = new Uint8Array(12);
    const view = new DataView(nonce.buffer);
    view.setUint32(4, Math.floor(this.#i / 0x100000000));
    view.setUint32(8, this.#i % 0x100000000);
    this.#i++;
    return { key, nonce };
  }

  #live(): Bytes {
    if (!this.#raw) throw new SealpostError("connection-lost", "the connection is closed");
    return this.#raw;
  }

  erase(): void {
    if (this.#raw) wipe(this.#raw);
    this.#raw = null;
    this.#key = null;
  }
}

/** The length field of a record with `length` bytes of ciphertext: also its additional data. */
function header(length: number): Bytes {
  return new Uint8Array([length >>> 16, (length >>> 8) & 0xff, length & 0xff]);
}

/** Makes the records of one direction: `length (3) ‖ AES-256-GCM ciphertext`, one at a time. */
export class RecordSealer {
  readonly #key: RecordKey;

  /** `key`: 32 bytes. `startAt`: the first record's number; other than 0 in tests only. */
  constructor(key: Bytes, startAt = 0) {
    this.#key = new RecordKey(key, startAt);
  }

  /** One record with 1 to 65,536 bytes of plaintext. Throws RangeError outside that. */
  async seal(plaintext: Bytes): Promise<Bytes> {
    if (plaintext.length < 1 || plaintext.length > MAX_RECORD_PLAINTEXT) {
      throw new RangeError("a record holds 1 to 65,536 bytes");
    }
    const length = header(plaintext.length + TAG);
    const { key, nonce } = await this.#key.next();
    const sealed = await aesSeal(key, nonce, plaintext, length);
    const record = concat(length, sealed);
    free(sealed);
    return record;
  }

  erase(): void {
    this.#key.erase();
  }
}

/**
 * The length of the ciphertext that follows a record's header. Throws `protocol` outside 17 to
 * 65,552: checked before anything is allocated.
 */
export function recordLength(head: Uint8Array): number {
  const length = ((head[0] ?? 0) << 16) | ((head[1] ?? 0) << 8) | (head[2] ?? 0);
  if (length < MIN_RECORD || length > MAX_RECORD) {
    throw new SealpostError("protocol", `a record with the impossible length ${length}`);
  }
  return length;
}

/** Opens the records of one direction, in order, one at a time. After a failure it refuses everything. */
export class RecordOpener {
  readonly #key: RecordKey;
  #failed = false;

  constructor(key: Bytes, startAt = 0) {
    this.#key = new RecordKey(key, startAt);
  }

  /** The plaintext of the next record. Throws `authentication`; nothing may be sent after that. */
  async open(ciphertext: Bytes): Promise<Bytes> {
    if (this.#failed) throw new SealpostError("authentication", "a record after a failed one");
    const { key, nonce } = await this.#key.next();
    try {
      return await aesOpen(key, nonce, ciphertext, header(ciphertext.length));
    } catch (error) {
      this.#failed = true;
      this.erase();
      throw error;
    }
  }

  erase(): void {
    this.#key.erase();
  }
}
