import * as v from "valibot";
import {
  type Bytes,
  concat,
  fromBase64,
  fromUtf8,
  lp,
  readU32,
  toBase64,
  utf8,
} from "../../crypto/bytes.ts";
import {
  decodeHead,
  decodeLogRecords,
  encodeHead,
  encodeLogRecord,
  KeyLog,
  type LogHead,
} from "../../protocol/key_log.ts";
import { fingerprintField, headField, nameField, parseJson } from "../../protocol/schema.ts";
import type { State } from "./state.ts";

const FILE = "key-log";
const PROOF = "key-log-proof";
/** Heads that wait for records that are not here yet; the oldest go. */
const MAX_PENDING = 100;
/** Logs from before restores that are kept; the oldest go. */
const MAX_LOST = 20;
/** How many bytes they may have in all: one as long as a log can be, and some. */
const MAX_LOST_BYTES = 20 * 1024 * 1024;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const key = v.strictObject({ name: nameField, fp: fingerprintField });
const schema = v.strictObject({
  version: v.literal(1),
  first: count,
  head: headField,
  lost: v.array(
    v.strictObject({ from: count, first: count, head: headField, restored: v.boolean() }),
  ),
  fitted: count,
  told: count,
  accepted: count,
  allowed: v.array(key),
  pending: v.array(v.strictObject({ from: nameField, head: headField })),
  fork: v.nullable(v.strictObject({ since: count, by: v.nullable(nameField) })),
});

/** A log as it was before another took its place. */
export interface LostLog {
  readonly log: KeyLog;
  readonly head: LogHead;
  /** Whether a restore took its place; else the server has shown another history. */
  readonly restored: boolean;
}

/** A head that came with a message, for which records are missing. */
export interface PendingHead {
  /** Who sent the message. */
  readonly from: string;
  readonly head: LogHead;
}

/** The server was found to have signed two histories of its key log. */
export interface Fork {
  /** When it was found, milliseconds since 1970. */
  readonly since: number;
  /** Whose message showed it; null if the server itself did. */
  readonly by: string | null;
}

/** What this machine knows of the server's key log. */
export interface KeptLog {
  readonly log: KeyLog;
  /** The newest head that the server gave for it. */
  readonly head: LogHead;
  /** Latest last. */
  readonly lost: readonly LostLog[];
  /** The highest number of records at which a head in somebody else's message fitted. */
  readonly fitted: number;
  /** Up to which record events about one's own name were told. */
  readonly told: number;
  /** When the person last accepted the log as it is, milliseconds since 1970; 0 if never. */
  readonly accepted: number;
  /** Keys to which mail goes although it would wait: the person has said so. */
  readonly allowed: readonly { readonly name: string; readonly fp: string }[];
  readonly pending: readonly PendingHead[];
  readonly fork: Fork | null;
}

/** The server's key log as this machine knows it, sealed on its disk. */
export class KeyLogFile {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** What is known; null before the first login. Throws what {@linkcode State.read} throws. */
  async load(): Promise<KeptLog | null> {
    const bytes = await this.#state.read(FILE);
    return bytes && decode(bytes);
  }

  /**
   * Changes what is known, from what the file holds at that moment; null leaves it. Throws what
   * {@linkcode State.update} throws.
   */
  async update(
    change: (kept: KeptLog | null) => KeptLog | null | Promise<KeptLog | null>,
  ): Promise<KeptLog | null> {
    return await this.#state.update(FILE, async (current) => {
      const before = current && decode(current);
      const after = await change(before);
      return { data: after === null ? null : encode(after), result: after ?? before };
    });
  }

  /** The proof of two histories that was found last, encoded; null if there is none. */
  async proof(): Promise<Bytes | null> {
    return await this.#state.read(PROOF);
  }

  async keepProof(proof: Bytes): Promise<void> {
    await this.#state.write(PROOF, proof);
  }
}

/** `LP(JSON) ‖ LP(records) ‖ LP(records of each lost log, after what it has in common with the log)`. */
function encode(kept: KeptLog): Bytes {
  const { log, head, fork, fitted, told, accepted, allowed } = kept;
  const own = kept.lost.slice(-MAX_LOST).map((one) => {
    const from = one.log.first === log.first ? one.log.common(log) : 0;
    return { ...one, from, records: recordsFrom(one.log, from) };
  });
  let room = MAX_LOST_BYTES;
  const lost = own.toReversed().filter(({ records }) => (room -= records.length) >= 0).reverse();
  const json = {
    version: 1,
    first: log.first,
    head: toBase64(encodeHead(head)),
    lost: lost.map((one) => ({
      from: one.from,
      first: one.log.first,
      head: toBase64(encodeHead(one.head)),
      restored: one.restored,
    })),
    fitted,
    told,
    accepted,
    allowed,
    pending: kept.pending.slice(-MAX_PENDING)
      .map(({ from, head }) => ({ from, head: toBase64(encodeHead(head)) })),
    fork,
  };
  return concat(
    lp(utf8(JSON.stringify(json))),
    lp(recordsFrom(log, 0)),
    ...lost.map(({ records }) => lp(records)),
  );
}

function recordsFrom(log: KeyLog, from: number): Bytes {
  return concat(...log.records.slice(from).map(encodeLogRecord));
}

function decode(bytes: Bytes): KeptLog {
  let at = 0;
  const part = () => {
    const size = readU32(bytes, at);
    at += 4 + size;
    return bytes.slice(at - size, at);
  };
  const json = parseJson(schema, fromUtf8(part()));
  const headOf = (text: string) => decodeHead(fromBase64(text));
  const log = KeyLog.begin(json.first).extend(decodeLogRecords(part()));
  return {
    ...json,
    log,
    head: headOf(json.head),
    lost: json.lost.map(({ from, first, head, restored }) => {
      const start = first === log.first ? log.until(from) : KeyLog.begin(first);
      return { log: start.extend(decodeLogRecords(part())), head: headOf(head), restored };
    }),
    pending: json.pending.map(({ from, head }) => ({ from, head: headOf(head) })),
  };
}
