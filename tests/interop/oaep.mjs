// @ts-check
// RSA-OAEP with SHA-256 and a seed that is given (RFC 8017, 7.1.1), which OpenSSL does not take.

import { Buffer } from "node:buffer";
import { constants, createPublicKey, publicEncrypt } from "node:crypto";
import { concat, u32, u8 } from "./bytes.mjs";
import { sha256 } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */

/** @param {Bytes} seed @param {number} size */
function mgf1(seed, size) {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, i) => sha256(seed, u32(i)));
  return concat(...blocks).subarray(0, size);
}

/** @param {Bytes} a @param {Bytes} b */
const xor = (a, b) => a.map((byte, i) => byte ^ (b[i] ?? 0));

/**
 * @param {import("./identity.mjs").Bundle} to @param {Bytes} message @param {Bytes} seed 32 bytes
 * @returns {Bytes}
 */
export function oaepEncrypt(to, message, seed) {
  const size = to.rsaSize - 33;
  const padding = new Uint8Array(size - 33 - message.length);
  const block = concat(sha256(), padding, u8(1), message);
  const maskedBlock = xor(block, mgf1(seed, size));
  const maskedSeed = xor(seed, mgf1(maskedBlock, 32));
  const key = createPublicKey({ key: Buffer.from(to.spkiRsa), format: "der", type: "spki" });
  const encoded = concat(u8(0), maskedSeed, maskedBlock);
  return new Uint8Array(publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded));
}
