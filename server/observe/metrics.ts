import { Counter, Gauge, Histogram, Registry } from "@prometheus-io/client";
import process from "node:process";
import { PROGRAM_VERSION } from "../../cli/program.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { within } from "../../protocol/timer.ts";
import type { Gauges, Observer } from "./observe.ts";
import type { Store, StoreStats } from "../store/store.ts";

/** The sources of the metrics. */
export interface MetricsSource {
  readonly observer: Observer;
  readonly gauges: () => Gauges;
  readonly store: Pick<Store, "stats">;
  /** The servers on a shared store; null where there is one alone. */
  readonly servers: () => SharedServers | null;
}

/** What a server knows of those that share its store. */
export interface SharedServers {
  /** How many are there, this one included. */
  readonly count: number;
  /** Why this one cannot use the store at the moment; null if it can. */
  readonly trouble: string | null;
}

/** Metrics in the text format of Prometheus. */
export interface Metrics {
  readonly contentType: string;
  /** All of them, as they are now. */
  text(): Promise<string>;
  /** Stops measuring. */
  close(): void;
}

/** How often the lag of the event loop is measured, milliseconds. */
const LAG_INTERVAL = 250;

/** How long is waited for a store that may be away, milliseconds: what it said last is shown then. */
const STORE_PATIENCE = 2000;

/**
 * The server's metrics. Most are read when they are asked for; commits and the event loop are measured
 * from now on. No label has a user's name or an address: their number stays small, and who writes when
 * is nobody's business here.
 */
export function openMetrics({ observer, gauges, store, servers }: MetricsSource): Metrics {
  const registry = new Registry();
  const registers = [registry];
  let now: Gauges = gauges();
  let held: StoreStats | null = null;

  const counter = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  const counters = (
    name: string,
    help: string,
    label: string,
    values: () => Readonly<Record<string, number>>,
  ) =>
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [kind, count] of Object.entries(values())) this.inc({ [label]: kind }, count);
      },
    });
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });

  new Gauge({
    name: "sealpost_build_info",
    help: "Always 1; the labels say what is running.",
    labelNames: ["version", "deno"],
    registers,
  }).set({ version: PROGRAM_VERSION, deno: Deno.version.deno }, 1);

  counter(
    "sealpost_connections_total",
    "Connections that were made to this server.",
    () => observer.connections,
  );
  counters(
    "sealpost_connections_rejected_total",
    "Connections that were closed at once, by the limit that they met.",
    "limit",
    () => observer.rejected.toJSON(),
  );
  counters(
    "sealpost_penalties_total",
    "Times that a source was refused for what it had done, by the last of that.",
    "offence",
    () => observer.penalties.toJSON(),
  );
  gauge(
    "sealpost_handshakes_in_progress",
    "Connections that are not logged in yet.",
    () => now.handshakes,
  );
  counters(
    "sealpost_logins_total",
    "Logins by how they ended: password and ticket were let in; stale is a ticket that is over.",
    "outcome",
    () => observer.logins.toJSON(),
  );
  gauge("sealpost_sessions", "Connections that are logged in.", () => now.sessions);
  gauge("sealpost_users_online", "Users who have a session.", () => now.online);
  new Gauge({
    name: "sealpost_queue_length",
    help: "What waits its turn: for RSA, for Argon2id, for a commit.",
    labelNames: ["queue"],
    registers,
    collect() {
      this.reset();
      for (const [queue, length] of Object.entries(now.queues)) this.set({ queue }, length);
      this.set({ queue: "commit" }, held?.waiting ?? 0);
    },
  });
  counters(
    "sealpost_requests_total",
    "Requests in sessions.",
    "op",
    () => observer.requests.toJSON(),
  );
  counters(
    "sealpost_refusals_total",
    "Requests that were refused, by the code that the client saw.",
    "code",
    () => observer.refusals.toJSON(),
  );
  counters(
    "sealpost_deliveries_total",
    "Messages that were acknowledged: stored, or stored before and sent again.",
    "result",
    () => observer.deliveries.toJSON(),
  );
  counter(
    "sealpost_delivered_copies_total",
    "Entries in mailboxes that came of stored messages.",
    () => observer.copies,
  );
  counter(
    "sealpost_delivered_bytes_total",
    "Sealed bytes of stored messages.",
    () => observer.messageBytes,
  );
  counters(
    "sealpost_network_bytes_total",
    "Bytes on connections of clients.",
    "direction",
    () => observer.network.toJSON(),
  );

  const commitSize = new Histogram({
    name: "sealpost_commit_writes",
    help: "Writes that shared one commit.",
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers,
  });
  const commitTime = new Histogram({
    name: "sealpost_commit_seconds",
    help: "Time of one commit, with its fsync.",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers,
  });
  observer.watchCommits(({ writes, ms }) => {
    commitSize.observe(writes);
    commitTime.observe(ms / 1000);
  });
  counter(
    "sealpost_commits_failed_total",
    "Commits that the disk refused; what they had to store was refused to the clients.",
    () => observer.failedCommits,
  );

  new Gauge({
    name: "sealpost_accounts",
    help: "Accounts, by whether a key is bound to them.",
    labelNames: ["key"],
    registers,
    collect() {
      const { accounts = 0, bound = 0 } = held ?? {};
      this.set({ key: "bound" }, bound);
      this.set({ key: "none" }, accounts - bound);
    },
  });
  gauge("sealpost_mailbox_entries", "Entries in all mailboxes.", () => held?.entries ?? 0);
  gauge(
    "sealpost_mailbox_bytes",
    "What all entries count for; a message counts in every mailbox that has it.",
    () => held?.bytes ?? 0,
  );
  gauge(
    "sealpost_database_bytes",
    "Size of the database, without the bodies that are files.",
    () => held?.database ?? 0,
  );
  gauge(
    "sealpost_servers",
    "Servers on this store, this one included.",
    () => servers()?.count ?? 1,
  );
  gauge(
    "sealpost_store_available",
    "1 while this server can use the store, 0 while a database that several share is away.",
    () => servers()?.trouble ? 0 : 1,
  );
  gauge("sealpost_tickets", "Resumption tickets that are kept.", () => held?.tickets ?? 0);

  const lag = new Histogram({
    name: "sealpost_event_loop_lag_seconds",
    help: "How much later than it was due a timer ran, measured four times a second.",
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  });
  let due = performance.now() + LAG_INTERVAL;
  const timer = setInterval(() => {
    const at = performance.now();
    lag.observe(Math.max(0, at - due) / 1000);
    due = at + LAG_INTERVAL;
  }, LAG_INTERVAL);
  Deno.unrefTimer(timer);

  // The names that Prometheus' client libraries have for these.
  counter("process_cpu_seconds_total", "Time on the CPU, user and system.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  gauge(
    "process_resident_memory_bytes",
    "Memory that the process has.",
    () => Deno.memoryUsage().rss,
  );
  gauge(
    "process_start_time_seconds",
    "When it started, seconds since 1970.",
    () => observer.startedAt / 1000,
  );

  return {
    contentType: registry.contentType,
    text: async () => {
      now = gauges();
      held = await statsOf(store) ?? held;
      return await registry.metrics();
    },
    close: () => {
      clearInterval(timer);
      observer.watchCommits(() => {});
    },
  };
}

/** Null where the store does not answer. */
async function statsOf(store: Pick<Store, "stats">): Promise<StoreStats | null> {
  try {
    return await within(store.stats(), STORE_PATIENCE, null);
  } catch (error) {
    if (!isSealpostError(error, "busy")) throw error;
    return null;
  }
}
