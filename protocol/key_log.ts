import {
  type Bytes,
  concat,
  equal,
  fromUtf8,
  lp,
  readU32,
  readU64,
  u64,
  utf8,
} from "../crypto/bytes.ts";
import { sign, verify } from "../crypto/ed25519.ts";
import { SealpostError } from "../crypto/error.ts";
import { sha256Now } from "../crypto/hash.ts";
import type { Bundle, Identity } from "../crypto/identity.ts";
import { isName } from "./name.ts";

const START = utf8("sealpost/1 key log");
const HEAD_LABEL = utf8("sealpost/1 log head");
const FP_SIZE = 32;
const HASH_SIZE = 32;
/** What is before the name in a record: index, time, event; and after it: fp, seq. */
const BEFORE_NAME = 8 + 8 + 1;
const AFTER_NAME = FP_SIZE + 8;

/** Largest record, bytes: that of a name of 32 characters. */
export const MAX_LOG_RECORD = BEFORE_NAME + 4 + 32 + AFTER_NAME;

/** Most records in one answer to `log`. */
export const MAX_LOG_PAGE = 10_000;

/** Most records of a log that is followed. */
export const MAX_LOG = 200_000;

/** Bytes of a signed head. */
export const HEAD_SIZE = 8 + 8 + HASH_SIZE + 8 + FP_SIZE + 64;

/** How long after a new generation began a head of the one before may still be signed, milliseconds. */
const GENERATION_SLACK = 10 * 60_000;

/** The events of a key log, with their codes. */
export const KEY_EVENTS = {
  bound: 1,
  rotated: 2,
  unbound: 3,
  "server-key": 5,
  generation: 6,
} as const;

/** What happened to a key. */
export type KeyEvent = keyof typeof KEY_EVENTS;

/** One line of the key log. */
export interface LogRecord {
  /** From 1; each is one more than the one before it. */
  readonly index: number;
  /** Milliseconds since 1970; never lower than that of the record before it. */
  readonly time: number;
  readonly event: KeyEvent;
  /** Whose key it is, canonical; empty for the events of the server. */
  readonly name: string;
  /**
   * 32 bytes: the fingerprint that was bound, rotated to, or released; the server's new one; for a new
   * generation the hash of the log up to it.
   */
  readonly fp: Bytes;
  /**
   * How many rotations led to the key; of a server's key, 0 if no certificate leads to it; of a
   * generation, when it began, seconds since 1970.
   */
  readonly seq: number;
}

/** `u64(index) ‖ u64(time) ‖ u8(event) ‖ LP(name) ‖ fp ‖ u64(seq)`: at most {@linkcode MAX_LOG_RECORD} bytes. */
export function encodeLogRecord({ index, time, event, name, fp, seq }: LogRecord): Bytes {
  const code = new Uint8Array([KEY_EVENTS[event]]);
  return concat(u64(index), u64(time), code, lp(utf8(name)), fp, u64(seq));
}

/** The inverse of {@linkcode encodeLogRecord}. Throws `format`. */
export function decodeLogRecord(bytes: Bytes): LogRecord {
  const { record, size } = readLogRecord(bytes, 0);
  if (size !== bytes.length) throw new SealpostError("format", "a log record of the wrong size");
  return record;
}

function readLogRecord(bytes: Bytes, at: number): { record: LogRecord; size: number } {
  const index = readU64(bytes, at);
  const time = readU64(bytes, at + 8);
  const event = eventOf(bytes[at + 16]);
  const length = readU32(bytes, at + BEFORE_NAME);
  if (length > 32) throw new SealpostError("format", "a log record of the wrong size");
  const from = at + BEFORE_NAME + 4;
  const name = fromUtf8(bytes.slice(from, from + length));
  const fp = bytes.slice(from + length, from + length + FP_SIZE);
  const seq = readU64(bytes, from + length + FP_SIZE);
  const isServers = event === "server-key" || event === "generation";
  if (index < 1) throw new SealpostError("format", "a log record without a number");
  if (isServers ? name !== "" : !isName(name)) {
    throw new SealpostError("format", "a log record for what is no name");
  }
  return {
    record: { index, time, event, name, fp, seq },
    size: BEFORE_NAME + 4 + length + AFTER_NAME,
  };
}

function eventOf(code: number | undefined): KeyEvent {
  for (const [event, known] of Object.entries(KEY_EVENTS)) {
    if (known === code) return event as KeyEvent;
  }
  throw new SealpostError("format", "a log record of an unknown kind");
}

/** Records one after the other. Throws `format`. */
export function decodeLogRecords(bytes: Bytes): LogRecord[] {
  const records: LogRecord[] = [];
  for (let at = 0; at < bytes.length;) {
    const { record, size } = readLogRecord(bytes, at);
    records.push(record);
    at += size;
  }
  return records;
}

/** The hash of a log without records: `SHA-256("sealpost/1 key log" ‖ u64(first generation))`. */
export function firstLogHash(generation: number): Bytes {
  return sha256Now(concat(START, u64(generation)));
}

/** The hash of a log after one more record: `SHA-256(hash before ‖ record)`. */
export function nextLogHash(before: Bytes, record: LogRecord): Bytes {
  return sha256Now(concat(before, encodeLogRecord(record)));
}

/** Since when, by its own word, a log runs on after a restore, and with which record that begins. */
interface Generation {
  /** Seconds since 1970. */
  readonly began: number;
  /** The index of the record that begins it; 0 for the first. */
  readonly from: number;
}

/** A whole log, from its first record on: a chain that nothing can be taken out of. Immutable. */
export class KeyLog {
  readonly records: readonly LogRecord[];
  /** The hashes of the log after 0, 1, 2 … records. */
  readonly #hashes: readonly Bytes[];
  readonly #generations: readonly Generation[];

  private constructor(
    records: readonly LogRecord[],
    hashes: readonly Bytes[],
    generations: readonly Generation[],
  ) {
    this.records = records;
    this.#hashes = hashes;
    this.#generations = generations;
  }

  /** The log without records that began at `generation`, seconds since 1970. */
  static begin(generation: number): KeyLog {
    return new KeyLog([], [firstLogHash(generation)], [{ began: generation, from: 0 }]);
  }

  /**
   * The log with `records` behind it. Throws `format` unless they follow it: numbers one by one, times
   * that never decrease, and a new generation that is above all others and names the log before it.
   */
  extend(records: readonly LogRecord[]): KeyLog {
    const hashes = [...this.#hashes];
    const generations = [...this.#generations];
    let [n, time, hash] = [this.n, this.records.at(-1)?.time ?? 0, this.hash(this.n)];
    let { generation } = this;
    for (const record of records) {
      if (record.index !== n + 1 || record.time < time) {
        throw new SealpostError("format", `record ${n + 1} of the key log is out of order`);
      }
      if (record.event === "generation") {
        if (record.seq <= generation || !equal(record.fp, hash)) {
          throw new SealpostError("format", `record ${n + 1} of the key log begins nothing`);
        }
        generation = record.seq;
        generations.push({ began: generation, from: record.index });
      }
      hash = nextLogHash(hash, record);
      hashes.push(hash);
      [n, time] = [record.index, record.time];
    }
    return new KeyLog([...this.records, ...records], hashes, generations);
  }

  /** How many records it has. */
  get n(): number {
    return this.records.length;
  }

  /** The generation in which the log began, and the present one: seconds since 1970. */
  get first(): number {
    return this.#generations[0]?.began ?? 0;
  }
  get generation(): number {
    return this.#generations.at(-1)?.began ?? 0;
  }

  /** The hash of the log after `n` records, at most all. */
  hash(n: number): Bytes {
    const hash = this.#hashes[n];
    if (hash === undefined) throw new RangeError("the log has not so many records");
    return hash;
  }

  /** The generation in which the log had `n` records. */
  generationAt(n: number): number {
    return this.#generations.findLast(({ from }) => from <= n)?.began ?? 0;
  }

  /** The log as it was after `n` records. */
  until(n: number): KeyLog {
    return n >= this.n ? this : new KeyLog(
      this.records.slice(0, n),
      this.#hashes.slice(0, n + 1),
      this.#generations.filter(({ from }) => from <= n),
    );
  }

  /** The latest record about `name` among the first `n`; null if there is none. */
  newest(name: string, n = this.n): LogRecord | null {
    return this.records.findLast((record) => record.name === name && record.index <= n) ?? null;
  }

  /** How many of its first records this log and `other` have in common. */
  common(other: KeyLog): number {
    let [low, high] = [-1, Math.min(this.n, other.n)];
    // Equal hashes mean that all before is the same.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (equal(this.hash(middle), other.hash(middle))) low = middle;
      else high = middle - 1;
    }
    return Math.max(low, 0);
  }

  /** When the generation after `generation` began; null if this is the latest. */
  successor(generation: number): number | null {
    return this.#generations.find(({ began }) => began > generation)?.began ?? null;
  }

  /** The records that `generation` begins with and ends before; null if the log has no such generation. */
  span(generation: number): { readonly from: number; readonly to: number } | null {
    const i = this.#generations.findIndex(({ began }) => began === generation);
    const found = this.#generations[i];
    if (found === undefined) return null;
    return { from: found.from, to: (this.#generations[i + 1]?.from ?? this.n + 1) - 1 };
  }
}

/** What a server says of its key log at one moment, before it has signed it. */
export interface LogState {
  /** Seconds since 1970. */
  readonly generation: number;
  /** How many records the log has. */
  readonly n: number;
  /** Its hash, 32 bytes. */
  readonly hash: Bytes;
}

/** A log's state at a time, signed by the server. */
export interface LogHead extends LogState {
  /** When it was signed, milliseconds since 1970. */
  readonly time: number;
  /** The fingerprint of the server's key that signed it, 32 bytes. */
  readonly serverFp: Bytes;
  readonly signature: Bytes;
}

function headBody({ generation, n, hash, time, serverFp }: Omit<LogHead, "signature">): Bytes {
  return concat(u64(generation), u64(n), hash, u64(time), serverFp);
}

/**
 * A signed head: `u64(generation) ‖ u64(n) ‖ h(n) ‖ u64(time) ‖ server's fp ‖ Ed25519(server,
 * "sealpost/1 log head" ‖ all before)`; {@linkcode HEAD_SIZE} bytes.
 */
export async function signHead(state: LogState, time: number, server: Identity): Promise<Bytes> {
  const body = headBody({ ...state, time, serverFp: server.bundle.fp });
  return concat(body, await sign(server.ed25519Key, concat(HEAD_LABEL, body)));
}

/** A head with its signature, as {@linkcode signHead} gives it. */
export function encodeHead(head: LogHead): Bytes {
  return concat(headBody(head), head.signature);
}

/** Takes a head apart; verifies nothing. Throws `format`. */
export function decodeHead(bytes: Bytes): LogHead {
  if (bytes.length !== HEAD_SIZE) {
    throw new SealpostError("format", "a head of the key log of the wrong size");
  }
  return {
    generation: readU64(bytes, 0),
    n: readU64(bytes, 8),
    hash: bytes.slice(16, 48),
    time: readU64(bytes, 48),
    serverFp: bytes.slice(56, 88),
    signature: bytes.slice(88),
  };
}

/** Whether `server` is whom the head names, and has signed it. */
export async function isSignedHead(head: LogHead, server: Bundle): Promise<boolean> {
  return equal(head.serverFp, server.fp) &&
    await verify(server.ed25519Key, head.signature, concat(HEAD_LABEL, headBody(head)));
}

/**
 * How a head stands to a log: `fits`; `ahead`: of records, or of a generation, that the log does not
 * have; `lost`: of records that a restore has taken away; `contradicts`: an honest server with this log
 * has never signed it.
 */
export type HeadStanding = "fits" | "ahead" | "lost" | "contradicts";

/**
 * How `head` stands to `log`, and to the logs as they were before restores (`lost`), if any are known.
 * The signature is not looked at.
 */
export function judgeHead(
  head: LogHead,
  log: KeyLog,
  lost: readonly KeyLog[] = [],
): HeadStanding {
  const { generation, n } = head;
  const same = (of: KeyLog) => equal(of.hash(n), head.hash) ? "fits" : "contradicts";
  const span = log.span(generation);
  if (span !== null && n < span.from) return "contradicts";
  if (span !== null && n <= span.to) return same(log);
  const successor = log.successor(generation);
  if (successor === null) return "ahead";
  if (head.time > successor * 1000 + GENERATION_SLACK) return "contradicts";
  const kept = lost.find((one) => {
    const there = one.span(generation);
    return there !== null && n >= there.from && n <= there.to;
  });
  return kept === undefined ? "lost" : same(kept);
}

/**
 * Whether `later` and `earlier`, a head that stands `ahead` of the log of `later`, are of two histories:
 * who has signed the first cannot have signed the other before.
 */
export function wentBack(later: LogHead, earlier: LogHead): boolean {
  return later.time >= earlier.time;
}
