import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { wrapFileError } from "../../files/atomic_file.ts";
import { runStatements } from "../../files/sqlite.ts";
import { wrapSqliteError } from "../../server/store/database.ts";
import { inFolder } from "../support/command.ts";

Deno.test("what SQLite refuses says whether there is no room, or another program holds it", () =>
  inFolder((folder) => {
    const path = join(folder, "some.db");
    using db = new DatabaseSync(path);
    runStatements(
      db,
      "CREATE TABLE t (x BLOB); INSERT INTO t VALUES (1); PRAGMA max_page_count = 2",
    );
    const full = assertThrows(() => runStatements(db, "INSERT INTO t VALUES (zeroblob(100000))"));
    assertEquals(wrapFileError(full, "write").code, "disk-full");
    assertEquals(wrapSqliteError(full, path).code, "disk-full");

    using other = new DatabaseSync(path);
    runStatements(other, "BEGIN IMMEDIATE");
    const held = assertThrows(() => runStatements(db, "BEGIN IMMEDIATE"));
    assertEquals(wrapSqliteError(held, path).code, "busy");
    assertEquals(db.prepare("SELECT count(*) AS n FROM t").get()?.n, 1);
    return Promise.resolve();
  }));
