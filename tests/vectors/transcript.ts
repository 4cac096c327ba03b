import { aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, lp, toHex, u64, utf8 } from "../../crypto/bytes.ts";
import { hkdf, sha256 } from "../../crypto/hash.ts";

/** The symmetric state after one operation, in hexadecimal. */
export interface Step {
  /** The row of the table in section 6.5 or 6.10. */
  readonly step: string;
  readonly operation: string;
  readonly h: string;
  readonly ck: string;
  /** Null before the first MixKey. */
  readonly k: string | null;
}

/** What Split() gives. */
export interface SplitBytes {
  readonly initiator: Bytes;
  readonly responder: Bytes;
  /** The input of the exporter. */
  readonly exporter: Bytes;
  /** The transcript hash at its end. */
  readonly h: Bytes;
}

/** The symmetric state of section 6.2, written down from there, which keeps every value it had. */
export class Transcript {
  #ck: Bytes;
  #h: Bytes;
  #k: Bytes | null = null;
  #n = 0;
  readonly steps: Step[] = [];

  private constructor(h: Bytes) {
    this.#ck = h;
    this.#h = h;
  }

  static async start(name: string, prologue: Bytes): Promise<Transcript> {
    const transcript = new Transcript(await sha256(utf8(name)));
    transcript.#note("start", "h = SHA-256(name)");
    await transcript.mixHash("start", "prologue", prologue);
    return transcript;
  }

  get h(): Bytes {
    return this.#h;
  }

  async mixHash(step: string, what: string, data: Uint8Array): Promise<void> {
    this.#h = await sha256(this.#h, data);
    this.#note(step, `MixHash(${what})`);
  }

  async mixKey(step: string, what: string, ikm: Uint8Array): Promise<void> {
    const out = await hkdf(ikm, this.#ck, "", 64);
    this.#key(out.slice(0, 32), out.slice(32));
    this.#note(step, `MixKey(${what})`);
  }

  async mixKeyAndHash(step: string, what: string, ikm: Uint8Array): Promise<void> {
    const out = await hkdf(ikm, this.#ck, "", 96);
    this.#h = await sha256(this.#h, out.slice(32, 64));
    this.#key(out.slice(0, 32), out.slice(64));
    this.#note(step, `MixKeyAndHash(${what})`);
  }

  async encryptAndHash(step: string, what: string, plaintext: Bytes): Promise<Bytes> {
    const nonce = concat(new Uint8Array(4), u64(this.#n));
    const out = this.#k === null
      ? plaintext
      : await aesSeal(await importAesKey(this.#k), nonce, plaintext, this.#h);
    if (this.#k !== null) this.#n++;
    this.#h = await sha256(this.#h, out);
    this.#note(step, `EncryptAndHash(${what})`);
    return out;
  }

  async split(): Promise<SplitBytes> {
    const out = await hkdf(new Uint8Array(0), this.#ck, "", 96);
    return {
      initiator: out.slice(0, 32),
      responder: out.slice(32, 64),
      exporter: out.slice(64),
      h: this.#h,
    };
  }

  #key(ck: Bytes, k: Bytes): void {
    this.#ck = ck;
    this.#k = k;
    this.#n = 0;
  }

  #note(step: string, operation: string): void {
    this.steps.push({
      step,
      operation,
      h: toHex(this.#h),
      ck: toHex(this.#ck),
      k: this.#k && toHex(this.#k),
    });
  }
}

/** `exporter(label, context)` of section 6.5. */
export async function exported(split: SplitBytes, label: string, context: Bytes): Promise<Bytes> {
  return await hkdf(split.exporter, split.h, concat(utf8(label), lp(context)), 32);
}
