import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, random, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { ExactReader } from "../../protocol/byte_stream.ts";
import { Connection } from "../../protocol/connection.ts";
import {
  decodeFrames,
  encodeFrames,
  type Frame,
  FrameKind,
  MAX_DATA,
} from "../../protocol/frame.ts";
import {
  MAX_RECORD_PLAINTEXT,
  RECORD_HEADER,
  recordLength,
  RecordOpener,
  RecordSealer,
} from "../../protocol/record.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";
import { pipe, type PipeEnd, type PipeOptions } from "../support/pipe.ts";

const EMPTY = new Uint8Array(0);
const HIGH_WATER = 256 * 1024;
const CLOSE: Frame = { kind: FrameKind.close, id: 0, payload: EMPTY };

const data = (id: number, payload: Bytes): Frame => ({ kind: FrameKind.data, id, payload });
const request = (id: number, text = "{}"): Frame => {
  return { kind: FrameKind.request, id, payload: utf8(text) };
};

interface Both {
  readonly left: Connection;
  readonly right: Connection;
  readonly leftEnd: PipeEnd;
  readonly rightEnd: PipeEnd;
}

/** Two connections at the ends of one pipe. */
function both(options: PipeOptions = {}): Both {
  const [leftEnd, rightEnd] = pipe(options);
  const [up, down] = [random(32), random(32)];
  return {
    left: new Connection(leftEnd, new ExactReader(leftEnd), { send: up, receive: down }),
    right: new Connection(rightEnd, new ExactReader(rightEnd), { send: down, receive: up }),
    leftEnd,
    rightEnd,
  };
}

interface Alone {
  readonly connection: Connection;
  /** The connection's own end. */
  readonly end: PipeEnd;
  /** The other end, at which the test makes and reads records itself. */
  readonly far: PipeEnd;
  readonly sealer: RecordSealer;
  /** The frames of the next record that the connection wrote. */
  next(): Promise<Frame[]>;
}

/** A connection whose peer is the test. */
function alone(options: PipeOptions = {}): Alone {
  const [end, far] = pipe(options);
  const [up, down] = [random(32), random(32)];
  const opener = new RecordOpener(up);
  const reader = new ExactReader(far);
  return {
    connection: new Connection(end, new ExactReader(end), { send: up, receive: down }),
    end,
    far,
    sealer: new RecordSealer(down),
    next: async () => {
      const head = await reader.exactly(RECORD_HEADER);
      const body = head && await reader.exactly(recordLength(head));
      if (!body) throw new Error("the connection ended");
      return decodeFrames(await opener.open(body));
    },
  };
}

/** The plaintext sizes of the records that `end` has written. */
function recordSizes(end: PipeEnd): number[] {
  return end.written.map((record) => {
    assertEquals(record.length, RECORD_HEADER + recordLength(record));
    return record.length - RECORD_HEADER - 16;
  });
}

/** Lets everything run that does not wait for the peer. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Whether `promise` has settled once everything else that could run has. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(() => pending = false, () => pending = false);
  await settle();
  return pending;
}

async function receiveAll(connection: Connection): Promise<Frame[]> {
  const frames: Frame[] = [];
  for (;;) {
    const frame = await connection.receive();
    if (!frame) return frames;
    frames.push(frame);
  }
}

Deno.test("frames arrive in order, both ways, however the stream is cut into pieces", async () => {
  for (const maxRead of [1, 2, 5, 4096, undefined]) {
    const { left, right } = both(maxRead === undefined ? {} : { maxRead });
    const there = [request(1), data(1, random(3000)), {
      kind: FrameKind.end,
      id: 1,
      payload: EMPTY,
    }];
    const back = [{ kind: FrameKind.event, id: 0, payload: utf8("{}") }, data(1, random(10))];
    for (const frame of there) await left.send(frame);
    for (const frame of back) await right.send(frame);
    for (const frame of there) assertEquals(await right.receive(), frame);
    for (const frame of back) assertEquals(await left.receive(), frame);
    await Promise.all([left.close(), receiveAll(right)]);
  }
});

Deno.test("any frames under any back-pressure arrive complete and in order", async () => {
  const payload = fc.uint8Array({ minLength: 2, maxLength: 5000 })
    .map((bytes) => new Uint8Array(bytes));
  const frames = fc.array(
    fc.tuple(
      fc.constantFrom(FrameKind.request, FrameKind.response, FrameKind.data),
      fc.nat(100),
      payload,
    )
      .map(([kind, id, bytes]): Frame => ({ kind, id: id + 1, payload: bytes })),
    { maxLength: 30 },
  );
  const options = fc.record({
    capacity: fc.integer({ min: 1, max: 70_000 }),
    maxRead: fc.integer({ min: 100, max: 10_000 }),
  });
  await fc.assert(
    fc.asyncProperty(frames, frames, options, async (there, back, how) => {
      const { left, right } = both(how);
      const talk = async (connection: Connection, sent: readonly Frame[]) => {
        for (const frame of sent) await connection.send(frame);
        await connection.flush();
      };
      const listen = async (connection: Connection, count: number) => {
        const got: (Frame | null)[] = [];
        while (got.length < count) got.push(await connection.receive());
        return got;
      };
      const [, , atRight, atLeft] = await Promise.all([
        talk(left, there),
        talk(right, back),
        listen(right, there.length),
        listen(left, back.length),
      ]);
      assertEquals(atRight, there);
      assertEquals(atLeft, back);
      assertEquals([left.backlog, right.backlog], [0, 0]);
      await Promise.all([left.close(), receiveAll(right)]);
    }),
    { numRuns: 40 },
  );
});

Deno.test("frames that wait are written together in one record", async () => {
  const { left, right, leftEnd } = both();
  const frames = Array.from({ length: 50 }, (_, i) => data(i + 1, random(100)));
  await Promise.all(frames.map((frame) => left.send(frame)));
  await left.flush();
  assertEquals(recordSizes(leftEnd), [50 * 108]);
  for (const frame of frames) assertEquals(await right.receive(), frame);
  await Promise.all([left.close(), receiveAll(right)]);
});

Deno.test("what piles up behind a slow peer goes out in as few records as hold it", async () => {
  const { left, right, leftEnd } = both({ capacity: 1000 });
  const frames = Array.from({ length: 40 }, (_, i) => data(i + 1, random(10_000)));
  const sending = (async () => {
    for (const frame of frames) await left.send(frame);
    await left.flush();
  })();
  for (const frame of frames) assertEquals(await right.receive(), frame);
  await sending;
  const sizes = recordSizes(leftEnd);
  assertEquals(sizes.reduce((sum, size) => sum + size, 0), 40 * 10_008);
  assert(sizes.every((size) => size <= MAX_RECORD_PLAINTEXT));
  // The first goes alone, or with what was queued in the same turn; all after it are full.
  assert(sizes.length <= 2 + Math.ceil(40 / 6), `${sizes.length} records`);
  await Promise.all([left.close(), receiveAll(right)]);
});

Deno.test("a record of control frames alone has a multiple of 256 bytes", async () => {
  const { left, right, leftEnd } = both();
  for (let size = 2; size < 600; size += 45) {
    await left.send(request(size, "x".repeat(size)));
    await left.flush();
  }
  assert(recordSizes(leftEnd).every((size) => size % 256 === 0 && size > 0));
  await left.send(data(1, random(3)));
  await left.flush();
  assertEquals(recordSizes(leftEnd).at(-1), 11);
  await Promise.all([left.close(), receiveAll(right)]);
  assertEquals(recordSizes(leftEnd).at(-1), 256);
});

Deno.test("padTo pads the record of its own frame, also behind others that wait", async () => {
  const { left, right, leftEnd } = both();
  const event: Frame = { kind: FrameKind.event, id: 0, payload: utf8("{}") };
  await Promise.all([
    left.send(data(1, random(MAX_DATA))),
    left.send(event, 1024),
  ]);
  await left.flush();
  assertEquals(recordSizes(leftEnd), [MAX_RECORD_PLAINTEXT, 1024]);
  await Promise.all([left.send(event, 1024), left.send(event)]);
  await left.flush();
  assertEquals(recordSizes(leftEnd).at(-1), 1024);
  await left.send(event);
  await left.flush();
  assertEquals(recordSizes(leftEnd).at(-1), 256);
  await Promise.all([left.close(), receiveAll(right)]);
});

Deno.test("a peer that does not read makes send wait, and the backlog stays bounded", async () => {
  const { left, right, leftEnd } = both({ capacity: 64 * 1024 });
  const frames = Array.from({ length: 30 }, (_, i) => data(i + 1, random(60_000)));
  let sent = 0;
  const sending = (async () => {
    for (const frame of frames) {
      await left.send(frame);
      sent++;
      assert(left.backlog <= HIGH_WATER);
    }
  })();
  assert(await isPending(sending));
  const before = sent;
  assert(before > 0 && before < 10, `${before} were taken`);
  assert(left.backlog > HIGH_WATER && left.backlog <= HIGH_WATER + 60_008);
  assert(leftEnd.unread <= 64 * 1024 + MAX_RECORD_PLAINTEXT + 19);
  assert(await isPending(sending));
  assertEquals(sent, before);

  for (const frame of frames) assertEquals(await right.receive(), frame);
  await sending;
  await left.flush();
  assertEquals(left.backlog, 0);
  await Promise.all([left.close(), receiveAll(right)]);
});

Deno.test("senders that wait are released with what ended the connection", async () => {
  const { left, leftEnd, right } = both({ capacity: 10 });
  const sends = Array.from({ length: 8 }, (_, i) => left.send(data(i + 1, random(60_000))));
  const waiting = sends.slice(4).map((send) => assertRefusedAsync("timeout", () => send));
  const flushing = assertRefusedAsync("timeout", () => left.flush());
  await settle();
  const cause = new SealpostError("timeout", "the peer fell silent");
  assertStrictEquals(left.abort(cause), cause);
  await Promise.all([...waiting, flushing]);
  await assertRefusedAsync("timeout", () => left.send(request(9)));
  await assertRefusedAsync("timeout", () => left.receive());
  assert(leftEnd.closed && !left.open);
  right.abort(cause);
});

Deno.test("abort() makes one error of what it is given, and keeps the first", () => {
  const { left, right } = both();
  const cause = new TypeError("unexpected");
  const error = left.abort(cause);
  assertEquals([error.code, error.cause], ["connection-lost", cause]);
  assertStrictEquals(left.abort(new SealpostError("timeout", "later")), error);
  right.abort(cause);
});

Deno.test("a ping is answered with its own bytes, and its answer is not answered", async () => {
  const { connection, far, sealer, next } = alone();
  const reading = connection.receive();
  const payload = concat(new Uint8Array([0]), random(8));
  await far.write(await sealer.seal(encodeFrames([{ kind: FrameKind.ping, id: 0, payload }])));
  const [answer, ...rest] = await next();
  assertEquals(rest, []);
  assertEquals(answer, {
    kind: FrameKind.ping,
    id: 0,
    payload: concat(new Uint8Array([1]), payload.slice(1)),
  });

  const answered = { kind: FrameKind.ping, id: 0, payload: concat(new Uint8Array([1]), random(8)) };
  await far.write(await sealer.seal(encodeFrames([answered, request(1)])));
  assertEquals(await reading, request(1));
  await connection.flush();
  assertEquals(far.unread + connection.backlog, 0);

  await connection.ping();
  const [ping] = await next();
  assertEquals([ping?.kind, ping?.payload[0], ping?.payload.length], [FrameKind.ping, 0, 9]);
  connection.abort(null);
});

Deno.test("pings from a peer that does not read pile up no answers and block nothing", async () => {
  const { connection, far, sealer } = alone({ capacity: 100_000 });
  const ping: Frame = { kind: FrameKind.ping, id: 0, payload: new Uint8Array(9) };
  const record = encodeFrames(Array.from({ length: 2000 }, () => ping));
  const reading = connection.receive();
  for (let i = 0; i < 30; i++) await far.write(await sealer.seal(record));
  await far.write(await sealer.seal(encodeFrames([request(1)])));
  assertEquals(await reading, request(1));
  assert(connection.backlog <= HIGH_WATER, `${connection.backlog} bytes`);
  assert(connection.backlog > HIGH_WATER / 2);
  connection.abort(null);
});

Deno.test("an event keeps coming while the own data waits for the peer", async () => {
  const { left, right } = both({ capacity: 1000 });
  const sends = Promise.all(
    Array.from({ length: 8 }, (_, i) => left.send(data(i + 1, random(60_000)))),
  );
  assert(await isPending(sends));
  await right.send(request(5));
  assertEquals(await left.receive(), request(5));
  for (let i = 0; i < 8; i++) await right.receive();
  await sends;
  await Promise.all([left.close(), receiveAll(right)]);
});

Deno.test("a goodbye ends the connection for both, once and for all", async () => {
  const { left, right, leftEnd, rightEnd } = both();
  await left.send(request(1));
  const reading = receiveAll(right);
  await left.close(utf8('{"reason":"bye"}'));
  assertEquals(await reading, [request(1)]);
  assert(leftEnd.closed && rightEnd.closed && !left.open && !right.open);
  assertEquals(await right.receive(), null);
  for (const end of [left, right]) {
    await assertRefusedAsync("connection-lost", () => end.send(request(2)));
    await end.close();
    await end.close();
  }
});

Deno.test("what was queued before a goodbye arrives before it", async () => {
  const { left, right } = both({ capacity: 5000 });
  const frames = Array.from({ length: 20 }, (_, i) => data(i + 1, random(9000)));
  const sends = frames.map((frame) => left.send(frame));
  const [got] = await Promise.all([receiveAll(right), left.close(), ...sends]);
  assertEquals(got, frames);
});

Deno.test("two goodbyes at once are one", async () => {
  const { left, right } = both({ capacity: 10 });
  const [got] = await Promise.all([receiveAll(right), left.close(), left.close()]);
  assertEquals(got, []);
});

Deno.test("both sides may say goodbye at once, reading or not", async () => {
  for (const readers of [0, 1, 2]) {
    const { left, right } = both();
    await left.send(request(1));
    await right.send(request(2));
    assertEquals(await right.receive(), request(1));
    assertEquals(await left.receive(), request(2));
    const reading = [left, right].slice(0, readers).map(receiveAll);
    await settle();
    await Promise.all([left.close(), right.close()]);
    assert(!left.open && !right.open);
    for (const got of reading) assertEquals(await got, []);
    assertEquals([await left.receive(), await right.receive()], [null, null]);
  }
});

Deno.test("a goodbye arrives although its sender had bytes that it never read", async () => {
  for (const reads of [false, true]) {
    const { left, right } = both();
    for (let i = 1; i < 20; i++) await left.send(data(i, random(9000)));
    await left.flush();
    if (reads) assertEquals((await right.receive())?.id, 1);
    await settle();
    const [got] = await Promise.all([receiveAll(left), right.close()]);
    assertEquals(got, []);
    // What was not read before the goodbye is not given out after it.
    assertEquals(await right.receive(), null);
  }
});

Deno.test("after the own goodbye what still comes is passed over, up to the peer's end", async () => {
  const { connection, far, sealer, next } = alone();
  const reading = receiveAll(connection);
  await far.write(await sealer.seal(encodeFrames([request(1)])));
  await settle();
  const closing = connection.close();
  assertEquals(await next(), [CLOSE]);
  await far.write(await sealer.seal(encodeFrames([request(2), data(2, random(5000))])));
  assert(await isPending(closing));
  far.close();
  await closing;
  assertEquals(await reading, [request(1)]);
});

Deno.test("an end without a goodbye is an error, wherever it comes", async () => {
  const sealed = async (sealer: RecordSealer) => await sealer.seal(encodeFrames([request(1)]));
  for (const part of [0, 1, RECORD_HEADER - 1, RECORD_HEADER, RECORD_HEADER + 1, 200, Infinity]) {
    for (const how of ["close", "cut"] as const) {
      const { connection, far, sealer } = alone();
      await far.write((await sealed(sealer)).slice(0, part));
      if (how === "close") far.close();
      if (part === Infinity && how === "close") {
        assertEquals(await connection.receive(), request(1));
      }
      if (how === "cut") far.cut();
      await assertRefusedAsync("connection-lost", () => connection.receive());
      await assertRefusedAsync("connection-lost", () => connection.receive());
      await assertRefusedAsync("connection-lost", () => connection.send(request(1)));
      assert(!connection.open);
    }
  }
});

Deno.test("after a record that does not verify nothing is sent, not even what waited", async () => {
  const { connection, end, far, sealer } = alone({ capacity: 10 });
  const waiting = Array.from({ length: 8 }, (_, i) => connection.send(data(i + 1, random(60_000))))
    .slice(4).map((send) => assertRefusedAsync("authentication", () => send));
  await settle();
  const before = end.written.length;
  const record = await sealer.seal(encodeFrames([request(1)]));
  far.write(flip(record, 40)).catch(() => {});
  await assertRefusedAsync("authentication", () => connection.receive());
  await Promise.all(waiting);
  await assertRefusedAsync("authentication", () => connection.receive());
  await assertRefusedAsync("authentication", () => connection.send(request(1)));
  await assertRefusedAsync("authentication", () => connection.ping());
  await connection.close();
  await settle();
  assertEquals(end.written.length, before);
  assert(end.closed);
});

Deno.test("a record that is being sealed when the connection fails is not written", async () => {
  const { connection, end } = alone();
  const sending = connection.send(request(1));
  await Promise.resolve();
  await Promise.resolve();
  connection.abort(new SealpostError("protocol", "the peer broke the protocol"));
  await settle();
  await sending.catch(() => {});
  assertEquals(end.written, []);
});

Deno.test("records that are repeated, swapped or damaged on the wire end the connection", async () => {
  const faults: ((records: Bytes[]) => Bytes[])[] = [
    ([a = EMPTY, b = EMPTY]) => [a, a, b],
    ([a = EMPTY, b = EMPTY]) => [b, a],
    ([, b = EMPTY]) => [b],
    ([a = EMPTY, b = EMPTY]) => [a.slice(0, -1), b],
    ([a = EMPTY, b = EMPTY]) => [a, new Uint8Array(1), b],
    ([a = EMPTY, b = EMPTY]) => [flip(a, 2, 0), b],
    ([a = EMPTY, b = EMPTY]) => [flip(a, a.length - 1, 7), b],
  ];
  for (const fault of faults) {
    const { connection, far, sealer } = alone();
    const records = [
      await sealer.seal(encodeFrames([request(1)])),
      await sealer.seal(encodeFrames([request(2)])),
      await sealer.seal(encodeFrames([CLOSE])),
    ];
    const rest = records.slice(2);
    for (const piece of [...fault(records.slice(0, 2)), ...rest]) await far.write(piece);
    far.close();
    let failure: unknown = null;
    const got: Frame[] = [];
    try {
      got.push(...await receiveAll(connection));
    } catch (error) {
      failure = error;
    }
    assert(failure instanceof SealpostError);
    assert(["authentication", "protocol", "connection-lost"].includes(failure.code));
    assertEquals(got, []);
    assert(!connection.open);
  }
});

Deno.test("a record of an impossible length ends the connection", async () => {
  for (const length of [0, 1, 16, 65_553, 2 ** 24 - 1]) {
    const { connection, far } = alone();
    await far.write(new Uint8Array([length >>> 16, (length >>> 8) & 0xff, length & 0xff]));
    await assertRefusedAsync("protocol", () => connection.receive());
    assert(!connection.open);
  }
});

Deno.test("a record that verifies but holds no proper frames ends the connection", async () => {
  for (const plaintext of [random(1).fill(9), random(300).fill(200), new Uint8Array([1, 0, 0])]) {
    const { connection, far, sealer } = alone();
    await far.write(await sealer.seal(plaintext));
    await assertRefusedAsync("protocol", () => connection.receive());
    await assertRefusedAsync("protocol", () => connection.send(request(1)));
  }
});

Deno.test("a record of padding alone means nothing", async () => {
  const { connection, far, sealer } = alone();
  await far.write(await sealer.seal(new Uint8Array(256)));
  await far.write(await sealer.seal(encodeFrames([request(1)])));
  assertEquals(await connection.receive(), request(1));
  connection.abort(null);
});

Deno.test("anything after a close frame is a breach of the protocol", async () => {
  // In the same record.
  const first = alone();
  await first.far.write(await first.sealer.seal(encodeFrames([CLOSE, request(1)])));
  await assertRefusedAsync("protocol", () => first.connection.receive());

  // In a record of its own, and as any byte at all.
  for (const after of ["record", "byte"]) {
    const { connection, far, sealer } = alone();
    await far.write(await sealer.seal(encodeFrames([request(1), CLOSE])));
    await far.write(
      after === "byte" ? new Uint8Array(1) : await sealer.seal(encodeFrames([CLOSE])),
    );
    assertEquals(await connection.receive(), request(1));
    await assertRefusedAsync("protocol", () => connection.receive());
    await assertRefusedAsync("protocol", () => connection.receive());
  }
});

Deno.test("a frame that cannot be sent is refused by itself and harms nothing", async () => {
  const { left, right } = both();
  await assertRefusedAsync("limit", () => left.send(data(1, random(MAX_DATA + 1))));
  await assertRefusedAsync("limit", () => left.send(data(0, random(1))));
  await assertRefusedAsync("limit", () => left.send(request(1, "x".repeat(60 * 1024 + 1))));
  assertEquals(left.backlog, 0);
  await left.send(request(1));
  assertEquals(await right.receive(), request(1));
  await Promise.all([left.close(), receiveAll(right)]);
});

Deno.test("a goodbye to a peer that neither reads nor ends is given up in the end", async () => {
  // One cannot be written, the other is not followed by the end of the stream.
  const deaf = both({ capacity: 10 });
  const queued = deaf.left.send(data(1, random(1000)));
  const silent = alone();
  await silent.far.write(await silent.sealer.seal(encodeFrames([CLOSE])));
  const [, got] = await Promise.all([deaf.left.close(), silent.connection.receive(), queued]);
  assertEquals(got, null);
  assert(deaf.leftEnd.closed && silent.end.closed);
  deaf.right.abort(null);
});
