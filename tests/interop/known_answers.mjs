// @ts-check
// What the checks of the known answers in tests/vectors/ share: contents, edits, comparisons.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { concat, fromHex, toHex, u32, utf8 } from "./bytes.mjs";
import { codeOf, Failure } from "./error.mjs";
import { identityFromPem } from "./key_files.mjs";
import { sha256 } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./identity.mjs").Identity} Identity */

/**
 * @typedef {{ hex: string } | { utf8: string } | { pattern: string, length: number }} Content
 *
 * @typedef {{ at: number, xor: string } | { at: number, put: string } | { at: number, insert: string } | { at: number, remove: number } | { keep: number }} Edit
 *
 * @typedef {{ kRsa: string, oaepSeed: string, m: string }} Draws
 */

/** @param {Content} given @returns {Bytes} */
export function contents(given) {
  if ("hex" in given) return fromHex(given.hex);
  if ("utf8" in given) return utf8(given.utf8);
  const { pattern, length } = given;
  const blocks = Array.from(
    { length: Math.ceil(length / 32) },
    (_, i) => sha256(utf8(pattern), u32(i)),
  );
  return concat(...blocks).subarray(0, length);
}

/** @param {Bytes} bytes @param {readonly Edit[]} [edits] @returns {Bytes} */
export function edited(bytes, edits = []) {
  return edits.reduce((before, edit) => {
    if ("keep" in edit) return before.slice(0, edit.keep);
    const head = before.subarray(0, edit.at);
    if ("insert" in edit) return concat(head, fromHex(edit.insert), before.subarray(edit.at));
    if ("remove" in edit) return concat(head, before.subarray(edit.at + edit.remove));
    const given = fromHex("put" in edit ? edit.put : edit.xor);
    const old = before.subarray(edit.at, edit.at + given.length);
    if (old.length !== given.length) throw new RangeError("an edit past the end");
    const changed = "put" in edit ? given : given.map((byte, i) => byte ^ (old[i] ?? 0));
    return concat(head, changed, before.subarray(edit.at + given.length));
  }, bytes);
}

/** @param {Draws} draws */
export const kemDraws = ({ kRsa, oaepSeed, m }) => ({
  kRsa: fromHex(kRsa),
  oaepSeed: fromHex(oaepSeed),
  m: fromHex(m),
});

/** Throws unless `actual` is `expected`, in hexadecimal. @param {string} what @param {Bytes} actual @param {string} expected */
export function same(what, actual, expected) {
  const hex = toHex(actual);
  if (hex === expected) return;
  const at = [...hex].findIndex((digit, i) => digit !== expected[i]);
  throw new Error(`${what}: other bytes from ${Math.floor(at / 2)} on, of ${hex.length / 2}`);
}

/** Throws unless both are the same as JSON. @param {string} what @param {unknown} actual @param {unknown} expected */
export function sameJson(what, actual, expected) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(sorted(value)));
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

/** With the members of objects in one order. @param {unknown} value @returns {unknown} */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.sort().map(([name, member]) => [name, sorted(member)]));
}

/** Throws unless `fn` fails with this code; the failure. @param {string} code @param {() => unknown} fn */
export function refused(code, fn) {
  try {
    fn();
  } catch (error) {
    if (error instanceof Failure && error.code === code) return error;
    throw new Error(`fails with ${codeOf(error)}, not with ${code}`, { cause: error });
  }
  throw new Error(`is accepted, not refused with ${code}`);
}

/** The files of known answers, and what others refer to in them. */
export class Answers {
  #identities = new Map();
  #files = new Map();

  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
  }

  /**
   * The content of a file: lists of cases by their names.
   *
   * @param {string} file
   */
  read(file) {
    const known = this.#files.get(file);
    if (known !== undefined) return known;
    const content = JSON.parse(readFileSync(join(this.folder, file), "utf8"));
    this.#files.set(file, content);
    return content;
  }

  /** @param {string} name @returns {Identity} */
  identity(name) {
    if (this.#identities.size === 0) {
      for (const { name, privateFile } of this.read("keys.json").identities) {
        this.#identities.set(name, identityFromPem(privateFile, null));
      }
    }
    const found = this.#identities.get(name);
    if (found === undefined) throw new Error(`there is no identity ${name}`);
    return found;
  }

  /**
   * The case of this name.
   *
   * @param {string} file @param {string} list @param {string} name
   */
  find(file, list, name) {
    for (const found of this.read(file)[list]) if (found.name === name) return found;
    throw new Error(`${file} has no ${name}`);
  }
}
