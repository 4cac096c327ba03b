// @ts-check
// Section 2: X25519 and Ed25519 by OpenSSL, and the checks that it does not make.

import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, diffieHellman, sign, verify } from "node:crypto";
import { concat, fromHex, isZero } from "./bytes.mjs";
import { Failure } from "./error.mjs";
import { random } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("node:crypto").KeyObject} KeyObject */

// What stands before the 32 bytes of a key in DER (RFC 8410).
const X25519_PKCS8 = fromHex("302e020100300506032b656e04220420");
const X25519_SPKI = fromHex("302a300506032b656e032100");
const ED25519_PKCS8 = fromHex("302e020100300506032b657004220420");
const ED25519_SPKI = fromHex("302a300506032b6570032100");

/** @param {Bytes} prefix @param {Bytes} key */
const privateKey = (prefix, key) =>
  createPrivateKey({ key: Buffer.from(concat(prefix, key)), format: "der", type: "pkcs8" });

/** @param {Bytes} prefix @param {Bytes} key */
const publicKey = (prefix, key) =>
  createPublicKey({ key: Buffer.from(concat(prefix, key)), format: "der", type: "spki" });

/** The 32 bytes at the end of the public half. @param {KeyObject} key @returns {Bytes} */
function rawPublic(key) {
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return new Uint8Array(spki.subarray(-32));
}

/** @typedef {{ readonly key: KeyObject, readonly publicKey: Bytes }} X25519Pair */

/** @param {Bytes} [secret] 32 bytes @returns {X25519Pair} */
export function x25519Pair(secret = random(32)) {
  const key = privateKey(X25519_PKCS8, secret);
  return { key, publicKey: rawPublic(key) };
}

/**
 * The shared secret. Throws `authentication` if it is zero, whether OpenSSL says so or not.
 *
 * @param {X25519Pair} own @param {Bytes} theirs @returns {Bytes}
 */
export function x25519(own, theirs) {
  const peer = publicKey(X25519_SPKI, theirs);
  let shared;
  try {
    shared = new Uint8Array(diffieHellman({ privateKey: own.key, publicKey: peer }));
  } catch (cause) {
    throw new Failure("authentication", "an X25519 key is of low order", cause);
  }
  if (isZero(shared)) throw new Failure("authentication", "an X25519 key is of low order");
  return shared;
}

/** @param {Bytes} secret 32 bytes @returns {{ key: KeyObject, publicKey: Bytes }} */
export function ed25519Pair(secret) {
  const key = privateKey(ED25519_PKCS8, secret);
  return { key, publicKey: rawPublic(key) };
}

/** @param {KeyObject} key @param {Bytes} message @returns {Bytes} 64 bytes */
export const ed25519Sign = (key, message) => new Uint8Array(sign(null, message, key));

const L = 2n ** 252n + 27742317777372353535851937790883648493n;

/**
 * Throws `authentication` unless `signature` is one of `message` by the key of these 32 bytes.
 *
 * @param {Bytes} key @param {Bytes} message @param {Bytes} signature @param {string} what
 */
export function ed25519Verify(key, message, signature, what) {
  const valid = signature.length === 64 &&
    littleEndian(signature.subarray(32)) < L &&
    verify(null, message, publicKey(ED25519_SPKI, key), signature);
  if (!valid) {
    throw new Failure(
      "authentication",
      `the signature of ${what} does not verify`,
    );
  }
}

// The curve -x^2 + y^2 = 1 + d x^2 y^2 over the field of p elements (RFC 8032, 5.1).

const P = 2n ** 255n - 19n;

/** @param {bigint} n */
const mod = (n) => ((n % P) + P) % P;

/** @param {bigint} base @param {bigint} exponent */
function power(base, exponent) {
  let result = 1n;
  for (let b = mod(base), e = exponent; e > 0n; e >>= 1n, b = mod(b * b)) {
    if (e & 1n) result = mod(result * b);
  }
  return result;
}

/** @param {bigint} n */
const inverse = (n) => power(n, P - 2n);

const D = mod(-121665n * inverse(121666n));

/** @param {Bytes} bytes */
function littleEndian(bytes) {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex") || "0"}`);
}

/**
 * Throws `key-format` unless the 32 bytes are the canonical encoding of a point whose order is not
 * 1, 2, 4 or 8.
 *
 * @param {Bytes} bytes
 */
export function checkEd25519Public(bytes) {
  const encoded = littleEndian(bytes);
  const sign = encoded >> 255n;
  let y = encoded & (2n ** 255n - 1n);
  const refuse = () => new Failure("key-format", "not an Ed25519 public key");
  if (y >= P) throw refuse();
  const xx = mod((y * y - 1n) * inverse(D * y * y + 1n));
  let x = power(xx, (P + 3n) / 8n);
  if (mod(x * x) !== xx) x = mod(x * power(2n, (P - 1n) / 4n));
  if (mod(x * x) !== xx || (x === 0n && sign === 1n)) throw refuse();
  // The sign of x does not change the order. Doubled three times, a point of small order is (0, 1).
  for (let i = 0; i < 3; i++) {
    const t = mod(D * x * x * y * y);
    const twice = mod(2n * x * y * inverse(1n + t));
    y = mod((y * y + x * x) * inverse(1n - t));
    x = twice;
  }
  if (x === 0n && y === 1n) throw refuse();
}
