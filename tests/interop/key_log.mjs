// @ts-check
// Section 15.4: the key log, its heads, and how a head stands to a log.

import { concat, equal, fromUtf8, lp, Reader, u64, utf8 } from "./bytes.mjs";
import { ed25519Sign, ed25519Verify } from "./curves.mjs";
import { Failure } from "./error.mjs";
import { isName, readBundle } from "./identity.mjs";
import { sha256 } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./identity.mjs").Bundle} Bundle */
/** @typedef {import("./identity.mjs").Identity} Identity */
/** @typedef {{ index: number, time: number, event: number, name: string, fp: Bytes, seq: number }} LogRecord */
/** @typedef {{ generation: number, n: number, hash: Bytes, time: number }} HeadFacts */
/** @typedef {HeadFacts & { serverFp: Bytes, signature: Bytes }} Head */

const EVENTS = [1, 2, 3, 5, 6];
const TEN_MINUTES = 600_000;

/** @param {LogRecord} record */
export function writeRecord({ index, time, event, name, fp, seq }) {
  return concat(u64(index), u64(time), new Uint8Array([event]), lp(utf8(name)), fp, u64(seq));
}

/** @param {Bytes} bytes @returns {LogRecord[]} */
export function readRecords(bytes) {
  const reader = new Reader(bytes);
  const records = [];
  while (reader.left > 0) {
    const index = reader.u64();
    const time = reader.u64();
    const event = reader.take(1)[0] ?? 0;
    const name = fromUtf8(reader.take(reader.u32()));
    const fp = reader.take(32);
    const seq = reader.u64();
    const ofServer = event === 5 || event === 6;
    if (!EVENTS.includes(event) || (ofServer ? name !== "" : !isName(name))) {
      throw new Failure("format", "a record that does not fit its layout");
    }
    records.push({ index, time, event, name, fp, seq });
  }
  return records;
}

export class KeyLog {
  /** @type {LogRecord[]} */
  records = [];
  /** @type {Bytes[]} */
  hashes = [];
  /** @type {{ began: number, from: number }[]} */
  generations = [];

  /** @param {number} first @param {readonly LogRecord[]} records */
  constructor(first, records) {
    this.first = first;
    this.generations.push({ began: first, from: 0 });
    this.hashes.push(sha256(concat(utf8("sealpost/1 key log"), u64(first))));
    for (const record of records) this.#add(record);
  }

  /** @param {LogRecord} record */
  #add(record) {
    const last = this.records.at(-1);
    if (record.index !== this.n + 1 || record.time < (last?.time ?? 0)) {
      throw new Failure("format", "records that are out of order");
    }
    if (record.event === 6) {
      if (record.seq <= this.generation || !equal(record.fp, this.hash)) {
        throw new Failure("format", "a generation that begins nothing");
      }
      this.generations.push({ began: record.seq, from: record.index });
    }
    this.hashes.push(sha256(concat(this.hash, writeRecord(record))));
    this.records.push(record);
  }

  get n() {
    return this.records.length;
  }

  get hash() {
    return this.hashes[this.n] ?? new Uint8Array(0);
  }

  get generation() {
    return this.generations.at(-1)?.began ?? 0;
  }

  /** @param {string} name @param {number} n */
  newest(name, n) {
    return this.records.findLast((record) => record.name === name && record.index <= n) ?? null;
  }
}

/** @param {HeadFacts} facts @param {Bytes} serverFp */
const headBody = ({ generation, n, hash, time }, serverFp) =>
  concat(u64(generation), u64(n), hash, u64(time), serverFp);

/** @param {HeadFacts} facts @param {Identity} server */
export function writeHead(facts, server) {
  const body = headBody(facts, server.bundle.fp);
  return concat(body, ed25519Sign(server.ed25519, concat(utf8("sealpost/1 log head"), body)));
}

/** @param {Bytes} bytes @returns {Head} */
export function readHead(bytes) {
  const reader = new Reader(bytes);
  const head = {
    generation: reader.u64(),
    n: reader.u64(),
    hash: reader.take(32),
    time: reader.u64(),
    serverFp: reader.take(32),
    signature: reader.take(64),
  };
  if (reader.left > 0) throw new Failure("format", "a head that is too long");
  return head;
}

/** Throws `authentication`. @param {Head} head @param {Bundle} server */
export function verifyHead(head, server) {
  if (!equal(head.serverFp, server.fp)) throw new Failure("authentication", "another server");
  const signed = concat(utf8("sealpost/1 log head"), headBody(head, server.fp));
  ed25519Verify(server.ed25519, signed, head.signature, "the server");
}

/** How a head stands to a log. @param {HeadFacts} head @param {KeyLog} log @param {KeyLog[]} lost */
export function judge({ generation, n, hash, time }, log, lost) {
  /** @param {KeyLog} one */
  const spanOf = (one) => {
    const i = one.generations.findIndex(({ began }) => began === generation);
    const found = one.generations[i];
    return found && { from: found.from, to: (one.generations[i + 1]?.from ?? one.n + 1) - 1 };
  };
  /** @param {KeyLog} one */
  const same = (one) => equal(one.hashes[n] ?? new Uint8Array(0), hash) ? "fits" : "contradicts";
  const span = spanOf(log);
  if (span && n < span.from) return "contradicts";
  if (span && n <= span.to) return same(log);
  const next = log.generations.find(({ began }) => began > generation);
  if (next === undefined) return "ahead";
  if (time > next.began * 1000 + TEN_MINUTES) return "contradicts";
  const kept = lost.find((one) => {
    const there = spanOf(one);
    return there !== undefined && n >= there.from && n <= there.to;
  });
  return kept === undefined ? "lost" : same(kept);
}

/** Throws unless this proves two histories; gives whose. @param {Bytes} bytes @returns {Bundle} */
export function readProof(bytes) {
  const reader = new Reader(bytes);
  const server = readBundle(reader.take(reader.u32()));
  const head = readHead(reader.take(reader.u32()));
  const other = readHead(reader.take(reader.u32()));
  const first = reader.u64();
  const log = new KeyLog(first, readRecords(reader.take(reader.left)));
  verifyHead(head, server);
  verifyHead(other, server);
  const isIts = head.n === log.n && head.generation === log.generation &&
    equal(head.hash, log.hash);
  const standing = judge(other, log, []);
  const taken = standing === "ahead" && head.time >= other.time;
  if (!isIts || !(standing === "contradicts" || taken)) {
    throw new Failure("authentication", "a proof that proves nothing");
  }
  return server;
}
