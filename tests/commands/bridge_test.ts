import { assertEquals } from "@std/assert";
import { calledAs } from "../../commands/bridge.ts";

Deno.test("options that sendmail has elsewhere become ours, and their values no recipients", () => {
  for (
    const [given, taken] of [
      ["-t -oi", "-t -i"],
      ["-o i -N failure,delay bob", "-i bob"],
      ["-R hdrs -V envid -B 8BITMIME -bm bob", "bob"],
      ["-Nnever -odb -fme@x bob", "-f me@x bob"],
      ["-r me@x -F Me -- -N bob", "-f me@x -F Me -- -N bob"],
      ["bob -N", "bob"],
    ] as const
  ) {
    const words = ["sendmail", ...taken.split(" ")];
    assertEquals(calledAs("/usr/lib/sendmail", given.split(" ")), words, given);
    assertEquals(calledAs("sealpost", ["sendmail", ...given.split(" ")]), words, given);
  }
  assertEquals(calledAs("sealpost", ["list", "-N", "x"]), ["list", "-N", "x"]);
});
