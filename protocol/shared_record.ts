import { defined } from "../crypto/defined.ts";
import * as v from "valibot";
import { type AesKey, aesOpen, aesSeal, importAesKey, TAG_SIZE } from "../crypto/aes_gcm.ts";
import {
  type Bytes,
  concat,
  fromUtf8,
  isZero,
  lp,
  random,
  readU32,
  u32,
  u64,
  utf8,
  wipe,
} from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { hkdf } from "../crypto/hash.ts";
import type { Identity } from "../crypto/identity.ts";
import { padme } from "../crypto/padme.ts";
import { MAX_MACHINES, MAX_SHARED_RECORD } from "./limits.ts";
import { parseJson } from "./schema.ts";

/** The label of the key that the record is sealed with. */
export const SHARED_RECORD_LABEL = "sealpost/1 shared record";

/** Longest key of an entry, and longest name of a machine, UTF-16 units. */
const MAX_KEY = 200;
const MAX_MACHINE_NAME = 100;

/** How deep a value may be nested. */
const MAX_DEPTH = 32;

const LAYOUT = 1;
const NONCE_SIZE = 12;
const OVERHEAD = 1 + NONCE_SIZE + TAG_SIZE;

/** One thing that a person's machines share; without a value, that it is gone. */
export interface SharedEntry {
  /** What it is about, such as `folder/16`. */
  readonly key: string;
  /** Any JSON; undefined for what was removed. */
  readonly value: unknown;
  /** One more than the highest of the record when it was written, from 1. */
  readonly version: number;
  /** The machine that wrote it, 16 hexadecimal digits. */
  readonly machine: string;
  /** Of what was removed, if it is forgotten one day. */
  readonly gone?: Gone;
}

/** Since when something is gone. */
export interface Gone {
  /** The version of the record that said so first. */
  readonly put: number;
  /** When that was put, by the clock of its machine, milliseconds since 1970. */
  readonly at: number;
}

/** A machine of the person. */
export interface SharedMachine {
  readonly id: string;
  readonly name: string;
  /** The version of the record that it put last. */
  readonly put: number;
}

/** What all machines of a person share: entries by their keys, machines by their ids. */
export interface SharedRecord {
  readonly entries: ReadonlyMap<string, SharedEntry>;
  readonly machines: ReadonlyMap<string, SharedMachine>;
  /**
   * The highest {@linkcode Gone.put} of removals that were forgotten: whoever has seen no record of this
   * version, or a later one, may still have what was removed. Absent if there were none.
   */
  readonly forgotten?: number;
}

export const EMPTY_RECORD: SharedRecord = { entries: new Map(), machines: new Map() };

/** After this a removal is forgotten even if there are machines that have not put since, milliseconds. */
const REMEMBERED = 180 * 86_400_000;

/** What is never forgotten: the numbers and bits in these keys are used once. */
const USED_ONCE = /^(folder|keyword|search)\//;

const version = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const machineId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));

const schema = v.strictObject({
  machines: v.pipe(
    v.array(v.strictObject({
      id: machineId,
      name: v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_MACHINE_NAME)),
      put: version,
    })),
    v.maxLength(MAX_MACHINES),
  ),
  entries: v.array(v.pipe(
    v.strictObject({
      k: v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_KEY)),
      v: v.optional(v.pipe(v.unknown(), v.check((value) => isShallow(value, MAX_DEPTH)))),
      n: version,
      m: machineId,
      p: v.optional(version),
      t: v.optional(time),
    }),
    v.check(({ v, p, t }) => (p === undefined) === (t === undefined) && (v === undefined || !p)),
  )),
  forgotten: v.optional(version),
});

/**
 * Both records in one: of each entry the higher version; of equal ones a value before its removal,
 * then the greater machine. Commutative, associative and idempotent, so it does not matter in which
 * order machines learn of each other's changes, nor how often.
 */
export function mergeRecords(a: SharedRecord, b: SharedRecord): SharedRecord {
  const both = (x: SharedEntry, y: SharedEntry) => compareEntries(x, y) || compareGone(x, y);
  return withForgotten({
    entries: union(a.entries, b.entries, both),
    machines: union(a.machines, b.machines, compareMachines),
  }, Math.max(forgottenIn(a), forgottenIn(b)));
}

function forgottenIn({ forgotten }: SharedRecord): number {
  return forgotten ?? 0;
}

function withForgotten(
  { entries, machines }: SharedRecord,
  forgotten: number,
): SharedRecord {
  return { entries, machines, ...defined({ forgotten: forgotten || undefined }) };
}

/** What a machine knows of the record: all that it has seen, and its highest version. */
export interface KnownRecord {
  readonly seen: number;
  readonly record: SharedRecord;
}

/**
 * What a machine that knows `own` knows once it has seen the record `theirs`. What was removed, and
 * forgotten, before it looked does not come back with it: then `theirs` takes the place of all that it knew.
 * `wentBack`: `theirs` is of a version before one that was seen, as after a restore.
 */
export function takeRecord(
  own: KnownRecord,
  theirs: SharedRecord,
  wentBack = false,
): SharedRecord {
  const forgotten = forgottenIn(theirs);
  if (!wentBack && own.seen < forgotten) return theirs;
  // Before they are compared: the versions of what came after them may be lower.
  const kept = [...own.record.entries].filter(([, { gone }]) => !gone || gone.put > forgotten);
  const known = { ...own.record, entries: new Map(kept) };
  return withForgotten(mergeRecords(known, theirs), forgotten);
}

/**
 * The record as the machine `self` puts it under `put`: named in it, with what is removed by now, and
 * without the removals that every machine has put after, or that are older than 180 days. `now`:
 * milliseconds since 1970.
 */
export function recordToPut(
  record: SharedRecord,
  self: Pick<SharedMachine, "id" | "name">,
  put: number,
  now: number,
): SharedRecord {
  const others = [...record.machines.values()].filter(({ id }) => id !== self.id)
    .sort((a, b) => b.put - a.put).slice(0, MAX_MACHINES - 1);
  const machines = [{ ...self, put }, ...others];
  // After a restore versions are given a second time: no machine has put after this one yet.
  const first = Math.max(put, ...others.map((one) => one.put + 1));
  let forgotten = forgottenIn(record);
  const entries: [string, SharedEntry][] = [];
  for (const [key, entry] of record.entries) {
    const forgettable = entry.value === undefined && !USED_ONCE.test(key);
    const gone = entry.gone ?? { put: first, at: now };
    if (
      forgettable &&
      (machines.every((one) => one.put >= gone.put) || now - gone.at > REMEMBERED)
    ) forgotten = Math.max(forgotten, Math.min(gone.put, put));
    else entries.push([key, forgettable ? { ...entry, gone } : entry]);
  }
  return withForgotten({
    entries: new Map(entries),
    machines: new Map(machines.map((one) => [one.id, one])),
  }, forgotten);
}

function compareGone({ gone: x }: SharedEntry, { gone: y }: SharedEntry): number {
  return (x?.put ?? 0) - (y?.put ?? 0) || (x?.at ?? 0) - (y?.at ?? 0);
}

function union<T>(
  a: ReadonlyMap<string, T>,
  b: ReadonlyMap<string, T>,
  compare: (x: T, y: T) => number,
): ReadonlyMap<string, T> {
  const out = new Map(a);
  for (const [key, theirs] of b) {
    const ours = out.get(key);
    if (ours === undefined || compare(theirs, ours) > 0) out.set(key, theirs);
  }
  return out;
}

/** Above 0 if `x` wins over `y`, which has the same key; 0 if they are the same. */
export function compareEntries(x: SharedEntry, y: SharedEntry): number {
  return x.version - y.version ||
    Number(x.value !== undefined) - Number(y.value !== undefined) ||
    compareText(x.machine, y.machine) ||
    // Two folders with one machine's id, as after a copy of all files: they must agree all the same.
    compareText(canonicalJson(x.value), canonicalJson(y.value));
}

function compareMachines(x: SharedMachine, y: SharedMachine): number {
  return x.put - y.put || compareText(x.name, y.name);
}

function compareText(x: string, y: string): number {
  return x < y ? -1 : x > y ? 1 : 0;
}

/** The version that the next entry of `record` gets. */
export function nextVersion(record: SharedRecord): number {
  let highest = 0;
  for (const { version } of record.entries.values()) highest = Math.max(highest, version);
  return highest + 1;
}

/** Whether both have the same entries; who put them when makes no difference. */
export function sameEntries(a: SharedRecord, b: SharedRecord): boolean {
  if (a.entries.size !== b.entries.size) return false;
  for (const [key, entry] of a.entries) {
    const other = b.entries.get(key);
    if (other === undefined || compareEntries(entry, other) !== 0) return false;
  }
  return true;
}

/** The one JSON text of a record: entries and machines in the order of their keys. */
export function encodeRecord({ entries, machines, forgotten }: SharedRecord): Bytes {
  const byKey = <T>(map: ReadonlyMap<string, T>) =>
    [...map].sort(([a], [b]) => compareText(a, b)).map(([, one]) => one);
  return utf8(canonicalJson({
    machines: byKey(machines),
    entries: byKey(entries).map(({ key, value, version, machine, gone }) => ({
      k: key,
      ...defined({ v: value }),
      n: version,
      m: machine,
      ...defined({ p: gone?.put, t: gone?.at }),
    })),
    ...defined({ forgotten }),
  }));
}

/** The inverse of {@linkcode encodeRecord}; takes members in any order. Throws `format`. */
export function decodeRecord(json: Bytes): SharedRecord {
  const { machines, entries, forgotten } = parseJson(schema, fromUtf8(json));
  const record = {
    machines: new Map(machines.map((machine) => [machine.id, machine])),
    entries: new Map(entries.map(({ k, v, n, m, p, t }): [string, SharedEntry] => {
      const gone = p === undefined || t === undefined ? undefined : { put: p, at: t };
      return [k, { key: k, value: v, version: n, machine: m, ...defined({ gone }) }];
    })),
    ...defined({ forgotten }),
  };
  if (record.machines.size !== machines.length || record.entries.size !== entries.length) {
    throw new SealpostError("format", "a shared record that has an entry twice");
  }
  return record;
}

/**
 * The record sealed for the person alone, as the server keeps it under `version`:
 * `1 ‖ nonce (12, random) ‖ AES-256-GCM(key, nonce, padded, LP(name) ‖ u64(version))`, the key
 * `HKDF(ML-KEM seed, "", "sealpost/1 shared record", 32)`, padded by Padmé:
 * `u32(length) ‖ JSON ‖ zeros`. Throws `limit` if that has over {@linkcode MAX_SHARED_RECORD} bytes.
 */
export async function sealRecord(
  identity: Pick<Identity, "mlkemSeed">,
  name: string,
  version: number,
  record: SharedRecord,
): Promise<Bytes> {
  const json = encodeRecord(record);
  const padded = new Uint8Array(padme(4 + json.length));
  if (padded.length + OVERHEAD > MAX_SHARED_RECORD) {
    throw new SealpostError(
      "limit",
      "your folders and keywords do not fit into the record that your machines share; remove some",
    );
  }
  padded.set(u32(json.length));
  padded.set(json, 4);
  const nonce = random(NONCE_SIZE);
  const sealed = await aesSeal(await keyOf(identity), nonce, padded, aad(name, version));
  return concat(new Uint8Array([LAYOUT]), nonce, sealed);
}

/**
 * The inverse of {@linkcode sealRecord}. Throws `authentication` if it was not sealed for this key,
 * name and version, or was altered; `format` if what was sealed is no record.
 */
export async function openRecord(
  identity: Pick<Identity, "mlkemSeed">,
  name: string,
  version: number,
  sealed: Bytes,
): Promise<SharedRecord> {
  if (sealed.length < OVERHEAD || sealed[0] !== LAYOUT) {
    throw new SealpostError("format", "not a shared record");
  }
  const nonce = sealed.slice(1, 1 + NONCE_SIZE);
  const padded = await aesOpen(
    await keyOf(identity),
    nonce,
    sealed.slice(1 + NONCE_SIZE),
    aad(name, version),
  );
  const length = readU32(padded, 0);
  if (padme(4 + length) !== padded.length || !isZero(padded.subarray(4 + length))) {
    throw new SealpostError("format", "a shared record with wrong padding");
  }
  return decodeRecord(padded.slice(4, 4 + length));
}

async function keyOf({ mlkemSeed }: Pick<Identity, "mlkemSeed">): Promise<AesKey> {
  const raw = await hkdf(mlkemSeed, new Uint8Array(0), SHARED_RECORD_LABEL, 32);
  const key = await importAesKey(raw);
  wipe(raw);
  return key;
}

function aad(name: string, version: number): Bytes {
  return concat(lp(utf8(name)), u64(version));
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((one) => isShallow(one, depth - 1));
}

/** JSON with the members of all objects in the order of their names; empty for undefined. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value)) ?? "";
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => compareText(a, b)).map(([k, one]) => [k, sorted(one)]),
  );
}
