// @ts-check
// Section 2: hash, key derivation, authenticated encryption.

import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import { concat, NONE, u64 } from "./bytes.mjs";
import { Failure } from "./error.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */

/** @param {number} size @returns {Bytes} */
export const random = (size) => new Uint8Array(randomBytes(size));

/** @param {...Bytes} parts @returns {Bytes} */
export function sha256(...parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** @param {Bytes} key @param {...Bytes} parts @returns {Bytes} */
export function hmac(key, ...parts) {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return new Uint8Array(mac.digest());
}

/**
 * HKDF-SHA-256 (RFC 5869). Node's own takes no info above 1024 bytes; that of the KEM is longer.
 *
 * @param {Bytes} ikm @param {Bytes} salt @param {Bytes} info @param {number} size
 * @returns {Bytes}
 */
export function hkdf(ikm, salt, info, size) {
  const prk = hmac(salt, ikm);
  /** @type {Bytes} */
  let block = NONE;
  /** @type {Bytes} */
  let out = NONE;
  for (let i = 1; out.length < size; i++) {
    block = hmac(prk, block, info, Uint8Array.of(i));
    out = concat(out, block);
  }
  return out.subarray(0, size);
}

/**
 * AES-256-GCM; the tag is at the end.
 *
 * @param {Bytes} key @param {Bytes} nonce @param {Bytes} plaintext @param {Bytes} [aad]
 * @returns {Bytes}
 */
export function seal(key, nonce, plaintext, aad = NONE) {
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  cipher.setAAD(aad);
  const body = cipher.update(plaintext);
  return concat(body, cipher.final(), cipher.getAuthTag());
}

/**
 * The inverse of {@linkcode seal}. Throws `authentication`.
 *
 * @param {Bytes} key @param {Bytes} nonce @param {Bytes} ciphertext @param {Bytes} [aad]
 * @returns {Bytes}
 */
export function open(key, nonce, ciphertext, aad = NONE) {
  if (ciphertext.length < 16) throw new Failure("authentication", "shorter than a tag");
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad);
  decipher.setAuthTag(ciphertext.subarray(-16));
  const plaintext = decipher.update(ciphertext.subarray(0, -16));
  try {
    return concat(plaintext, decipher.final());
  } catch (cause) {
    throw new Failure("authentication", "a tag does not verify", cause);
  }
}

/** Four zero bytes and u64(n). @param {number} n @returns {Bytes} */
export const counterNonce = (n) => concat(new Uint8Array(4), u64(n));
