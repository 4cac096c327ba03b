import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type Bytes, random } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { Handoff } from "../../protocol/handoff.ts";
import { assertRefusedAsync } from "../support/testing.ts";
import { all } from "../support/sealed.ts";

const lost = new SealpostError("connection-lost", "the connection was lost");

async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("what is pushed comes out in order, then the end", async () => {
  const handoff = new Handoff();
  const pieces = Array.from({ length: 20 }, () => random(10));
  const reading = all(handoff);
  for (const piece of pieces) await handoff.push(piece);
  handoff.end();
  assertEquals(await reading, pieces);
});

Deno.test("one piece at a time is under way: a slow reader slows the sender down", async () => {
  const handoff = new Handoff();
  let pushed = 0;
  const sending = (async () => {
    for (let i = 0; i < 5; i++) {
      await handoff.push(random(1));
      pushed++;
    }
    handoff.end();
  })();
  const reader = handoff[Symbol.asyncIterator]();
  await turn();
  assertEquals(pushed, 1);
  for (let taken = 1; taken <= 5; taken++) {
    assert(!(await reader.next()).done);
    await turn();
    assertEquals(pushed, Math.min(5, taken + 1));
  }
  assert((await reader.next()).done);
  await sending;
});

Deno.test("a piece that was pushed before the end is read before it", async () => {
  const handoff = new Handoff();
  const piece = random(3);
  await handoff.push(piece);
  handoff.end();
  assertEquals(await all(handoff), [piece]);
  assertEquals(await all(handoff), []);
});

Deno.test("a failure reaches a reader that waits, and one that comes later", async () => {
  const handoff = new Handoff();
  const waiting = assertRefusedAsync("connection-lost", () => all(handoff));
  await turn();
  handoff.fail(lost);
  handoff.fail(new SealpostError("timeout", "later"));
  await waiting;
  try {
    await all(handoff);
    throw new Error("a reader that came later read something");
  } catch (error) {
    assertStrictEquals(error, lost);
  }
});

Deno.test("a failure drops what was not taken, and releases the sender", async () => {
  const handoff = new Handoff();
  await handoff.push(random(1));
  const sending = handoff.push(random(1));
  handoff.fail(lost);
  await sending;
  await handoff.push(random(1));
  await assertRefusedAsync("connection-lost", () => all(handoff));
});

Deno.test("what nobody wants any more is drained without a reader", async () => {
  const handoff = new Handoff();
  await handoff.push(random(1));
  const sending = (async () => {
    for (let i = 0; i < 100; i++) await handoff.push(random(1));
  })();
  await turn();
  handoff.discard();
  await sending;
});

Deno.test("a reader that stops early and discards lets the sender finish", async () => {
  const handoff = new Handoff();
  const sending = (async () => {
    for (let i = 0; i < 10; i++) await handoff.push(random(1));
    handoff.end();
  })();
  const got: Bytes[] = [];
  for await (const piece of handoff) {
    got.push(piece);
    if (got.length === 2) break;
  }
  handoff.discard();
  await sending;
  assertEquals(got.length, 2);
});
