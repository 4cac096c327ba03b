import { formatDuration } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import { Progress } from "../../cli/progress.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { syncFolder, wrapFileError, writeFileAtomic } from "../../files/atomic_file.ts";
import { ensurePrivateDir, isThere } from "../../files/key_files.ts";
import { runStatements } from "../../files/sqlite.ts";
import {
  BODIES_NAME,
  type Database,
  DATABASE_NAME,
  lockStore,
  openDatabase,
  RESTORING,
  wrapSqliteError,
} from "../store/database.ts";
import { readJournalFile } from "../store/delivery_journal.ts";
import { commitJournal } from "../store/replay.ts";
import { text } from "../store/statements.ts";
import { compareRows, copyRows, fingerprintOf } from "./copy_rows.ts";
import type { FsckReport } from "./findings.ts";
import { checkStore } from "./fsck.ts";
import { damagedSource, IncomingStore, ORIGIN, readDatabase } from "./incoming.ts";
import { snapshotName } from "./snapshot.ts";
import { SqliteRows } from "./sqlite_rows.ts";
import { isStoreUsed } from "./store_folder.ts";
import { formatUsers, readUsers, type StoredUsers, USERS_NAME } from "./stored_users.ts";
import { databaseFor, type DatabaseStore } from "./which_store.ts";
import { dirname, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";

/** What `store migrate` was given. */
export interface MigrateOptions {
  /** A server's folder, or the address of a database; and the other of these. */
  readonly from: string;
  readonly to: string;
  /** The file with the database's password, named from the server's folder. */
  readonly passwordFile: string | undefined;
  /** Whether all rows and bodies are compared at the end. */
  readonly verify: boolean;
  readonly json: boolean;
}

/** The outcome of moving a store. */
export interface MigrateReport {
  /** Rows that an earlier try had brought. */
  readonly resumed: number;
  /** What was compared; null if nothing was. */
  readonly compared: { readonly rows: number; readonly bodies: number } | null;
  readonly users: number;
  readonly check: FsckReport;
  /** Where the `user_pass.json` is that was there, if it was another; else null. */
  readonly formerUsers: string | null;
}

/** A folder and a database, of which one has the store. */
interface Places {
  /** The server's folder. */
  readonly dir: string;
  readonly database: DatabaseStore;
  readonly verify: boolean;
}

/**
 * Copies the store of a server's folder to a database that has none: all rows as they are, large bodies,
 * users. Nobody uses either meanwhile. A copy that was broken off goes on where it ended, unless its store
 * was used since. It is checked as by `fsck` before it takes its place; what it was made of stays as it is.
 *
 * Throws `file-missing` (no store), `busy` (somebody uses one of the two), `file-exists` (there is a
 * store), `format` (the store is damaged, or the two differ), `config`, `disk-full`, `file-io`.
 */
export async function migrateToDatabase({ dir, database, verify }: Places): Promise<MigrateReport> {
  const store = join(dir, "mail");
  if (!await isThere(join(store, DATABASE_NAME))) {
    throw new SealpostError("file-missing", `there is no store in ${store}`);
  }
  const { db, path, close } = await openDatabase(store);
  const progress = new Progress("copying", 0, "rows");
  try {
    commitJournal(db, await readJournalFile(store), store);
    using incoming = new IncomingStore(database);
    if (await incoming.isUsed()) {
      throw new SealpostError("file-exists", `there is a store in ${database.name} already`);
    }
    const rows = new SqliteRows(db, join(store, BODIES_NAME));
    const users = await readUsers(dir);
    const { resumed, check } = await incoming.fill(rows, users, progress);
    progress.finish();
    if (check.damaged > 0) throw damagedSource(store, check);
    const compared = verify ? await comparing((bar) => incoming.compare(rows, bar)) : null;
    await incoming.takePlace();
    return { resumed, compared, users: users.size, check, formerUsers: null };
  } catch (error) {
    throw wrapSqliteError(error, path);
  } finally {
    progress.finish();
    close();
  }
}

/** The way back: {@linkcode migrateToDatabase} with the two changed places. */
export async function migrateToFolder({ dir, database, verify }: Places): Promise<MigrateReport> {
  const store = join(dir, "mail");
  const staging = store + RESTORING;
  await ensurePrivateDir(dir);
  if (await isStoreUsed(store)) {
    throw new SealpostError("file-exists", `there is a store in ${store} already`);
  }
  const lock = await isThere(store) ? await lockStore(store) : undefined;
  if (lock === null) {
    throw new SealpostError("busy", `a server uses the store ${store}; stop it first`);
  }
  const progress = new Progress("copying", 0, "rows");
  try {
    return await readDatabase(database, true, async (rows, users) => {
      const { db, path, close } = await openStaging(staging, await fingerprintOf(rows));
      let resumed: number;
      let compared: MigrateReport["compared"] = null;
      try {
        const copy = new SqliteRows(db, join(staging, BODIES_NAME));
        resumed = await copyRows(rows, copy, { bodies: "all", progress });
        progress.finish();
        if (verify) compared = await comparing((bar) => compareRows(rows, copy, bar));
      } catch (error) {
        throw wrapSqliteError(error, path);
      } finally {
        close();
      }
      const check = { ...await checkStore(staging), store };
      if (check.damaged > 0) throw damagedSource(database.name, check);
      forgetOrigin(path);
      const formerUsers = await replaceUsers(dir, users);
      if (Deno.build.os === "windows") lock?.close();
      await takePlace(store, staging);
      return { resumed, compared, users: users.size, check, formerUsers };
    });
  } finally {
    progress.finish();
    if (lock && Deno.build.os !== "windows") lock.close();
  }
}

async function comparing<T>(compare: (progress: Progress) => Promise<T>): Promise<T> {
  const progress = new Progress("comparing", 0, "rows");
  try {
    return await compare(progress);
  } finally {
    progress.finish();
  }
}

/** Opens the part of a copy of `source` that is in the folder `staging`; begins one if there is none. */
async function openStaging(staging: string, source: string): Promise<Database> {
  if (await isThere(staging)) {
    const found = await openDatabase(staging).catch((error) => {
      if (isSealpostError(error, "busy")) throw error;
      return null;
    });
    if (found !== null) {
      if (originOf(found.db) === source) return relaxed(found);
      found.close();
    }
    try {
      await Deno.remove(staging, { recursive: true });
    } catch (error) {
      throw wrapFileError(error, `remove ${staging}`);
    }
  }
  const made = await openDatabase(staging);
  runStatements(made.db, ORIGIN);
  made.db.prepare("INSERT INTO origin (source) VALUES (?)").run(source);
  return relaxed(made);
}

/** Entries come before their accounts; `fsck` looks for what refers to nothing. */
function relaxed(database: Database): Database {
  runStatements(database.db, "PRAGMA foreign_keys = OFF");
  return database;
}

/** Of which store a database in a folder is a part of a copy; null if it is none. */
function originOf(db: DatabaseSync): string | null {
  const there = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'origin'").get();
  const row = there && db.prepare("SELECT source FROM origin").get();
  return row === undefined ? null : text(row, "source");
}

function forgetOrigin(path: string): void {
  const db = new DatabaseSync(path);
  try {
    runStatements(db, "DROP TABLE origin");
  } catch (error) {
    throw wrapSqliteError(error, path);
  } finally {
    db.close();
  }
}

/** Writes `user_pass.json`; another one that is there gets another name, which is returned. */
async function replaceUsers(dir: string, users: StoredUsers): Promise<string | null> {
  const path = join(dir, USERS_NAME);
  const list = formatUsers(users);
  let aside: string | null = null;
  if (await isThere(path)) {
    if (await Deno.readTextFile(path) === list) return null;
    aside = `${USERS_NAME}.before-${snapshotName(Date.now())}`;
    try {
      await Deno.copyFile(path, join(dir, aside));
    } catch (error) {
      throw wrapFileError(error, `keep ${path}`);
    }
  }
  await writeFileAtomic(path, list, { mode: 0o600 });
  return aside;
}

async function takePlace(store: string, staging: string): Promise<void> {
  try {
    if (await isThere(store)) await Deno.remove(store, { recursive: true });
    await Deno.rename(staging, store);
  } catch (error) {
    throw wrapFileError(error, `put the store at ${store}`);
  }
  await syncFolder(dirname(store));
}

/** The `store migrate` command. */
export async function migrate(options: MigrateOptions): Promise<void> {
  const { from, to, json, verify } = options;
  const toDatabase = isDatabase(to);
  if (isDatabase(from) === toDatabase) {
    throw new SealpostError(
      "usage",
      "one of --from and --to is a server's folder, the other a database, postgres://USER@HOST/DATABASE",
    );
  }
  const [dir, address] = toDatabase ? [from, to] : [to, from];
  const flags = new Map([["store", address]]);
  if (options.passwordFile !== undefined) flags.set("store-password-file", options.passwordFile);
  const database = await databaseFor({ dir, flags });
  if (database === null) throw new SealpostError("internal", "a database that is none");
  const start = performance.now();
  const report = await (toDatabase ? migrateToDatabase : migrateToFolder)({
    dir,
    database,
    verify,
  });
  const seconds = (performance.now() - start) / 1000;
  if (json) return console.log(JSON.stringify({ from, to, seconds, ...report }, null, 2));
  const { check, resumed, compared, users, formerUsers } = report;
  const say = (line: string) => console.log(printable(line));
  say(
    `copied ${from} to ${to} in ${formatDuration(seconds)}: ${check.accounts} accounts, ` +
      `${check.messages} messages, ${check.entries} entries, ${check.bodies} large bodies of ` +
      `${check.bodyBytes} bytes, ${users} users` +
      (resumed > 0 ? `; ${resumed} rows were there from an earlier try` : ""),
  );
  if (compared) say(`compared ${compared.rows} rows and ${compared.bodies} large bodies: the same`);
  if (formerUsers !== null) say(`the user_pass.json that was there is ${formerUsers}`);
  say(`${from} is as it was: let no server use it any more`);
  say(
    toDatabase
      ? `now say so in ${join(dir, "sealpost.toml")}: store = "${to}"`
      : `now take store out of ${join(dir, "sealpost.toml")}`,
  );
}

function isDatabase(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place);
}
