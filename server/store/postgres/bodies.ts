import { type Bytes, random, toHex } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { CountingSink, givenUp } from "../body_sink.ts";
import { MAX_PARTIALS } from "../partial_uploads.ts";
import { blob, integer } from "../statements.ts";
import type { BodySink, ResumedBody, StoredBody, UploadId, UploadStart } from "../store.ts";
import { blobs } from "./arrays.ts";
import type { Pool, Querying } from "./pool.ts";

/** Bytes of a body in one row. */
export const CHUNK = 256 * 1024;

/** Largest piece that a reading gives, bytes. */
const READ_CHUNK = 64 * 1024;

/** How often a reading says that it goes on, milliseconds. */
const TOUCH_EVERY = 60_000;

/** What is gone, or was begun and cannot go on, is kept so long for those who read or write it. */
const KEEP_UNUSED = 3_600_000;

/** Most rows that are removed by one statement. */
const REMOVE_AT_ONCE = 50;

/**
 * Large bodies in the database, in chunks, each written by a statement of its own as it comes. Any server
 * of the cluster goes on with an upload that broke off at another.
 */
export class Bodies {
  readonly #pool: Pool;
  /** Uploads that go on here, by their ids. */
  readonly #active = new Map<string, ChunkSink>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** A sink for a body of `size` bytes; `upload` makes it resumable. */
  async create(size: number, upload?: UploadStart): Promise<BodySink> {
    const id = random(16);
    const holder = random(16);
    const at = Date.now();
    if (upload === undefined) {
      await this.#pool.run(
        `INSERT INTO body (id, size, state, holder, touched_at) VALUES ($1, $2, 'arriving', $3, $4)
          ON CONFLICT (id) DO NOTHING`,
        [id, size, holder, at],
      );
      return new ChunkSink(this.#pool, id, holder, size, 0, {});
    }
    const { senderFp, messageId, size: uploadSize } = upload.id;
    const key = keyOf(upload.id);
    await this.#active.get(key)?.suspend();
    await this.#drop(upload.id);
    await this.#pool.run(
      `INSERT INTO body (id, size, state, holder, touched_at, sender_fp, upload_id, upload_size,
          envelope) VALUES ($1, $2, 'arriving', $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
      [id, size, holder, at, senderFp, messageId, uploadSize, upload.envelope()],
    );
    return this.#sink(upload.id, id, holder, size, 0, upload.limit);
  }

  /** As `Store.uploaded`. */
  async offset(id: UploadId): Promise<number> {
    await this.#active.get(keyOf(id))?.suspend();
    const rows = await this.#pool.query(
      `UPDATE body SET holder = NULL WHERE ${UPLOAD} RETURNING stored, length(envelope) AS before`,
      uploadParameters(id),
    );
    const [row] = rows;
    return row === undefined ? 0 : integer(row, "before") + integer(row, "stored");
  }

  /** As `Store.resumeBody`. */
  async resume(id: UploadId, offset: number, limit: number): Promise<ResumedBody | null> {
    await this.#active.get(keyOf(id))?.suspend();
    const holder = random(16);
    const taken = await this.#pool.transaction(async (tx) => {
      const [row] = await tx.query(
        `SELECT id, stored, envelope FROM body WHERE ${UPLOAD} FOR UPDATE`,
        uploadParameters(id),
      );
      if (row === undefined) return null;
      const [body, envelope] = [blob(row, "id"), blob(row, "envelope")];
      const done = offset - envelope.length;
      if (done < 0 || done > integer(row, "stored")) return null;
      await tx.run("DELETE FROM body_chunk WHERE body_id = $1 AND start >= $2", [body, done]);
      await tx.run(
        `UPDATE body_chunk SET bytes = substring(bytes FROM 1 FOR ($2 - start)::int)
          WHERE body_id = $1 AND start + length(bytes) > $2`,
        [body, done],
      );
      await tx.run("UPDATE body SET holder = $2, stored = $3, touched_at = $4 WHERE id = $1", [
        body,
        holder,
        done,
        Date.now(),
      ]);
      return { body, envelope, done };
    });
    if (taken === null) return null;
    const { body, envelope, done } = taken;
    const sink = this.#sink(id, body, holder, id.size - envelope.length, done, limit);
    return { envelope, stored: this.#chunks(body, done, 0), sink };
  }

  /** The whole body's bytes from `offset` on; `size` is what the message says. */
  async *read(body: Bytes, size: number, offset: number): AsyncGenerator<Bytes> {
    const touch = () =>
      this.#pool.run("UPDATE body SET touched_at = $2 WHERE id = $1", [body, Date.now()]);
    if (offset >= size) return;
    if (await touch() === 0) {
      throw new SealpostError("no-such-message", "the message was removed");
    }
    let touched = performance.now();
    for await (const chunk of this.#chunks(body, size, offset)) {
      yield chunk;
      if (performance.now() - touched < TOUCH_EVERY) continue;
      touched = performance.now();
      await touch();
    }
  }

  /** Takes a body over for a message, in the transaction of that. Throws `cancelled` if it is not there. */
  async take(tx: Querying, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const taken = await tx.run(
      "UPDATE body SET state = 'taken', holder = NULL WHERE id = ANY ($1::bytea[]) AND state = 'whole'",
      [blobs(ids.map((id) => Uint8Array.fromHex(id)))],
    );
    if (taken !== ids.length) throw givenUp();
  }

  /** Removes a body that no message has taken. */
  async discard(id: string): Promise<void> {
    await this.#pool.run("DELETE FROM body WHERE id = $1 AND state = 'whole'", [
      Uint8Array.fromHex(id),
    ]);
  }

  /** As `Store.dropUploads`; also removes what no message has and nobody reads or writes any more. */
  async expire(before: number, limit: number): Promise<number> {
    const unused = Date.now() - KEEP_UNUSED;
    for (;;) {
      const removed = await this.#pool.run(
        `DELETE FROM body WHERE id IN (SELECT id FROM body WHERE state <> 'taken' AND touched_at < $1
          AND (state <> 'arriving' OR sender_fp IS NULL) LIMIT ${REMOVE_AT_ONCE})`,
        [unused],
      );
      if (removed < REMOVE_AT_ONCE) break;
    }
    const old = await this.#pool.run(
      `DELETE FROM body WHERE state = 'arriving' AND sender_fp IS NOT NULL AND holder IS NULL
        AND (touched_at < $1 OR stored = 0)`,
      [before],
    );
    // A server that died still holds what went on there.
    const left = await this.#pool.run(
      `DELETE FROM body WHERE state = 'arriving' AND sender_fp IS NOT NULL AND touched_at < $1`,
      [Math.min(before, unused)],
    );
    return old + left + await this.#bound(null, limit);
  }

  /** Leaves what goes on to be continued. */
  async close(): Promise<void> {
    for (const sink of [...this.#active.values()]) await sink.suspend();
  }

  #sink(
    upload: UploadId,
    body: Bytes,
    holder: Bytes,
    size: number,
    done: number,
    limit: number,
  ): BodySink {
    const key = keyOf(upload);
    const sink: ChunkSink = new ChunkSink(this.#pool, body, holder, size, done, {
      ended: () => {
        if (this.#active.get(key) === sink) this.#active.delete(key);
      },
      kept: async () => void await this.#bound(upload.senderFp, limit),
    });
    this.#active.set(key, sink);
    return sink;
  }

  async #drop(id: UploadId): Promise<void> {
    await this.#pool.run(`DELETE FROM body WHERE ${UPLOAD}`, uploadParameters(id));
  }

  /** Removes the oldest broken uploads of each sender, or of one, that are too many or too large. */
  async #bound(sender: Bytes | null, limit: number): Promise<number> {
    return await this.#pool.run(
      `DELETE FROM body WHERE id IN (SELECT id FROM (
          SELECT id, row_number() OVER w AS n, sum(stored + length(envelope)) OVER w AS bytes
          FROM body WHERE state = 'arriving' AND sender_fp IS NOT NULL AND holder IS NULL
            AND ($1::bytea IS NULL OR sender_fp = $1)
          WINDOW w AS (PARTITION BY sender_fp ORDER BY touched_at DESC, id)
        ) AS kept WHERE n > ${MAX_PARTIALS} OR bytes > $2::float8)`,
      [sender, limit],
    );
  }

  /** The first `end` bytes of a body, from byte `offset` on. */
  async *#chunks(body: Bytes, end: number, offset: number): AsyncGenerator<Bytes> {
    for (let at = offset; at < end;) {
      const [row] = await this.#pool.query(
        `SELECT start, bytes FROM body_chunk WHERE body_id = $1 AND start <= $2
          ORDER BY start DESC LIMIT 1`,
        [body, at],
      );
      const chunk = row === undefined
        ? new Uint8Array(0)
        : blob(row, "bytes").subarray(at - integer(row, "start"));
      if (chunk.length === 0) {
        throw new SealpostError("file-io", `the body ${toHex(body)} in the store is damaged`);
      }
      for (let from = 0; from < chunk.length; from += READ_CHUNK) {
        yield chunk.subarray(from, from + READ_CHUNK);
      }
      at += chunk.length;
    }
  }
}

const UPLOAD = "state = 'arriving' AND sender_fp = $1 AND upload_id = $2 AND upload_size = $3";

function uploadParameters({ senderFp, messageId, size }: UploadId) {
  return [senderFp, messageId, size];
}

function keyOf({ senderFp, messageId, size }: UploadId): string {
  return `${toHex(senderFp)}-${toHex(messageId)}-${size}`;
}

/** What to do when a sink has ended. */
interface Owner {
  readonly ended?: () => void;
  /** What was written stays to be continued. Without this it is removed. */
  readonly kept?: () => Promise<void>;
}

/** A body that goes to the database in chunks. */
class ChunkSink extends CountingSink {
  readonly #buffer: Bytes;
  #filled = 0;
  /** Bytes in the database. */
  #stored: number;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly pool: Pool,
    private readonly id: Bytes,
    private readonly holder: Bytes,
    size: number,
    done: number,
    private readonly owner: Owner,
  ) {
    super(size, done);
    this.#stored = done;
    this.#buffer = new Uint8Array(Math.min(CHUNK, size - done));
  }

  protected override async put(chunk: Bytes): Promise<void> {
    this.#writing = this.#take(chunk);
    await this.#writing;
  }

  async #take(chunk: Bytes): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + this.#buffer.length - this.#filled);
      this.#buffer.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === this.#buffer.length) await this.#flush();
    }
  }

  /** Writes what is buffered, unless another sink has taken the body over. Safe to repeat. */
  async #flush(): Promise<void> {
    if (this.#filled === 0) return;
    const bytes = this.#buffer.subarray(0, this.#filled);
    const end = this.#stored + bytes.length;
    const written = await this.pool.run(
      `WITH held AS (UPDATE body SET stored = $3::bigint + length($4::bytea), touched_at = $5
          WHERE id = $1 AND holder = $2 AND stored IN ($3::bigint, $3::bigint + length($4::bytea)) RETURNING id)
        INSERT INTO body_chunk (body_id, start, bytes) SELECT id, $3::bigint, $4::bytea FROM held
        ON CONFLICT (body_id, start) DO UPDATE SET bytes = excluded.bytes`,
      [this.id, this.holder, this.#stored, bytes, Date.now()],
    );
    if (written !== 1) throw givenUp();
    this.#stored = end;
    this.#filled = 0;
  }

  protected override async seal(): Promise<StoredBody> {
    await this.#flush();
    const sealed = await this.pool.run(
      `UPDATE body SET state = 'whole', touched_at = $4
        WHERE id = $1 AND holder = $2 AND stored = $3 AND state IN ('arriving', 'whole')`,
      [this.id, this.holder, this.size, Date.now()],
    );
    if (sealed !== 1) throw givenUp();
    this.owner.ended?.();
    return { size: this.size, inline: null, file: toHex(this.id) };
  }

  protected override async forget(): Promise<void> {
    await this.#writing.catch(() => {});
    this.owner.ended?.();
    await this.#quietly(async () => {
      await this.pool.run(
        "DELETE FROM body WHERE id = $1 AND holder = $2 AND state IN ('arriving', 'whole')",
        [this.id, this.holder],
      );
    });
  }

  protected override async keep(): Promise<void> {
    const { kept } = this.owner;
    if (kept === undefined) return await this.forget();
    const whole = await this.#writing.then(() => true, () => false);
    this.owner.ended?.();
    await this.#quietly(async () => {
      if (whole) await this.#flush();
      const released = "UPDATE body SET holder = NULL WHERE id = $1 AND holder = $2";
      await this.pool.run(released, [this.id, this.holder]);
      await kept();
    });
  }

  /** What cannot be tidied up now is removed later, when nobody has touched it for a while. */
  async #quietly(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch {
      // As above.
    }
  }
}
