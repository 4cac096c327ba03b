import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";

const ACCOUNT = `SELECT name, full_name, since, fp, bundle, bound_at, epoch, next_uid,
  modseq,
  coalesce((SELECT seq FROM rotation WHERE fp_new = account.fp AND account_id = account.id), 0)
  AS seq FROM account`;

// CROSS JOIN fixes the order: entries by their index, then each one's message.
const ENTRY = `
  SELECT e.uid, e.modseq, e.folder, e.number, e.flags, e.flags_high, e.received_at, m.header,
    e.stanza, m.summary, e.note, m.body_size
  FROM entry AS e CROSS JOIN message AS m ON m.id = e.message_id
  WHERE e.account_id = ?`;
const RANGE = "AND e.uid > ? AND e.uid < ?";

/** Every statement of the store on its rows. None of them reads more rows than it answers with. */
export const SQL = {
  addAccount:
    "INSERT INTO account (name, epoch, since) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
  account: `${ACCOUNT} WHERE name = ?`,
  accountByFp: `${ACCOUNT} WHERE fp = ?`,
  accountId: "SELECT id FROM account WHERE name = ?",
  setFullName: "UPDATE account SET full_name = ? WHERE name = ?",
  boundKey: "SELECT fp FROM account WHERE name = ?",
  storedBytes: "SELECT bytes FROM account WHERE name = ?",
  bindKey: `UPDATE OR IGNORE account SET fp = ?, bundle = ?, bound_at = ?
    WHERE name = ? AND fp IS NULL`,
  successor: "SELECT fp_new FROM rotation WHERE fp_old = ?",
  rotateKey: `UPDATE account SET fp = ?, bundle = ?, bound_at = ? WHERE name = ? AND fp = ?`,
  addRotation: `INSERT INTO rotation
    (fp_old, fp_new, account_id, seq, at, certificate, bundle_old, bundle_new)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  /** Whether a key was ever anybody's: bound, left, led to, or taken away. */
  usedKey: `SELECT 1 WHERE EXISTS (SELECT 1 FROM account WHERE fp = ?1)
    OR EXISTS (SELECT 1 FROM rotation WHERE fp_old = ?1)
    OR EXISTS (SELECT 1 FROM rotation WHERE fp_new = ?1)
    OR EXISTS (SELECT 1 FROM unbound_key WHERE fp = ?1)`,
  rotationsSince: `SELECT count(*) AS n FROM rotation
    WHERE account_id = (SELECT id FROM account WHERE name = ?) AND at > ?`,
  rotation: `SELECT r.fp_new, r.certificate, r.bundle_old
    FROM rotation AS r CROSS JOIN account AS a ON a.id = r.account_id
    WHERE r.fp_old = ? AND a.name = ?`,
  addUnbound: `INSERT OR REPLACE INTO unbound_key (fp, account_id, at, may_return)
    SELECT fp, id, ?, ? FROM account WHERE name = ? AND fp IS NOT NULL`,
  /** Whether an operator took a key away, so that the account may not bind it. */
  takenAway: `SELECT 1 FROM unbound_key WHERE fp = ? AND
    NOT (may_return AND account_id = (SELECT id FROM account WHERE name = ?))`,
  /** Lets an account bind again the key that was taken away from it last. */
  allowReturn: `UPDATE unbound_key SET may_return = 1 WHERE fp = (SELECT fp FROM unbound_key
    WHERE account_id = (SELECT id FROM account WHERE name = ?) ORDER BY at DESC LIMIT 1)
    RETURNING fp`,
  unbindKey: `UPDATE account SET fp = NULL, bundle = NULL, bound_at = NULL WHERE name = ?`,
  usage: `SELECT a.bytes, total(f.count) AS entries,
      total(f.unseen) FILTER (WHERE f.folder = 0) AS unseen
    FROM account AS a CROSS JOIN folder AS f ON f.account_id = a.id WHERE a.name = ?
    GROUP BY a.id`,
  mailbox: "SELECT id, epoch, next_uid, modseq, forgotten, bytes FROM account WHERE name = ?",
  setModseq: "UPDATE account SET modseq = ?, bytes = bytes + ? WHERE id = ?",

  folders: `SELECT folder, validity, next, count, unseen, bytes, modseq FROM folder
    WHERE account_id = ? ORDER BY folder`,
  folderValidity: "SELECT validity FROM folder WHERE account_id = ? AND folder = ?",
  ownFolders: "SELECT count(*) AS n FROM folder WHERE account_id = ? AND folder >= ?",
  takeValidity: `UPDATE account SET last_validity = max(last_validity + 1, ?) WHERE id = ?
    RETURNING last_validity AS validity`,
  addFolder: "INSERT INTO folder (account_id, folder, validity) VALUES (?, ?, ?)",
  dropFolder: `DELETE FROM folder WHERE account_id = ? AND folder = ? AND count = 0`,
  takeNumber: `UPDATE folder SET next = next + 1, count = count + 1, unseen = unseen + ?1,
    bytes = bytes + ?2, modseq = max(modseq, ?3)
    WHERE account_id = ?4 AND folder = ?5 AND next < 4294967295 RETURNING next - 1 AS number`,
  leaveFolder: `UPDATE folder SET count = count - 1, unseen = unseen - ?1, bytes = bytes - ?2,
    modseq = max(modseq, ?3) WHERE account_id = ?4 AND folder = ?5`,
  touchFolder: `UPDATE folder SET unseen = unseen + ?1, modseq = max(modseq, ?2)
    WHERE account_id = ?3 AND folder = ?4`,

  addDeparture: `INSERT INTO departure (account_id, modseq, kind, uid, folder, number, at)
    VALUES (?, ?, ?, ?, ?, ?, ?)`,
  departures: `SELECT modseq, kind, uid, folder, number FROM departure
    WHERE account_id = ? AND modseq > ? ORDER BY modseq LIMIT ?`,
  changedPlaces: `SELECT uid, modseq, folder, number, flags, flags_high FROM entry
    WHERE account_id = ? AND modseq > ? ORDER BY modseq LIMIT ?`,
  oldDepartures: "SELECT account_id, modseq FROM departure WHERE at < ? ORDER BY at LIMIT ?",
  forgetDeparture: "DELETE FROM departure WHERE account_id = ? AND modseq = ?",
  raiseForgotten: "UPDATE account SET forgotten = max(forgotten, ?) WHERE id = ?",

  sharedRecord: `SELECT version, sealed FROM shared_record
    WHERE account_id = (SELECT id FROM account WHERE name = ?)`,
  sharedVersion: "SELECT version FROM shared_record WHERE account_id = ?",
  putSharedRecord: `INSERT INTO shared_record (account_id, version, sealed) VALUES (?, ?, ?)
    ON CONFLICT (account_id) DO UPDATE SET version = excluded.version, sealed = excluded.sealed`,

  delivered: "SELECT digest, at FROM delivered_id WHERE sender_fp = ? AND message_id = ?",
  addDelivered: `INSERT INTO delivered_id (sender_fp, message_id, digest, at)
    VALUES (?, ?, ?, ?) ON CONFLICT (sender_fp, message_id) DO NOTHING`,
  forgetDelivered: `DELETE FROM delivered_id WHERE (sender_fp, message_id) IN
    (SELECT sender_fp, message_id FROM delivered_id WHERE at < ? ORDER BY at LIMIT ?)`,

  addMessage: `INSERT INTO message (body_size, body_file, header, summary, body)
    VALUES (?, ?, ?, ?, ?)`,
  takeUid: `UPDATE account SET next_uid = next_uid + 1, modseq = modseq + 1, bytes = bytes + ?
    WHERE name = ? RETURNING id, next_uid - 1 AS uid, modseq, bytes`,
  addEntry: `INSERT INTO entry (account_id, uid, message_id, folder, number, flags, flags_high,
      modseq, received_at, changed_at, bytes, stanza, note)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,

  entry: `${ENTRY} AND e.uid = ?`,
  newest: `${ENTRY} ${RANGE} ORDER BY e.uid DESC LIMIT ?`,
  oldest: `${ENTRY} ${RANGE} ORDER BY e.uid LIMIT ?`,
  newestIn: `${ENTRY} ${RANGE} AND e.folder = ? ORDER BY e.uid DESC LIMIT ?`,
  oldestIn: `${ENTRY} ${RANGE} AND e.folder = ? ORDER BY e.uid LIMIT ?`,
  bodyOf: `SELECT m.body_size, m.body_file, m.body
    FROM entry AS e CROSS JOIN message AS m ON m.id = e.message_id
    WHERE e.account_id = ? AND e.uid = ?`,

  placeOf: `SELECT folder, number, flags, flags_high, modseq, bytes FROM entry
    WHERE account_id = ? AND uid = ?`,
  setPlace: `UPDATE entry SET folder = ?, number = ?, flags = ?, flags_high = ?, modseq = ?,
    changed_at = ? WHERE account_id = ? AND uid = ?`,

  removeEntry: `DELETE FROM entry WHERE account_id = ? AND uid = ?
    RETURNING message_id, folder, number, flags, bytes`,
  removeMessage: `DELETE FROM message WHERE id = ?1 AND NOT EXISTS
    (SELECT 1 FROM entry WHERE message_id = ?1) RETURNING body_file`,
  // The conditions are those of the indexes; CROSS JOIN fixes the order.
  expiredTrash: `SELECT a.name, e.uid FROM entry AS e INDEXED BY entry_trash
    CROSS JOIN account AS a ON a.id = e.account_id
    WHERE e.folder = 3 AND e.changed_at < ? ORDER BY e.changed_at LIMIT ?`,
  expiredRead: `SELECT a.name, e.uid FROM entry AS e INDEXED BY entry_read
    CROSS JOIN account AS a ON a.id = e.account_id
    WHERE e.folder = 0 AND e.flags & 5 = 1 AND e.changed_at < ? ORDER BY e.changed_at LIMIT ?`,

  addTicket: `INSERT INTO ticket (id, account_id, fp, credential, wrapped, full_at, expires)
    SELECT ?, id, ?, ?, ?, ?, ? FROM account WHERE name = ?`,
  ticket: `SELECT t.id, a.name, t.fp, t.credential, t.wrapped, t.full_at, t.expires
    FROM ticket AS t CROSS JOIN account AS a ON a.id = t.account_id WHERE t.id = ?`,
  dropOldTickets: `DELETE FROM ticket WHERE id IN (SELECT id FROM ticket
    WHERE account_id = (SELECT id FROM account WHERE name = ?)
    ORDER BY expires DESC LIMIT -1 OFFSET ?)`,
  takeTicket: "DELETE FROM ticket WHERE id = ?",
  dropTickets: `DELETE FROM ticket WHERE account_id =
    (SELECT id FROM account WHERE name = ?)`,
  dropExpiredTickets: "DELETE FROM ticket WHERE expires < ?",

  addLogRecord: `INSERT INTO key_log (number, at, event, generation, seq, name, fp, hash)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  lastLogRecord: `SELECT number, at, generation, hash FROM key_log
    WHERE number = (SELECT max(number) FROM key_log)`,
  logBeginning: "SELECT generation FROM key_log WHERE number = 0",
  logRecords: `SELECT number, at, event, seq, name, fp FROM key_log
    WHERE number > ? AND number > 0 ORDER BY number LIMIT ?`,
  loggedServerKey: `SELECT fp FROM key_log
    WHERE number = (SELECT max(number) FROM key_log INDEXED BY key_log_server WHERE event = 5)`,
  seeMachine: `INSERT INTO machine (account_id, id, first_at, last_at, source)
    SELECT id, ?, ?, ?, ? FROM account WHERE name = ?
    ON CONFLICT (account_id, id) DO UPDATE SET last_at = excluded.last_at, source = excluded.source`,
  dropOldMachines:
    `DELETE FROM machine WHERE (account_id, id) IN (SELECT account_id, id FROM machine
    WHERE account_id = (SELECT id FROM account WHERE name = ?)
    ORDER BY last_at DESC LIMIT -1 OFFSET ?)`,
  machines: `SELECT m.id, m.first_at, m.last_at, m.source
    FROM account AS a CROSS JOIN machine AS m ON m.account_id = a.id
    WHERE a.name = ? ORDER BY m.last_at DESC`,
  dropMachines: `DELETE FROM machine WHERE account_id =
    (SELECT id FROM account WHERE name = ?)`,

  kitOwner:
    "SELECT a.name FROM kit AS k CROSS JOIN account AS a ON a.id = k.account_id WHERE k.id = ?",
  putKit: `INSERT INTO kit (account_id, id, at, sealed) VALUES (?, ?, ?, ?)
    ON CONFLICT (account_id) DO UPDATE SET id = excluded.id, at = excluded.at,
      sealed = excluded.sealed, fetched_at = CASE WHEN id = excluded.id THEN fetched_at END`,
  kitState: `SELECT k.id, k.at, k.fetched_at
    FROM account AS a CROSS JOIN kit AS k ON k.account_id = a.id WHERE a.name = ?`,
  fetchKit: "UPDATE kit SET fetched_at = ? WHERE id = ? RETURNING sealed, account_id",
  nameOf: "SELECT name FROM account WHERE id = ?",
  dropKit: "DELETE FROM kit WHERE account_id = (SELECT id FROM account WHERE name = ?)",

  journalGeneration: "SELECT generation FROM journal WHERE id = 1",
  setJournalGeneration: "UPDATE journal SET generation = ? WHERE id = 1",

  stats: `SELECT count(*) AS accounts, count(fp) AS bound,
    (SELECT total(count) FROM folder) AS entries, total(bytes) AS bytes,
    (SELECT count(*) FROM ticket) AS tickets,
    (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) AS database
    FROM account`,

  bodyFiles: "SELECT body_file FROM message WHERE body_file >= ? AND body_file < ?",
} as const;

/** The statements, compiled once for a connection. */
export type Statements = { readonly [name in keyof typeof SQL]: StatementSync };

/** Compiles all statements. Throws what SQLite throws if the schema is another one. */
export function prepareStatements(db: DatabaseSync): Statements {
  const names = Object.keys(SQL) as (keyof typeof SQL)[];
  return Object.fromEntries(names.map((name) => [name, db.prepare(SQL[name])])) as Statements;
}

/** A row as SQLite gives it. */
export type SqlRow = Readonly<Record<string, SQLOutputValue>>;

/** The integer in column `name`. Throws `internal` if it is none. */
export function integer(row: SqlRow, name: string): number {
  const value = row[name];
  if (typeof value !== "number") throw mistyped(name);
  return value;
}

/** The text in column `name`. Throws `internal` if it is none. */
export function text(row: SqlRow, name: string): string {
  const value = row[name];
  if (typeof value !== "string") throw mistyped(name);
  return value;
}

/** The bytes in column `name`. Throws `internal` if it has none. */
export function blob(row: SqlRow, name: string): Bytes {
  const value = row[name];
  if (!(value instanceof Uint8Array) || !(value.buffer instanceof ArrayBuffer)) {
    throw mistyped(name);
  }
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** What `read` gives for column `name`, or null if that is null. */
export function nullable<T>(
  row: SqlRow,
  name: string,
  read: (row: SqlRow, name: string) => T,
): T | null {
  return row[name] === null ? null : read(row, name);
}

function mistyped(name: string): SealpostError {
  return new SealpostError("internal", `the database has another type in the column ${name}`);
}
