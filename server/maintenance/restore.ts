import { databaseFor, type DatabaseStore, type WhichStore } from "./which_store.ts";
import { timesAsIso } from "../../cli/format.ts";
import { random, toHex } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { syncFolder, wrapFileError } from "../../files/atomic_file.ts";
import { ensurePrivateDir, isThere } from "../../files/key_files.ts";
import { runStatements } from "../../files/sqlite.ts";
import { printable } from "../../cli/printable.ts";
import { Progress } from "../../cli/progress.ts";
import { loadSettings } from "../settings/settings.ts";
import { isStoreUsed } from "./store_folder.ts";
import { IncomingStore } from "./incoming.ts";
import { SqliteRows } from "./sqlite_rows.ts";
import { readUsers, type StoredUsers, USERS_NAME } from "./stored_users.ts";
import { formatUtcSeconds } from "../accounts/user_state.ts";
import { isBodyName } from "../store/body_files.ts";
import {
  BODIES_NAME,
  DATABASE_NAME,
  lockStore,
  openDatabase,
  RESTORING,
  wrapSqliteError,
} from "../store/database.ts";
import { checkStore, damagedStore, describeReport } from "./fsck.ts";
import type { FsckReport } from "./findings.ts";
import {
  copyDurably,
  digestFile,
  isKeyFile,
  listSnapshots,
  type Manifest,
  readSnapshot,
  SETTINGS_NAME,
  type Snapshot,
  snapshotName,
} from "./snapshot.ts";
import { readJournalFile } from "../store/delivery_journal.ts";
import { journaled } from "../store/replay.ts";
import { beginGeneration, logStateOf } from "../store/key_log_rows.ts";
import { blob, integer, SQL, text } from "../store/statements.ts";
import { CHANGE_KINDS } from "../../protocol/change.ts";
import { DatabaseSync } from "node:sqlite";
import { basename, dirname, join } from "@std/path";

/** How a backup is put back. */
export interface RestoreOptions {
  /** The folder of backups. */
  readonly from: string;
  /** The server's folder, made if it is not there. */
  readonly dir: string;
  /** Which snapshot; the newest if not given. */
  readonly snapshot?: string;
  /** Whether to put aside a store that is there, and to take a snapshot of a damaged store. */
  readonly force: boolean;
  /** Whether every mailbox is to be another one for its clients. */
  readonly newEpochs: boolean;
  /** The database that gets the mail, if the folder does not. */
  readonly database?: DatabaseStore | null;
}

/** The outcome of a restore. */
export interface RestoreReport {
  readonly snapshot: string;
  readonly manifest: Manifest;
  /** Where the store that was there is now: a folder, or a schema of the database; null if there was none. */
  readonly aside: string | null;
  /** Files of the server's folder that were put back, and those that were there and stay. */
  readonly files: readonly string[];
  readonly kept: readonly string[];
  /** The store that settings of the snapshot name which were not put back, as it is another; else null. */
  readonly otherStore: string | null;
  /** Mailboxes that are others now, so that clients tell their users. */
  readonly renewed: readonly string[];
  readonly check: FsckReport;
}

/**
 * Puts a snapshot back as the store of the server in `dir`. Every file is compared with its checksum
 * while it is copied, the schema is brought forward, and the whole is checked as by `fsck`, before it
 * takes the place of what is there; until then nothing of that is changed. Keys, passwords and
 * settings of the snapshot are put back where there are none.
 *
 * Clients refuse a mailbox whose next UID goes back, and another message under a UID they know. What
 * was stored after the snapshot had UIDs that would be given again; so every mailbox goes on from the
 * present time in milliseconds, which no UID of an ordinary mailbox and none since an earlier restore
 * has reached. A mailbox that was made anew since the snapshot (the store that is put aside says so,
 * or `newEpochs`) gets an epoch that it never had. Resumption tickets go: one that was used since
 * must not work again. The key log goes on in a new generation.
 *
 * With a `database`, the store that was put back in a folder beside `mail` like this is then copied there,
 * and takes the place of the store in it. Users stay as they are there; else they are those of the
 * snapshot, or of the server's folder.
 *
 * Throws `file-missing` (no snapshot), `file-exists` (a store is there, without `force`), `busy` (a
 * server uses it), `format` (the snapshot is damaged, or, without `force`, the store in it was),
 * `version`, `config`, `disk-full`, `file-io`.
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreReport> {
  const { dir, force, database = null } = options;
  const snapshot = await chooseSnapshot(options);
  const store = join(dir, "mail");
  const staging = store + RESTORING;
  await ensurePrivateDir(dir);
  if (database !== null) return await restoreToDatabase(options, snapshot, database, staging);
  const used = await isStoreUsed(store);
  if (used && !force) {
    throw new SealpostError(
      "file-exists",
      `there is a store in ${store} already; restore to another --dir, or put it aside with --force`,
    );
  }
  const lock = await isThere(store) ? await lockStore(store) : undefined;
  if (lock === null) {
    throw new SealpostError("busy", `a server uses the store ${store}; stop it first`);
  }
  try {
    await Deno.remove(staging, { recursive: true }).catch(() => {});
    await copySnapshot(options.from, snapshot, staging);
    const renewed = await continueMailboxes(
      staging,
      used ? await storeBefore(store) : NOTHING_BEFORE,
      options.newEpochs,
    );
    const check = { ...await checkStore(staging), store };
    if (check.damaged > 0 && !force) throw damagedSnapshot(snapshot, check);
    const files = await restoreServerFiles(snapshot, dir, null);
    if (Deno.build.os === "windows") lock?.close();
    const aside = await replaceStore(store, staging, used);
    return {
      snapshot: snapshot.name,
      manifest: snapshot.manifest,
      aside,
      ...files,
      renewed,
      check,
    };
  } catch (error) {
    await Deno.remove(staging, { recursive: true }).catch(() => {});
    throw error;
  } finally {
    if (lock && Deno.build.os !== "windows") lock.close();
  }
}

/** {@linkcode restoreBackup} for a store in a database. */
async function restoreToDatabase(
  { from, dir, force, newEpochs }: RestoreOptions,
  snapshot: Snapshot,
  database: DatabaseStore,
  staging: string,
): Promise<RestoreReport> {
  using incoming = new IncomingStore(database);
  const used = await incoming.isUsed();
  if (used && !force) {
    throw new SealpostError(
      "file-exists",
      `there is a store in ${database.name} already; name another database with --store, or put it ` +
        "aside with --force",
    );
  }
  const progress = new Progress("restoring", 0, "rows");
  let db: DatabaseSync | undefined;
  try {
    await Deno.remove(staging, { recursive: true }).catch(() => {});
    await copySnapshot(from, snapshot, staging);
    const renewed = await continueMailboxes(
      staging,
      used ? await databaseBefore(incoming) : NOTHING_BEFORE,
      newEpochs,
    );
    db = new DatabaseSync(join(staging, DATABASE_NAME), { readOnly: true });
    const users = used ? await incoming.users() : await usersFor(snapshot, dir, staging);
    const rows = new SqliteRows(db, join(staging, BODIES_NAME));
    const { check } = await incoming.fill(rows, users, progress, { lenient: force });
    if (check.damaged > 0 && !force) throw damagedSnapshot(snapshot, check);
    const files = await restoreServerFiles(snapshot, dir, database.name);
    const aside = await incoming.takePlace();
    return {
      snapshot: snapshot.name,
      manifest: snapshot.manifest,
      aside: aside === null ? null : `the schema ${aside} of the database`,
      ...files,
      renewed,
      check,
    };
  } finally {
    progress.finish();
    if (db?.isOpen) db.close();
    await Deno.remove(staging, { recursive: true }).catch(() => {});
  }
}

function damagedSnapshot({ folder }: Snapshot, { damaged }: FsckReport): SealpostError {
  return new SealpostError(
    "format",
    `the store in ${folder} was damaged when it was backed up: ${damaged} ` +
      "things are not as they should be; use another --snapshot, or take it as it is with --force",
  );
}

async function databaseBefore(incoming: IncomingStore): Promise<StoreBefore> {
  const { mailboxes, generation, time } = await incoming.mailboxes();
  // The clock here may be behind that of the machine that is no more.
  return { mailboxes, generation: Math.max(generation, Math.floor(time / 1000)) };
}

/** The users of a snapshot; of the server's folder if it has none. */
async function usersFor(
  snapshot: Snapshot,
  dir: string,
  staging: string,
): Promise<StoredUsers> {
  const sum = snapshot.sums.get(`${snapshot.name}/${USERS_NAME}`);
  if (sum === undefined) return await readUsers(dir);
  // Reading them may change the file.
  await copyChecked(join(snapshot.folder, USERS_NAME), join(staging, USERS_NAME), sum);
  return await readUsers(staging);
}

async function chooseSnapshot({ from, snapshot }: RestoreOptions): Promise<Snapshot> {
  const { complete } = await listSnapshots(from);
  const name = snapshot ?? complete.at(-1);
  if (name === undefined || !complete.includes(name)) {
    const there = complete.length === 0 ? "none" : complete.join(", ");
    throw new SealpostError(
      "file-missing",
      `there is no complete snapshot${
        snapshot ? ` ${snapshot}` : ""
      } in ${from}; there is ${there}`,
    );
  }
  return await readSnapshot(from, name);
}

/**
 * Copies database and bodies, each compared with its checksum, and makes all of it durable. The other
 * files are compared only: see {@linkcode restoreServerFiles}.
 */
async function copySnapshot(from: string, snapshot: Snapshot, staging: string): Promise<void> {
  const folders = new Set([staging, join(staging, BODIES_NAME)]);
  const copies: [from: string, to: string, sum: string][] = [];
  for (const [path, sum] of snapshot.sums) {
    if (path === `${snapshot.name}/${DATABASE_NAME}`) {
      copies.push([join(from, path), join(staging, DATABASE_NAME), sum]);
    } else if (isBodyName(basename(path))) {
      folders.add(join(staging, dirname(path)));
      copies.push([join(from, path), join(staging, path), sum]);
    } else requireSum(join(from, path), (await digestFile(join(from, path))).sum, sum);
  }
  try {
    for (const folder of folders) await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw wrapFileError(error, `make ${staging}`);
  }
  for (const [source, to, sum] of copies) await copyChecked(source, to, sum);
  for (const folder of [...folders].reverse()) await syncFolder(folder);
}

async function copyChecked(from: string, to: string, sum: string): Promise<void> {
  requireSum(from, (await copyDurably(from, to)).sum, sum);
}

function requireSum(from: string, is: string, shouldBe: string): void {
  if (is === shouldBe) return;
  throw new SealpostError(
    "format",
    `${from} is not what was backed up: its checksum is another; use another snapshot`,
  );
}

/** State of a mailbox in the store that is replaced. */
interface MailboxState {
  readonly epoch: string;
  readonly nextUid: number;
  readonly modseq: number;
}

/** The store that is replaced. */
interface StoreBefore {
  readonly mailboxes: ReadonlyMap<string, MailboxState>;
  /** The generation of its key log, or the time of the last record if that is later, seconds since 1970. */
  readonly generation: number;
}

const NOTHING_BEFORE: StoreBefore = { mailboxes: new Map(), generation: 0 };

/** The store that is replaced; nothing of it if it is too damaged to tell. */
async function storeBefore(store: string): Promise<StoreBefore> {
  const found = new Map<string, MailboxState>();
  let generation = 0;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(join(store, DATABASE_NAME), { readOnly: true });
    for (const row of db.prepare("SELECT name, epoch, next_uid, modseq FROM account").iterate()) {
      const epoch = toHex(blob(row, "epoch"));
      const [nextUid, modseq] = [integer(row, "next_uid"), integer(row, "modseq")];
      found.set(text(row, "name"), { epoch, nextUid, modseq });
    }
    const logged = logStateOf(db.prepare(SQL.lastLogRecord).get());
    // The clock here may be behind that of the machine that is no more.
    generation = Math.max(logged.generation, Math.floor(logged.time / 1000));
    // What has no rows yet has its places all the same.
    const journal = await readJournalFile(store);
    for (const { account } of journaled(db, journal).flatMap(({ copies }) => copies)) {
      const mailbox = found.get(account);
      if (mailbox === undefined) continue;
      const { epoch, nextUid, modseq } = mailbox;
      found.set(account, { epoch, nextUid: nextUid + 1, modseq: modseq + 1 });
    }
  } catch {
    // The time of day serves as well; `newEpochs` is for the rest.
  } finally {
    if (db?.isOpen) db.close();
  }
  return { mailboxes: found, generation };
}

/** Makes the restored store one that clients take for what comes after all they have seen. */
async function continueMailboxes(
  staging: string,
  replaced: StoreBefore,
  newEpochs: boolean,
): Promise<string[]> {
  const { db, path, close } = await openDatabase(staging);
  const renewed: string[] = [];
  try {
    runStatements(db, "BEGIN IMMEDIATE");
    const now = Date.now();
    const accounts = db.prepare("SELECT id, name, epoch, next_uid, modseq FROM account").all();
    const set = db.prepare(
      `UPDATE account SET next_uid = ?, modseq = ?, forgotten = ?, epoch = ?,
         last_validity = max(last_validity + 1, ?) WHERE id = ?`,
    );
    const validity = db.prepare(
      "UPDATE folder SET validity = max(?, validity + 1) WHERE account_id = ?",
    );
    const skip = db.prepare(
      `INSERT INTO departure (account_id, modseq, kind, uid, folder, number, at)
         VALUES (?, ?, ${CHANGE_KINDS.skipped}, ?, 0, ?, ?)`,
    );
    for (const row of accounts) {
      const [id, name] = [integer(row, "id"), text(row, "name")];
      const before = replaced.mailboxes.get(name);
      const epoch = blob(row, "epoch");
      const other = newEpochs || (before !== undefined && before.epoch !== toHex(epoch));
      if (other) renewed.push(name);
      const firstSkipped = integer(row, "next_uid");
      const nextUid = Math.max(now, firstSkipped, before?.nextUid ?? 0);
      // Whoever has seen a later state than the backup's lists the mailbox anew.
      const modseq = Math.max(now, integer(row, "modseq") + 1, (before?.modseq ?? 0) + 1);
      // Numbers of folders that were given since the backup must not mean other messages.
      const seconds = Math.floor(now / 1000);
      set.run(nextUid, modseq, modseq - 1, other ? random(8) : epoch, seconds, id);
      validity.run(seconds, id);
      if (nextUid > firstSkipped) skip.run(id, modseq, firstSkipped, nextUid - 1, now);
    }
    // Whoever holds a later key log than the backup's is told that it was left, not that it was forged.
    beginGeneration(db, now, replaced.generation);
    runStatements(db, "DELETE FROM ticket; COMMIT");
  } catch (error) {
    throw wrapSqliteError(error, path);
  } finally {
    close();
  }
  return renewed;
}

/**
 * Puts keys, passwords and settings back that are not there. Settings that name another store than `store`
 * are not put back; where `store` is a database, that has the passwords.
 */
async function restoreServerFiles(snapshot: Snapshot, dir: string, store: string | null) {
  const files: string[] = [];
  const kept: string[] = [];
  let otherStore: string | null = null;
  for (const [path, sum] of snapshot.sums) {
    const name = basename(path);
    if (path !== `${snapshot.name}/${name}`) continue;
    if (!isKeyFile(name) && name !== SETTINGS_NAME) continue;
    if (name === USERS_NAME && store !== null) continue;
    if (await isThere(join(dir, name))) kept.push(name);
    else {
      const named = name === SETTINGS_NAME ? await storeIn(snapshot.folder) : store;
      if (named !== store) {
        otherStore = named ?? "mail/ of the server's folder";
        continue;
      }
      await copyChecked(join(snapshot.folder, name), join(dir, name), sum);
      files.push(name);
    }
  }
  if (files.length > 0) await syncFolder(dir);
  return { files, kept, otherStore };
}

/** The store that the settings in `folder` name. */
async function storeIn(folder: string): Promise<string | null> {
  return (await loadSettings(folder)).values.store;
}

/** Puts what is at `store` aside and `staging` in its place. */
async function replaceStore(store: string, staging: string, used: boolean): Promise<string | null> {
  const aside = used ? `${store}.before-${snapshotName(Date.now())}` : null;
  try {
    if (aside !== null) await Deno.rename(store, aside);
    else if (await isThere(store)) await Deno.remove(store, { recursive: true });
    await Deno.rename(staging, store);
  } catch (error) {
    throw wrapFileError(error, `put the restored store at ${store}`);
  }
  await syncFolder(dirname(store));
  return aside;
}

/** The `restore` command. Throws `format` if what was restored with `force` is damaged. */
export async function restore(
  options: RestoreOptions & WhichStore & { readonly json: boolean },
): Promise<void> {
  const report = await restoreBackup({ ...options, database: await databaseFor(options) });
  const { manifest, aside, files, kept, otherStore, renewed, check, snapshot } = report;
  if (options.json) console.log(JSON.stringify(report, timesAsIso("at"), 2));
  else {
    const say = (line: string) => console.log(printable(line));
    const until = formatUtcSeconds(manifest.at);
    say(`restored ${join(options.from, snapshot)}`);
    for (const line of describeReport(check)) say(line);
    if (aside !== null) say(`what was there is in ${aside}`);
    if (files.length > 0) say(`put back in ${options.dir}: ${files.join(", ")}`);
    if (kept.length > 0) say(`not touched, as they are there: ${kept.join(", ")}`);
    if (otherStore !== null) {
      say(
        `sealpost.toml was not put back: the one of the backup says that mail is in ${otherStore}; see ` +
          `what else it says in ${join(options.from, snapshot, SETTINGS_NAME)}`,
      );
    }
    if (!manifest.keys) {
      say(
        `the server's keys and user_pass.json are not in this backup: ${options.dir} must have those ` +
          "that clients know",
      );
    }
    if (renewed.length > 0) {
      say(`clients will say that these mailboxes were made anew: ${renewed.join(", ")}`);
    }
    say(`mail and changes after ${until} are not in it: tell the users`);
  }
  if (check.damaged > 0) throw damagedStore(check);
}
