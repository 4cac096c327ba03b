import { equal, toHex } from "../../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../../crypto/error.ts";
import { deliverySize } from "../delivery_journal.ts";
import { blob, integer } from "../statements.ts";
import type { CommitReport, DeliverOutcome, Delivery, OwnChange } from "../store.ts";
import { blobs, numbers } from "./arrays.ts";
import type { Bodies } from "./bodies.ts";
import { Mailboxes } from "./mailboxes.ts";
import type { Pool, Querying } from "./pool.ts";

/** Most deliveries of one transaction, and most bytes unless a single one has more. */
const MAX_BATCH = 256;
const MAX_BATCH_BYTES = 8 * 1024 * 1024;

/** Transactions at a time. */
const LANES = 2;

interface Job {
  readonly delivery: Delivery;
  readonly bytes: number;
  readonly settle: (result: Result) => void;
}

type Result = { readonly outcome: DeliverOutcome } | { readonly error: unknown };

/** What a {@linkcode Deliveries} works on. */
export interface DeliveriesOptions {
  readonly pool: Pool;
  readonly bodies: Bodies;
  /** Told of what was committed. */
  readonly onChange: (changes: readonly OwnChange[]) => void;
  /** Told of every batch. */
  readonly report: (report: CommitReport) => void;
}

/**
 * Group commit: what waits when a lane is free is delivered by one transaction of a few statements,
 * however many deliveries there are. One that is refused is left out of it; the others go on.
 */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  #waiting: Job[] = [];
  #lanes = 0;
  #idle: (() => void)[] = [];

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  /** How many deliveries wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** As `Store.deliver`. */
  deliver(delivery: Delivery): Promise<DeliverOutcome> {
    return new Promise((resolve, reject) => {
      const settle = (result: Result) =>
        "outcome" in result ? resolve(result.outcome) : reject(result.error);
      this.#waiting.push({
        delivery,
        bytes: deliverySize(delivery) - (delivery.body.inline === null ? delivery.body.size : 0),
        settle,
      });
      if (this.#lanes < LANES) this.#work();
    });
  }

  /** Resolves when all that waits is settled. */
  async settled(): Promise<void> {
    while (this.#lanes > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #work(): Promise<void> {
    this.#lanes++;
    // Those of the same moment come together.
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    while (this.#waiting.length > 0) await this.#runBatch(this.#takeBatch());
    this.#lanes--;
    if (this.#lanes > 0) return;
    for (const done of this.#idle.splice(0)) done();
  }

  #takeBatch(): Job[] {
    let count = 0;
    for (let bytes = 0; count < Math.min(this.#waiting.length, MAX_BATCH); count++) {
      bytes += this.#waiting[count]?.bytes ?? 0;
      if (bytes > MAX_BATCH_BYTES && count > 0) break;
    }
    return this.#waiting.splice(0, count);
  }

  async #runBatch(batch: readonly Job[]): Promise<void> {
    const from = performance.now();
    let results: readonly Result[] = [];
    let failed: SealpostError | null = null;
    try {
      const { pool } = this.#options;
      const deliveries = batch.map(({ delivery }) => delivery);
      const done = await pool.transaction((tx) => this.#deliver(tx, deliveries));
      results = done.results;
      this.#options.onChange(done.changes);
    } catch (error) {
      // Perhaps it is about one of them.
      if (batch.length > 1 && isSealpostError(error, "internal", "cancelled")) {
        for (const job of batch) await this.#runBatch([job]);
        return;
      }
      failed = isSealpostError(error)
        ? error
        : new SealpostError("internal", "a delivery that cannot be stored", { cause: error });
      results = batch.map(() => ({ error: failed }));
    }
    this.#options.report({ writes: batch.length, ms: performance.now() - from, failed });
    for (const [i, job] of batch.entries()) {
      const result = results[i];
      if (result !== undefined) job.settle(result);
    }
  }

  async #deliver(tx: Querying, deliveries: readonly Delivery[]) {
    const copies = deliveries.flatMap(({ copies }) => copies);
    const [mailboxes, known, ids] = await Promise.all([
      Mailboxes.lock(
        tx,
        copies.map(({ account }) => account),
        copies.map(({ folder }) => folder),
      ),
      knownIds(tx, deliveries),
      tx.query(
        `SELECT nextval(pg_get_serial_sequence('message', 'id')) AS id
          FROM generate_series(1, $1)`,
        [deliveries.length],
      ),
    ]);
    const stored: Delivery[] = [];
    const results = deliveries.map((delivery, i): Result => {
      const { digest, receivedAt: at } = delivery;
      const key = keyOf(delivery);
      const before = known.get(key);
      if (before !== undefined) {
        return {
          outcome: equal(before.digest, digest)
            ? { kind: "already", at: before.at }
            : { kind: "conflict" },
        };
      }
      try {
        const places = mailboxes.deliver(delivery, integer(ids[i] ?? {}, "id"));
        known.set(key, { digest, at });
        stored.push(delivery);
        return { outcome: { kind: "stored", at, placed: places } };
      } catch (error) {
        return { error };
      }
    });
    if (stored.length > 0) await this.#write(tx, stored, mailboxes);
    return { results, changes: mailboxes.changes() };
  }

  async #write(
    tx: Querying,
    stored: readonly Delivery[],
    mailboxes: Mailboxes,
  ): Promise<void> {
    const files = stored.map(({ body }) => body.file).filter((file) => file !== null);
    const [added] = await Promise.all([
      tx.run(
        `INSERT INTO delivered_id (sender_fp, message_id, digest, at)
          SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[])
          ON CONFLICT (sender_fp, message_id) DO NOTHING`,
        [
          blobs(stored.map(({ senderFp }) => senderFp)),
          blobs(stored.map(({ messageId }) => messageId)),
          blobs(stored.map(({ digest }) => digest)),
          numbers(stored.map(({ receivedAt }) => receivedAt)),
        ],
      ),
      this.#options.bodies.take(tx, files),
      mailboxes.flush(),
    ]);
    if (added !== stored.length) throw gotInTheWay();
  }
}

/** Another server has stored a message of this batch at this moment: the next try finds it. */
function gotInTheWay(): Error {
  return Object.assign(new Error("a message came by two ways"), { code: "40001" });
}

type Known = Map<string, { readonly digest: Uint8Array; readonly at: number }>;

/** What is known of the ids of `deliveries`. */
async function knownIds(tx: Querying, deliveries: readonly Delivery[]): Promise<Known> {
  const rows = await tx.query(
    `SELECT d.sender_fp, d.message_id, d.digest, d.at FROM delivered_id AS d
      JOIN unnest($1::bytea[], $2::bytea[]) AS u (sender_fp, message_id)
        ON d.sender_fp = u.sender_fp AND d.message_id = u.message_id`,
    [
      blobs(deliveries.map(({ senderFp }) => senderFp)),
      blobs(deliveries.map(({ messageId }) => messageId)),
    ],
  );
  return new Map(rows.map((row) => {
    const [senderFp, messageId] = [blob(row, "sender_fp"), blob(row, "message_id")];
    return [keyOf({ senderFp, messageId }), {
      digest: blob(row, "digest"),
      at: integer(row, "at"),
    }];
  }));
}

function keyOf({ senderFp, messageId }: Pick<Delivery, "senderFp" | "messageId">): string {
  return `${toHex(senderFp)}${toHex(messageId)}`;
}
