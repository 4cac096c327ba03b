import { SealpostError } from "../../crypto/error.ts";
import { syncFolder, wrapFileError } from "../../files/atomic_file.ts";
import { runStatements } from "../../files/sqlite.ts";
import { sleep } from "../../protocol/timer.ts";
import { beginLog } from "./key_log_rows.ts";
import { APPLICATION_ID, SCHEMA, SCHEMA_VERSION } from "./schema.sql.ts";
import { exists } from "@std/fs";
import { dirname, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";

/** Name of the database in a store's folder. */
export const DATABASE_NAME = "sealpost.db";

/** Name of the file whose lock says that a server uses the store. */
export const LOCK_NAME = "sealpost.lock";

/** Name of the folder of bodies beside the database. */
export const BODIES_NAME = "bodies";

/** Ends the name of the folder in which a restored store is made, beside the one it will replace. */
export const RESTORING = ".restoring";

/** An open database and the lock that keeps other servers out. */
export interface Database {
  readonly db: DatabaseSync;
  /** The database's file. */
  readonly path: string;
  close(): void;
}

/**
 * How often the lock is tried, and how long is waited between, milliseconds: a program that this process starts
 * has its files, and so its locks, for the moment until it is another one.
 */
const LOCK_TRIES = 10;
const LOCK_PAUSE = 50;

/**
 * Opens the database in `folder` for this process alone, and makes both if they are not there: the
 * folder 0700, its files 0600 where the system has modes.
 *
 * The lock is on an empty file of its own, so that a backup can read the database meanwhile; the
 * system drops it when the process ends, however it ends.
 *
 * Throws `busy` (another process has it), `config` (not a store, another schema, or half a restore),
 * `disk-full` or `file-io`.
 */
export async function openDatabase(folder: string): Promise<Database> {
  const lock = await takeLock(folder);
  const path = join(folder, DATABASE_NAME);
  let db: DatabaseSync | undefined;
  try {
    await requireDatabase(folder, path);
    await restrictToOwner(folder, path);
    db = new DatabaseSync(path);
    requireStore(db, path);
    configure(db, path);
    if (schemaVersion(db) === 0) makeSchema(db, Date.now());
    await syncFolder(folder);
    const opened = db;
    return {
      db: opened,
      path,
      close() {
        try {
          opened.close();
        } finally {
          lock.close();
        }
      },
    };
  } catch (error) {
    if (db?.isOpen) db.close();
    lock.close();
    throw wrapSqliteError(error, path);
  }
}

async function takeLock(folder: string): Promise<Deno.FsFile> {
  try {
    if (!await exists(folder) && await exists(folder + RESTORING)) {
      throw new SealpostError(
        "config",
        `a restore or a migration to ${folder} was broken off; do it again, or remove ${
          folder + RESTORING
        } to ` +
          "start with an empty store",
      );
    }
    await makeFolder(folder);
  } catch (error) {
    throw wrapFileError(error, `open the store ${folder}`);
  }
  for (let tries = 1;; tries++) {
    const lock = await lockStore(folder);
    if (lock) return lock;
    if (tries === LOCK_TRIES) break;
    await sleep(LOCK_PAUSE);
  }
  throw new SealpostError("busy", `another server uses the store ${folder}; stop that one first`);
}

/** Makes `folder` and its parents where they are missing, and each name durable in its parent. */
async function makeFolder(folder: string): Promise<void> {
  if (await exists(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) await makeFolder(parent);
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  await syncFolder(parent);
}

/**
 * Takes the lock of the store in `folder`, which is there, for this process, until the file is
 * closed; null if another has it. Throws `file-io`, `disk-full`.
 */
export async function lockStore(folder: string): Promise<Deno.FsFile | null> {
  const path = join(folder, LOCK_NAME);
  let lock: Deno.FsFile | undefined;
  try {
    lock = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    if (await lock.tryLock(true)) return lock;
  } catch (error) {
    lock?.close();
    throw wrapFileError(error, `lock ${path}`);
  }
  lock.close();
  return null;
}

/**
 * A store whose database is gone is not a new store: an empty one in its place would take the bodies
 * that are there for left over, and remove them. Throws `file-io`.
 */
async function requireDatabase(folder: string, path: string): Promise<void> {
  if (await exists(path) && (await Deno.stat(path)).size > 0) return;
  const bodies = join(folder, BODIES_NAME);
  if (!await exists(bodies)) return;
  for await (const { name, isDirectory } of Deno.readDir(bodies)) {
    if (!isDirectory || name === "tmp") continue;
    for await (const _ of Deno.readDir(join(bodies, name))) {
      throw new SealpostError(
        "file-io",
        `${path} is missing or empty although ${bodies} has mail; restore a backup, ` +
          "or put the database back",
      );
    }
  }
}

/** SQLite gives the files beside the database the mode that the database has. */
async function restrictToOwner(folder: string, path: string): Promise<void> {
  try {
    (await Deno.open(path, { write: true, create: true, mode: 0o600 })).close();
    if (Deno.build.os === "windows") return;
    if (await isExposed(folder)) await Deno.chmod(folder, 0o700);
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || !name.startsWith(DATABASE_NAME)) continue;
      if (await isExposed(join(folder, name))) await Deno.chmod(join(folder, name), 0o600);
    }
  } catch (error) {
    throw wrapFileError(error, `open the store ${folder}`);
  }
}

/** Whether others than its owner can use what is at `path`. */
async function isExposed(path: string): Promise<boolean> {
  const { mode } = await Deno.stat(path);
  return mode !== null && (mode & 0o077) !== 0;
}

/**
 * Throws `config` unless `db` is a store with the schema of this program, or empty. Changes
 * nothing.
 */
export function requireStore(db: DatabaseSync, path: string): void {
  const id = pragma(db, "application_id");
  const tables = db.prepare("SELECT count(*) AS value FROM sqlite_schema").get()?.["value"];
  if (id !== APPLICATION_ID && (id !== 0 || tables !== 0)) {
    throw new SealpostError("config", `${path} is a database of another program`);
  }
  const version = schemaVersion(db);
  if (version === SCHEMA_VERSION || (id === 0 && tables === 0)) return;
  throw new SealpostError(
    "config",
    version > SCHEMA_VERSION
      ? `${path} was written by a newer Sealpost (schema ${version}, this one knows ` +
        `${SCHEMA_VERSION}); use that one`
      : `${path} is from before the first release (schema ${version}, this one needs ` +
        `${SCHEMA_VERSION}); move it away and start with an empty store`,
  );
}

function configure(db: DatabaseSync, path: string): void {
  if (pragma(db, "journal_mode = WAL") !== "wal") {
    throw new SealpostError("file-io", `${path}: this file system has no shared memory for SQLite`);
  }
  // A commit is acknowledged when its frames are on the disk; macOS needs fullfsync for that.
  runStatements(
    db,
    `
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA busy_timeout = 2000;
    PRAGMA cache_size = -16384;
    PRAGMA journal_size_limit = 67108864;
  `,
  );
}

/**
 * Makes the database of an empty store at `path`, where nothing is (0600), in one file, for somebody who
 * fills it and makes it durable. Throws what the system and SQLite throw.
 */
export async function createDatabase(path: string): Promise<DatabaseSync> {
  // SQLite would make it with the mode of any file.
  (await Deno.open(path, { write: true, createNew: true, mode: 0o600 })).close();
  const db = new DatabaseSync(path);
  runStatements(
    db,
    "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; " +
      "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384",
  );
  makeSchema(db, Date.now());
  return db;
}

/** Makes the tables of an empty database, all or none; its key log begins at `now`, milliseconds. */
function makeSchema(db: DatabaseSync, now: number): void {
  runStatements(db, "BEGIN IMMEDIATE");
  try {
    runStatements(db, SCHEMA);
    beginLog(db, now);
    runStatements(
      db,
      `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`,
    );
    runStatements(db, "COMMIT");
  } catch (error) {
    if (db.isTransaction) runStatements(db, "ROLLBACK");
    throw error;
  }
}

/** The version of the schema of `db`. */
export function schemaVersion(db: DatabaseSync): number {
  return Number(pragma(db, "user_version"));
}

function pragma(db: DatabaseSync, text: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${text}`).get() ?? {})[0];
}

// Result codes of https://www.sqlite.org/rescode.html; the low byte is the primary code.
const BUSY = 5;
const LOCKED = 6;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const CONSTRAINT = 19;
const NOTADB = 26;
const IOERR_SHMSIZE = 10 | (19 << 8);

/**
 * Whether a transaction that failed with `error` may be on the disk all the same: its frames were
 * written, and what failed was to make them durable, or the index of the log. They are overwritten by
 * the next commit; a crash before that brings the transaction back.
 */
export function mayHaveCommitted(error: unknown): boolean {
  return primaryCode(error) === IOERR;
}

/** Whether `error` says that a row may not be as it is, and nothing else was wrong. */
export function isConstraint(error: unknown): boolean {
  return primaryCode(error) === CONSTRAINT;
}

/** Whether `error` says that a database is damaged, or is none. */
export function saysDamaged(error: unknown): boolean {
  return [CORRUPT, NOTADB].includes(primaryCode(error));
}

/** The primary result code of SQLite in `error` or what caused it; 0 if there is none. */
function primaryCode(error: unknown): number {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (resultCode(at) !== 0) return resultCode(at) & 0xff;
  }
  return 0;
}

/** The result code of SQLite in `error`, extended where SQLite gives that; 0 if there is none. */
function resultCode(error: unknown): number {
  if (!(error instanceof Error)) return 0;
  if ("errcode" in error) return Number(error.errcode);
  // What Deno's constructor throws has no code.
  return /^(unable to open database file|disk I\/O error)/.test(error.message) ? CANTOPEN : 0;
}

/**
 * What SQLite threw about the database `path`, as a SealpostError: `disk-full`, `file-io` (also a
 * damaged database), `busy` (another program holds it), else `internal`. A SealpostError is returned
 * as it is.
 */
export function wrapSqliteError(error: unknown, path: string): SealpostError {
  if (error instanceof SealpostError) return error;
  const cause = { cause: error };
  const code = resultCode(error);
  // Growing the shared memory beside the database fails like this for want of space only.
  if (code === IOERR_SHMSIZE) {
    return new SealpostError("disk-full", `${path}: no space left on the disk`, cause);
  }
  switch (code & 0xff) {
    case FULL:
      return new SealpostError("disk-full", `${path}: no space left on the disk`, cause);
    case BUSY:
    case LOCKED:
      return new SealpostError("busy", `${path} is held by another program; try again`, cause);
    case CORRUPT:
    case NOTADB:
      return new SealpostError(
        "file-io",
        `${path} is damaged; put a backup in its place`,
        cause,
      );
    case IOERR:
    case CANTOPEN:
      return new SealpostError("file-io", `${path}: the system refused to read or write it`, cause);
    default:
      return new SealpostError("internal", `an unexpected error of the database ${path}`, cause);
  }
}
