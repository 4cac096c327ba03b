// What a store in PostgreSQL does when its connections are cut at the worst moments.

import { assert, assertEquals } from "@std/assert";
import { random, toHex } from "../../../../crypto/bytes.ts";
import { SealpostError } from "../../../../crypto/error.ts";
import { Pool } from "../../../../server/store/postgres/pool.ts";
import {
  openPostgresStore,
  type PostgresStore,
} from "../../../../server/store/postgres/postgres_store.ts";
import type { StoredLog } from "../../../../server/store/store.ts";
import { type Cluster, NO_POSTGRES, sharedCluster } from "../../../support/postgres.ts";
import { testInFullUnless } from "../../../support/full.ts";
import { Relay } from "../../../support/relay.ts";
import { testUnless } from "../../../support/testing.ts";
import { waitFor } from "../../../support/wait.ts";
import { assertCode, delivered } from "../store_contract.ts";

/** What the server says of a transaction that is committed (CommandComplete of the protocol, version 3). */
const COMMITTED = "C\0\0\0\x0bCOMMIT\0";

/** A store behind a relay that can keep the next acknowledgement of a commit to itself. */
async function withUnsure(
  run: (
    store: PostgresStore,
    loseNext: () => void,
    cluster: Cluster,
    database: string,
  ) => Promise<void>,
): Promise<void> {
  const cluster = await sharedCluster();
  const database = await cluster.makeStore();
  let armed = false;
  await using relay = Relay.start(`127.0.0.1:${cluster.port}`, {
    hook: (piece, { direction }) => {
      const isCommit = direction === "down" &&
        new TextDecoder("latin1").decode(piece).includes(COMMITTED);
      if (!isCommit || !armed) return piece;
      armed = false;
      return null;
    },
  });
  const options = cluster.options(database);
  const port = Number(relay.address.split(":")[1]);
  const address = { ...options.address, hosts: [{ host: "127.0.0.1", port }] };
  const store = await openPostgresStore({ ...options, address });
  try {
    await store.ensureAccounts(["alice", "bob"]);
    await run(store, () => armed = true, cluster, database);
    assert(!armed, "nothing was committed since");
  } finally {
    await store.close();
    await cluster.removeDatabase(database);
  }
}

testUnless(
  NO_POSTGRES,
  "what was committed is not told as a failure when the database's answer is lost",
  () =>
    withUnsure(async (store, loseNext) => {
      // As `user add` decides: whoever is there already is refused.
      loseNext();
      await store.changeLogins((users) => {
        if (users.has("carol")) throw new SealpostError("file-exists", "carol is there");
        return new Map([["carol", "hash"]]);
      });
      // As `passwd` does: what is there must be what was verified.
      loseNext();
      await store.changeLogins((users) => {
        if (users.get("carol") !== "hash") throw new SealpostError("busy", "changed meanwhile");
        return new Map([["carol", "other hash"]]);
      });
      loseNext();
      await store.changeLogins((users) => {
        if (!users.has("carol")) throw new SealpostError("no-such-user", "no carol");
        return new Map([["carol", null]]);
      });
      const logins = await store.logins();
      assertEquals([logins?.users.size, logins?.revision], [0, 3]);

      const [fp, at] = [random(32), Date.now()];
      loseNext();
      assertEquals(await store.bindKey("alice", fp, random(10), at), "bound");
      assertEquals(await store.bindKey("alice", fp, random(10), at + 1), "same");
      const before = (await store.mailboxStates(["alice"])).get("alice")?.ends ?? -1;
      loseNext();
      assertEquals(await store.unbindKey("alice", { mayReturn: false }), fp);
      loseNext();
      await store.dropTickets("alice");
      const after = (await store.mailboxStates(["alice"])).get("alice")?.ends;
      assertEquals([after, store.ownEnds("alice")], [before + 2, 2]);
      const { records } = await store.logRecords(0, 10);
      assertEquals(records.map(({ event }) => event), ["bound", "unbound"]);
      assertEquals(await store.unbindKey("alice", { mayReturn: false }), null);

      await delivered(store);
      loseNext();
      const removed = await store.remove("alice", [1, 1, 7]);
      assertEquals([removed.uids, (await store.usage("alice")).entries], [[1], 0]);
      await store.putKit("alice", { id: random(16), at, sealed: random(10) });
      loseNext();
      assertEquals(await store.dropKit("alice"), true);
      assertEquals(await store.dropKit("alice"), false);
    }),
);

testUnless(
  NO_POSTGRES,
  "a connection that is lost with statements in it is not made again by the driver",
  async () => {
    const cluster = await sharedCluster();
    const database = await cluster.makeDatabase();
    const pool = new Pool({ ...cluster.options(database), patience: 0 });
    const pids = () =>
      cluster.within(database, async (other) => {
        const rows = await other.query(
          `SELECT pid FROM pg_stat_activity WHERE datname = '${database}'
            AND pid <> pg_backend_pid()`,
        );
        return rows.map(({ pid }) => pid);
      });
    try {
      await pool.run("CREATE SCHEMA sealpost");
      await pool.run("CREATE TABLE written (n BIGINT)");
      for (let i = 0; i < 5; i++) {
        const working = pool.transaction(async (tx) => {
          const slow = tx.query("SELECT pg_sleep(10)");
          // The driver sends no more behind the first of these before it is answered.
          const behind = Array.from(
            { length: 5 },
            (_, n) => tx.run(`INSERT INTO written VALUES ($1 + ${n} * 0)`, [n]),
          );
          // Each is told, also those that the driver had kept to itself.
          const told = await Promise.allSettled([slow, ...behind]);
          assertEquals(told.map(({ status }) => status), told.map(() => "rejected"));
          await slow;
        });
        const lost = assertCode("busy", () => working);
        const [pid] = await waitFor("the slow statement", async () => {
          const there = await pids();
          return there.length > 0 ? there : null;
        });
        await cluster.administer(`SELECT pg_terminate_backend(${pid})`);
        await lost;
      }
      // Longer than the driver would wait before it makes a connection.
      await new Promise((resolve) => setTimeout(resolve, 1000));
      assertEquals(await pids(), []);
      assertEquals((await pool.query("SELECT n FROM written")).length, 0);
    } finally {
      pool.close();
      await cluster.removeDatabase(database);
    }
  },
);

testUnless(
  NO_POSTGRES,
  "a listener whose connection is lost says that it may have missed something",
  async () => {
    const cluster = await sharedCluster();
    const database = await cluster.makeStore();
    const [one, two] = [
      await openPostgresStore(cluster.options(database)),
      await openPostgresStore(cluster.options(database)),
    ];
    try {
      await one.ensureAccounts(["alice"]);
      const heard: (readonly string[] | null)[] = [];
      two.follow(() => {}, (accounts) => heard.push(accounts));
      one.follow(() => {}, () => {});
      await waitFor("the listener", () => heard.length > 0 ? true : null);
      assertEquals(heard.splice(0), [null]);
      await cluster.administer(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`,
      );
      await waitFor("that it says so", () => heard.includes(null) ? true : null);
      heard.splice(0);
      await one.dropTickets("alice");
      await waitFor("a notice", () => heard.some((names) => names?.includes("alice")) || null);
    } finally {
      await one.close();
      await two.close();
      await cluster.removeDatabase(database);
    }
  },
);

testUnless(
  NO_POSTGRES,
  "of two heads of the key log the one with more records is the later one, whatever the clocks say",
  async () => {
    const cluster = await sharedCluster();
    const database = await cluster.makeStore();
    const options = cluster.options(database);
    const stores = [await openPostgresStore(options), await openPostgresStore(options)];
    const now = Date.now;
    let offset = 0;
    Date.now = () => now() + offset;
    try {
      const names = Array.from({ length: 40 }, (_, i) => `user${i}`);
      await stores[0]?.ensureAccounts(names);
      const heads: StoredLog[] = [];
      const head = async (store: PostgresStore | undefined) => {
        assert(store);
        const read = [
          store.logState(),
          store.accountsAndLog(["user0"]).then(({ log }) => log),
          store.logRecords(0, 1).then(({ log }) => log),
        ];
        heads.push(...await Promise.all(read));
      };
      // One after the other, by clocks an hour apart; then all at once.
      for (const [i, name] of names.entries()) {
        const work: Promise<unknown>[] = [];
        for (const [which, store] of stores.entries()) {
          offset = which * 3_600_000;
          work.push(head(store));
          if (i < 20) await Promise.all(work);
        }
        offset = (i % 2) * 3_600_000;
        work.push(
          stores[i % 2]?.bindKey(name, random(32), random(10), Date.now()) ?? head(undefined),
        );
        if (i < 20) await Promise.all(work);
        for (const store of stores) work.push(head(store));
        await Promise.all(work);
      }
      heads.sort((a, b) => a.n - b.n || a.headTime - b.headTime);
      for (const [i, { n, headTime }] of heads.entries()) {
        const next = heads[i + 1];
        if (next !== undefined && next.n > n) assert(headTime < next.headTime, `${n}: ${headTime}`);
      }
      const kinds = new Set(heads.map(({ n, hash }) => `${n} ${toHex(hash)}`));
      assertEquals(kinds.size, new Set(heads.map(({ n }) => n)).size);
      assert(kinds.size > 20);
    } finally {
      Date.now = now;
      for (const store of stores) await store.close();
      await cluster.removeDatabase(database);
    }
  },
);

testUnless(NO_POSTGRES, "a store whose database is away is closed soon if told so", async () => {
  const cluster = await sharedCluster();
  const database = await cluster.makeStore();
  let away = false;
  await using relay = Relay.start(`127.0.0.1:${cluster.port}`, {
    hook: (piece) => away ? new Promise(() => {}) : piece,
  });
  const options = cluster.options(database);
  const port = Number(relay.address.split(":")[1]);
  const address = { ...options.address, hosts: [{ host: "127.0.0.1", port }] };
  const store = await openPostgresStore({ ...options, address, patience: 600_000 });
  store.follow(() => {}, () => {});
  await store.ensureAccounts(["alice", "bob"]);
  away = true;
  const refused = [
    assertCode("busy", () => delivered(store)),
    assertCode("busy", () => store.dropTickets("alice")),
    assertCode("busy", () => store.account("alice")),
  ];
  store.giveUpIn(300);
  await Promise.all(refused);
  await store.close();
  await cluster.removeDatabase(database);
});

testInFullUnless(
  NO_POSTGRES,
  "of several hosts the one that takes writes is found, whichever is named first",
  async () => {
    const cluster = await sharedCluster();
    const database = await cluster.makeStore();
    const standby = await cluster.startStandby();
    try {
      const options = cluster.options(database);
      const at = (...ports: readonly number[]) => ({
        ...options,
        address: { ...options.address, hosts: ports.map((port) => ({ host: "127.0.0.1", port })) },
      });
      for (const ports of [[standby.port, cluster.port], [cluster.port, standby.port]]) {
        const store = await openPostgresStore(at(...ports));
        await store.ensureAccounts([`user${ports[0]}`]);
        await store.close();
      }
      // A standby alone answers queries, which is not enough.
      const alone = { ...at(standby.port), patience: 500 };
      await assertCode("busy", () => openPostgresStore(alone));
    } finally {
      await standby.stop();
      await cluster.removeDatabase(database);
    }
  },
);
