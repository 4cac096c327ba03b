// @ts-check
// Section 8: frames and their padding.

import { concat, NONE, pad, Reader, u24, u32, u8 } from "./bytes.mjs";
import { Failure } from "./error.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */

export const KIND = {
  request: 1,
  response: 2,
  data: 3,
  end: 4,
  cancel: 5,
  event: 6,
  ping: 7,
  close: 8,
};

/** Bounds of the payload, whether a request id is needed, and who does not send it. */
const RULES = new Map([
  [KIND.request, { min: 2, max: 61_440, id: true, not: "server" }],
  [KIND.response, { min: 2, max: 61_440, id: true, not: "client" }],
  [KIND.data, { min: 1, max: 65_528, id: true, not: "" }],
  [KIND.end, { min: 0, max: 0, id: true, not: "" }],
  [KIND.cancel, { min: 0, max: 0, id: true, not: "" }],
  [KIND.event, { min: 2, max: 61_440, id: false, not: "client" }],
  [KIND.ping, { min: 9, max: 9, id: false, not: "" }],
  [KIND.close, { min: 0, max: 61_440, id: false, not: "" }],
]);

/** @typedef {{ kind: number, id: number, payload: Bytes }} Frame */

/** @param {number} kind @param {number} id @param {Bytes} [payload] @returns {Frame} */
export const frame = (kind, id, payload = NONE) => ({ kind, id, payload });

export const MAX_PLAINTEXT = 65_536;
export const MAX_DATA = MAX_PLAINTEXT - 8;

/** @param {Frame} frame @returns {Bytes} */
const write = ({ kind, id, payload }) => concat(u8(kind), u32(id), u24(payload.length), payload);

/**
 * The plaintexts of as few records as hold these frames in their order, each of `padTo` bytes or
 * more.
 *
 * @param {readonly Frame[]} frames @param {number} [padTo] @returns {Bytes[]}
 */
export function pack(frames, padTo = 0) {
  /** @type {Bytes[]} */
  const records = [];
  /** @type {Bytes} */
  let record = NONE;
  let hasData = false;
  const finish = () => {
    if (record.length === 0) return;
    const size = Math.max(record.length, padTo);
    records.push(pad(hasData ? size : Math.ceil(size / 256) * 256, record));
    record = NONE;
    hasData = false;
  };
  for (const frame of frames) {
    const bytes = write(frame);
    if (record.length + bytes.length > MAX_PLAINTEXT) finish();
    record = concat(record, bytes);
    hasData ||= frame.kind === KIND.data;
  }
  finish();
  return records;
}

/**
 * The frames of a record. All that it refuses is `protocol`.
 *
 * @param {Bytes} plaintext @param {"client" | "server"} [from] who sent it; anybody if not given
 * @returns {Frame[]}
 */
export function unpack(plaintext, from) {
  const reader = new Reader(plaintext, "protocol");
  /** @type {Frame[]} */
  const frames = [];
  while (reader.left > 0) {
    const kind = reader.u8();
    if (kind === 0) {
      reader.padding();
      break;
    }
    const [id, size] = [reader.u32(), reader.u24()];
    const rule = RULES.get(kind);
    const fits = rule !== undefined && size >= rule.min && size <= rule.max &&
      rule.id === (id !== 0) && rule.not !== from;
    if (!fits) {
      throw new Failure(
        "protocol",
        `a frame of kind ${kind} that breaks its rules`,
      );
    }
    if (frames.at(-1)?.kind === KIND.close) throw new Failure("protocol", "a frame after close");
    frames.push({ kind, id, payload: reader.take(size) });
  }
  return frames;
}
