// @ts-check
// Section 12: sealing a message.

import { concat, NONE, pad, u16, u32, u64 } from "./bytes.mjs";
import { ed25519Sign } from "./curves.mjs";
import { encapsulate } from "./kem.mjs";
import { random, seal, sha256 } from "./primitives.mjs";
import { writeJson } from "./schemas.mjs";
import {
  boxKey,
  CHUNK,
  chunksOf,
  commitmentTo,
  hashBody,
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
 * @property {Bytes} summary its JSON, of a size that fits
 * @property {readonly Bundle[]} recipients each once; with the sender's own for the Sent copy
 * @property {Bytes | null} note its JSON; null if the sender keeps no copy
 * @property {Bytes} message 12.1
 */

/**
 * The parts of a sealed message. Known answers fix what is drawn.
 *
 * @param {Identity} sender @param {Draft} draft
 * @param {{ fileKey?: Bytes, draws?: readonly import("./kem.mjs").KemDraws[] }} [fixed]
 */
export function sealParts(sender, draft, { fileKey = random(32), draws = [] } = {}) {
  const header = writeHeader(idBytes(draft.id), sender.bundle.fp, commitmentTo(fileKey));
  const stanzas = draft.recipients.map((to, i) =>
    sealStanza(sender, to, header, fileKey, draws[i])
  );
  const padded = padJson(draft.summary);
  if (padded === null) throw new RangeError("too many recipients for a summary");
  const summaryHash = sha256(padded);
  const summarySignature = ed25519Sign(sender.ed25519, signed.summary(header, summaryHash));
  const summaryKey = keyFor("summary", fileKey, header);
  return {
    header,
    stanzas,
    summaryHash,
    summarySignature,
    summary: seal(summaryKey, ZERO_NONCE, concat(padded, summarySignature)),
    note: draft.note === null ? NONE : sealNote(sender, draft.note, header),
    ...sealBody(sender, draft.message, header, summaryHash, fileKey),
  };
}

/**
 * 12.2, without the body.
 *
 * @param {{ header: Bytes, stanzas: readonly { stanza: Bytes }[], summary: Bytes, note: Bytes, body: Bytes }} parts
 * @returns {Bytes}
 */
export function envelopeOf({ header, stanzas, summary, note, body }) {
  return concat(
    header,
    u16(stanzas.length),
    ...stanzas.map(({ stanza }) => concat(u16(stanza.length), stanza)),
    u32(summary.length),
    summary,
    u32(note.length),
    note,
    u64(body.length),
  );
}

/**
 * The whole sealed message, as it is uploaded.
 *
 * @param {Identity} sender
 * @param {Omit<Draft, "summary" | "note"> & { summary: Summary, bcc: readonly Person[] | null }} draft
 * @returns {Bytes}
 */
export function sealMessage(sender, { summary, bcc, ...draft }) {
  const note = bcc === null ? null : writeJson({ bcc });
  const parts = sealParts(sender, { ...draft, summary: fitSummary(summary), note });
  return concat(envelopeOf(parts), parts.body);
}

/**
 * 12.5.
 *
 * @param {Identity} sender @param {Bundle} to @param {Bytes} header @param {Bytes} fileKey
 * @param {import("./kem.mjs").KemDraws} [draws]
 */
function sealStanza(sender, to, header, fileKey, draws) {
  const { ctRsa, ctMlkem, secret } = encapsulate(to, "stanza", draws, header.subarray(17, 49));
  const signature = ed25519Sign(sender.ed25519, signed.recipient(header, to.fp));
  const box = seal(
    boxKey(secret, header, to.fp),
    ZERO_NONCE,
    concat(fileKey, signature),
    concat(header, to.fp),
  );
  return { secret, signature, stanza: concat(to.fp, u16(ctRsa.length), ctRsa, ctMlkem, box) };
}

/** 12.6: its JSON, with as many of the attachments as fit. @param {Summary} summary @returns {Bytes} */
function fitSummary(summary) {
  const { attachments } = summary;
  for (let kept = attachments.length;; kept--) {
    const json = writeJson({ ...summary, attachments: attachments.slice(0, kept) });
    if (kept === 0 || padJson(json) !== null) return json;
  }
}

/** 12.8. @param {Identity} sender @param {Bytes} json @param {Bytes} header */
function sealNote(sender, json, header) {
  const padded = padJson(json);
  if (padded === null) throw new RangeError("too many blind copies for a note");
  return seal(keyFor("note", sender.mlkemSeed, header), ZERO_NONCE, padded, header);
}

/**
 * 12.7.
 *
 * @param {Identity} sender @param {Bytes} message @param {Bytes} header @param {Bytes} summaryHash
 * @param {Bytes} fileKey
 */
export function sealBody(sender, message, header, summaryHash, fileKey) {
  const size = plaintextSize(message.length);
  const plaintext = pad(size, concat(u64(message.length), message));
  const bodyHashes = hashBody(plaintext);
  const toSign = signed.message(header, summaryHash, bodyHashes.at(-1) ?? NONE);
  const bodySignature = ed25519Sign(sender.ed25519, toSign);
  plaintext.set(bodySignature, size - 64);
  const key = keyFor("body", fileKey, header);
  const chunks = chunksOf(plaintext, CHUNK);
  const body = concat(
    ...chunks.map((chunk, i) => seal(key, streamNonce(i, i === chunks.length - 1), chunk)),
  );
  return { bodyHashes, bodySignature, body };
}
