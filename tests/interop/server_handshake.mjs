// @ts-check
// Section 6: the server's side of the handshake and the resumption, over bytes. The client needs
// nothing of it; with it known answers can be run from both sides.

import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concat, equal, fromUtf8, lp, NONE, pad, Reader } from "./bytes.mjs";
import { ed25519Verify, x25519, x25519Pair } from "./curves.mjs";
import { Failure } from "./error.mjs";
import { decapsulatePadded, loginSigned, opening, startFull, startResumed } from "./handshake.mjs";
import { checkMlkemPublic, isName, readBundle } from "./identity.mjs";
import { encapsulate } from "./kem.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./identity.mjs").Bundle} Bundle */
/** @typedef {import("./identity.mjs").Identity} Identity */
/** @typedef {import("./handshake.mjs").Trace} Trace */

/**
 * The parts at the start of a padded block, and that nothing but zeros follows.
 *
 * @param {Bytes} block @param {number} count
 */
function parts(block, count) {
  const reader = new Reader(block);
  const found = Array.from({ length: count }, () => reader.lp());
  const size = block.length - reader.left;
  reader.padding();
  return { found, size };
}

/** A to E, in this order. */
export class ServerHandshake {
  #state;
  #identity;
  #draws;
  #pair;
  #opening;
  #dh = NONE;
  #ek = NONE;
  /** @type {Bundle | null} */
  #client = null;

  /**
   * @param {Identity} identity
   * @param {{ xs: Bytes, m: Bytes, d: import("./kem.mjs").KemDraws }} draws
   * @param {Trace} [trace] @param {boolean} [former]
   */
  constructor(identity, draws, trace, former = false) {
    this.#opening = opening(identity.bundle, former);
    this.#state = startFull(identity.bundle, trace);
    this.#identity = identity;
    this.#draws = draws;
    this.#pair = x25519Pair(draws.xs);
  }

  /** @param {Bytes} message */
  readA(message) {
    const reader = new Reader(message);
    const begins = this.#opening.length;
    const open = reader.take(begins + 1216);
    if (!equal(open.subarray(0, begins), this.#opening)) {
      throw new Failure("version", "not the prefix of a handshake");
    }
    const ciphertexts = reader.take(1600);
    this.#ek = open.subarray(begins + 32);
    checkMlkemPublic(this.#ek);
    this.#dh = x25519(this.#pair, open.subarray(begins, begins + 32));
    this.#state.mixHash(open);
    this.#state.decryptAndHash(ciphertexts);
    this.#state.mixKeyAndHash(decapsulatePadded(this.#identity, "hs-server", ciphertexts));
  }

  /** @param {Bytes} hello its JSON @returns {Bytes} */
  writeB(hello) {
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(this.#ek, this.#draws.m);
    this.#state.mixHash(this.#pair.publicKey);
    this.#state.mixKey(this.#dh);
    this.#state.mixHash(cipherText);
    this.#state.mixKey(sharedSecret);
    const sealed = this.#state.encryptAndHash(pad(256, lp(hello)));
    return concat(this.#pair.publicKey, cipherText, sealed);
  }

  /** @param {Bytes} message */
  readC(message) {
    const reader = new Reader(message);
    const bundle = this.#state.decryptAndHash(reader.take(2064));
    const login = this.#state.decryptAndHash(reader.take(2064));
    const [name = NONE, password = NONE, version = NONE] = parts(login, 3).found;
    const shown = fromUtf8(version);
    if (!isName(fromUtf8(name)) || password.length < 1 || password.length > 256) {
      throw new Failure("format", "a name or a password out of bounds");
    }
    fromUtf8(password);
    if (!/^[ -~]{0,64}$/.test(shown)) throw new Failure("format", "a version out of bounds");
    this.#client = readBundle(bundle.subarray(0, parts(bundle, 3).size));
    return { name: fromUtf8(name), password: fromUtf8(password), version: shown };
  }

  /** @returns {Bytes} */
  writeD() {
    if (this.#client === null) throw new Failure("internal", "D before C");
    const { ctRsa, ctMlkem, secret } = encapsulate(this.#client, "hs-client", this.#draws.d);
    const sealed = this.#state.encryptAndHash(concat(pad(512, ctRsa), ctMlkem));
    this.#state.mixKeyAndHash(secret);
    return concat(sealed, this.#state.encryptAndHash(NONE));
  }

  /** @param {Bytes} message */
  readE(message) {
    if (this.#client === null) throw new Failure("internal", "E before C");
    const signed = loginSigned(this.#state.h);
    const signature = this.#state.decryptAndHash(message);
    ed25519Verify(this.#client.ed25519, signed, signature, "a login");
  }

  finish() {
    return this.#state.split();
  }
}

/** R1 and R2. */
export class ServerResumption {
  #state;
  #known;
  #draws;
  #pair;
  #dh = NONE;
  #ek = NONE;

  /**
   * @param {{ identity: Identity, client: Bundle, name: string, id: Bytes, psk: Bytes }} known
   * @param {{ xs: Bytes, mEphemeral: Bytes, mClient: Bytes }} draws @param {Trace} [trace]
   */
  constructor(known, draws, trace) {
    this.#state = startResumed(known.name, known.identity.bundle, known.client, trace);
    this.#known = known;
    this.#draws = draws;
    this.#pair = x25519Pair(draws.xs);
  }

  /** @param {Bytes} message */
  readR1(message) {
    const { identity, id, psk } = this.#known;
    const reader = new Reader(message);
    const open = reader.take(19);
    if (!equal(open, concat(Uint8Array.of(1, 1, 2), id))) {
      throw new Failure("authentication", "another ticket");
    }
    const theirs = reader.take(32);
    this.#ek = reader.take(1184);
    checkMlkemPublic(this.#ek);
    this.#state.mixHash(open);
    this.#state.mixKeyAndHash(psk);
    this.#state.mixHash(theirs);
    this.#state.mixKey(theirs);
    this.#state.mixHash(this.#ek);
    const ct = this.#state.decryptAndHash(reader.take(1104));
    this.#state.mixKeyAndHash(ml_kem768.decapsulate(ct, identity.mlkemSecret));
    this.#state.decryptAndHash(reader.take(16));
    this.#dh = x25519(this.#pair, theirs);
  }

  /** @param {Bytes} hello its JSON @returns {Bytes} */
  writeR2(hello) {
    const ephemeral = ml_kem768.encapsulate(this.#ek, this.#draws.mEphemeral);
    const toClient = ml_kem768.encapsulate(this.#known.client.mlkem, this.#draws.mClient);
    this.#state.mixHash(this.#pair.publicKey);
    this.#state.mixKey(this.#dh);
    this.#state.mixHash(ephemeral.cipherText);
    this.#state.mixKey(ephemeral.sharedSecret);
    const ct = this.#state.encryptAndHash(toClient.cipherText);
    this.#state.mixKeyAndHash(toClient.sharedSecret);
    const sealed = this.#state.encryptAndHash(pad(256, lp(hello)));
    return concat(this.#pair.publicKey, ephemeral.cipherText, ct, sealed);
  }

  finish() {
    return this.#state.split();
  }
}
