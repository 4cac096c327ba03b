import {
  type Bytes,
  concat,
  equal,
  fromUtf8,
  lp,
  readU32,
  readU64,
  toHex,
  u32,
  u64,
  utf8,
} from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { Change, State } from "./state.ts";

/** Most messages that are remembered; the ones with the lowest UIDs are forgotten first. */
export const MAX_REMEMBERED = 100_000;

/** Most former epochs that are remembered. */
const MAX_EPOCHS = 1000;

const FILE = "mailbox";
const VERSION = 2;
const HASH_SIZE = 16;
const RECORD_SIZE = 8 + 2 * HASH_SIZE;
/** Where the fixed header names the message: version, message id and sender's fp. */
const NAMED = 1 + 16 + 32;

/** What is remembered of an entry of a mailbox; `Entry` has these. */
export interface Seen {
  readonly uid: number;
  /** The fixed header. */
  readonly header: Bytes;
}

/** What the server shows is found to be. */
export interface MailboxFindings {
  /** The server has recreated the mailbox since it was last seen: its UIDs start over. */
  readonly renewed: boolean;
  /** UIDs of messages that are there under a lower UID too, or were before the mailbox was recreated. */
  readonly duplicates: readonly number[];
  /** UIDs of messages with the sender and id of one under a lower UID, but not the same message. */
  readonly reused: readonly number[];
}

/** One remembered message. */
interface Record {
  /** 0 for one from before the mailbox was recreated. */
  readonly uid: number;
  /** SHA-256 of version, id and sender's fp, its first 16 bytes. */
  readonly named: Bytes;
  /** SHA-256 of the fixed header, its first 16 bytes. */
  readonly whole: Bytes;
}

/** The state of the mailbox that a client has seen last. */
export interface KnownMailbox {
  readonly epoch: string;
  readonly nextUid: number;
  /** The highest modification sequence. */
  readonly modseq: number;
}

/** Of a mailbox that was never seen. */
const NEVER_SEEN: KnownMailbox = { epoch: "", nextUid: 0, modseq: 0 };

interface Memory extends KnownMailbox {
  /** Former epochs, latest last. */
  readonly former: readonly string[];
  /** {@linkcode Record} after record: `uid (8) ‖ named (16) ‖ whole (16)`. */
  readonly records: Bytes;
}

/**
 * What a client remembers of its mailbox, so that a server that goes back to an older state of it,
 * shows another message under a UID it gave before, or shows a message twice, is noticed.
 */
export class MailboxMemory {
  readonly #state: State;

  private constructor(state: State) {
    this.#state = state;
  }

  /** Throws `format` or `authentication` if the file is damaged, and `file-io`. */
  static async load(state: State): Promise<MailboxMemory> {
    decode(await state.read(FILE));
    return new MailboxMemory(state);
  }

  /** What is remembered now: to be asked for before a listing is, for {@linkcode MailboxMemory.check}. */
  async known(): Promise<KnownMailbox> {
    const memory = decode(await this.#state.read(FILE));
    if (memory === null) return NEVER_SEEN;
    const { epoch, nextUid, modseq } = memory;
    return { epoch, nextUid, modseq };
  }

  /**
   * Compares what a server shows of the mailbox, `shown`, with what is remembered, and remembers it.
   * `entries` may be any part of the mailbox in any order. `known` is what was remembered before the
   * server was asked: since then another client of this user may have seen a later state. Throws
   * `protocol`, remembering nothing, if the server shows an earlier state of the mailbox, another
   * message under a known UID, or a UID it has not reached.
   */
  async check(
    shown: KnownMailbox,
    entries: readonly Seen[],
    known?: KnownMailbox,
  ): Promise<MailboxFindings> {
    const seen = await Promise.all(entries.map(async ({ uid, header }) => ({
      own: equal(header.subarray(17, NAMED), this.#state.fp),
      uid,
      named: (await sha256(header.subarray(0, NAMED))).slice(0, HASH_SIZE),
      whole: (await sha256(header)).slice(0, HASH_SIZE),
    })));
    return await this.#state.update(FILE, (current) => {
      return compare(decode(current), shown, seen, known);
    });
  }
}

function compare(
  memory: Memory | null,
  { epoch, nextUid, modseq }: KnownMailbox,
  seen: readonly (Record & { own: boolean })[],
  asked: KnownMailbox | undefined,
): Change<MailboxFindings> {
  const before = memory ??
    { epoch, nextUid: 0, modseq: 0, former: [], records: new Uint8Array(0) };
  const renewed = before.epoch !== epoch;
  const least = asked?.epoch === before.epoch ? asked : before;
  const earlier = nextUid < least.nextUid || modseq < least.modseq;
  if (renewed ? before.former.includes(epoch) : earlier) throw older();
  const now: Memory = renewed
    ? {
      epoch,
      nextUid,
      modseq,
      former: [...before.former, before.epoch].slice(-MAX_EPOCHS),
      records: withoutUids(before.records),
    }
    : {
      ...before,
      nextUid: Math.max(nextUid, before.nextUid),
      modseq: Math.max(modseq, before.modseq),
    };

  const known = new Remembered(now.records, seen);
  const added: Record[] = [];
  for (const entry of seen) {
    if (entry.uid < 1 || entry.uid >= nextUid) {
      throw new SealpostError("protocol", "the server lists a message it has not reached yet");
    }
    const same = known.byUid.get(entry.uid);
    if (same === undefined) {
      added.push(entry);
      known.add(entry);
    } else if (!equal(same.whole, entry.whole)) {
      throw new SealpostError(
        "protocol",
        `the server shows another message under number ${entry.uid} than before; it was altered ` +
          "or replaced by an older copy; ask its operator what happened",
      );
    }
  }
  const duplicates: number[] = [];
  const reused: number[] = [];
  for (const entry of seen) {
    const earlier = known.named(entry).filter(({ uid }) => uid < entry.uid);
    const copies = earlier.filter(({ whole }) => equal(whole, entry.whole)).length;
    // One's own message to oneself is there twice: as sent and as received.
    if (copies > (entry.own ? 1 : 0)) duplicates.push(entry.uid);
    else if (earlier.length > copies) reused.push(entry.uid);
  }
  const changed = renewed || added.length > 0 || now.nextUid !== before.nextUid ||
    now.modseq !== before.modseq;
  const data = changed ? encode({ ...now, records: append(now.records, added) }) : null;
  return { data, result: { renewed, duplicates, reused } };
}

/** The server shows an earlier state of the mailbox than one it has shown. */
export function older(): SealpostError {
  return new SealpostError(
    "protocol",
    "the server shows an older state of your mailbox than it did before; messages may be missing; " +
      "ask its operator whether it was restored from a backup",
  );
}

/** Those of the remembered messages that have a UID or a name of one that was listed. */
class Remembered {
  readonly byUid = new Map<number, Record>();
  readonly #byName = new Map<string, Record[]>();

  constructor(records: Bytes, listed: readonly Record[]) {
    const uids = new Set(listed.map(({ uid }) => uid));
    // By their first four bytes, which is cheap: few of the others have the same.
    const names = new Set(listed.map(({ named }) => readU32(named, 0)));
    for (let at = 0; at < records.length; at += RECORD_SIZE) {
      const uid = readU64(records, at);
      if (!uids.has(uid) && !names.has(readU32(records, at + 8))) continue;
      this.add({
        uid,
        named: records.slice(at + 8, at + 8 + HASH_SIZE),
        whole: records.slice(at + 8 + HASH_SIZE, at + RECORD_SIZE),
      });
    }
  }

  add(record: Record): void {
    if (record.uid > 0) this.byUid.set(record.uid, record);
    this.#byName.set(toHex(record.named), [...this.named(record), record]);
  }

  /** All with the name of `record`. */
  named(record: Record): readonly Record[] {
    return this.#byName.get(toHex(record.named)) ?? [];
  }
}

/** `records` as those of an earlier epoch. */
function withoutUids(records: Bytes): Bytes {
  const out = records.slice();
  for (let at = 0; at < out.length; at += RECORD_SIZE) out.fill(0, at, at + 8);
  return out;
}

/** `records` and `added`; over the limit, those with the highest UIDs. */
function append(records: Bytes, added: readonly Record[]): Bytes {
  const all = new Uint8Array(records.length + added.length * RECORD_SIZE);
  all.set(records);
  for (const [i, { uid, named, whole }] of added.entries()) {
    all.set(concat(u64(uid), named, whole), records.length + i * RECORD_SIZE);
  }
  const count = all.length / RECORD_SIZE;
  if (count <= MAX_REMEMBERED) return all;
  const latest = Array.from({ length: count }, (_, i) => ({
    uid: readU64(all, i * RECORD_SIZE),
    at: i * RECORD_SIZE,
  })).sort((a, b) => b.uid - a.uid).slice(0, MAX_REMEMBERED);
  const kept = new Uint8Array(MAX_REMEMBERED * RECORD_SIZE);
  for (const [i, { at }] of latest.entries()) {
    kept.set(all.subarray(at, at + RECORD_SIZE), i * RECORD_SIZE);
  }
  return kept;
}

/**
 * `version (1, = 2) ‖ LP(epoch) ‖ next UID (8) ‖ modseq (8) ‖ number of former epochs (4) ‖
 * LP(epoch)… ‖ records`.
 */
function encode(memory: Memory): Bytes {
  return concat(
    new Uint8Array([VERSION]),
    lp(utf8(memory.epoch)),
    u64(memory.nextUid),
    u64(memory.modseq),
    u32(memory.former.length),
    ...memory.former.map((epoch) => lp(utf8(epoch))),
    memory.records,
  );
}

function decode(bytes: Bytes | null): Memory | null {
  if (bytes === null) return null;
  if (bytes[0] !== VERSION) throw malformed();
  let at = 1;
  const text = () => {
    const length = readU32(bytes, at);
    at += 4 + length;
    return fromUtf8(bytes.subarray(at - length, at));
  };
  const epoch = text();
  const nextUid = readU64(bytes, at);
  const modseq = readU64(bytes, at + 8);
  const count = readU32(bytes, at + 16);
  at += 20;
  const former: string[] = [];
  for (let i = 0; i < count && i < MAX_EPOCHS; i++) former.push(text());
  const records = bytes.subarray(at);
  if (count > MAX_EPOCHS || records.length % RECORD_SIZE !== 0) throw malformed();
  return { epoch, nextUid, modseq, former, records };
}

function malformed(): SealpostError {
  return new SealpostError("format", "a malformed memory of the mailbox");
}
