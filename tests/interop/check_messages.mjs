// @ts-check
// Runs messages.json, malformed_messages.json and envelopes.json of tests/vectors/.

import { concat, equal, fromHex, lp, NONE, toHex, u32, u64, utf8 } from "./bytes.mjs";
import { contents, edited, kemDraws, refused, same, sameJson } from "./known_answers.mjs";
import { openBody, openEntry, openNote, readEntry, splitSealed, verifyEntry } from "./open.mjs";
import { sha256 } from "./primitives.mjs";
import { OPERATOR } from "./schemas.mjs";
import { envelopeOf, sealBody, sealParts } from "./seal.mjs";
import { chunksOf, idText, keyFor } from "./sealed_layout.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./known_answers.mjs").Answers} Answers */
/** @typedef {import("./known_answers.mjs").Content} Content */
/** @typedef {import("./known_answers.mjs").Edit} Edit */

/**
 * @typedef {object} Message
 * @property {string} sender
 * @property {string} id
 * @property {string} fileKey
 * @property {string[]} stanzasFor
 * @property {import("./known_answers.mjs").Draws[]} stanzaDraws
 * @property {string} summary
 * @property {string | null} note
 * @property {Content} message
 * @property {string} header
 * @property {{ summary: string, body: string, note: string }} keys
 * @property {{ secret: string, signature: string, stanza: string }[]} stanzas
 * @property {string} summaryHash
 * @property {string} summarySignature
 * @property {string} sealedSummary
 * @property {string | null} sealedNote
 * @property {string[]} bodyHashes
 * @property {string} bodySignature
 * @property {number} bodySize
 * @property {string} [body]
 * @property {string} bodySha256
 * @property {string} uploadSha256
 */

/**
 * What a reader gets of a message.
 *
 * @typedef {{ header: Bytes, stanza: Bytes, summary: Bytes, note: Bytes, body: Bytes }} Delivered
 */

/** @param {Message} given @param {Answers} answers @param {string} reader @returns {Delivered} */
function deliveredTo(given, answers, reader) {
  const { stanza } = given.stanzas[given.stanzasFor.indexOf(reader)] ?? {};
  if (stanza === undefined) throw new Error(`there is no stanza for ${reader}`);
  return {
    header: fromHex(given.header),
    stanza: fromHex(stanza),
    summary: fromHex(given.sealedSummary),
    note: reader === given.sender ? fromHex(given.sealedNote ?? "") : NONE,
    body: bodyOf(given, answers),
  };
}

/** The sealed body; a long one is sealed again, and compared by its hash. @param {Message} given @param {Answers} answers */
function bodyOf(given, answers) {
  if (given.body !== undefined) return fromHex(given.body);
  const { body } = sealBody(
    answers.identity(given.sender),
    contents(given.message),
    fromHex(given.header),
    fromHex(given.summaryHash),
    fromHex(given.fileKey),
  );
  same("the body that was sealed again", sha256(body), given.bodySha256);
  return body;
}

/**
 * Reads a message as sections 13.1 and 13.3 say.
 *
 * @param {Answers} answers @param {string} reader @param {Delivered} delivered
 * @param {number} bodySize that the entry states @param {(name: string) => string} pinned
 */
function read(answers, reader, delivered, bodySize, pinned = (name) => name) {
  const own = answers.identity(reader);
  const opened = openEntry(own, delivered);
  const { name } = opened.summary.from;
  const known = pinned(name);
  // 13.2: of an announcement, it is the server's key.
  const sender = answers.identity(known === OPERATOR ? "server" : known).bundle;
  verifyEntry(opened, sender, { ...delivered, bodySize }, own.bundle.fp);
  const message = openBody(opened, sender, delivered.header, bodySize, delivered.body);
  return { summary: opened.summary, message };
}

export const messages = {
  /** @param {Message} given @param {Answers} answers */
  messages(given, answers) {
    const sender = answers.identity(given.sender);
    const message = contents(given.message);
    const made = sealParts(sender, {
      id: idText(fromHex(given.id)),
      summary: utf8(given.summary),
      recipients: given.stanzasFor.map((name) => answers.identity(name).bundle),
      note: given.note === null ? null : utf8(given.note),
      message,
    }, { fileKey: fromHex(given.fileKey), draws: given.stanzaDraws.map(kemDraws) });
    same("the header", made.header, given.header);
    for (const use of /** @type {const} */ (["summary", "body"])) {
      same(`the ${use} key`, keyFor(use, fromHex(given.fileKey), made.header), given.keys[use]);
    }
    same("the note key", keyFor("note", sender.mlkemSeed, made.header), given.keys.note);
    sameJson(
      "the stanzas",
      made.stanzas.map(({ secret, signature, stanza }) => ({
        secret: toHex(secret),
        signature: toHex(signature),
        stanza: toHex(stanza),
      })),
      given.stanzas,
    );
    same("the hash of the summary", made.summaryHash, given.summaryHash);
    same("the signature of the summary", made.summarySignature, given.summarySignature);
    same("the sealed summary", made.summary, given.sealedSummary);
    same("the sealed note", made.note, given.sealedNote ?? "");
    sameJson("the hashes of the body", made.bodyHashes.map(toHex), given.bodyHashes);
    same("the signature of the body", made.bodySignature, given.bodySignature);
    same("the hash of the sealed body", sha256(made.body), given.bodySha256);
    if (given.body !== undefined) same("the sealed body", made.body, given.body);
    sameJson("the size of the body", made.body.length, given.bodySize);
    same("the hash of the upload", sha256(envelopeOf(made), made.body), given.uploadSha256);

    const split = splitSealed(concat(envelopeOf(made), made.body));
    same("the body in the upload", sha256(split.body), given.bodySha256);
    sameJson("the number of stanzas in the upload", split.stanzas.length, given.stanzas.length);
    for (const reader of given.stanzasFor) {
      const delivered = deliveredTo(given, answers, reader);
      const found = read(answers, reader, delivered, given.bodySize);
      if (!equal(found.message, message)) throw new Error(`${reader} reads another message`);
      sameJson(`the size that ${reader} reads`, found.summary.size, message.length);
      if (delivered.note.length > 0) {
        const bcc = openNote(sender, delivered.header, delivered.note).map(({ name }) => name);
        const { bcc: expected } = JSON.parse(given.note ?? "{}");
        sameJson("the note", bcc, expected.map((/** @type {{ name: string }} */ { name }) => name));
      }
    }
  },
};

export const malformed_messages = {
  /**
   * @param {{ error: string, check: string, base: string, reader: string, header?: Edit[], stanza?: Edit[], summary?: Edit[], note?: Edit[], body?: Edit[], chunks?: number[], bodySize?: number, pins?: Record<string, string> }} given
   * @param {Answers} answers
   */
  malformed({ error, check, base, reader, chunks, pins = {}, ...given }, answers) {
    const good = deliveredTo(answers.find("messages.json", "messages", base), answers, reader);
    const sealed = chunksOf(good.body, 65_552);
    const whole = chunks === undefined
      ? good.body
      : concat(...chunks.map((index) => sealed[index] ?? NONE));
    const delivered = {
      header: edited(good.header, given.header),
      stanza: edited(good.stanza, given.stanza),
      summary: edited(good.summary, given.summary),
      note: edited(good.note, given.note),
      body: edited(whole, given.body),
    };
    const own = answers.identity(reader);
    const bodySize = given.bodySize ?? delivered.body.length;
    if (check === "12.8") {
      refused(error, () => openNote(own, delivered.header, delivered.note));
      return;
    }
    const pinned = (/** @type {string} */ name) => pins[name] ?? name;
    const failure = refused(error, () => read(answers, reader, delivered, bodySize, pinned));
    // A size that contradicts the summary is refused before the body is there.
    const early = failure.check === "13.1/14" && /^13\.3\/[35]$/.test(check);
    if (failure.check !== check && !early) {
      throw new Error(`fails at ${failure.check}, not at ${check}`);
    }
  },
};

const FOLDERS = ["inbox", "sent", "archive", "trash", "drafts"];
const FLAGS = ["seen", "answered", "flagged", "forwarded"];

/** The number of a folder, or the bit of a flag. @param {string[]} names @param {string | number} one */
const numberOf = (names, one) => typeof one === "number" ? one : names.indexOf(one);

export const envelopes = {
  /**
   * @param {{ uid: number, modseq: number, folder: string | number, number: number, flags: (string | number)[], receivedAt: number, bodySize: number, message: string, stanzaFor: string, note: boolean, entry: string }} given
   * @param {Answers} answers
   */
  entries(given, answers) {
    /** @type {Message} */
    const message = answers.find("messages.json", "messages", given.message);
    const { header, stanza, summary } = deliveredTo(message, answers, given.stanzaFor);
    const note = given.note ? fromHex(message.sealedNote ?? "") : NONE;
    const bits = given.flags.reduce((sum, flag) => sum + 2n ** BigInt(numberOf(FLAGS, flag)), 0n);
    const entry = concat(
      u64(given.uid),
      u64(given.modseq),
      u64(given.receivedAt),
      u64(given.bodySize),
      u32(numberOf(FOLDERS, given.folder)),
      u32(given.number),
      fromHex(bits.toString(16).padStart(16, "0")),
      header,
      lp(stanza),
      lp(summary),
      lp(note),
    );
    same("the entry", entry, given.entry);
    const found = readEntry(entry);
    sameJson("what is read of it", {
      ...{
        uid: found.uid,
        modseq: found.modseq,
        number: found.number,
        folder: found.folder,
        flags: found.flags,
        bodySize: found.bodySize,
      },
      ...{ storedAt: found.storedAt, header: toHex(found.header), stanza: toHex(found.stanza) },
      ...{ summary: toHex(found.summary), note: toHex(found.note) },
    }, {
      ...{
        uid: given.uid,
        modseq: given.modseq,
        number: given.number,
        folder: given.folder,
        flags: given.flags,
        bodySize: given.bodySize,
      },
      ...{ storedAt: given.receivedAt, header: toHex(header), stanza: toHex(stanza) },
      ...{ summary: toHex(summary), note: toHex(note) },
    });
  },
  /** @param {{ error: string, base: string, edits: Edit[] }} given @param {Answers} answers */
  malformedEntries({ error, base, edits }, answers) {
    const { entry } = answers.find("envelopes.json", "entries", base);
    refused(error, () => readEntry(edited(fromHex(entry), edits)));
  },
  /** @param {{ error: string, base: string, edits: Edit[] }} given @param {Answers} answers */
  malformedEnvelopes({ error, base, edits }, answers) {
    /** @type {Message} */
    const message = answers.find("messages.json", "messages", base);
    const envelope = envelopeOf({
      header: fromHex(message.header),
      stanzas: message.stanzas.map(({ stanza }) => ({ stanza: fromHex(stanza) })),
      summary: fromHex(message.sealedSummary),
      note: fromHex(message.sealedNote ?? ""),
      body: bodyOf(message, answers),
    });
    refused(error, () => splitSealed(edited(envelope, edits)));
  },
};
