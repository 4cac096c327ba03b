import { assert, assertEquals, assertRejects } from "@std/assert";
import { RefusedError } from "../../../protocol/refused.ts";
import { InFlight } from "../../../server/admission/in_flight.ts";
import { Semaphore } from "../../../server/admission/semaphore.ts";

/** Works that end when they are told, in the order they began. */
class Bench {
  readonly begun: string[] = [];
  readonly ends: (() => void)[] = [];
  readonly semaphore: Semaphore;
  limits: { width: number; queue: number };

  constructor(width: number, queue: number) {
    this.limits = { width, queue };
    this.semaphore = new Semaphore(() => this.limits, "handshake-queue");
  }

  work(source: string, name = source): Promise<string> {
    const done = this.semaphore.run(source, async () => {
      this.begun.push(name);
      await new Promise<void>((resolve) => this.ends.push(resolve));
      return name;
    });
    done.catch(() => {}); // A refusal may be looked at later.
    return done;
  }

  /** Ends the work that began first of those that go on. */
  async end(): Promise<void> {
    this.ends.shift()?.();
    await settled();
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("no more work at a time than the width, and sources take turns", async () => {
  const bench = new Bench(2, 10);
  const all = ["a", "a", "a", "a", "b", "b", "c"].map((source) => bench.work(source));
  await settled();
  assertEquals([bench.semaphore.active, bench.semaphore.waiting], [2, 5]);
  for (let i = 0; i < 7; i++) await bench.end();
  assertEquals(bench.begun, ["a", "a", "a", "b", "c", "a", "b"]);
  assertEquals((await Promise.all(all)).length, 7);
  assertEquals([bench.semaphore.active, bench.semaphore.waiting], [0, 0]);
});

Deno.test("a full queue refuses the greediest source's last, else who comes", async () => {
  const bench = new Bench(1, 3);
  const first = bench.work("a", "a0");
  const [a1, a2, a3] = [bench.work("a", "a1"), bench.work("a", "a2"), bench.work("a", "a3")];
  // Another of the same source is refused itself.
  const error = await assertRejects(() => bench.work("a", "a4"), RefusedError);
  assertEquals([error.code, error.limit], ["busy", "handshake-queue"]);
  assert(error.retryAfter !== undefined && error.retryAfter >= 5 && error.retryAfter <= 10);
  assert(error.message.includes(`try again in ${error.retryAfter} s`));

  const b1 = bench.work("b", "b1");
  await assertRejects(() => a3, RefusedError);
  const c1 = bench.work("c", "c1");
  await assertRejects(() => a2, RefusedError);
  await assertRejects(() => bench.work("d", "d1"), RefusedError); // Everybody has one.
  for (let i = 0; i < 4; i++) await bench.end();
  assertEquals(await Promise.all([first, a1, b1, c1]), ["a0", "a1", "b1", "c1"]);
});

Deno.test("work that fails makes room, and a wider semaphore is used at once", async () => {
  const bench = new Bench(1, 10);
  await assertRejects(
    () => bench.semaphore.run("a", () => Promise.reject(new Error("x"))),
    Error,
    "x",
  );
  const all = ["a", "b", "c", "d"].map((source) => bench.work(source));
  await settled();
  bench.limits = { width: 3, queue: 10 };
  await bench.end();
  assertEquals(bench.begun, ["a", "b", "c", "d"]);
  for (let i = 0; i < 3; i++) await bench.end();
  await Promise.all(all);
  bench.limits = { width: 1, queue: 0 };
  const last = bench.work("e");
  await assertRejects(() => bench.work("f"), RefusedError);
  await bench.end();
  await last;
});

Deno.test("memory for requests is bounded in all and for each user, and whoever waits gets it in order", async () => {
  const room = new InFlight(() => 400);
  assert(room.tryReserve("alice", 100));
  assert(!room.tryReserve("alice", 1));
  const order: string[] = [];
  const take = (user: string, bytes: number) =>
    room.reserve(user, bytes).then(() => order.push(`${user} ${bytes}`));
  const alice = take("alice", 50);
  // That share is full; the others go on.
  await Promise.all([take("bob", 100), take("carol", 100), take("dave", 60)]);
  assertEquals([room.reserved, order.length], [360, 3]);
  const eve = take("eve", 80);
  const frank = take("frank", 40);
  await frank; // It fits, though somebody larger waits.
  assert(!room.tryReserve("gina", 1));
  room.release("dave", 60);
  room.release("frank", 40);
  await eve;
  room.release("bob", 100);
  await settled();
  assertEquals(order.includes("alice 50"), false);
  room.release("alice", 100);
  await alice;
  room.release("alice", 50);
  room.release("carol", 100);
  room.release("eve", 80);
  assertEquals(room.reserved, 0);
});
