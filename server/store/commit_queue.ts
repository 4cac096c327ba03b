import { SealpostError } from "../../crypto/error.ts";
import type { Disk } from "./disk.ts";
import type { CommitReport } from "./store.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers";

/** Most writes of one transaction. */
const MAX_BATCH = 256;

/** Most bytes that the writes of one transaction bring, unless a single one has more. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;

/** How long a batch waits for as many writes as the last one had, milliseconds. */
const MAX_WAIT = 1;

interface Job {
  readonly bytes: number;
  readonly write: () => () => void;
  readonly reject: (error: SealpostError) => void;
}

/**
 * Group commit: all writes of the store go through one queue, and one transaction takes everything
 * that waits, so that many sessions share the one fsync of a commit.
 *
 * A batch gathers for whole turns of the event loop, until a turn brings nothing new; if the batch
 * before had more than this one, for up to {@linkcode MAX_WAIT}. So a lone writer waits for nobody,
 * and busy sessions find each other.
 *
 * Each write runs inside a savepoint: one that throws is undone and rejected, the others go on. All
 * promises settle after COMMIT. If the transaction as a whole fails, all of its writes are rejected;
 * the queue goes on with the next batch.
 */
export class CommitQueue {
  readonly #db: DatabaseSync;
  readonly #disk: Disk;
  readonly #wrap: (error: unknown) => SealpostError;
  readonly #report: (report: CommitReport) => void;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #undo: StatementSync;
  #waiting: Job[] = [];
  #gathering = false;
  #lastBatch = 0;
  #closed = false;
  #idle: (() => void)[] = [];

  /**
   * `wrap` turns what SQLite throws into the error a write is rejected with; `report` is told of every
   * batch.
   */
  constructor(
    db: DatabaseSync,
    disk: Disk,
    wrap: (error: unknown) => SealpostError,
    report: (report: CommitReport) => void = () => {},
  ) {
    this.#db = db;
    this.#disk = disk;
    this.#wrap = wrap;
    this.#report = report;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#savepoint = db.prepare("SAVEPOINT job");
    this.#release = db.prepare("RELEASE job");
    this.#undo = db.prepare("ROLLBACK TO job");
  }

  /**
   * Runs `write` inside the next transaction; resolves to what it returned once that is committed.
   * `write` is synchronous, may run the database's statements, and is never run twice. `bytes` is
   * about how much it writes.
   */
  run<T>(bytes: number, write: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new SealpostError("busy", "the store is closed"));
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        bytes,
        write: () => {
          const value = write();
          return () => resolve(value);
        },
        reject,
      });
      if (!this.#gathering) this.#gather();
    });
  }

  /** How many writes wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes no more writes; resolves when those that wait are settled. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #gather(): void {
    this.#gathering = true;
    const since = performance.now();
    let seen = this.#waiting.length;
    const turn = () => {
      const now = this.#waiting.length;
      const ready = now >= MAX_BATCH || this.#closed ||
        (now === seen && (now >= this.#lastBatch || performance.now() - since >= MAX_WAIT));
      if (!ready) {
        seen = now;
        setImmediate(turn);
        return;
      }
      this.#runBatch();
      if (this.#waiting.length > 0) {
        this.#gather();
        return;
      }
      this.#gathering = false;
      for (const resolve of this.#idle.splice(0)) resolve();
    };
    setImmediate(turn);
  }

  #takeBatch(): Job[] {
    let count = 0;
    for (let bytes = 0; count < Math.min(this.#waiting.length, MAX_BATCH); count++) {
      bytes += this.#waiting[count]?.bytes ?? 0;
      if (bytes > MAX_BATCH_BYTES && count > 0) break;
    }
    return this.#waiting.splice(0, count);
  }

  #runBatch(): void {
    const batch = this.#takeBatch();
    this.#lastBatch = batch.length;
    const settle: (() => void)[] = [];
    const from = performance.now();
    const report = (failed: SealpostError | null) =>
      this.#report({ writes: batch.length, ms: performance.now() - from, failed });
    try {
      // Only after a rollback that failed is there a transaction here.
      this.#rollback();
      this.#begin.run();
      for (const job of batch) settle.push(this.#runJob(job));
      this.#disk.commit(() => this.#commit.run());
    } catch (error) {
      const failure = this.#failure(error);
      for (const job of batch) job.reject(failure);
      return report(failure);
    }
    report(null);
    for (const done of settle) done();
  }

  /** Throws if the transaction is lost with the write. */
  #runJob(job: Job): () => void {
    this.#savepoint.run();
    let done: () => void;
    try {
      done = job.write();
    } catch (error) {
      // SQLite ends the whole transaction by itself on some errors, a full disk among them.
      if (!this.#db.isTransaction) throw error;
      this.#undo.run();
      this.#release.run();
      return () => job.reject(this.#wrap(error));
    }
    this.#release.run();
    return done;
  }

  #failure(error: unknown): SealpostError {
    try {
      this.#rollback();
    } catch {
      // The next batch tries again; the first error is the one that says what is wrong.
    }
    return this.#wrap(error);
  }

  #rollback(): void {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
  }
}
