// Somebody between client and server who changes what passes. The server is a process of its own, the
// client the modules of the program, and a relay between them is the man in the middle.
//
// That a bit flipped in any byte of B, C, D and E is refused is tested over bytes (all, in .ci/run) in
// tests/protocol/handshake_tampering_test.ts. Here every field and a sample of its bytes go over the
// network, to see what that does to server and client; with SEALPOST_ADVERSARY=full every byte does.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ClientSession } from "../../../client/connection/client_session.ts";
import { logIn, resumeLogin } from "../../../client/connection/login.ts";
import { concat, fromHex } from "../../../crypto/bytes.ts";
import { checkMlKemPublic } from "../../../crypto/ml_kem.ts";
import type { Address } from "../../../protocol/address.ts";
import { FrameKind } from "../../../protocol/frame.ts";
import { MAX_RECORD, MIN_RECORD } from "../../../protocol/record.ts";
import { TICKET_LABEL } from "../../../protocol/resumption.ts";
import {
  changing,
  type Direction,
  type Part,
  type RelayedConnection,
} from "../../support/relay.ts";
import { type End, endOf, EVERYTHING, flipped, inParallel, positions } from "../arena.ts";
import { attack } from "./attack.ts";
import { type HeldTicket, Intruder, resumption } from "../intruder.ts";
import { leaveMail } from "../mail.ts";
import { MESSAGE, type MessageName, R1, R2, SHORT_RECORD } from "./messages.ts";
import type { Siege } from "../siege.ts";
import { Target } from "./target.ts";

/** Where the last part of R1 begins: what verifies only after the private operation. */
const LAST_PART = 2339;

/** Logins at once: as many as the server works on at a time. */
const WIDTH = 4;

const LOST: End = { code: "connection-lost", exit: 75 };
const FORGED: End = { code: "authentication", exit: 65 };
const IMPOSTOR: End = { code: "server-identity", exit: 77 };
const BROKEN: End = { code: "protocol", exit: 76 };
const OTHER_VERSION: End = { code: "version", exit: 76 };

/** Logs in as alice and says goodbye at once. */
function coming(siege: Siege): (address: Address) => Promise<End | null> {
  return (address) =>
    endOf(siege.arena.logIn("alice", address).then((session) => session.connection.close()));
}

/** Asserts why the server ended a connection, as its log says; null if that is nothing to log. */
async function endedFor(
  siege: Siege,
  line: RelayedConnection,
  reason: string | null,
): Promise<void> {
  if (reason === null) assertEquals(siege.arena.logged(line), []);
  else assertEquals((await siege.arena.ended(line)).code, reason);
}

/** Whether these bytes are an ML-KEM key, as far as one can see. */
function isKey(bytes: Uint8Array<ArrayBuffer>): boolean {
  try {
    checkMlKemPublic(bytes);
    return true;
  } catch {
    return false;
  }
}

/** One flipped byte of a login, at `at` of the message `name`. */
async function flippedLogin(siege: Siege, name: MessageName, at: number): Promise<void> {
  const part = MESSAGE[name];
  let key = true;
  const { result, line } = await siege.once(
    changing(part, (bytes) => {
      const changed = flipped(bytes, at);
      if (name === "A") key = isKey(changed.slice(35, 35 + 1184));
      return changed;
    }),
    coming(siege),
  );
  const where = `${name}[${at}]`;
  const sent = { up: line.count("up"), down: line.count("down") };
  switch (name) {
    case "A":
      // Kind 5 asks for a key that the server has left, and this one has left none.
      if (at < 3) return assertEquals(result, at === 2 ? LOST : OTHER_VERSION, where);
      assertEquals(result, key ? IMPOSTOR : LOST, where);
      await endedFor(siege, line, key ? null : "key-format");
      return assertEquals(sent, { up: MESSAGE.A.to, down: key ? MESSAGE.B.to : 0 }, where);
    case "B":
      assertEquals(result, IMPOSTOR, where);
      return assertEquals(sent, { up: MESSAGE.A.to, down: MESSAGE.B.to }, where);
    case "C":
      assertEquals(result, LOST, where);
      assertEquals((await siege.arena.ended(line)).code, "authentication", where);
      return assertEquals(sent, { up: MESSAGE.C.to, down: MESSAGE.B.to }, where);
    case "D":
      assertEquals(result, FORGED, where);
      return assertEquals(sent, { up: MESSAGE.C.to, down: MESSAGE.D.to }, where);
    case "E":
      assertEquals(result, LOST, where);
      assertEquals((await siege.arena.ended(line)).code, "authentication", where);
      return assertEquals(sent, { up: MESSAGE.E.to, down: MESSAGE.D.to }, where);
    case "F":
      assertEquals(result, FORGED, where);
      assertEquals(sent.up, MESSAGE.E.to, where);
      // The head of the key log may have been on its way already.
      assert([0, SHORT_RECORD].includes(sent.down - MESSAGE.F.to), `${where}: ${sent.down}`);
  }
}

attack(
  "a byte flipped anywhere in a login ends it with the error for its place, and leaves nothing behind",
  async (siege, t) => {
    // Every field begins at one of these, and a sample lies in each.
    const fields: Record<MessageName, { at: readonly number[]; step: number }> = {
      A: { at: [0, 1, 2, 3, 34, 35, 1218, 1219, 1219 + 255, 1219 + 256, 1730, 1731], step: 257 },
      B: { at: [31, 32, 1119, 1120], step: 127 },
      C: { at: [2063, 2064], step: 401 },
      D: { at: [1615, 1616], step: 151 },
      E: { at: [63, 64], step: 9 },
      F: { at: [], step: 101 },
    };
    const before = await siege.arena.memory();
    for (const name of ["A", "B", "C", "D", "E"] as const) {
      await t.step(`message ${name}`, async () => {
        const { at, step } = fields[name];
        const { from, to } = MESSAGE[name];
        const all = new Set([...at, ...positions(0, to - from, step)]);
        await inParallel([...all], WIDTH, (at) => flippedLogin(siege, name, at));
        await siege.unharmed();
      });
    }
    await t.step("and the server's memory is as it was", async () => {
      const grown = await siege.arena.memory() - before;
      assert(grown < 96, `it grew by ${grown} MiB`);
    });
    await t.step("message F, the verdict", async () => {
      // The three bytes of the record's length have a test of their own.
      const { from, to } = MESSAGE.F;
      await inParallel(positions(3, to - from, fields.F.step), WIDTH, async (at) => {
        await flippedLogin(siege, "F", at);
      });
      // The server had accepted these logins: their tickets are all that there is of them.
      await siege.unharmed({ tickets: true });
    });
  },
);

attack(
  "a byte flipped anywhere in a resumption ends it, and only an answered one uses the ticket up",
  async (siege, t) => {
    const resume = (ticket: HeldTicket) => async (address: Address) => {
      const { known } = await resumption(siege.self("alice"), ticket);
      return await resumeLogin(address, known, siege.arena.identity("alice"));
    };
    const chain = await siege.chain("alice");
    const ticket = chain.take();
    await siege.mark();
    await t.step(
      "message R1, up to its last part: the server closes without a word, and the ticket is still good",
      async () => {
        const bounds = [0, 1, 2, 3, 18, 19, 50, 51, 1234, 1235, 2338];
        const all = new Set([...bounds, ...positions(0, LAST_PART, 71)]);
        await inParallel([...all], WIDTH, async (at) => {
          let key = true;
          let result: unknown;
          const { line, result: end } = await siege.once(
            changing(R1, (bytes) => {
              const changed = flipped(bytes, at);
              key = isKey(changed.slice(51, 51 + 1184));
              return changed;
            }),
            (address) => endOf(resume(ticket)(address).then((connected) => result = connected)),
          );
          const where = `R1[${at}]`;
          if (at < 3) return assertEquals(end, OTHER_VERSION, where);
          assertEquals({ end, result }, { end: null, result: null }, where);
          await endedFor(siege, line, key ? null : "key-format");
          assertEquals(line.count("down"), 0, where);
        });
        await siege.unharmed();
        const session = await chain.next();
        await session.close();
      },
    );
    await t.step(
      "the last part of R1: the server closes without a word, and the ticket is used up",
      async () => {
        for (let at = LAST_PART; at < R1.to; at++) {
          const ticket = await siege.ticket("alice");
          const { line, result } = await siege.once(
            changing(R1, (bytes) => flipped(bytes, at)),
            (address) => endOf(resume(ticket)(address)),
          );
          assertEquals([result, line.count("down")], [null, 0], `R1[${at}]`);
          const again = await siege.once(
            changing(R1, (bytes) => bytes),
            (address) => endOf(resume(ticket)(address)),
          );
          assertEquals(again.line.count("down"), 0, `R1[${at}], again`);
        }
        await siege.unharmed({ tickets: true });
      },
    );
    await t.step(
      "message R2: the client stops, and does not try its password instead",
      async () => {
        const all = new Set([0, 31, 32, 1119, 1120, 2223, 2224, 2495, ...positions(0, R2.to, 499)]);
        await inParallel([...all], WIDTH, async (at) => {
          const ticket = await siege.ticket("alice");
          const { result, line } = await siege.once(
            changing(R2, (bytes) => flipped(bytes, at)),
            (address) => endOf(resume(ticket)(address)),
          );
          assertEquals(result, IMPOSTOR, `R2[${at}]`);
          assertEquals(line.count("up"), R1.to, `R2[${at}]`);
        });
        await siege.unharmed({ tickets: true });
      },
    );
  },
);

/** How a record's length is read, and what its change does to whoever reads it. */
function afterLength(length: number, following: number): "protocol" | "authentication" | "lost" {
  if (length < MIN_RECORD || length > MAX_RECORD) return "protocol";
  return length <= following ? "authentication" : "lost";
}

attack(
  "a changed length of the verdict's record is refused, whatever it is changed to",
  async (siege) => {
    // Of somebody who is not there: behind the verdict come a goodbye and the end of the stream.
    const following = 1040 + SHORT_RECORD;
    const bits = positions(0, 24, 2);
    await inParallel(bits, WIDTH, async (bit) => {
      let expected: End | undefined;
      const { result } = await siege.once(
        changing({ ...MESSAGE.F, to: MESSAGE.F.from + 3 }, (bytes) => {
          const at = bit >>> 3;
          bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
          const [a = 0, b = 0, c = 0] = bytes;
          const after = afterLength((a << 16) | (b << 8) | c, following);
          expected = { protocol: BROKEN, authentication: FORGED, lost: LOST }[after];
          return bytes;
        }),
        async (address) => {
          const { server } = siege.arena;
          const login = siege.arena.login(`nobody${bit}`);
          return await endOf(logIn(address, server, siege.arena.identity("alice"), login));
        },
      );
      assert(expected);
      assertEquals(result, expected, `bit ${bit}`);
    });
    await siege.unharmed();
  },
);

attack("a byte flipped anywhere in a record of a session ends the session", async (siege, t) => {
  let ticket = await siege.ticket("alice");
  /** Resumes, asks once for the next ticket, and once more with a byte flipped on its way. */
  const flipIn = async (direction: Direction, at: number) => {
    const target = new Target();
    let length = 0;
    const { result, line } = await siege.once(target.hook, async (address) => {
      const { known } = await resumption(siege.self("alice"), ticket);
      const connected = await resumeLogin(address, known, siege.arena.identity("alice"));
      assert(connected);
      const next = Promise.withResolvers<string>();
      const link = new ClientSession(connected.connection, (event) => {
        if (event.event === "ticket") next.resolve(event.id);
      });
      await link.ask({ op: "whoami" });
      const id = fromHex(await next.promise);
      ticket = { id, psk: await connected.exporter(TICKET_LABEL, id) };
      target.aim(direction, SHORT_RECORD, (record) => {
        const changed = flipped(record, at);
        const [a = 0, b = 0, c = 0] = changed;
        length = (a << 16) | (b << 8) | c;
        // The rest of a record that was made longer would be waited for.
        return { data: changed, cut: at < 3 };
      });
      const end = await endOf(link.ask({ op: "whoami" }));
      await link.close();
      return end;
    });
    return { end: result, line, after: afterLength(length, SHORT_RECORD - 3) };
  };
  await t.step("towards the server", async () => {
    for (const at of positions(0, SHORT_RECORD, 17)) {
      const { end, line, after } = await flipIn("up", at);
      const where = `byte ${at} of a request`;
      assertEquals(end, LOST, where);
      const { code } = await siege.arena.ended(line);
      assertEquals(code, after === "lost" ? "connection-lost" : after, where);
    }
    await siege.unharmed({ tickets: true });
  });
  await t.step("towards the client", async () => {
    for (const at of positions(0, SHORT_RECORD, 17)) {
      const { end, line, after } = await flipIn("down", at);
      const where = `byte ${at} of a response`;
      assertEquals(end, { protocol: BROKEN, authentication: FORGED, lost: LOST }[after], where);
      assertEquals(line.count("up"), R1.to + 2 * SHORT_RECORD, `${where}: nothing was sent after`);
    }
    await siege.unharmed({ tickets: true });
  });
});

attack(
  "a login that is cut off anywhere has no effect before the last byte of E has arrived",
  async (siege, t) => {
    const bounds = (parts: readonly Part[]) =>
      parts.flatMap(({ from, to }) => [from, from + 1, (from + to) >> 1, to - 1]);
    const { A, B, C, D, E, F } = MESSAGE;
    const cut = async (direction: Direction, at: number) => {
      const { result, line } = await siege.once(
        changing({ direction, from: at, to: at }, () => null),
        coming(siege),
      );
      assertEquals(result, LOST, `cut ${at} bytes ${direction}`);
      // At a message's end the connection is over, within one it is lost.
      for (const said of siege.arena.logged(line)) {
        if (said.includes("connection-ended")) assertStringIncludes(said, "code=connection-lost");
      }
    };
    await t.step("on its way to the server", async () => {
      const all = new Set([...bounds([A, C, E]), 2, 3, ...EVERYTHING ? positions(0, E.to, 1) : []]);
      await inParallel([...all], WIDTH, (at) => cut("up", at));
      await siege.unharmed();
    });
    await t.step("on its way to the client", async () => {
      await inParallel(bounds([B, D]), WIDTH, (at) => cut("down", at));
      await siege.unharmed();
      // The server has decided when the verdict is on its way: it has issued a ticket.
      await inParallel(bounds([F]), WIDTH, (at) => cut("down", at));
      await siege.unharmed({ tickets: true });
    });
  },
);

attack(
  "a stream that ends where a message or a record could begin is not taken for a goodbye",
  async (siege, t) => {
    await t.step("the client's: whatever was not finished is not done", async () => {
      const { intruder } = await Intruder.logIn(
        siege.address,
        siege.self("alice"),
        siege.arena.login("alice"),
      );
      await intruder.ask({ op: "whoami" });
      await intruder.wire.closeWrite();
      assertEquals((await siege.arena.ended(intruder.wire)).code, "connection-lost");
      intruder.wire.close();
      await siege.unharmed({ tickets: true });
    });
    await t.step("the server's: the client says that the connection was lost", async () => {
      const target = new Target();
      const { result } = await siege.once(target.hook, async (address) => {
        const { connection } = await siege.arena.logIn("alice", address);
        const link = new ClientSession(connection);
        await link.ask({ op: "whoami" });
        target.aim("down", 0, () => null);
        return await endOf(link.ask({ op: "whoami" }));
      });
      assertEquals(result, LOST);
      await siege.unharmed({ tickets: true });
    });
  },
);

/** `bytes` twice. */
const twice = (bytes: Uint8Array) => concat(bytes, bytes);

attack("a message of a login that comes twice ends it", async (siege, t) => {
  const repeated = (name: MessageName, whole = twice) =>
    siege.once(changing(MESSAGE[name], whole), coming(siege));
  await t.step("A, B and C", async () => {
    const a = await repeated("A");
    assertEquals(a.result, LOST);
    await endedFor(siege, a.line, "authentication");
    const b = await repeated("B");
    assertEquals(b.result, FORGED);
    await endedFor(siege, b.line, null);
    const c = await repeated("C");
    assertEquals(c.result, LOST);
    await endedFor(siege, c.line, "authentication");
    await siege.unharmed();
  });
  await t.step("D and E, read as records", async () => {
    // Random bytes in the place of a record's length are out of its bounds, all but always; a length
    // within them would be waited for, so such a one is not sent twice.
    const impossible = (bytes: Uint8Array) => {
      const [a = 0] = bytes;
      return a > 1 ? twice(bytes) : null;
    };
    const untilSent = async (name: MessageName) => {
      for (;;) {
        let sent = false;
        const done = await repeated(name, (bytes) => {
          const whole = impossible(bytes);
          sent = whole !== null;
          return whole ?? concat(bytes);
        });
        if (sent) return done;
      }
    };
    assertEquals((await untilSent("D")).result, BROKEN);
    const e = await untilSent("E");
    await endedFor(siege, e.line, "protocol");
    await siege.unharmed({ tickets: true });
  });
});

attack(
  "messages of two logins at once, exchanged by the man in the middle, end both",
  async (siege) => {
    const expected: Record<MessageName, End> = {
      A: IMPOSTOR,
      B: IMPOSTOR,
      C: LOST,
      D: FORGED,
      E: LOST,
      F: FORGED,
    };
    for (const name of ["A", "B", "C", "D", "E", "F"] as const) {
      const first = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
      const second = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
      const exchange = (mine: typeof first, theirs: typeof first) =>
        changing(MESSAGE[name], (bytes) => {
          mine.resolve(bytes);
          return theirs.promise;
        });
      const ends = await Promise.all([
        siege.once(exchange(first, second), coming(siege)),
        siege.once(exchange(second, first), coming(siege)),
      ]);
      assertEquals(ends.map(({ result }) => result), [expected[name], expected[name]], name);
      await siege.unharmed({ tickets: name === "F" });
    }
  },
);

attack(
  "records that are repeated, left out or put in another order end the session, unread",
  async (siege) => {
    const chain = await siege.chain("alice");
    const before = await chain.next();
    await leaveMail(before, siege.self("alice"), 2);
    await before.close();
    const uids = await siege.uids("alice");
    await siege.mark();
    const size = SHORT_RECORD;
    // Those of which nothing may be done come first.
    const attacks: Record<string, (two: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>> = {
      "in another order": (two) => concat(two.subarray(size), two.subarray(0, size)),
      "the first left out": (two) => two.slice(size),
      "the first twice": (two) => concat(two.subarray(0, size), two),
      "the second left out, the first twice": (two) => twice(two.subarray(0, size)),
    };
    for (const [what, change] of Object.entries(attacks)) {
      const target = new Target();
      const { line, result } = await siege.once(target.hook, async (address) => {
        const session = await chain.next(address);
        target.aim("up", 2 * size, change);
        // Both would be seen in the mailbox if they were obeyed. The first is, where it comes first.
        await session.request({ op: "flag", uids, set: ["seen"], clear: [] });
        await session.request({ op: "remove", uids });
        const answers = (await session.rest()).filter(({ kind }) => kind === FrameKind.response);
        session.wire.close();
        return answers.map(({ id }) => id);
      });
      const inOrder = what === "the first twice" || what === "the second left out, the first twice";
      assert(result.length === 0 || inOrder && result.length === 1, what);
      assertEquals((await siege.arena.ended(line)).code, "authentication", what);
      if (inOrder) assertEquals(await siege.uids("alice"), uids, `${what}: nothing is removed`);
      else await siege.unharmed({ tickets: true });
    }
  },
);

attack(
  "a response that comes twice, or is left out, ends the session at the client",
  async (siege) => {
    const attacks: Record<string, (record: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>> = {
      "twice": twice,
      "left out": () => new Uint8Array(0),
    };
    for (const [what, change] of Object.entries(attacks)) {
      const target = new Target();
      const { result } = await siege.once(target.hook, async (address) => {
        const { connection } = await siege.arena.logIn("alice", address);
        const link = new ClientSession(connection);
        await link.ask({ op: "whoami" });
        target.aim("down", SHORT_RECORD, change);
        const first = endOf(link.ask({ op: "whoami" }));
        const second = endOf(link.ask({ op: "whoami" }));
        const ends = [await first, await second];
        await link.close();
        return ends;
      });
      assertEquals(result, what === "twice" ? [null, FORGED] : [FORGED, FORGED], what);
    }
    await siege.unharmed({ tickets: true });
  },
);
