// @ts-check
// Sections 3.1 to 3.4: names, bundles, fingerprints, identities.

import { Buffer } from "node:buffer";
import { createPrivateKey } from "node:crypto";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concat, equal, fromHex, lp, Reader, utf8 } from "./bytes.mjs";
import { checkEd25519Public, ed25519Pair } from "./curves.mjs";
import { bitString, Der, integer, nothing, oid, sequence } from "./der.mjs";
import { Failure } from "./error.mjs";
import { sha256 } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("node:crypto").KeyObject} KeyObject */

/**
 * The public half of an identity.
 *
 * @typedef {object} Bundle
 * @property {Bytes} bytes LP of the three keys in DER
 * @property {Bytes} fp 32 bytes
 * @property {Bytes} spkiRsa
 * @property {number} rsaSize size of the modulus in bytes
 * @property {Bytes} mlkem 1184 bytes
 * @property {Bytes} ed25519 32 bytes
 */

/**
 * @typedef {object} Identity
 * @property {Bundle} bundle
 * @property {KeyObject} rsa
 * @property {Bytes} mlkemSeed 64 bytes
 * @property {Bytes} mlkemSecret what ML-KEM decapsulates with
 * @property {KeyObject} ed25519
 */

/** A canonical name. @param {string} text */
export const isName = (text) => /^[a-z0-9][a-z0-9._-]{0,31}$/.test(text);

const RSA = "2a864886f70d010101";
const MLKEM_SPKI = fromHex("308204b2300b0609608648016503040402038204a100");
const ED25519_SPKI = fromHex("302a300506032b6570032100");
const MLKEM_PKCS8 = fromHex("3054020100300b060960864801650304040204428040");
const ED25519_PKCS8 = fromHex("302e020100300506032b657004220420");

/**
 * What follows `prefix` in `der`, exactly `size` bytes.
 *
 * @param {Bytes} der @param {Bytes} prefix @param {number} size
 */
function after(der, prefix, size) {
  const rest = der.subarray(prefix.length);
  if (!equal(der.subarray(0, prefix.length), prefix) || rest.length !== size) {
    throw new Failure("key-format", "a key is not in the one form that is accepted");
  }
  return rest;
}

/** @param {Bytes} key throws `key-format` unless its numbers are below 3329 */
export function checkMlkemPublic(key) {
  if (key.length !== 1184) throw new Failure("key-format", "an ML-KEM key of another size");
  for (let i = 0; i < 1152; i += 3) {
    const [a = 0, b = 0, c = 0] = key.subarray(i, i + 3);
    if ((a | (b & 15) << 8) >= 3329 || (b >> 4 | c << 4) >= 3329) {
      throw new Failure("key-format", "an ML-KEM key with a number that is not below 3329");
    }
  }
}

/** @param {bigint} n @param {bigint} e @returns {Bytes} */
export function rsaSpki(n, e) {
  return sequence(sequence(oid(RSA), nothing), bitString(sequence(integer(n), integer(e))));
}

/**
 * The size of the modulus in bytes, of a key that is accepted.
 *
 * @param {bigint} n @param {bigint} e
 */
function rsaSize(n, e) {
  const bits = n.toString(2).length;
  if (bits < 2048 || bits > 4096 || bits % 8 !== 0 || n % 2n === 0n || e !== 65537n) {
    throw new Failure("key-format", "an RSA key that is not accepted");
  }
  return bits / 8;
}

/** @param {Bytes} bytes LP of three keys, and no more @returns {Bundle} */
export function readBundle(bytes) {
  const reader = new Reader(bytes, "key-format");
  const [spkiRsa, spkiMlkem, spkiEd25519] = [reader.lp(), reader.lp(), reader.lp()];
  reader.end();

  const der = new Der(spkiRsa);
  const info = der.sequence();
  der.end();
  const algorithm = info.sequence();
  if (algorithm.oid() !== RSA) throw new Failure("key-format", "not an RSA key");
  algorithm.nothing();
  algorithm.end();
  const key = new Der(info.bitString());
  info.end();
  const numbers = key.sequence();
  key.end();
  const [n, e] = [numbers.integer(), numbers.integer()];
  numbers.end();
  const size = rsaSize(n, e);
  if (!equal(rsaSpki(n, e), spkiRsa)) throw new Failure("key-format", "not the form accepted");

  const mlkem = after(spkiMlkem, MLKEM_SPKI, 1184);
  checkMlkemPublic(mlkem);
  const ed25519 = after(spkiEd25519, ED25519_SPKI, 32);
  checkEd25519Public(ed25519);
  const fp = sha256(utf8("sealpost/1 identity"), bytes);
  return { bytes, fp, spkiRsa, rsaSize: size, mlkem, ed25519 };
}

/**
 * The three keys of an identity from PrivateKeyInfo in DER.
 *
 * @param {Bytes} rsa @param {Bytes} mlkem @param {Bytes} ed25519 @returns {Identity}
 */
export function readIdentity(rsa, mlkem, ed25519) {
  const { n, e } = checkRsaPrivate(rsa);
  const mlkemSeed = after(mlkem, MLKEM_PKCS8, 64);
  const pair = ml_kem768.keygen(mlkemSeed);
  const signing = ed25519Pair(after(ed25519, ED25519_PKCS8, 32));
  const bundle = readBundle(concat(
    lp(rsaSpki(n, e)),
    lp(concat(MLKEM_SPKI, pair.publicKey)),
    lp(concat(ED25519_SPKI, signing.publicKey)),
  ));
  const key = createPrivateKey({ key: Buffer.from(rsa), format: "der", type: "pkcs8" });
  return { bundle, rsa: key, mlkemSeed, mlkemSecret: pair.secretKey, ed25519: signing.key };
}

/** @param {Bytes} pkcs8 */
function checkRsaPrivate(pkcs8) {
  const der = new Der(pkcs8);
  const info = der.sequence();
  der.end();
  const outer = info.integer();
  const algorithm = info.sequence();
  const isRsa = algorithm.oid() === RSA;
  algorithm.nothing();
  algorithm.end();
  const inner = new Der(info.octets());
  info.end();
  const key = inner.sequence();
  inner.end();
  const version = key.integer();
  const [n, e, d] = [key.integer(), key.integer(), key.integer()];
  const [p, q] = [key.integer(), key.integer()];
  const [dp, dq, qi] = [key.integer(), key.integer(), key.integer()];
  key.end();
  rsaSize(n, e);
  const whole = isRsa && outer === 0n && version === 0n && p > 1n && q > 1n &&
    p * q === n &&
    d < n && dp === d % (p - 1n) && dq === d % (q - 1n) &&
    (e * dp) % (p - 1n) === 1n &&
    (e * dq) % (q - 1n) === 1n && (qi * q) % p === 1n;
  if (!whole) throw new Failure("key-format", "the numbers of an RSA key do not belong together");
  return { n, e };
}

/** As people see it. @param {Bytes} fp */
export const showFingerprint = (fp) =>
  `SHA256:${Buffer.from(fp).toString("base64").replace(/=+$/, "")}`;
