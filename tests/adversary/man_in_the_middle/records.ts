// Records that are none: of every length that is out of bounds, and of others whose bytes nobody sealed.

import { assertEquals } from "@std/assert";
import { ClientSession } from "../../../client/connection/client_session.ts";
import { type Bytes, concat, random } from "../../../crypto/bytes.ts";
import { MAX_RECORD, MIN_RECORD } from "../../../protocol/record.ts";
import { type End, endOf, EVERYTHING } from "../arena.ts";
import { attack } from "./attack.ts";
import { Target } from "./target.ts";

const FORGED: End = { code: "authentication", exit: 65 };
const BROKEN: End = { code: "protocol", exit: 76 };

/** Every length below the bounds, and of those above them the first, the last and some between. */
const IMPOSSIBLE = [
  ...Array.from({ length: MIN_RECORD }, (_, length) => length),
  ...[1, 2, 3, 17, 256, 1000].map((more) => MAX_RECORD + more),
  ...Array.from(
    { length: EVERYTHING ? 500 : 10 },
    () => MAX_RECORD + 1 + below(2 ** 24 - MAX_RECORD - 2),
  ),
  2 ** 17,
  2 ** 20,
  2 ** 23,
  2 ** 24 - 1,
];

/** A number from 0 to `n` - 1, by chance. */
function below(n: number): number {
  return Math.floor(Math.random() * n);
}

function u24(n: number): Bytes {
  return new Uint8Array([n >>> 16, (n >>> 8) & 0xff, n & 0xff]);
}

attack("a record of an impossible length ends the session at its third byte", async (siege, t) => {
  const chain = await siege.chain("alice");
  await siege.mark();
  await t.step("towards the server", async () => {
    for (const length of IMPOSSIBLE) {
      const session = await chain.next();
      // Nothing follows: a server that waited for it would wait for long.
      await session.wire.write(u24(length));
      assertEquals(await session.rest(), []);
      assertEquals(await siege.arena.ended(session.wire), {
        code: "protocol",
        why: `a record with the impossible length ${length}`,
      });
      session.wire.close();
    }
    await siege.unharmed({ tickets: true });
  });
  await t.step("towards the client", async () => {
    for (const length of EVERYTHING ? IMPOSSIBLE : IMPOSSIBLE.filter((_, i) => i % 4 === 0)) {
      const target = new Target();
      const { result } = await siege.once(target.hook, async (address) => {
        const { connection } = await siege.arena.logIn("alice", address);
        const link = new ClientSession(connection);
        target.aim("down", 3, () => u24(length));
        const end = await endOf(link.ask({ op: "whoami" }));
        await link.close();
        return end;
      });
      assertEquals(result, BROKEN, `${length}`);
    }
    await siege.unharmed({ tickets: true });
  });
});

attack("a record of any length that nobody has sealed ends the session", async (siege) => {
  const chain = await siege.chain("alice");
  const lengths = [MIN_RECORD, MIN_RECORD + 1, 272, 4096, MAX_RECORD - 1, MAX_RECORD];
  for (const length of lengths) {
    for (const bytes of [new Uint8Array(length), random(length)]) {
      const session = await chain.next();
      await session.wire.write(concat(u24(length), bytes));
      assertEquals(await session.rest(), []);
      assertEquals(
        (await siege.arena.ended(session.wire)).code,
        "authentication",
        `${length}`,
      );
      session.wire.close();
    }
  }
  // One of the server's own, sent back to it: the keys of the two directions are not the same.
  const target = new Target();
  const { line } = await siege.once(target.hook, async (address) => {
    const session = await chain.next(address);
    const kept = Promise.withResolvers<Bytes>();
    target.aim("down", 275, (record) => {
      kept.resolve(record);
      return record;
    });
    await session.ask({ op: "whoami" });
    await session.wire.write(await kept.promise);
    assertEquals(await session.rest(), []);
    session.wire.close();
  });
  assertEquals((await siege.arena.ended(line)).code, "authentication");
  await siege.unharmed({ tickets: true });
});

attack(
  "a record's own bytes, shortened or lengthened with its length, end the session",
  async (siege) => {
    const chain = await siege.chain("alice");
    const changes: Record<string, (record: Bytes) => Bytes> = {
      "a byte less": (record) => concat(u24(record.length - 4), record.slice(3, -1)),
      "a tag less": (record) => concat(u24(record.length - 19), record.slice(3, -16)),
      "a byte more": (record) => concat(u24(record.length - 2), record.slice(3), new Uint8Array(1)),
      "cut to the shortest": (record) => concat(u24(MIN_RECORD), record.slice(3, 3 + MIN_RECORD)),
      "in two": (record) => concat(u24(100), record.slice(3, 103), u24(172), record.slice(103)),
    };
    for (const [what, change] of Object.entries(changes)) {
      const session = await chain.next();
      const record = await session.record(new Uint8Array(256));
      await session.wire.write(change(record));
      assertEquals(await session.rest(), [], what);
      assertEquals((await siege.arena.ended(session.wire)).code, "authentication", what);
      session.wire.close();
    }
    const end = await endOf(
      siege.arena.logIn("alice").then(({ connection }) => connection.close()),
    );
    assertEquals(end, null);
    await siege.unharmed({ tickets: true });
  },
);

attack("the client, too, takes no record that nobody has sealed for it", async (siege) => {
  for (
    const change of [(record: Bytes) => record.fill(0, 3), (record: Bytes) => record.fill(7, 3)]
  ) {
    const target = new Target();
    const { result } = await siege.once(target.hook, async (address) => {
      const { connection } = await siege.arena.logIn("alice", address);
      const link = new ClientSession(connection);
      target.aim("down", 275, change);
      const end = await endOf(link.ask({ op: "whoami" }));
      await link.close();
      return end;
    });
    assertEquals(result, FORGED);
  }
  await siege.unharmed({ tickets: true });
});
