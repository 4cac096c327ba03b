import { join } from "@std/path";
import { runStatements } from "../../files/sqlite.ts";
import { type Bytes, random } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { RefusedError } from "../../protocol/refused.ts";
import { isConstraint, mayHaveCommitted } from "./database.ts";
import { damagedJournal, GENERATION_SIZE, JOURNAL_NAME, readJournal } from "./delivery_journal.ts";
import { MailboxRows } from "./mailbox_rows.ts";
import { blob, prepareStatements } from "./statements.ts";
import type { Delivery } from "./store.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Lets one write of a transaction fail without the others. */
export class Savepoint {
  readonly #db: DatabaseSync;
  readonly #set: StatementSync;
  readonly #release: StatementSync;
  readonly #undo: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#set = db.prepare("SAVEPOINT job");
    this.#release = db.prepare("RELEASE job");
    this.#undo = db.prepare("ROLLBACK TO job");
  }

  /**
   * Runs `write` in the open transaction; if it throws, all that it wrote is undone and `refused` is
   * told why. Throws if the transaction is lost with the write, or the disk has failed.
   */
  run(write: () => void, refused: (error: unknown) => void): void {
    this.#set.run();
    try {
      write();
    } catch (error) {
      // SQLite ends the whole transaction by itself on some errors, a full disk among them.
      if (!this.#db.isTransaction || mayHaveCommitted(error)) throw error;
      this.#undo.run();
      refused(error);
    }
    this.#release.run();
  }
}

/**
 * Makes the rows of `deliveries` once more, in the open transaction. Who was refused is refused again;
 * whatever else a delivery fails with is thrown, so that the journal keeps it.
 */
export function replay(
  savepoint: Savepoint,
  rows: MailboxRows,
  deliveries: readonly Delivery[],
): void {
  for (const delivery of deliveries) {
    savepoint.run(() => void rows.deliver(delivery), requireRefusal);
  }
}

function requireRefusal(error: unknown): void {
  const refused = error instanceof RefusedError || isSealpostError(error, "no-such-user");
  if (!refused && !isConstraint(error)) throw error;
}

/**
 * Commits to a database that no server uses, or to a copy of one, the rows of the deliveries that a
 * `journal` has and it has not. Nothing that comes into that journal later belongs to it from then on:
 * a copy that is put back by hand is an older state, whatever the journal beside it says. Throws what
 * SQLite throws, and `format` for a damaged journal, with the path of that in the `folder` of the store.
 */
export function commitJournal(db: DatabaseSync, journal: Bytes, folder: string): void {
  const deliveries = readable(() => journaled(db, journal), folder);
  const statements = prepareStatements(db);
  runStatements(db, "BEGIN IMMEDIATE");
  replay(new Savepoint(db), new MailboxRows(statements), deliveries);
  statements.setJournalGeneration.run(random(GENERATION_SIZE));
  runStatements(db, "COMMIT");
}

function readable<T>(read: () => T, folder: string): T {
  try {
    return read();
  } catch (error) {
    throw damagedJournal(join(folder, JOURNAL_NAME), error, "format");
  }
}

/** The deliveries of a journal that have no rows in the database. Throws `format` for a damaged one. */
export function journaled(db: DatabaseSync, journal: Bytes): readonly Delivery[] {
  const row = db.prepare("SELECT generation FROM journal WHERE id = 1").get();
  return readJournal(journal, blob(row ?? {}, "generation"));
}
