import postgres from "postgres";
import { errorText, SealpostError } from "../../../crypto/error.ts";
import { formatAddress } from "../../../protocol/address.ts";
import { clearTimeout, setTimeout } from "node:timers";
import { sleep } from "../../../protocol/timer.ts";
import type { SqlRow } from "../statements.ts";
import { DEFAULT_PORT, type PostgresAddress } from "./address.ts";

/**
 * Whether writing to a connection that was just lost throws where nobody can catch it (node:net of Deno
 * before 2.9).
 */
export const RUNTIME_TOO_OLD = /^2\.[0-8]\./.test(Deno.version.deno);

/** The schema that has the tables. */
export const SCHEMA_NAME = "sealpost";

/** Connections at once. */
const CONNECTIONS = 10;

/** A statement that takes longer is given up with its connection, milliseconds. */
const STUCK = 20_000;

/**
 * The lock that every connection holds, shared: who has it alone knows that nobody else uses the store.
 * "SPus".
 */
const USE_LOCK = 0x53507573;

/**
 * How often the lock is tried, and how long is waited between, milliseconds: PostgreSQL takes a moment to
 * see that a program has ended.
 */
const LOCK_TRIES = 12;
const LOCK_PAUSE = 250;

/** So is a connection that is not made by then, milliseconds. */
const CONNECTING = 6000;

/**
 * What every session is given, whatever the database or its user has set: the ways in which values are
 * read, and that the locks of a server which is gone are soon free. Milliseconds, but for the keepalives,
 * which are seconds (https://www.postgresql.org/docs/15/runtime-config.html).
 */
const SESSION = {
  application_name: "sealpost",
  bytea_output: "hex",
  default_transaction_isolation: "read committed",
  idle_in_transaction_session_timeout: 15_000,
  client_connection_check_interval: 10_000,
  tcp_keepalives_idle: 10,
  tcp_keepalives_interval: 5,
  tcp_keepalives_count: 3,
  tcp_user_timeout: 20_000,
  // A parameter that is 0 the driver leaves out.
  options: "-c statement_timeout=0",
} as const;

/** How long work is tried anew while the database cannot be reached, milliseconds. */
const PATIENCE = 60_000;

/** Longest pause between two tries, milliseconds. */
const MAX_PAUSE = 1000;

/** Tries of a transaction that others keep getting in the way of. */
const MAX_CONFLICTS = 20;

/** What a statement can be given: an array as the text that PostgreSQL has for it (`arrays.ts`). */
export type Parameter = number | string | boolean | Uint8Array | null;

/** What statements are run by. */
export interface Querying {
  /** The rows that a statement gives. */
  query(text: string, parameters?: readonly Parameter[]): Promise<SqlRow[]>;
  /** Runs a statement; returns how many rows it wrote. */
  run(text: string, parameters?: readonly Parameter[]): Promise<number>;
}

/** How a {@linkcode Pool} connects. */
export interface PoolOptions {
  readonly address: PostgresAddress;
  readonly password: string;
  /** The text of the file with root certificates, null if the system's are used. */
  readonly certificates: string | null;
  /** Default: {@linkcode PATIENCE}. */
  readonly patience?: number;
  /** How long a statement may take, milliseconds. Default: {@linkcode STUCK}. */
  readonly stuck?: number;
  /** The schema that has the tables. Default: {@linkcode SCHEMA_NAME}. */
  readonly schema?: string;
  /**
   * Keeps everybody else out of the store, by one connection; `busy` is thrown while others use it, and by
   * theirs while this is open.
   */
  readonly alone?: boolean;
}

type Driver = ReturnType<typeof driver>;

/** `first`: the number of the host that is tried first. */
function driver(
  { address, password, certificates, schema = SCHEMA_NAME }: PoolOptions,
  first: number,
  on: { readonly close: () => void; readonly notify: (channel: string, payload: string) => void },
) {
  const hosts = address.hosts.map(formatAddress);
  const at = first % hosts.length;
  // All that is left out, the driver looks for in the environment.
  const options = {
    host: [...hosts.slice(at), ...hosts.slice(0, at)].join(","),
    port: DEFAULT_PORT,
    user: address.user,
    pass: password,
    database: address.database,
    max: 1,
    ssl: address.tls ? (certificates === null ? {} : { ca: certificates }) : false,
    sslnegotiation: null,
    idle_timeout: 0,
    connect_timeout: 5,
    max_lifetime: 0,
    max_pipeline: 100,
    backoff: () => 0.2,
    keep_alive: 10,
    prepare: true,
    debug: false,
    fetch_types: false,
    publications: "none",
    // For "read-write" the driver takes a standby too: only its queries are refused.
    target_session_attrs: "primary" as const,
    no_subscribe: true,
    onnotice: () => {},
    onnotify: on.notify,
    onclose: on.close,
    connection: { ...SESSION, search_path: schema },
    types: {
      int8: { to: 20, from: [20], parse: Number, serialize: String },
      bytea: {
        to: 17,
        from: [17],
        parse: (text: string) => Uint8Array.fromHex(text.slice(2)),
        serialize: (bytes: Uint8Array) => `\\x${bytes.toHex()}`,
      },
    },
  };
  return postgres(options);
}

/**
 * One connection. The driver has one for each of these, so that it is known at once when that is lost:
 * what is written to one that is gone ends the process. It is reserved as soon as it is made: statements
 * that wait in the driver for another reason would be run on a new connection, outside of the transaction
 * that they belong to, and nobody would end that.
 */
class Connection implements Querying {
  readonly #sql: Driver;
  readonly #stuck: number;
  readonly #alone: boolean;
  #reserved: Awaited<ReturnType<Driver["reserve"]>> | null = null;
  #made = false;
  #alive = true;
  /** What ends the statements that wait for an answer, if none can come any more. */
  readonly #waiting = new Set<() => void>();
  #hear: (channel: string, payload: string) => void = () => {};

  constructor({ stuck = STUCK, alone = false, ...options }: PoolOptions, first: number) {
    this.#stuck = stuck;
    this.#alone = alone;
    this.#sql = driver(options, first, {
      close: () => this.#lost(),
      notify: (channel, payload) => this.#hear(channel, payload),
    });
  }

  /** Makes the connection. Throws `busy` if the store is used so that this one may not. */
  async open(): Promise<void> {
    for (let tries = 1; !await this.#lock(); tries++) {
      if (tries < LOCK_TRIES) await sleep(LOCK_PAUSE);
      else {
        this.close();
        throw new SealpostError(
          "busy",
          this.#alone
            ? "somebody uses the store in this database; stop every sealpost serve that does, and " +
              "try again"
            : "the store in this database is being restored, moved or repaired; try again after that",
        );
      }
    }
    this.#made = true;
  }

  async #lock(): Promise<boolean> {
    const take = this.#alone ? "pg_try_advisory_lock" : "pg_try_advisory_lock_shared";
    const statement = `SELECT CASE WHEN ${take}($1) THEN 1 ELSE 0 END AS taken`;
    const sql = this.#reserved ?? this.#sql;
    const ask = () => sql.unsafe<SqlRow[]>(statement, [USE_LOCK], { prepare: true });
    const [row] = await this.#answer(ask, CONNECTING);
    this.#reserved ??= await this.#answer(() => this.#sql.reserve(), CONNECTING);
    return row?.["taken"] === 1;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get made(): boolean {
    return this.#made;
  }

  async query(text: string, parameters: readonly Parameter[] = []): Promise<SqlRow[]> {
    return await this.#send<SqlRow[]>(text, parameters);
  }

  async run(text: string, parameters: readonly Parameter[] = []): Promise<number> {
    return (await this.#send(text, parameters)).count;
  }

  #send<T extends readonly SqlRow[]>(
    text: string,
    parameters: readonly Parameter[],
    patience = this.#stuck,
  ) {
    const reserved = this.#reserved;
    if (reserved === null) return Promise.reject(lost());
    return this.#answer(
      () => reserved.unsafe<(T[number] & SqlRow)[]>(text, [...parameters], { prepare: true }),
      patience,
    );
  }

  /** What the driver answers; throws if the connection is lost before, or after `patience` milliseconds. */
  async #answer<T>(ask: () => PromiseLike<T>, patience: number): Promise<T> {
    if (!this.#alive) throw lost();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const end = () => reject(lost());
    const late = setTimeout(() => this.close(), patience);
    this.#waiting.add(end);
    try {
      ask().then(resolve, reject);
      return await promise;
    } finally {
      this.#waiting.delete(end);
      clearTimeout(late);
    }
  }

  /** Several statements without parameters. */
  async script(text: string): Promise<void> {
    const reserved = this.#reserved;
    if (!this.#alive || reserved === null) throw lost();
    await reserved.unsafe(text);
  }

  close(): void {
    this.#lost();
    this.#sql.end({ timeout: 0 }).catch(() => {});
  }

  #lost(): void {
    this.#alive = false;
    for (const end of this.#waiting) end();
  }

  /** Hears `channel` until the connection ends. */
  async listen(channel: string, hear: (payload: string) => void): Promise<void> {
    this.#hear = (from, payload) => {
      if (from === channel) hear(payload);
    };
    await this.query(`LISTEN ${channel}`);
  }
}

function lost(): Error {
  return Object.assign(new Error("the connection is lost"), { code: "CONNECTION_CLOSED" });
}

/** The work of a transaction; `again`: an earlier try may have been committed. */
export type Work<T> = (tx: Querying, again: boolean) => Promise<T>;

/**
 * Connections to the member of a cluster that takes writes. Work is done anew on another connection when
 * one is lost, or leads to a server that takes no writes (any more), and when transactions got in each
 * other's way: so its caller sees a pause at most.
 */
export class Pool {
  readonly #options: PoolOptions;
  readonly #patience: number;
  #idle: Connection[] = [];
  readonly #busy = new Set<Connection>();
  readonly #waiting: ((connection: Connection) => void)[] = [];
  /** The connection that was made last. */
  #newest: Connection | null = null;
  /** Which host new connections try first. */
  #first = 0;
  /** When all work is given up, of `performance.now()`. */
  #end = Infinity;
  #closed = false;
  #trouble: string | null = null;

  /** Throws `config` where the runtime is too old. */
  constructor(options: PoolOptions) {
    if (RUNTIME_TOO_OLD) {
      throw new SealpostError(
        "config",
        `a store in PostgreSQL needs a program made with Deno 2.9 or newer, and this has ` +
          `${Deno.version.deno}, which a lost connection can end`,
      );
    }
    this.#options = options;
    this.#patience = options.patience ?? PATIENCE;
  }

  /** Why work is being done anew, for lack of a connection; null since some was done. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** The rows of a statement that changes nothing. */
  query(text: string, parameters: readonly Parameter[] = []): Promise<SqlRow[]> {
    return this.#persist((connection) => connection.query(text, parameters));
  }

  /** Runs a statement that may be run twice; returns how many rows it wrote. */
  run(text: string, parameters: readonly Parameter[] = []): Promise<number> {
    return this.#persist((connection) => connection.run(text, parameters));
  }

  /** Runs `work` inside a transaction; resolves once that is committed. */
  transaction<T>(work: Work<T>): Promise<T> {
    return this.#transaction("BEGIN", work);
  }

  /**
   * Runs `work`, which only reads, on the database as it is at one moment. Where it takes long, the pool
   * has a long `stuck`.
   */
  snapshot<T>(work: (tx: Querying) => Promise<T>): Promise<T> {
    return this.#transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", async (tx) => {
      // Between two pages of rows the other store may take its time.
      await tx.run("SET LOCAL idle_in_transaction_session_timeout = 0");
      return await work(tx);
    });
  }

  #transaction<T>(begin: string, work: Work<T>): Promise<T> {
    let again = false;
    return this.#persist(async (connection) => {
      let committing = false;
      try {
        await connection.run(begin);
        const value = await work(connection, again);
        committing = true;
        await connection.run("COMMIT");
        return value;
      } catch (error) {
        if (committing && isLost(error)) again = true;
        if (connection.alive && !isLost(error)) await connection.run("ROLLBACK");
        throw error;
      }
    });
  }

  /** Runs several statements without parameters in one transaction. */
  script(text: string): Promise<void> {
    return this.#persist((connection) => connection.script(text));
  }

  /**
   * Hears what is told on `channel`, for good; `onGap` is called each time something may have been missed.
   * Never rejects.
   */
  async listen(
    channel: string,
    hear: (payload: string) => void,
    onGap: () => void,
  ): Promise<void> {
    while (!this.#closed) {
      const connection = new Connection(this.#options, this.#first);
      this.#busy.add(connection);
      try {
        await connection.open();
        await connection.listen(channel, hear);
        onGap();
        while (connection.alive && !this.#closed) {
          await sleep(500);
          await connection.query("SELECT 1");
        }
      } catch {
        // The next connection is tried.
      }
      this.#busy.delete(connection);
      connection.close();
      if (!this.#closed) await sleep(500);
    }
  }

  /**
   * Gives the work that is there, and what comes yet, `ms` milliseconds in all. What is not done then fails
   * with `busy`.
   */
  giveUpIn(ms: number): void {
    this.#end = Math.min(this.#end, performance.now() + ms);
    setTimeout(() => {
      for (const connection of this.#busy) connection.close();
    }, ms).unref();
  }

  /** Ends all connections. What still uses one fails with `busy`. */
  close(): void {
    this.#closed = true;
    for (const connection of [...this.#idle, ...this.#busy]) connection.close();
    this.#idle = [];
  }

  async #persist<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const began = performance.now();
    for (let tries = 0;; tries++) {
      const connection = await this.#take();
      let failure: unknown;
      let fails = true;
      try {
        this.#requireTime(began);
        if (!connection.made) await connection.open();
        const value = await work(connection);
        fails = false;
        this.#trouble = null;
        return value;
      } catch (error) {
        failure = error;
      } finally {
        if (fails && isLost(failure)) {
          connection.close();
          if (!connection.made || codeOf(failure) === READ_ONLY) this.#first++;
        }
        this.#give(connection);
      }
      if (this.#closed) throw closed();
      const isConflict = CONFLICTS.has(codeOf(failure));
      if (isLost(failure)) this.#trouble = this.#wrap(failure).message;
      if (!isConflict && !isLost(failure)) throw this.#wrap(failure);
      if ((isConflict && tries >= MAX_CONFLICTS) || performance.now() > this.#until(began)) {
        throw this.#wrap(failure);
      }
      await sleep(Math.min(MAX_PAUSE, 5 * 2 ** Math.min(tries, 10)) * Math.random());
    }
  }

  /**
   * Throws `busy` for what has waited for a connection until there is no time for it any more: others were
   * tried meanwhile, each for some seconds, and none reached the database.
   */
  #requireTime(began: number): void {
    if (this.#closed) throw closed();
    if (this.#trouble === null || this.#patience === 0) return;
    if (performance.now() > this.#until(began)) throw new SealpostError("busy", this.#trouble);
  }

  /** When work that began at `began` is given up, both of `performance.now()`. */
  #until(began: number): number {
    return Math.min(began + this.#patience, this.#end);
  }

  async #take(): Promise<Connection> {
    if (this.#closed) throw closed();
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      this.#busy.add(idle);
      return idle;
    }
    if (this.#busy.size >= (this.#options.alone ? 1 : CONNECTIONS)) {
      return await new Promise((resolve) => this.#waiting.push(resolve));
    }
    const connection = this.#connect();
    this.#busy.add(connection);
    return connection;
  }

  /** Throws `busy` where another has kept others out, and is lost. */
  #connect(): Connection {
    if (this.#options.alone && this.#newest?.made) {
      throw new SealpostError("busy", "the connection to the database was lost; try again");
    }
    return this.#newest = new Connection(this.#options, this.#first);
  }

  #give(given: Connection): void {
    this.#busy.delete(given);
    const next = this.#waiting.shift();
    if (next === undefined) {
      if (given.alive && !this.#closed) this.#idle.push(given);
      return;
    }
    const connection = given.alive ? given : new Connection(this.#options, this.#first);
    this.#busy.add(connection);
    next(connection);
  }

  #wrap(error: unknown): SealpostError {
    if (error instanceof SealpostError) return error;
    const cause = { cause: error };
    const { hosts, database } = this.#options.address;
    const where = `the database ${database} at ${hosts.map(formatAddress).join(", ")}`;
    const code = codeOf(error);
    if (isLost(error) || CONFLICTS.has(code)) {
      return new SealpostError("busy", `${where} cannot be reached, or takes no writes`, cause);
    }
    if (code === "53100") {
      return new SealpostError("disk-full", `${where}: no space left on the disk`, cause);
    }
    if (code.startsWith("28") || code === "3D000" || code === "42501") {
      return new SealpostError("config", `${where} refuses: ${errorText(error)}`, cause);
    }
    if (code.startsWith("58") || code.startsWith("XX")) {
      return new SealpostError("file-io", `${where}: ${errorText(error)}`, cause);
    }
    if (code === "EPERM" || code === "EACCES") {
      return new SealpostError("config", `this process may not connect to ${where}`, cause);
    }
    if (isTlsError(error)) {
      return new SealpostError(
        "config",
        `${where} is not who it should be: ${errorText(error)}`,
        cause,
      );
    }
    return new SealpostError("internal", `an unexpected error of ${where}`, cause);
  }
}

function closed(): SealpostError {
  return new SealpostError("busy", "the store is closed");
}

// Error codes of https://www.postgresql.org/docs/15/errcodes-appendix.html.

/** A transaction that others got in the way of, and can be run again. */
const CONFLICTS: ReadonlySet<string> = new Set(["40001", "40P01", "55P03"]);

/** The server takes no writes. */
const READ_ONLY = "25006";

/** Another connection is needed: also for a server that takes no writes (25006), starts or stops. */
const LOST =
  /^(08...|57P0[1-3]|25006|25P03|53300|CONNECT\w+|E(CONNREFUSED|CONNRESET|PIPE|NOTFOUND|HOSTUNREACH|NETUNREACH|TIMEDOUT|AI_AGAIN))$/;

function isLost(error: unknown): boolean {
  return LOST.test(codeOf(error));
}

function isTlsError(error: unknown): boolean {
  return /certificate|ssl|tls|altname/i.test(`${codeOf(error)} ${errorText(error)}`);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** How many other connections use the store of the database, {@linkcode PoolOptions.alone} or not. */
export async function countOthers(connection: Querying): Promise<number> {
  const [row] = await connection.query(
    `SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = $1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND pid <> pg_backend_pid() AND granted`,
    [USE_LOCK],
  );
  return Number(row?.["n"]);
}

/** Whether `error` says that the database's own files are damaged. */
export function isDamage(error: unknown): boolean {
  return codeOf(error).startsWith("XX");
}

/** Whether `error` says that a row may not be as it is. */
export function isConstraint(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (codeOf(at).startsWith("23")) return true;
  }
  return false;
}
