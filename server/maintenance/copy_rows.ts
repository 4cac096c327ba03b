import { type Bytes, equal, toHex } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import type { Progress } from "../../cli/progress.ts";
import { integer, nullable, type SqlRow, text } from "../store/statements.ts";
import { keyOf, pages, type StoreCopy, type StoreRows } from "./store_rows.ts";
import { ACCOUNT, LARGE, MESSAGE, SMALL, type Table } from "./tables.ts";
import { createHash } from "node:crypto";

/** How rows are copied. */
export interface CopyOptions {
  /**
   * Whether the large bodies go with them: none, all, or all that are there; what is kept of others is
   * then as damaged as they are.
   */
  readonly bodies: "none" | "all" | "there";
  readonly progress: Progress;
}

/**
 * Copies all rows of a store that nobody writes to into an empty one, or goes on where an earlier call
 * ended: a large table has all rows up to its last one then, and comes in the order of its keys. The others
 * are copied at the end, whole, in one transaction. Returns how many rows of large tables were there
 * already. Throws what the stores throw.
 */
export async function copyRows(
  from: StoreRows,
  to: StoreCopy,
  { bodies, progress }: CopyOptions,
): Promise<number> {
  const total = await countRows(from);
  const resumed = await countRows(to);
  let done = resumed;
  progress.update(done, total);
  for (const table of LARGE) {
    const last = await lastOf(to, table);
    for await (const rows of pages(from, table, last)) {
      if (bodies !== "none" && table === MESSAGE) {
        await copyBodies(from, to, rows, bodies === "there");
      }
      await to.insert(table, rows);
      done += rows.length;
      progress.update(done);
    }
  }
  await to.together(async () => {
    for (const table of [...SMALL].reverse()) await to.clear(table);
    for (const table of SMALL) {
      for await (const rows of pages(from, table)) await to.insert(table, rows);
    }
    await to.countOn();
  });
  return resumed;
}

async function copyBodies(
  from: StoreRows,
  to: StoreCopy,
  messages: readonly SqlRow[],
  lenient: boolean,
): Promise<void> {
  for (const row of messages) {
    const name = nullable(row, "body_file", text);
    const size = integer(row, "body_size");
    if (name === null || await to.hasBody(name, size)) continue;
    try {
      await to.putBody(name, size, from.body(name, size));
    } catch (error) {
      if (!lenient || !isSealpostError(error, "format", "file-missing")) throw error;
      await to.putBody(name, size, nothing());
    }
  }
}

async function* nothing(): AsyncGenerator<Bytes> {}

/** The key of the last row of `table`, null if it is empty. */
async function lastOf(store: StoreRows, table: Table) {
  const order = table.key.map((name) => `${name} DESC`).join(", ");
  const sql = `SELECT ${table.key.join(", ")} FROM ${table.name} ORDER BY ${order} LIMIT 1`;
  for await (const row of store.rows(sql)) return keyOf(table, row);
  return null;
}

/** How many rows the large tables have. */
async function countRows(store: StoreRows): Promise<number> {
  let count = 0;
  for (const { name } of LARGE) {
    for await (const row of store.rows(`SELECT count(*) AS n FROM ${name}`)) {
      count += integer(row, "n");
    }
  }
  return count;
}

/**
 * What a store is recognised by that nobody has written to meanwhile, but for tickets, machines and the
 * like: SHA-256 over its accounts, whose counters every change of a mailbox moves, and over how much there
 * is of what is forgotten in time. Hexadecimal.
 */
export async function fingerprintOf(store: StoreRows): Promise<string> {
  const hash = createHash("sha256");
  for await (const rows of pages(store, ACCOUNT)) {
    for (const row of rows) hash.update(`${JSON.stringify(plain(row))}\n`);
  }
  for (const { name } of LARGE) {
    for await (const row of store.rows(`SELECT count(*) AS n FROM ${name}`)) {
      hash.update(`${name} ${integer(row, "n")}\n`);
    }
  }
  const oldest = "SELECT coalesce(min(at), 0) AS at FROM delivered_id";
  for await (const row of store.rows(oldest)) hash.update(`${integer(row, "at")}\n`);
  return hash.digest("hex");
}

/** The values of a row in the order of their names, with bytes as hexadecimal digits. */
function plain(row: SqlRow): unknown[] {
  return Object.keys(row).sort().map((name) => {
    const value = row[name];
    return value instanceof Uint8Array ? toHex(value) : value;
  });
}

/**
 * Compares two stores row by row, and their large bodies byte by byte. Returns how many rows and bodies
 * there are. Throws `format` with the first difference.
 */
export async function compareRows(
  one: StoreRows,
  other: StoreRows,
  progress: Progress,
): Promise<{ readonly rows: number; readonly bodies: number }> {
  let rows = 0;
  let bodies = 0;
  progress.update(0, await countRows(one));
  for (const table of [...LARGE, ...SMALL]) {
    const others = each(pages(other, table));
    for await (const row of each(pages(one, table))) {
      const { value, done } = await others.next();
      if (done || !sameRow(table, row, value)) throw differs(table, row);
      rows++;
      const name = table === MESSAGE ? nullable(row, "body_file", text) : null;
      if (name !== null) {
        const size = integer(row, "body_size");
        if (await digestOf(one, name, size) !== await digestOf(other, name, size)) {
          throw differs(table, row);
        }
        bodies++;
      }
      if (LARGE.includes(table)) progress.update(rows);
    }
    const { value, done } = await others.next();
    if (!done) throw differs(table, value);
  }
  return { rows, bodies };
}

async function* each(pages: AsyncIterable<readonly SqlRow[]>): AsyncGenerator<SqlRow, undefined> {
  for await (const rows of pages) yield* rows;
}

function sameRow(table: Table, one: SqlRow, other: SqlRow): boolean {
  return Object.keys(table.columns).every((name) => {
    const [a, b] = [one[name], other[name]];
    return a instanceof Uint8Array && b instanceof Uint8Array
      ? a.length === b.length && equal(new Uint8Array(a), new Uint8Array(b))
      : a === b;
  });
}

function differs(table: Table, row: SqlRow): SealpostError {
  const key = keyOf(table, row)
    .map((value) => value instanceof Uint8Array ? toHex(new Uint8Array(value)) : value);
  return new SealpostError(
    "format",
    `the two stores differ in the row ${key.join("/")} of the table ${table.name}`,
  );
}

async function digestOf(store: StoreRows, name: string, size: number): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of store.body(name, size)) hash.update(piece);
  return hash.digest("hex");
}
