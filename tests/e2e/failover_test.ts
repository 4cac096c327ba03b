// Servers and their database are killed while clients send.

import { assert, assertEquals } from "@std/assert";
import { toHex } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { openPostgresStore } from "../../server/store/postgres/postgres_store.ts";
import { testInFullUnless } from "../support/full.ts";
import { Cluster, NO_POSTGRES } from "../support/postgres.ts";
import type { ServerProcess } from "../support/program.ts";
import { type Person, preseal, RawSession } from "../support/raw_session.ts";
import { Several } from "../support/several.ts";

const NAMES = ["alice", "bob", "carol", "dave"];
const MESSAGES = 40;
const KILLS = 6;

/** Sends to everybody, at whichever server takes it, until every message is acknowledged; the ids. */
async function sendAll(
  several: Several,
  servers: readonly ServerProcess[],
  sender: Person,
  all: readonly Person[],
): Promise<string[]> {
  const others = all.filter((one) => one !== sender);
  const acknowledged: string[] = [];
  let session: RawSession | null = null;
  for (let i = 0; i < MESSAGES; i++) {
    const message = await preseal(sender, others);
    for (;;) {
      try {
        const server = servers[Math.floor(Math.random() * servers.length)];
        assert(server);
        session ??= (await several.logIn(server, sender)).session;
        await session.deliver(message);
        acknowledged.push(message.request.id);
        break;
      } catch (error) {
        // Lost, refused for a moment, or nobody there: the same again, at any of them.
        if (!isSealpostError(error)) throw error;
        await session?.close().catch(() => {});
        session = null;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
  await session?.close();
  return acknowledged;
}

testInFullUnless(
  NO_POSTGRES,
  "nothing that was acknowledged is lost or doubled when servers and the database are killed",
  async () => {
    const cluster = await Cluster.start({ durable: true });
    try {
      await using several = await Several.make(NAMES, 2, cluster, {
        "max-guesses": "1000",
        "messages-burst": "10000",
        "messages-per-minute": "10000",
        "penalties": "off",
      });
      assertEquals((await several.run(1, "store", "init")).code, 0);
      const servers = [await several.start(1), await several.start(2)];
      try {
        const all = await Promise.all(NAMES.map((name) => several.person(name)));
        // Whose keys are bound can be written to.
        for (const person of all) {
          const [server] = servers;
          assert(server);
          await (await several.logIn(server, person)).session.close();
        }
        let sending = true;
        const killing = (async () => {
          for (let i = 0; i < KILLS && sending; i++) {
            await new Promise((resolve) => setTimeout(resolve, 500 + 1000 * Math.random()));
            if (i % 3 === 1) {
              await cluster.crash();
              continue;
            }
            const which = i % 2;
            servers[which]?.program.kill("SIGKILL");
            await servers[which]?.program.finish();
            servers[which] = await several.start(which + 1);
          }
        })();
        const acknowledged = await Promise.all(
          all.map((sender) => sendAll(several, servers, sender, all)),
        );
        sending = false;
        await killing;
        const store = await openPostgresStore(cluster.options(several.database));
        try {
          for (const [i, { name }] of all.entries()) {
            const own = acknowledged[i] ?? [];
            assertEquals(own.length, MESSAGES);
            const entries = await store.list(name, { limit: 1000, ascending: true });
            const idOf = (header: Uint8Array) => toHex(header.subarray(1, 17));
            const got = entries.map(({ header }) => idOf(header));
            const wanted = acknowledged.flat().map((id) => id.replaceAll("-", ""));
            assertEquals(got.toSorted(), wanted.toSorted(), name);
            assertEquals(entries.map(({ uid }) => uid), entries.map((_, n) => n + 1));
            const { entries: counted } = await store.usage(name);
            assertEquals(counted, entries.length);
          }
        } finally {
          await store.close();
        }
      } finally {
        await Promise.all(servers.map((server) => server.stop()));
      }
    } finally {
      cluster.stop();
    }
  },
);
