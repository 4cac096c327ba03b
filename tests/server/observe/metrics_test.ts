import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { SealpostError } from "../../../crypto/error.ts";
import { parseAddress } from "../../../protocol/address.ts";
import { logTo } from "../../../server/observe/log.ts";
import { type Monitor, type MonitorSource, openMonitor } from "../../../server/observe/monitor.ts";
import type { SharedServers } from "../../../server/observe/metrics.ts";
import { Observer } from "../../../server/observe/observe.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import { inFolder } from "../../support/command.ts";
import { ROOT } from "../../support/program.ts";
import { assertRefused } from "../../support/testing.ts";

interface Watched {
  readonly monitor: Monitor;
  readonly observer: Observer;
  get(path: string, init?: RequestInit): Promise<{ status: number; type: string; text: string }>;
  stop(): void;
  share(servers: SharedServers): void;
}

/** Runs `run` with the monitor of a store, on a free port of 127.0.0.1. */
async function watched(run: (watched: Watched) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    const observer = new Observer();
    const store = await openSqliteStore(join(dir, "mail"), { onCommit: observer.committed });
    let serving = true;
    let servers: SharedServers | null = null;
    const source: MonitorSource = {
      observer,
      store,
      gauges: () => ({ handshakes: 1, sessions: 5, online: 4, queues: { rsa: 2, argon2: 3 } }),
      isServing: () => serving,
      servers: () => servers,
      log: logTo("error", ({ event }) => assertEquals(event, "no errors")),
    };
    const monitor = openMonitor(parseAddress("127.0.0.1:0"), source, { open: false });
    try {
      await store.ensureAccounts(["alice", "bob"]);
      await run({
        monitor,
        observer,
        get: async (path, init) => {
          const response = await fetch(`http://${monitor.address}${path}`, init);
          const type = response.headers.get("content-type") ?? "";
          return { status: response.status, type, text: await response.text() };
        },
        stop: () => serving = false,
        share: (shared) => servers = shared,
      });
    } finally {
      await monitor.close();
      await store.close();
    }
  });
}

/** The samples of an exposition: by name and labels. */
function samplesIn(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const match = /^([a-z_]+(?:\{[^{}]*\})?) (\S+)$/.exec(line);
    assert(match?.[1], line);
    assert(!samples.has(match[1]), line);
    samples.set(match[1], Number(match[2]));
  }
  return samples;
}

Deno.test("metrics are what was counted, in the text format of Prometheus", () =>
  watched(async ({ get, observer }) => {
    observer.connections = 7;
    observer.logins.add("refused");
    observer.rejected.add("max-connections");
    observer.penalties.add("login");
    observer.requests.add("list", 3);
    observer.refusals.add("no-such-user", 2);
    observer.delivered({ again: false, copies: 3, bytes: 5000 });
    observer.delivered({ again: true, copies: 0, bytes: 5000 });
    const { status, type, text } = await get("/metrics");
    assertEquals([status, type], [200, "text/plain; version=0.0.4; charset=utf-8"]);
    const samples = samplesIn(text);
    const expected: Record<string, number> = {
      "sealpost_connections_total": 7,
      'sealpost_connections_rejected_total{limit="max-connections"}': 1,
      'sealpost_penalties_total{offence="login"}': 1,
      'sealpost_logins_total{outcome="refused"}': 1,
      'sealpost_logins_total{outcome="ticket"}': 0,
      'sealpost_requests_total{op="list"}': 3,
      'sealpost_refusals_total{code="no-such-user"}': 2,
      'sealpost_deliveries_total{result="stored"}': 1,
      'sealpost_deliveries_total{result="again"}': 1,
      "sealpost_delivered_copies_total": 3,
      "sealpost_delivered_bytes_total": 5000,
      "sealpost_handshakes_in_progress": 1,
      "sealpost_sessions": 5,
      "sealpost_users_online": 4,
      'sealpost_queue_length{queue="argon2"}': 3,
      'sealpost_queue_length{queue="commit"}': 0,
      'sealpost_accounts{key="none"}': 2,
      "sealpost_commit_writes_count": 1,
      "sealpost_commit_seconds_count": 1,
      "sealpost_commits_failed_total": 0,
    };
    for (const [name, value] of Object.entries(expected)) {
      assertEquals(samples.get(name), value, name);
    }
    assert((samples.get("process_resident_memory_bytes") ?? 0) > 1e6);
    assert((samples.get("process_cpu_seconds_total") ?? 0) > 0);
    assert((samples.get("sealpost_database_bytes") ?? 0) > 0);
    // Asked again: counts are not added up.
    assertEquals(samplesIn((await get("/metrics")).text).get("sealpost_connections_total"), 7);
  }));

Deno.test("health and readiness", () =>
  watched(async ({ get, observer, stop }) => {
    assertEquals((await get("/healthz")).text, "ok\n");
    assertEquals((await get("/readyz")).text, "ready\n");
    const failed = new SealpostError("disk-full", "no space");
    observer.committed({ writes: 1, ms: 1, failed });
    const full = await get("/readyz");
    assertEquals([full.status, full.text], [503, "the last commit failed: disk-full\n"]);
    assertEquals((await get("/healthz")).status, 200);
    assertStringIncludes((await get("/metrics")).text, "sealpost_commits_failed_total 1");
    observer.committed({ writes: 1, ms: 1, failed: null });
    assertEquals((await get("/readyz")).status, 200);
    stop();
    assertEquals((await get("/readyz")).status, 503);
  }));

Deno.test("the monitor gives nothing else away, and nothing to pages of other hosts", () =>
  watched(async ({ get, monitor }) => {
    assertEquals((await get("/")).status, 404);
    assertEquals((await get("/metrics", { method: "POST" })).status, 405);
    const { port } = parseAddress(monitor.address);
    const socket = await Deno.connect({ hostname: "127.0.0.1", port });
    await socket.write(
      new TextEncoder().encode(
        "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
      ),
    );
    const text = await new Response(socket.readable).text();
    assertMatch(text, /^HTTP\/1\.1 421 /);
    assert(!text.includes("sealpost_"));
  }));

Deno.test("an address that others can reach is refused, unless it is meant", () =>
  watched(({ observer }) => {
    const nothing = () => Promise.reject(new Error("not asked"));
    const source = {
      observer,
      store: { stats: nothing },
      gauges: () => ({ handshakes: 0, sessions: 0, online: 0, queues: {} }),
      isServing: () => true,
      servers: () => null,
      log: logTo("error", () => {}),
    };
    for (const address of ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "mail.lan:0"]) {
      assertRefused(
        "usage",
        () => openMonitor(parseAddress(address), source, { open: false }),
      );
    }
    return Promise.resolve();
  }));

Deno.test("of several servers each is ready if it can use the store now, and says why it is not", () =>
  watched(async ({ get, observer, share }) => {
    share({ count: 3, trouble: null });
    // The last commit may have failed long ago: who is not ready gets no mail to commit.
    observer.committed({ writes: 1, ms: 1, failed: new SealpostError("busy", "away") });
    assertEquals((await get("/readyz")).status, 200);
    const before = samplesIn((await get("/metrics")).text);
    assertEquals([before.get("sealpost_servers"), before.get("sealpost_store_available")], [3, 1]);
    share({ count: 3, trouble: "the database cannot be reached" });
    const { status, text } = await get("/readyz");
    assertEquals([status, text], [503, "the store: the database cannot be reached\n"]);
    const after = samplesIn((await get("/metrics")).text);
    assertEquals(after.get("sealpost_store_available"), 0);
  }));

Deno.test("every metric of the Grafana dashboard exists", () =>
  watched(async ({ get }) => {
    const text = await Deno.readTextFile(join(ROOT, "contrib", "grafana-dashboard.json"));
    const dashboard = JSON.parse(text);
    const { text: exposition } = await get("/metrics");
    const types = new Map(
      [...exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]),
    );
    const exprs: string[] = dashboard.panels.flatMap((panel: { targets?: { expr: string }[] }) =>
      panel.targets?.map(({ expr }) => expr) ?? []
    );
    assert(exprs.length > 20);
    const used = new Set<string>();
    for (const expr of exprs) {
      const names = expr.match(/\b(?:sealpost|process)_[a-z_]+\b/g);
      assert(names, expr);
      for (const name of names) {
        const base = name.replace(/_(?:bucket|sum|count)$/, "");
        const known = types.has(name) || types.get(base) === "histogram";
        assert(known, `${name} in ${expr}`);
        used.add(types.has(name) ? name : base);
      }
    }
    // And shows all there are.
    assertEquals([...types.keys()].filter((name) => !used.has(name ?? "")), [
      "sealpost_build_info",
    ]);
    const ids = dashboard.panels.map(({ id }: { id: number }) => id);
    assertEquals(new Set(ids).size, ids.length);
  }));
