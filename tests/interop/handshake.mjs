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

/** 6.2: the SymmetricState of the Noise Protocol Framework, with SHA-256 and AESGCM. */
export class SymmetricState {
  /** @type {Bytes | null} */
  #key = null;
  #n = 0;

  /** @param {string} name */
  constructor(name) {
    this.h = sha256(utf8(name));
    this.ck = this.h;
  }

  /** @param {Bytes} bytes */
  mixHash(bytes) {
    this.h = sha256(this.h, bytes);
  }

  /** @param {Bytes} input */
  mixKey(input) {
    const out = hkdf(input, this.ck, NONE, 64);
    this.ck = out.subarray(0, 32);
    this.#key = out.subarray(32);
    this.#n = 0;
  }

  /** @param {Bytes} input */
  mixKeyAndHash(input) {
    const out = hkdf(input, this.ck, NONE, 96);
    this.ck = out.subarray(0, 32);
    this.mixHash(out.subarray(32, 64));
    this.#key = out.subarray(64);
    this.#n = 0;
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
      export: (label, context) => hkdf(exporter, h, concat(utf8(label), lp(context)), 32),
    };
  }
}

/**
 * @typedef {object} Keys
 * @property {Bytes} clientToServer
 * @property {Bytes} serverToClient
 * @property {(label: string, context: Bytes) => Bytes} export
 */

const FULL = "sealpost/1 handshake RSAOAEP+MLKEM768 X25519 AES256GCM SHA256";
const RESUMED = "sealpost/1 resumption MLKEM768 X25519 AES256GCM SHA256";
const VERSION_AND_SUITE = concat(u8(1), u8(1));

/** 6.3. @param {Bundle} server */
export function startFull(server) {
  const state = new SymmetricState(FULL);
  state.mixHash(concat(VERSION_AND_SUITE, lp(server.bytes)));
  return state;
}

/** 6.10. @param {string} name @param {Bundle} server @param {Bundle} client */
export function startResumed(name, server, client) {
  const state = new SymmetricState(RESUMED);
  state.mixHash(concat(VERSION_AND_SUITE, lp(utf8(name)), lp(server.bytes), lp(client.bytes)));
  return state;
}

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

/** The client's side of A to E. After a failure it must not be used again. */
export class ClientHandshake {
  #state;
  #ephemeral;

  /**
   * @param {{ server: Bundle, identity: Identity, name: string, password: Bytes, version: string }}
   *   login
   * @param {{ ephemeral?: Ephemeral, kem?: ReturnType<typeof encapsulate> }} [fixed]
   */
  constructor(login, fixed = {}) {
    this.login = login;
    this.#state = startFull(login.server);
    this.#ephemeral = fixed.ephemeral ?? newEphemeral();
    this.kem = fixed.kem ?? encapsulate(login.server, "hs-server");
  }

  /** @returns {Bytes} */
  writeA() {
    const { x25519: x, mlkem } = this.#ephemeral;
    const { ctRsa, ctMlkem, secret } = this.kem;
    const open = concat(Uint8Array.of(1, 1, 1), x.publicKey, mlkem.publicKey);
    this.#state.mixHash(open);
    const kem = this.#state.encryptAndHash(concat(pad(512, ctRsa), ctMlkem));
    this.#state.mixKeyAndHash(secret);
    return concat(open, kem);
  }

  /** @param {Bytes} message @returns {Hello} */
  readB(message) {
    const reader = new Reader(message);
    const [theirs, ct] = [reader.take(32), reader.take(1088)];
    this.#state.mixHash(theirs);
    this.#state.mixKey(x25519(this.#ephemeral.x25519, theirs));
    this.#state.mixHash(ct);
    this.#state.mixKey(ml_kem768.decapsulate(ct, this.#ephemeral.mlkem.secretKey));
    return helloIn(provesServer(() => this.#state.decryptAndHash(reader.take(272))));
  }

  /** @returns {Bytes} */
  writeC() {
    const { identity, name, password, version } = this.login;
    const bundle = this.#state.encryptAndHash(pad(2048, identity.bundle.bytes));
    const login = concat(lp(utf8(name)), lp(password), lp(utf8(version)));
    return concat(bundle, this.#state.encryptAndHash(pad(2048, login)));
  }

  /** The private operation is in here. @param {Bytes} message */
  readD(message) {
    const { identity } = this.login;
    const reader = new Reader(message);
    const kem = new Reader(this.#state.decryptAndHash(reader.take(1616)));
    const ctRsa = kem.take(identity.bundle.rsaSize);
    const padding = kem.take(512 - ctRsa.length);
    const secret = decapsulate(identity, "hs-client", ctRsa, kem.take(1088));
    this.#state.mixKeyAndHash(isZero(padding) ? secret : random(32));
    this.#state.decryptAndHash(reader.take(16));
  }

  /** @returns {Bytes} */
  writeE() {
    const signed = concat(utf8("sealpost/1 login"), this.#state.h);
    return this.#state.encryptAndHash(ed25519Sign(this.login.identity.ed25519, signed));
  }

  finish() {
    return this.#state.split();
  }

  /** The transcript hash so far. */
  get h() {
    return this.#state.h;
  }
}

/** @typedef {{ id: Bytes, psk: Bytes, expires: number }} Ticket */

/** The client's side of R1 and R2. */
export class ClientResumption {
  #state;
  #ephemeral;

  /**
   * @param {{ server: Bundle, identity: Identity, name: string, ticket: Ticket }} login
   * @param {{ ephemeral?: Ephemeral, kem?: ReturnType<typeof ml_kem768.encapsulate> }} [fixed]
   */
  constructor(login, fixed = {}) {
    this.login = login;
    this.#state = startResumed(login.name, login.server, login.identity.bundle);
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
