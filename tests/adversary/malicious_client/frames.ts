// A client that has logged in, and speaks out of turn: frames that it may not send, in places where it
// may not send them. Each is a breach, which ends the connection without a word.

import { assertEquals } from "@std/assert";
import { type Bytes, concat, random } from "../../../crypto/bytes.ts";
import { FrameKind } from "../../../protocol/frame.ts";
import { MAX_OUTSTANDING } from "../../../protocol/limits.ts";
import { MAX_RECORD_PLAINTEXT } from "../../../protocol/record.ts";
import { attack } from "./attack.ts";
import { type Chain, Intruder, rawFrame } from "../intruder.ts";
import { bytesOf, deliver, leaveMail, uploadOf } from "../mail.ts";
import type { Siege } from "../siege.ts";

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const WHOAMI = json({ op: "whoami" });
const request = (id: number, payload: Uint8Array = WHOAMI) =>
  rawFrame(FrameKind.request, id, payload);
const EMPTY = new Uint8Array(0);

/** A breach: what is sent, in records, and why the server says that it ended the connection. */
interface Breach {
  /** The first request id that the session has not used is 10. */
  readonly records: readonly (readonly Uint8Array[])[];
  readonly why: string;
  /** The requests before it, one in each record, whose answers are waited for. */
  readonly answered?: readonly number[];
}

/** Commits a breach; asserts that it is answered by nothing, and why the connection ended. */
async function commit(siege: Siege, chain: Chain, what: string, breach: Breach): Promise<void> {
  const session = await chain.next();
  for (const [i, record] of breach.records.entries()) {
    await session.send(...record);
    const id = breach.answered?.[i];
    if (id !== undefined) await session.answer(id);
  }
  assertEquals(await session.rest(), [], what);
  const ended = await siege.arena.ended(session.wire);
  assertEquals(ended, { code: "protocol", why: breach.why }, what);
  session.wire.close();
}

async function commitAll(siege: Siege, breaches: Readonly<Record<string, Breach>>): Promise<void> {
  const chain = await siege.chain("alice");
  await siege.mark();
  for (const [what, breach] of Object.entries(breaches)) await commit(siege, chain, what, breach);
  await siege.unharmed({ tickets: true });
}

/** One record that is a breach by itself. */
const one = (why: string, ...record: Uint8Array[]): Breach => ({ records: [record], why });

attack("a frame of a kind that is none, or not a client's, ends the connection", async (siege) => {
  const kinds = [9, 10, 16, 127, 128, 254, 255];
  const ok = json({ ok: true });
  await commitAll(siege, {
    ...Object.fromEntries(kinds.map((kind) => [
      `kind ${kind}`,
      one(`a frame of the unknown kind ${kind}`, rawFrame(kind, 10, WHOAMI)),
    ])),
    "a response": one("a frame of kind 2 from a client", rawFrame(FrameKind.response, 10, ok)),
    "an event": one("a frame of kind 6 from a client", rawFrame(FrameKind.event, 0, ok)),
    "kind 0, which is padding, with something in it": one(
      "padding that is not zero",
      rawFrame(0, 10, WHOAMI),
    ),
    "padding with its last bit set": one(
      "padding that is not zero",
      rawFrame(FrameKind.ping, 0, new Uint8Array(9)),
      concat(new Uint8Array(200), new Uint8Array([1])),
    ),
  });
});

attack(
  "a frame with an id or a length that its kind has not ends the connection",
  async (siege) => {
    const cut = "a frame that is cut";
    const size = (kind: number, length: number) => `a frame of kind ${kind} with ${length} bytes`;
    const id = (kind: number, id: number) => `a frame of kind ${kind} with request id ${id}`;
    const nine = new Uint8Array(9);
    await commitAll(siege, {
      "a request 0": one(id(1, 0), request(0)),
      "data 0": one(id(3, 0), rawFrame(FrameKind.data, 0, nine)),
      "an end 0": one(id(4, 0), rawFrame(FrameKind.end, 0)),
      "a cancel 0": one(id(5, 0), rawFrame(FrameKind.cancel, 0)),
      "a ping 1": one(id(7, 1), rawFrame(FrameKind.ping, 1, nine)),
      "a close 1": one(id(8, 1), rawFrame(FrameKind.close, 1)),
      "a request of nothing": one(size(1, 0), request(10, EMPTY)),
      "a request of a byte": one(size(1, 1), request(10, new Uint8Array([48]))),
      "a request of a byte too much": one(
        size(1, 61_441),
        request(10, new Uint8Array(61_441).fill(32)),
      ),
      "data of nothing": one(size(3, 0), rawFrame(FrameKind.data, 10)),
      "an end with something": one(size(4, 1), rawFrame(FrameKind.end, 10, new Uint8Array(1))),
      "a cancel with something": one(size(5, 9), rawFrame(FrameKind.cancel, 10, nine)),
      "a ping of 8 bytes": one(size(7, 8), rawFrame(FrameKind.ping, 0, new Uint8Array(8))),
      "a ping of 10 bytes": one(size(7, 10), rawFrame(FrameKind.ping, 0, new Uint8Array(10))),
      "a goodbye that does not end": one(
        size(8, 61_441),
        rawFrame(FrameKind.close, 0, new Uint8Array(61_441)),
      ),
      "a million recipients in one request": one(size(1, 16_777_215), overlong(16_777_215)),
      "a request that is longer than its record": one(
        cut,
        rawFrame(FrameKind.request, 10, WHOAMI, 61_440),
      ),
      "data that is longer than its record": one(cut, rawFrame(FrameKind.data, 10, nine, 65_528)),
      "data that no record holds": one(size(3, 65_529), rawFrame(FrameKind.data, 10, nine, 65_529)),
      "half a header": one(cut, new Uint8Array([FrameKind.ping, 0, 0])),
      "a kind alone": one(cut, new Uint8Array([FrameKind.request])),
    });
  },
);

/** A request that says it has `length` bytes, in a record as large as any. */
function overlong(length: number): Bytes {
  return rawFrame(FrameKind.request, 10, new Uint8Array(MAX_RECORD_PLAINTEXT - 8).fill(32), length);
}

attack("data, ends, cancels and ids that belong to nothing end the connection", async (siege) => {
  const nine = new Uint8Array(9);
  const nothing = "data that belongs to no request";
  const noEnd = "an end that belongs to no request";
  const notGrowing = "request ids that do not grow";
  const notMade = "a cancel for a request that was not made";
  await commitAll(siege, {
    "data without a request": one(nothing, rawFrame(FrameKind.data, 10, nine)),
    "data for an old request": one(nothing, rawFrame(FrameKind.data, 1, nine)),
    "an end without a request": one(noEnd, rawFrame(FrameKind.end, 10)),
    "a cancel for what is to come": one(notMade, rawFrame(FrameKind.cancel, 10)),
    "a cancel for the last request there can be": one(
      notMade,
      rawFrame(FrameKind.cancel, 0xffffffff),
    ),
    "an id for the second time": {
      records: [[request(10)], [request(10)]],
      answered: [10],
      why: notGrowing,
    },
    "an id that is lower": {
      records: [[request(10)], [request(9)]],
      answered: [10],
      why: notGrowing,
    },
    "the id of the first request": one(notGrowing, request(1)),
    "an id after the last one": {
      records: [[request(0xffffffff)], [request(1)]],
      answered: [0xffffffff],
      why: notGrowing,
    },
    "data behind a request that has none": {
      records: [[request(10)], [rawFrame(FrameKind.data, 10, nine)]],
      answered: [10],
      why: nothing,
    },
  });
});

attack(
  "an upload into which something else is put ends the connection, and is none",
  async (siege) => {
    const chain = await siege.chain("alice");
    const upload = await uploadOf(siege.self("alice"));
    const data = bytesOf(upload);
    await siege.mark();
    const begun = [
      rawFrame(FrameKind.request, 10, json(upload.request)),
      rawFrame(FrameKind.data, 10, data.slice(0, 5000)),
    ];
    const rest = rawFrame(FrameKind.data, 10, data.slice(5000));
    const end = rawFrame(FrameKind.end, 10);
    const inTheMiddle = "a request in the middle of an upload";
    const breaches: Record<string, Breach> = {
      "a request": one(inTheMiddle, ...begun, request(11)),
      "another upload": one(
        inTheMiddle,
        ...begun,
        rawFrame(FrameKind.request, 11, json(upload.request)),
      ),
      "a request that cannot be read": one(inTheMiddle, ...begun, request(11, json({}))),
      "data of another": one(
        "data that belongs to no request",
        ...begun,
        rawFrame(FrameKind.data, 11, data),
      ),
      "the end of another": one(
        "an end that belongs to no request",
        ...begun,
        rawFrame(FrameKind.end, 11),
      ),
      "an answer": one(
        "a frame of kind 2 from a client",
        ...begun,
        rawFrame(FrameKind.response, 10, WHOAMI),
      ),
    };
    for (const [what, breach] of Object.entries(breaches)) {
      await commit(siege, chain, what, breach);
    }
    // Whatever was there of it is gone, and the id is free.
    await siege.unharmed({ tickets: true });
    // Pings and cancels of what is over are no breach; after that it is stored, once.
    const session = await chain.next();
    await session.send(
      ...begun,
      rawFrame(FrameKind.ping, 0, new Uint8Array(9)),
      rawFrame(FrameKind.cancel, 1),
    );
    await session.send(rest, end);
    assertEquals((await session.next())?.kind, FrameKind.ping);
    assertEquals((await session.answer(10)).ok, true);
    await session.close();
    await siege.mark();
    // Two ends, or data after the end, are two too many; what was stored before stays, as it was told.
    const late: Record<string, Breach> = {
      "a second end": {
        records: [[...begun, rest, end, end]],
        why: "an end that belongs to no request",
      },
      "data after the end": {
        records: [[...begun, rest, end, rest]],
        why: "data that belongs to no request",
      },
    };
    for (const [what, breach] of Object.entries(late)) {
      const session = await chain.next();
      for (const record of breach.records) await session.send(...record);
      await session.rest();
      assertEquals((await siege.arena.ended(session.wire)).why, breach.why, what);
      session.wire.close();
    }
    await siege.unharmed({ tickets: true });
  },
);

attack("a frame or a byte after the goodbye is refused, and does nothing", async (siege) => {
  const chain = await siege.chain("alice");
  const first = await chain.next();
  await leaveMail(first, siege.self("alice"), 1);
  await first.close();
  await siege.mark();
  const uids = await siege.uids("alice");
  const remove = request(10, json({ op: "remove", uids }));
  await commit(
    siege,
    chain,
    "in its record",
    one("frames after the close frame", rawFrame(FrameKind.close, 0), remove),
  );
  await commit(siege, chain, "in the next", {
    records: [[rawFrame(FrameKind.close, 0)], [remove]],
    why: "bytes after the close frame",
  });
  await siege.unharmed({ tickets: true });
});

attack("a sixty-fifth request that is not answered ends the connection", async (siege) => {
  const chain = await siege.chain("alice");
  await siege.mark();
  // The server works on the first for long enough: it checks a password.
  const slow = request(
    10,
    json({ op: "passwd", old: "not the password", new: "another password" }),
  );
  const more = (count: number) => Array.from({ length: count }, (_, i) => request(11 + i));
  const session = await chain.next();
  await session.send(slow, ...more(MAX_OUTSTANDING - 1));
  for (let id = 10; id < 10 + MAX_OUTSTANDING; id++) await session.answer(id);
  await session.close();
  await commit(
    siege,
    chain,
    "65",
    one(`more than ${MAX_OUTSTANDING} requests at once`, slow, ...more(MAX_OUTSTANDING)),
  );
  await siege.unharmed({ tickets: true });
});

attack("what is asked before the verdict is done only for whoever is accepted", async (siege) => {
  const chain = await siege.chain("alice");
  const first = await chain.next();
  await leaveMail(first, siege.self("alice"), 1);
  await first.close();
  const uids = await siege.uids("alice");
  const remove = (intruder: Intruder) => intruder.record(request(1, json({ op: "remove", uids })));
  await siege.mark();
  // With a wrong password: refused, and what came with it is not even read.
  const login = siege.arena.login("alice", "not the password");
  const { intruder, verdict } = await Intruder.logIn(
    siege.address,
    siege.self("alice"),
    login,
    remove,
  );
  assertEquals(verdict.ok, false);
  const frames = await intruder.rest();
  assertEquals(frames.map(({ kind }) => kind), [FrameKind.close]);
  intruder.wire.close();
  await siege.unharmed();
  // With the right one it is a request like another.
  const ask = (intruder: Intruder) => intruder.record(request(1));
  const right = siege.arena.login("alice");
  const accepted = await Intruder.logIn(siege.address, siege.self("alice"), right, ask);
  assertEquals(accepted.verdict.ok, true);
  assertEquals((await accepted.intruder.answer(1)).name, "alice");
  await accepted.intruder.close();
  await siege.unharmed({ tickets: true });
});

attack(
  "a client that gives its key's place to noise, or says nothing that fits, is not logged in",
  async (siege) => {
    const chain = await siege.chain("alice");
    // A record of one session in another: each has keys of its own.
    const [one, other] = [await chain.next(), await chain.next()];
    await other.wire.write(await one.record(request(10)));
    assertEquals(await other.rest(), []);
    assertEquals((await siege.arena.ended(other.wire)).code, "authentication");
    // Noise behind the ticket.
    await one.wire.write(random(1000));
    assertEquals(await one.rest(), []);
    one.wire.close();
    other.wire.close();
    await siege.unharmed({ tickets: true });
  },
);

attack("a delivery that was answered is not undone by a breach behind it", async (siege) => {
  const chain = await siege.chain("alice");
  const session = await chain.next();
  const upload = await uploadOf(siege.self("alice"));
  assertEquals((await deliver(session, upload.request, bytesOf(upload))).ok, true);
  await siege.mark();
  await session.send(rawFrame(99, 1));
  assertEquals(await session.rest(), []);
  session.wire.close();
  await siege.unharmed({ tickets: true });
});
