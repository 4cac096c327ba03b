// @ts-check
// Section 6: the handshake and the resumption, over bytes. The client's side, and, so that known
// answers can be recomputed, what both sides share.

import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concat, isZero, lp, NONE, pad, Reader, u8, utf8 } from "./bytes.mjs";
import { ed25519Sign, x25519, x25519Pair } from "./curves.mjs";
import { Failure } from "./error.mjs";
import { decapsulate, encapsulate } from "./kem.mjs";
import { counterNonce, hkdf, open, random, seal, sha256 } from "./primitives.mjs";
import { hello, readJson } from "./schemas.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./identity.mjs").Bundle} Bundle */
/** @typedef {import("./identity.mjs").Identity} Identity */

export const SIZE = { A: 2819, B: 1392, C: 4128, D: 1632, E: 80, R1: 2355, R2: 2496 };

/**
 * Is told the state after each operation.
 *
 * @typedef {(h: Bytes, ck: Bytes, k: Bytes | null) => void} Trace
 */

/** 6.2: the SymmetricState of the Noise Protocol Framework, with SHA-256 and AESGCM. */
export class SymmetricState {
  /** @type {Bytes | null} */
  #key = null;
  #n = 0;
  #trace;

  /** @param {string} name @param {Trace} [trace] */
  constructor(name, trace = () => {}) {
    this.h = sha256(utf8(name));
    this.ck = this.h;
    this.#trace = () => trace(this.h, this.ck, this.#key);
    this.#trace();
  }

  /** @param {Bytes} bytes */
  mixHash(bytes) {
    this.h = sha256(this.h, bytes);
    this.#trace();
  }

  /** @param {Bytes} input */
  mixKey(input) {
    const out = hkdf(input, this.ck, NONE, 64);
    this.ck = out.subarray(0, 32);
    this.#key = out.subarray(32);
    this.#n = 0;
    this.#trace();
  }

  /** @param {Bytes} input */
  mixKeyAndHash(input) {
    const out = hkdf(input, this.ck, NONE, 96);
    this.ck = out.subarray(0, 32);
    this.h = sha256(this.h, out.subarray(32, 64));
    this.#key = out.subarray(64);
    this.#n = 0;
    this.#trace();
  }

  /** @param {Bytes} plaintext @returns {Bytes} */
  encryptAndHash(plaintext) {
    const ciphertext = this.#key === null
      ? plaintext
      : seal(this.#key, counterNonce(this.#n++), plaintext, this.h);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** @param {Bytes} ciphertext @returns {Bytes} */
  decryptAndHash(ciphertext) {
    const plaintext = this.#key === null
      ? ciphertext
      : open(this.#key, counterNonce(this.#n++), ciphertext, this.h);
    this.mixHash(ciphertext);
    return plaintext;
  }

  /** What both sides have in the end. @returns {Keys} */
  split() {
    const out = hkdf(NONE, this.ck, NONE, 96);
    const exporter = out.subarray(64);
    const h = this.h;
    return {
      clientToServer: out.subarray(0, 32),
      serverToClient: out.subarray(32, 64),
      exporterInput: exporter,
      h,
      export: (label, context) => hkdf(exporter, h, concat(utf8(label), lp(context)), 32),
    };
  }
}

/**
 * @typedef {object} Keys
 * @property {Bytes} clientToServer
 * @property {Bytes} serverToClient
 * @property {Bytes} exporterInput x
 * @property {Bytes} h h*
 * @property {(label: string, context: Bytes) => Bytes} export
 */

const FULL = "sealpost/1 handshake RSAOAEP+MLKEM768 X25519 AES256GCM SHA256";
const RESUMED = "sealpost/1 resumption MLKEM768 X25519 AES256GCM SHA256";
const VERSION_AND_SUITE = concat(u8(1), u8(1));

/** 6.3. @param {Bundle} server @param {Trace} [trace] */
export function startFull(server, trace) {
  const state = new SymmetricState(FULL, trace);
  state.mixHash(concat(VERSION_AND_SUITE, lp(server.bytes)));
  return state;
}

/** 6.10. @param {string} name @param {Bundle} server @param {Bundle} client @param {Trace} [trace] */
export function startResumed(name, server, client, trace) {
  const state = new SymmetricState(RESUMED, trace);
  state.mixHash(concat(VERSION_AND_SUITE, lp(utf8(name)), lp(server.bytes), lp(client.bytes)));
  return state;
}

/** How A begins: kind 5 names the key. @param {Bundle} server @param {boolean} [former] */
export const opening = (server, former = false) =>
  former ? concat(Uint8Array.of(1, 1, 5), server.fp) : Uint8Array.of(1, 1, 1);

/** What E1 signs. @param {Bytes} h */
export const loginSigned = (h) => concat(utf8("sealpost/1 login"), h);

/**
 * What a client makes for one connection. Known answers fix it.
 *
 * @typedef {object} Ephemeral
 * @property {import("./curves.mjs").X25519Pair} x25519
 * @property {{ publicKey: Bytes, secretKey: Bytes }} mlkem
 */

/** @returns {Ephemeral} */
const newEphemeral = () => ({
  x25519: x25519Pair(),
  mlkem: ml_kem768.keygen(random(64)),
});

/** @typedef {ReturnType<typeof hello>} Hello */

/**
 * The secret in pad_512(ct_rsa) ‖ ct_mlkem; a random one if the padding is not zero.
 *
 * @param {Identity} own @param {"hs-server" | "hs-client"} use @param {Bytes} ciphertexts
 * @returns {Bytes}
 */
export function decapsulatePadded(own, use, ciphertexts) {
  const reader = new Reader(ciphertexts);
  const ctRsa = reader.take(own.bundle.rsaSize);
  const padding = reader.take(512 - ctRsa.length);
  const secret = decapsulate(own, use, ctRsa, reader.take(1088));
  return isZero(padding) ? secret : random(32);
}

/** The last part of B and R2. @param {Bytes} plaintext @returns {Hello} */
function helloIn(plaintext) {
  const reader = new Reader(plaintext);
  const json = reader.lp();
  reader.padding();
  return readJson(hello, json, "format");
}

/** Whoever cannot make this message is not the server that is pinned. @param {() => Bytes} open */
function provesServer(open) {
  try {
    return open();
  } catch (cause) {
    throw new Failure("server-identity", "the server is not the one that is pinned", cause);
  }
}

/** The client's side of A and B. After a failure it must not be used again. */
export class Opening {
  #ephemeral;

  /**
   * @param {Bundle} server @param {Bytes} start how A begins
   * @param {{ ephemeral?: Ephemeral, kem?: ReturnType<typeof encapsulate>, trace?: Trace }} [fixed]
   */
  constructor(server, start, fixed = {}) {
    this.start = start;
    this.state = startFull(server, fixed.trace);
    this.#ephemeral = fixed.ephemeral ?? newEphemeral();
    this.kem = fixed.kem ?? encapsulate(server, "hs-server");
  }

  /** @returns {Bytes} */
  writeA() {
    const { x25519: x, mlkem } = this.#ephemeral;
    const { ctRsa, ctMlkem, secret } = this.kem;
    const open = concat(this.start, x.publicKey, mlkem.publicKey);
    this.state.mixHash(open);
    const kem = this.state.encryptAndHash(concat(pad(512, ctRsa), ctMlkem));
    this.state.mixKeyAndHash(secret);
    return concat(open, kem);
  }

  /** @param {Bytes} message @returns {Hello} */
  readB(message) {
    const reader = new Reader(message);
    const [theirs, ct] = [reader.take(32), reader.take(1088)];
    this.state.mixHash(theirs);
    this.state.mixKey(x25519(this.#ephemeral.x25519, theirs));
    this.state.mixHash(ct);
    this.state.mixKey(ml_kem768.decapsulate(ct, this.#ephemeral.mlkem.secretKey));
    return helloIn(provesServer(() => this.state.decryptAndHash(reader.take(272))));
  }

  finish() {
    return this.state.split();
  }
}

/** The client's side of A to E. */
export class ClientHandshake extends Opening {
  /**
   * @param {{ server: Bundle, identity: Identity, name: string, password: Bytes, version: string, former?: boolean }}
   *   login; `former`: the server may have left this key
   * @param {ConstructorParameters<typeof Opening>[2]} [fixed]
   */
  constructor(login, fixed = {}) {
    super(login.server, opening(login.server, login.former), fixed);
    this.login = login;
  }

  /** @returns {Bytes} */
  writeC() {
    const { identity, name, password, version } = this.login;
    const bundle = this.state.encryptAndHash(pad(2048, identity.bundle.bytes));
    const login = concat(lp(utf8(name)), lp(password), lp(utf8(version)));
    return concat(bundle, this.state.encryptAndHash(pad(2048, login)));
  }

  /** The private operation is in here. @param {Bytes} message */
  readD(message) {
    const { identity } = this.login;
    const reader = new Reader(message);
    const ciphertexts = this.state.decryptAndHash(reader.take(1616));
    this.state.mixKeyAndHash(decapsulatePadded(identity, "hs-client", ciphertexts));
    this.state.decryptAndHash(reader.take(16));
  }

  /** @returns {Bytes} */
  writeE() {
    const signed = loginSigned(this.state.h);
    return this.state.encryptAndHash(ed25519Sign(this.login.identity.ed25519, signed));
  }
}

/** @typedef {{ id: Bytes, psk: Bytes, expires: number }} Ticket */

/** The client's side of R1 and R2. */
export class ClientResumption {
  #state;
  #ephemeral;

  /**
   * @param {{ server: Bundle, identity: Identity, name: string, ticket: Ticket }} login
   * @param {{ ephemeral?: Ephemeral, kem?: ReturnType<typeof ml_kem768.encapsulate>, trace?: Trace }} [fixed]
   */
  constructor(login, fixed = {}) {
    this.login = login;
    const { name, server, identity } = login;
    this.#state = startResumed(name, server, identity.bundle, fixed.trace);
    this.#ephemeral = fixed.ephemeral ?? newEphemeral();
    this.kem = fixed.kem ?? ml_kem768.encapsulate(login.server.mlkem);
  }

  /** @returns {Bytes} */
  writeR1() {
    const { x25519: x, mlkem } = this.#ephemeral;
    const { id, psk } = this.login.ticket;
    const open = concat(Uint8Array.of(1, 1, 2), id);
    this.#state.mixHash(open);
    this.#state.mixKeyAndHash(psk);
    this.#state.mixHash(x.publicKey);
    this.#state.mixKey(x.publicKey);
    this.#state.mixHash(mlkem.publicKey);
    const ct = this.#state.encryptAndHash(this.kem.cipherText);
    this.#state.mixKeyAndHash(this.kem.sharedSecret);
    const tag = this.#state.encryptAndHash(NONE);
    return concat(open, x.publicKey, mlkem.publicKey, ct, tag);
  }

  /** @param {Bytes} message @returns {Hello} */
  readR2(message) {
    const reader = new Reader(message);
    const [theirs, ct] = [reader.take(32), reader.take(1088)];
    this.#state.mixHash(theirs);
    this.#state.mixKey(x25519(this.#ephemeral.x25519, theirs));
    this.#state.mixHash(ct);
    this.#state.mixKey(ml_kem768.decapsulate(ct, this.#ephemeral.mlkem.secretKey));
    const toMe = provesServer(() => this.#state.decryptAndHash(reader.take(1104)));
    const { mlkemSecret } = this.login.identity;
    this.#state.mixKeyAndHash(ml_kem768.decapsulate(toMe, mlkemSecret));
    return helloIn(provesServer(() => this.#state.decryptAndHash(reader.take(272))));
  }

  finish() {
    return this.#state.split();
  }
}
