import type { Bytes } from "../../crypto/bytes.ts";
import type { SqlRow } from "../store/statements.ts";
import type { Table } from "./tables.ts";

/** What is written otherwise in SQLite and in PostgreSQL. */
export interface Dialect {
  /** The name of the large body in a row of `message`, as hexadecimal digits; null if there is none. */
  readonly bodyFile: string;
  /** The function that gives the largest of its arguments. */
  readonly greatest: string;
}

/** The rows of a store, as they are at one moment, for those who read all of them. */
export interface StoreRows {
  readonly dialect: Dialect;
  /** The rows that a statement without parameters gives, as they are asked for. */
  rows(sql: string): AsyncIterable<SqlRow>;
  /** At most `limit` rows of `table` behind the one with this `key`, in the order of the key. */
  page(table: Table, key: Key | null, limit: number): Promise<readonly SqlRow[]>;
  /** The bytes of a large body. Throws `format` or `file-missing` if not all of `size` are there. */
  body(name: string, size: number): AsyncIterable<Bytes>;
  /** Runs a check; the rows can be read after it even if it fails. */
  isolated(check: () => Promise<void>): Promise<void>;
  /** Whether what was thrown by a reading says that the store is damaged. */
  saysDamaged(error: unknown): boolean;
}

/** The values of the columns of a key. */
export type Key = readonly (number | string | Uint8Array)[];

/** The key of a row. */
export function keyOf(table: Table, row: SqlRow): Key {
  return table.key.map((name) => {
    const value = row[name];
    if (typeof value === "number" || typeof value === "string") return value;
    if (value instanceof Uint8Array) return value;
    throw new TypeError(`a row of ${table.name} has no ${name}`);
  });
}

/** Rows that are being made. Whoever ends in the middle leaves what is there to be gone on with. */
export interface StoreCopy extends StoreRows {
  /** Adds rows that have the columns of `table`, and those alone, in one transaction. */
  insert(table: Table, rows: readonly SqlRow[]): Promise<void>;
  /** Runs `work` in one transaction, with what is inserted there. */
  together(work: () => Promise<void>): Promise<void>;
  /** Removes all rows of `table`. */
  clear(table: Table): Promise<void>;
  /** Whether the large body is there, whole. */
  hasBody(name: string, size: number): Promise<boolean>;
  /** Keeps a large body, whole or not at all. */
  putBody(name: string, size: number, chunks: AsyncIterable<Bytes>): Promise<void>;
  /** Lets the database count on from the rows that are there. */
  countOn(): Promise<void>;
}

/** The rows of `table` in the order of their keys, a page at a time. */
export async function* pages(
  store: StoreRows,
  table: Table,
  from: Key | null = null,
): AsyncGenerator<readonly SqlRow[]> {
  let limit = FIRST_PAGE;
  for (let key = from;;) {
    const rows = await store.page(table, key, limit);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    if (rows.length < limit) return;
    key = keyOf(table, last);
    const bytes = rows.reduce((sum, row) => sum + sizeOf(row), 0);
    if (bytes > PAGE_BYTES) limit = Math.max(FIRST_PAGE, limit >> 1);
    else if (bytes < PAGE_BYTES / 2 && limit < MAX_PAGE) limit *= 2;
  }
}

/** Rows of the first page, of the largest, and about how many bytes one has. */
const FIRST_PAGE = 32;
const MAX_PAGE = 2048;
const PAGE_BYTES = 2 * 1024 * 1024;

function sizeOf(row: SqlRow): number {
  let size = 0;
  for (const value of Object.values(row)) {
    size += value instanceof Uint8Array || typeof value === "string" ? value.length : 8;
  }
  return size;
}
