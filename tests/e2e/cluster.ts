// Three servers on three PostgreSQL that fail over by Patroni, while many clients send and one after the
// other is killed or cut off: `deno task test:cluster`. It takes half an hour, and Debian's patroni and
// etcd-server. With SEALPOST_CLUSTER_ROUNDS and SEALPOST_CLUSTER_CLIENTS there are as many as those say.

import { assert, assertEquals } from "@std/assert";
import { toHex } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { openPostgresStore } from "../../server/store/postgres/postgres_store.ts";
import { NO_PATRONI, PatroniCluster } from "../support/patroni.ts";
import type { ServerProcess } from "../support/program.ts";
import { type Person, preseal, RawSession } from "../support/raw_session.ts";
import { Relay } from "../support/relay.ts";
import { type AnyCluster, Several } from "../support/several.ts";
import { testUnless } from "../support/testing.ts";
import { waitFor } from "../support/wait.ts";

const ROUNDS = Number(Deno.env.get("SEALPOST_CLUSTER_ROUNDS") ?? 20);
const CLIENTS = Number(Deno.env.get("SEALPOST_CLUSTER_CLIENTS") ?? 64);
const NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
const SERVERS = 3;

/** How long a server stays cut off from the database, and how long clients send between two faults, ms. */
const CUT_OFF = 15_000;
const BETWEEN = 3000;

/** How long a client waits before its next message, milliseconds. */
const PAUSE = 400;

const FAULTS = ["kill the leader", "kill a server", "cut a server off"] as const;

/** Resolves after `ms` milliseconds. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What the clients know. */
class Ledger {
  /** For each recipient the ids of messages that were acknowledged. */
  readonly acknowledged = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  /** When the last one was, of `performance.now()`; and the longest time between two, milliseconds. */
  #last = performance.now();
  gap = 0;
  count = 0;

  acknowledge(id: string, names: readonly string[]): void {
    for (const name of names) this.acknowledged.get(name)?.push(id);
    const now = performance.now();
    this.gap = Math.max(this.gap, now - this.#last);
    this.#last = now;
    this.count++;
  }

  /** Begins another measurement of the gap; returns the last one, milliseconds. */
  takeGap(): number {
    const gap = Math.max(this.gap, performance.now() - this.#last);
    this.gap = 0;
    return gap;
  }
}

/** Sends to somebody, at whichever server takes it, each message until it is acknowledged. */
async function send(
  several: Several,
  servers: readonly ServerProcess[],
  sender: Person,
  recipient: Person,
  ledger: Ledger,
  isOver: () => boolean,
): Promise<void> {
  let session: RawSession | null = null;
  while (!isOver()) {
    const message = await preseal(sender, [recipient]);
    const id = message.request.id.replaceAll("-", "");
    for (let done = false; !done;) {
      try {
        const server = servers[Math.floor(Math.random() * servers.length)];
        assert(server);
        session ??= (await several.logIn(server, sender)).session;
        await session.deliver(message);
        ledger.acknowledge(id, [recipient.name]);
        done = true;
      } catch (error) {
        // Lost, refused for a moment, or nobody there: the same again, at any of them.
        if (!isSealpostError(error)) throw error;
        await session?.close().catch(() => {});
        session = null;
        await pause(500);
      }
    }
    await pause(PAUSE * 2 * Math.random());
  }
  await session?.close().catch(() => {});
}

testUnless(
  NO_PATRONI,
  "nothing that was acknowledged is lost or doubled whatever of a cluster dies",
  async () => {
    await using cluster = await PatroniCluster.start();
    // Each server reaches the members of the database by relays of its own.
    let cutOff = -1;
    const relays: Relay[] = [];
    const own: AnyCluster[] = Array.from({ length: SERVERS }, (_, server) => {
      const through = cluster.ports.map((port) =>
        Relay.start(`127.0.0.1:${port}`, {
          hook: async (piece) => {
            while (cutOff === server) await pause(100);
            return piece;
          },
        })
      );
      relays.push(...through);
      const ports = through.map(({ address }) => Number(address.split(":")[1]));
      return {
        password: cluster.password,
        options: (database) => cluster.options(database),
        makeDatabase: () => cluster.makeDatabase(),
        removeDatabase: (name) => cluster.removeDatabase(name),
        address: (database) => cluster.address(database, ports),
      };
    });
    const [first] = own;
    assert(first);
    await using several = await Several.make(NAMES, SERVERS, first, {
      "max-guesses": "1000",
      "messages-burst": "100000",
      "messages-per-minute": "100000",
      "max-connections-per-user": "1000",
    }, (server, database) => own[server - 1]?.address(database) ?? "");
    assertEquals((await several.run(1, "store", "init")).code, 0);
    const servers: ServerProcess[] = [];
    for (let i = 1; i <= SERVERS; i++) servers.push(await several.start(i));
    const ledger = new Ledger();
    let over = false;
    try {
      const all = await Promise.all(NAMES.map((name) => several.person(name)));
      // Whose keys are bound can be written to.
      for (const [i, person] of all.entries()) {
        const server = servers[i % SERVERS];
        assert(server);
        await (await several.logIn(server, person)).session.close();
      }
      const sending = Array.from({ length: CLIENTS }, (_, i) => {
        const [sender, recipient] = [all[i % all.length], all[(i * 3 + 1) % all.length]];
        assert(sender && recipient);
        return send(several, servers, sender, recipient, ledger, () => over);
      });
      await pause(BETWEEN);
      ledger.takeGap();
      for (let round = 1; round <= ROUNDS; round++) {
        const fault = FAULTS[Math.floor(Math.random() * FAULTS.length)] ?? FAULTS[0];
        const began = ledger.count;
        if (fault === "kill the leader") {
          // On a busy machine Patroni may not answer at once.
          const leader = await waitFor("the leader", () => cluster.leader());
          await cluster.killMember(leader);
          await pause(1000);
          while ([leader, null].includes(await cluster.leader())) await pause(300);
          cluster.startMember(leader);
          await cluster.settled();
        } else if (fault === "kill a server") {
          const which = Math.floor(SERVERS * Math.random());
          servers[which]?.program.kill("SIGKILL");
          await servers[which]?.program.finish();
          servers[which] = await several.start(which + 1);
        } else {
          cutOff = Math.floor(SERVERS * Math.random());
          await pause(CUT_OFF);
          cutOff = -1;
        }
        await pause(BETWEEN);
        const gap = ledger.takeGap();
        console.log(
          `${round}/${ROUNDS} ${fault}: ${ledger.count - began} acknowledged, ` +
            `${(gap / 1000).toFixed(1)} s without one`,
        );
      }
      over = true;
      await Promise.all(sending);
      const store = await openPostgresStore(cluster.options(several.database));
      try {
        let kept = 0;
        for (const { name } of all) {
          const got: string[] = [];
          for (let after = 0;;) {
            const page = await store.list(name, {
              limit: 1000,
              ascending: true,
              after,
              folder: "inbox",
            });
            got.push(...page.map(({ header }) => toHex(header.subarray(1, 17))));
            const last = page.at(-1);
            if (last === undefined) break;
            after = last.uid;
          }
          const wanted = ledger.acknowledged.get(name) ?? [];
          kept += wanted.length;
          // None is missing, and none is there twice.
          assertEquals(got.toSorted(), wanted.toSorted(), name);
        }
        console.log(`${kept} acknowledged, all there, each once`);
      } finally {
        await store.close();
      }
      const fsck = await several.run(1, "fsck");
      assertEquals(fsck.code, 0, fsck.stdout + fsck.stderr);
    } finally {
      over = true;
      cutOff = -1;
      await Promise.all(servers.map((server) => server.stop()));
      for (const relay of relays) await relay[Symbol.asyncDispose]();
    }
  },
);
