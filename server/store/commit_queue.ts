import { random } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { runStatements } from "../../files/sqlite.ts";
import { type DeliveryJournal, GENERATION_SIZE } from "./delivery_journal.ts";
import type { Disk } from "./disk.ts";
import type { MailboxRows } from "./mailbox_rows.ts";
import { replay, Savepoint } from "./replay.ts";
import { blob, type Statements } from "./statements.ts";
import type { CommitReport, Delivery } from "./store.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers";

/** Most writes of one batch. */
const MAX_BATCH = 256;

/** Most bytes that the writes of one batch bring, unless a single one has more. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;

/** How long a batch waits for as many writes as the last one had, milliseconds. */
const MAX_WAIT = 1;

/** Most deliveries, and most bytes of the journal, whose rows one transaction takes. */
const MAX_OPEN = 512;
const MAX_OPEN_BYTES = 8 * 1024 * 1024;

interface Job {
  readonly bytes: number;
  readonly write: () => () => void;
  readonly reject: (error: SealpostError) => void;
  readonly delivery: Delivery | null;
}

/** What a {@linkcode CommitQueue} works on. */
export interface CommitQueueOptions {
  readonly db: DatabaseSync;
  readonly disk: Disk;
  readonly journal: DeliveryJournal;
  readonly statements: Statements;
  readonly rows: MailboxRows;
  /** Turns what SQLite throws into the error a write is rejected with. */
  readonly wrap: (error: unknown) => SealpostError;
  /** How long rows of deliveries wait for others before they are committed, milliseconds. */
  readonly commitAfter: number;
  /** Told of every batch. */
  readonly report?: (report: CommitReport) => void;
}

/**
 * Group commit: all writes of the store go through one queue, which takes everything that waits as one
 * batch, so that many sessions share the one fsync that makes them durable.
 *
 * A batch of deliveries is appended to the {@linkcode DeliveryJournal}, synced while the thread does
 * other things, and then gets its rows in a transaction that stays open for the next batches. Any other
 * batch commits that transaction with its own rows; so do {@linkcode MAX_OPEN} deliveries,
 * `commitAfter`, and closing. Rows are in the database's connection only after what they come from is
 * durable, so reads see nothing that a crash could take back. Should a transaction be lost, its rows
 * are made again from the journal.
 *
 * A batch gathers for whole turns of the event loop, until a turn brings nothing new; if the batch
 * before had more than this one, for up to {@linkcode MAX_WAIT}. So a lone writer waits for nobody,
 * and busy sessions find each other.
 *
 * Each write runs inside a savepoint: one that throws is undone and rejected, the others go on. All
 * promises settle when the batch is durable. If a batch as a whole fails, all of its writes are
 * rejected; the queue goes on with the next one.
 */
export class CommitQueue {
  readonly #db: DatabaseSync;
  readonly #disk: Disk;
  readonly #journal: DeliveryJournal;
  readonly #statements: Statements;
  readonly #rows: MailboxRows;
  readonly #wrap: (error: unknown) => SealpostError;
  readonly #commitAfter: number;
  readonly #report: (report: CommitReport) => void;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #savepoint: Savepoint;
  #waiting: Job[] = [];
  /** Resolves when the queue is empty; null while it is. */
  #working: Promise<void> | null = null;
  #lastBatch = 0;
  #closed = false;
  /** Deliveries with rows in the open transaction. */
  #open = 0;
  /** The open transaction was lost, and with it rows that the journal has. At first, a crash did it. */
  #lost = true;
  #committing: ReturnType<typeof setTimeout> | undefined;

  constructor(options: CommitQueueOptions) {
    const { db, disk, journal, statements, rows, wrap, commitAfter, report = () => {} } = options;
    this.#db = db;
    this.#disk = disk;
    this.#journal = journal;
    this.#statements = statements;
    this.#rows = rows;
    this.#wrap = wrap;
    this.#commitAfter = commitAfter;
    this.#report = report;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#savepoint = new Savepoint(db);
  }

  /**
   * Runs `write` inside a transaction; resolves to what it returned once that is durable. `write` is
   * synchronous, may run the database's statements, and is run once at most. `bytes` is about how much
   * it writes. `delivery`: what it makes the rows of, if it does nothing else and has its body in
   * memory.
   */
  run<T>(bytes: number, write: () => T, delivery?: Delivery): Promise<T> {
    if (this.#closed) return Promise.reject(new SealpostError("busy", "the store is closed"));
    return this.#add(bytes, write, delivery ?? null);
  }

  #add<T>(bytes: number, write: () => T, delivery: Delivery | null): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        bytes,
        write: () => {
          const value = write();
          return () => resolve(value);
        },
        reject,
        delivery,
      });
      this.#working ??= this.#work();
    });
  }

  /** How many writes wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Commits the rows of all deliveries so far, so that the journal can start over. What cannot be
   * committed now stays in the journal, and is committed with the next write: this does not reject.
   */
  async commitRows(): Promise<void> {
    if (this.#open === 0 && this.#journal.usable) return;
    await this.#add(0, () => {}, null).catch(() => {});
  }

  /** Takes no more writes; resolves when those that wait are settled, and all rows committed. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
    clearTimeout(this.#committing);
    await this.commitRows();
  }

  /**
   * Makes the rows again that were lost with a transaction; does nothing if none were. Before that the
   * database must not be read. Throws what SQLite or the disk refuses with.
   */
  restoreRows(): void {
    if (!this.#lost) return;
    this.#rollback();
    const generation = blob(this.#statements.journalGeneration.get() ?? {}, "generation");
    const deliveries = this.#journal.read(generation);
    if (deliveries.length > 0) this.#begin.run();
    replay(this.#savepoint, this.#rows, deliveries);
    this.#open = deliveries.length;
    this.#lost = false;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#gathered();
      await this.#runBatch();
    }
    this.#working = null;
  }

  /** Resolves when a batch is worth beginning with. */
  #gathered(): Promise<void> {
    const since = performance.now();
    let seen = this.#waiting.length;
    return new Promise((resolve) => {
      const turn = () => {
        const now = this.#waiting.length;
        const ready = now >= MAX_BATCH || this.#closed ||
          (now === seen && (now >= this.#lastBatch || performance.now() - since >= MAX_WAIT));
        if (ready) return resolve();
        seen = now;
        setImmediate(turn);
      };
      setImmediate(turn);
    });
  }

  #takeBatch(): Job[] {
    let count = 0;
    for (let bytes = 0; count < Math.min(this.#waiting.length, MAX_BATCH); count++) {
      bytes += this.#waiting[count]?.bytes ?? 0;
      if (bytes > MAX_BATCH_BYTES && count > 0) break;
    }
    return this.#waiting.splice(0, count);
  }

  /** What the journal is to have of a batch; null for one that commits the open transaction. */
  #forJournal(batch: readonly Job[]): Delivery[] | null {
    if (!this.#journal.usable || this.#open + batch.length > MAX_OPEN) return null;
    const bytes = batch.reduce((sum, { bytes }) => sum + bytes, this.#journal.size);
    if (bytes > MAX_OPEN_BYTES) return null;
    const deliveries = batch.map(({ delivery }) => delivery).filter((one) => one !== null);
    return deliveries.length === batch.length ? deliveries : null;
  }

  async #runBatch(): Promise<void> {
    const batch = this.#takeBatch();
    this.#lastBatch = batch.length;
    const settle: (() => void)[] = [];
    const from = performance.now();
    const { size } = this.#journal;
    let writing = false;
    let failure: SealpostError | null = null;
    try {
      this.restoreRows();
      const deliveries = this.#forJournal(batch);
      if (deliveries) await this.#journal.append(deliveries);
      writing = true;
      if (!this.#db.isTransaction) this.#begin.run();
      for (const job of batch) settle.push(this.#runJob(job));
      if (deliveries) this.#stayOpen(deliveries.length);
      else this.#commitAll();
    } catch (error) {
      failure = this.#wrap(error);
      if (writing) this.#loseRows(size);
    }
    this.#report({ writes: batch.length, ms: performance.now() - from, failed: failure });
    if (failure === null) {
      for (const done of settle) done();
    } else {
      for (const job of batch) job.reject(failure);
    }
  }

  #runJob(job: Job): () => void {
    let done = () => {};
    this.#savepoint.run(() => done = job.write(), (error) => {
      const refusal = this.#wrap(error);
      done = () => job.reject(refusal);
    });
    return done;
  }

  /** Leaves the transaction open for the rows of more deliveries, for a while. */
  #stayOpen(deliveries: number): void {
    this.#open += deliveries;
    if (this.#committing !== undefined) return;
    this.#committing = setTimeout(() => {
      this.#committing = undefined;
      this.commitRows();
    }, this.#commitAfter);
    Deno.unrefTimer(this.#committing);
  }

  /** Commits the open transaction; the journal starts over with another generation. */
  #commitAll(): void {
    const renews = this.#journal.size > 0 || !this.#journal.usable;
    const generation = random(GENERATION_SIZE);
    if (renews) this.#statements.setJournalGeneration.run(generation);
    this.#disk.commit(() => this.#commit.run());
    if (renews) this.#journal.begin(generation);
    this.#open = 0;
  }

  /**
   * The open transaction is lost, or was committed although that failed. Until a later one is, a crash
   * could bring it back with its generation, so the journal takes no more deliveries.
   */
  #loseRows(journalSize: number): void {
    this.#lost = true;
    this.#journal.giveUp(journalSize);
    try {
      this.restoreRows();
    } catch {
      // Whoever reads or writes next tries again, and is told why it fails.
    }
  }

  #rollback(): void {
    if (this.#db.isTransaction) runStatements(this.#db, "ROLLBACK");
  }
}
