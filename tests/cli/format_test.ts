import { assertEquals } from "@std/assert";
import { formatDuration, formatSize, formatTime, isoTime } from "../../cli/format.ts";

Deno.test("sizes and durations are for people", () => {
  for (
    const [bytes, text] of [
      [0, "0 bytes"],
      [1, "1 byte"],
      [1023, "1023 bytes"],
      [1024, "1.0 KiB"],
      [10 * 1024, "10 KiB"],
      [1024 * 1024 - 1, "1.0 MiB"],
      [100 * 1024 ** 2, "100 MiB"],
      [1.5 * 1024 ** 3, "1.5 GiB"],
      [2 ** 53, "8192 TiB"],
    ] as const
  ) {
    assertEquals(formatSize(bytes), text);
  }
  assertEquals([0, 59, 60, 125, 3725].map(formatDuration), [
    "0 s",
    "59 s",
    "1:00",
    "2:05",
    "1:02:05",
  ]);
});

Deno.test("times are local for people and UTC for programs; what no calendar has is said", () => {
  const at = new Date(2026, 10, 9, 7, 5).getTime();
  assertEquals(formatTime(at), "2026-11-09 07:05");
  assertEquals(isoTime(Date.UTC(2026, 10, 9, 7, 5)), "2026-11-09T07:05:00.000Z");
  assertEquals([formatTime(Infinity), isoTime(Infinity)], ["?", null]);
});
