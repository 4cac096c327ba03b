import { assertEquals } from "@std/assert";
import { alignColumns } from "../../cli/columns.ts";

Deno.test("columns align by what a terminal shows, and the last stays as it is", () => {
  assertEquals(
    alignColumns([
      ["ID", "From", "Subject"],
      ["4f3a", "日本", "one"],
      ["77c0", "a", "two  "],
    ]),
    [
      "ID    From  Subject",
      "4f3a  日本  one",
      "77c0  a     two",
    ],
  );
});

Deno.test("a column is cut where it is told how wide it may be", () => {
  assertEquals(alignColumns([["a", "alice, bob", "x"], ["b", "carol", "y"]], [, 6]), [
    "a  alice…  x",
    "b  carol   y",
  ]);
  assertEquals(alignColumns([]), []);
});
