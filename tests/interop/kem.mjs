// @ts-check
// Section 4: the hybrid KEM.

import { constants, createPublicKey, privateDecrypt, publicEncrypt } from "node:crypto";
import { Buffer } from "node:buffer";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concat, lp, NONE, utf8 } from "./bytes.mjs";
import { Failure } from "./error.mjs";
import { oaepEncrypt } from "./oaep.mjs";
import { hkdf, hmac, random } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./identity.mjs").Bundle} Bundle */
/** @typedef {import("./identity.mjs").Identity} Identity */
/** @typedef {"hs-server" | "hs-client" | "stanza" | "rotate"} Use */

// OpenSSL's MGF1 takes the same hash unless told otherwise.
const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };

/** Takes the place of what does not decrypt; lives as long as the process. */
const P = random(32);

/**
 * @param {Bundle} to @param {Use} use @param {Bytes} ctRsa @param {Bytes} ctMlkem
 * @param {Bytes} kRsa @param {Bytes} kMlkem @param {Bytes} context
 */
export function combine(to, use, ctRsa, ctMlkem, kRsa, kMlkem, context) {
  const info = concat(utf8("sealpost/1 kem "), utf8(use), lp(ctRsa), lp(ctMlkem), to.fp, context);
  return hkdf(concat(kRsa, kMlkem), NONE, info, 32);
}

/**
 * What is drawn for an encapsulation: k_rsa, the seed of OAEP and the randomness of ML-KEM, 32 bytes
 * each. Known answers fix it.
 *
 * @typedef {{ kRsa: Bytes, oaepSeed: Bytes, m: Bytes }} KemDraws
 */

/** @param {Bundle} to @param {Use} use @param {KemDraws} [draws] @param {Bytes} [context] */
export function encapsulate(to, use, draws, context = NONE) {
  const kRsa = draws?.kRsa ?? random(32);
  const ctRsa = draws ? oaepEncrypt(to, kRsa, draws.oaepSeed) : encryptRsa(to, kRsa);
  const { cipherText: ctMlkem, sharedSecret: kMlkem } = ml_kem768.encapsulate(to.mlkem, draws?.m);
  return {
    ctRsa,
    ctMlkem,
    kMlkem,
    secret: combine(to, use, ctRsa, ctMlkem, kRsa, kMlkem, context),
  };
}

/** @param {Bundle} to @param {Bytes} kRsa @returns {Bytes} */
function encryptRsa(to, kRsa) {
  const key = createPublicKey({ key: Buffer.from(to.spkiRsa), format: "der", type: "spki" });
  return new Uint8Array(publicEncrypt({ key, ...OAEP }, kRsa));
}

/**
 * A secret, whatever the ciphertexts are; throws `format` for sizes only.
 *
 * @param {Identity} own @param {Use} use @param {Bytes} ctRsa @param {Bytes} ctMlkem
 * @param {Bytes} [context]
 * @returns {Bytes}
 */
export function decapsulate(own, use, ctRsa, ctMlkem, context = NONE) {
  if (ctRsa.length !== own.bundle.rsaSize || ctMlkem.length !== 1088) {
    throw new Failure("format", "a KEM ciphertext of another size than the key");
  }
  let decrypted = new Uint8Array(0);
  try {
    decrypted = new Uint8Array(privateDecrypt({ key: own.rsa, ...OAEP }, ctRsa));
  } catch {
    // What it fails with must not matter.
  }
  const kMlkem = ml_kem768.decapsulate(ctMlkem, own.mlkemSecret);
  const instead = hmac(P, lp(own.bundle.spkiRsa), ctRsa);
  const mask = -Number(decrypted.length === 32) & 0xff;
  const kRsa = instead.map((byte, i) => (byte & ~mask) | ((decrypted[i] ?? 0) & mask));
  return combine(own.bundle, use, ctRsa, ctMlkem, kRsa, kMlkem, context);
}

/**
 * The grid of 6.8 in milliseconds: four times the slowest of some decapsulations of random
 * ciphertexts, 15 at least.
 *
 * @param {Identity} own
 */
export function gridOf(own) {
  let slowest = 0;
  for (let i = 0; i < 6; i++) {
    const start = performance.now();
    decapsulate(own, "hs-client", random(own.bundle.rsaSize), random(1088));
    slowest = Math.max(slowest, performance.now() - start);
  }
  return Math.max(15, 4 * slowest);
}
