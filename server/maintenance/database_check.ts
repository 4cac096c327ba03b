import { SealpostError } from "../../crypto/error.ts";
import { printable } from "../../cli/printable.ts";
import { parseUserState } from "../accounts/user_state.ts";
import { makeTables, requireSchema, schemaVersion } from "../store/postgres/open.ts";
import { countOthers, Pool, type Querying, SCHEMA_NAME } from "../store/postgres/pool.ts";
import { integer, text } from "../store/statements.ts";
import { FsckFindings, type FsckReport } from "./findings.ts";
import { POSTGRES, PostgresRows } from "./postgres_rows.ts";
import { attempt, checkContents, repairsBy } from "./row_check.ts";
import type { DatabaseStore } from "./which_store.ts";

/** The schema with which the tables are compared; it is never committed. */
const COMPARED = "sealpost_compared";

/**
 * Checks a store in PostgreSQL: its tables, every row as it is at one moment, every large body. Servers
 * are not disturbed. Nothing is changed unless `repair` is asked for, which sets counters to what they
 * count. What PostgreSQL has of its own to check its files (data checksums, amcheck) is its operators'.
 *
 * Throws `config` (no store, a newer one, no entry), `busy` (it cannot be reached; `repair` while it is
 * used).
 */
export async function checkDatabaseStore(
  { name, options }: DatabaseStore,
  { repair = false }: { readonly repair?: boolean } = {},
): Promise<FsckReport> {
  const pool = new Pool({ ...options, alone: repair });
  try {
    await requireSchema(pool);
    const findings = new FsckFindings();
    const checked = await checkDatabase(pool, findings, SCHEMA_NAME);
    const running = await countOthers(pool) > 0;
    if (repair && (findings.has("counter") || findings.has("next-uid"))) {
      await pool.transaction(async (tx) => {
        for (const statement of repairsBy(POSTGRES)) await tx.run(statement);
      });
      findings.repaired("counter");
      findings.repaired("next-uid");
    }
    return {
      store: name,
      running,
      journaled: 0,
      ...checked,
      findings: findings.list(),
      damaged: findings.damaged,
    };
  } finally {
    pool.close();
  }
}

/** The checks of {@linkcode checkDatabaseStore} in `schema`, which `pool` has its tables in. */
export async function checkDatabase(pool: Pool, findings: FsckFindings, schema: string) {
  await checkTables(pool, findings, schema);
  return await pool.snapshot(async (tx) => {
    const rows = new PostgresRows(tx, true);
    const version = await schemaVersion(tx, schema);
    const counts = await checkContents(rows, findings);
    let bodies = { bodies: 0, bodyBytes: 0 };
    await attempt(rows, findings, "the large bodies", async () => {
      bodies = await checkBodies(rows, findings);
    });
    await attempt(rows, findings, "the users", () => checkUsers(rows, findings));
    return { schema: version, ...counts, ...bodies };
  });
}

/** Columns, constraints and indexes of a schema, each in words. */
const OBJECTS = `SELECT 'column ' || c.relname || '.' || a.attname AS name,
    format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
      || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') || a.attidentity::text AS what
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE n.nspname = $1 AND c.relkind = 'r'
  UNION ALL SELECT 'constraint ' || conname || ' of ' || conrelid::regclass::text,
    pg_get_constraintdef(o.oid)
  FROM pg_constraint AS o JOIN pg_namespace AS n ON n.oid = o.connamespace WHERE n.nspname = $1
  UNION ALL SELECT 'index ' || c.relname,
    CASE WHEN i.indisvalid THEN '' ELSE 'INVALID ' END || pg_get_indexdef(c.oid)
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1`;

/** Compares tables and indexes with those that this program makes. */
async function checkTables(pool: Pool, findings: FsckFindings, schema: string): Promise<void> {
  const done = new Error("nothing of this is kept");
  const compare = pool.transaction(async (tx) => {
    const there = await objectsOf(tx, schema);
    await tx.run(`CREATE SCHEMA ${COMPARED}`);
    await tx.run(`SET LOCAL search_path = ${COMPARED}`);
    await makeTables(tx);
    for (const [name, what] of await objectsOf(tx, COMPARED)) {
      const found = there.get(name);
      if (found === undefined) findings.damage("schema", `the ${name} is missing`);
      else if (found !== what) {
        findings.damage("schema", `the ${name} is another than it should be`);
      }
    }
    throw done;
  });
  await compare.catch((error) => {
    if (!(error instanceof SealpostError) || error.cause !== done) throw error;
  });
}

async function objectsOf(tx: Querying, schema: string): Promise<Map<string, string>> {
  await tx.run(`SET LOCAL search_path = ${schema}`);
  const rows = await tx.query(OBJECTS, [schema]);
  const plain = (row: (typeof rows)[number], name: string) =>
    text(row, name).replaceAll(`${schema}.`, "");
  return new Map(rows.map((row) => [plain(row, "name"), plain(row, "what")]));
}

/** What each message says of its large body, and what is there of it. */
const BODIES =
  `SELECT m.id, m.body_size, encode(m.body_id, 'hex') AS name, b.size, b.state, c.bytes,
    c.whole
  FROM message AS m LEFT JOIN body AS b ON b.id = m.body_id LEFT JOIN LATERAL (
      SELECT CAST(coalesce(sum(n), 0) AS BIGINT) AS bytes,
        CASE WHEN bool_and(start = before) THEN 1 ELSE 0 END AS whole
      FROM (SELECT start, length(bytes) AS n,
          coalesce(sum(length(bytes)) OVER (ORDER BY start
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
        FROM body_chunk WHERE body_id = m.body_id) AS each
    ) AS c ON true
  WHERE m.body_id IS NOT NULL`;

const UNTAKEN =
  `SELECT count(*) FILTER (WHERE state = 'arriving' AND sender_fp IS NOT NULL) AS uploads,
    CAST(coalesce(sum(stored) FILTER (WHERE state = 'arriving' AND sender_fp IS NOT NULL), 0) AS BIGINT)
      AS bytes,
    count(*) FILTER (WHERE state = 'taken' AND NOT EXISTS
      (SELECT 1 FROM message WHERE body_id = body.id)) AS unnamed
  FROM body`;

async function checkBodies(store: PostgresRows, findings: FsckFindings) {
  let bodies = 0;
  let bodyBytes = 0;
  for await (const row of store.rows(BODIES)) {
    const size = integer(row, "body_size");
    const is = row["state"] === "taken" && integer(row, "whole") === 1 ? integer(row, "bytes") : 0;
    bodies++;
    bodyBytes += is;
    if (is !== size || row["size"] !== size) {
      findings.damage(
        "body",
        `the body ${text(row, "name")} has ${is} bytes in order, not ${size}`,
      );
    }
  }
  for await (const row of store.rows(UNTAKEN)) {
    const [uploads, unnamed] = [integer(row, "uploads"), integer(row, "unnamed")];
    if (unnamed > 0) findings.note("unnamed", `${unnamed} large bodies that no message names`);
    if (uploads > 0) {
      findings.note(
        "uploads",
        `${uploads} uploads have broken off or still go on, ${
          integer(row, "bytes")
        } bytes; a server ` +
          "removes them after a day",
      );
    }
  }
  return { bodies, bodyBytes };
}

/** Checks that what stands for each password is something that a server can read. */
async function checkUsers(store: PostgresRows, findings: FsckFindings): Promise<void> {
  for await (const row of store.rows("SELECT name, value FROM login ORDER BY name")) {
    try {
      parseUserState(text(row, "value"));
    } catch (error) {
      if (!(error instanceof SealpostError)) throw error;
      findings.damage(
        "account",
        `the password of ${printable(text(row, "name"))}: ${error.message}`,
      );
    }
  }
}
