// @ts-check
// Sections 10.8, 12.2 and 13: entries, envelopes, and reading a sealed message.

import { concat, equal, isZero, NONE, Reader, toHex } from "./bytes.mjs";
import { ed25519Verify } from "./curves.mjs";
import { Failure, row } from "./error.mjs";
import { decapsulate } from "./kem.mjs";
import { open, sha256 } from "./primitives.mjs";
import { note as noteSchema, OPERATOR, readJson, summary as summarySchema } from "./schemas.mjs";
import {
  boxKey,
  CHUNK,
  chunksOf,
  commitmentTo,
  hashBody,
  HEADER_SIZE,
  isBucket,
  keyFor,
  plaintextSize,
  readHeader,
  sealedBodySize,
  signed,
  sizeInside,
  streamNonce,
  unpadJson,
  ZERO_NONCE,
} from "./sealed_layout.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./identity.mjs").Bundle} Bundle */
/** @typedef {import("./identity.mjs").Identity} Identity */
/** @typedef {import("./schemas.mjs").Summary} Summary */

const FOLDERS = ["inbox", "sent", "archive", "trash", "drafts"];
const FLAGS = ["seen", "answered", "flagged", "forwarded"];

/**
 * @typedef {object} Entry
 * @property {number} uid
 * @property {number} modseq
 * @property {number} storedAt
 * @property {number} bodySize
 * @property {string | number} folder the number of one's own
 * @property {number} number
 * @property {(string | number)[]} flags the bits of keywords
 * @property {Bytes} header
 * @property {Bytes} stanza
 * @property {Bytes} summary sealed
 * @property {Bytes} note empty if there is none
 */

/** 10.8. @param {Bytes} bytes @returns {Entry} */
export function readEntry(bytes) {
  const reader = new Reader(bytes);
  const [uid, modseq, storedAt, bodySize] = [
    reader.u64(),
    reader.u64(),
    reader.u64(),
    reader.u64(),
  ];
  const place = reader.u32();
  const folder = FOLDERS[place] ?? (place < 16 ? undefined : place);
  const number = reader.u32();
  const bits = BigInt(`0x${toHex(reader.take(8))}`);
  const header = reader.take(HEADER_SIZE);
  const [stanza, summary, note] = [reader.lp(), reader.lp(), reader.lp()];
  reader.end();
  if (uid === 0 || modseq === 0 || number === 0 || folder === undefined || bits >> 63n) {
    throw new Failure("format", "an entry that cannot be");
  }
  /** @type {(string | number)[]} */
  const flags = [];
  for (let bit = 0; bit < 63; bit++) if (bits >> BigInt(bit) & 1n) flags.push(FLAGS[bit] ?? bit);
  return { uid, modseq, storedAt, bodySize, folder, number, flags, header, stanza, summary, note };
}

/**
 * What a summary says when its box is open. Nothing of it counts before {@linkcode verifyEntry}.
 *
 * @typedef {object} Opened
 * @property {Bytes} fileKey
 * @property {Bytes} senderFp
 * @property {Bytes} stanzaSignature
 * @property {Summary} summary
 * @property {Bytes} summaryHash
 * @property {Bytes} summarySignature
 */

/**
 * 13.1, 1 to 10.
 *
 * @param {Identity} own @param {Pick<Entry, "header" | "stanza" | "summary">} entry
 * @returns {Opened}
 */
export function openEntry(own, { header, stanza, summary: sealed }) {
  const { fp: senderFp, commitment } = row("13.1/1", () => readHeader(header));
  const { fileKey, signature: stanzaSignature } = openStanza(own, header, stanza);
  if (!equal(commitmentTo(fileKey), commitment)) {
    throw refusal("13.1/6", "authentication", "the commitment is to another file key");
  }
  if (!isBucket(sealed.length, 80)) {
    throw refusal("13.1/7", "format", "a summary of an odd size");
  }
  const key = keyFor("summary", fileKey, header);
  const plaintext = row("13.1/8", () => open(key, ZERO_NONCE, sealed));
  const padded = plaintext.subarray(0, -64);
  const summary = row("13.1/9", () => readJson(summarySchema, unpadJson(padded), "format"));
  if (summary.stored && !equal(senderFp, stanza.subarray(0, 32))) {
    throw refusal("13.1/9", "format", "stored by somebody else");
  }
  if (!equal(summary.from.fp, senderFp)) {
    throw refusal("13.1/10", "authentication", "the summary names another sender");
  }
  return {
    fileKey,
    senderFp,
    stanzaSignature,
    summary,
    summaryHash: sha256(padded),
    summarySignature: plaintext.subarray(-64),
  };
}

/** @param {string} row @param {string} code @param {string} message */
function refusal(row, code, message) {
  return Object.assign(new Failure(code, message), { check: row });
}

/** The parts of a stanza. 13.1, 2. @param {Bytes} stanza */
export function splitStanza(stanza) {
  const reader = new Reader(stanza);
  const fp = reader.take(32);
  const size = reader.u16();
  if (size < 256 || size > 512) throw new Failure("format", "an RSA ciphertext of an odd size");
  const [ctRsa, ctMlkem, box] = [reader.take(size), reader.take(1088), reader.take(112)];
  reader.end();
  return { fp, ctRsa, ctMlkem, box };
}

/** @param {Identity} own @param {Bytes} header @param {Bytes} stanza */
function openStanza(own, header, stanza) {
  const { fp, ctRsa, ctMlkem, box } = row("13.1/2", () => splitStanza(stanza));
  if (!equal(fp, own.bundle.fp)) {
    throw refusal("13.1/3", "format", "a stanza for somebody else");
  }
  const from = header.subarray(17, 49);
  const secret = row("13.1/4", () => decapsulate(own, "stanza", ctRsa, ctMlkem, from));
  const key = boxKey(secret, header, fp);
  const plaintext = row("13.1/5", () => open(key, ZERO_NONCE, box, concat(header, fp)));
  return { fileKey: plaintext.subarray(0, 32), signature: plaintext.subarray(32) };
}

/**
 * 13.1, 11 to 14: `sender` is the key pinned for the name in From.
 *
 * @param {Opened} opened @param {Bundle} sender @param {Pick<Entry, "header" | "bodySize">} entry
 * @param {Bytes} ownFp
 */
export function verifyEntry(opened, sender, { header, bodySize }, ownFp) {
  if (!equal(sender.fp, opened.senderFp)) {
    // 13.2: nobody is asked about a key that is not the server's.
    const code = opened.summary.from.name === OPERATOR ? "authentication" : "key-changed";
    throw refusal("13.1/11", code, "the sender has another key than the one pinned");
  }
  const { stanzaSignature, summaryHash, summarySignature } = opened;
  const [forMe, whole] = [signed.recipient(header, ownFp), signed.summary(header, summaryHash)];
  row("13.1/12", () => ed25519Verify(sender.ed25519, forMe, stanzaSignature, "a stanza"));
  row("13.1/13", () => ed25519Verify(sender.ed25519, whole, summarySignature, "a summary"));
  if (sealedBodySize(opened.summary.size) !== bodySize) {
    throw refusal("13.1/14", "format", "the body does not have the size that the summary says");
  }
}

/**
 * 13.3, 3 to 9: the message, when all of it is verified.
 *
 * @param {Pick<Opened, "fileKey" | "summaryHash"> & { summary: { size: number } }} opened
 * @param {Bundle} sender @param {Bytes} header
 * @param {number} bodySize that the entry says @param {Bytes} sealed
 * @returns {Bytes}
 */
export function openBody({ fileKey, summaryHash, summary }, sender, header, bodySize, sealed) {
  const size = row("13.3/3", () => sizeInside(bodySize));
  const key = keyFor("body", fileKey, header);
  const last = Math.ceil(size / CHUNK) - 1;
  const plaintext = new Uint8Array(size);
  let length = 0;
  chunksOf(sealed, CHUNK + 16).forEach((chunk, i) => {
    const expected = i === last ? size - last * CHUNK : CHUNK;
    if (i > last || chunk.length !== expected + 16) {
      throw refusal("13.3/7", "format", "a chunk that is cut, or stands after the last");
    }
    const opened = row("13.3/4", () => open(key, streamNonce(i, i === last), chunk));
    plaintext.set(opened, i * CHUNK);
    if (i === 0) length = row("13.3/5", () => lengthIn(opened, size));
    const end = i === last ? size - 64 : (i + 1) * CHUNK;
    if (!isZero(plaintext.subarray(Math.max(i * CHUNK, 8 + length), end))) {
      throw refusal("13.3/6", "authentication", "padding that is not zero");
    }
  });
  if (sealed.length !== bodySize) throw refusal("13.3/7", "format", "a chunk is missing");
  const signature = plaintext.subarray(-64);
  const whole = signed.message(header, summaryHash, hashBody(plaintext).at(-1) ?? NONE);
  row("13.3/8", () => ed25519Verify(sender.ed25519, whole, signature, "the message"));
  if (length !== summary.size) {
    throw refusal("13.3/9", "authentication", "another size than announced");
  }
  return plaintext.subarray(8, 8 + length);
}

/** The length at the start of a body whose plaintext has `size` bytes. @param {Bytes} start @param {number} size */
function lengthIn(start, size) {
  const length = new Reader(start).u64();
  if (length > size - 72 || plaintextSize(length) !== size) {
    throw new Failure("format", "a length that does not fit the size of the body");
  }
  return length;
}

/** 12.8: whom one's own message was blind-copied to. @param {Identity} own @param {Bytes} header @param {Bytes} note */
export function openNote(own, header, note) {
  if (!isBucket(note.length, 16)) throw new Failure("format", "a note of an odd size");
  const padded = open(keyFor("note", own.mlkemSeed, header), ZERO_NONCE, note, header);
  return readJson(noteSchema, unpadJson(padded), "format").bcc;
}

/** 12.2: the parts of a whole sealed message. @param {Bytes} bytes */
export function splitSealed(bytes) {
  const reader = new Reader(bytes);
  const header = reader.take(HEADER_SIZE);
  readHeader(header);
  const count = reader.u16();
  if (count < 1 || count > 256) throw new Failure("format", "no stanza, or too many");
  /** @type {Bytes[]} */
  const stanzas = [];
  for (let i = 0; i < count; i++) {
    const size = reader.u16();
    if (size < 1490 || size > 1746) throw new Failure("format", "a stanza of an odd size");
    const stanza = reader.take(size);
    const { fp } = splitStanza(stanza);
    if (stanzas.some((other) => equal(other.subarray(0, 32), fp))) {
      throw new Failure("format", "two stanzas for one key");
    }
    stanzas.push(stanza);
  }
  const summarySize = reader.u32();
  if (summarySize < 1 || summarySize > 32_848) throw new Failure("format", "an odd summary size");
  const summary = reader.take(summarySize);
  const noteSize = reader.u32();
  if (noteSize > 32_784) throw new Failure("format", "an odd note size");
  const note = reader.take(noteSize);
  const bodySize = reader.u64();
  return { header, stanzas, summary, note, bodySize, body: reader.take(reader.left) };
}
