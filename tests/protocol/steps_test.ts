import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Steps } from "../../protocol/steps.ts";
import { assertRefusedAsync } from "../support/testing.ts";

const work = () => Promise.resolve("done");

Deno.test("steps run once each, in their order, and give what they give", async () => {
  let failures = 0;
  const steps = new Steps(["one", "two", "three"], () => failures++);
  for (const step of ["one", "two", "three"]) {
    for (const other of ["one", "two", "three", "four", ""]) {
      if (other !== step) await assertRefusedAsync("internal", () => steps.take(other, work));
    }
    assertEquals(await steps.take(step, work), "done");
  }
  for (const step of ["one", "two", "three"]) {
    await assertRefusedAsync("internal", () => steps.take(step, work));
  }
  assertEquals(failures, 0);
});

Deno.test("a step that fails erases what there is, and no step runs after it", async () => {
  let failures = 0;
  const steps = new Steps(["one", "two"], () => failures++);
  const cause = new TypeError("broken");
  assertStrictEquals(
    await assertRejects(() => steps.take("one", () => Promise.reject(cause))),
    cause,
  );
  assertEquals(failures, 1);
  for (const step of ["one", "two"]) {
    await assertRefusedAsync("internal", () => steps.take(step, work));
  }
  assertEquals(failures, 1);
});

Deno.test("no step begins while another runs", async () => {
  const steps = new Steps(["one", "two"], () => {});
  const { promise, resolve } = Promise.withResolvers<string>();
  const running = steps.take("one", () => promise);
  for (const step of ["one", "two"]) {
    await assertRefusedAsync("internal", () => steps.take(step, work));
  }
  resolve("late");
  assertEquals(await running, "late");
  assertEquals(await steps.take("two", work), "done");
});
