import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { TimingGrid } from "../../protocol/timing_grid.ts";
import { within } from "../../protocol/timer.ts";
import { identityOf } from "../support/identities.ts";

Deno.test("what is due is the first multiple of the step that is not over, and never at once", () => {
  const grid = new TimingGrid(15);
  const cases = [[0, 15], [0.001, 15], [14.999, 15], [15, 15], [15.001, 30], [30, 30], [100, 105]];
  for (const [passed = 0, due] of cases) assertEquals(grid.due(passed), due);
  const ms = fc.double({ min: 0, max: 10_000, noNaN: true });
  fc.assert(fc.property(fc.integer({ min: 15, max: 1000 }), ms, (step, passed) => {
    const due = new TimingGrid(step).due(passed);
    assertEquals(due % step, 0);
    assert(due >= step && due >= passed && due - step < Math.max(passed, 1));
  }));
});

Deno.test("nothing leaves before its multiple, whenever the work was done", async () => {
  const grid = new TimingGrid(15);
  for (const worked of [0, 0.4, 3.7, 14.9, 15.2, 29]) {
    const from = performance.now() - worked;
    await grid.wait(from);
    // The times are sums of fractions: a millionth is rounding.
    assert(performance.now() - from >= grid.due(worked) - 1e-6);
  }
});

Deno.test("a measured step is at least 15 ms, and in whole milliseconds", async () => {
  const { step } = await TimingGrid.measure(await identityOf("server"), 2);
  assert(step >= 15 && Number.isInteger(step));
});

Deno.test("within() gives what comes first, and leaves no timer", async () => {
  assertEquals(await within(Promise.resolve("done"), 60_000, "late"), "done");
  const { promise, resolve } = Promise.withResolvers<string>();
  assertEquals(await within(promise, 1, "late"), "late");
  resolve("too late");
});
