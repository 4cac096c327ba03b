import { SealpostError } from "../crypto/error.ts";
import { syncFolder, wrapFileError } from "../protocol/atomic_file.ts";
import { APPLICATION_ID, MIGRATIONS } from "./schema.sql.ts";
import { exists } from "@std/fs";
import { dirname, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";

/** Name of the database in a store's folder. */
export const DATABASE_NAME = "sealpost.db";

/** Name of the file whose lock says that a server uses the store. */
export const LOCK_NAME = "sealpost.lock";

/** An open database and the lock that keeps other servers out. */
export interface Database {
  readonly db: DatabaseSync;
  /** The database's file. */
  readonly path: string;
  close(): void;
}

/**
 * Opens the database in `folder` for this process alone, and makes both if they are not there: the
 * folder 0700, its files 0600 where the system has modes. An older schema is brought to this one.
 *
 * The lock is on an empty file of its own, so that a backup can read the database meanwhile; the
 * system drops it when the process ends, however it ends.
 *
 * Throws `busy` (another process has it), `config` (not a store, or a newer schema), `disk-full` or
 * `file-io`.
 */
export async function openDatabase(folder: string): Promise<Database> {
  const lock = await takeLock(folder);
  const path = join(folder, DATABASE_NAME);
  let db: DatabaseSync | undefined;
  try {
    await makePrivate(folder, path);
    db = new DatabaseSync(path);
    identify(db, path);
    configure(db, path);
    migrate(db);
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
  const path = join(folder, LOCK_NAME);
  let lock: Deno.FsFile;
  try {
    if (!await exists(folder)) {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      await syncFolder(dirname(folder));
    }
    lock = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw wrapFileError(error, `open the store ${folder}`);
  }
  try {
    if (await lock.tryLock(true)) return lock;
  } catch (error) {
    lock.close();
    throw wrapFileError(error, `lock ${path}`);
  }
  lock.close();
  throw new SealpostError("busy", `another server uses the store ${folder}; stop that one first`);
}

/** SQLite gives the files beside the database the mode that the database has. */
async function makePrivate(folder: string, path: string): Promise<void> {
  try {
    (await Deno.open(path, { write: true, create: true, mode: 0o600 })).close();
    if (Deno.build.os === "windows") return;
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || !name.startsWith(DATABASE_NAME)) continue;
      const { mode } = await Deno.stat(join(folder, name));
      if (mode !== null && (mode & 0o077) !== 0) await Deno.chmod(join(folder, name), 0o600);
    }
  } catch (error) {
    throw wrapFileError(error, `open the store ${folder}`);
  }
}

/** Refuses a database that is not a store of this version, before anything of it is changed. */
function identify(db: DatabaseSync, path: string): void {
  const id = pragma(db, "application_id");
  const tables = db.prepare("SELECT count(*) AS value FROM sqlite_schema").get()?.["value"];
  if (id !== APPLICATION_ID && (id !== 0 || tables !== 0)) {
    throw new SealpostError("config", `${path} is a database of another program`);
  }
  const version = schemaVersion(db);
  if (version > MIGRATIONS.length) {
    throw new SealpostError(
      "config",
      `${path} was written by a newer Sealpost (schema ${version}, this one knows ` +
        `${MIGRATIONS.length}); use that one`,
    );
  }
}

function configure(db: DatabaseSync, path: string): void {
  if (pragma(db, "journal_mode = WAL") !== "wal") {
    throw new SealpostError("file-io", `${path}: this file system has no shared memory for SQLite`);
  }
  // A commit is acknowledged when its frames are on the disk; macOS needs fullfsync for that.
  db.exec(`
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA busy_timeout = 2000;
    PRAGMA cache_size = -16384;
    PRAGMA journal_size_limit = 67108864;
  `);
}

function migrate(db: DatabaseSync): void {
  for (let version = schemaVersion(db); version < MIGRATIONS.length; version++) {
    db.exec("BEGIN IMMEDIATE");
    try {
      db.exec(MIGRATIONS[version] ?? "");
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version + 1}`);
      db.exec("COMMIT");
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }
}

function schemaVersion(db: DatabaseSync): number {
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
const NOTADB = 26;
const IOERR_SHMSIZE = 10 | (19 << 8);

/**
 * What SQLite threw about the database `path`, as a SealpostError: `disk-full`, `file-io` (also a
 * damaged database), `busy` (another program holds it), else `internal`. A SealpostError is returned
 * as it is.
 */
export function wrapSqliteError(error: unknown, path: string): SealpostError {
  if (error instanceof SealpostError) return error;
  const cause = { cause: error };
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) : NaN;
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
