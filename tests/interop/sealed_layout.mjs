// @ts-check
// Section 12: what sealing and opening share.

import { concat, equal, fromHex, lp, NONE, pad, Reader, toHex, u64, u8, utf8 } from "./bytes.mjs";
import { Failure } from "./error.mjs";
import { hkdf, sha256 } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */

export const CHUNK = 65_536;
export const HEADER_SIZE = 81;
const BUCKETS = [1024, 4096, 16_384, 32_768];

/** A nonce of zeros, for keys that seal one thing. */
export const ZERO_NONCE = new Uint8Array(12);

/** 12.7. @param {number} n at least 2 @returns {number} */
export function padme(n) {
  const e = floorLog2(n);
  const unit = 2 ** (e - floorLog2(e) - 1);
  return Math.ceil(n / unit) * unit;
}

/** Exact up to 2^53. @param {number} n */
const floorLog2 = (n) => n.toString(2).length - 1;

/** The size of a body's plaintext. @param {number} length of the message */
export const plaintextSize = (length) => Math.max(4096, padme(length + 72));

/** @param {number} plaintext its size */
const sealedSize = (plaintext) => plaintext + 16 * Math.ceil(plaintext / CHUNK);

/** @param {number} length of the message */
export const sealedBodySize = (length) => sealedSize(plaintextSize(length));

/** The size of the plaintext in a sealed body. Throws `format`. @param {number} sealed */
export function sizeInside(sealed) {
  const size = sealed - 16 * Math.ceil(sealed / (CHUNK + 16));
  if (size < 4096 || sealedSize(size) !== sealed) {
    throw new Failure("format", "a sealed body of a size that none can have");
  }
  return size;
}

/** @param {string} id with hyphens @returns {Bytes} */
export const idBytes = (id) => fromHex(id.replaceAll("-", ""));

/** @param {Bytes} id @returns {string} */
export const idText = (id) =>
  toHex(id).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

/** 12.3. @param {Bytes} id @param {Bytes} fp @param {Bytes} commitment @returns {Bytes} */
export const writeHeader = (id, fp, commitment) => concat(u8(1), id, fp, commitment);

/** 12.3. @param {Bytes} header */
export function readHeader(header) {
  const reader = new Reader(header);
  const version = reader.u8();
  const [id, fp, commitment] = [reader.take(16), reader.take(32), reader.take(32)];
  reader.end();
  if (version !== 1) throw new Failure("version", `a message of layout ${version}`);
  if ((id[6] ?? 0) >> 4 !== 7 || (id[8] ?? 0) >> 6 !== 2) {
    throw new Failure("format", "an id that is not a UUIDv7");
  }
  return { id, fp, commitment };
}

/** 12.4. @param {Bytes} fileKey */
export const commitmentTo = (fileKey) => hkdf(fileKey, NONE, utf8("sealpost/1 commit"), 32);

/**
 * The summary's, the body's and the note's key.
 *
 * @param {"summary" | "body" | "note"} use @param {Bytes} secret @param {Bytes} header
 */
export const keyFor = (use, secret, header) =>
  hkdf(secret, NONE, concat(utf8(`sealpost/1 ${use}`), sha256(header)), 32);

/**
 * 12.5: the key of a box, from the secret of its lane.
 *
 * @param {Bytes} secret @param {Bytes} header @param {Bytes} fp of the recipient
 */
export const boxKey = (secret, header, fp) =>
  hkdf(secret, NONE, concat(utf8("sealpost/1 stanza"), sha256(header), fp), 32);

/** What the three signatures of a message sign. */
export const signed = {
  /** @param {Bytes} header @param {Bytes} fp of the recipient */
  recipient: (header, fp) => concat(utf8("sealpost/1 recipient"), lp(header), fp),
  /** @param {Bytes} header @param {Bytes} summaryHash */
  summary: (header, summaryHash) => concat(utf8("sealpost/1 summary"), lp(header), summaryHash),
  /** @param {Bytes} header @param {Bytes} summaryHash @param {Bytes} bodyHash */
  message: (header, summaryHash, bodyHash) =>
    concat(utf8("sealpost/1 message"), lp(header), summaryHash, bodyHash),
};

/** LP(json) and zeros up to the smallest bucket; null if none holds it. @param {Bytes} json */
export function padJson(json) {
  const bucket = BUCKETS.find((size) => size >= json.length + 4);
  return bucket === undefined ? null : pad(bucket, lp(json));
}

/** The JSON in what {@linkcode padJson} gave. Throws `format`. @param {Bytes} padded */
export function unpadJson(padded) {
  const reader = new Reader(padded);
  const json = reader.lp();
  reader.padding();
  const again = padJson(json);
  if (again === null || !equal(again, padded)) {
    throw new Failure("format", "padding to another size than the smallest");
  }
  return json;
}

/** Whether a sealed summary or note is one bucket and `more` bytes. @param {number} size @param {number} more */
export const isBucket = (size, more) => BUCKETS.includes(size - more);

/** The chunks of a body's plaintext, or of a sealed body. @param {Bytes} bytes @param {number} size */
export function chunksOf(bytes, size) {
  return Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, i) => bytes.subarray(i * size, (i + 1) * size),
  );
}

/** @param {number} chunk @param {boolean} last */
export const streamNonce = (chunk, last) => concat(new Uint8Array(3), u64(chunk), u8(last ? 1 : 0));

/** c(0), c(1), … of 12.7. @param {Bytes} plaintext of the body, signature included */
export function hashBody(plaintext) {
  const hashes = [sha256(utf8("sealpost/1 body hash"))];
  let j = 0;
  for (const chunk of chunksOf(plaintext.subarray(0, -64), CHUNK)) {
    const leaf = sha256(utf8("sealpost/1 leaf"), u64(j++), chunk);
    hashes.push(sha256(hashes.at(-1) ?? NONE, leaf));
  }
  return hashes;
}
