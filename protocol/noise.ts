import { aesOpen, aesSeal, importAesKey } from "../crypto/aes_gcm.ts";
import { type Bytes, concat, lp, utf8, wipe } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { hkdf, sha256 } from "../crypto/hash.ts";

const HASH_SIZE = 32;

/** What a finished handshake leaves: a key each way, and the input of the exporter. */
export interface SplitKeys {
  /** Key of the records from the initiator (client) to the responder, 32 bytes. */
  readonly initiator: Bytes;
  /** Key of the records from the responder (server) to the initiator, 32 bytes. */
  readonly responder: Bytes;
  /** `HKDF(ikm = x, salt = h, info = label ‖ LP(context), 32)`. */
  exporter(label: string, context: Bytes): Promise<Bytes>;
}

/**
 * The symmetric state of the Noise Protocol Framework (revision 34, section 5.2) with SHA-256 and
 * AES-256-GCM: chaining key `ck`, transcript hash `h`, cipher key `k` and its nonce counter `n`.
 */
export class SymmetricState {
  #ck: Bytes;
  #h: Bytes;
  #k: Bytes | null = null;
  #n = 0;
  #erased = false;

  private constructor(h: Bytes) {
    this.#h = h;
    this.#ck = h.slice();
  }

  /** InitializeSymmetric(protocolName), then MixHash(prologue). */
  static async start(protocolName: string, prologue: Bytes): Promise<SymmetricState> {
    const name = utf8(protocolName);
    const h = new Uint8Array(HASH_SIZE);
    if (name.length <= HASH_SIZE) h.set(name);
    else h.set(await sha256(name));
    const state = new SymmetricState(h);
    await state.mixHash(prologue);
    return state;
  }

  /** The transcript hash so far, a copy of 32 bytes. */
  get h(): Bytes {
    return this.#h.slice();
  }

  /** The chaining key so far, a copy of 32 bytes: for worked examples and tests only. */
  get ck(): Bytes {
    return this.#ck.slice();
  }

  /** `h = SHA-256(h ‖ data)`. */
  async mixHash(data: Uint8Array): Promise<void> {
    this.#check();
    this.#h = await sha256(this.#h, data);
  }

  /** `ck, k = HKDF(ck, ikm, 2)`; the nonce starts over. */
  async mixKey(ikm: Uint8Array): Promise<void> {
    this.#check();
    const out = await hkdf(ikm, this.#ck, "", 64);
    this.#setKeys(out.slice(0, 32), out.slice(32, 64));
    wipe(out);
  }

  /** `ck, temp, k = HKDF(ck, ikm, 3)`; MixHash(temp); the nonce starts over. */
  async mixKeyAndHash(ikm: Uint8Array): Promise<void> {
    this.#check();
    const out = await hkdf(ikm, this.#ck, "", 96);
    await this.mixHash(out.subarray(32, 64));
    this.#setKeys(out.slice(0, 32), out.slice(64, 96));
    wipe(out);
  }

  #setKeys(ck: Bytes, k: Bytes): void {
    wipe(this.#ck);
    if (this.#k) wipe(this.#k);
    this.#ck = ck;
    this.#k = k;
    this.#n = 0;
  }

  /** Encrypts with `h` as additional data (the plaintext itself while there is no key) and mixes the result in. */
  async encryptAndHash(plaintext: Bytes): Promise<Bytes> {
    this.#check();
    const out = this.#k === null
      ? plaintext.slice()
      : await aesSeal(await importAesKey(this.#k), this.#nextNonce(), plaintext, this.#h);
    await this.mixHash(out);
    return out;
  }

  /** The inverse of {@linkcode encryptAndHash}. Throws `authentication`. */
  async decryptAndHash(ciphertext: Bytes): Promise<Bytes> {
    this.#check();
    const out = this.#k === null
      ? ciphertext.slice()
      : await aesOpen(await importAesKey(this.#k), this.#nextNonce(), ciphertext, this.#h);
    await this.mixHash(ciphertext);
    return out;
  }

  /** 4 zero bytes and the counter in 8, big-endian (Noise, section 12.3). */
  #nextNonce(): Bytes {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(8, this.#n++);
    return nonce;
  }

  /** Split() with a third output for the exporter; this state is erased. */
  async split(): Promise<SplitKeys> {
    this.#check();
    const out = await hkdf(new Uint8Array(0), this.#ck, "", 96);
    const h = this.#h.slice();
    const x = out.slice(64, 96);
    const keys: SplitKeys = {
      initiator: out.slice(0, 32),
      responder: out.slice(32, 64),
      exporter: (label, context) => hkdf(x, h, concat(utf8(label), lp(context)), 32),
    };
    wipe(out);
    this.erase();
    return keys;
  }

  /** Without a key what should be secret would go out in the clear. */
  #check(): void {
    if (this.#erased) throw new SealpostError("internal", "a handshake that is over");
  }

  /** Overwrites the keys; the state refuses to work after that. */
  erase(): void {
    this.#erased = true;
    wipe(this.#ck);
    if (this.#k) wipe(this.#k);
    this.#k = null;
  }
}
