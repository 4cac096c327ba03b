import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { blobs, numbers, texts } from "../store/postgres/arrays.ts";
import { CHUNK } from "../store/postgres/bodies.ts";
import { isDamage, type Querying } from "../store/postgres/pool.ts";
import { blob, integer, nullable, type SqlRow, text } from "../store/statements.ts";
import type { Dialect, Key, StoreCopy } from "./store_rows.ts";
import type { ColumnKind, Table } from "./tables.ts";

export const POSTGRES: Dialect = {
  bodyFile: "encode(body_id, 'hex')",
  greatest: "greatest",
};

/** Rows that a cursor gives at a time. */
const FETCH = 500;

/** The rows of a store in PostgreSQL. */
export class PostgresRows implements StoreCopy {
  readonly dialect = POSTGRES;
  readonly #tx: Querying;
  readonly #inTransaction: boolean;
  #cursors = 0;
  #together = false;

  /**
   * `tx` is the transaction of a `Pool.snapshot`, to read all of a store; or, if not `inTransaction`, a pool
   * that has one connection, to make one.
   */
  constructor(tx: Querying, inTransaction: boolean) {
    this.#tx = tx;
    this.#inTransaction = inTransaction;
  }

  async *rows(sql: string): AsyncGenerator<SqlRow> {
    if (!this.#inTransaction) return yield* await this.#tx.query(sql);
    const cursor = `c${this.#cursors++}`;
    await this.#tx.run(`DECLARE ${cursor} NO SCROLL CURSOR FOR ${sql}`);
    let over = false;
    try {
      for (;;) {
        const rows = await this.#tx.query(`FETCH ${FETCH} FROM ${cursor}`);
        yield* rows;
        if (rows.length < FETCH) break;
      }
      over = true;
    } finally {
      // A transaction that has failed has closed it.
      const closed = this.#tx.run(`CLOSE ${cursor}`);
      await (over ? closed : closed.catch(() => {}));
    }
  }

  async page(table: Table, key: Key | null, limit: number): Promise<readonly SqlRow[]> {
    const order = table.key.join(", ");
    const behind = key === null ? "" : `WHERE (${order}) > (${key.map((_, i) => `$${i + 1}`)})`;
    const columns = Object.entries(table.columns).map(([name, kind]) => READ[kind](name));
    return await this.#tx.query(
      `SELECT ${columns.join(", ")} FROM ${table.name} ${behind} ORDER BY ${order} LIMIT ${limit}`,
      key ?? [],
    );
  }

  async *body(name: string, size: number): AsyncGenerator<Bytes> {
    const id = Uint8Array.fromHex(name);
    let at = 0;
    while (at < size) {
      const [row] = await this.#tx.query(
        "SELECT bytes FROM body_chunk WHERE body_id = $1 AND start = $2",
        [id, at],
      );
      const chunk = row === undefined ? new Uint8Array(0) : blob(row, "bytes");
      if (chunk.length === 0 || at + chunk.length > size) {
        throw new SealpostError("format", `the body ${name} in the database is damaged`);
      }
      yield chunk;
      at += chunk.length;
    }
  }

  async isolated(check: () => Promise<void>): Promise<void> {
    await this.#tx.run("SAVEPOINT checking");
    try {
      await check();
    } catch (error) {
      if (this.saysDamaged(error)) await this.#tx.run("ROLLBACK TO checking");
      throw error;
    }
    await this.#tx.run("RELEASE checking");
  }

  saysDamaged(error: unknown): boolean {
    return error instanceof SealpostError ? error.code === "internal" : isDamage(error);
  }

  async insert(table: Table, rows: readonly SqlRow[]): Promise<void> {
    if (rows.length === 0) return;
    const names = Object.entries(table.columns);
    await this.#tx.run(
      `INSERT INTO ${table.name} (${names.map(([name, kind]) => COLUMN[kind](name)).join(", ")})
        OVERRIDING SYSTEM VALUE
        SELECT * FROM unnest(${
        names.map(([, kind], i) => `$${i + 1}::${TYPE[kind]}[]`).join(", ")
      })`,
      names.map(([name, kind]) => ARRAY[kind](rows, name)),
    );
  }

  async together(work: () => Promise<void>): Promise<void> {
    if (this.#together) return await work();
    await this.#tx.run("BEGIN");
    this.#together = true;
    try {
      await work();
      await this.#tx.run("COMMIT");
    } catch (error) {
      // A connection that is lost has taken it back.
      await this.#tx.run("ROLLBACK").catch(() => {});
      throw error;
    } finally {
      this.#together = false;
    }
  }

  async clear(table: Table): Promise<void> {
    await this.#tx.run(`DELETE FROM ${table.name}`);
  }

  async hasBody(name: string, size: number): Promise<boolean> {
    const rows = await this.#tx.query("SELECT 1 AS n FROM body WHERE id = $1 AND size = $2", [
      Uint8Array.fromHex(name),
      size,
    ]);
    return rows.length > 0;
  }

  async putBody(name: string, size: number, chunks: AsyncIterable<Bytes>): Promise<void> {
    const id = Uint8Array.fromHex(name);
    await this.together(async () => {
      await this.#tx.run(
        `INSERT INTO body (id, size, stored, state, touched_at) VALUES ($1, $2, $2, 'taken', $3)`,
        [id, size, Date.now()],
      );
      const buffer = new Uint8Array(Math.min(CHUNK, size));
      let filled = 0;
      let start = 0;
      const flush = async () => {
        if (filled === 0) return;
        await this.#tx.run("INSERT INTO body_chunk (body_id, start, bytes) VALUES ($1, $2, $3)", [
          id,
          start,
          buffer.subarray(0, filled),
        ]);
        start += filled;
        filled = 0;
      };
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length;) {
          const piece = chunk.subarray(at, at + buffer.length - filled);
          buffer.set(piece, filled);
          filled += piece.length;
          at += piece.length;
          if (filled === buffer.length) await flush();
        }
      }
      await flush();
    });
  }

  async countOn(): Promise<void> {
    for (const table of ["account", "message"]) {
      await this.#tx.query(
        `SELECT setval(pg_get_serial_sequence('${table}', 'id'),
          (SELECT coalesce(max(id), 0) + 1 FROM ${table}), false)`,
      );
    }
  }
}

/** How a column is asked for, by its name in SQLite. */
const READ: Readonly<Record<ColumnKind, (name: string) => string>> = {
  integer: (name) => name,
  text: (name) => name,
  blob: (name) => name,
  switch: (name) => `CASE WHEN ${name} THEN 1 ELSE 0 END AS ${name}`,
  body: (name) => `${POSTGRES.bodyFile} AS ${name}`,
};

/** What it is called here. */
const COLUMN: Readonly<Record<ColumnKind, (name: string) => string>> = {
  integer: (name) => name,
  text: (name) => name,
  blob: (name) => name,
  switch: (name) => name,
  body: () => "body_id",
};

const TYPE: Readonly<Record<ColumnKind, string>> = {
  integer: "bigint",
  text: "text",
  blob: "bytea",
  switch: "boolean",
  body: "bytea",
};

const ARRAY: Readonly<Record<ColumnKind, (rows: readonly SqlRow[], name: string) => string>> = {
  integer: (rows, name) => numbers(rows.map((row) => nullable(row, name, integer))),
  text: (rows, name) => texts(rows.map((row) => nullable(row, name, text))),
  blob: (rows, name) => blobs(rows.map((row) => nullable(row, name, blob))),
  switch: (rows, name) => texts(rows.map((row) => integer(row, name) === 1 ? "t" : "f")),
  body: (rows, name) => {
    const names = rows.map((row) => nullable(row, name, text));
    return blobs(names.map((each) => each === null ? null : Uint8Array.fromHex(each)));
  },
};
