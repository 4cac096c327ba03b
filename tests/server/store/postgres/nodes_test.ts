import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat, random, toHex } from "../../../../crypto/bytes.ts";
import { newMessageId } from "../../../../protocol/uuid.ts";
import { KeyLog } from "../../../../protocol/key_log.ts";
import { MAX_PARTIALS } from "../../../../server/store/partial_uploads.ts";
import { texts } from "../../../../server/store/postgres/arrays.ts";
import { Pool } from "../../../../server/store/postgres/pool.ts";
import { openPostgresStore } from "../../../../server/store/postgres/postgres_store.ts";
import type { Store, UploadId } from "../../../../server/store/store.ts";
import { type Cluster, NO_POSTGRES, sharedCluster } from "../../../support/postgres.ts";
import { testUnless } from "../../../support/testing.ts";
import { waitFor } from "../../../support/wait.ts";
import {
  assertCode,
  bodyOf,
  copyFor,
  delivered,
  deliveryOf,
  readAll,
  storeBody,
} from "../store_contract.ts";

let made: Promise<string> | undefined;

/** Declares a test of two servers' stores on one database, with accounts of alice and bob. */
function testOnTwo(
  name: string,
  run: (one: Store, two: Store, cluster: Cluster, database: string) => Promise<void>,
): void {
  testUnless(NO_POSTGRES, name, async () => {
    const cluster = await sharedCluster();
    const database = await (made ??= cluster.makeStore());
    const options = cluster.options(database);
    const [one, two] = [await openPostgresStore(options), await openPostgresStore(options)];
    try {
      await one.ensureAccounts(["alice", "bob"]);
      await run(one, two, cluster, database);
    } finally {
      await one.close();
      await two.close();
      await cluster.emptyStore(database);
    }
  });
}

testOnTwo(
  "mail that two servers store at the same moment is all there, in one order",
  async (one, two) => {
    const count = 60;
    const outcomes = await Promise.all(
      Array.from({ length: count }, async (_, i) =>
        await delivered(i % 2 === 0 ? one : two, {
          body: bodyOf(i % 10 === 0 ? 300_000 : 100),
          // In different orders, so that whoever locks them as they come waits for the other for ever.
          copies: i % 4 < 2
            ? [copyFor("alice"), copyFor("bob")]
            : [copyFor("bob"), copyFor("alice")],
        })),
    );
    for (const name of ["alice", "bob"]) {
      const uids = outcomes.flat().filter(({ account }) => account === name).map(({ uid }) => uid);
      const all = Array.from({ length: count }, (_, i) => i + 1);
      assertEquals(uids.toSorted((a, b) => a - b), all);
      const list = await two.list(name, { limit: 1000, ascending: true });
      assertEquals(list.map(({ uid }) => uid), all);
      assertEquals(new Set(list.map(({ number }) => number)).size, count);
      const page = await one.changes(name, 0, 1, 1000);
      assertEquals(page.changes.map(({ modseq }) => modseq), all);
    }
  },
);

testOnTwo(
  "two servers lock mailboxes in one order, whichever a message names first",
  async (one, two, cluster, database) => {
    const names = Array.from({ length: 9 }, (_, i) => `user${i}`);
    await one.ensureAccounts(names);
    const waiting = () =>
      cluster.within("postgres", async (pool) => {
        const [row] = await pool.query(
          `SELECT count(*) AS n FROM pg_stat_activity
            WHERE datname = $1 AND wait_event_type = 'Lock'`,
          [database],
        );
        return Number(row?.["n"]);
      });
    // Somebody has the first of them, so that the first server waits for it, and then the second one with
    // what it has locked until it comes to that.
    const deliveries = await cluster.within(database, (pool) =>
      pool.transaction(async (tx) => {
        await tx.query("SELECT id FROM account WHERE name = $1 FOR UPDATE", [names[0] ?? ""]);
        const first = delivered(one, { copies: names.map((name) => copyFor(name)) });
        await waitFor("the first server", async () => await waiting() === 1 || null);
        const second = delivered(two, { copies: names.toReversed().map((name) => copyFor(name)) });
        await waitFor("the second server", async () => await waiting() === 2 || null);
        return [first, second];
      }));
    await Promise.all(deliveries);
    // Whoever got in another's way was tried again, so the store does not show it.
    const [row] = await cluster.within(
      "postgres",
      (pool) => pool.query("SELECT pg_read_file($1) AS log", [`${cluster.folder}/log`]),
    );
    assert(!String(row?.["log"]).includes("deadlock detected"));
  },
);

testOnTwo("a message that comes by two servers at once is stored once", async (one, two) => {
  for (const size of [1000, 300_000]) {
    const first = await deliveryOf(one, { body: bodyOf(size) });
    const outcomes = await Promise.all(Array.from({ length: 10 }, async (_, i) => {
      const store = i % 2 === 0 ? one : two;
      return (await store.deliver({ ...first, body: await storeBody(store, bodyOf(size)) })).kind;
    }));
    assertEquals(outcomes.filter((kind) => kind === "stored").length, 1);
    assertEquals(outcomes.filter((kind) => kind === "already").length, 9);
  }
  assertEquals((await two.usage("alice")).entries, 2);
});

testOnTwo(
  "the last two entries of a message, removed at once, take it with them",
  async (one, two, cluster, database) => {
    for (let i = 0; i < 5; i++) {
      await delivered(one, { body: bodyOf(300_000), copies: [copyFor("alice"), copyFor("bob")] });
      const uid = i + 1;
      await Promise.all([one.remove("alice", [uid]), two.remove("bob", [uid])]);
    }
    const left = await cluster.within(
      database,
      (pool) =>
        pool.query(`SELECT (SELECT count(*) FROM message) AS messages,
        (SELECT count(*) FROM body WHERE state <> 'gone') AS bodies`),
    );
    assertEquals(left[0], { messages: 0, bodies: 0 });
  },
);

testOnTwo("a ticket is used once, whichever server it comes to", async (one, two) => {
  const fp = random(32);
  await one.bindKey("alice", fp, random(10), 1);
  const ticket = {
    account: "alice",
    fp,
    credential: random(16),
    wrapped: random(60),
    fullAt: 1,
    expires: 9,
  };
  for (let i = 0; i < 10; i++) {
    const id = random(16);
    // The second time as if it was not known whether the first reached the database.
    for (const store of [one, two]) await store.saveTicket({ ...ticket, id }, 64);
    const next = () => ({ ...ticket, id: random(16) });
    const used = await Promise.all([
      one.exchangeTicket(id, next()),
      two.exchangeTicket(id, next()),
      two.takeTicket(id),
    ]);
    assertEquals(used.filter(Boolean).length, 1);
  }
});

testOnTwo("keys that two servers bind at once are one log", async (one, two) => {
  const names = Array.from({ length: 20 }, (_, i) => `user${i}`);
  await one.ensureAccounts(names);
  const key = random(32);
  const outcomes = await Promise.all([
    ...names.map((name, i) =>
      (i % 2 === 0 ? one : two).bindKey(name, random(32), random(10), Date.now())
    ),
    one.bindKey("alice", key, random(10), Date.now()),
    two.bindKey("bob", key, random(10), Date.now()),
  ]);
  assertEquals(outcomes.slice(-2).toSorted(), ["bound", "taken"]);
  const { first, log, records } = await two.logRecords(0, 1000);
  const whole = KeyLog.begin(first).extend(records);
  assertEquals([whole.n, whole.hash(whole.n)], [names.length + 1, log.hash]);
});

const ENVELOPE = bodyOf(5000, 9);
const BODY = bodyOf(700_000);
const NO_LIMIT = 1 << 30;

function newId(senderFp: Bytes = random(32)): UploadId {
  return { senderFp, messageId: newMessageId(), size: ENVELOPE.length + BODY.length };
}

async function breakOff(store: Store, id: UploadId, bytes: number, limit = NO_LIMIT) {
  const sink = await store.openBody(BODY.length, { id, envelope: () => ENVELOPE, limit });
  await sink.write(BODY.subarray(0, bytes));
  await sink.suspend();
}

testOnTwo("an upload that broke off at one server goes on at another", async (one, two) => {
  for (
    const [sent, from] of [[123_457, 123_457], [600_001, 300_000], [524_288, 262_144]] as const
  ) {
    const id = newId();
    await breakOff(one, id, sent);
    assertEquals(await two.uploaded(id), ENVELOPE.length + sent);
    const offset = ENVELOPE.length + from;
    assertEquals(await two.resumeBody(id, ENVELOPE.length + sent + 1, NO_LIMIT), null);
    assertEquals(await two.resumeBody(id, ENVELOPE.length - 1, NO_LIMIT), null);
    const resumed = await two.resumeBody(id, offset, NO_LIMIT);
    assert(resumed);
    assertEquals(resumed.envelope, ENVELOPE);
    assertEquals(concat(...await Array.fromAsync(resumed.stored)), BODY.slice(0, from));
    await resumed.sink.write(BODY.subarray(from));
    const { messageId, ...rest } = await deliveryOf(two);
    const body = await resumed.sink.finish();
    const outcome = await two.deliver({ ...rest, messageId, body });
    assert(outcome.kind === "stored");
    const [placed] = outcome.placed;
    assertEquals(await readAll(one, "alice", placed?.uid ?? 0), BODY);
    assertEquals(await one.uploaded(id), 0);
  }
});

testOnTwo(
  "who goes on with an upload ends it at the server where it still went on",
  async (one, two) => {
    const id = newId();
    const sink = await one.openBody(BODY.length, { id, envelope: () => ENVELOPE, limit: NO_LIMIT });
    await sink.write(BODY.subarray(0, 300_000));
    // What that server has not written yet is sent again.
    const stored = await two.uploaded(id) - ENVELOPE.length;
    assertEquals(stored, 262_144);
    await assertCode("cancelled", async () => {
      await sink.write(BODY.subarray(300_000, 600_000));
    });
    const resumed = await two.resumeBody(id, ENVELOPE.length + stored, NO_LIMIT);
    assert(resumed);
    await resumed.sink.write(BODY.subarray(stored));
    assertEquals((await resumed.sink.finish()).size, BODY.length);
    await resumed.sink.abort();
  },
);

testOnTwo(
  "nobody goes on with what is another's, and what broke off is bounded",
  async (one, two, cluster, database) => {
    const id = newId();
    await breakOff(one, id, 1000);
    const others = [newId(), { ...id, senderFp: random(32) }, { ...id, size: id.size + 1 }];
    for (const other of others) {
      assertEquals(await two.uploaded(other), 0);
      assertEquals(await two.resumeBody(other, ENVELOPE.length, NO_LIMIT), null);
    }
    assertEquals(await two.uploaded(id), ENVELOPE.length + 1000);
    const count = () =>
      cluster.within(database, async (pool) => {
        const [row] = await pool.query("SELECT count(*) AS n FROM body");
        return row?.["n"];
      });
    const alice = random(32);
    for (let i = 0; i < MAX_PARTIALS + 3; i++) {
      await breakOff(
        i % 2 ? one : two,
        newId(alice),
        1000,
      );
    }
    assertEquals(await count(), MAX_PARTIALS + 1);
    // Two of these fit.
    for (let i = 0; i < 4; i++) await breakOff(one, newId(alice), 100_000, 215_000);
    assertEquals(await count(), 3);
    assertEquals(await two.dropUploads(0, 110_000), 1);
    assertEquals(await two.dropUploads(Date.now() + 60_000, NO_LIMIT), 2);
    assertEquals(await count(), 0);
  },
);

testOnTwo(
  "connections that end are made again, and nobody notices",
  async (one, two, cluster, database) => {
    let stop = false;
    const sent: number[] = [];
    const killing = (async () => {
      for (let before = -1; !stop;) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        // On a busy machine making a connection takes longer than that: something has to get through.
        if (sent.length === before) continue;
        before = sent.length;
        await cluster.administer(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`,
        );
      }
    })();
    const deliveries = 200;
    await Promise.all([one, two].map(async (store, which) => {
      for (let i = 0; i < deliveries / 10; i++) {
        const outcomes = await Promise.all(Array.from({ length: 5 }, async (_, j) => {
          const n = which * 1000 + i * 5 + j;
          const delivery = await deliveryOf(store, { header: new TextEncoder().encode(`${n}`) });
          return (await store.deliver(delivery)).kind;
        }));
        for (const kind of outcomes) {
          // `already`: an earlier try had reached the disk when its connection ended.
          assert(kind === "stored" || kind === "already");
          sent.push(1);
        }
        await store.flag("bob", [1], { set: ["seen"], clear: [] });
      }
    }));
    stop = true;
    await killing;
    const list = await one.list("alice", { limit: 1000, ascending: true });
    assertEquals(list.length, deliveries);
    assertEquals(list.map(({ uid }) => uid), Array.from({ length: deliveries }, (_, i) => i + 1));
    const headers = new Set(list.map(({ header }) => new TextDecoder().decode(header)));
    assertEquals([headers.size, sent.length], [deliveries, deliveries]);
  },
);

testUnless(
  NO_POSTGRES,
  "a store that is not there, not for us, or too new is refused with what to do",
  async () => {
    const cluster = await sharedCluster();
    const database = await cluster.makeDatabase();
    const options = cluster.options(database);
    const none = await assertCode("config", () => openPostgresStore(options));
    assert(none.message.includes("sealpost store init"));
    await assertCode("config", () => openPostgresStore({ ...options, password: "wrong" }));
    await assertCode("config", () => openPostgresStore(cluster.options("nowhere")));
    const { address } = options;
    const nobody = { ...address, hosts: [{ host: "127.0.0.1", port: 1 }] };
    await assertCode(
      "busy",
      () => openPostgresStore({ ...options, address: nobody, patience: 100 }),
    );
    const store = await cluster.makeStore();
    await cluster.within(store, (pool) => pool.run("UPDATE schema_version SET version = 1000"));
    const newer = await assertCode("config", () => openPostgresStore(cluster.options(store)));
    assert(newer.message.includes("newer"));
    const careless = await cluster.makeStore();
    await cluster.administer(`ALTER DATABASE ${careless} SET synchronous_commit = off`);
    const lossy = await assertCode("config", () => openPostgresStore(cluster.options(careless)));
    assert(lossy.message.includes("set synchronous_commit = on"));
    await cluster.removeDatabase(careless);
    await cluster.removeDatabase(database);
    await cluster.removeDatabase(store);
  },
);

testUnless(
  NO_POSTGRES,
  "a session is as the store needs it, whatever the database has set",
  async () => {
    const cluster = await sharedCluster();
    const database = await cluster.makeDatabase();
    const wanted = {
      bytea_output: "hex",
      client_connection_check_interval: "10000",
      default_transaction_isolation: "read committed",
      idle_in_transaction_session_timeout: "15000",
      search_path: "sealpost",
      statement_timeout: "0",
      tcp_keepalives_count: "3",
      tcp_keepalives_idle: "10",
      tcp_keepalives_interval: "5",
      tcp_user_timeout: "20000",
    };
    const others = {
      bytea_output: "escape",
      client_connection_check_interval: "1",
      default_transaction_isolation: "serializable",
      idle_in_transaction_session_timeout: "1",
      search_path: "public",
      statement_timeout: "1000",
    };
    for (const [name, value] of Object.entries(others)) {
      await cluster.administer(`ALTER DATABASE ${database} SET ${name} = '${value}'`);
    }
    const found = await cluster.within(
      database,
      (pool) =>
        pool.query("SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])", [
          texts(Object.keys(wanted)),
        ]),
    );
    const settings = Object.fromEntries(found.map(({ name, setting }) => [name, setting]));
    assertEquals(settings, wanted);
    await cluster.removeDatabase(database);
  },
);

testUnless(NO_POSTGRES, "standbys of a kind that one may not see are not overlooked", async () => {
  const cluster = await sharedCluster();
  const database = await cluster.makeStore();
  const password = toHex(random(16));
  const reader = `r${toHex(random(6))}`;
  await cluster.administer(`CREATE ROLE ${reader} LOGIN PASSWORD '${password}'`);
  await cluster.within(
    database,
    (pool) =>
      pool.script(
        `GRANT USAGE ON SCHEMA sealpost TO ${reader};
          GRANT SELECT ON ALL TABLES IN SCHEMA sealpost TO ${reader}`,
      ),
  );
  const options = cluster.options(database);
  const address = { ...options.address, user: reader };
  const [owner, other] = [
    await openPostgresStore(options),
    await openPostgresStore({ ...options, address, password }),
  ];
  assertEquals((await other.serverState()).standbys, []);
  const follower = await cluster.follow();
  try {
    await waitFor("a standby", async () => {
      return (await owner.serverState()).standbys.includes("async") ? true : null;
    });
    assertEquals((await other.serverState()).standbys, ["unknown"]);
  } finally {
    await follower.stop();
    await owner.close();
    await other.close();
  }
  await cluster.removeDatabase(database);
});

testUnless(
  NO_POSTGRES,
  "whoever wants the store alone gets it when nobody uses it, and nobody else then",
  async () => {
    const cluster = await sharedCluster();
    const options = cluster.options(await cluster.makeStore());
    const store = await openPostgresStore(options);
    const alone = new Pool({ ...options, alone: true, patience: 0 });
    await assertCode("busy", () => alone.query("SELECT 1"));
    await store.close();
    await alone.query("SELECT 1");
    await assertCode("busy", () => openPostgresStore({ ...options, patience: 0 }));
    const other = new Pool({ ...options, alone: true, patience: 0 });
    await assertCode("busy", () => other.query("SELECT 1"));
    other.close();
    alone.close();
    // PostgreSQL may not have seen yet that the connection is closed.
    const again = await waitFor(
      "the store to be free",
      () => openPostgresStore({ ...options, patience: 0 }).catch(() => null),
    );
    await again.close();
  },
);

testUnless(
  NO_POSTGRES,
  "whoever had the store alone and lost the connection does not go on with another",
  async () => {
    const cluster = await sharedCluster();
    const database = await cluster.makeStore();
    const alone = new Pool({ ...cluster.options(database), alone: true });
    await alone.query("SELECT 1");
    await cluster.administer(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`,
    );
    await assertCode("busy", () => alone.query("SELECT 1"));
    await assertCode("busy", () => alone.query("SELECT 1"));
    alone.close();
  },
);
