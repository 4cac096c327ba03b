// @ts-check
// The record that a person's machines share: section 10.15.

import { concat, isZero, lp, NONE, u32, u64, u8, utf8 } from "./bytes.mjs";
import { Failure } from "./error.mjs";
import { hkdf, open, random, seal } from "./primitives.mjs";
import { readJson, sharedRecord } from "./schemas.mjs";
import { padme } from "./sealed_layout.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {{ id: string, name: string, put: number }} Machine */
/** @typedef {{ k: string, v?: unknown, n: number, m: string, p?: number | undefined, t?: number | undefined }} Entry */
/** @typedef {{ machines: Machine[], entries: Entry[], forgotten?: number | undefined }} SharedRecord */

/** @param {{ mlkemSeed: Bytes }} identity */
const keyOf = ({ mlkemSeed }) => hkdf(mlkemSeed, NONE, utf8("sealpost/1 shared record"), 32);
/** @param {string} user @param {number} version */
const aad = (user, version) => concat(lp(utf8(user)), u64(version));

/**
 * @param {{ mlkemSeed: Bytes }} identity @param {string} user @param {number} version
 * @param {string} json @param {Bytes} [nonce]
 */
export function sealShared(identity, user, version, json, nonce = random(12)) {
  const text = utf8(json);
  const padded = new Uint8Array(padme(4 + text.length));
  padded.set(concat(u32(text.length), text));
  return concat(u8(1), nonce, seal(keyOf(identity), nonce, padded, aad(user, version)));
}

/**
 * @param {{ mlkemSeed: Bytes }} identity @param {string} user @param {number} version
 * @param {Bytes} sealed @returns {SharedRecord}
 */
export function openShared(identity, user, version, sealed) {
  if (sealed[0] !== 1 || sealed.length < 29) throw new Failure("format", "no shared record");
  const nonce = sealed.slice(1, 13);
  const padded = open(keyOf(identity), nonce, sealed.slice(13), aad(user, version));
  if (padded.length < 4) throw new Failure("format", "a shared record without a length");
  const length = new DataView(padded.buffer, padded.byteOffset).getUint32(0);
  if (padme(4 + length) !== padded.length || !isZero(padded.slice(4 + length))) {
    throw new Failure("format", "a shared record with wrong padding");
  }
  const record = readJson(sharedRecord, padded.slice(4, 4 + length), "format");
  const keys = record.entries.map(({ k }) => k);
  const ids = record.machines.map(({ id }) => id);
  if (new Set(keys).size !== keys.length || new Set(ids).size !== ids.length) {
    throw new Failure("format", "something twice in a shared record");
  }
  return record;
}

/** @param {unknown} a @param {unknown} b */
const order = (a, b) =>
  a === b ? 0 : /** @type {string} */ (a) < /** @type {string} */ (b) ? -1 : 1;

/** JSON with the members of objects in the order of their names. @param {unknown} value @returns {string} */
function text(value) {
  return JSON.stringify(value, (_, one) => {
    if (typeof one !== "object" || one === null || Array.isArray(one)) return one;
    return Object.fromEntries(Object.entries(one).sort(([a], [b]) => order(a, b)));
  }) ?? "";
}

/** @param {Entry} a @param {Entry} b */
const compareEntries = (a, b) =>
  a.n - b.n || Number("v" in a && a.v !== undefined) - Number("v" in b && b.v !== undefined) ||
  order(a.m, b.m) || order(text(a.v), text(b.v)) || (a.p ?? 0) - (b.p ?? 0) ||
  (a.t ?? 0) - (b.t ?? 0);

/** @param {Machine} a @param {Machine} b */
const compareMachines = (a, b) => a.put - b.put || order(a.name, b.name);

/**
 * @template T @param {T[]} all @param {(one: T) => string} key @param {(a: T, b: T) => number} compare
 */
function greatest(all, key, compare) {
  const found = new Map();
  for (const one of all) {
    const other = found.get(key(one));
    if (other === undefined || compare(one, other) > 0) found.set(key(one), one);
  }
  return [...found].sort(([a], [b]) => order(a, b)).map(([, one]) => one);
}

/** @param {number} forgotten @returns {{ forgotten?: number }} */
const whenForgotten = (forgotten) => forgotten === 0 ? {} : { forgotten };

/**
 * What a machine that had seen version `seen` knows from then on.
 *
 * @param {number} seen @param {SharedRecord} own @param {SharedRecord} theirs @param {boolean} wentBack
 * @returns {SharedRecord}
 */
export function takeShared(seen, own, theirs, wentBack) {
  const { forgotten = 0 } = theirs;
  if (!wentBack && seen < forgotten) return theirs;
  const entries = own.entries.filter(({ p }) => p === undefined || p > forgotten);
  const { machines, entries: merged } = mergeShared({ ...own, entries }, theirs);
  return { machines, entries: merged, ...whenForgotten(forgotten) };
}

/**
 * What a machine puts of `record` under a version.
 *
 * @param {SharedRecord} record @param {{ id: string, name: string }} self
 * @param {number} version @param {number} now @returns {SharedRecord}
 */
export function sharedToPut(record, self, version, now) {
  const others = record.machines.filter(({ id }) => id !== self.id);
  const machines = [...others, { ...self, put: version }].sort((a, b) => order(a.id, b.id));
  const first = others.reduce((highest, { put }) => Math.max(highest, put + 1), version);
  let { forgotten = 0 } = record;
  /** @type {Entry[]} */
  const entries = [];
  for (const entry of record.entries) {
    if (entry.v !== undefined || /^(folder|keyword|search)\//.test(entry.k)) {
      entries.push(entry);
      continue;
    }
    const { p = first, t = now } = entry;
    if (machines.every(({ put }) => put >= p) || now - t > 180 * 86_400_000) {
      forgotten = Math.max(forgotten, Math.min(p, version));
    } else entries.push({ ...entry, p, t });
  }
  return { machines, entries, ...whenForgotten(forgotten) };
}

/** @param {SharedRecord} a @param {SharedRecord} b @returns {SharedRecord} */
export function mergeShared(a, b) {
  return {
    ...whenForgotten(Math.max(a.forgotten ?? 0, b.forgotten ?? 0)),
    machines: greatest([...a.machines, ...b.machines], ({ id }) => id, compareMachines),
    entries: greatest([...a.entries, ...b.entries], ({ k }) => k, compareEntries),
  };
}
