import { random, toHex } from "../../crypto/bytes.ts";
import { parsePostgresAddress } from "../../server/store/postgres/address.ts";
import { Pool, type PoolOptions } from "../../server/store/postgres/pool.ts";
import { sh } from "./postgres.ts";
import { waitFor } from "./wait.ts";

/** Members of the cluster. */
const MEMBERS = 3;

/** Runs a script as the user postgres, if this is root. */
const AS = `
as=
if [ "$(id -u)" = 0 ]; then as="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi
cd /tmp
`;

/** Why there can be no such cluster here; null if there can be one. */
export const NO_PATRONI: string | null = await reasonAgainst();

async function reasonAgainst(): Promise<string | null> {
  if (Deno.build.os !== "linux") return "Patroni is started on Linux only";
  const { success } = await sh(
    "command -v patroni && command -v etcd && ls -d /usr/lib/postgresql/*/bin/initdb && id postgres",
    [],
  );
  return success ? null : "there is no Patroni with etcd (apt-get install patroni etcd-server)";
}

/** A member, as Patroni sees it. */
export interface Member {
  readonly name: string;
  /** `leader`, `sync_standby`, `replica`. */
  readonly role: string;
  readonly running: boolean;
}

/** A database of three members that replicate synchronously, and fail over by Patroni with etcd. */
export class PatroniCluster implements AsyncDisposable {
  readonly #running = new Map<number, Deno.ChildProcess>();
  readonly #folder: string;
  readonly #rest: readonly number[];
  readonly #etcd: Deno.ChildProcess;

  private constructor(
    folder: string,
    readonly password: string,
    readonly ports: readonly number[],
    rest: readonly number[],
    etcd: Deno.ChildProcess,
  ) {
    this.#folder = folder;
    this.#rest = rest;
    this.#etcd = etcd;
  }

  /** Starts one on free ports of the loopback, and waits for its leader and a synchronous standby. */
  static async start(): Promise<PatroniCluster> {
    const [client = 0, peer = 0, ...others] = freePorts(2 + 2 * MEMBERS);
    const [ports, rest] = [others.slice(0, MEMBERS), others.slice(MEMBERS)];
    const password = toHex(random(16));
    const made = await sh(
      `${AS} dir=$(mktemp -d /tmp/sealpost-patroni-XXXXXX); chmod 755 "$dir"
        mkdir "$dir/etcd" "$dir/files"; chmod 700 "$dir/etcd"
        if [ -n "$as" ]; then chown postgres "$dir" "$dir/etcd"; fi
        ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1; echo "$dir"`,
      [],
    );
    const [bin = "", folder = ""] = made.stdout.split("\n");
    const etcd = background(
      `${AS} exec $as etcd --data-dir "$1/etcd" --listen-client-urls http://127.0.0.1:$2 \
        --advertise-client-urls http://127.0.0.1:$2 --listen-peer-urls http://127.0.0.1:$3 \
        --initial-advertise-peer-urls http://127.0.0.1:$3 \
        --initial-cluster default=http://127.0.0.1:$3 >"$1/etcd.log" 2>&1`,
      [folder, `${client}`, `${peer}`],
    );
    const cluster = new PatroniCluster(folder, password, ports, rest, etcd);
    for (let i = 0; i < MEMBERS; i++) {
      const own = { port: ports[i] ?? 0, rest: rest[i] ?? 0 };
      const text = memberFile(i, { folder, bin, password, etcd: client, ...own });
      const made = await sh('cat >"$1/files/$2.json" <<EOF\n' + text + "\nEOF", [folder, `${i}`]);
      if (!made.success) throw new Error(made.stderr);
      cluster.startMember(i);
    }
    await cluster.settled();
    return cluster;
  }

  /** The address of a database with all members, as `--store` takes it. */
  address(database: string, ports = this.ports): string {
    const hosts = ports.map((port) => `127.0.0.1:${port}`).join(",");
    return `postgres://sealpost@${hosts}/${database}`;
  }

  /** What a {@linkcode Pool} of a database takes. */
  options(database: string): PoolOptions {
    const address = parsePostgresAddress(this.address(database));
    return { address, password: this.password, certificates: null, patience: 120_000 };
  }

  /** Makes an empty database; returns its name. */
  async makeDatabase(): Promise<string> {
    const name = `d${toHex(random(6))}`;
    await this.#administer(`CREATE DATABASE ${name}`);
    return name;
  }

  /** Removes a database, whoever uses it. */
  async removeDatabase(name: string): Promise<void> {
    await this.#administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }

  /** The members, by number, as far as Patroni answers. */
  async members(): Promise<readonly (Member | null)[]> {
    return await Promise.all(this.#rest.map(async (port) => {
      try {
        const signal = AbortSignal.timeout(2000);
        const response = await fetch(`http://127.0.0.1:${port}/patroni`, { signal });
        const { state, role, sync_standby, patroni } = await response.json();
        const isLeader = role === "master" || role === "primary";
        return {
          name: patroni.name,
          role: isLeader ? "leader" : sync_standby ? "sync_standby" : "replica",
          running: state === "running",
        };
      } catch {
        return null;
      }
    }));
  }

  /** The number of the leader; null while there is none. */
  async leader(): Promise<number | null> {
    const at = (await this.members()).findIndex((one) => one?.role === "leader" && one.running);
    return at < 0 ? null : at;
  }

  /** Waits until there is a leader that a synchronous standby follows. */
  async settled(): Promise<void> {
    await waitFor("a leader with a synchronous standby", async () => {
      const members = await this.members();
      const has = (role: string) => members.some((one) => one?.role === role && one.running);
      if (has("leader") && has("sync_standby")) return true;
      await new Promise((resolve) => setTimeout(resolve, 500));
      return null;
    });
  }

  /** Kills a member and what looks after it, as if its machine had lost its power. */
  async killMember(number: number): Promise<void> {
    this.#running.get(number)?.kill("SIGKILL");
    await this.#running.get(number)?.status;
    this.#running.delete(number);
    await sh('kill -9 $(head -n 1 "$1/data$2/postmaster.pid")', [this.#folder, `${number}`]);
  }

  /** Starts a member that is not there. */
  startMember(number: number): void {
    const args = [this.#folder, `${number}`];
    const script = `${AS} exec $as patroni "$1/files/$2.json" >>"$1/patroni$2.log" 2>&1`;
    this.#running.set(number, background(script, args));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const number of [...this.#running.keys()]) await this.killMember(number);
    this.#etcd.kill("SIGKILL");
    await this.#etcd.status;
    await sh('rm -rf "$1"', [this.#folder]);
  }

  async #administer(statement: string): Promise<void> {
    const pool = new Pool(this.options("postgres"));
    try {
      await pool.run(statement);
    } finally {
      pool.close();
    }
  }
}

/** What Patroni is told of a member. JSON is YAML. */
function memberFile(
  number: number,
  { folder, bin, password, etcd, port, rest }: {
    readonly folder: string;
    readonly bin: string;
    readonly password: string;
    readonly etcd: number;
    readonly port: number;
    readonly rest: number;
  },
): string {
  const sockets = { unix_socket_directories: "" };
  return JSON.stringify({
    scope: "sealpost",
    name: `member${number}`,
    restapi: { listen: `127.0.0.1:${rest}`, connect_address: `127.0.0.1:${rest}` },
    etcd3: { host: `127.0.0.1:${etcd}` },
    bootstrap: {
      dcs: {
        ttl: 20,
        loop_wait: 2,
        retry_timeout: 5,
        maximum_lag_on_failover: 1048576,
        synchronous_mode: true,
        synchronous_mode_strict: true,
        postgresql: {
          use_pg_rewind: true,
          parameters: { max_connections: 100, shared_buffers: "32MB", wal_log_hints: "on" },
        },
      },
      initdb: [{ encoding: "UTF8" }, { locale: "C" }, "data-checksums"],
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: `${folder}/data${number}`,
      bin_dir: bin,
      pgpass: `${folder}/pgpass${number}`,
      authentication: {
        superuser: { username: "sealpost", password },
        replication: { username: "replicator", password },
      },
      pg_hba: [
        "host all all 127.0.0.1/32 scram-sha-256",
        "host replication all 127.0.0.1/32 scram-sha-256",
      ],
      parameters: sockets,
    },
  });
}

function background(script: string, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: ["-c", script, "sh", ...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}
