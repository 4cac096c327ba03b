// @ts-check
// Section 12: sealing a message.

import { concat, NONE, pad, u16, u32, u64 } from "./bytes.mjs";
import { ed25519Sign } from "./curves.mjs";
import { encapsulate } from "./kem.mjs";
import { random, seal, sha256 } from "./primitives.mjs";
import { writeJson } from "./schemas.mjs";
import {
  bodyHash,
  CHUNK,
  chunksOf,
  commitmentTo,
  idBytes,
  idText,
  keyFor,
  padJson,
  plaintextSize,
  signed,
  streamNonce,
  writeHeader,
  ZERO_NONCE,
} from "./sealed_layout.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./identity.mjs").Bundle} Bundle */
/** @typedef {import("./identity.mjs").Identity} Identity */
/** @typedef {import("./schemas.mjs").Summary} Summary */
/** @typedef {import("./schemas.mjs").Person} Person */

/** A UUIDv7 of now (RFC 9562). @returns {string} */
export function newId() {
  const id = concat(u64(Date.now()).subarray(2), random(10));
  id[6] = 0x70 | ((id[6] ?? 0) & 0x0f);
  id[8] = 0x80 | ((id[8] ?? 0) & 0x3f);
  return idText(id);
}

/**
 * @typedef {object} Draft
 * @property {string} id
 * @property {Summary} summary
 * @property {readonly Bundle[]} recipients each once; with the sender's own for the Sent copy
 * @property {readonly Person[] | null} bcc for the note; null if the sender keeps no copy
 * @property {Bytes} message 12.1
 */

/** The whole sealed message: envelope and body. @param {Identity} sender @param {Draft} draft */
export function sealMessage(sender, draft) {
  const fileKey = random(32);
  const header = writeHeader(idBytes(draft.id), sender.bundle.fp, commitmentTo(fileKey));
  const stanzas = draft.recipients.map((to) => sealStanza(sender, to, header, fileKey));
  const padded = padSummary(draft.summary);
  const summaryHash = sha256(padded);
  const summarySignature = ed25519Sign(sender.ed25519, signed.summary(header, summaryHash));
  const summaryKey = keyFor("summary", fileKey, header);
  const summary = seal(summaryKey, ZERO_NONCE, concat(padded, summarySignature));
  const note = draft.bcc === null ? NONE : sealNote(sender, draft.bcc, header);
  const body = sealBody(sender, draft.message, header, summaryHash, fileKey);
  return concat(
    header,
    u16(stanzas.length),
    ...stanzas.map((stanza) => concat(u16(stanza.length), stanza)),
    u32(summary.length),
    summary,
    u32(note.length),
    note,
    u64(body.length),
    body,
  );
}

/** 12.5. @param {Identity} sender @param {Bundle} to @param {Bytes} header @param {Bytes} fileKey */
function sealStanza(sender, to, header, fileKey) {
  const { ctRsa, ctMlkem, secret } = encapsulate(to, "stanza");
  const signature = ed25519Sign(sender.ed25519, signed.recipient(header, to.fp));
  const box = seal(secret, ZERO_NONCE, concat(fileKey, signature), concat(header, to.fp));
  return concat(to.fp, u16(ctRsa.length), ctRsa, ctMlkem, box);
}

/** 12.6: with as many of the attachments as fit. @param {Summary} summary @returns {Bytes} */
function padSummary(summary) {
  const { attachments } = summary;
  for (let kept = attachments.length;; kept--) {
    const padded = padJson(writeJson({ ...summary, attachments: attachments.slice(0, kept) }));
    if (padded !== null) return padded;
    if (kept === 0) throw new RangeError("too many recipients for a summary");
  }
}

/** 12.8. @param {Identity} sender @param {readonly Person[]} bcc @param {Bytes} header */
function sealNote(sender, bcc, header) {
  const padded = padJson(writeJson({ bcc }));
  if (padded === null) throw new RangeError("too many blind copies for a note");
  return seal(keyFor("note", sender.mlkemSeed, header), ZERO_NONCE, padded, header);
}

/**
 * 12.7.
 *
 * @param {Identity} sender @param {Bytes} message @param {Bytes} header @param {Bytes} summaryHash
 * @param {Bytes} fileKey
 */
function sealBody(sender, message, header, summaryHash, fileKey) {
  const size = plaintextSize(message.length);
  const plaintext = pad(size, concat(u64(message.length), message));
  const toSign = signed.message(header, summaryHash, bodyHash(plaintext));
  plaintext.set(ed25519Sign(sender.ed25519, toSign), size - 64);
  const key = keyFor("body", fileKey, header);
  const chunks = chunksOf(plaintext, CHUNK);
  return concat(
    ...chunks.map((chunk, i) => seal(key, streamNonce(i, i === chunks.length - 1), chunk)),
  );
}
