import { type Bytes, equal, random } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import {
  BUILT_IN_FOLDERS,
  FIRST_OWN_FOLDER,
  type FlagBits,
  flagBits,
  folderNumber,
} from "../../../protocol/entry.ts";
import { KEY_EVENTS } from "../../../protocol/key_log.ts";
import { RefusedError } from "../../../protocol/refused.ts";
import { memoryChunks } from "../body_reader.ts";
import { MemorySink } from "../body_sink.ts";
import { type LoggedEvent, logRecordOf, logStateOf, nextRecord } from "../key_log_rows.ts";
import { unseenOf } from "../mailbox_rows.ts";
import { accountOf, changeOf, departureOf, entryOf, folderStateOf, ticketOf } from "../rows.ts";
import { INLINE_MAX, MAX_LIST } from "../sizes.ts";
import { blob, integer, nullable, type SqlRow, text } from "../statements.ts";
import {
  type Account,
  type BindOutcome,
  type BodySink,
  type Changed,
  type ChangePage,
  type CommitReport,
  type DeliverOutcome,
  type Delivery,
  type Entry,
  type Expiring,
  type FetchedKit,
  type FlagChange,
  type Folder,
  type KeptRotation,
  type KeyRotation,
  type KitState,
  type ListQuery,
  type LogPage,
  type MailboxFolders,
  type MailboxState,
  type NodeRow,
  noSuchUser,
  type OwnChange,
  type ResumedBody,
  type RotateOutcome,
  type SeenMachine,
  type ServerKey,
  type SharedStore,
  type StoredKit,
  type StoredLog,
  type StoredMachine,
  type StoredRecord,
  type StoredTicket,
  type StoreStats,
  type UploadId,
  type UploadStart,
} from "../store.ts";
import { blobs, numbers, texts } from "./arrays.ts";
import { Bodies } from "./bodies.ts";
import { Deliveries } from "./deliveries.ts";
import { type Mailbox, Mailboxes } from "./mailboxes.ts";
import { NodeRows } from "./node_rows.ts";
import { Notices } from "./notices.ts";
import { requireSchema } from "./open.ts";
import { isConstraint, type Parameter, Pool, type PoolOptions, type Querying } from "./pool.ts";

/** Rows that are forgotten in one transaction, so that other writes get between. */
const FORGET_AT_ONCE = 1000;

/** Entries that expire in one transaction. */
const EXPIRE_AT_ONCE = 200;

/** The lock under which the key log grows: "SPkl". */
const LOG_LOCK = 0x53506b6c;

const ACCOUNT = `SELECT name, full_name, since, fp, bundle, bound_at, epoch, next_uid, modseq,
  coalesce((SELECT seq FROM rotation WHERE fp_new = account.fp AND account_id = account.id), 0)
  AS seq FROM account`;

const ENTRY = `SELECT e.uid, e.modseq, e.folder, e.number, e.flags, e.flags_high, e.received_at,
    m.header, e.stanza, m.summary, e.note, m.body_size
  FROM entry AS e JOIN message AS m ON m.id = e.message_id WHERE e.account_id = $1`;

/** With the highest time that a head may have, of the same moment. */
const LAST_RECORD = `SELECT number, at, generation, hash,
    (SELECT head_time FROM revision) AS head_time FROM key_log ORDER BY number DESC LIMIT 1`;

/** How far ahead the time of heads is raised, milliseconds: records of that while may be that early. */
const HEADS_AHEAD = 5000;

/** How a store on PostgreSQL is opened. */
export interface PostgresStoreOptions extends PoolOptions {
  /** Told of every batch of deliveries, also of those that failed. */
  readonly onCommit?: (report: CommitReport) => void;
}

/**
 * Opens the store in a database, which any number of servers use at a time. Throws `config` (there is
 * none, or one of a newer version; no entry; not the server it should be), and `busy` if the database
 * cannot be reached.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const pool = new Pool(options);
  try {
    await requireSchema(pool);
  } catch (error) {
    pool.close();
    throw error;
  }
  return new PostgresStore(pool, options.onCommit);
}

/**
 * The store on PostgreSQL. A mailbox is changed by whoever has locked its row. Reads that must be of one
 * moment are single statements.
 */
export class PostgresStore implements SharedStore {
  readonly #pool: Pool;
  readonly #bodies: Bodies;
  readonly #deliveries: Deliveries;
  readonly #nodes: NodeRows;
  /** Accounts never go, and their ids never change. */
  readonly #ids = new Map<string, number>();
  /** Changes of keys, one after the other as they were asked for. */
  #keyChanges: Promise<unknown> = Promise.resolve();
  readonly #writes = new Set<Promise<unknown>>();
  /** How often this server has ended the sessions of an account; and how many times it does just now. */
  readonly #ends = new Map<string, number>();
  readonly #endingNow = new Map<string, number>();
  #notices: Notices | null = null;
  #onOwn: (changes: readonly OwnChange[]) => void = () => {};
  #closed: Promise<void> | null = null;

  constructor(pool: Pool, report: (report: CommitReport) => void = () => {}) {
    this.#pool = pool;
    this.#bodies = new Bodies(pool);
    this.#nodes = new NodeRows(pool);
    this.#deliveries = new Deliveries({
      pool,
      bodies: this.#bodies,
      onChange: (changes) => this.#changed(changes),
      report,
    });
  }

  ensureAccounts(names: readonly string[]): Promise<void> {
    return this.#write(async (tx) => {
      if (names.length === 0) return;
      const unique = [...new Set(names)].sort();
      const added = await tx.query(
        `INSERT INTO account (name, epoch, since)
          SELECT *, $3::bigint FROM unnest($1::text[], $2::bytea[]) ON CONFLICT (name) DO NOTHING
          RETURNING name`,
        [texts(unique), blobs(unique.map(() => random(8))), Date.now()],
      );
      if (added.length === 0) return;
      const made = added.map((row) => text(row, "name"));
      const mailboxes = await Mailboxes.lock(tx, made, BUILT_IN_FOLDERS);
      for (const name of made) {
        for (const folder of BUILT_IN_FOLDERS) {
          mailboxes.addFolder(mailboxes.of(name), folderNumber(folder), Date.now());
        }
      }
      await mailboxes.flush();
    });
  }

  async account(name: string): Promise<Account | null> {
    return accountOf(await this.#one(`${ACCOUNT} WHERE name = $1`, [name]));
  }

  async accounts(names: readonly string[]): Promise<readonly Account[]> {
    const rows = await this.#query(`${ACCOUNT} WHERE name = ANY ($1::text[])`, [texts(names)]);
    const found = new Map(rows.map((row) => [text(row, "name"), row]));
    return names.flatMap((name) => accountOf(found.get(name)) ?? []);
  }

  setFullName(name: string, fullName: string | null): Promise<void> {
    return this.#write(async (tx) => {
      const set = await tx.run("UPDATE account SET full_name = $2 WHERE name = $1", [
        name,
        fullName,
      ]);
      if (set === 0) throw noSuchUser(name);
    });
  }

  async boundKey(name: string): Promise<Bytes | null | undefined> {
    const row = await this.#one("SELECT fp FROM account WHERE name = $1", [name]);
    return row === undefined ? undefined : nullable(row, "fp", blob);
  }

  async accountByFp(fp: Bytes): Promise<Account | null> {
    return accountOf(await this.#one(`${ACCOUNT} WHERE fp = $1`, [fp]));
  }

  bindKey(
    name: string,
    fp: Bytes,
    bundle: Bytes,
    at: number,
    isAllowed = () => true,
  ): Promise<BindOutcome> {
    return this.#changeKeys(async (tx, again) => {
      if (!isAllowed()) return "not-allowed";
      if (fp.length !== 32) throw new RangeError("a fingerprint has 32 bytes");
      const [retired, takenAway] = await Promise.all([
        tx.query("SELECT 1 AS n FROM rotation WHERE fp_old = $1", [fp]),
        tx.query(
          `SELECT 1 AS n FROM unbound_key WHERE fp = $1 AND NOT (may_return AND
            account_id = coalesce((SELECT id FROM account WHERE name = $2), 0))`,
          [fp, name],
        ),
      ]);
      if (retired.length > 0) return "retired";
      if (takenAway.length > 0) return "taken-away";
      const isNew = await tx.run(
        `UPDATE account SET fp = $1, bundle = $2, bound_at = $3 WHERE name = $4 AND fp IS NULL
          AND NOT EXISTS (SELECT 1 FROM account WHERE fp = $1)`,
        [fp, bundle, at, name],
      ) === 1;
      const account = accountOf((await tx.query(`${ACCOUNT} WHERE name = $1`, [name]))[0]);
      if (isNew) {
        await appendLog(tx, { event: "bound", name, fp, seq: account?.seq ?? 0 }, at);
        return "bound";
      }
      if (account === null) return "unknown";
      if (account.fp === null) return "taken";
      if (!equal(account.fp, fp)) return "other-key";
      return again && account.boundAt === at ? "bound" : "same";
    });
  }

  unbindKey(name: string, { mayReturn }: { readonly mayReturn: boolean }): Promise<Bytes | null> {
    const unbind = () => this.#unbind(name, mayReturn);
    return this.#ending(name, unbind, ({ ends }) => ends).then(({ fp }) => fp);
  }

  #unbind(name: string, mayReturn: boolean) {
    const [at, mark] = [Date.now(), random(16)];
    let released: Bytes | null = null;
    return this.#changeKeys(async (tx, again) => {
      if (again && released !== null) {
        const [row] = await tx.query(
          `SELECT fp FROM unbound_key WHERE account_id = ${ID_OF} AND fp = $2 AND at = $3`,
          [name, released, at],
        );
        if (row !== undefined) return { fp: blob(row, "fp"), ends: true };
      }
      const account = accountOf((await tx.query(`${ACCOUNT} WHERE name = $1`, [name]))[0]);
      if (account === null) throw noSuchUser(name);
      if (account.fp === null) {
        if (!mayReturn) return { fp: null, ends: false };
        const [row] = await tx.query(
          `UPDATE unbound_key SET may_return = true WHERE fp = (SELECT fp FROM unbound_key
            WHERE account_id = (SELECT id FROM account WHERE name = $1)
            ORDER BY at DESC, number DESC LIMIT 1) RETURNING fp`,
          [name],
        );
        return { fp: row === undefined ? null : blob(row, "fp"), ends: false };
      }
      const { fp, seq } = account;
      released = fp;
      await dropTickets(tx, name, mark);
      await tx.run("DELETE FROM unbound_key WHERE fp = $1", [fp]);
      await tx.run(
        `INSERT INTO unbound_key (fp, account_id, at, may_return)
          SELECT fp, id, $2, $3 FROM account WHERE name = $1`,
        [name, at, mayReturn],
      );
      await tx.run(
        "UPDATE account SET fp = NULL, bundle = NULL, bound_at = NULL WHERE name = $1",
        [name],
      );
      await appendLog(tx, { event: "unbound", name, fp, seq }, at);
      return { fp, ends: true };
    });
  }

  rotateKey(rotation: KeyRotation): Promise<RotateOutcome> {
    const rotate = () => this.#rotate(rotation);
    return this.#ending(rotation.name, rotate, (outcome) => outcome === "rotated");
  }

  #rotate(rotation: KeyRotation): Promise<RotateOutcome> {
    const { name, fpOld, fpNew, bundleOld, bundleNew, seq, certificate, at } = rotation;
    const mark = random(16);
    return this.#changeKeys(async (tx, again) => {
      const account = accountOf((await tx.query(`${ACCOUNT} WHERE name = $1`, [name]))[0]);
      if (again && account?.seq === seq && account.fp !== null && equal(account.fp, fpNew)) {
        return "rotated";
      }
      if (account === null || account.fp === null || !equal(account.fp, fpOld)) return "other-key";
      const [left] = await tx.query("SELECT 1 AS n FROM rotation WHERE fp_old = $1", [fpOld]);
      if (seq !== account.seq + 1 || left !== undefined) return "other-key";
      const [used] = await tx.query(
        `SELECT 1 AS n WHERE EXISTS (SELECT 1 FROM account WHERE fp = $1)
          OR EXISTS (SELECT 1 FROM rotation WHERE fp_old = $1 OR fp_new = $1)
          OR EXISTS (SELECT 1 FROM unbound_key WHERE fp = $1)`,
        [fpNew],
      );
      if (used !== undefined) return "used";
      await tx.run("UPDATE account SET fp = $2, bundle = $3, bound_at = $4 WHERE name = $1", [
        name,
        fpNew,
        bundleNew,
        at,
      ]);
      await tx.run(
        `INSERT INTO rotation
          (fp_old, fp_new, account_id, seq, at, certificate, bundle_old, bundle_new)
          SELECT $2, $3, id, $4, $5, $6, $7, $8 FROM account WHERE name = $1`,
        [name, fpOld, fpNew, seq, at, certificate, bundleOld, bundleNew],
      );
      await dropTickets(tx, name, mark);
      await appendLog(tx, { event: "rotated", name, fp: fpNew, seq }, at);
      await tx.run(`DELETE FROM machine WHERE account_id = ${ID_OF}`, [name]);
      return "rotated";
    });
  }

  async rotations(name: string, from: Bytes, limit: number): Promise<readonly KeptRotation[]> {
    const rows = await this.#query(
      `WITH RECURSIVE chain AS (
          SELECT r.*, 1 AS n FROM rotation AS r WHERE r.fp_old = $2 AND r.account_id = ${ID_OF}
          UNION ALL
          SELECT r.*, c.n + 1 FROM chain AS c JOIN rotation AS r
            ON r.fp_old = c.fp_new AND r.account_id = c.account_id WHERE c.n < $3)
        SELECT fp_new, certificate, bundle_old FROM chain ORDER BY n LIMIT $3`,
      [name, from, limit],
    );
    return rows.map((row) => ({
      fpNew: blob(row, "fp_new"),
      certificate: blob(row, "certificate"),
      bundle: blob(row, "bundle_old"),
    }));
  }

  async countRotations(name: string, after: number): Promise<number> {
    const row = await this.#one(
      `SELECT count(*) AS n FROM rotation WHERE account_id = ${ID_OF} AND at > $2`,
      [name, after],
    );
    return integer(row ?? {}, "n");
  }

  async logState(): Promise<StoredLog> {
    const { log } = await this.#withHeadTime(`SELECT * FROM (${LAST_RECORD}) AS l`, []);
    return log;
  }

  async logRecords(after: number, limit: number): Promise<LogPage> {
    const { rows, log } = await this.#withHeadTime(
      `SELECT l.*, (SELECT generation FROM key_log WHERE number = 0) AS first,
          r.number AS index, r.at AS time, r.event, r.seq, r.name, r.fp
        FROM (${LAST_RECORD}) AS l LEFT JOIN key_log AS r
          ON r.number > $1 AND r.number > 0 AND r.number <= $1 + $2
        ORDER BY r.number`,
      [after, limit],
    );
    const records = rows.filter((row) => row["index"] !== null).map((row) =>
      logRecordOf({ ...row, number: row["index"] ?? null, at: row["time"] ?? null })
    );
    return { first: integer(rows[0] ?? {}, "first"), log, records };
  }

  async accountsAndLog(names: readonly string[]) {
    const { rows, log } = await this.#withHeadTime(
      `SELECT l.*, a.*
        FROM (${LAST_RECORD}) AS l LEFT JOIN (${ACCOUNT}) AS a ON a.name = ANY ($1::text[])`,
      [texts(names)],
    );
    const found = new Map(
      rows.filter((row) => row["name"] !== null).map((row) => [text(row, "name"), row]),
    );
    return {
      accounts: names.map((name) => accountOf(found.get(name))),
      log,
    };
  }

  logServerKeys(keys: readonly ServerKey[], at: number): Promise<number> {
    return this.#changeKeys(async (tx) => {
      const [row] = await tx.query(
        "SELECT fp FROM key_log WHERE event = 5 ORDER BY number DESC LIMIT 1",
      );
      const last = row && blob(row, "fp");
      const added = keys.slice(keys.findLastIndex(({ fp }) => last && equal(fp, last)) + 1);
      for (const { fp, seq } of added) {
        await appendLog(tx, { event: "server-key", name: "", fp, seq }, at);
      }
      return added.length;
    });
  }

  async openBody(size: number, upload?: UploadStart): Promise<BodySink> {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError("not a size");
    if (size <= INLINE_MAX) return new MemorySink(size);
    return await this.#bodies.create(
      size,
      upload !== undefined && upload.limit > 0 ? upload : undefined,
    );
  }

  uploaded(id: UploadId): Promise<number> {
    return this.#bodies.offset(id);
  }

  resumeBody(id: UploadId, offset: number, limit: number): Promise<ResumedBody | null> {
    return this.#bodies.resume(id, offset, limit);
  }

  dropUploads(before: number, limit: number): Promise<number> {
    return this.#bodies.expire(before, limit);
  }

  async delivered(
    senderFp: Bytes,
    messageId: Bytes,
  ): Promise<{ digest: Bytes; at: number } | null> {
    const row = await this.#one(
      "SELECT digest, at FROM delivered_id WHERE sender_fp = $1 AND message_id = $2",
      [senderFp, messageId],
    );
    return row === undefined ? null : { digest: blob(row, "digest"), at: integer(row, "at") };
  }

  async deliver(delivery: Delivery): Promise<DeliverOutcome> {
    this.#mustBeOpen();
    const { file } = delivery.body;
    try {
      const outcome = await this.#pending(this.#deliveries.deliver(delivery));
      if (file !== null && outcome.kind !== "stored") await this.#bodies.discard(file);
      return outcome;
    } catch (error) {
      if (file !== null) await this.#bodies.discard(file).catch(() => {});
      throw error;
    }
  }

  async list(account: string, query: ListQuery): Promise<readonly Entry[]> {
    const { folder, after = 0, before = Number.MAX_SAFE_INTEGER, ascending = false, limit } = query;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST) {
      throw new RangeError(`the limit of a list is 1 to ${MAX_LIST}`);
    }
    const id = await this.#accountId(account);
    const order = ascending ? "ASC" : "DESC";
    const among = folder === undefined ? "" : "AND e.folder = $5";
    const rows = await this.#query(
      `${ENTRY} AND e.uid > $2 AND e.uid < $3 ${among} ORDER BY e.uid ${order} LIMIT $4`,
      [id, after, before, limit, ...folder === undefined ? [] : [folderNumber(folder)]],
    );
    return rows.map(entryOf);
  }

  async entry(account: string, uid: number): Promise<Entry | null> {
    const [entry] = await this.entries(account, [uid]);
    return entry ?? null;
  }

  async entries(account: string, uids: readonly number[]): Promise<readonly Entry[]> {
    const id = await this.#accountId(account);
    const rows = await this.#query(`${ENTRY} AND e.uid = ANY ($2::bigint[])`, [id, numbers(uids)]);
    const found = new Map(rows.map(entryOf).map((entry) => [entry.uid, entry]));
    return uids.map((uid) => found.get(uid)).filter((entry) => entry !== undefined);
  }

  async readBody(
    account: string,
    uid: number,
    offset = 0,
  ): Promise<AsyncIterable<Bytes> | null> {
    if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError("not an offset");
    const row = await this.#one(
      `SELECT m.body_size, m.body_id, m.body FROM entry AS e JOIN message AS m
        ON m.id = e.message_id WHERE e.account_id = $1 AND e.uid = $2`,
      [await this.#accountId(account), uid],
    );
    if (row === undefined) return null;
    const body = nullable(row, "body_id", blob);
    return body === null
      ? memoryChunks(blob(row, "body"), offset)
      : this.#bodies.read(body, integer(row, "body_size"), offset);
  }

  flag(account: string, uids: readonly number[], change: FlagChange): Promise<Changed> {
    const at = change.at ?? Date.now();
    return this.#changeMailbox(
      account,
      undefined,
      (mailboxes, tx, again) =>
        changeFlags(tx, mailboxes, mailboxes.of(account), uids, change, at, again),
    );
  }

  remove(account: string, uids: readonly number[]): Promise<Changed> {
    const found = new Set<number>();
    return this.#changeMailbox(account, undefined, async (mailboxes, tx, again) => {
      const mailbox = mailboxes.of(account);
      if (!again) found.clear();
      const removed = await removeEntries(tx, mailboxes, [{ mailbox, uids }], Date.now());
      for (const { uid } of removed) found.add(uid);
      // A UID is never given again: what an earlier try has found is gone now, if not by this one.
      const gone = [...new Set(uids)].filter((uid) => found.has(uid));
      return { uids: gone, modified: [], modseq: mailbox.modseq, any: gone.length > 0 };
    });
  }

  async changes(
    account: string,
    since: number,
    knownUid: number,
    limit: number,
  ): Promise<ChangePage> {
    const part = "ORDER BY modseq LIMIT $3";
    const rows = await this.#query(
      `SELECT a.epoch, a.next_uid, a.modseq AS last, a.forgotten, c.* FROM account AS a
        LEFT JOIN LATERAL (
          (SELECT modseq, 0 AS kind, uid, folder, number, flags, flags_high FROM entry
            WHERE account_id = a.id AND modseq > $2 ${part})
          UNION ALL
          (SELECT modseq, kind, uid, folder, number, 0, 0 FROM departure
            WHERE account_id = a.id AND modseq > $2 ${part})
          ${part}) AS c ON true
        WHERE a.name = $1 ORDER BY c.modseq`,
      [account, since, limit + 1],
    );
    const [first] = rows;
    if (first === undefined) throw noSuchUser(account);
    const modseq = integer(first, "last");
    if (since < integer(first, "forgotten") || since > modseq) {
      throw new SealpostError(
        "too-old",
        "the server does not remember all that has changed since then; list the mailbox anew",
      );
    }
    const changes = rows.filter((row) => row["modseq"] !== null).map((row) =>
      integer(row, "kind") === 0 ? changeOf(row, knownUid) : departureOf(row)
    );
    return {
      epoch: blob(first, "epoch"),
      nextUid: integer(first, "next_uid"),
      modseq,
      changes: changes.slice(0, limit),
      more: changes.length > limit,
    };
  }

  async folders(account: string): Promise<MailboxFolders> {
    const rows = await this.#query(
      `SELECT a.epoch, a.next_uid, a.modseq AS last, f.folder, f.validity, f.next, f.count,
          f.unseen, f.bytes, f.modseq
        FROM account AS a JOIN folder AS f ON f.account_id = a.id WHERE a.name = $1
        ORDER BY f.folder`,
      [account],
    );
    const [first] = rows;
    if (first === undefined) throw noSuchUser(account);
    return {
      epoch: blob(first, "epoch"),
      nextUid: integer(first, "next_uid"),
      modseq: integer(first, "last"),
      folders: rows.map(folderStateOf),
    };
  }

  makeFolder(account: string, folder: Folder): Promise<number> {
    const number = folderNumber(folder);
    return this.#changeMailbox(account, [folder], (mailboxes) => {
      const mailbox = mailboxes.of(account);
      return mailbox.folders.get(number)?.validity ??
        mailboxes.addFolder(mailbox, number, Date.now());
    });
  }

  dropFolder(account: string, folder: Folder): Promise<void> {
    const number = folderNumber(folder);
    return this.#changeMailbox(account, [folder], async (mailboxes, tx) => {
      const mailbox = mailboxes.of(account);
      if (number < FIRST_OWN_FOLDER) throw new RangeError("a folder that every mailbox has");
      if ((mailbox.folders.get(number)?.count ?? 0) > 0) {
        throw new RefusedError("limit", "there are messages in that folder", { limit: "folders" });
      }
      await tx.run("DELETE FROM folder WHERE account_id = $1 AND folder = $2", [
        mailbox.id,
        number,
      ]);
    });
  }

  forgetDepartures(before: number): Promise<number> {
    return this.#forget(async (tx) => {
      // The rows of the mailboxes are locked first, as by whoever changes them.
      const old = await tx.query(
        "SELECT account_id, modseq FROM departure WHERE at < $1 ORDER BY at LIMIT $2",
        [before, FORGET_AT_ONCE],
      );
      if (old.length === 0) return 0;
      const ids = old.map((row) => integer(row, "account_id"));
      const modseqs = old.map((row) => integer(row, "modseq"));
      await tx.query(
        `SELECT id FROM account WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE`,
        [numbers(ids)],
      );
      await tx.run(
        `UPDATE account AS a SET forgotten = greatest(a.forgotten, u.modseq) FROM (
            SELECT account_id, max(modseq) AS modseq
            FROM unnest($1::bigint[], $2::bigint[]) AS o (account_id, modseq) GROUP BY account_id
          ) AS u WHERE a.id = u.account_id`,
        [numbers(ids), numbers(modseqs)],
      );
      return await tx.run(
        `DELETE FROM departure AS d USING unnest($1::bigint[], $2::bigint[])
          AS o (account_id, modseq) WHERE d.account_id = o.account_id AND d.modseq = o.modseq`,
        [numbers(ids), numbers(modseqs)],
      );
    });
  }

  async sharedRecord(account: string): Promise<StoredRecord> {
    const id = await this.#accountId(account);
    const row = await this.#one(
      "SELECT version, sealed FROM shared_record WHERE account_id = $1",
      [id],
    );
    return row === undefined
      ? { version: 0, sealed: new Uint8Array(0) }
      : { version: integer(row, "version"), sealed: blob(row, "sealed") };
  }

  async sharedVersion(account: string): Promise<number> {
    const id = await this.#accountId(account);
    const row = await this.#one("SELECT version FROM shared_record WHERE account_id = $1", [id]);
    return row === undefined ? 0 : integer(row, "version");
  }

  async putSharedRecord(account: string, version: number, sealed: Bytes): Promise<number> {
    const put = await this.#changeMailbox(account, [], async (mailboxes, tx, again) => {
      const { id } = mailboxes.of(account);
      const [row] = await tx.query(
        "SELECT version, CASE WHEN $2 THEN sealed END AS sealed FROM shared_record WHERE account_id = $1",
        [id, again],
      );
      const present = row === undefined ? 0 : integer(row, "version");
      if (row !== undefined && again && present === version + 1) {
        if (equal(blob(row, "sealed"), sealed)) return present;
      }
      if (present !== version) {
        throw new SealpostError(
          "version-conflict",
          "another of your machines has changed the shared record; fetch it and try again",
        );
      }
      await tx.run(
        `INSERT INTO shared_record (account_id, version, sealed) VALUES ($1, $2, $3)
          ON CONFLICT (account_id) DO UPDATE SET version = excluded.version,
            sealed = excluded.sealed`,
        [id, version + 1, sealed],
      );
      return version + 1;
    });
    this.#notices?.tell([account]);
    return put;
  }

  async expire(what: Expiring, before: number): Promise<number> {
    let expired = 0;
    for (;;) {
      const { removed, changes } = await this.#write((tx) => expireSome(tx, what, before));
      this.#changed(changes);
      expired += removed;
      if (removed < EXPIRE_AT_ONCE) return expired;
    }
  }

  async usage(account: string): Promise<{ entries: number; unseen: number; bytes: number }> {
    const row = await this.#one(
      `SELECT a.bytes, sum(f.count)::bigint AS entries,
          coalesce(sum(f.unseen) FILTER (WHERE f.folder = 0), 0)::bigint AS unseen
        FROM account AS a JOIN folder AS f ON f.account_id = a.id WHERE a.name = $1
        GROUP BY a.id`,
      [account],
    );
    if (row === undefined) throw noSuchUser(account);
    return {
      entries: integer(row, "entries"),
      unseen: integer(row, "unseen"),
      bytes: integer(row, "bytes"),
    };
  }

  async storedBytes(account: string): Promise<number> {
    const row = await this.#one("SELECT bytes FROM account WHERE name = $1", [account]);
    if (row === undefined) throw noSuchUser(account);
    return integer(row, "bytes");
  }

  forgetDelivered(before: number): Promise<number> {
    return this.#forget((tx) =>
      tx.run(
        // From the oldest on, as fsck expects it of what it sees in the middle of this.
        `DELETE FROM delivered_id WHERE (sender_fp, message_id) IN
          (SELECT sender_fp, message_id FROM delivered_id WHERE at < $1 ORDER BY at
            LIMIT ${FORGET_AT_ONCE})`,
        [before],
      )
    );
  }

  saveTicket(ticket: StoredTicket, limit: number): Promise<void> {
    return this.#write(async (tx) => {
      await addTicket(tx, ticket);
      await tx.run(
        `DELETE FROM ticket WHERE id IN (SELECT id FROM ticket WHERE account_id = ${ID_OF}
          ORDER BY expires DESC OFFSET $2)`,
        [ticket.account, limit],
      );
    });
  }

  exchangeTicket(id: Bytes, next: StoredTicket | null): Promise<boolean> {
    return this.#write(async (tx, again) => {
      if (again && next !== null) {
        const [kept] = await tx.query("SELECT 1 AS n FROM ticket WHERE id = $1", [next.id]);
        if (kept !== undefined) return true;
      }
      if (await tx.run("DELETE FROM ticket WHERE id = $1", [id]) !== 1) return false;
      if (next !== null) await addTicket(tx, next);
      return true;
    });
  }

  async ticket(id: Bytes): Promise<StoredTicket | null> {
    return ticketOf(
      await this.#one(
        `SELECT t.id, a.name, t.fp, t.credential, t.wrapped, t.full_at, t.expires
          FROM ticket AS t JOIN account AS a ON a.id = t.account_id WHERE t.id = $1`,
        [id],
      ),
    );
  }

  takeTicket(id: Bytes): Promise<boolean> {
    return this.#write(async (tx) => await tx.run("DELETE FROM ticket WHERE id = $1", [id]) === 1);
  }

  dropTickets(account: string): Promise<number> {
    const mark = random(16);
    const drop = () => this.#write((tx) => dropTickets(tx, account, mark));
    return this.#ending(account, drop, () => true);
  }

  dropExpiredTickets(before: number): Promise<number> {
    return this.#write((tx) => tx.run("DELETE FROM ticket WHERE expires < $1", [before]));
  }

  seeMachine(account: string, { id, at, source }: SeenMachine, limit: number): Promise<void> {
    return this.#write(async (tx) => {
      const seen = await tx.run(
        `INSERT INTO machine (account_id, id, first_at, last_at, source)
          SELECT id, $2, $3, $3, $4 FROM account WHERE name = $1
          ON CONFLICT (account_id, id) DO UPDATE SET last_at = excluded.last_at,
            source = excluded.source`,
        [account, id, at, source],
      );
      if (seen !== 1) throw noSuchUser(account);
      await tx.run(
        `DELETE FROM machine WHERE (account_id, id) IN (SELECT account_id, id FROM machine
          WHERE account_id = ${ID_OF} ORDER BY last_at DESC OFFSET $2)`,
        [account, limit],
      );
    });
  }

  async machines(account: string): Promise<readonly StoredMachine[]> {
    const rows = await this.#query(
      `SELECT id, first_at, last_at, source FROM machine WHERE account_id = ${ID_OF}
        ORDER BY last_at DESC`,
      [account],
    );
    return rows.map((row) => ({
      id: blob(row, "id"),
      first: integer(row, "first_at"),
      last: integer(row, "last_at"),
      source: text(row, "source"),
    }));
  }

  putKit(account: string, { id, at, sealed }: StoredKit): Promise<void> {
    return this.#write(async (tx) => {
      const taken = () =>
        new SealpostError("id-conflict", "there is another kit with this id; make a new one");
      const [owner] = await tx.query(
        "SELECT a.name FROM kit AS k JOIN account AS a ON a.id = k.account_id WHERE k.id = $1",
        [id],
      );
      if (owner !== undefined && text(owner, "name") !== account) throw taken();
      try {
        const put = await tx.run(
          `INSERT INTO kit (account_id, id, at, sealed)
            SELECT id, $2, $3, $4 FROM account WHERE name = $1
            ON CONFLICT (account_id) DO UPDATE SET id = excluded.id, at = excluded.at,
              sealed = excluded.sealed,
              fetched_at = CASE WHEN kit.id = excluded.id THEN kit.fetched_at END`,
          [account, id, at, sealed],
        );
        if (put !== 1) throw noSuchUser(account);
      } catch (error) {
        throw isConstraint(error) ? taken() : error;
      }
    });
  }

  async kitState(account: string): Promise<KitState | null> {
    const row = await this.#one(
      `SELECT id, at, fetched_at FROM kit WHERE account_id = ${ID_OF}`,
      [account],
    );
    return row === undefined ? null : {
      id: blob(row, "id"),
      at: integer(row, "at"),
      fetchedAt: nullable(row, "fetched_at", integer),
    };
  }

  fetchKit(id: Bytes, at: number): Promise<FetchedKit | null> {
    return this.#write(async (tx) => {
      const [row] = await tx.query(
        `UPDATE kit AS k SET fetched_at = $2 FROM account AS a
          WHERE k.id = $1 AND a.id = k.account_id RETURNING a.name, k.sealed`,
        [id, at],
      );
      return row === undefined ? null : { account: text(row, "name"), sealed: blob(row, "sealed") };
    });
  }

  dropKit(account: string): Promise<boolean> {
    let dropped = false;
    return this.#write(async (tx, again) => {
      const n = await tx.run(`DELETE FROM kit WHERE account_id = ${ID_OF}`, [account]);
      return dropped = n === 1 || (again && dropped);
    });
  }

  async stats(): Promise<StoreStats> {
    const row = await this.#one(
      `SELECT count(*) AS accounts, count(fp) AS bound,
          (SELECT coalesce(sum(count), 0)::bigint FROM folder) AS entries,
          coalesce(sum(bytes), 0)::bigint AS bytes, (SELECT count(*) FROM ticket) AS tickets,
          pg_database_size(current_database()) AS database
        FROM account`,
    ) ?? {};
    return {
      accounts: integer(row, "accounts"),
      bound: integer(row, "bound"),
      entries: integer(row, "entries"),
      bytes: integer(row, "bytes"),
      database: integer(row, "database"),
      tickets: integer(row, "tickets"),
      waiting: this.#deliveries.waiting,
    };
  }

  /** The version of PostgreSQL and of the schema, and the kinds of standbys that replicate it now. */
  async serverState() {
    const rows = await this.#query(
      `SELECT current_setting('server_version') AS version, v.version AS schema, r.pid, r.sync_state
        FROM schema_version AS v LEFT JOIN pg_stat_replication AS r ON true`,
    );
    const first = rows[0] ?? {};
    return {
      version: text(first, "version"),
      schema: integer(first, "schema"),
      // Of what kind they are is not for everybody: that takes pg_read_all_stats.
      standbys: rows.filter((row) => row["pid"] !== null)
        .map((row) => nullable(row, "sync_state", text) ?? "unknown"),
    };
  }

  async mailboxStates(
    accounts: readonly string[],
  ): Promise<ReadonlyMap<string, MailboxState>> {
    const rows = await this.#query(
      `SELECT a.name, a.next_uid, a.modseq, a.ends, coalesce(s.version, 0) AS version
        FROM account AS a LEFT JOIN shared_record AS s ON s.account_id = a.id
        WHERE a.name = ANY ($1::text[])`,
      [texts(accounts)],
    );
    return new Map(rows.map((row) => [text(row, "name"), {
      nextUid: integer(row, "next_uid"),
      modseq: integer(row, "modseq"),
      sharedVersion: integer(row, "version"),
      ends: integer(row, "ends"),
    }]));
  }

  ownEnds(account: string): number | null {
    return this.#endingNow.has(account) ? null : this.#ends.get(account) ?? 0;
  }

  follow(
    own: (changes: readonly OwnChange[]) => void,
    others: (accounts: readonly string[] | null) => void,
  ): void {
    this.#onOwn = own;
    this.#notices = new Notices(this.#pool, others);
  }

  async logins(known?: number) {
    const revision = integer(await this.#one("SELECT logins FROM revision") ?? {}, "logins");
    if (revision === known) return null;
    const rows = await this.#query(
      `SELECT r.logins, l.name, l.value FROM revision AS r LEFT JOIN login AS l ON true
        ORDER BY l.name`,
    );
    const named = rows.filter((row) => row["name"] !== null);
    return {
      revision: integer(rows[0] ?? {}, "logins"),
      users: new Map(named.map((row) => [text(row, "name"), text(row, "value")])),
    };
  }

  async changeLogins(
    decide: (users: ReadonlyMap<string, string>) => ReadonlyMap<string, string | null>,
  ): Promise<void> {
    let tried: ReadonlyMap<string, string | null> = new Map();
    const any = await this.#write(async (tx, again) => {
      await tx.query("SELECT logins FROM revision FOR UPDATE");
      const rows = await tx.query("SELECT name, value FROM login");
      const present = new Map(rows.map((row) => [text(row, "name"), text(row, "value")]));
      const isDone = [...tried].every(([name, value]) => (present.get(name) ?? null) === value);
      if (again && tried.size > 0 && isDone) return true;
      const changes = tried = decide(present);
      const set = [...changes].filter(([, value]) => value !== null);
      const removed = [...changes].filter(([, value]) => value === null).map(([name]) => name);
      if (changes.size === 0) return false;
      await tx.run(
        `INSERT INTO login (name, value) SELECT * FROM unnest($1::text[], $2::text[])
          ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
        [texts(set.map(([name]) => name)), texts(set.map(([, value]) => value ?? ""))],
      );
      await tx.run("DELETE FROM login WHERE name = ANY ($1::text[])", [texts(removed)]);
      await tx.run("UPDATE revision SET logins = logins + 1");
      return true;
    });
    if (any) this.#notices?.tellAll();
  }

  tellLine(line: string): void {
    this.#notices?.tellLine(line);
  }

  hearLines(hear: (line: string) => void): void {
    if (this.#notices !== null) this.#notices.hearLine = hear;
  }

  get trouble(): string | null {
    return this.#pool.trouble;
  }

  renewNode(node: Pick<NodeRow, "id" | "address">, lease: number): Promise<readonly NodeRow[]> {
    return this.#nodes.renew(node, lease);
  }

  removeNode(id: Bytes): Promise<void> {
    return this.#nodes.remove(id);
  }

  addQuestion(from: Bytes, question: string): Promise<Bytes> {
    return this.#nodes.addQuestion(from, question);
  }

  removeQuestion(id: Bytes): Promise<void> {
    return this.#nodes.removeQuestion(id);
  }

  questionsFor(node: Bytes) {
    return this.#nodes.questionsFor(node);
  }

  addAnswer(question: Bytes, node: Bytes, answer: string): Promise<void> {
    return this.#nodes.addAnswer(question, node, answer);
  }

  answersTo(question: Bytes) {
    return this.#nodes.answersTo(question);
  }

  giveUpIn(ms: number): void {
    this.#pool.giveUpIn(ms);
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  #changed(changes: readonly OwnChange[]): void {
    if (changes.length === 0) return;
    this.#onOwn(changes);
    this.#notices?.tell(changes.map(({ account }) => account));
  }

  /** Runs a write that ends the sessions of an account, if `ends` says so of what it returns. */
  async #ending<T>(
    account: string,
    write: () => Promise<T>,
    ends: (value: T) => boolean,
  ): Promise<T> {
    const count = (counts: Map<string, number>, by: number) =>
      counts.set(account, (counts.get(account) ?? 0) + by);
    count(this.#endingNow, 1);
    try {
      const value = await write();
      if (ends(value)) {
        count(this.#ends, 1);
        this.#notices?.tell([account]);
      }
      return value;
    } finally {
      if (count(this.#endingNow, -1).get(account) === 0) this.#endingNow.delete(account);
    }
  }

  async #close(): Promise<void> {
    await this.#deliveries.settled();
    await Promise.allSettled(this.#writes);
    await this.#bodies.close();
    await this.#notices?.close();
    this.#pool.close();
  }

  #mustBeOpen(): void {
    if (this.#closed !== null) throw new SealpostError("busy", "the store is closed");
  }

  async #query(statement: string, parameters: readonly Parameter[] = []): Promise<SqlRow[]> {
    this.#mustBeOpen();
    return await this.#pool.query(statement, parameters);
  }

  async #one(statement: string, parameters: readonly Parameter[] = []) {
    return (await this.#query(statement, parameters)).at(0);
  }

  /** The rows of a statement that begins with {@linkcode LAST_RECORD}, and the log as they say it stands. */
  async #withHeadTime(statement: string, parameters: readonly Parameter[]) {
    for (;;) {
      const rows = await this.#query(statement, parameters);
      const state = logStateOf(rows[0]);
      const headTime = Math.max(Date.now(), state.time);
      if (headTime <= integer(rows[0] ?? {}, "head_time")) {
        return { rows, log: { ...state, headTime } };
      }
      // Not as it stood before the raise: a record may have come in between.
      await this.#pool.run(
        "UPDATE revision SET head_time = $1 WHERE head_time < $1",
        [headTime + HEADS_AHEAD],
      );
    }
  }

  /** Throws `no-such-user`. */
  async #accountId(account: string): Promise<number> {
    this.#mustBeOpen();
    const known = this.#ids.get(account);
    if (known !== undefined) return known;
    const row = await this.#one("SELECT id FROM account WHERE name = $1", [account]);
    if (row === undefined) throw noSuchUser(account);
    const id = integer(row, "id");
    this.#ids.set(account, id);
    return id;
  }

  /** Runs a transaction that {@linkcode close} waits for. */
  async #write<T>(work: (tx: Querying, again: boolean) => Promise<T>): Promise<T> {
    this.#mustBeOpen();
    return await this.#pending(this.#pool.transaction(work));
  }

  async #pending<T>(write: Promise<T>): Promise<T> {
    this.#writes.add(write);
    try {
      return await write;
    } finally {
      this.#writes.delete(write);
    }
  }

  /** A write that adds to the key log: one at a time, here and on all servers. */
  async #changeKeys<T>(work: (tx: Querying, again: boolean) => Promise<T>): Promise<T> {
    this.#mustBeOpen();
    const done = this.#keyChanges.then(() =>
      this.#pool.transaction(async (tx, again) => {
        await tx.query("SELECT pg_advisory_xact_lock($1)", [LOG_LOCK]);
        return await work(tx, again);
      })
    );
    this.#keyChanges = done.catch(() => {});
    return await this.#pending(done);
  }

  /** `folders`: those that may change; all if not given. */
  async #changeMailbox<T>(
    account: string,
    folders: readonly Folder[] | undefined,
    work: (mailboxes: Mailboxes, tx: Querying, again: boolean) => T | Promise<T>,
  ): Promise<T> {
    const { value, changes } = await this.#write(async (tx, again) => {
      const mailboxes = await Mailboxes.lock(tx, [account], folders);
      const value = await work(mailboxes, tx, again);
      await mailboxes.flush();
      return { value, changes: mailboxes.changes() };
    });
    this.#changed(changes);
    return value;
  }

  /** Runs transactions that forget up to {@linkcode FORGET_AT_ONCE} things until one has fewer. */
  async #forget(forget: (tx: Querying) => Promise<number>): Promise<number> {
    let forgotten = 0;
    for (;;) {
      const n = await this.#write(forget);
      forgotten += n;
      if (n < FORGET_AT_ONCE) return forgotten;
    }
  }
}

/** The id of the account whose name is the first parameter. */
const ID_OF = "(SELECT id FROM account WHERE name = $1)";

async function appendLog(tx: Querying, logged: LoggedEvent, at: number): Promise<void> {
  // Locked, so that no head gets a higher time before this is committed.
  const [revision] = await tx.query("SELECT head_time FROM revision FOR UPDATE");
  const [last] = await tx.query(LAST_RECORD);
  const above = integer(revision ?? {}, "head_time") + 1;
  const record = nextRecord(logStateOf(last), logged, Math.max(at, above));
  const { index, time, event, generation, seq, name, fp, hash } = record;
  await tx.run(
    `INSERT INTO key_log (number, at, event, generation, seq, name, fp, hash)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [index, time, KEY_EVENTS[event], generation, seq, name, fp, hash],
  );
}

/** Adds a ticket, unless an earlier try has. Throws `no-such-user`. */
async function addTicket(tx: Querying, ticket: StoredTicket): Promise<void> {
  const { id, account, fp, credential, wrapped, fullAt, expires } = ticket;
  const added = await tx.run(
    `INSERT INTO ticket (id, account_id, fp, credential, wrapped, full_at, expires)
      SELECT $2, id, $3, $4, $5, $6, $7 FROM account WHERE name = $1
      ON CONFLICT (id) DO UPDATE SET expires = excluded.expires
        WHERE ticket.account_id = excluded.account_id`,
    [account, id, fp, credential, wrapped, fullAt, expires],
  );
  if (added !== 1) throw noSuchUser(account);
}

/**
 * Ends the tickets of an account; its sessions at other servers end too. `mark`: 16 random bytes of the
 * operation, which is counted once however often it is tried.
 */
async function dropTickets(tx: Querying, account: string, mark: Bytes): Promise<number> {
  await tx.run(
    `UPDATE account SET ends = ends + 1, ended_by = $2
      WHERE name = $1 AND ended_by IS DISTINCT FROM $2`,
    [account, mark],
  );
  return await tx.run(`DELETE FROM ticket WHERE account_id = ${ID_OF}`, [account]);
}

async function changeFlags(
  tx: Querying,
  mailboxes: Mailboxes,
  mailbox: Mailbox,
  uids: readonly number[],
  change: FlagChange,
  at: number,
  again: boolean,
): Promise<Changed> {
  const [set, clear] = [flagBits(change.set), flagBits(change.clear)];
  const folder = change.folder === undefined ? null : folderNumber(change.folder);
  const limit = change.unchangedSince ?? Number.MAX_SAFE_INTEGER;
  const rows = await tx.query(
    `SELECT uid, folder, number, flags, flags_high, modseq, bytes FROM entry
      WHERE account_id = $1 AND uid = ANY ($2::bigint[])`,
    [mailbox.id, numbers(uids)],
  );
  const byUid = new Map(rows.map((row) => [integer(row, "uid"), row]));
  const found: number[] = [];
  const modified: number[] = [];
  const changed: { uid: number; folder: number; number: number; bits: FlagBits; modseq: number }[] =
    [];
  for (const uid of new Set(uids)) {
    const row = byUid.get(uid);
    if (row === undefined) continue;
    const old = { folder: integer(row, "folder"), number: integer(row, "number") };
    const bits = { low: integer(row, "flags"), high: integer(row, "flags_high") };
    const now: FlagBits = {
      low: (bits.low & ~clear.low | set.low) >>> 0,
      high: (bits.high & ~clear.high | set.high) >>> 0,
    };
    const moves = folder !== null && folder !== old.folder;
    const same = !moves && now.low === bits.low && now.high === bits.high;
    // What an earlier try has changed is not modified by somebody else.
    if (integer(row, "modseq") > limit && !(again && same)) {
      modified.push(uid);
      continue;
    }
    found.push(uid);
    if (same) continue;
    const [wasUnseen, unseen] = [unseenOf(bits), unseenOf(now)];
    let place = old;
    let modseq = mailboxes.nextModseq(mailbox);
    if (moves) {
      const bytes = integer(row, "bytes");
      mailboxes.depart(mailbox, modseq, "left", { uid, ...old }, at);
      mailboxes.leaveFolder(mailbox, old.folder, wasUnseen, bytes, modseq);
      modseq = mailboxes.nextModseq(mailbox);
      const number = mailboxes.enterFolder(mailbox, folder, { unseen, bytes, modseq }, at);
      place = { folder, number };
    } else {
      mailboxes.touchFolder(mailbox, old.folder, unseen - wasUnseen, modseq);
    }
    changed.push({ uid, ...place, bits: now, modseq });
  }
  if (changed.length > 0) {
    await tx.run(
      `UPDATE entry AS e SET folder = u.folder, number = u.number, flags = u.flags,
          flags_high = u.flags_high, modseq = u.modseq, changed_at = $2
        FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
          $8::bigint[]) AS u (uid, folder, number, flags, flags_high, modseq)
        WHERE e.account_id = $1 AND e.uid = u.uid`,
      [
        mailbox.id,
        at,
        numbers(changed.map(({ uid }) => uid)),
        numbers(changed.map(({ folder }) => folder)),
        numbers(changed.map(({ number }) => number)),
        numbers(changed.map(({ bits }) => bits.low)),
        numbers(changed.map(({ bits }) => bits.high)),
        numbers(changed.map(({ modseq }) => modseq)),
      ],
    );
  }
  return { uids: found, modified, modseq: mailbox.modseq, any: changed.length > 0 };
}

/** Removes up to {@linkcode EXPIRE_AT_ONCE} entries that nothing has happened to since `before`. */
async function expireSome(tx: Querying, what: Expiring, before: number) {
  const which = what === "trash" ? "e.folder = 3" : "e.folder = 0 AND e.flags & 5 = 1";
  const expired = `SELECT a.name, e.uid FROM entry AS e JOIN account AS a ON a.id = e.account_id
    WHERE ${which} AND e.changed_at < $1`;
  const found = await tx.query(`${expired} ORDER BY e.changed_at LIMIT ${EXPIRE_AT_ONCE}`, [
    before,
  ]);
  if (found.length === 0) return { removed: 0, changes: [] };
  const names = [...new Set(found.map((row) => text(row, "name")))];
  const mailboxes = await Mailboxes.lock(tx, names);
  // What was changed until they were locked may stay.
  const still = await tx.query(
    `${expired} AND a.name = ANY ($2::text[]) AND e.uid = ANY ($3::bigint[])`,
    [before, texts(names), numbers(found.map((row) => integer(row, "uid")))],
  );
  const removals = [...Map.groupBy(still, (row) => text(row, "name"))].map(([name, rows]) => ({
    mailbox: mailboxes.of(name),
    uids: rows.map((row) => integer(row, "uid")),
  }));
  const removed = await removeEntries(tx, mailboxes, removals, Date.now());
  await mailboxes.flush();
  return { removed: removed.length, changes: mailboxes.changes() };
}

/** Removes entries at the time `at`, and the messages that no mailbox has any more. */
async function removeEntries(
  tx: Querying,
  mailboxes: Mailboxes,
  removals: readonly { readonly mailbox: Mailbox; readonly uids: readonly number[] }[],
  at: number,
): Promise<{ readonly uid: number }[]> {
  const wanted = removals.flatMap(({ mailbox, uids }) =>
    [...new Set(uids)].map((uid) => ({ mailbox, uid }))
  );
  if (wanted.length === 0) return [];
  const rows = await tx.query(
    `DELETE FROM entry AS e USING unnest($1::bigint[], $2::bigint[]) AS u (account_id, uid)
      WHERE e.account_id = u.account_id AND e.uid = u.uid
      RETURNING e.account_id, e.uid, e.message_id, e.folder, e.number, e.flags, e.bytes`,
    [numbers(wanted.map(({ mailbox }) => mailbox.id)), numbers(wanted.map(({ uid }) => uid))],
  );
  const key = (id: number, uid: number) => `${id}/${uid}`;
  const gone = new Map(
    rows.map((row) => [key(integer(row, "account_id"), integer(row, "uid")), row]),
  );
  const removed = wanted.filter(({ mailbox, uid }) => gone.has(key(mailbox.id, uid)));
  for (const { mailbox, uid } of removed) {
    const row = gone.get(key(mailbox.id, uid)) ?? {};
    const [folder, bytes] = [integer(row, "folder"), integer(row, "bytes")];
    const modseq = mailboxes.nextModseq(mailbox);
    mailboxes.depart(mailbox, modseq, "gone", { uid, folder, number: integer(row, "number") }, at);
    const unseen = unseenOf({ low: integer(row, "flags"), high: 0 });
    mailboxes.leaveFolder(mailbox, folder, unseen, bytes, modseq);
    mailboxes.free(mailbox, bytes);
  }
  await removeMessages(tx, [...new Set(rows.map((row) => integer(row, "message_id")))], at);
  return removed;
}

/** Removes those of the messages that have no entry. Two that take the last two entries wait here. */
async function removeMessages(tx: Querying, ids: readonly number[], at: number): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(
    "SELECT id FROM message WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE",
    [numbers(ids)],
  );
  const rows = await tx.query(
    `DELETE FROM message AS m WHERE m.id = ANY ($1::bigint[])
      AND NOT EXISTS (SELECT 1 FROM entry AS e WHERE e.message_id = m.id) RETURNING m.body_id`,
    [numbers(ids)],
  );
  const bodies = rows.map((row) => nullable(row, "body_id", blob)).filter((id) => id !== null);
  if (bodies.length === 0) return;
  await tx.run(
    "UPDATE body SET state = 'gone', touched_at = $2 WHERE id = ANY ($1::bytea[])",
    [blobs(bodies), at],
  );
}
