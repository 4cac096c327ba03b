import { type Bytes, concat, lp } from "../../crypto/bytes.ts";
import { type Bundle, encodeBundle, type Identity } from "../../crypto/identity.ts";
import { decapsulate, encapsulate, type KemUse } from "../../crypto/kem.ts";
import { ML_KEM, mlKem } from "../../crypto/ml_kem.ts";
import { agree, generateX25519 } from "../../crypto/x25519.ts";
import { SymmetricState } from "../../protocol/noise.ts";

const NAME = "sealpost/1 handshake RSAOAEP+MLKEM768 X25519 AES256GCM SHA256";

/** `data` and zeros, `size` bytes. */
export function padded(data: Uint8Array, size: number): Bytes {
  const out = new Uint8Array(size);
  out.set(data);
  return out;
}

/** What a {@linkcode RawClient} does otherwise than the protocol says. */
export interface Deviation {
  readonly version?: number;
  readonly suite?: number;
  readonly use?: KemUse;
  /** In the place of X_c. */
  readonly xc?: Bytes;
  /** In the place of EK_c. */
  readonly ekc?: Bytes;
}

/**
 * A client put together from the description of the handshake, token by token, that can say what
 * the real one never would.
 */
export class RawClient {
  readonly #server: Bundle;
  readonly #deviation: Deviation;
  #state: SymmetricState | null = null;
  #x: CryptoKey | null = null;
  #seed: Bytes = new Uint8Array(0);

  constructor(server: Bundle, deviation: Deviation = {}) {
    this.#server = server;
    this.#deviation = deviation;
  }

  get state(): SymmetricState {
    if (!this.#state) throw new Error("message A comes first");
    return this.#state;
  }

  async writeA(): Promise<Bytes> {
    const { version = 1, suite = 1, use = "hs-server" } = this.#deviation;
    const start = new Uint8Array([version, suite]);
    const state = await SymmetricState.start(NAME, concat(start, lp(encodeBundle(this.#server))));
    const x = await generateX25519();
    const ek = await mlKem.generate();
    [this.#state, this.#x, this.#seed] = [state, x.privateKey, ek.seed];
    const head = concat(
      start,
      new Uint8Array([1]),
      this.#deviation.xc ?? x.publicKey,
      this.#deviation.ekc ?? ek.publicKey,
    );
    await state.mixHash(head);
    const { ctRsa, ctMlkem, secret } = await encapsulate(this.#server, use);
    const ciphertexts = concat(padded(ctRsa, 512), ctMlkem);
    await state.mixHash(ciphertexts);
    await state.mixKeyAndHash(secret);
    return concat(head, ciphertexts);
  }

  /** The padded hello. */
  async readB(b: Bytes): Promise<Bytes> {
    if (!this.#x) throw new Error("message A comes first");
    const xs = b.slice(0, 32);
    const ct = b.slice(32, 32 + ML_KEM.ciphertext);
    await this.state.mixHash(xs);
    await this.state.mixKey(await agree(this.#x, xs));
    await this.state.mixHash(ct);
    await this.state.mixKey(await mlKem.decapsulate(this.#seed, ct));
    return await this.state.decryptAndHash(b.slice(32 + ML_KEM.ciphertext));
  }

  /** Message C with any plaintext in the places of the padded bundle and the padded login. */
  async writeC(bundle: Bytes, login: Bytes): Promise<Bytes> {
    return concat(
      await this.state.encryptAndHash(padded(bundle, 2048)),
      await this.state.encryptAndHash(padded(login, 2048)),
    );
  }

  /** Reads message D with the keys it has; goes on whether they fit or not. */
  async readD(d: Bytes, identity: Identity): Promise<void> {
    const split = 512 + ML_KEM.ciphertext + 16;
    const ciphertexts = await this.state.decryptAndHash(d.slice(0, split));
    const secret = await decapsulate(
      identity,
      "hs-client",
      ciphertexts.slice(0, identity.bundle.rsaBits / 8),
      ciphertexts.slice(512),
    );
    await this.state.mixKeyAndHash(secret);
    const empty = d.slice(split);
    try {
      await this.state.decryptAndHash(empty);
    } catch {
      await this.state.mixHash(empty);
    }
  }
}

/** The server's half of messages B and D, with ciphertexts made for any use. */
export class RawServer {
  readonly #identity: Identity;
  #state: SymmetricState | null = null;
  #head: Bytes = new Uint8Array(0);

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  get state(): SymmetricState {
    if (!this.#state) throw new Error("message A comes first");
    return this.#state;
  }

  async readA(a: Bytes): Promise<void> {
    const { bundle } = this.#identity;
    const state = await SymmetricState.start(
      NAME,
      concat(new Uint8Array([1, 1]), lp(encodeBundle(bundle))),
    );
    this.#state = state;
    this.#head = a.slice(0, 3 + 32 + ML_KEM.publicKey);
    const ciphertexts = a.slice(this.#head.length);
    await state.mixHash(this.#head);
    await state.mixHash(ciphertexts);
    const ctRsa = ciphertexts.slice(0, bundle.rsaBits / 8);
    const ctMlkem = ciphertexts.slice(512);
    await state.mixKeyAndHash(await decapsulate(this.#identity, "hs-server", ctRsa, ctMlkem));
  }

  /** Message B with `hello` as it is, 256 bytes. */
  async writeB(hello: Bytes): Promise<Bytes> {
    const x = await generateX25519();
    await this.state.mixHash(x.publicKey);
    await this.state.mixKey(await agree(x.privateKey, this.#head.slice(3, 35)));
    const { ciphertext, secret } = await mlKem.encapsulate(this.#head.slice(35));
    await this.state.mixHash(ciphertext);
    await this.state.mixKey(secret);
    return concat(x.publicKey, ciphertext, await this.state.encryptAndHash(hello));
  }

  async readC(c: Bytes): Promise<Bytes[]> {
    return [
      await this.state.decryptAndHash(c.slice(0, c.length / 2)),
      await this.state.decryptAndHash(c.slice(c.length / 2)),
    ];
  }

  /** Message D. `filling` is what stands behind ct_rsa instead of zeros. */
  async writeD(client: Bundle, use: KemUse = "hs-client", filling = 0): Promise<Bytes> {
    const { ctRsa, ctMlkem, secret } = await encapsulate(client, use);
    const field = new Uint8Array(512).fill(filling);
    field.set(ctRsa);
    const sealed = await this.state.encryptAndHash(concat(field, ctMlkem));
    await this.state.mixKeyAndHash(secret);
    return concat(sealed, await this.state.encryptAndHash(new Uint8Array(0)));
  }
}
