import { type Bytes, equal, random } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { CHANGE_KINDS } from "../../protocol/change.ts";
import {
  BUILT_IN_FOLDERS,
  FIRST_OWN_FOLDER,
  type FlagBits,
  flagBits,
  folderNumber,
} from "../../protocol/entry.ts";
import { RefusedError } from "../../protocol/refused.ts";
import { BodyFiles } from "./body_files.ts";
import { memoryChunks } from "./body_reader.ts";
import { PartialUploads } from "./partial_uploads.ts";
import { MemorySink } from "./body_sink.ts";
import { CommitQueue } from "./commit_queue.ts";
import { DeliveryJournal, deliverySize } from "./delivery_journal.ts";
import { MailboxRows, unseenOf } from "./mailbox_rows.ts";
import { type Database, mayHaveCommitted, openDatabase, wrapSqliteError } from "./database.ts";
import { type Disk, SYSTEM_DISK } from "./disk.ts";
import { appendLog, type LoggedEvent, logRecordOf, logStateOf } from "./key_log_rows.ts";
import { INLINE_MAX, MAX_LIST } from "./sizes.ts";
import { accountOf, changeOf, departureOf, entryOf, folderStateOf, ticketOf } from "./rows.ts";
import { blob, integer, nullable, prepareStatements, type Statements, text } from "./statements.ts";
import type {
  Account,
  BindOutcome,
  BodySink,
  Changed,
  ChangePage,
  CommitReport,
  DeliverOutcome,
  Delivery,
  Entry,
  Expiring,
  FetchedKit,
  FlagChange,
  Folder,
  KeptRotation,
  KeyRotation,
  KitState,
  ListQuery,
  LogPage,
  MailboxFolders,
  ResumedBody,
  RotateOutcome,
  SeenMachine,
  ServerKey,
  Store,
  StoredKit,
  StoredLog,
  StoredMachine,
  StoredRecord,
  StoredTicket,
  StoreStats,
  UploadId,
  UploadStart,
} from "./store.ts";
import { noSuchUser } from "./store.ts";
import { join } from "@std/path";

/** Ids forgotten in one transaction, so that other writes get between. */
const FORGET_AT_ONCE = 1000;

/** Entries that expire in one transaction. */
const EXPIRE_AT_ONCE = 200;

/** Files named in an error. */
const MAX_NAMED = 3;

/** Departures forgotten in one transaction. */
const FORGET_DEPARTURES_AT_ONCE = 1000;

/** How long the rows of deliveries wait for others, milliseconds. */
const COMMIT_AFTER = 1000;

/** How a store is opened. */
export interface StoreOptions {
  /** Told of every commit, also of those that failed. */
  readonly onCommit?: (report: CommitReport) => void;
  /** Default: {@linkcode SYSTEM_DISK}. */
  readonly disk?: Disk;
  /**
   * How long the rows of deliveries, which are safe in the journal, wait for others before they are
   * committed, milliseconds. Default: {@linkcode COMMIT_AFTER}.
   */
  readonly commitAfter?: number;
}

/**
 * Opens the store in `folder`, for this process alone, and makes it if it is not there: the database
 * `sealpost.db`, and `bodies/` for what is too large for it ({@linkcode BodyFiles}). What a crash left
 * half-done is removed.
 *
 * Throws `busy` (another server uses it), `config` (not a store, or from a newer version), `disk-full`,
 * or `file-io` (the system refused, or the store is damaged: bodies that it names are missing).
 */
export async function openSqliteStore(
  folder: string,
  options: StoreOptions = {},
): Promise<Store> {
  const { disk = SYSTEM_DISK, commitAfter = COMMIT_AFTER, onCommit } = options;
  const database = await openDatabase(folder);
  let journal: DeliveryJournal | undefined;
  try {
    const files = await BodyFiles.open(folder, disk);
    const uploads = await PartialUploads.open(folder, disk, files);
    const statements = prepareStatements(database.db);
    const rows = new MailboxRows(statements);
    journal = await DeliveryJournal.open(folder, disk);
    const queue = new CommitQueue({
      db: database.db,
      disk,
      journal,
      statements,
      rows,
      commitAfter,
      wrap: (error) => wrapSqliteError(error, database.path),
      ...defined({ report: onCommit }),
    });
    queue.restoreRows();
    await queue.commitRows();
    const missing = await files.sweep((shard) =>
      new Set(
        statements.bodyFiles.all(shard, `${shard}g`).map((row) => text(row, "body_file")),
      )
    );
    if (missing.length > 0) throw damaged(folder, missing);
    return new SqliteStore(database, journal, files, uploads, statements, rows, queue);
  } catch (error) {
    journal?.close();
    database.close();
    throw wrapSqliteError(error, database.path);
  }
}

function damaged(folder: string, missing: readonly string[]): SealpostError {
  const named = missing.slice(0, MAX_NAMED).map((name) => `${name.slice(0, 2)}/${name}`);
  if (missing.length > named.length) named.push(`${missing.length - named.length} more`);
  return new SealpostError(
    "file-io",
    `the store ${folder} is damaged: restore from a backup what is missing in ` +
      `${join(folder, "bodies")}: ${named.join(", ")}`,
  );
}

/**
 * The store on SQLite. Reads run at once, writes through the {@linkcode CommitQueue}; as a transaction
 * runs without giving up the thread, reads see committed rows only.
 */
class SqliteStore implements Store {
  readonly #database: Database;
  readonly #journal: DeliveryJournal;
  readonly #files: BodyFiles;
  readonly #uploads: PartialUploads;
  readonly #sql: Statements;
  readonly #rows: MailboxRows;
  readonly #queue: CommitQueue;
  /** Files of deliveries and removals whose COMMIT failed in a way that may have reached the disk. */
  #maybeCommitted: string[] = [];
  /** The highest time that a head of the key log was given, milliseconds since 1970. */
  #headTime = 0;

  constructor(
    database: Database,
    journal: DeliveryJournal,
    files: BodyFiles,
    uploads: PartialUploads,
    statements: Statements,
    rows: MailboxRows,
    queue: CommitQueue,
  ) {
    this.#database = database;
    this.#journal = journal;
    this.#files = files;
    this.#uploads = uploads;
    this.#sql = statements;
    this.#rows = rows;
    this.#queue = queue;
  }

  ensureAccounts(names: readonly string[]): Promise<void> {
    return this.#write(0, () => {
      for (const name of names) {
        if (this.#sql.addAccount.run(name, random(8), Date.now()).changes === 0) continue;
        const id = this.#rows.accountId(name);
        for (const folder of BUILT_IN_FOLDERS) {
          this.#rows.addFolder(id, folderNumber(folder), Date.now());
        }
      }
    });
  }

  account(name: string): Promise<Account | null> {
    return this.#read(() => accountOf(this.#sql.account.get(name)));
  }

  accounts(names: readonly string[]): Promise<readonly Account[]> {
    return this.#read(() => {
      return names.flatMap((name) => accountOf(this.#sql.account.get(name)) ?? []);
    });
  }

  setFullName(name: string, fullName: string | null): Promise<void> {
    return this.#write(0, () => {
      if (this.#sql.setFullName.run(fullName, name).changes === 0) throw noSuchUser(name);
    });
  }

  boundKey(name: string): Promise<Bytes | null | undefined> {
    return this.#read(() => {
      const row = this.#sql.boundKey.get(name);
      return row === undefined ? undefined : nullable(row, "fp", blob);
    });
  }

  accountByFp(fp: Bytes): Promise<Account | null> {
    return this.#read(() => accountOf(this.#sql.accountByFp.get(fp)));
  }

  bindKey(
    name: string,
    fp: Bytes,
    bundle: Bytes,
    at: number,
    isAllowed = () => true,
  ): Promise<BindOutcome> {
    return this.#write(bundle.length, () => {
      if (!isAllowed()) return "not-allowed";
      // The update ignores a conflict of any kind; only that of two accounts is meant to.
      if (fp.length !== 32) throw new RangeError("a fingerprint has 32 bytes");
      if (this.#sql.successor.get(fp) !== undefined) return "retired";
      if (this.#sql.takenAway.get(fp, name) !== undefined) return "taken-away";
      const isNew = this.#sql.bindKey.run(fp, bundle, at, name).changes === 1;
      const account = accountOf(this.#sql.account.get(name));
      if (isNew) {
        this.#log({ event: "bound", name, fp, seq: account?.seq ?? 0 }, at);
        return "bound";
      }
      if (account === null) return "unknown";
      if (account.fp === null) return "taken";
      return equal(account.fp, fp) ? "same" : "other-key";
    });
  }

  unbindKey(name: string, { mayReturn }: { readonly mayReturn: boolean }): Promise<Bytes | null> {
    return this.#write(0, () => {
      const account = accountOf(this.#sql.account.get(name));
      if (account === null) throw noSuchUser(name);
      if (account.fp === null) {
        const row = mayReturn ? this.#sql.allowReturn.get(name) : undefined;
        return row === undefined ? null : blob(row, "fp");
      }
      const at = Date.now();
      this.#sql.dropTickets.run(name);
      this.#sql.addUnbound.run(at, mayReturn ? 1 : 0, name);
      this.#sql.unbindKey.run(name);
      const { fp, seq } = account;
      this.#log({ event: "unbound", name, fp, seq }, at);
      return account.fp;
    });
  }

  rotateKey(rotation: KeyRotation): Promise<RotateOutcome> {
    const { name, fpOld, fpNew, bundleOld, bundleNew, seq, certificate, at } = rotation;
    return this.#write(bundleOld.length + bundleNew.length, () => {
      const account = accountOf(this.#sql.account.get(name));
      if (account === null || account.fp === null || !equal(account.fp, fpOld)) return "other-key";
      if (seq !== account.seq + 1 || this.#sql.successor.get(fpOld) !== undefined) {
        return "other-key";
      }
      if (this.#sql.usedKey.get(fpNew) !== undefined) return "used";
      this.#sql.rotateKey.run(fpNew, bundleNew, at, name, fpOld);
      const id = this.#rows.accountId(name);
      this.#sql.addRotation.run(fpOld, fpNew, id, seq, at, certificate, bundleOld, bundleNew);
      this.#sql.dropTickets.run(name);
      this.#log({ event: "rotated", name, fp: fpNew, seq }, at);
      this.#sql.dropMachines.run(name);
      return "rotated";
    });
  }

  rotations(name: string, from: Bytes, limit: number): Promise<readonly KeptRotation[]> {
    return this.#read(() => {
      const found: KeptRotation[] = [];
      for (let at = from; found.length < limit;) {
        const row = this.#sql.rotation.get(at, name);
        if (row === undefined) break;
        const fpNew = blob(row, "fp_new");
        found.push({
          fpNew,
          certificate: blob(row, "certificate"),
          bundle: blob(row, "bundle_old"),
        });
        at = fpNew;
      }
      return found;
    });
  }

  countRotations(name: string, after: number): Promise<number> {
    return this.#read(() => integer(this.#sql.rotationsSince.get(name, after) ?? {}, "n"));
  }

  logState(): Promise<StoredLog> {
    return this.#read(() => this.#logState());
  }

  logRecords(after: number, limit: number): Promise<LogPage> {
    return this.#read(() => ({
      first: integer(this.#sql.logBeginning.get() ?? {}, "generation"),
      log: this.#logState(),
      records: this.#sql.logRecords.all(after, limit).map(logRecordOf),
    }));
  }

  accountsAndLog(names: readonly string[]) {
    return this.#read(() => ({
      accounts: names.map((name) => accountOf(this.#sql.account.get(name))),
      log: this.#logState(),
    }));
  }

  logServerKeys(keys: readonly ServerKey[], at: number): Promise<number> {
    return this.#write(0, () => {
      const row = this.#sql.loggedServerKey.get();
      const last = row && blob(row, "fp");
      const added = keys.slice(keys.findLastIndex(({ fp }) => last && equal(fp, last)) + 1);
      for (const { fp, seq } of added) {
        this.#log({ event: "server-key", name: "", fp, seq }, at);
      }
      return added.length;
    });
  }

  async openBody(size: number, upload?: UploadStart): Promise<BodySink> {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError("not a size");
    if (size <= INLINE_MAX) return new MemorySink(size);
    return upload !== undefined && upload.limit > 0
      ? await this.#uploads.create(size, upload)
      : await this.#files.create(size);
  }

  uploaded(id: UploadId): Promise<number> {
    return this.#uploads.offset(id);
  }

  resumeBody(id: UploadId, offset: number, limit: number): Promise<ResumedBody | null> {
    return this.#uploads.resume(id, offset, limit);
  }

  dropUploads(before: number, limit: number): Promise<number> {
    return this.#uploads.expire(before, limit);
  }

  delivered(senderFp: Bytes, messageId: Bytes): Promise<{ digest: Bytes; at: number } | null> {
    return this.#read(() => this.#rows.delivered(senderFp, messageId));
  }

  async deliver(delivery: Delivery): Promise<DeliverOutcome> {
    const { file } = delivery.body;
    if (file !== null) {
      this.#files.claim(file);
      await this.#files.place(file);
    }
    try {
      const outcome = await this.#write(
        file === null ? deliverySize(delivery) : 0,
        () => this.#rows.deliver(delivery),
        file === null ? delivery : undefined,
      );
      if (file !== null && outcome.kind !== "stored") await this.#files.discard(file);
      return outcome;
    } catch (error) {
      if (file !== null) {
        // Until another commit has taken its place in the log, a crash could bring the row back, and
        // the row needs its file.
        if (mayHaveCommitted(error)) this.#maybeCommitted.push(file);
        else await this.#files.discard(file);
      }
      throw error;
    }
  }

  list(account: string, query: ListQuery): Promise<readonly Entry[]> {
    const { folder, after = 0, before = Number.MAX_SAFE_INTEGER, ascending = false, limit } = query;
    return this.#read(() => {
      if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST) {
        throw new RangeError("the limit of a list is 1 to 1000");
      }
      const id = this.#rows.accountId(account);
      const sql = this.#sql;
      const rows = folder === undefined
        ? (ascending ? sql.oldest : sql.newest).all(id, after, before, limit)
        : (ascending ? sql.oldestIn : sql.newestIn)
          .all(id, after, before, folderNumber(folder), limit);
      return rows.map(entryOf);
    });
  }

  entry(account: string, uid: number): Promise<Entry | null> {
    return this.#read(() => {
      const row = this.#sql.entry.get(this.#rows.accountId(account), uid);
      return row === undefined ? null : entryOf(row);
    });
  }

  entries(account: string, uids: readonly number[]): Promise<readonly Entry[]> {
    return this.#read(() => {
      const id = this.#rows.accountId(account);
      return uids.map((uid) => this.#sql.entry.get(id, uid)).filter((row) => row !== undefined)
        .map(entryOf);
    });
  }

  readBody(account: string, uid: number, offset = 0): Promise<AsyncIterable<Bytes> | null> {
    return this.#read(() => {
      if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError("not an offset");
      const row = this.#sql.bodyOf.get(this.#rows.accountId(account), uid);
      if (row === undefined) return null;
      const file = nullable(row, "body_file", text);
      return file === null
        ? memoryChunks(blob(row, "body"), offset)
        : this.#readFile(file, integer(row, "body_size"), offset);
    });
  }

  flag(account: string, uids: readonly number[], change: FlagChange): Promise<Changed> {
    const [set, clear] = [flagBits(change.set), flagBits(change.clear)];
    const folder = change.folder === undefined ? null : folderNumber(change.folder);
    const at = change.at ?? Date.now();
    const limit = change.unchangedSince ?? Number.MAX_SAFE_INTEGER;
    return this.#write(0, () => {
      const mailbox = this.#mailbox(account);
      const { id } = mailbox;
      const found: number[] = [];
      const modified: number[] = [];
      let { modseq } = mailbox;
      for (const uid of new Set(uids)) {
        const row = this.#sql.placeOf.get(id, uid);
        if (row === undefined) continue;
        if (integer(row, "modseq") > limit) {
          modified.push(uid);
          continue;
        }
        found.push(uid);
        const old = { folder: integer(row, "folder"), number: integer(row, "number") };
        const bits = { low: integer(row, "flags"), high: integer(row, "flags_high") };
        const now: FlagBits = {
          low: (bits.low & ~clear.low | set.low) >>> 0,
          high: (bits.high & ~clear.high | set.high) >>> 0,
        };
        const moves = folder !== null && folder !== old.folder;
        if (!moves && now.low === bits.low && now.high === bits.high) continue;
        const [wasUnseen, isUnseen] = [unseenOf(bits), unseenOf(now)];
        let place = old;
        if (moves) {
          const bytes = integer(row, "bytes");
          modseq++;
          this.#depart(id, modseq, "left", { uid, ...old }, at);
          this.#sql.leaveFolder.run(wasUnseen, bytes, modseq, id, old.folder);
          modseq++;
          place = {
            folder,
            number: this.#rows.takeNumber(id, folder, isUnseen, bytes, modseq, at),
          };
        } else {
          modseq++;
          this.#sql.touchFolder.run(isUnseen - wasUnseen, modseq, id, old.folder);
        }
        this.#sql.setPlace.run(place.folder, place.number, now.low, now.high, modseq, at, id, uid);
      }
      const any = modseq !== mailbox.modseq;
      if (any) this.#sql.setModseq.run(modseq, 0, id);
      return { uids: found, modified, modseq, any };
    });
  }

  remove(account: string, uids: readonly number[]): Promise<Changed> {
    return this.#removing((files) => this.#remove(account, uids, Date.now(), files));
  }

  changes(
    account: string,
    since: number,
    knownUid: number,
    limit: number,
  ): Promise<ChangePage> {
    return this.#read(() => {
      const { id, forgotten, ...mailbox } = this.#mailbox(account);
      if (since < forgotten || since > mailbox.modseq) {
        throw new SealpostError(
          "too-old",
          "the server does not remember all that has changed since then; list the mailbox anew",
        );
      }
      const changes = [
        ...this.#sql.changedPlaces.all(id, since, limit + 1).map((row) => changeOf(row, knownUid)),
        ...this.#sql.departures.all(id, since, limit + 1).map(departureOf),
      ].sort((a, b) => a.modseq - b.modseq);
      return { ...mailbox, changes: changes.slice(0, limit), more: changes.length > limit };
    });
  }

  folders(account: string): Promise<MailboxFolders> {
    return this.#read(() => {
      const { id, epoch, nextUid, modseq } = this.#mailbox(account);
      return { epoch, nextUid, modseq, folders: this.#sql.folders.all(id).map(folderStateOf) };
    });
  }

  makeFolder(account: string, folder: Folder): Promise<number> {
    return this.#write(0, () => {
      const id = this.#rows.accountId(account);
      const row = this.#sql.folderValidity.get(id, folderNumber(folder));
      return row === undefined
        ? this.#rows.addFolder(id, folderNumber(folder), Date.now())
        : integer(row, "validity");
    });
  }

  dropFolder(account: string, folder: Folder): Promise<void> {
    return this.#write(0, () => {
      const id = this.#rows.accountId(account);
      const number = folderNumber(folder);
      if (number < FIRST_OWN_FOLDER) throw new RangeError("a folder that every mailbox has");
      this.#sql.dropFolder.run(id, number);
      if (this.#sql.folderValidity.get(id, number) === undefined) return;
      throw new RefusedError("limit", "there are messages in that folder", { limit: "folders" });
    });
  }

  async forgetDepartures(before: number): Promise<number> {
    let forgotten = 0;
    for (;;) {
      const n = await this.#write(0, () => {
        const rows = this.#sql.oldDepartures.all(before, FORGET_DEPARTURES_AT_ONCE);
        for (const row of rows) {
          const [id, modseq] = [integer(row, "account_id"), integer(row, "modseq")];
          this.#sql.forgetDeparture.run(id, modseq);
          this.#sql.raiseForgotten.run(modseq, id);
        }
        return rows.length;
      });
      forgotten += n;
      if (n < FORGET_DEPARTURES_AT_ONCE) return forgotten;
    }
  }

  sharedRecord(account: string): Promise<StoredRecord> {
    return this.#read(() => {
      this.#rows.accountId(account);
      const row = this.#sql.sharedRecord.get(account);
      return row === undefined
        ? { version: 0, sealed: new Uint8Array(0) }
        : { version: integer(row, "version"), sealed: blob(row, "sealed") };
    });
  }

  sharedVersion(account: string): Promise<number> {
    return this.#read(() => {
      const row = this.#sql.sharedVersion.get(this.#rows.accountId(account));
      return row === undefined ? 0 : integer(row, "version");
    });
  }

  putSharedRecord(account: string, version: number, sealed: Bytes): Promise<number> {
    return this.#write(sealed.length, () => {
      const id = this.#rows.accountId(account);
      const row = this.#sql.sharedVersion.get(id);
      if ((row === undefined ? 0 : integer(row, "version")) !== version) {
        throw new SealpostError(
          "version-conflict",
          "another of your machines has changed the shared record; fetch it and try again",
        );
      }
      this.#sql.putSharedRecord.run(id, version + 1, sealed);
      return version + 1;
    });
  }

  async expire(what: Expiring, before: number): Promise<number> {
    const expired = what === "trash" ? this.#sql.expiredTrash : this.#sql.expiredRead;
    let count = 0;
    for (;;) {
      const n = await this.#removing((files) => {
        const rows = expired.all(before, EXPIRE_AT_ONCE);
        const at = Date.now();
        for (const row of rows) this.#remove(text(row, "name"), [integer(row, "uid")], at, files);
        return rows.length;
      });
      count += n;
      if (n < EXPIRE_AT_ONCE) return count;
    }
  }

  usage(account: string): Promise<{ entries: number; unseen: number; bytes: number }> {
    return this.#read(() => {
      const row = this.#sql.usage.get(account);
      if (row === undefined) throw noSuchUser(account);
      return {
        entries: integer(row, "entries"),
        unseen: integer(row, "unseen"),
        bytes: integer(row, "bytes"),
      };
    });
  }

  storedBytes(account: string): Promise<number> {
    return this.#read(() => {
      const row = this.#sql.storedBytes.get(account);
      if (row === undefined) throw noSuchUser(account);
      return integer(row, "bytes");
    });
  }

  async forgetDelivered(before: number): Promise<number> {
    let forgotten = 0;
    for (;;) {
      const n = await this.#write(
        0,
        () => Number(this.#sql.forgetDelivered.run(before, FORGET_AT_ONCE).changes),
      );
      forgotten += n;
      if (n < FORGET_AT_ONCE) return forgotten;
    }
  }

  saveTicket(ticket: StoredTicket, limit: number): Promise<void> {
    return this.#write(ticket.wrapped.length, () => {
      this.#addTicket(ticket);
      this.#sql.dropOldTickets.run(ticket.account, limit);
    });
  }

  exchangeTicket(id: Bytes, next: StoredTicket | null): Promise<boolean> {
    return this.#write(next?.wrapped.length ?? 0, () => {
      if (this.#sql.takeTicket.run(id).changes !== 1) return false;
      if (next !== null) this.#addTicket(next);
      return true;
    });
  }

  #addTicket({ id, account, fp, credential, wrapped, fullAt, expires }: StoredTicket): void {
    const { changes } = this.#sql.addTicket
      .run(id, fp, credential, wrapped, fullAt, expires, account);
    if (changes !== 1) throw noSuchUser(account);
  }

  ticket(id: Bytes): Promise<StoredTicket | null> {
    return this.#read(() => ticketOf(this.#sql.ticket.get(id)));
  }

  takeTicket(id: Bytes): Promise<boolean> {
    return this.#write(0, () => this.#sql.takeTicket.run(id).changes === 1);
  }

  dropTickets(account: string): Promise<number> {
    return this.#write(0, () => Number(this.#sql.dropTickets.run(account).changes));
  }

  dropExpiredTickets(before: number): Promise<number> {
    return this.#write(0, () => Number(this.#sql.dropExpiredTickets.run(before).changes));
  }

  seeMachine(
    account: string,
    { id, at, source }: SeenMachine,
    limit: number,
  ): Promise<void> {
    return this.#write(0, () => {
      if (this.#sql.seeMachine.run(id, at, at, source, account).changes !== 1) {
        throw noSuchUser(account);
      }
      this.#sql.dropOldMachines.run(account, limit);
    });
  }

  machines(account: string): Promise<readonly StoredMachine[]> {
    return this.#read(() =>
      this.#sql.machines.all(account).map((row) => ({
        id: blob(row, "id"),
        first: integer(row, "first_at"),
        last: integer(row, "last_at"),
        source: text(row, "source"),
      }))
    );
  }

  putKit(account: string, { id, at, sealed }: StoredKit): Promise<void> {
    return this.#write(sealed.length, () => {
      const owner = this.#sql.kitOwner.get(id);
      if (owner !== undefined && text(owner, "name") !== account) {
        throw new SealpostError("id-conflict", "there is another kit with this id; make a new one");
      }
      this.#sql.putKit.run(this.#rows.accountId(account), id, at, sealed);
    });
  }

  kitState(account: string): Promise<KitState | null> {
    return this.#read(() => {
      const row = this.#sql.kitState.get(account);
      return row === undefined ? null : {
        id: blob(row, "id"),
        at: integer(row, "at"),
        fetchedAt: nullable(row, "fetched_at", integer),
      };
    });
  }

  fetchKit(id: Bytes, at: number): Promise<FetchedKit | null> {
    return this.#write(0, () => {
      const row = this.#sql.fetchKit.get(at, id);
      if (row === undefined) return null;
      const owner = this.#sql.nameOf.get(integer(row, "account_id")) ?? {};
      return { account: text(owner, "name"), sealed: blob(row, "sealed") };
    });
  }

  dropKit(account: string): Promise<boolean> {
    return this.#write(0, () => this.#sql.dropKit.run(account).changes === 1);
  }

  stats(): Promise<StoreStats> {
    return this.#read(() => {
      const row = this.#sql.stats.get() ?? {};
      return {
        accounts: integer(row, "accounts"),
        bound: integer(row, "bound"),
        entries: integer(row, "entries"),
        bytes: integer(row, "bytes"),
        database: integer(row, "database"),
        tickets: integer(row, "tickets"),
        waiting: this.#queue.waiting,
      };
    });
  }

  async close(): Promise<void> {
    await this.#queue.close();
    await this.#uploads.close();
    await this.#files.close();
    if (!this.#database.db.isOpen) return;
    this.#journal.close();
    try {
      this.#database.close();
    } catch (error) {
      throw wrapSqliteError(error, this.#database.path);
    }
  }

  async *#readFile(file: string, size: number, offset: number): AsyncGenerator<Bytes> {
    try {
      yield* this.#files.read(file, size, offset);
    } catch (error) {
      if (!isSealpostError(error, "file-missing")) throw error;
      const named = await this.#read(() => this.#sql.bodyFiles.get(file, `${file}g`));
      throw named === undefined
        ? new SealpostError("no-such-message", "the message was removed", { cause: error })
        : new SealpostError("file-io", `the store is damaged: ${error.message}`, { cause: error });
    }
  }

  #logState(): StoredLog {
    const state = logStateOf(this.#sql.lastLogRecord.get());
    this.#headTime = Math.max(Date.now(), state.time, this.#headTime);
    return { ...state, headTime: this.#headTime };
  }

  #log(logged: LoggedEvent, at: number): void {
    appendLog(this.#sql, logged, Math.max(at, this.#headTime + 1));
  }

  /** Runs `read` now; what it throws rejects the promise. */
  // deno-lint-ignore require-await -- so that a throw becomes a rejection
  async #read<T>(read: () => T): Promise<T> {
    try {
      if (!this.#database.db.isOpen) throw new SealpostError("busy", "the store is closed");
      this.#queue.restoreRows();
      return read();
    } catch (error) {
      throw wrapSqliteError(error, this.#database.path);
    }
  }

  /** `delivery`: what `write` makes the rows of, if that is all it does and the journal can have it. */
  async #write<T>(bytes: number, write: () => T, delivery?: Delivery): Promise<T> {
    const value = await this.#queue.run(bytes, write, delivery);
    for (const file of this.#maybeCommitted.splice(0)) {
      const named = await this.#read(() => this.#sql.bodyFiles.get(file, `${file}g`));
      if (named === undefined) await this.#files.remove(file);
    }
    return value;
  }

  /** Runs a `write` that removes messages; the files that it adds to its argument go after it. */
  async #removing<T>(write: (files: string[]) => T): Promise<T> {
    const files: string[] = [];
    try {
      const value = await this.#write(0, () => write(files));
      for (const file of files) await this.#files.remove(file);
      return value;
    } catch (error) {
      if (mayHaveCommitted(error)) this.#maybeCommitted.push(...files);
      throw error;
    }
  }

  /** The counters of a mailbox. Throws `no-such-user`. */
  #mailbox(account: string) {
    const row = this.#sql.mailbox.get(account);
    if (row === undefined) throw noSuchUser(account);
    return {
      id: integer(row, "id"),
      epoch: blob(row, "epoch"),
      nextUid: integer(row, "next_uid"),
      modseq: integer(row, "modseq"),
      forgotten: integer(row, "forgotten"),
    };
  }

  #depart(
    id: number,
    modseq: number,
    kind: "gone" | "left",
    place: { readonly uid: number; readonly folder: number; readonly number: number },
    at: number,
  ): void {
    const { uid, folder, number } = place;
    this.#sql.addDeparture.run(id, modseq, CHANGE_KINDS[kind], uid, folder, number, at);
  }

  /** Adds the names of the files that no row has any more to `files`. */
  #remove(account: string, uids: readonly number[], at: number, files: string[]): Changed {
    const mailbox = this.#mailbox(account);
    const { id } = mailbox;
    const removed: number[] = [];
    let { modseq } = mailbox;
    let freed = 0;
    for (const uid of new Set(uids)) {
      const row = this.#sql.removeEntry.get(id, uid);
      if (row === undefined) continue;
      removed.push(uid);
      const bytes = integer(row, "bytes");
      const place = { uid, folder: integer(row, "folder"), number: integer(row, "number") };
      modseq++;
      this.#depart(id, modseq, "gone", place, at);
      const unseen = unseenOf({ low: integer(row, "flags"), high: 0 });
      this.#sql.leaveFolder.run(unseen, bytes, modseq, id, place.folder);
      freed += bytes;
      const gone = this.#sql.removeMessage.get(integer(row, "message_id"));
      const file = gone === undefined ? null : nullable(gone, "body_file", text);
      if (file !== null) files.push(file);
    }
    if (removed.length > 0) this.#sql.setModseq.run(modseq, -freed, id);
    return { uids: removed, modified: [], modseq, any: removed.length > 0 };
  }
}
