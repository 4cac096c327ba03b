import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { syncFolder, wrapFileError, writeAll } from "../../files/atomic_file.ts";
import { makePrivateFolder } from "../../files/new_folder.ts";
import { readPieces } from "../../files/pieces.ts";
import { runStatements } from "../../files/sqlite.ts";
import { bodyPath, TEMP_NAME } from "../store/body_files.ts";
import type { SqlRow } from "../store/statements.ts";
import type { Dialect, Key, StoreCopy } from "./store_rows.ts";
import type { Table } from "./tables.ts";
import { dirname, join } from "@std/path";
import type { DatabaseSync, StatementSync } from "node:sqlite";

export const SQLITE: Dialect = { bodyFile: "body_file", greatest: "max" };

/** The rows of a store in a folder, whose large bodies are in `bodies` of it. */
export class SqliteRows implements StoreCopy {
  readonly dialect = SQLITE;
  readonly #db: DatabaseSync;
  readonly #bodies: string;
  readonly #statements = new Map<string, StatementSync>();

  /** Nobody else writes to `db`. `bodies`: the folder of the large bodies. */
  constructor(db: DatabaseSync, bodies: string) {
    this.#db = db;
    this.#bodies = bodies;
  }

  async *rows(sql: string): AsyncGenerator<SqlRow> {
    yield* this.#db.prepare(sql).iterate();
  }

  page(table: Table, key: Key | null, limit: number): Promise<readonly SqlRow[]> {
    const order = table.key.join(", ");
    const behind = key === null ? "" : `WHERE (${order}) > (${key.map(() => "?").join(", ")})`;
    const statement = this.#prepare(
      `SELECT ${Object.keys(table.columns).join(", ")} FROM ${table.name} ${behind}
        ORDER BY ${order} LIMIT ${limit}`,
    );
    return Promise.resolve(statement.all(...key ?? []));
  }

  async *body(name: string, size: number): AsyncGenerator<Bytes> {
    const path = join(this.#bodies, bodyPath(name));
    let read = 0;
    for await (const piece of readPieces(path)) {
      read += piece.length;
      yield piece;
    }
    if (read !== size) throw new SealpostError("format", `${path} has ${read} bytes, not ${size}`);
  }

  isolated(check: () => Promise<void>): Promise<void> {
    return check();
  }

  saysDamaged(error: unknown): boolean {
    return !(error instanceof SealpostError) || error.code === "internal";
  }

  insert(table: Table, rows: readonly SqlRow[]): Promise<void> {
    const names = Object.keys(table.columns);
    const statement = this.#prepare(
      `INSERT INTO ${table.name} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
    );
    return this.together(() => {
      for (const row of rows) statement.run(...names.map((name) => row[name] ?? null));
      return Promise.resolve();
    });
  }

  async together(work: () => Promise<void>): Promise<void> {
    if (this.#db.isTransaction) return await work();
    runStatements(this.#db, "BEGIN IMMEDIATE");
    try {
      await work();
      runStatements(this.#db, "COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) runStatements(this.#db, "ROLLBACK");
      throw error;
    }
  }

  clear(table: Table): Promise<void> {
    this.#prepare(`DELETE FROM ${table.name}`).run();
    return Promise.resolve();
  }

  async hasBody(name: string, size: number): Promise<boolean> {
    try {
      return (await Deno.stat(join(this.#bodies, bodyPath(name)))).size === size;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw wrapFileError(error, `look at ${join(this.#bodies, bodyPath(name))}`);
    }
  }

  async putBody(name: string, _size: number, chunks: AsyncIterable<Bytes>): Promise<void> {
    const temp = join(this.#bodies, TEMP_NAME, name);
    const path = join(this.#bodies, bodyPath(name));
    await makePrivateFolder(dirname(temp));
    await makePrivateFolder(dirname(path));
    let whole = false;
    try {
      {
        using file = await Deno.open(temp, {
          write: true,
          create: true,
          truncate: true,
          mode: 0o600,
        });
        for await (const chunk of chunks) await writeAll(file, chunk);
        await file.sync();
      }
      await Deno.rename(temp, path);
      whole = true;
    } catch (error) {
      throw wrapFileError(error, `write ${temp}`);
    } finally {
      if (!whole) await Deno.remove(temp).catch(() => {});
    }
    await syncFolder(dirname(path));
  }

  countOn(): Promise<void> {
    // SQLite goes on from the highest number by itself.
    return Promise.resolve();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }
}
