// Several servers on one database, as one server.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SealpostError } from "../../../crypto/error.ts";
import { NODE_LEASE, Nodes } from "../../../server/nodes/nodes.ts";
import {
  openPostgresStore,
  type PostgresStore,
} from "../../../server/store/postgres/postgres_store.ts";
import { NO_POSTGRES, sharedCluster } from "../../support/postgres.ts";
import { preseal, RawSession } from "../../support/raw_session.ts";
import { ServingSeveral } from "../../support/serving_several.ts";
import { testUnless } from "../../support/testing.ts";
import { waitFor } from "../../support/wait.ts";

const BY = { pid: 1 };

/** Runs `run` with stores of one database that follow each other, and with what joins two of them. */
async function withStores(
  count: number,
  run: (stores: readonly PostgresStore[], database: string) => Promise<void>,
): Promise<void> {
  const cluster = await sharedCluster();
  const database = await cluster.makeStore();
  const stores: PostgresStore[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const store = await openPostgresStore(cluster.options(database));
      store.follow(() => {}, () => {});
      stores.push(store);
    }
    await run(stores, database);
  } finally {
    for (const store of stores) await store.close();
    await cluster.removeDatabase(database);
  }
}

function join(store: PostgresStore, address: string, lines: string[] = []): Promise<Nodes> {
  return Nodes.join({
    store,
    address,
    onLine: (line) => lines.push(line),
    onTrouble: () => {},
  });
}

testUnless(
  NO_POSTGRES,
  "servers on one database have numbers of their own, answer each other, and forget who is gone",
  () =>
    withStores(3, async (stores, database) => {
      const heard: string[][] = [[], [], []];
      const nodes = await Promise.all(
        stores.map((store, i) => join(store, `127.0.0.1:${i}`, heard[i])),
      );
      assertEquals(nodes.map(({ number }) => number).toSorted(), [1, 2, 3]);
      const [one, two, three] = nodes;
      assert(one && two && three);
      two.answerBy((question) => Promise.resolve(`two: ${question}`));
      three.answerBy((question) => Promise.resolve(`three: ${question}`));
      const both = await one.ask("who?");
      assertEquals(both.answers.map(({ text }) => text).toSorted(), ["three: who?", "two: who?"]);
      assertEquals(both.missing, []);
      // One that does not answer is named.
      const other = await three.ask("and you?");
      assertEquals(other.answers.map(({ text }) => text), ["two: and you?"]);
      assertEquals(other.missing.map(({ number }) => number), [one.number]);

      // Lines reach all others.
      await waitFor("that lines are heard", () => {
        one.tell("a line of one");
        return heard[1]?.length && heard[2]?.length ? true : null;
      });
      assertEquals(heard[0], []);
      assertEquals(new Set([...heard[1] ?? [], ...heard[2] ?? []]), new Set(["a line of one"]));

      // One leaves; another dies, which the others know by its lease.
      await two.close();
      const cluster = await sharedCluster();
      await cluster.within(
        database,
        (pool) =>
          pool.run(
            `UPDATE node SET seen_at = seen_at - interval '${NODE_LEASE + 1} milliseconds'
              WHERE number = ${three.number}`,
          ),
      );
      assertEquals(await one.ask("who is left?"), { answers: [], missing: [] });
      // Who was taken for dead and is not has a number again.
      await three.ask("and I?");
      assertEquals((await one.ask("?")).answers.map(({ text }) => text), ["three: ?"]);
      assert(one.number !== three.number);
      for (const node of [one, three]) await node.close();
      const left = await cluster.within(database, (pool) => pool.query("SELECT id FROM node"));
      assertEquals(left.length, 0);
    }),
);

testUnless(
  NO_POSTGRES,
  "an operator sees and ends the sessions of all servers at any of them",
  async () => {
    await using several = await ServingSeveral.start(["alice", "bob"], 3, await sharedCluster());
    const sessions: RawSession[] = [];
    for (const [i, name] of ["alice", "bob", "alice"].entries()) {
      sessions.push(await several.at(i + 1).session(name));
    }
    const at = (number: number) => several.at(number).server.operations;
    const list = async (number: number) => {
      const result = await at(number).run({ op: "sessions-list", by: BY });
      assert("sessions" in result && "missing" in result && Array.isArray(result.sessions));
      assertEquals(result.missing, []);
      return result.sessions;
    };
    for (const number of [1, 2, 3]) {
      const shown = await list(number);
      assertEquals(shown.map(({ name }) => name), ["alice", "alice", "bob"]);
      assertEquals(shown.map(({ node }) => node).toSorted(), [1, 2, 3]);
      assertEquals(new Set(shown.map(({ id }) => id)).size, 3);
      assert(shown.every(({ id, node }) => id % 100 === node));
    }
    const users = await at(2).run({ op: "user-list", by: BY });
    assert("users" in users && Array.isArray(users.users));
    assertEquals(users.users.map((user) => [user.name, user.sessions]), [["alice", 2], ["bob", 1]]);
    const stats = await at(2).run({ op: "stats", by: BY });
    assert("nodes" in stats);
    assertEquals([stats.sessions, stats.online, stats.logins["password"]], [3, 2, 3]);
    assertEquals(stats.nodes.map(({ number, sessions }) => [number, sessions]), [
      [1, 1],
      [2, 1],
      [3, 1],
    ]);

    // By its number, then those of a user, at a server where they are not.
    const bobs = (await list(1)).find(({ name }) => name === "bob")?.id ?? 0;
    assertEquals(await at(1).run({ op: "sessions-end", by: BY, who: bobs }), { ended: 1 });
    assertEquals(await at(2).run({ op: "sessions-end", by: BY, who: "alice" }), { ended: 2 });
    await waitFor("the ends", async () => (await list(3)).length === 0 ? true : null);
    await assertRejects(
      () => at(1).run({ op: "sessions-end", by: BY, who: bobs }),
      SealpostError,
      "there is no session",
    );
    for (const session of sessions) await session.close().catch(() => {});
  },
);

testUnless(
  NO_POSTGRES,
  "wrong guesses, offences and messages count at all servers",
  async () => {
    await using several = await ServingSeveral.start(
      ["alice", "bob"],
      3,
      await sharedCluster(),
      {
        "max-guesses": "3",
        "penalty-threshold": "40s",
        "penalty-garbage": "15s",
        "penalty-exempt": "192.0.2.1",
        "penalty-timeout": "0",
        "login-timeout": "5s",
        "penalty-login": "0",
        "messages-burst": "4",
        "messages-per-minute": "1",
      },
    );
    // Three guesses, each at another server: the fourth is not looked at, wherever it goes.
    for (const number of [1, 2, 3]) {
      await assertRejects(() => several.at(number).logIn("bob", "wrong"));
    }
    await waitFor("the others' counts", async () => {
      const said = await several.at(1).logIn("bob", "wrong").then(
        () => "",
        ({ message }) => message,
      );
      return /too many wrong guesses/.test(said) || null;
    });
    for (const number of [1, 2, 3]) {
      const blocked = await assertRejects(() => several.at(number).logIn("bob"), SealpostError);
      assertMatch(blocked.message, /too many wrong guesses/);
    }

    // Messages of one sender: what was sent at one server is missing at the other.
    const alice = several.at(1).person("alice");
    const [atOne, atTwo] = [
      await several.at(1).session("alice"),
      await several.at(2).session("alice"),
    ];
    for (let i = 0; i < 2; i++) await atOne.deliver(await preseal(alice, [alice]));
    let sent = 0;
    // A token comes back each minute, and the notice takes a moment.
    const refused = await waitFor("the limit", async () => {
      try {
        await atTwo.deliver(await preseal(alice, [alice]));
        sent++;
        await new Promise((resolve) => setTimeout(resolve, 300));
        return null;
      } catch (error) {
        return error instanceof SealpostError ? error : null;
      }
    });
    assertEquals([refused.code, sent], ["busy", 2]);
    for (const session of [atOne, atTwo]) await session.close();

    // Rubbish at two servers penalises at the third.
    const rubbish = new TextEncoder().encode(`${"GET / HTTP/1.1\r\n".repeat(10)}`);
    for (const number of [1, 2, 1, 2]) await several.at(number).knock(rubbish).catch(() => {});
    await waitFor("a refusal", async () => {
      const said = await several.at(3).knock().catch(() => "");
      return /penalties/.test(said) || null;
    });
  },
);
