import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type Bytes, concat, toHex } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { runStatements } from "../../files/sqlite.ts";
import {
  decodeEntry,
  encodeEntry,
  type Entry,
  type Flag,
  flagBits,
  flagsOf,
  type Folder,
  folderNumber,
  folderOf,
} from "../../protocol/entry.ts";
import type { EntryPlace } from "../../protocol/change.ts";
import { HEADER_SIZE } from "../../protocol/header.ts";
import type { State } from "./state.ts";

const FILE = "cache.db";
const SCHEMA_VERSION = 7;
/** Sizes from which a cache is full, bytes: some 250,000 messages in a file. */
const MAX_FILE = 1024 * 1024 * 1024;
const MAX_MEMORY = 256 * 1024 * 1024;
/** Messages whose texts are looked for at a time, and bytes of them that are opened at a time. */
const TEXTS_PAGE = 200;
const MAX_AT_ONCE = 4 * 1024 * 1024;

const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE entry (
    uid INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    folder INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    flags_high INTEGER NOT NULL,
    number INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    sealed BLOB NOT NULL
  ) STRICT;
  -- With the flags, so that messages are counted without a look at their rows.
  CREATE INDEX entry_folder ON entry (folder, uid, flags);
  -- What has changed in a folder, and how many are in it, is found without the others.
  CREATE INDEX entry_place ON entry (folder, modseq, number);
  CREATE INDEX entry_id ON entry (id);
  CREATE TABLE record (kind TEXT NOT NULL, uid INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (kind, uid)) STRICT, WITHOUT ROWID;
  CREATE TABLE lane (id BLOB PRIMARY KEY, reader BLOB NOT NULL, added INTEGER NOT NULL,
    sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX lane_added ON lane (added);
  CREATE INDEX lane_reader ON lane (reader);
  CREATE TABLE sending_lane (sender BLOB NOT NULL, reader BLOB NOT NULL, since INTEGER NOT NULL,
    used INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (sender, reader))
    STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** What of a mailbox has been fetched: everything with a UID from `bottom` to `top`. */
export interface Fetched {
  readonly epoch: string;
  /** 1 when everything down to the first message is there. */
  readonly bottom: number;
  /** One below the UID that the next message gets; 0 when nothing is there. */
  readonly top: number;
  /** The modification sequence up to which the changes of these messages are there. */
  readonly modseq: number;
}

const NOTHING: Fetched = { epoch: "", bottom: 1, top: 0, modseq: 0 };

/** Where an entry is now, and its flags. */
export interface EntryState extends EntryPlace {
  /** The modification sequence under which this came about. */
  readonly modseq: number;
  readonly flags: readonly Flag[];
}

/** What is taken over into the cache at once. */
export interface CacheUpdate {
  /** Entries that it does not have yet, or has as they were. */
  readonly entries: readonly Entry[];
  /** How entries are that it has; others are passed over. */
  readonly states?: readonly EntryState[];
  /** What of the mailbox is there then. */
  readonly fetched: Fetched;
  /** The UIDs of those that are copies of others. */
  readonly duplicates?: ReadonlySet<number>;
}

/** What is kept of a message for searching; null if nothing is. */
export interface SearchText {
  readonly uid: number;
  readonly folder: Folder;
  readonly flags: readonly Flag[];
  readonly text: Bytes | null;
}

/** An entry as the cache has it. */
export interface CachedEntry {
  readonly entry: Entry;
  /** The same message, or another one with its id, was there under another UID before. */
  readonly duplicate: boolean;
}

/** Which entries of the cache to give. */
export interface CacheQuery {
  readonly folder: Folder | null;
  /** Only UIDs below this. */
  readonly before?: number;
  /** So many of those that are newest are passed over. */
  readonly skip?: number;
  readonly limit: number;
}

/**
 * Kinds of records of a message beside its entry: what was opened of it, what is searched, and how it
 * is given to mail programs.
 */
export type RecordKind = "opened" | "text" | "given";

/** What is in the clear of an entry. */
export interface CachedId {
  readonly uid: number;
  /** The message's id, 16 bytes. */
  readonly id: Bytes;
  readonly folder: Folder;
  readonly flags: Flag[];
}

/** An entry's place without anything of what is sealed in it. */
export interface CachedPlace {
  readonly uid: number;
  /** The message's id, 16 bytes. */
  readonly id: Bytes;
  readonly number: number;
  readonly modseq: number;
  readonly flags: readonly Flag[];
}

/**
 * What a client has fetched of its mailbox: entries, what it opened, texts to search. Every row is
 * sealed like the other files of the state; in the clear are only message ids, UIDs, folders and
 * flags, all of which the server has too. A cache can be lost: everything in it is on the server.
 */
export class Cache {
  readonly #db: DatabaseSync;
  readonly #state: State;
  readonly #statements = new Map<string, StatementSync>();

  readonly #limit: number;

  private constructor(db: DatabaseSync, state: State, limit: number) {
    this.#db = db;
    this.#state = state;
    this.#limit = limit;
  }

  /**
   * Opens the cache of a user; with `keep` false one that lives in memory only. A file that is
   * damaged, or of another version, is recreated. It is full from `limit` bytes on. Throws `file-io`,
   * `disk-full`, `busy`.
   */
  static async open(
    state: State,
    keep: boolean,
    limit = keep ? MAX_FILE : MAX_MEMORY,
  ): Promise<Cache> {
    if (!keep) return new Cache(openDatabase(":memory:"), state, limit);
    const path = state.path(FILE);
    // One client of this user makes it; the others find it.
    using _lock = await state.lock();
    try {
      return new Cache(openDatabase(path), state, limit);
    } catch (error) {
      const wrapped = wrapFileError(error, `open ${path}`);
      // It is not damaged then.
      if (isBusy(error) || isSealpostError(wrapped, "disk-full")) throw wrapped;
    }
    try {
      for (const suffix of ["", "-wal", "-shm"]) removeIfThere(path + suffix);
      return new Cache(openDatabase(path), state, limit);
    } catch (error) {
      throw wrapFileError(error, `make ${path}`);
    }
  }

  /** Whether nothing older is to be fetched into it. */
  get full(): boolean {
    const pages = Number(this.#get("PRAGMA page_count")?.page_count);
    return pages * Number(this.#get("PRAGMA page_size")?.page_size) >= this.#limit;
  }

  /** Another number whenever another process of this user has changed the cache. */
  get changesElsewhere(): number {
    return Number(this.#get("PRAGMA data_version")?.data_version);
  }

  fetched(): Fetched {
    const row = this.#get("SELECT value FROM meta WHERE name = 'fetched'");
    if (typeof row?.value !== "string") return NOTHING;
    const [epoch = "", bottom, top, modseq] = row.value.split(" ");
    return { epoch, bottom: Number(bottom), top: Number(top), modseq: Number(modseq) };
  }

  /** When the cache was as new as the server, milliseconds since 1970; null if it never was. */
  get synced(): number | null {
    const row = this.#get("SELECT value FROM meta WHERE name = 'synced'");
    return typeof row?.value === "string" ? Number(row.value) : null;
  }

  setSynced(at: number): void {
    this.#run("INSERT OR REPLACE INTO meta (name, value) VALUES ('synced', ?)", String(at));
  }

  /** Forgets all entries if the mailbox is another one now. */
  startEpoch(epoch: string): void {
    if (this.fetched().epoch === epoch) return;
    this.#run("DELETE FROM entry");
    this.#run("DELETE FROM record");
    this.#setFetched({ ...NOTHING, epoch });
  }

  /**
   * Takes `update` over, if what was fetched is still `from`. False, changing nothing, if it is not:
   * another client of this user was quicker.
   */
  async apply(from: Fetched, update: CacheUpdate): Promise<boolean> {
    const { entries, states = [], fetched, duplicates } = update;
    const nothing = entries.length + states.length === 0;
    // Others would look at the cache anew.
    if (nothing && textOf(fetched) === textOf(from) && textOf(this.fetched()) === textOf(from)) {
      return true;
    }
    const rows = await Promise.all(entries.map(async (entry) => ({
      entry,
      sealed: await this.#seal("entry", entry.uid, encodeEntry(entry)),
    })));
    this.#run("BEGIN IMMEDIATE");
    try {
      if (textOf(this.fetched()) !== textOf(from)) {
        this.#run("ROLLBACK");
        return false;
      }
      for (const { entry, sealed } of rows) {
        const { low, high } = flagBits(entry.flags);
        this.#run(
          "INSERT INTO entry (uid, id, folder, flags, flags_high, number, modseq, duplicate, " +
            "sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uid) DO UPDATE SET " +
            "folder = excluded.folder, flags = excluded.flags, flags_high = excluded.flags_high, " +
            "number = excluded.number, modseq = excluded.modseq, duplicate = excluded.duplicate, " +
            "sealed = excluded.sealed",
          entry.uid,
          idOf(entry),
          folderNumber(entry.folder),
          low,
          high,
          entry.number,
          entry.modseq,
          duplicates?.has(entry.uid) ? 1 : 0,
          sealed,
        );
      }
      for (const { uid, folder, number, modseq, flags } of states) {
        const { low, high } = flagBits(flags);
        this.#run(
          "UPDATE entry SET folder = ?, flags = ?, flags_high = ?, number = ?, modseq = ? " +
            "WHERE uid = ?",
          folderNumber(folder),
          low,
          high,
          number,
          modseq,
          uid,
        );
      }
      this.#setFetched(fetched);
      this.#run("COMMIT");
      return true;
    } catch (error) {
      this.#run("ROLLBACK");
      throw error;
    }
  }

  /** Entries, newest first. */
  async list(query: CacheQuery): Promise<CachedEntry[]> {
    const { folder, before = Number.MAX_SAFE_INTEGER, skip = 0, limit } = query;
    const order = "ORDER BY uid DESC LIMIT ? OFFSET ?";
    const rows = folder === null
      ? this.#all(`SELECT * FROM entry WHERE uid < ? ${order}`, before, limit, skip)
      : this.#all(
        `SELECT * FROM entry WHERE folder = ? AND uid < ? ${order}`,
        folderNumber(folder),
        before,
        limit,
        skip,
      );
    return await Promise.all(rows.map((row) => this.#entry(row)));
  }

  has(uid: number): boolean {
    return this.#get("SELECT 1 FROM entry WHERE uid = ?", uid) !== undefined;
  }

  async entry(uid: number): Promise<CachedEntry | null> {
    const row = this.#get("SELECT * FROM entry WHERE uid = ?", uid);
    return row ? await this.#entry(row) : null;
  }

  /** Everything that is there, or in a folder, as it is in the clear; newest first. */
  ids(folder: Folder | null = null): CachedId[] {
    const columns = "uid, id, folder, flags, flags_high";
    const rows = folder === null
      ? this.#all(`SELECT ${columns} FROM entry ORDER BY uid DESC`)
      : this.#all(
        `SELECT ${columns} FROM entry WHERE folder = ? ORDER BY uid DESC`,
        folderNumber(folder),
      );
    return rows.map(idOfRow);
  }

  /** The UIDs of everything that is there, or in a folder, newest first. */
  uids(folder: Folder | null = null): number[] {
    const rows = folder === null
      ? this.#all("SELECT uid FROM entry ORDER BY uid DESC")
      : this.#all("SELECT uid FROM entry WHERE folder = ? ORDER BY uid DESC", folderNumber(folder));
    return rows.map((row) => Number(row.uid));
  }

  /** The folders that have anything. */
  folders(): Folder[] {
    return this.#all("SELECT DISTINCT folder FROM entry").map((row) =>
      folderOf(Number(row.folder))
    );
  }

  /** The message `uid` as it is in the clear; null if it is not there. */
  idOf(uid: number): CachedId | null {
    const row = this.#get(
      "SELECT uid, id, folder, flags, flags_high FROM entry WHERE uid = ?",
      uid,
    );
    return row ? idOfRow(row) : null;
  }

  /** Everything with the message id `id`, newest first. */
  withId(id: Bytes): CachedId[] {
    return this.#all(
      "SELECT uid, id, folder, flags, flags_high FROM entry WHERE id = ? ORDER BY uid DESC",
      id,
    ).map(idOfRow);
  }

  /** The places in a folder, in the order of their numbers; without those whose number is not known. */
  places(folder: Folder): CachedPlace[] {
    return this.#all(
      "SELECT uid, id, number, modseq, flags, flags_high FROM entry " +
        "WHERE folder = ? AND number > 0 ORDER BY number",
      folderNumber(folder),
    ).map(placeOf);
  }

  /**
   * The places in a folder that came about after the modification sequence `since`, as
   * {@linkcode Cache.places} gives them, and how many there are in the folder.
   */
  placesSince(folder: Folder, since: number): { readonly changed: CachedPlace[]; count: number } {
    const number = folderNumber(folder);
    const changed = this.#all(
      "SELECT uid, id, number, modseq, flags, flags_high FROM entry INDEXED BY entry_place " +
        "WHERE folder = ? AND modseq > ? AND number > 0 ORDER BY number",
      number,
      since,
    ).map(placeOf);
    const count = this.#get(
      "SELECT count(*) AS n FROM entry INDEXED BY entry_place WHERE folder = ? AND number > 0",
      number,
    );
    return { changed, count: Number(count?.n) };
  }

  /**
   * Notes flags and folder as this client has made them. The modification sequence comes with the
   * mailbox's changes, and so does the number in another folder, which is 0 until then.
   */
  setPlace(uid: number, folder: Folder, flags: readonly Flag[]): void {
    const { low, high } = flagBits(flags);
    this.#run(
      "UPDATE entry SET number = CASE WHEN folder = ?1 THEN number ELSE 0 END, folder = ?1, " +
        "flags = ?2, flags_high = ?3 WHERE uid = ?4",
      folderNumber(folder),
      low,
      high,
      uid,
    );
  }

  /**
   * Forgets entries that are deleted for good, and what was opened and is searched of them. No copy of
   * their rows stays in the files: freed pages are overwritten, and the write-ahead log is emptied, by
   * this client or, while others use it, by the last of them that closes the cache.
   */
  drop(uids: readonly number[]): void {
    this.#run("BEGIN IMMEDIATE");
    try {
      for (const uid of uids) {
        this.#run("DELETE FROM entry WHERE uid = ?", uid);
        this.#run("DELETE FROM record WHERE uid = ?", uid);
      }
      this.#run("COMMIT");
    } catch (error) {
      this.#run("ROLLBACK");
      throw error;
    }
    this.#get("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** How many entries there are in a folder, or in all. */
  count(folder: Folder | null): number {
    const row = folder === null
      ? this.#get("SELECT count(*) AS n FROM entry")
      : this.#get("SELECT count(*) AS n FROM entry WHERE folder = ?", folderNumber(folder));
    return Number(row?.n);
  }

  /** How many entries there are in each folder that has any, and how many of them are unread. */
  counts(): { readonly folder: Folder; readonly total: number; readonly unread: number }[] {
    const { low: seen } = flagBits(["seen"]);
    const rows = this.#all(
      "SELECT folder, count(*) AS n, sum((flags & ?) = 0) AS fresh FROM entry GROUP BY folder",
      seen,
    );
    return rows.map(({ folder, n, fresh }) => {
      return { folder: folderOf(Number(folder)), total: Number(n), unread: Number(fresh) };
    });
  }

  /** What the texts take that are kept for searching, bytes. */
  textBytes(): number {
    const [row] = this.#all("SELECT sum(length(sealed)) AS n FROM record WHERE kind = 'text'");
    return Number(row?.n ?? 0);
  }

  /** What is kept of messages for searching, newest first; null for those of which nothing is. */
  async *texts(folder: Folder | null): AsyncGenerator<SearchText, void, undefined> {
    let before = Number.MAX_SAFE_INTEGER;
    for (;;) {
      const sizes = this.#textSizes(folder, before);
      for (let at = 0; at < sizes.length;) {
        let bytes = 0;
        const from = at;
        while (
          at < sizes.length && (at === from || bytes + (sizes[at]?.size ?? 0) <= MAX_AT_ONCE)
        ) {
          bytes += sizes[at++]?.size ?? 0;
        }
        // Several at once are opened faster than one after the other; all of them may be too large.
        yield* await Promise.all(
          sizes.slice(from, at).map(async ({ size, ...entry }) => {
            return { ...entry, text: size === 0 ? null : await this.record("text", entry.uid) };
          }),
        );
      }
      const last = sizes.at(-1);
      if (!last) return;
      before = last.uid;
    }
  }

  /** The next entries below `before`, and the sizes of the texts that are kept of them: 0 for none. */
  #textSizes(
    folder: Folder | null,
    before: number,
  ): (Omit<SearchText, "text"> & { readonly size: number })[] {
    const select = "SELECT entry.uid, folder, flags, flags_high, length(record.sealed) AS size " +
      "FROM entry LEFT JOIN record ON kind = 'text' AND record.uid = entry.uid WHERE entry.uid < ?";
    const rows = folder === null
      ? this.#all(`${select} ORDER BY entry.uid DESC LIMIT ?`, before, TEXTS_PAGE)
      : this.#all(
        `${select} AND folder = ? ORDER BY entry.uid DESC LIMIT ?`,
        before,
        folderNumber(folder),
        TEXTS_PAGE,
      );
    return rows.map((row) => ({
      uid: Number(row.uid),
      folder: folderOf(Number(row.folder)),
      flags: flagsOfRow(row),
      size: Number(row.size ?? 0),
    }));
  }

  /** Keeps what is to be searched of the message `uid`, unless the cache is full. */
  async putText(uid: number, text: Bytes): Promise<void> {
    if (!this.full) await this.putRecord("text", uid, text);
  }

  /** A record; null if there is none. */
  async record(kind: RecordKind, uid: number): Promise<Bytes | null> {
    const row = this.#get("SELECT sealed FROM record WHERE kind = ? AND uid = ?", kind, uid);
    return row ? await this.#open(kind, uid, bytesOf(row.sealed)) : null;
  }

  /** Keeps a record of the message `uid`, in the place of one of this kind that is there. */
  async putRecord(kind: RecordKind, uid: number, data: Bytes): Promise<void> {
    const sealed = await this.#seal(kind, uid, data);
    this.#run(
      "INSERT OR REPLACE INTO record (kind, uid, sealed) VALUES (?, ?, ?)",
      kind,
      uid,
      sealed,
    );
  }

  /** The secret of a lane by its id; null if it is not known. */
  async lane(id: Bytes): Promise<Bytes | null> {
    const row = this.#get("SELECT sealed FROM lane WHERE id = ?", id);
    return row ? await this.#state.open(laneContext(id), bytesOf(row.sealed)) : null;
  }

  /** Keeps the secret of a lane to the key `reader`; of more than `limit` the oldest go. */
  async putLane(id: Bytes, reader: Bytes, secret: Bytes, limit: number): Promise<void> {
    const sealed = await this.#state.seal(laneContext(id), secret);
    this.#run(
      "INSERT OR REPLACE INTO lane (id, reader, added, sealed) VALUES (?, ?, ?, ?)",
      id,
      reader,
      Date.now(),
      sealed,
    );
    this.#run(
      "DELETE FROM lane WHERE id IN (SELECT id FROM lane ORDER BY added DESC LIMIT -1 OFFSET ?)",
      limit,
    );
  }

  /** The fingerprints of the keys to which lanes are kept. */
  laneReaders(): Bytes[] {
    return this.#all("SELECT DISTINCT reader FROM lane").map((row) => bytesOf(row.reader));
  }

  /** Forgets the lanes to a key. */
  dropLanesTo(reader: Bytes): void {
    this.#run("DELETE FROM lane WHERE reader = ?", reader);
  }

  /**
   * One more use of the lane that was started from `sender` to `reader` after `after` (milliseconds
   * since 1970) and used fewer than `most` times, as it was put; null if there is none.
   */
  async useSendingLane(
    sender: Bytes,
    reader: Bytes,
    after: number,
    most: number,
  ): Promise<Bytes | null> {
    this.#run("DELETE FROM sending_lane WHERE since <= ?", after);
    const row = this.#get(
      "UPDATE sending_lane SET used = used + 1 WHERE sender = ? AND reader = ? AND used < ? " +
        "RETURNING sealed",
      sender,
      reader,
      most,
    );
    return row
      ? await this.#state.open(laneContext(concat(sender, reader)), bytesOf(row.sealed))
      : null;
  }

  /** Keeps a lane that was started now and is used once. */
  async putSendingLane(sender: Bytes, reader: Bytes, lane: Bytes): Promise<void> {
    this.#run(
      "INSERT OR REPLACE INTO sending_lane (sender, reader, since, used, sealed) " +
        "VALUES (?, ?, ?, 1, ?)",
      sender,
      reader,
      Date.now(),
      await this.#state.seal(laneContext(concat(sender, reader)), lane),
    );
  }

  close(): void {
    this.#db.close();
  }

  async #entry(row: Row): Promise<CachedEntry> {
    const uid = Number(row.uid);
    const entry = decodeEntry(await this.#open("entry", uid, bytesOf(row.sealed)));
    return {
      entry: {
        ...entry,
        folder: folderOf(Number(row.folder)),
        number: Number(row.number),
        modseq: Number(row.modseq),
        flags: flagsOfRow(row),
      },
      duplicate: row.duplicate === 1,
    };
  }

  #seal(kind: string, uid: number, data: Bytes): Promise<Bytes> {
    return this.#state.seal(context(kind, uid), data);
  }

  async #open(kind: string, uid: number, sealed: Bytes): Promise<Bytes> {
    const data = await this.#state.open(context(kind, uid), sealed);
    if (data) return data;
    throw new SealpostError(
      "authentication",
      `${this.#state.path(FILE)} was damaged or altered; remove it; it will be recreated`,
    );
  }

  #setFetched(fetched: Fetched): void {
    this.#run(
      "INSERT OR REPLACE INTO meta (name, value) VALUES ('fetched', ?)",
      textOf(fetched),
    );
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: Value[]): void {
    try {
      this.#statement(sql).run(...values);
    } catch (error) {
      throw wrapFileError(error, "write to the cache");
    }
  }

  #get(sql: string, ...values: Value[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  #all(sql: string, ...values: Value[]): Row[] {
    return this.#statement(sql).all(...values);
  }
}

type Value = string | number | Bytes;
type Row = Readonly<Record<string, unknown>>;

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    runStatements(
      db,
      "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; " +
        "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON",
    );
    const version = db.prepare("PRAGMA user_version").get()?.user_version;
    if (version === 0) runStatements(db, `BEGIN; ${SCHEMA} COMMIT`);
    else if (version !== SCHEMA_VERSION) throw new SealpostError("format", "another version");
    if (path !== ":memory:" && Deno.build.os !== "windows") Deno.chmodSync(path, 0o600);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Whether another client of this user has the database just now: it is not damaged by that. */
function isBusy(error: unknown): boolean {
  const SQLITE_BUSY = 5;
  return error instanceof Error && "errcode" in error &&
    Number(error.errcode) % 256 === SQLITE_BUSY;
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function laneContext(id: Bytes): string {
  return `cache lane ${toHex(id)}`;
}

function context(kind: string, uid: number): string {
  return `cache ${kind} ${uid}`;
}

/** The message id in an entry's fixed header. */
function idOf(entry: Entry): Bytes {
  if (entry.header.length !== HEADER_SIZE) {
    throw new SealpostError("format", "an entry without a header");
  }
  return entry.header.slice(1, 17);
}

function bytesOf(value: unknown): Bytes {
  if (value instanceof Uint8Array) return concat(value);
  throw new SealpostError("format", "a column of another type");
}

function textOf({ epoch, bottom, top, modseq }: Fetched): string {
  return `${epoch} ${bottom} ${top} ${modseq}`;
}

function placeOf(row: Row): CachedPlace {
  return {
    uid: Number(row.uid),
    id: bytesOf(row.id),
    number: Number(row.number),
    modseq: Number(row.modseq),
    flags: flagsOfRow(row),
  };
}

function idOfRow(row: Row): CachedId {
  return {
    uid: Number(row.uid),
    id: bytesOf(row.id),
    folder: folderOf(Number(row.folder)),
    flags: flagsOfRow(row),
  };
}

function flagsOfRow(row: Row): Flag[] {
  return flagsOf({ low: Number(row.flags), high: Number(row.flags_high) });
}
