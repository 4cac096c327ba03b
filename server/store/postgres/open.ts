import { SealpostError } from "../../../crypto/error.ts";
import { firstLogHash } from "../../../protocol/key_log.ts";
import { integer } from "../statements.ts";
import { type Pool, type Querying, SCHEMA_NAME } from "./pool.ts";
import { MIGRATIONS } from "./schema.sql.ts";

/** The lock under which a schema is made and changed: "SPst". */
const SCHEMA_LOCK = 0x53507374;

/** The version of the store in a database, 0 if it has none. */
export async function schemaVersion(
  querying: Pick<Querying, "query">,
  schema = SCHEMA_NAME,
): Promise<number> {
  const [row] = await querying.query(
    "SELECT to_regclass($1)::text AS found",
    [`${schema}.schema_version`],
  );
  if (row === undefined || row["found"] === null) return 0;
  const [found] = await querying.query(`SELECT version FROM ${schema}.schema_version`);
  return integer(found ?? {}, "version");
}

/**
 * Makes the store in a database that has none, and brings one of an earlier version up to date; returns
 * whether it was made. Throws `config` for one of a later version, and what the connection throws.
 */
export async function makeSchema(pool: Pool, now = Date.now()): Promise<boolean> {
  return await pool.transaction(async (tx) => {
    await tx.query("SELECT pg_advisory_xact_lock($1)", [SCHEMA_LOCK]);
    const version = await schemaVersion(tx);
    refuseNewer(version);
    if (version === MIGRATIONS.length) return false;
    if (version === 0) await tx.run(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA_NAME}`);
    await makeTables(tx, version);
    if (version > 0) return false;
    await beginLog(tx, now);
    return true;
  });
}

/** Makes the tables, or what those of the `version` lack, in the schema that is searched. */
export async function makeTables(tx: Querying, version = 0): Promise<void> {
  if (version === 0) {
    await tx.run(
      "CREATE TABLE schema_version (one BOOLEAN PRIMARY KEY CHECK (one), version BIGINT NOT NULL)",
    );
    await tx.run("INSERT INTO schema_version (one, version) VALUES (true, 0)");
  }
  for (const step of MIGRATIONS.slice(version)) {
    for (const statement of step.split(";")) {
      if (statement.trim() !== "") await tx.run(statement);
    }
  }
  await tx.run("UPDATE schema_version SET version = $1", [MIGRATIONS.length]);
}

/** Begins the key log of an empty store at `now`, milliseconds since 1970. */
export async function beginLog(tx: Querying, now: number): Promise<void> {
  const generation = Math.floor(now / 1000);
  await tx.run(
    `INSERT INTO key_log (number, at, event, generation, seq, name, fp, hash)
      VALUES (0, $1, 0, $2, $2, '', $3, $4)`,
    [now, generation, new Uint8Array(32), firstLogHash(generation)],
  );
}

/**
 * Throws `config` unless the database has a store that this program knows, after bringing it up to date,
 * and its commits wait for the disk.
 */
export async function requireSchema(pool: Pool): Promise<void> {
  const version = await schemaVersion(pool);
  refuseNewer(version);
  if (version === 0) {
    throw new SealpostError(
      "config",
      "there is no store in this database; make it with: sealpost store init",
    );
  }
  const [row] = await pool.query("SELECT current_setting('synchronous_commit') AS commits");
  if (row?.["commits"] === "off") {
    throw new SealpostError(
      "config",
      "the database acknowledges what is not on its disk yet, so mail could be lost; set " +
        "synchronous_commit = on there (ALTER ROLE … SET, ALTER DATABASE … SET or postgresql.conf)",
    );
  }
  if (version < MIGRATIONS.length) await makeSchema(pool);
}

function refuseNewer(version: number): void {
  if (version <= MIGRATIONS.length) return;
  throw new SealpostError(
    "config",
    `the store in this database was made by a newer Sealpost (schema ${version}, this one knows ` +
      `${MIGRATIONS.length}); use that one`,
  );
}
