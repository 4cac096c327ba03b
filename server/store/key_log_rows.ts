import {
  firstLogHash,
  KEY_EVENTS,
  type KeyEvent,
  type LogRecord,
  type LogState,
  nextLogHash,
} from "../../protocol/key_log.ts";
import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { blob, integer, SQL, type SqlRow, text } from "./statements.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** What a record of the log tells of; its number and its time come with it. */
export type LoggedEvent = Pick<LogRecord, "event" | "name" | "fp" | "seq">;

/** The statements that adding a record takes. */
interface LogStatements {
  readonly addLogRecord: StatementSync;
  readonly lastLogRecord: StatementSync;
}

/** Begins the log of an empty database at `now`, milliseconds since 1970. */
export function beginLog(db: DatabaseSync, now: number): void {
  const generation = Math.floor(now / 1000);
  const none = new Uint8Array(32);
  db.prepare(SQL.addLogRecord)
    .run(0, now, 0, generation, generation, "", none, firstLogHash(generation));
}

/** A record as it is kept: behind the log up to it, with the hash of the log that it ends. */
export interface NextRecord extends LogRecord {
  /** Of the log that it belongs to. */
  readonly generation: number;
  readonly hash: Bytes;
}

/**
 * The record behind the last one. Its time is `at`, milliseconds since 1970, or that of the last one if
 * the clock has gone back.
 */
export function nextRecord(
  { n, hash, generation, time }: LogState & { readonly time: number },
  logged: LoggedEvent,
  at: number,
): NextRecord {
  const record = { ...logged, index: n + 1, time: Math.max(at, time) };
  return {
    ...record,
    generation: logged.event === "generation" ? logged.seq : generation,
    hash: nextLogHash(hash, record),
  };
}

/** Adds a record behind the last one, in the transaction that is open. */
export function appendLog(sql: LogStatements, logged: LoggedEvent, at: number): void {
  const { index, time, event, generation, seq, name, fp, hash } = nextRecord(
    logStateOf(sql.lastLogRecord.get()),
    logged,
    at,
  );
  sql.addLogRecord.run(index, time, KEY_EVENTS[event], generation, seq, name, fp, hash);
}

/**
 * Begins a new generation at `now`, milliseconds since 1970, above all that the log has had and `above`,
 * seconds. The log before it stays as it is.
 */
export function beginGeneration(db: DatabaseSync, now: number, above: number): void {
  const sql = {
    addLogRecord: db.prepare(SQL.addLogRecord),
    lastLogRecord: db.prepare(SQL.lastLogRecord),
  };
  const { hash, generation, time } = logStateOf(sql.lastLogRecord.get());
  const seq = Math.max(Math.floor(Math.max(now, time) / 1000), generation + 1, above + 1);
  appendLog(sql, { event: "generation", name: "", fp: hash, seq }, now);
}

/** The log's state, and the time of its last record, in the row of that. */
export function logStateOf(row: SqlRow | undefined): LogState & { readonly time: number } {
  if (row === undefined) throw new SealpostError("file-io", "the store has no key log");
  return {
    generation: integer(row, "generation"),
    n: integer(row, "number"),
    hash: blob(row, "hash"),
    time: integer(row, "at"),
  };
}

/** The record in a row of the log. */
export function logRecordOf(row: SqlRow): LogRecord {
  return {
    index: integer(row, "number"),
    time: integer(row, "at"),
    event: eventOf(integer(row, "event")),
    name: text(row, "name"),
    fp: blob(row, "fp"),
    seq: integer(row, "seq"),
  };
}

function eventOf(code: number): KeyEvent {
  for (const [event, known] of Object.entries(KEY_EVENTS)) {
    if (known === code) return event as KeyEvent;
  }
  throw new SealpostError("file-io", `the store's key log has an event ${code}`);
}
