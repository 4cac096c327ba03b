import type { Bytes } from "../../crypto/bytes.ts";
import { equal } from "../../crypto/bytes.ts";
import { errorText, SealpostError } from "../../crypto/error.ts";
import { decodeBundle, formatFingerprint } from "../../crypto/identity.ts";
import { padme } from "../../crypto/padme.ts";
import { CHUNK, SEALED_CHUNK } from "../../crypto/stream.ts";
import { BUILT_IN_FOLDERS, folderOf } from "../../protocol/entry.ts";
import { KeyLog } from "../../protocol/key_log.ts";
import { decodeHeader } from "../../protocol/header.ts";
import { printable } from "../../cli/printable.ts";
import { Progress } from "../../cli/progress.ts";
import { decodeCertificate, verifyCertificate } from "../../protocol/rotation.ts";
import { checkStanza } from "../../protocol/stanza.ts";
import { BUCKETS, MAX_NOTE, MAX_SUMMARY } from "../../protocol/summary.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { isBodyName } from "../store/body_files.ts";
import type { Counts, FsckFindings } from "./findings.ts";
import { SqliteRows } from "./sqlite_rows.ts";
import type { Dialect, StoreRows } from "./store_rows.ts";
import { logRecordOf } from "../store/key_log_rows.ts";
import { SCHEMA } from "../store/schema.sql.ts";
import { blob, integer, nullable, type SqlRow, text } from "../store/statements.ts";
import { DatabaseSync } from "node:sqlite";

/** Problems that SQLite names before it stops looking. */
const MAX_PROBLEMS = 20;

/** Sizes that a sealed part has beyond its padded text: a signature and a tag, or a tag alone. */
const SUMMARY_OVERHEAD = 64 + 16;
const NOTE_OVERHEAD = 16;
const MIN_BODY = 4096;

// Each statement means the same to SQLite and to PostgreSQL, whose sums of integers are no integers.

/** What the entries and departures say that the counters of each account should be. */
const countedBy = ({ greatest }: Dialect) =>
  `SELECT a.id, a.name, a.next_uid, a.modseq, a.bytes,
    (SELECT count(*) FROM entry WHERE account_id = a.id) AS entries,
    (SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM entry WHERE account_id = a.id)
      AS real_bytes,
    (SELECT coalesce(max(uid), 0) FROM entry WHERE account_id = a.id) AS last_uid,
    ${greatest}((SELECT coalesce(max(modseq), 0) FROM entry WHERE account_id = a.id),
      (SELECT coalesce(max(modseq), 0) FROM departure WHERE account_id = a.id)) AS last_modseq
  FROM account AS a`;

/** What the entries say that the counters of each folder should be. */
const FOLDERS_COUNTED = `SELECT f.account_id, f.folder, a.name, f.next, f.count, f.unseen, f.bytes,
    count(e.uid) AS real_count, count(CASE WHEN e.flags & 1 = 0 THEN 1 END) AS real_unseen,
    CAST(coalesce(sum(e.bytes), 0) AS BIGINT) AS real_bytes,
    coalesce(max(e.number), 0) AS last_number
  FROM folder AS f JOIN account AS a ON a.id = f.account_id
    LEFT JOIN entry AS e ON e.account_id = f.account_id AND e.folder = f.folder
  GROUP BY f.account_id, f.folder, a.name`;

/** Modification sequences that were given to two changes. */
const SHARED_MODSEQ = `SELECT a.name, e.uid, e.modseq FROM entry AS e
    JOIN departure AS d ON d.account_id = e.account_id AND d.modseq = e.modseq
    JOIN account AS a ON a.id = e.account_id`;

/** Folders that every mailbox has, and this one has not. */
const WITHOUT_FOLDERS = `SELECT a.name, count(f.folder) AS n FROM account AS a
    LEFT JOIN folder AS f ON f.account_id = a.id AND f.folder < ${BUILT_IN_FOLDERS.length}
  GROUP BY a.id HAVING count(f.folder) < ${BUILT_IN_FOLDERS.length}`;

const ENTRIES =
  `SELECT a.name, e.uid, e.message_id, e.folder, e.flags, e.flags_high, e.received_at, e.bytes,
    e.stanza, length(e.note) AS note,
    CASE WHEN EXISTS (SELECT 1 FROM folder WHERE account_id = e.account_id AND folder = e.folder)
      THEN 1 ELSE 0 END AS placed,
    length(m.header) + length(m.summary) + m.body_size AS shared
  FROM entry AS e LEFT JOIN account AS a ON a.id = e.account_id
    LEFT JOIN message AS m ON m.id = e.message_id`;

const messagesBy = ({ bodyFile }: Dialect) =>
  `SELECT id, header, body_size, ${bodyFile} AS body_file, length(summary) AS summary FROM message`;

const UNREACHABLE = `SELECT id, header FROM message AS m
  WHERE NOT EXISTS (SELECT 1 FROM entry WHERE message_id = m.id)`;

// 1-based: the id is in bytes 2 to 17 of the header, the sender's fingerprint in 18 to 49.
const TWICE = `SELECT id, header FROM message WHERE id IN (SELECT min(id) FROM message
  GROUP BY substr(header, 1, 49) HAVING count(*) > 1)`;

// Ids are forgotten from the oldest on: whoever is not older than the oldest one known is known.
const FORGOTTEN = `SELECT m.id, m.header FROM message AS m
  WHERE (SELECT min(received_at) FROM entry WHERE message_id = m.id)
      >= (SELECT min(at) FROM delivered_id)
    AND NOT EXISTS (SELECT 1 FROM delivered_id
      WHERE sender_fp = substr(m.header, 18, 32) AND message_id = substr(m.header, 2, 16))`;

/** Mends what {@linkcode checkRows} finds of the kinds `counter` and `next-uid`. */
export const repairsBy = (dialect: Dialect): readonly string[] => [
  `UPDATE account SET bytes = c.real_bytes,
      next_uid = ${dialect.greatest}(account.next_uid, c.last_uid + 1),
      modseq = ${dialect.greatest}(account.modseq, c.last_modseq)
    FROM (${countedBy(dialect)}) AS c WHERE c.id = account.id`,
  `UPDATE folder SET count = c.real_count, unseen = c.real_unseen, bytes = c.real_bytes,
      next = ${dialect.greatest}(folder.next, c.last_number + 1)
    FROM (${FOLDERS_COUNTED}) AS c
    WHERE c.account_id = folder.account_id AND c.folder = folder.folder`,
];

/**
 * Checks the database of a store in a folder: SQLite's own structures, and {@linkcode checkContents}.
 * Reads in one transaction if one is open on `db`.
 */
export async function checkRows(db: DatabaseSync, findings: FsckFindings): Promise<Counts> {
  const store = new SqliteRows(db, "");
  await attempt(store, findings, "the database", () => checkDatabase(db, findings));
  await attempt(store, findings, "the schema", () => checkSchema(db, findings));
  return await checkContents(store, findings);
}

/**
 * Checks everything that the rows of a store say about themselves and each other, down to the layout
 * of what is sealed in them. A check that the damage itself prevents is reported as damage.
 */
export async function checkContents(store: StoreRows, findings: FsckFindings): Promise<Counts> {
  let counts: Counts = { accounts: 0, messages: 0, entries: 0, bytes: 0 };
  const rows = new CheckedRows();
  try {
    await attempt(store, findings, "the rows", () => rows.count(store));
    await attempt(store, findings, "the messages", () => checkMessages(store, findings, rows));
    await attempt(store, findings, "the entries", () => checkEntries(store, findings, rows));
  } finally {
    rows.finish();
  }
  await attempt(store, findings, "the accounts", async () => {
    counts = await checkAccounts(store, findings);
  });
  await attempt(store, findings, "the rotations", () => checkRotations(store, findings));
  await attempt(store, findings, "the key log", () => checkKeyLog(store, findings));
  await attempt(store, findings, "the ids", async () => {
    for await (const row of store.rows(FORGOTTEN)) {
      findings.damage("delivered", `the id of ${messageName(row)} is not remembered`);
    }
  });
  return counts;
}

/** Shows at a terminal how many messages and entries were looked at. */
class CheckedRows {
  readonly #progress = new Progress("checking", 0, "rows");
  #done = 0;

  /** Finds out how many there are. */
  async count(store: StoreRows): Promise<void> {
    const both = "SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM entry) AS n";
    for await (const row of store.rows(both)) this.#progress.update(0, integer(row, "n"));
  }

  another(): void {
    this.#progress.update(++this.#done);
  }

  finish(): void {
    this.#progress.finish();
  }
}

/** Runs a check; one that damage prevents is reported. */
export async function attempt(
  store: StoreRows,
  findings: FsckFindings,
  what: string,
  check: () => void | Promise<void>,
): Promise<void> {
  try {
    await store.isolated(async () => await check());
  } catch (error) {
    if (!store.saysDamaged(error)) throw error;
    findings.damage("database", `${what} cannot be checked: ${printable(errorText(error))}`);
  }
}

function checkDatabase(db: DatabaseSync, findings: FsckFindings): void {
  for (const row of db.prepare(`PRAGMA integrity_check(${MAX_PROBLEMS})`).iterate()) {
    const problem = text(row, "integrity_check");
    if (problem !== "ok") findings.damage("database", printable(problem));
  }
  for (const row of db.prepare("PRAGMA foreign_key_check").iterate()) {
    findings.damage(
      "database",
      `row ${row["rowid"]} of ${row["table"]} refers to no row of ${row["parent"]}`,
    );
  }
}

/** Compares tables and indexes with those that this program makes. */
function checkSchema(db: DatabaseSync, findings: FsckFindings): void {
  const fresh = new DatabaseSync(":memory:");
  try {
    fresh.exec(SCHEMA);
    const there = schemaOf(db);
    for (const [name, sql] of schemaOf(fresh)) {
      const found = there.get(name);
      if (found === undefined) findings.damage("schema", `the ${name} is missing`);
      else if (found !== sql) findings.damage("schema", `the ${name} is another than it should be`);
    }
  } finally {
    fresh.close();
  }
}

function schemaOf(db: DatabaseSync): Map<string, string> {
  const rows = db.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL").all();
  return new Map(
    rows.map((row) => [`${text(row, "type")} ${text(row, "name")}`, text(row, "sql")]),
  );
}

async function checkMessages(
  store: StoreRows,
  findings: FsckFindings,
  rows: CheckedRows,
): Promise<void> {
  for await (const row of store.rows(messagesBy(store.dialect))) {
    rows.another();
    const name = messageName(row);
    const problem = problemOf(() => decodeHeader(blob(row, "header")));
    if (problem !== null) findings.damage("message", `${name}: ${problem}`);
    const file = nullable(row, "body_file", text);
    if (file !== null && !isBodyName(file)) {
      findings.damage("message", `${name} names a file that no body has`);
    }
    const summary = integer(row, "summary");
    if (summary < 1 || summary > MAX_SUMMARY) {
      findings.damage("message", `${name}: a summary of ${summary} bytes`);
    } else if (!BUCKETS.some((bucket) => bucket + SUMMARY_OVERHEAD === summary)) {
      findings.note("unusual", `${name} was sent with a summary of an impossible size`);
    }
    if (!isSealedBodySize(integer(row, "body_size"))) {
      findings.note("unusual", `${name} was sent with a body of an impossible size`);
    }
  }
  for await (const row of store.rows(UNREACHABLE)) {
    findings.damage("message", `${messageName(row)} is in no mailbox`);
  }
  for await (const row of store.rows(TWICE)) {
    findings.damage("message", `${messageName(row)} is there twice`);
  }
}

/** Whether a sealed body can have `size` bytes: whole chunks and a last one, of a padded length. */
function isSealedBodySize(size: number): boolean {
  const chunks = Math.ceil(size / SEALED_CHUNK);
  const padded = size - chunks * (SEALED_CHUNK - CHUNK);
  return padded >= MIN_BODY && Math.ceil(padded / CHUNK) === chunks && padme(padded) === padded;
}

async function checkEntries(
  store: StoreRows,
  findings: FsckFindings,
  rows: CheckedRows,
): Promise<void> {
  for await (const row of store.rows(ENTRIES)) {
    rows.another();
    const uid = integer(row, "uid");
    const name = `${nullable(row, "name", text) ?? "an unknown account"}/${uid}`;
    const shared = nullable(row, "shared", integer);
    if (shared === null) {
      findings.damage("entry", `${name} has no message`);
      continue;
    }
    const stanza = blob(row, "stanza");
    const problem = problemOf(() => checkStanza(stanza));
    if (problem !== null) findings.damage("entry", `${name}: ${problem}`);
    const note = nullable(row, "note", integer);
    if (note !== null && (note < 1 || note > MAX_NOTE)) {
      findings.damage("entry", `${name}: a note of ${note} bytes`);
    } else if (note !== null && !BUCKETS.some((bucket) => bucket + NOTE_OVERHEAD === note)) {
      findings.note("unusual", `${name} was sent with a note of an impossible size`);
    }
    const folder = integer(row, "folder");
    const [low, high] = [integer(row, "flags"), integer(row, "flags_high")];
    const misplaced = problemOf(() => folderOf(folder)) !== null || integer(row, "placed") === 0;
    if (misplaced || low < 0 || low > 0xffff_ffff || high < 0 || high > 0x7fff_ffff) {
      findings.damage("entry", `${name}: no folder ${folder} with flags ${low}, ${high}`);
    }
    if (integer(row, "bytes") !== shared + stanza.length + (note ?? 0)) {
      findings.damage("entry", `${name} counts for another number of bytes than it has`);
    }
  }
}

/** Compares the counters of a row with what was counted, in the columns `real_…`. */
function compare(
  findings: FsckFindings,
  name: string,
  row: SqlRow,
  counters: readonly string[],
): void {
  for (const counter of counters) {
    const [said, real] = [integer(row, counter), integer(row, `real_${counter}`)];
    if (said !== real) findings.damage("counter", `${name}: ${counter} is ${said}, not ${real}`);
  }
}

async function checkAccounts(store: StoreRows, findings: FsckFindings): Promise<Counts> {
  const counts = { accounts: 0, messages: 0, entries: 0, bytes: 0 };
  for await (const row of store.rows(countedBy(store.dialect))) {
    const name = text(row, "name");
    counts.accounts++;
    counts.entries += integer(row, "entries");
    counts.bytes += integer(row, "real_bytes");
    compare(findings, name, row, ["bytes"]);
    if (integer(row, "next_uid") <= integer(row, "last_uid")) {
      findings.damage("next-uid", `${name}: the next UID, ${row["next_uid"]}, is taken`);
    }
    if (integer(row, "modseq") < integer(row, "last_modseq")) {
      findings.damage(
        "next-uid",
        `${name}: the modification sequence, ${row["modseq"]}, is behind`,
      );
    }
  }
  for await (const row of store.rows(FOLDERS_COUNTED)) {
    const name = `${text(row, "name")}, folder ${row["folder"]}`;
    compare(findings, name, row, ["count", "unseen", "bytes"]);
    if (integer(row, "next") <= integer(row, "last_number")) {
      findings.damage("next-uid", `${name}: the next number, ${row["next"]}, is taken`);
    }
  }
  for await (const row of store.rows(SHARED_MODSEQ)) {
    findings.damage("entry", `${text(row, "name")}/${row["uid"]} shares a modification sequence`);
  }
  for await (const row of store.rows(WITHOUT_FOLDERS)) {
    findings.damage("account", `${text(row, "name")} lacks a folder that every mailbox has`);
  }
  const keys = "SELECT name, fp, bundle FROM account WHERE bundle IS NOT NULL";
  for await (const row of store.rows(keys)) {
    const fp = blob(row, "fp");
    const problem = await keyProblem(fp, blob(row, "bundle"));
    if (problem !== null) findings.damage("account", `the key of ${text(row, "name")}: ${problem}`);
  }
  for await (const row of store.rows("SELECT count(*) AS n FROM message")) {
    counts.messages = integer(row, "n");
  }
  return counts;
}

async function keyProblem(fp: Bytes, bundle: Bytes): Promise<string | null> {
  try {
    return equal((await decodeBundle(bundle)).fp, fp)
      ? null
      : `it does not have the fingerprint ${formatFingerprint(fp)}`;
  } catch (error) {
    if (!(error instanceof SealpostError)) throw error;
    return error.message;
  }
}

// The one before it, if there is one, has the number before.
const ROTATIONS =
  `SELECT r.fp_old, r.fp_new, r.seq, r.certificate, r.bundle_old, r.bundle_new, a.name,
    CASE WHEN p.seq IS NULL THEN NULL WHEN r.seq = p.seq + 1 THEN 1 ELSE 0 END AS follows,
    CASE WHEN EXISTS (SELECT 1 FROM account WHERE fp = r.fp_old) THEN 1 ELSE 0 END AS bound
  FROM rotation AS r JOIN account AS a ON a.id = r.account_id
    LEFT JOIN rotation AS p ON p.fp_new = r.fp_old AND p.account_id = r.account_id`;

/** Checks that every certificate is what its row says, and that both keys have signed it. */
async function checkRotations(store: StoreRows, findings: FsckFindings): Promise<void> {
  for await (const row of store.rows(ROTATIONS)) {
    const problem = await rotationProblem(row);
    if (problem === null) continue;
    const which = formatFingerprint(blob(row, "fp_old"));
    findings.damage("rotation", `the rotation of ${text(row, "name")} from ${which}: ${problem}`);
  }
}

async function rotationProblem(row: SqlRow): Promise<string | null> {
  try {
    const certificate = decodeCertificate(blob(row, "certificate"));
    const [from, to] = [
      await decodeBundle(blob(row, "bundle_old")),
      await decodeBundle(blob(row, "bundle_new")),
    ];
    await verifyCertificate(certificate, from, to);
    const { name, seq, fpOld, fpNew } = certificate;
    if (
      name !== text(row, "name") || seq !== integer(row, "seq") ||
      !equal(fpOld, blob(row, "fp_old")) || !equal(fpNew, blob(row, "fp_new"))
    ) return "its certificate says something else";
    if ((nullable(row, "follows", integer) ?? Number(seq === 1)) !== 1) {
      return "it does not follow the one before it";
    }
    if (integer(row, "bound") === 1) return "the key that was left is bound";
    return null;
  } catch (error) {
    if (!(error instanceof SealpostError)) throw error;
    return error.message;
  }
}

const LOG_ROWS =
  "SELECT number, at, event, generation, seq, name, fp, hash FROM key_log ORDER BY number";
const BOUND_KEYS = `SELECT a.name, a.fp, coalesce((SELECT seq FROM rotation
    WHERE fp_new = a.fp AND account_id = a.id), 0) AS seq FROM account AS a`;

/**
 * Checks that the key log is one unbroken chain, and that what it says last of each name is what the
 * accounts say.
 */
async function checkKeyLog(store: StoreRows, findings: FsckFindings): Promise<void> {
  const [beginning, ...rows] = await Array.fromAsync(store.rows(LOG_ROWS));
  if (beginning === undefined) return findings.damage("key-log", "the store has no key log");
  const chain = KeyLog.begin(integer(beginning, "generation"));
  let log = chain;
  const problem = problemOf(() => log = chain.extend(rows.map(logRecordOf)));
  if (problem !== null) return findings.damage("key-log", problem);
  const altered = [beginning, ...rows].find((row, n) => {
    return integer(row, "number") !== n ||
      integer(row, "generation") !== log.generationAt(n) ||
      !equal(log.hash(n), blob(row, "hash"));
  });
  if (altered !== undefined) {
    const number = integer(altered, "number");
    return findings.damage("key-log", `record ${number} of the key log was altered`);
  }
  for await (const row of store.rows(BOUND_KEYS)) {
    const name = text(row, "name");
    const fp = nullable(row, "fp", blob);
    const last = log.newest(name);
    const logged = last === null || last.event === "unbound" ? null : last;
    const same = fp === null
      ? logged === null
      : logged !== null && equal(logged.fp, fp) && logged.seq === integer(row, "seq");
    if (!same) {
      findings.damage("key-log", `the key log has another key of ${name} than its account`);
    }
  }
}

/** The message that `check` throws; null if it throws none. */
function problemOf(check: () => void): string | null {
  try {
    check();
    return null;
  } catch (error) {
    if (!(error instanceof SealpostError)) throw error;
    return error.message;
  }
}

/** A message by its id if its header says one, else by its row. */
function messageName(row: SqlRow): string {
  const header = blob(row, "header");
  return problemOf(() => decodeHeader(header)) === null
    ? `message ${formatMessageId(header.subarray(1, 17))}`
    : `message in row ${integer(row, "id")}`;
}
