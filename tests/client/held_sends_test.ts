import { assertEquals } from "@std/assert";
import { HeldSends } from "../../client/held_sends.ts";

/** Longer than any test. */
const LONG = 120_000;

/** Sends `id`, as something that is in the outbox before it is asked whether it goes out. */
function send(sends: HeldSends, id: string): Promise<string> {
  return sends.send(id, async (hold) => {
    return hold === undefined || await hold() ? "sent" : "a draft";
  });
}

Deno.test("what is taken back does not go out, and nothing else is taken back with it", async () => {
  const sends = new HeldSends(LONG);
  const first = send(sends, "first");
  const second = send(sends, "second");
  const third = send(sends, "third");
  assertEquals(sends.latest?.id, "third");
  assertEquals(sends.takeBack("first"), true);
  assertEquals(await first, "a draft");
  assertEquals(sends.takeBack(), true);
  assertEquals(await third, "a draft");
  assertEquals([sends.takeBack("first"), sends.latest?.id], [false, "second"]);
  await sends.finish(LONG);
  assertEquals(await second, "sent");
  assertEquals([sends.takeBack(), sends.latest], [false, null]);
});

Deno.test("the end of a program sends what is held, and waits for it", async () => {
  const sends = new HeldSends(LONG);
  const done: string[] = [];
  const sending = sends.send("one", async (hold) => {
    if (!await hold?.()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
    done.push("sent");
  });
  await sends.finish(LONG);
  assertEquals(done, ["sent"]);
  await sending;
  // Nothing is left to be waited for.
  await sends.finish(LONG);
});

Deno.test("a message goes out when its time is over, and at once where there is none", async () => {
  assertEquals(await send(new HeldSends(1), "soon"), "sent");
  const sends = new HeldSends(0);
  assertEquals(await send(sends, "now"), "sent");
  assertEquals(sends.latest, null);
});

Deno.test("who shows what is held is told of every change", async () => {
  const seen: (string | null)[] = [];
  const sends: HeldSends = new HeldSends(LONG, () => seen.push(sends.latest?.id ?? null));
  const one = send(sends, "one");
  sends.takeBack();
  await one;
  assertEquals(seen, ["one", null]);
});
