import type { DatabaseSync } from "node:sqlite";

/**
 * Runs SQL statements one after another. None of them may have a semicolon inside.
 *
 * Deno's own `exec` throws without the result code of SQLite, which tells a full disk and a database
 * that another program holds from damage; what prepared statements throw has it, as `errcode`.
 */
export function runStatements(db: DatabaseSync, sql: string): void {
  for (const one of sql.split(";")) if (one.trim() !== "") db.prepare(one).run();
}
