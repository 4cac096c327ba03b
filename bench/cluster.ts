// Deliveries into the store on PostgreSQL by one and by two servers' stores, beside the one in a folder,
// in one run: a table for BENCH.md. Each server's store is a process of its own; PostgreSQL runs on this
// machine, and its commits wait for the disk. Takes a minute:
//
//   mkdir -p .deno/tmp && TMPDIR=$PWD/.deno/tmp deno run --allow-read=. --allow-write=.deno/tmp \
//     --allow-net=127.0.0.1 --allow-env --allow-run=sh,$(deno eval -p 'Deno.execPath()') bench/cluster.ts

import { fromFileUrl } from "@std/path";
import { cpuUsage } from "node:process";
import { random } from "../crypto/bytes.ts";
import { newMessageId } from "../protocol/uuid.ts";
import { parsePostgresAddress } from "../server/store/postgres/address.ts";
import { openPostgresStore } from "../server/store/postgres/postgres_store.ts";
import { openSqliteStore } from "../server/store/sqlite_store.ts";
import type { Delivery, Store } from "../server/store/store.ts";
import { percentile } from "./serving.ts";

const SECONDS = 8;
const WRITERS = 64;
const ACCOUNTS = 200;
const BODY = 1024;

/** What one process measured. */
interface Measured {
  /** How long each took, milliseconds. */
  readonly times: readonly number[];
  /** Seconds that this process has computed. */
  readonly cpu: number;
}

/** A message of 1 KiB from one account to another, with a copy for its sender. */
function delivery(from: number, to: number): Delivery {
  const copy = (account: string) => ({
    account,
    folder: "inbox" as const,
    flags: [],
    stanza: random(1600),
    note: null,
  });
  return {
    senderFp: new Uint8Array(32).fill(from),
    messageId: newMessageId(),
    digest: random(32),
    header: random(81),
    summary: random(1100),
    body: { size: BODY, inline: random(BODY), file: null },
    copies: [copy(`user${to}`), copy(`user${from}`)],
    receivedAt: Date.now(),
  };
}

/** Delivers for a while, by as many at a time as there are writers. */
async function measure(store: Store): Promise<Measured> {
  const times: number[] = [];
  const before = cpuUsage();
  const end = performance.now() + SECONDS * 1000;
  await Promise.all(Array.from({ length: WRITERS }, async () => {
    while (performance.now() < end) {
      const from = Math.floor(Math.random() * ACCOUNTS);
      const sent = delivery(from, (from + 1) % ACCOUNTS);
      const began = performance.now();
      await store.deliver(sent);
      times.push(performance.now() - began);
    }
  }));
  const { user, system } = cpuUsage(before);
  return { times, cpu: (user + system) / 1e6 };
}

function report(what: string, all: readonly Measured[]): void {
  const times = all.flatMap(({ times }) => times);
  const cpu = all.reduce((sum, one) => sum + one.cpu, 0);
  const cells = [
    what,
    Math.round(times.length / SECONDS),
    (1000 * cpu / times.length).toFixed(2),
    percentile(times, 0.5).toFixed(0),
    percentile(times, 0.99).toFixed(0),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}

const names = Array.from({ length: ACCOUNTS }, (_, i) => `user${i}`);

async function inFolder(): Promise<Measured> {
  const folder = await Deno.makeTempDir({ prefix: "sealpost-bench-" });
  const store = await openSqliteStore(folder);
  try {
    await store.ensureAccounts(names);
    return await measure(store);
  } finally {
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** One server's store, in a process of its own. */
async function child(address: string, password: string): Promise<Measured> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read=.",
      "--allow-net=127.0.0.1",
      "--allow-env",
      fromFileUrl(import.meta.url),
      address,
      password,
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("a server's store failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

if (import.meta.main) {
  const [text, password] = Deno.args;
  if (text !== undefined && password !== undefined) {
    const address = parsePostgresAddress(text);
    const store = await openPostgresStore({ address, password, certificates: null });
    console.log(JSON.stringify(await measure(store)));
    await store.close();
    Deno.exit(0);
  }
  const { Cluster, NO_POSTGRES } = await import("../tests/support/postgres.ts");
  if (NO_POSTGRES !== null) throw new Error(NO_POSTGRES);
  console.log("| store | deliveries a second | CPU of the servers, ms each | p50, ms | p99, ms |");
  console.log("| --- | --- | --- | --- | --- |");
  report("SQLite, in a folder", [await inFolder()]);
  const cluster = await Cluster.start({ durable: true });
  try {
    const database = await cluster.makeStore();
    const store = await openPostgresStore(cluster.options(database));
    await store.ensureAccounts(names);
    await store.close();
    const start = () => child(cluster.address(database), cluster.password);
    report("PostgreSQL, one server", [await start()]);
    report("PostgreSQL, two servers", await Promise.all([start(), start()]));
  } finally {
    cluster.stop();
  }
}
