import { formatTime } from "../../cli/format.ts";
import { PROGRAM } from "../../cli/program.ts";
import { type Bytes, equal, fromBase64, toBase64 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Bundle, decodeBundle, formatFingerprint } from "../../crypto/identity.ts";
import { decodeForkProof, encodeForkProof, type ForkProof } from "../../protocol/fork_proof.ts";
import {
  decodeHead,
  decodeLogRecord,
  encodeHead,
  isSignedHead,
  judgeHead,
  type KeyEvent,
  KeyLog,
  type LogHead,
  type LogRecord,
  MAX_LOG,
  MAX_LOG_PAGE,
  MAX_LOG_RECORD,
} from "../../protocol/key_log.ts";
import type { Response } from "../../protocol/request.ts";
import { ROTATION_SLACK } from "../../protocol/rotation.ts";
import type { Channel } from "../connection/client_session.ts";
import { readParts } from "../connection/read_parts.ts";
import { type KeptLog, KeyLogFile, type LostLog } from "../state/key_log.ts";
import type { Pin } from "../state/pins.ts";
import type { RetiredKeys } from "../state/retired_keys.ts";
import type { State } from "../state/state.ts";

/** How far the clock of a server may be from one's own before that is told, milliseconds. */
const CLOCK_SLACK = 86_400_000;
/** A head that says nothing new is kept if the kept one is older than this, milliseconds. */
const KEEP_EVERY = 3_600_000;

/** What is told when what a server signed with another key is not in its log any more. */
const OTHER_KEY =
  "The server has another key than before, and another history of everybody's keys. If you did not " +
  "hear of that from its operator, compare the keys of those you write to " +
  `("${PROGRAM} keys verify NAME") before you write.`;

/** The events of the log in words, for lists. */
export const EVENT_WORDS: Readonly<Record<KeyEvent, string>> = {
  bound: "bound",
  rotated: "rotated",
  unbound: "released",
  "server-key": "server's key",
  generation: "restored",
};

/** Whose mail it is, as far as the log is concerned. */
export interface LogReader {
  readonly name: string;
  /** The fingerprint of the present key. */
  readonly fp: Bytes;
  readonly retired: RetiredKeys;
}

/** Why mail to somebody waits: what the key log has shown. */
export interface LogHold {
  readonly pin: Pin;
  readonly why: "fork" | "restore";
}

type NamedKey = Response<"keys">["keys"][number];

/**
 * The server's key log as this machine knows it: followed from login to login, compared with what
 * others were shown. It finds that a server shows people different keys; it does not prevent it.
 */
export class KeyLogClient {
  readonly #file: KeyLogFile;
  readonly #reader: LogReader;
  #servers: readonly Bundle[];
  #kept: KeptLog | null;
  /** Whether the disk had no room for what is known: the file is behind then. */
  #unsaved = false;
  /** One thing at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #channel: Channel | null = null;
  /** The head that the server gave last on this connection, at its login or with keys. */
  #shown: LogHead | null = null;
  /** Told, in a sentence, of what the log shows. */
  onNotice: (line: string) => void = () => {};

  private constructor(
    file: KeyLogFile,
    reader: LogReader,
    servers: readonly Bundle[],
    kept: KeptLog | null,
  ) {
    this.#file = file;
    this.#reader = reader;
    this.#servers = servers;
    this.#kept = kept;
  }

  /**
   * `servers`: the server's key that is pinned, then those that it has left by certificate. Throws what
   * {@linkcode State.read} throws.
   */
  static async load(
    state: State,
    reader: LogReader,
    servers: readonly Bundle[],
  ): Promise<KeyLogClient> {
    const file = new KeyLogFile(state);
    return new KeyLogClient(file, reader, servers, await file.load());
  }

  /** What is known; null before the first login. */
  get kept(): KeptLog | null {
    return this.#kept;
  }

  /** The server's keys whose heads count: that which is pinned first. */
  get servers(): readonly Bundle[] {
    return this.#servers;
  }

  /** The server has the key `next` now, to which those that it had led. */
  serverMoved(next: Bundle): void {
    this.#servers = [next, ...this.#servers.filter(({ fp }) => !equal(fp, next.fp))];
  }

  /**
   * Throws `authentication` unless the newest key of the server in its log is its present one, as the one
   * that `seq` rotations by certificate led to.
   */
  requireServerKey(seq: number): void {
    const newest = this.#kept?.log.records.findLast(({ event }) => event === "server-key");
    const present = this.#servers[0];
    if (newest && present && newest.seq === seq && equal(newest.fp, present.fp)) return;
    throw new SealpostError("authentication", "its key log has another key as its newest");
  }

  /** The fingerprints of the server's keys that certificates may name. */
  get serverFps(): readonly Bytes[] {
    return this.servers.map(({ fp }) => fp);
  }

  /**
   * The server's key `fp`: the present one, or one that was left, for what arrived before its log has the
   * next. Null if it is neither.
   */
  serverKey(fp: Bytes, arrived: number): Bundle | null {
    const [present] = this.servers;
    const known = this.servers.find((one) => equal(one.fp, fp));
    if (!known || known === present) return known ?? null;
    const keys = this.#kept?.log.records.filter(({ event }) => event === "server-key") ?? [];
    const at = keys.findLastIndex((one) => equal(one.fp, fp));
    const next = at < 0 ? undefined : keys[at + 1];
    return next && arrived <= next.time + ROTATION_SLACK ? known : null;
  }

  /** Learns what other programs of this user have found or allowed. Throws what {@linkcode State.read} throws. */
  async reload(): Promise<void> {
    await this.#inTurn(async () => {
      const kept = this.#unsaved ? null : await this.#file.load();
      if (kept !== null) this.#adopt(kept);
    });
  }

  /**
   * The newest head that the server gave, in base64, for what one signs. Throws `offline` before the
   * first login.
   */
  head(): string {
    if (this.#kept) return toBase64(encodeHead(this.#kept.head));
    throw new SealpostError(
      "offline",
      "nothing of the server's key log is known here yet: connect once before you write",
    );
  }

  /**
   * Takes the head that the server gave at a login, and fetches what it has more. Throws `protocol` for
   * a log or a signature that is none, and what `channel` throws; that the server contradicts itself is
   * told and remembered, and throws nothing.
   */
  async greet(channel: Channel, head: Bytes): Promise<void> {
    this.#channel = channel;
    await this.#inTurn(async () => {
      const login = await this.#signedHead(head);
      const off = login.time - Date.now();
      if (Math.abs(off) > CLOCK_SLACK) {
        this.onNotice(
          `The server's clock says ${
            formatTime(login.time)
          }: it or yours is more than a day off. ` +
            "Set yours right, or tell the server's operator.",
        );
      }
      this.#shown = login;
      await this.#follow(channel, login, true);
      await this.#settlePending();
    });
  }

  /**
   * What the server says of keys, once it agrees with its own log; fetches the log's end if that is
   * not here. Throws `protocol` if it does not.
   */
  async confirm(channel: Channel, keys: readonly NamedKey[], head: string): Promise<void> {
    await this.#inTurn(async () => {
      const shown = await this.#signedHead(fromBase64(head));
      // An older log would make older keys the newest.
      if (this.#shown !== null && isBehind(shown, this.#shown)) throw wentBackNow();
      this.#shown = shown;
      await this.#follow(channel, shown, false);
      for (const key of keys) await this.#requireLogged(key, shown);
    });
  }

  async #requireLogged(key: NamedKey, { n }: LogHead): Promise<void> {
    const newest = this.#kept?.log.newest(key.name, n) ?? null;
    const logged = newest === null || newest.event === "unbound" ? null : newest;
    if (key.state !== "bound") {
      if (logged !== null) throw unlogged(key.name, null, logged);
      return;
    }
    const { fp } = await decodeBundle(fromBase64(key.bundle));
    if (logged === null || !equal(logged.fp, fp) || logged.seq !== (key.seq ?? 0)) {
      throw unlogged(key.name, fp, logged);
    }
  }

  /**
   * Compares the head in a message of `from`, which has verified, with what is known here. What is
   * ahead of that is kept, and compared by {@linkcode KeyLogClient.settle} or at the next login.
   */
  async gossip(from: string, head: string): Promise<void> {
    await this.#inTurn(() => this.#compare(from, decodeHead(fromBase64(head))));
  }

  /** Fetches the records that are missing for heads that are ahead, and compares those. Throws what the channel throws. */
  async settle(): Promise<void> {
    if ((this.#kept?.pending.length ?? 0) === 0) return;
    await this.#inTurn(() => this.#settlePending());
  }

  async #settlePending(): Promise<void> {
    const channel = this.#channel;
    const pending = this.#kept?.pending ?? [];
    if (channel === null || pending.length === 0) return;
    await this.#fetchAndFollow(channel);
    for (const { from, head } of pending) {
      const kept = this.#kept;
      if (kept === null) return;
      const standing = judgeHead(head, kept.log, kept.lost.map(({ log }) => log));
      if (standing === "ahead") await this.#foundFork(from, head, kept.log, kept.head);
      else await this.#judged(from, head);
    }
    await this.#change((kept) => ({
      ...kept,
      pending: kept.pending.filter((one) => !pending.some((was) => isSameHead(was.head, one.head))),
    }));
  }

  async #compare(from: string, head: LogHead): Promise<void> {
    // A key that is not known, or was left by force, proves nothing.
    if (!this.servers.some(({ fp }) => equal(fp, head.serverFp))) return;
    const kept = this.#kept;
    const ahead = kept === null ||
      judgeHead(head, kept.log, kept.lost.map(({ log }) => log)) === "ahead";
    if (!ahead) return await this.#judged(from, head);
    // Whoever sent it made it up, or the server has signed it: only that is worth a question.
    if (kept === null || !await this.#isSigned(head)) return;
    await this.#change((now) => {
      const known = now.pending.some((one) => isSameHead(one.head, head));
      return known ? null : { ...now, pending: [...now.pending, { from, head }] };
    });
  }

  /** What a head that is not ahead comes to. */
  async #judged(from: string, head: LogHead): Promise<void> {
    const kept = this.#kept;
    if (kept === null) return;
    const { log, lost } = kept;
    const standing = judgeHead(head, log, lost.map(({ log }) => log));
    if (standing === "fits" && from !== this.#reader.name) {
      const isNow = log.span(head.generation) !== null && head.n <= log.n;
      if (!isNow || head.n <= kept.fitted) return;
      await this.#change((now) => {
        return head.n > now.fitted ? { ...now, fitted: head.n } : null;
      });
    }
    if (standing !== "contradicts") return;
    // What it contradicts: the log as it is, or as it was before a restore.
    const other = judgeHead(head, log) === "contradicts"
      ? kept
      : lost.find((one) => judgeHead(head, one.log) === "contradicts") ?? kept;
    await this.#foundFork(from, head, other.log, other.head);
  }

  /**
   * The server has signed `other` and `head`, the head of `log`, and they are of two histories; `by`:
   * whose message showed it, null if the server itself did.
   */
  async #foundFork(
    by: string | null,
    other: LogHead,
    log: KeyLog,
    head: LogHead,
  ): Promise<void> {
    const server = await this.#signer(other);
    if (server === null || other.time <= (this.#kept?.accepted ?? 0)) return;
    if (this.#kept?.fork) return;
    if (equal(head.serverFp, server.fp)) {
      try {
        await this.#file.keepProof(encodeForkProof({ server, log, head, other }));
      } catch (error) {
        // The alarm matters more than the proof.
        if (!isSealpostError(error, "disk-full")) throw error;
      }
    }
    await this.#change((kept) => ({ ...kept, fork: { since: Date.now(), by } }));
    const how = by === null
      ? "it has taken back what it had signed before"
      : by === this.#reader.name
      ? "it has shown another of your machines another one than this"
      : `it has shown ${by} another one than you`;
    this.onNotice(
      `THE SERVER HAS TWO HISTORIES OF EVERYBODY'S KEYS: ${how}. Its operator, or whoever has stolen ` +
        "its key, may give you false keys of people. Mail to people whose keys you have verified, or " +
        "that others were shown too, goes on; mail to others waits. " +
        `"${PROGRAM} keys log" shows it, and what to do.`,
    );
  }

  /**
   * Whom of `pins` mail must wait for, because of what the log has shown: after two histories those whose
   * key nobody has made sure of, and that others may not have been shown; after a restore those whose
   * newest key it has taken away.
   */
  held(pins: readonly Pin[]): LogHold[] {
    const kept = this.#kept;
    if (kept === null) return [];
    return pins.flatMap((pin): LogHold[] => {
      if (pin.verified && pin.unconfirmed === null) return [];
      const fp = toBase64(pin.fp);
      if (kept.allowed.some((one) => one.name === pin.name && one.fp === fp)) return [];
      if (lostNames(kept).includes(pin.name)) return [{ pin, why: "restore" }];
      return kept.fork && isDoubtful(pin, kept, kept.fork.since) ? [{ pin, why: "fork" }] : [];
    });
  }

  /** Mail to `name` goes out under the key `fp`, whatever the log has shown so far. */
  async allow(name: string, fp: Bytes): Promise<void> {
    await this.#change((kept) => {
      const others = kept.allowed.filter((one) => one.name !== name);
      return { ...kept, allowed: [...others, { name, fp: toBase64(fp) }] };
    });
  }

  /** The person goes on with the log as it is: nothing waits any more. Throws `usage` if nothing does. */
  async accept(): Promise<void> {
    if (this.#kept === null || (!this.#kept.fork && lostNames(this.#kept).length === 0)) {
      throw new SealpostError("usage", "there is nothing to accept: the key log is in order");
    }
    await this.#change((kept) => ({
      ...kept,
      fork: null,
      // The server's clock signs, and one's own may be behind it.
      accepted: Math.max(kept.head.time, Date.now()),
      allowed: [],
      lost: kept.lost.map((one) => ({ ...one, restored: false })),
    }));
  }

  /** The proof of two histories that was found last; null if there is none. */
  async proof(): Promise<ForkProof | null> {
    const bytes = await this.#file.proof();
    return bytes && await decodeForkProof(bytes);
  }

  /** What the log says of `name`, oldest first; nothing before the first login. */
  history(name: string): LogRecord[] {
    return this.#kept?.log.records.filter((record) => record.name === name) ?? [];
  }

  /** Names whose newest key a restore has taken away, as far as that was known here. */
  lostNames(): string[] {
    return this.#kept ? lostNames(this.#kept) : [];
  }

  async #fetchAndFollow(channel: Channel): Promise<void> {
    const kept = this.#kept;
    const { log, head } = await this.#fetch(channel, kept?.log ?? null);
    await this.#take(log, head);
  }

  /**
   * Brings what is known to `shown`, which the server has signed: after a login, when it is never behind
   * what is known, or in an answer, since which more may have become known.
   */
  async #follow(channel: Channel, shown: LogHead, isLogin: boolean): Promise<void> {
    const kept = this.#kept;
    if (kept !== null && isSameState(kept.head, shown)) return await this.#renew(shown);
    if (kept !== null && !isLogin && judgeHead(shown, kept.log) === "fits") return;
    await this.#fetchAndFollow(channel);
    const now = this.#kept;
    if (now === null) return;
    const standing = judgeHead(shown, now.log, now.lost.map(({ log }) => log));
    if (standing !== "fits") await this.#foundFork(null, shown, now.log, now.head);
  }

  /** The log says nothing new: only the time of its head is another. */
  async #renew(shown: LogHead): Promise<void> {
    const kept = this.#kept;
    if (kept === null || shown.time <= kept.head.time) return;
    if (shown.time - kept.head.time < KEEP_EVERY) {
      this.#kept = { ...kept, head: shown };
      return;
    }
    await this.#change((now) => isSameState(now.head, shown) ? { ...now, head: shown } : null);
  }

  /**
   * The server's log and its head: what is beyond `known`, or, where that is not a part of it, all of it.
   * Throws `protocol` if it is no log, or not the one that the head is of.
   */
  async #fetch(channel: Channel, known: KeyLog | null): Promise<{ log: KeyLog; head: LogHead }> {
    if (known !== null) {
      const more = await this.#download(channel, known);
      if (more !== null) return more;
    }
    const whole = await this.#download(channel, null);
    if (whole !== null) return whole;
    throw new SealpostError(
      "protocol",
      "the server's key log is not the one that it has signed; ask its operator",
    );
  }

  /** What the server has behind `known`; null if that does not lead to its head. */
  async #download(
    channel: Channel,
    known: KeyLog | null,
  ): Promise<{ log: KeyLog; head: LogHead } | null> {
    let log = known;
    for (;;) {
      const after = log?.n ?? 0;
      const { response, data, cancel } = await channel.stream({ op: "log", after });
      const records: LogRecord[] = [];
      try {
        for await (const part of readParts(data, MAX_LOG_RECORD)) {
          if (records.length === MAX_LOG_PAGE) {
            throw new SealpostError("protocol", "too many records");
          }
          records.push(decodeLogRecord(part));
        }
        log = (log ?? KeyLog.begin(response.first)).extend(records);
      } catch (error) {
        await cancel().catch(() => {});
        if (isSealpostError(error, "format")) return null;
        throw error;
      }
      const head = await this.#signedHead(fromBase64(response.head));
      if (log.first !== response.first || log.n > head.n) return null;
      if (log.n === head.n) return isOf(head, log) ? { log, head } : null;
      if (records.length === 0) return null;
    }
  }

  /** The server's log is `log` now: what that means for the one that was known. */
  async #take(log: KeyLog, head: LogHead): Promise<void> {
    const before = this.#kept;
    if (before !== null && isSameState(before.head, head)) return await this.#renew(head);
    const standing = before === null ? "fits" : judgeHead(before.head, log);
    const own = await this.#foreignOwn(log, before);
    // Before the former log gives way: nothing else remembers what it said.
    if (before !== null && (standing === "contradicts" || standing === "ahead")) {
      await this.#foundFork(null, before.head, log, head);
      if (await this.#signer(before.head) === null) this.onNotice(OTHER_KEY);
    }
    const after = await this.#save((now) => {
      // Another client of this machine may have come further meanwhile.
      if (now !== null && now.log.n > log.n && judgeHead(head, now.log) === "fits") return null;
      const replaced: LostLog[] = now === null || now.log.common(log) === now.log.n
        ? []
        : [{ log: now.log, head: now.head, restored: standing === "lost" || standing === "fits" }];
      return {
        fitted: 0,
        accepted: 0,
        allowed: [],
        pending: [],
        fork: null,
        ...now,
        log,
        head,
        told: log.n,
        lost: [...now?.lost ?? [], ...replaced],
        ...now === null || replaced.length === 0
          ? {}
          : { fitted: Math.min(now.fitted, now.log.common(log)) },
      };
    });
    this.#kept = after;
    if (before !== null && before.head.generation < head.generation && standing !== "contradicts") {
      this.#tellRestore(log, head);
    }
    for (const record of own) this.onNotice(foreignText(record));
  }

  #tellRestore(log: KeyLog, { generation }: LogHead): void {
    const from = log.span(generation)?.from ?? 0;
    const last = log.records[from - 2];
    const until = last === undefined
      ? ""
      : `; the last change of a key in it is of ${formatTime(last.time)}`;
    const names = this.lostNames();
    const lost = names.length === 0
      ? "No change of a key that this machine had seen is lost by it."
      : `It has lost the newest keys of ${
        names.join(", ")
      }: mail to them waits until they have connected ` +
        'again, or you compare ("keys verify NAME") or allow it ("keys trust NAME").';
    this.onNotice(
      `The server says that it was restored from a backup on ${
        formatTime(generation * 1000)
      }${until}. ${lost}`,
    );
  }

  /** Records about one's own name that tell of keys that are not one's own, and were not told yet. */
  async #foreignOwn(log: KeyLog, before: KeptLog | null): Promise<LogRecord[]> {
    const known = before === null ? 0 : Math.min(before.told, before.log.common(log));
    const found: LogRecord[] = [];
    for (const record of log.records.slice(known)) {
      if (record.name !== this.#reader.name) continue;
      const isOwn = equal(record.fp, this.#reader.fp) || await this.#reader.retired.has(record.fp);
      if (!isOwn) found.push(record);
    }
    return found;
  }

  async #change(change: (kept: KeptLog) => KeptLog | null): Promise<void> {
    const after = await this.#save((kept) => kept && change(kept));
    if (after !== null) this.#adopt(after);
  }

  #adopt(after: KeptLog): void {
    const newest = this.#kept?.head ?? null;
    // Of the same state, the head that was given last.
    const keep = newest !== null && isSameState(newest, after.head) &&
      newest.time > after.head.time;
    this.#kept = keep ? { ...after, head: newest } : after;
  }

  /** Changes what is kept; where the disk has no room for that, what is known in this run. */
  async #save(change: (kept: KeptLog | null) => KeptLog | null): Promise<KeptLog | null> {
    try {
      const saved = await this.#file.update(change);
      this.#unsaved = false;
      return saved;
    } catch (error) {
      if (!isSealpostError(error, "disk-full")) throw error;
      this.#unsaved = true;
      return change(this.#kept) ?? this.#kept;
    }
  }

  /** A head of the server, verified, of a log that can be followed. Throws `protocol`. */
  async #signedHead(bytes: Bytes): Promise<LogHead> {
    const head = decodeHead(bytes);
    // What it signed under a key that it has left is over.
    const signer = await this.#signer(head);
    if (signer === null || signer !== this.#servers[0]) {
      throw new SealpostError("protocol", "the server did not sign the head of its key log");
    }
    if (head.n <= MAX_LOG) return head;
    throw new SealpostError(
      "protocol",
      `the server's key log has ${head.n} records, and at most ${MAX_LOG} are followed; ask its operator`,
    );
  }

  async #isSigned(head: LogHead): Promise<boolean> {
    return await this.#signer(head) !== null;
  }

  /** Which of the server's keys has signed `head`; null if none has. */
  async #signer(head: LogHead): Promise<Bundle | null> {
    const server = this.servers.find(({ fp }) => equal(fp, head.serverFp));
    return server !== undefined && await isSignedHead(head, server) ? server : null;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const done = Promise.withResolvers<void>();
    this.#turn = done.promise;
    await before;
    try {
      return await work();
    } finally {
      done.resolve();
    }
  }
}

/** Names whose newest key, as it was known before a restore, is not the newest one any more. */
function lostNames({ log, lost }: KeptLog): string[] {
  const names = new Set<string>();
  for (const { log: former, restored } of lost) {
    if (!restored) continue;
    for (const { name } of former.records.slice(former.common(log))) {
      const [was, is] = [former.newest(name), log.newest(name)];
      if (name === "" || was === null || was.event === "unbound") continue;
      if (is === null || is.event === "unbound" || !equal(was.fp, is.fp)) names.add(name);
    }
  }
  return [...names].sort();
}

/** Whether others may have been shown another key than `pin`, after two histories were found at `since`. */
function isDoubtful(pin: Pin, { log, fitted }: KeptLog, since: number): boolean {
  const byCertificate = (pin.seq ?? 0) > 0 && pin.former.length > 0;
  if (byCertificate) return false;
  if (pin.firstSeen >= since) return true;
  const record = log.records.findLast(({ name, fp }) => name === pin.name && equal(fp, pin.fp));
  return record === undefined || record.index > fitted;
}

function isOf(head: LogHead, log: KeyLog): boolean {
  return head.n === log.n && head.generation === log.generation &&
    equal(head.hash, log.hash(log.n));
}

function isBehind(a: LogHead, b: LogHead): boolean {
  return a.generation < b.generation || (a.generation === b.generation && a.n < b.n);
}

function wentBackNow(): SealpostError {
  return new SealpostError(
    "protocol",
    "the server answers with an older key log than it has shown; nothing was done with the keys in it",
  );
}

function isSameState(a: LogHead, b: LogHead): boolean {
  return a.generation === b.generation && a.n === b.n && equal(a.hash, b.hash) &&
    equal(a.serverFp, b.serverFp);
}

function isSameHead(a: LogHead, b: LogHead): boolean {
  return equal(encodeHead(a), encodeHead(b));
}

function unlogged(name: string, shown: Bytes | null, logged: LogRecord | null): SealpostError {
  const gives = shown === null
    ? "says that there is no key"
    : `gives the key ${formatFingerprint(shown)}`;
  const says = logged === null
    ? "has none"
    : `has ${formatFingerprint(logged.fp)} since ${formatTime(logged.time)}`;
  return new SealpostError(
    "protocol",
    `the server ${gives} of ${name}, and its key log ${says}: it contradicts itself, and nothing was ` +
      `done with that key; ask ${name} by another way, and the server's operator`,
  );
}

/** What to tell of an event about one's own name that is not one's own. */
function foreignText({ event, fp, time }: LogRecord): string {
  const what = event === "unbound"
    ? "the server's operator released your account from the key"
    : event === "rotated"
    ? "your account was changed to the key"
    : "your account was bound to the key";
  return `At ${formatTime(time)} ${what} ${
    formatFingerprint(fp)
  }, which is not among your key files. If ` +
    "that was not you on another machine, or keys that you have lost, ask the server's operator " +
    "at once, and tell the people you write to not to use that key.";
}
