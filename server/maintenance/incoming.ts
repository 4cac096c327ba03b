import { SealpostError } from "../../crypto/error.ts";
import type { Progress } from "../../cli/progress.ts";
import { makeTables, requireSchema, schemaVersion } from "../store/postgres/open.ts";
import { Pool, type Querying, SCHEMA_NAME } from "../store/postgres/pool.ts";
import { MIGRATIONS } from "../store/postgres/schema.sql.ts";
import { integer, text } from "../store/statements.ts";
import { compareRows, copyRows, fingerprintOf } from "./copy_rows.ts";
import { checkDatabase } from "./database_check.ts";
import { FsckFindings, type FsckReport } from "./findings.ts";
import { PostgresRows } from "./postgres_rows.ts";
import { snapshotName } from "./snapshot.ts";
import type { StoreRows } from "./store_rows.ts";
import { putUsers, type StoredUsers, usersOf } from "./stored_users.ts";
import { LARGE } from "./tables.ts";
import type { DatabaseStore } from "./which_store.ts";

/** The schema in which a store is made that will take its place when it is whole. */
const INCOMING = "sealpost_incoming";

/** The table that says of which store it will be a copy; it goes at the end. */
export const ORIGIN = "CREATE TABLE origin (source TEXT NOT NULL)";

/** A database that gets a store, and that nobody else uses meanwhile. */
export class IncomingStore implements Disposable {
  readonly #name: string;
  readonly #pool: Pool;

  constructor({ name, options }: DatabaseStore) {
    this.#name = name;
    this.#pool = new Pool({ ...options, alone: true, schema: INCOMING });
  }

  /** Whether a store is there that has accounts or users. Throws `busy` if it is used. */
  async isUsed(): Promise<boolean> {
    if (await schemaVersion(this.#pool) === 0) return false;
    const [row] = await this.#pool.query(
      `SELECT (SELECT count(*) FROM ${SCHEMA_NAME}.account)
        + (SELECT count(*) FROM ${SCHEMA_NAME}.login) AS n`,
    );
    return integer(row ?? {}, "n") > 0;
  }

  /**
   * The mailboxes of the store that is there, the generation of its key log, and the highest time of that:
   * of its last record, or of a head, which a server whose clock is ahead may have signed.
   */
  async mailboxes() {
    const rows = await this.#pool.query(
      `SELECT name, encode(epoch, 'hex') AS epoch, next_uid, modseq FROM ${SCHEMA_NAME}.account`,
    );
    const [log] = await this.#pool.query(
      `SELECT generation, greatest(at, (SELECT head_time FROM ${SCHEMA_NAME}.revision)) AS at
        FROM ${SCHEMA_NAME}.key_log ORDER BY number DESC LIMIT 1`,
    );
    return {
      mailboxes: new Map(rows.map((row) => [text(row, "name"), {
        epoch: text(row, "epoch"),
        nextUid: integer(row, "next_uid"),
        modseq: integer(row, "modseq"),
      }])),
      generation: log === undefined ? 0 : integer(log, "generation"),
      time: log === undefined ? 0 : integer(log, "at"),
    };
  }

  /** The users of the store that is there. */
  async users(): Promise<StoredUsers> {
    const rows = await this.#pool.query(`SELECT name, value FROM ${SCHEMA_NAME}.login`);
    return new Map(rows.map((row) => [text(row, "name"), text(row, "value")]));
  }

  /**
   * Copies a store, or goes on with it where an earlier call for the same store ended, and checks the
   * copy. `resumed`: rows that were there already. Nothing of the store that is there is changed. `lenient`: also one that lacks large bodies.
   */
  async fill(
    from: StoreRows,
    users: StoredUsers,
    progress: Progress,
    { lenient = false }: { readonly lenient?: boolean } = {},
  ): Promise<{ readonly resumed: number; readonly check: FsckReport }> {
    const pool = this.#pool;
    await this.#prepare(await fingerprintOf(from));
    const bodies = lenient ? "there" : "all";
    const resumed = await copyRows(from, new PostgresRows(pool, false), { bodies, progress });
    for (const { name } of LARGE) await pool.run(`ANALYZE ${name}`);
    await pool.transaction(async (tx) => {
      await putUsers(tx, users);
      // Heads of the key log were given until now, by a server whose clock may be ahead of the others'.
      await tx.run("UPDATE revision SET head_time = greatest(head_time, $1)", [Date.now()]);
    });
    const findings = new FsckFindings();
    const checked = await checkDatabase(pool, findings, INCOMING);
    const check = {
      store: this.#name,
      running: false,
      journaled: 0,
      ...checked,
      findings: findings.list(),
      damaged: findings.damaged,
    };
    return { resumed, check };
  }

  /** Compares what was filled with where it came from. Throws `format` if they differ. */
  compare(from: StoreRows, progress: Progress) {
    return compareRows(from, new PostgresRows(this.#pool, false), progress);
  }

  /**
   * Puts what was filled in the place of the store that is there, which becomes another schema, the name of
   * which is returned; one without accounts and users goes. All or nothing.
   */
  async takePlace(): Promise<string | null> {
    const used = await this.isUsed();
    const aside = `sealpost_before_${snapshotName(Date.now()).toLowerCase()}`;
    return await this.#pool.transaction(async (tx) => {
      if (used) await tx.run(`ALTER SCHEMA ${SCHEMA_NAME} RENAME TO ${aside}`);
      else await tx.run(`DROP SCHEMA IF EXISTS ${SCHEMA_NAME} CASCADE`);
      await tx.run(`DROP TABLE ${INCOMING}.origin`);
      await tx.run(`ALTER SCHEMA ${INCOMING} RENAME TO ${SCHEMA_NAME}`);
      return used ? aside : null;
    });
  }

  [Symbol.dispose](): void {
    this.#pool.close();
  }

  /** Makes empty tables, unless what is there is part of a copy of `source`. */
  async #prepare(source: string): Promise<void> {
    await this.#pool.transaction(async (tx) => {
      if (await originOf(tx) === source) return;
      await tx.run(`DROP SCHEMA IF EXISTS ${INCOMING} CASCADE`);
      await tx.run(`CREATE SCHEMA ${INCOMING}`);
      await makeTables(tx);
      await tx.run(ORIGIN);
      await tx.run("INSERT INTO origin (source) VALUES ($1)", [source]);
    });
  }
}

/** Of which store the tables that are there are a copy; null if there are none. */
async function originOf(tx: Querying): Promise<string | null> {
  const [there] = await tx.query("SELECT to_regclass($1)::text AS found", [`${INCOMING}.origin`]);
  if (there === undefined || there["found"] === null) return null;
  if (await schemaVersion(tx, INCOMING) !== MIGRATIONS.length) return null;
  const [row] = await tx.query("SELECT source FROM origin");
  return row === undefined ? null : text(row, "source");
}

/** Reads all of a store in a database, which nobody else may use if it is read `alone`. */
export async function readDatabase<T>(
  { options }: DatabaseStore,
  alone: boolean,
  read: (rows: PostgresRows, users: StoredUsers) => Promise<T>,
): Promise<T> {
  const pool = new Pool({ ...options, alone });
  try {
    await requireSchema(pool);
    return await pool.snapshot(async (tx) =>
      await read(new PostgresRows(tx, true), await usersOf(tx))
    );
  } finally {
    pool.close();
  }
}

/** The error that says that a copy is damaged, which comes from the store that was copied. */
export function damagedSource(from: string, { damaged }: FsckReport): SealpostError {
  return new SealpostError(
    "format",
    `the store ${from} is damaged: ${damaged} ${
      damaged === 1 ? "thing is" : "things are"
    } not as they ` +
      "should be; see fsck",
  );
}
