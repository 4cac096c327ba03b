import { random, toHex } from "../../crypto/bytes.ts";
import {
  Pool,
  type PoolOptions,
  RUNTIME_TOO_OLD,
  SCHEMA_NAME,
} from "../../server/store/postgres/pool.ts";
import { parsePostgresAddress } from "../../server/store/postgres/address.ts";
import { beginLog, makeSchema } from "../../server/store/postgres/open.ts";

/**
 * Starts PostgreSQL in a new folder below /tmp, where its own user can read, on the port $1 of the
 * loopback, with the password $2. It ends, and the folder goes, when the process $3 has ended. Prints
 * the folder.
 */
const START = `
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
dir=$(mktemp -d /tmp/sealpost-postgres-XXXXXX)
as=
if [ "$(id -u)" = 0 ]; then chown postgres "$dir"; as="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi
printf '%s' "$2" >"$dir/password"; chmod 644 "$dir/password"
cd "$dir"
$as "$bin/initdb" -D "$dir/data" -U sealpost -A scram-sha-256 --pwfile="$dir/password" -E UTF8 --locale=C --no-sync >"$dir.log" 2>&1
$as "$bin/pg_ctl" -D "$dir/data" -w -o "-p $1 -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 -c fsync=\${4:-off} -c shared_buffers=64MB" -l "$dir/log" start >>"$dir.log" 2>&1 </dev/null
(
  trap '' HUP
  while kill -0 "$3" 2>/dev/null && [ -d "$dir" ]; do sleep 1; done
  $as "$bin/pg_ctl" -D "$dir/data" -m immediate stop
  rm -rf "$dir" "$dir.log"
) >/dev/null 2>&1 </dev/null &
echo "$dir"
`;

/** Kills the server in the folder $1 as if the power had failed, and starts it again. */
const CRASH = `
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
as=
if [ "$(id -u)" = 0 ]; then as="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi
cd /tmp
$as "$bin/pg_ctl" -D "$1/data" -w -m immediate -l "$1/log" restart >/dev/null 2>&1 </dev/null
`;

/** Follows the server at the port $1 of the loopback as a standby does, and keeps what it gets in $2. */
const FOLLOW = `
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
exec "$bin/pg_receivewal" -h 127.0.0.1 -p "$1" -U sealpost -D "$2"
`;

/** Makes a standby of the server in the folder $1, which has the port $2, at the port $3. */
const STANDBY = `
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
as=
if [ "$(id -u)" = 0 ]; then as="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi
cd /tmp
export PGPASSWORD="$(cat "$1/password")"
$as "$bin/pg_basebackup" -h 127.0.0.1 -p "$2" -U sealpost -D "$1/standby" -R -X stream -c fast
$as "$bin/pg_ctl" -D "$1/standby" -w -o "-p $3 -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 -c hot_standby=on" -l "$1/standby.log" start >/dev/null 2>&1 </dev/null
`;

const STOP_STANDBY = `
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
as=
if [ "$(id -u)" = 0 ]; then as="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi
cd /tmp
$as "$bin/pg_ctl" -D "$1/standby" -m immediate stop
rm -rf "$1/standby" "$1/standby.log"
`;

const STOP = `
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
as=
if [ "$(id -u)" = 0 ]; then as="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi
cd /tmp
$as "$bin/pg_ctl" -D "$1/data" -m immediate stop
rm -rf "$1" "$1.log"
`;

/** Why no PostgreSQL can be started here; null if one can. */
export const NO_POSTGRES: string | null = await reasonAgainst();

async function reasonAgainst(): Promise<string | null> {
  if (Deno.build.os !== "linux") return "PostgreSQL is started on Linux only";
  if (RUNTIME_TOO_OLD) return `Deno ${Deno.version.deno} ends when a connection is lost`;
  const { success } = await sh("ls -d /usr/lib/postgresql/*/bin/initdb && id postgres", []);
  return success ? null : "there is no PostgreSQL (apt-get install postgresql)";
}

/** Runs a shell script with `args` as `$1` and so on, and gives what it printed, without blanks around it. */
export async function sh(script: string, args: readonly string[]) {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", ...args],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout).trim(), stderr: decoder.decode(stderr) };
}

/** A PostgreSQL of this process's own. */
export class Cluster {
  private constructor(
    readonly folder: string,
    readonly port: number,
    readonly password: string,
  ) {}

  /** Starts one. It ends with the process at the latest. `durable`: commits wait for the disk. */
  static async start(options: { readonly durable?: boolean } = {}): Promise<Cluster> {
    const port = freePort();
    const password = toHex(random(16));
    const fsync = options.durable ? "on" : "off";
    const started = await sh(START, [`${port}`, password, `${Deno.pid}`, fsync]);
    if (!started.success) throw new Error(`PostgreSQL does not start: ${started.stderr}`);
    return new Cluster(started.stdout, port, password);
  }

  /** The address of a database, as `--store` takes it. */
  address(database: string): string {
    return `postgres://sealpost@127.0.0.1:${this.port}/${database}`;
  }

  /** What a {@linkcode Pool} of a database takes. */
  options(database: string): PoolOptions {
    const address = parsePostgresAddress(this.address(database));
    return { address, password: this.password, certificates: null, patience: 10_000 };
  }

  /** Makes an empty database; returns its name. */
  async makeDatabase(): Promise<string> {
    const name = `d${toHex(random(6))}`;
    await this.administer(`CREATE DATABASE ${name}`);
    return name;
  }

  /** Makes a database with a store; returns its name. */
  async makeStore(): Promise<string> {
    const name = await this.makeDatabase();
    await this.within(name, makeSchema);
    return name;
  }

  /** Makes the store of a database as it was when it was new. */
  emptyStore(database: string): Promise<void> {
    return this.within(database, (pool) =>
      pool.transaction(async (tx) => {
        const tables = await tx.query(
          `SELECT string_agg(tablename, ', ') AS names FROM pg_tables
            WHERE schemaname = $1 AND tablename <> 'schema_version'`,
          [SCHEMA_NAME],
        );
        await tx.run(`TRUNCATE ${tables[0]?.["names"]} RESTART IDENTITY`);
        await tx.run("INSERT INTO revision DEFAULT VALUES");
        await beginLog(tx, Date.now());
      }));
  }

  /** Runs a statement as the cluster's owner. */
  administer(statement: string): Promise<unknown> {
    return this.within("postgres", (pool) => pool.run(statement));
  }

  /** Uses a database by a connection of its own. */
  async within<T>(database: string, use: (pool: Pool) => Promise<T>): Promise<T> {
    // To make or remove a database takes a checkpoint, which takes its time on a busy disk.
    const pool = new Pool({ ...this.options(database), stuck: 300_000 });
    try {
      return await use(pool);
    } finally {
      pool.close();
    }
  }

  /** Removes a database, whoever uses it. */
  async removeDatabase(name: string): Promise<void> {
    await this.administer(`DROP DATABASE ${name} WITH (FORCE)`);
  }

  /** Kills it in the middle of what it does, and starts it again. */
  async crash(): Promise<void> {
    const { success } = await sh(CRASH, [this.folder]);
    if (!success) throw new Error("PostgreSQL does not start again");
  }

  /** Has something follow it as a standby does, until that is stopped. */
  async follow(): Promise<{ readonly stop: () => Promise<void> }> {
    const dir = await Deno.makeTempDir({ prefix: "sealpost-wal-" });
    const follower = new Deno.Command("sh", {
      args: ["-c", FOLLOW, "sh", `${this.port}`, dir],
      env: { PGPASSWORD: this.password },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    return {
      stop: async () => {
        follower.kill();
        await follower.status;
        await Deno.remove(dir, { recursive: true });
      },
    };
  }

  /** Starts a standby that answers queries, until it is stopped. */
  async startStandby(): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> {
    const port = freePort();
    const { success, stderr } = await sh(STANDBY, [this.folder, `${this.port}`, `${port}`]);
    if (!success) throw new Error(`the standby does not start: ${stderr}`);
    return { port, stop: async () => void await sh(STOP_STANDBY, [this.folder]) };
  }

  stop(): void {
    new Deno.Command("sh", {
      args: ["-c", STOP, "sh", this.folder],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).outputSync();
  }
}

let shared: Promise<Cluster> | undefined;
let running: Cluster | undefined;

/** One cluster for all tests of a file. */
export function sharedCluster(): Promise<Cluster> {
  return shared ??= Cluster.start().then((cluster) => running = cluster);
}

globalThis.addEventListener("unload", () => running?.stop());

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
