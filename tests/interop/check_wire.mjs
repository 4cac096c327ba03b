// @ts-check
// Runs records.json, frames.json, json.json and json_additions.json of tests/vectors/.

import { concat, fromHex, toHex, utf8 } from "./bytes.mjs";
import { pack, unpack } from "./frames.mjs";
import { contents, refused, same, sameJson } from "./known_answers.mjs";
import { sha256 } from "./primitives.mjs";
import { Records, recordSize } from "./records.mjs";
import {
  hello,
  readAnswer,
  readEvent,
  readJson,
  readRequest,
  response,
  verdict,
  writeJson,
} from "./schemas.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./known_answers.mjs").Content} Content */

/** Opens a whole record. @param {Records} records @param {Bytes} record */
function openRecord(records, record) {
  const [head, ciphertext] = [record.subarray(0, 3), record.subarray(3)];
  const size = recordSize(head);
  if (size !== ciphertext.length) throw new Error("the case is not one whole record");
  return records.open(head, ciphertext);
}

export const records = {
  /**
   * @param {{ key: string, first: number, records: { plaintext: Content, record?: string, sha256?: string }[] }} given
   */
  streams({ key, first, records }) {
    const [writer, reader] = [new Records(fromHex(key), first), new Records(fromHex(key), first)];
    records.forEach(({ plaintext, record, sha256: hash }, i) => {
      const made = writer.seal(contents(plaintext));
      if (record !== undefined) same(`record ${i}`, made, record);
      else same(`the hash of record ${i}`, sha256(made), hash ?? "");
      same(`plaintext ${i}`, openRecord(reader, made), toHex(contents(plaintext)));
    });
  },
  /** @param {{ error: string, key: string, first: number, records: string[] }} given */
  malformed({ error, key, first, records }) {
    const reader = new Records(fromHex(key), first);
    const all = records.map(fromHex);
    for (const record of all.slice(0, -1)) openRecord(reader, record);
    refused(error, () => openRecord(reader, all.at(-1) ?? new Uint8Array(0)));
  },
};

/** @typedef {{ kind: number, id: number, payload: Content }} GivenFrame */

/** @param {{ frames: GivenFrame[], plaintext: string }} given */
function readFrames({ frames, plaintext }) {
  const found = unpack(fromHex(plaintext));
  sameJson(
    "the frames",
    found.map(({ payload, ...rest }) => ({ ...rest, payload: toHex(payload) })),
    frames.map(({ payload, ...rest }) => ({ ...rest, payload: toHex(contents(payload)) })),
  );
}

export const frames = {
  /** @param {{ frames: GivenFrame[], padTo: number, plaintext: string }} given */
  records(given) {
    const frames = given.frames.map((frame) => ({ ...frame, payload: contents(frame.payload) }));
    same("the record", concat(...pack(frames, given.padTo)), given.plaintext);
    readFrames(given);
  },
  readOnly: readFrames,
  /** @param {{ error: string, plaintext: string }} given */
  malformed({ error, plaintext }) {
    refused(error, () => unpack(fromHex(plaintext)));
  },
};

/** What is read of a text. @param {string} as @param {Bytes} json @returns {unknown} */
function readAs(as, json) {
  if (as === "hello") return readJson(hello, json, "format");
  if (as === "request") return readRequest(json);
  if (as === "event") return readEvent(json);
  const [, op] = /^response to (.*)$/.exec(as) ?? [];
  const [, schema] = as === "verdict"
    ? [as, verdict]
    : Object.entries(response).find(([known]) => known === op) ?? [];
  if (schema === undefined) throw new Error(`nothing is read as ${as}`);
  const answer = readAnswer(/** @type {import("./schemas.mjs").Read<object>} */ (schema), json);
  return "granted" in answer ? { ok: true, ...answer.granted } : { ok: false, ...answer.refused };
}

export const json = {
  /** @param {{ as: string, text: string, value: unknown }} given */
  valid({ as, text, value }) {
    const found = readAs(as, utf8(text));
    sameJson("the value", JSON.parse(new TextDecoder().decode(writeJson(found))), value);
  },
  /** @param {{ as: string, text: string, error: string }} given */
  malformed({ as, text, error }) {
    refused(error, () => readAs(as, utf8(text)));
  },
};
