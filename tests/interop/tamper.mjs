// @ts-check
// Changes a sealed message in every way that does not need a key, and says what a reader makes of it.

import { codeOf } from "./error.mjs";
import { openBody, openEntry, splitStanza, verifyEntry } from "./open.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./open.mjs").Entry} Entry */

/** How many bytes of a field are tried, at most: the first, the last, and some between. */
const POSITIONS = 4;

/**
 * A field by its name, and where it stands.
 *
 * @typedef {[what: string, part: "header" | "stanza" | "summary" | "body", from: number, to: number]} Field
 */

/** @param {Entry} entry @param {number} bodySize @returns {Field[]} */
function fieldsOf({ stanza, summary }, bodySize) {
  const { ctRsa } = splitStanza(stanza);
  const r = ctRsa.length;
  const chunk = Math.min(bodySize, 65_552);
  return [
    ["header: version", "header", 0, 1],
    ["header: time of the id", "header", 1, 7],
    ["header: version of the id", "header", 7, 8],
    ["header: variant of the id", "header", 9, 10],
    ["header: rest of the id", "header", 10, 17],
    ["header: fingerprint", "header", 17, 49],
    ["header: commitment", "header", 49, 81],
    ["stanza: fingerprint", "stanza", 0, 32],
    ["stanza: size of the RSA half", "stanza", 32, 34],
    ["stanza: RSA half", "stanza", 34, 34 + r],
    ["stanza: ML-KEM half", "stanza", 34 + r, 1122 + r],
    ["stanza: box", "stanza", 1122 + r, 1234 + r],
    ["summary", "summary", 0, summary.length],
    ["body: first chunk", "body", 0, chunk],
    ["body: last chunk", "body", bodySize - 4000, bodySize],
  ];
}

/**
 * The codes for each field, of one byte changed at several places, and of other changes.
 *
 * @param {import("./client.mjs").Client} client @param {Entry} entry @param {Bytes} body
 * @returns {Promise<Record<string, string[]>>}
 */
export async function tamper(client, entry, body) {
  const { identity } = client.login;
  const { opened: whole, sender } = await client.openEntry(entry);
  /** Everything a reader does. @param {Entry} entry @param {Bytes} body @param {number} [bodySize] */
  const read = (entry, body, bodySize = entry.bodySize) => {
    const opened = openEntry(identity, entry);
    verifyEntry(opened, sender, entry, identity.bundle.fp);
    return openBody(opened, sender, entry.header, bodySize, body);
  };
  /** @param {() => unknown} fn */
  const outcome = (fn) => {
    try {
      fn();
      return "accepted";
    } catch (error) {
      return codeOf(error);
    }
  };
  /** @type {Record<string, string[]>} */
  const seen = { "nothing": [outcome(() => read(entry, body))] };
  for (const [what, part, from, to] of fieldsOf(entry, body.length)) {
    const codes = new Set();
    const step = Math.max(1, (to - from - 1) / (POSITIONS - 1));
    for (
      let i = 0, at = from;
      i < POSITIONS && at < to;
      at = from + Math.round(++i * step)
    ) {
      const parts = { ...entry, body };
      const changed = parts[part].slice();
      changed[at] = (changed[at] ?? 0) ^ 0x80;
      const { body: nowBody, ...nowEntry } = { ...parts, [part]: changed };
      codes.add(outcome(() => read(nowEntry, nowBody)));
    }
    seen[what] = [...codes].sort();
  }
  const last = body.subarray(0, body.length - body.length % 65_552);
  const others = {
    "stanza: a byte less": () => read({ ...entry, stanza: entry.stanza.subarray(0, -1) }, body),
    "summary: a byte less": () => read({ ...entry, summary: entry.summary.subarray(0, -1) }, body),
    "body: a byte less, as the entry says": () =>
      read(entry, body.subarray(0, -1), body.length - 1),
    "body: the last chunk is missing": () => read(entry, last),
    "body: its chunks change places": () => {
      const chunks = [65_552, 0].map((from) => body.subarray(from, from + 65_552));
      return read(
        entry,
        Uint8Array.from([...chunks.flatMap((c) => [...c]), ...body.subarray(2 * 65_552)]),
      );
    },
    "body: another size than the summary says": () =>
      openBody(
        { ...whole, summary: { size: whole.summary.size + 1 } },
        sender,
        entry.header,
        body.length,
        body,
      ),
    "another key is pinned for the sender": () =>
      verifyEntry(whole, identity.bundle, entry, identity.bundle.fp),
    "the signature is for another recipient": () => verifyEntry(whole, sender, entry, sender.fp),
  };
  for (const [what, change] of Object.entries(others)) seen[what] = [outcome(change)];
  return seen;
}
