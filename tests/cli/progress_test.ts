import { assert, assertEquals } from "@std/assert";
import { Progress } from "../../cli/progress.ts";

/** A terminal of 80 columns whose clock the test sets. */
function output(terminal = true) {
  const written: string[] = [];
  const clock = { now: 0 };
  const out = {
    terminal,
    columns: () => 80,
    write: (text: string) => void written.push(text),
    now: () => clock.now,
  };
  return { out, written, clock };
}

Deno.test("a bar shows share, amount, rate and time left, and is cleared at the end", () => {
  const { out, written, clock } = output();
  const progress = new Progress("Sending", 4 * 1024 * 1024, "bytes", out);
  clock.now = 2000;
  progress.update(1024 * 1024);
  assertEquals(written, [
    "\rSending [#####---------------]   25%  1.0 MiB of 4.0 MiB  512 KiB/s  6 s left\x1b[K",
  ]);
  progress.finish();
  assertEquals(written[1], "\r\x1b[K");
});

Deno.test("what takes less than a second shows nothing", () => {
  const { out, written, clock } = output();
  const progress = new Progress("Sending", 100, "bytes", out);
  for (clock.now = 0; clock.now < 1000; clock.now += 10) progress.update(clock.now / 10);
  progress.finish();
  assertEquals(written, []);
});

Deno.test("it is drawn at most ten times a second", () => {
  const { out, written, clock } = output();
  const progress = new Progress("Opening", 1, "messages", out);
  for (clock.now = 0; clock.now < 3000; clock.now++) progress.update(clock.now, 3000);
  assertEquals(written.length, 20);
  assert(written.at(-1)?.includes("of 3000"));
});

Deno.test("off a terminal it stays quiet", () => {
  const { out, written, clock } = output(false);
  const progress = new Progress("Sending", 100, "bytes", out);
  clock.now = 5000;
  progress.update(50);
  progress.finish();
  assertEquals(written, []);
});

Deno.test("a bar never goes past the line or past 100%", () => {
  const { out, written, clock } = output();
  const progress = new Progress("x".repeat(200), 10, "bytes", out);
  clock.now = 2000;
  progress.update(20);
  assert((written[0] ?? "").replace("\r", "").replace("\x1b[K", "").length < 80);
  const empty = new Progress("Sending", 0, "bytes", out);
  clock.now = 9000;
  empty.update(0);
  assert(written[1]?.includes("0%"));
});

Deno.test("the rate is that of this attempt, not of what an earlier one brought", () => {
  const { out, written, clock } = output();
  const progress = new Progress("Sending", 4 * 1024 * 1024, "bytes", out);
  progress.update(2 * 1024 * 1024);
  clock.now = 2000;
  progress.update(3 * 1024 * 1024);
  assertEquals(written, [
    "\rSending [###############-----]   75%  3.0 MiB of 4.0 MiB  512 KiB/s  2 s left\x1b[K",
  ]);
});
