import { databaseFor, type DatabaseStore, type WhichStore } from "./which_store.ts";
import { timesAsIso } from "../../cli/format.ts";
import { syncFolder, wrapFileError, writeFileAtomic } from "../../files/atomic_file.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { isThere } from "../../files/key_files.ts";
import { makePrivateFolder, writeNewFile } from "../../files/new_folder.ts";
import { runStatements } from "../../files/sqlite.ts";
import { printable } from "../../cli/printable.ts";
import { Progress } from "../../cli/progress.ts";
import { PROGRAM_VERSION } from "../../cli/program.ts";
import { bodyPath, isBodyName, TEMP_NAME } from "../store/body_files.ts";
import {
  BODIES_NAME,
  createDatabase,
  DATABASE_NAME,
  requireStore,
  schemaVersion,
  wrapSqliteError,
} from "../store/database.ts";
import { copyRows } from "./copy_rows.ts";
import { type Counts, FsckFindings } from "./findings.ts";
import { PostgresRows } from "./postgres_rows.ts";
import { SqliteRows } from "./sqlite_rows.ts";
import { formatUsers, USERS_NAME, usersOf } from "./stored_users.ts";
import { requireSchema } from "../store/postgres/open.ts";
import { Pool } from "../store/postgres/pool.ts";
import { readJournalFile } from "../store/delivery_journal.ts";
import { pinBodies } from "../store/pin.ts";
import { commitJournal } from "../store/replay.ts";
import { checkRows } from "./row_check.ts";
import {
  bodyName,
  copyDurably,
  type Digest,
  digestFile,
  formatSums,
  isKeyFile,
  listSnapshots,
  type Manifest,
  MANIFEST_NAME,
  PARTIAL_SUFFIX,
  readSnapshot,
  SETTINGS_NAME,
  snapshotName,
  SUMS_NAME,
} from "./snapshot.ts";
import { integer, text } from "../store/statements.ts";
import { createHash } from "node:crypto";
import { backup as copyDatabase, DatabaseSync } from "node:sqlite";
import { dirname, join, resolve } from "@std/path";

/** How a backup is made. */
export interface BackupOptions {
  /** The server's folder. */
  readonly dir: string;
  /** The folder of backups. */
  readonly into: string;
  /** Whether the server's keys and `user_pass.json` go with it. */
  readonly keys: boolean;
  /** How many snapshots stay, the new one included. */
  readonly keep: number;
  /** The database that has the mail, if the folder has not. */
  readonly database?: DatabaseStore | null;
}

/** The outcome of a backup. */
export interface BackupReport {
  readonly snapshot: string;
  readonly manifest: Manifest;
  /** Bodies that were not in the folder of backups before. */
  readonly added: number;
  /** Snapshots that were removed. */
  readonly removed: readonly string[];
  /** What is damaged in the store that was backed up. */
  readonly damage: readonly string[];
}

/**
 * Makes a snapshot of the store of the server in `dir`, which may be serving, in the folder `into`:
 * the database as it is at one moment, what
 * its journal has besides, and every body that it names. Bodies that are in `into`
 * already are not read again; on the same file system new ones are hard links. A store in PostgreSQL
 * becomes the same: its rows as they are at one moment in a database of SQLite, its users in
 * `user_pass.json`.
 *
 * A snapshot is complete when its folder loses the end `.partial`: that is the last step, with
 * everything durable before it. Then snapshots beyond `keep` are removed, the oldest first, unless
 * the new one has damage.
 *
 * Throws `file-missing` (no store, or no keys), `busy` (another backup is being made there, the database
 * cannot be reached), `format` (a snapshot that stays is damaged), `disk-full`, `file-io`.
 */
export async function makeBackup(options: BackupOptions): Promise<BackupReport> {
  const { into, database = null } = options;
  const store = join(options.dir, "mail");
  if (database === null) await requireSource(store, into);
  await makePrivateFolder(into);
  using _lock = await lockBackups(into);
  const before = await listSnapshots(into);
  for (const name of before.partial) await removeFolder(join(into, name));

  const at = Date.now();
  const name = snapshotName(at);
  const folder = join(into, name + PARTIAL_SUFFIX);
  await makePrivateFolder(folder);
  const findings = new FsckFindings();
  const sums = new Map<string, string>();
  const target = { into, folder, previous: before.complete.at(-1), findings };
  const { copy, bodies, users } = database === null
    ? { ...await copyStore(store, target), users: null }
    : await copyDatabaseStore(database, target);
  sums.set(`${name}/${DATABASE_NAME}`, (await digestFile(join(folder, DATABASE_NAME))).sum);
  for (const [path, sum] of bodies.sums) sums.set(path, sum);
  for (const file of await filesBeside(options)) {
    if (file === USERS_NAME && users !== null) continue;
    const { sum } = await copyDurably(join(options.dir, file), join(folder, file));
    sums.set(`${name}/${file}`, sum);
  }
  if (users !== null && options.keys) {
    await writeFileAtomic(join(folder, USERS_NAME), formatUsers(users), { mode: 0o600 });
    sums.set(`${name}/${USERS_NAME}`, (await digestFile(join(folder, USERS_NAME))).sum);
  }

  const list = formatSums(sums, name);
  const { named, ...counts } = copy;
  const manifest: Manifest = {
    format: "sealpost backup",
    version: 1,
    program: PROGRAM_VERSION,
    at,
    ...counts,
    bodies: named.size,
    bodyBytes: bodies.bytes,
    keys: options.keys,
    damaged: findings.damaged,
    sums: createHash("sha256").update(list).digest("hex"),
  };
  await writeFileAtomic(join(folder, SUMS_NAME), list);
  await writeFileAtomic(join(folder, MANIFEST_NAME), `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(folder, join(into, name));

  const all = [...before.complete, name];
  const stay = findings.damaged > 0 ? all.length : Math.min(options.keep, all.length);
  const removed = all.slice(0, all.length - stay);
  await prune(into, removed, all.slice(all.length - stay));
  return {
    snapshot: name,
    manifest,
    added: bodies.added,
    removed,
    damage: findings.list().filter(({ severity }) => severity === "damage").map(({ what }) => what),
  };
}

async function requireSource(store: string, into: string): Promise<void> {
  if (!await isThere(join(store, DATABASE_NAME))) {
    throw new SealpostError("file-missing", `there is no store in ${store} to back up`);
  }
  if (`${resolve(into)}/`.replaceAll("\\", "/").startsWith(`${resolve(store)}/`)) {
    throw new SealpostError("usage", `${into} is in the store itself; a backup goes elsewhere`);
  }
}

async function lockBackups(into: string): Promise<Disposable> {
  const path = join(into, "lock");
  let lock: Deno.FsFile | undefined;
  try {
    lock = await Deno.open(path, { write: true, create: true, mode: 0o600 });
    const held = lock;
    if (await lock.tryLock(true)) return { [Symbol.dispose]: () => held.close() };
  } catch (error) {
    lock?.close();
    throw wrapFileError(error, `lock ${path}`);
  }
  lock.close();
  throw new SealpostError("busy", `another backup is being made in ${into}`);
}

/** Counts and bodies of a copied database. */
interface DatabaseCopy extends Omit<Counts, "bytes"> {
  readonly schema: number;
  /** The size of each body in a file, by its name. */
  readonly named: ReadonlyMap<string, number>;
}

interface CopiedBodies {
  readonly sums: ReadonlyMap<string, string>;
  readonly added: number;
  readonly bytes: number;
}

/** Where a store is copied to. */
interface CopyTarget {
  /** The folder of backups. */
  readonly into: string;
  /** The snapshot's. */
  readonly folder: string;
  /** The snapshot before. */
  readonly previous: string | undefined;
  readonly findings: FsckFindings;
}

/**
 * Copies the database to the snapshot, and the bodies that it names beside it. The server removes no
 * body meanwhile: the pin is taken first.
 */
async function copyStore(
  store: string,
  target: CopyTarget,
): Promise<{ copy: DatabaseCopy; bodies: CopiedBodies }> {
  using _pin = await pinBodies(store);
  const path = join(target.folder, DATABASE_NAME);
  // Before the database: what this journal lacks, being of a later generation, has rows in the copy.
  const journal = await readJournalFile(store);
  await copyDatabaseFile(join(store, DATABASE_NAME), path);
  const copy = await checkCopy(path, target.findings, (db) => commitJournal(db, journal, store));
  const from = join(store, BODIES_NAME);
  const bodies = await copyBodies(target, copy.named, (name, to, temp) => {
    return copyBody(join(from, bodyPath(name)), to, temp);
  });
  return { copy, bodies };
}

/** {@linkcode copyStore} for one in a database; the users come with it. */
async function copyDatabaseStore(database: DatabaseStore, target: CopyTarget) {
  const path = join(target.folder, DATABASE_NAME);
  const pool = new Pool(database.options);
  const progress = new Progress("copying", 0, "rows");
  try {
    await requireSchema(pool);
    return await pool.snapshot(async (tx) => {
      const from = new PostgresRows(tx, true);
      await writeRows(from, path, progress);
      const copy = await checkCopy(path, target.findings, () => {});
      const bodies = await copyBodies(target, copy.named, async (name, to, temp) => {
        try {
          await Deno.remove(temp).catch(() => {});
          await writeNewFile(temp, from.body(name, copy.named.get(name) ?? 0));
          await rename(temp, to);
          return await digestFile(to);
        } catch (error) {
          await Deno.remove(temp).catch(() => {});
          if (isSealpostError(error, "format")) return null;
          throw error;
        }
      });
      return { copy, bodies, users: await usersOf(tx) };
    });
  } finally {
    progress.finish();
    pool.close();
  }
}

/** Makes a database of SQLite at `path` with all rows of a store. */
async function writeRows(from: PostgresRows, path: string, progress: Progress): Promise<void> {
  let db: DatabaseSync | undefined;
  try {
    db = await createDatabase(path);
    await copyRows(from, new SqliteRows(db, ""), { bodies: "none", progress });
  } catch (error) {
    throw wrapSqliteError(error, path);
  } finally {
    if (db?.isOpen) db.close();
  }
}

/** The checksums of the snapshot before; none if it cannot be trusted, and then all is read again. */
async function knownSums(
  into: string,
  previous: string | undefined,
): Promise<ReadonlyMap<string, string>> {
  if (previous === undefined) return new Map();
  try {
    return (await readSnapshot(into, previous)).sums;
  } catch (error) {
    if (isSealpostError(error, "format", "version", "file-missing")) return new Map();
    throw error;
  }
}

/** Copies a database, also while another process writes to it: as it is at one moment. */
async function copyDatabaseFile(from: string, to: string): Promise<void> {
  let source: DatabaseSync | undefined;
  try {
    // SQLite would make it with the mode of any file.
    (await Deno.open(to, { write: true, createNew: true, mode: 0o600 })).close();
    source = new DatabaseSync(from, { readOnly: true });
    runStatements(source, "PRAGMA busy_timeout = 2000");
    requireStore(source, from);
    // All pages in one step, which is one transaction: with several, every commit would start it anew.
    await copyDatabase(source, to, { rate: -1 });
  } catch (error) {
    throw wrapSqliteError(wrapIfSystem(error, to), from);
  } finally {
    if (source?.isOpen) source.close();
  }
}

function wrapIfSystem(error: unknown, path: string): unknown {
  return error instanceof Error && "errcode" in error
    ? error
    : wrapFileError(error, `write ${path}`);
}

/** Makes the copy of a database one file that is durable and `complete`, and checks its rows. */
async function checkCopy(
  path: string,
  findings: FsckFindings,
  complete: (db: DatabaseSync) => void,
): Promise<DatabaseCopy> {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    runStatements(db, "PRAGMA journal_mode = DELETE; PRAGMA temp_store = MEMORY");
    complete(db);
    const schema = schemaVersion(db);
    const { accounts, messages, entries } = await checkRows(db, findings);
    const sql = "SELECT body_file, body_size FROM message WHERE body_file IS NOT NULL ORDER BY 1";
    const named = new Map<string, number>();
    for (const row of db.prepare(sql).iterate()) {
      const name = text(row, "body_file");
      if (isBodyName(name)) named.set(name, integer(row, "body_size"));
    }
    db.close();
    using file = await Deno.open(path, { read: true, write: true });
    await file.sync();
    return { schema, accounts, messages, entries, named };
  } catch (error) {
    throw wrapSqliteError(wrapIfSystem(error, path), path);
  } finally {
    if (db?.isOpen) db.close();
  }
}

/**
 * `take` brings a body to a path, by a temporary one; it gives null for one that is missing or damaged.
 * Those that are there already are not asked for.
 */
async function copyBodies(
  { into, previous, findings }: CopyTarget,
  named: ReadonlyMap<string, number>,
  take: (name: string, to: string, temp: string) => Promise<Digest | null>,
): Promise<CopiedBodies> {
  const known = await knownSums(into, previous);
  const root = join(into, BODIES_NAME);
  await makePrivateFolder(join(root, TEMP_NAME));
  const touched = new Set<string>();
  const sums = new Map<string, string>();
  let added = 0;
  let bytes = 0;
  for (const [name, size] of named) {
    const path = bodyPath(name);
    const to = join(root, path);
    let sum = await sumThere(to, size, known.get(bodyName(name)));
    if (sum === null) {
      await makePrivateFolder(dirname(to));
      touched.add(dirname(to));
      const digest = await take(name, to, join(root, TEMP_NAME, name));
      if (digest?.size !== size) {
        findings.damage("body", `the body ${path} is ${digest ? "of another size" : "missing"}`);
      }
      if (digest === null) continue;
      sum = digest.sum;
      added++;
    }
    sums.set(bodyName(name), sum);
    bytes += size;
  }
  for (const folder of touched) await syncFolder(folder);
  return { sums, added, bytes };
}

/** The checksum of the file `path` if it is there with `size` bytes, else null. */
async function sumThere(
  path: string,
  size: number,
  known: string | undefined,
): Promise<string | null> {
  let there: Deno.FileInfo;
  try {
    there = await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw wrapFileError(error, `look at ${path}`);
  }
  if (there.size === size) return known ?? (await digestFile(path)).sum;
  await Deno.remove(path);
  return null;
}

/** Puts a body at `to`, whole or not at all; null if there is none at `from`. */
async function copyBody(from: string, to: string, temp: string) {
  try {
    try {
      // A body never changes under its name, so both names may be the same file.
      await Deno.link(from, to);
      return await digestFile(to);
    } catch (error) {
      if (isSealpostError(error)) throw error;
    }
    await Deno.remove(temp).catch(() => {});
    const digest = await copyDurably(from, temp);
    await rename(temp, to);
    return digest;
  } catch (error) {
    if (isSealpostError(error, "file-missing") && !await isThere(from)) return null;
    throw error;
  }
}

/** Renames, and makes the new name durable. */
async function rename(from: string, to: string): Promise<void> {
  try {
    await syncFolder(dirname(from));
    await Deno.rename(from, to);
  } catch (error) {
    throw wrapFileError(error, `rename ${from}`);
  }
  await syncFolder(dirname(to));
}

/** Names of the files of the server's folder that go with the store. */
async function filesBeside({ dir, keys }: BackupOptions): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(dir)) {
      if (!isDirectory && (name === SETTINGS_NAME || (keys && isKeyFile(name)))) names.push(name);
    }
  } catch (error) {
    throw wrapFileError(error, `read ${dir}`);
  }
  if (keys && !names.includes("server_private.pem")) {
    throw new SealpostError("file-missing", `there are no keys in ${dir} to back up`);
  }
  return names.sort();
}

/** Removes `snapshots`, and bodies that none of those that `stay` names. */
async function prune(
  into: string,
  snapshots: readonly string[],
  stay: readonly string[],
): Promise<void> {
  if (snapshots.length === 0) return;
  const named = new Set<string>();
  for (const name of stay) {
    for (const path of (await readSnapshot(into, name)).sums.keys()) named.add(path);
  }
  for (const name of snapshots) {
    await rename(join(into, name), join(into, name + PARTIAL_SUFFIX));
    await removeFolder(join(into, name + PARTIAL_SUFFIX));
  }
  const root = join(into, BODIES_NAME);
  try {
    for await (const shard of Deno.readDir(root)) {
      if (!shard.isDirectory) continue;
      for await (const { name } of Deno.readDir(join(root, shard.name))) {
        if (isBodyName(name) && !named.has(bodyName(name))) {
          await Deno.remove(join(root, shard.name, name));
        }
      }
    }
  } catch (error) {
    throw wrapFileError(error, `remove what no backup needs from ${root}`);
  }
}

async function removeFolder(folder: string): Promise<void> {
  try {
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    throw wrapFileError(error, `remove ${folder}`);
  }
}

/** The `backup` command. Throws `format` if the store is damaged, after the backup is complete. */
export async function backup(
  options: BackupOptions & WhichStore & { readonly json: boolean },
): Promise<void> {
  const report = await makeBackup({ ...options, database: await databaseFor(options) });
  const { manifest, snapshot, added, removed, damage } = report;
  if (options.json) console.log(JSON.stringify(report, timesAsIso("at"), 2));
  else {
    const say = (line: string) => console.log(printable(line));
    say(
      `${join(options.into, snapshot)}: ${manifest.accounts} accounts, ${manifest.messages} ` +
        `messages, ${manifest.bodies} large bodies of ${manifest.bodyBytes} bytes, ${added} of ` +
        "them new here",
    );
    for (const name of removed) say(`removed ${name}: ${options.keep} are kept`);
    for (const what of damage) say(`damage: ${what}`);
    if (!manifest.keys) say("without the server's keys and user_pass.json: see backup --help");
  }
  if (manifest.damaged === 0) return;
  throw new SealpostError(
    "format",
    `the backup ${snapshot} is complete, but the store is damaged; older backups were kept`,
  );
}
