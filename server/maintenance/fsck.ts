import { databaseFor, type WhichStore } from "./which_store.ts";
import { checkDatabaseStore } from "./database_check.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { syncFolder, wrapFileError } from "../../files/atomic_file.ts";
import { isThere } from "../../files/key_files.ts";
import { runStatements } from "../../files/sqlite.ts";
import { printable } from "../../cli/printable.ts";
import { checkBodies, filesIn } from "./body_check.ts";
import {
  BODIES_NAME,
  DATABASE_NAME,
  lockStore,
  requireStore,
  saysDamaged,
  schemaVersion,
  wrapSqliteError,
} from "../store/database.ts";
import { type Counts, FsckFindings, type FsckReport } from "./findings.ts";
import { isUploadName, UPLOADS_NAME } from "../store/partial_uploads.ts";
import { JOURNAL_NAME, readJournalFile } from "../store/delivery_journal.ts";
import { pinBodies } from "../store/pin.ts";
import { commitJournal, journaled } from "../store/replay.ts";
import { checkRows, repairsBy } from "./row_check.ts";
import { SQLITE } from "./sqlite_rows.ts";
import { dirname, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";

/** Where `--repair` puts files that no message names, in the store's folder. */
export const LOST_NAME = "lost+found";

/**
 * Checks the store in `folder`: the database, every row, every body file. A running server is not
 * disturbed; what it does meanwhile is not looked at. Nothing is changed unless `repair` is asked
 * for, which mends what is safe: counters are set to what they count, and files that no message names
 * are moved to `lost+found`. It never removes anything.
 *
 * Throws `file-missing` (no store), `config` (a newer one, or no store), `busy` (`repair` while a
 * server runs), `file-io`.
 */
export async function checkStore(
  folder: string,
  options: { readonly repair?: boolean } = {},
): Promise<FsckReport> {
  const path = join(folder, DATABASE_NAME);
  if (!await isThere(path)) {
    throw new SealpostError("file-missing", `there is no store in ${folder}: no ${path}`);
  }
  const lock = await lockStore(folder);
  try {
    if (options.repair && lock === null) {
      throw new SealpostError(
        "busy",
        `a server uses the store ${folder}; stop it first, or check without --repair`,
      );
    }
    using _pin = await pinBodies(folder);
    const findings = new FsckFindings();
    const { unnamed, ...report } = await look(folder, path, findings);
    if (options.repair) await repair(folder, path, findings, unnamed);
    return {
      store: folder,
      running: lock === null,
      ...report,
      findings: findings.list(),
      damaged: findings.damaged,
    };
  } finally {
    lock?.close();
  }
}

const NOTHING: Counts = { accounts: 0, messages: 0, entries: 0, bytes: 0 };

/** Runs all checks in one transaction that reads. */
async function look(folder: string, path: string, findings: FsckFindings) {
  let reader: DatabaseSync | undefined;
  let db: DatabaseSync | undefined;
  try {
    // The last connection to close writes the log into the database, unless it can only read.
    reader = new DatabaseSync(path, { readOnly: true });
    runStatements(reader, "PRAGMA busy_timeout = 2000");
    requireStore(reader, path);
    // SQLite checks no CHECK constraint on a connection that can only read.
    db = new DatabaseSync(path);
    runStatements(
      db,
      "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 2000; BEGIN",
    );
    const schema = schemaVersion(db);
    if (schema === 0) {
      throw new SealpostError("file-missing", `there is no store in ${folder}: ${path} is empty`);
    }
    const counts = await checkRows(db, findings);
    const { unnamed, bodies, bytes } = await checkBodies(folder, db, findings);
    if (unnamed.length > 0) {
      findings.note(
        "unnamed",
        `${unnamed.length} files in ${join(folder, BODIES_NAME)} that no message names: uploads, ` +
          "or what a crash left; a server removes them when it starts",
      );
    }
    const journaled = await checkJournal(folder, db, findings);
    await checkUploads(folder, findings);
    await checkModes(folder, findings);
    return { schema, journaled, ...counts, bodies, bodyBytes: bytes, unnamed };
  } catch (error) {
    const wrapped = wrapSqliteError(error, path);
    if (!saysDamaged(wrapped)) throw wrapped;
    findings.damage("database", wrapped.message);
    return { schema: 0, journaled: 0, ...NOTHING, bodies: 0, bodyBytes: 0, unnamed: [] };
  } finally {
    if (db?.isOpen) db.close();
    if (reader?.isOpen) reader.close();
  }
}

/** How many deliveries have no rows in `db` yet. A record that is cut ends a journal, and is no damage. */
async function checkJournal(
  folder: string,
  db: DatabaseSync,
  findings: FsckFindings,
): Promise<number> {
  const journal = await readJournalFile(folder);
  try {
    return journaled(db, journal).length;
  } catch (error) {
    if (!isSealpostError(error, "format")) throw error;
    findings.damage("journal", `${join(folder, JOURNAL_NAME)}: ${error.message}`);
    return 0;
  }
}

/** Uploads that broke off are no damage; whatever else is in their folder is not the server's. */
async function checkUploads(folder: string, findings: FsckFindings): Promise<void> {
  const uploads = join(folder, UPLOADS_NAME);
  let count = 0;
  let bytes = 0;
  for (const name of await filesIn(uploads)) {
    const path = join(uploads, name);
    const info = await Deno.lstat(path).catch(() => null);
    if (info === null) continue;
    if (!isUploadName(name)) findings.note("unusual", `${path} is not the server's`);
    else if (name.endsWith(".body")) count++;
    bytes += info.size;
  }
  if (count > 0) {
    findings.note(
      "uploads",
      `${count} uploads in ${uploads} have broken off or still go on, ${bytes} bytes; a server ` +
        "removes them after a day",
    );
  }
}

/** Checks that only their owner can use the store's folder and database. */
async function checkModes(folder: string, findings: FsckFindings): Promise<void> {
  if (Deno.build.os === "windows") return;
  for (const name of ["", BODIES_NAME, DATABASE_NAME, JOURNAL_NAME]) {
    const path = join(folder, name);
    const { mode } = await Deno.stat(path).catch(() => ({ mode: null }));
    if (((mode ?? 0) & 0o077) !== 0) findings.note("permissions", `others can use ${path}`);
  }
}

async function repair(
  folder: string,
  path: string,
  findings: FsckFindings,
  unnamed: readonly string[],
): Promise<void> {
  if (findings.has("counter") || findings.has("next-uid")) {
    const db = new DatabaseSync(path);
    try {
      // The places of its deliveries follow from the counters, so they are taken before these change.
      commitJournal(db, await readJournalFile(folder), folder);
      runStatements(db, `BEGIN IMMEDIATE; ${repairsBy(SQLITE).join("; ")}; COMMIT`);
    } catch (error) {
      throw wrapSqliteError(error, path);
    } finally {
      db.close();
    }
    findings.repaired("counter");
    findings.repaired("next-uid");
  }
  if (unnamed.length > 0) {
    await moveToLostAndFound(folder, unnamed);
    findings.repaired("unnamed");
  }
}

/** Moves files of the folder of bodies to `lost+found/TIME`, under the names they have. */
async function moveToLostAndFound(folder: string, paths: readonly string[]): Promise<void> {
  const bodies = join(folder, BODIES_NAME);
  const place = join(folder, LOST_NAME, new Date().toISOString().replace(/[-:]/g, ""));
  try {
    await Deno.mkdir(place, { recursive: true, mode: 0o700 });
    for (const path of paths) {
      await Deno.rename(join(bodies, path), join(place, path.replaceAll(/[/\\]/g, "-")));
    }
    const touched = new Set(paths.map((path) => join(bodies, dirname(path))));
    for (const one of [place, dirname(place), folder, ...touched]) await syncFolder(one);
  } catch (error) {
    throw wrapFileError(error, `move files to ${place}`);
  }
}

/** How `fsck` is asked. */
export interface FsckOptions extends WhichStore {
  readonly repair: boolean;
  readonly json: boolean;
}

/**
 * The `fsck` command: prints what {@linkcode checkStore} or {@linkcode checkDatabaseStore} found. Throws
 * `format` if that is damage.
 */
export async function fsck(options: FsckOptions): Promise<void> {
  const { repair } = options;
  const database = await databaseFor(options);
  const report = database === null
    ? await checkStore(join(options.dir, "mail"), { repair })
    : await checkDatabaseStore(database, { repair });
  if (options.json) console.log(JSON.stringify(report, null, 2));
  else for (const line of describeReport(report)) console.log(printable(line));
  if (report.damaged > 0) throw damagedStore(report);
}

/** The error that says that a store is damaged. */
export function damagedStore({ store, damaged }: FsckReport): SealpostError {
  return new SealpostError(
    "format",
    `the store ${store} is damaged: ${damaged} ${damaged === 1 ? "thing is" : "things are"} not ` +
      "as they should be; keep a copy of it as it is, then restore a backup, or see what " +
      "fsck --repair fixes",
  );
}

/** A report in lines for a person. */
export function describeReport(report: FsckReport): string[] {
  const lines = [
    `${report.store}: ${report.accounts} accounts, ${report.messages} messages, ` +
    `${report.entries} entries that count for ${report.bytes} bytes, ${report.bodies} large bodies ` +
    `of ${report.bodyBytes} bytes; schema ${report.schema}` +
    (report.journaled > 0 ? `; ${report.journaled} deliveries in the journal` : "") +
    (report.running ? "; a server is using it" : ""),
  ];
  for (const { severity, what, repaired } of report.findings) {
    lines.push(`${severity}: ${what}${repaired ? " (repaired)" : ""}`);
  }
  if (report.damaged === 0) lines.push("clean");
  return lines;
}
