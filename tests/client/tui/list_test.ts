import { EMPTY_RECORD } from "../../../protocol/shared_record.ts";
import { OwnNames } from "../../../client/mailbox/own_names.ts";
import { parseQuery } from "../../../client/mailbox/query.ts";
import { assert, assertEquals } from "@std/assert";
import { lineText } from "../../../client/tui/frame.ts";
import {
  cursorIndex,
  EMPTY_LIST,
  moveBy,
  moveTo,
  scrolled,
  withKeys,
} from "../../../client/tui/list_model.ts";
import { viewList } from "../../../client/tui/list_view.ts";
import { type Row, shortDate, shortSize } from "../../../client/tui/rows.ts";
import { signsFor } from "../../../client/tui/signs.ts";
import { displayWidth } from "../../../cli/printable.ts";

const keys = (n: number, from = 0) => Array.from({ length: n }, (_, i) => `m${n + from - i}`);

Deno.test("the cursor stays on its message when others come and go", () => {
  let list = scrolled(moveTo(withKeys(EMPTY_LIST, keys(100)), 50), 10);
  assertEquals([list.cursor, list.top], ["m50", 41]);
  list = scrolled(withKeys(list, ["new", ...list.keys]), 10);
  assertEquals([list.cursor, list.top], ["m50", 42]);
  // What took the place of one that is gone.
  list = withKeys(list, list.keys.filter((key) => key !== "m50"));
  assertEquals(list.cursor, "m49");
  list = withKeys(list, ["new"]);
  assertEquals([list.cursor, list.top], ["new", 0]);
  assertEquals(withKeys(list, []).cursor, null);
});

Deno.test("who sees the newest goes on seeing the newest", () => {
  const list = scrolled(withKeys(EMPTY_LIST, keys(30)), 10);
  const now = scrolled(withKeys(list, ["new", ...list.keys]), 10);
  assertEquals([now.cursor, now.top, cursorIndex(now)], ["m30", 0, 1]);
});

Deno.test("the cursor does not leave the list", () => {
  const list = withKeys(EMPTY_LIST, keys(3));
  assertEquals(moveBy(list, -5).cursor, "m3");
  assertEquals(moveBy(list, 5).cursor, "m1");
  assertEquals(moveBy(EMPTY_LIST, 1).cursor, null);
});

const NO_NAMES = new OwnNames(EMPTY_RECORD);

const ROW: Row = {
  fresh: true,
  keywords: [],
  answered: false,
  flagged: true,
  who: "bob",
  toOthers: false,
  fullName: "Bob Müller",
  trust: "verified",
  subject: "日本語のとても長いタイトルがここにあります、そしてもっと続きます",
  date: Date.UTC(2026, 10, 22, 12),
  size: 123_456,
  attachments: 2,
  reply: true,
  broken: false,
};

Deno.test("every line of a list is exactly as wide as the screen", () => {
  for (const columns of [20, 40, 59, 60, 79, 80, 110, 200]) {
    const { lines } = viewList({
      list: withKeys(EMPTY_LIST, ["a", "b", "c"]),
      tagged: new Set(["b"]),
      row: (key) => key === "c" ? null : key === "a" ? ROW : { ...ROW, broken: true, date: 0 },
      empty: "",
      signs: signsFor(true),
      query: parseQuery("bob ここ", NO_NAMES),
      now: Date.UTC(2026, 10, 22, 13),
    }, { columns, rows: 10 });
    for (const line of lines) assertEquals(displayWidth(lineText(line)), columns, lineText(line));
    const first = lineText(lines[0] ?? []);
    assertEquals(/bob \(Bob Müller\) +/.test(first), columns >= 90, first);
    if (columns >= 80) {
      assert(lineText(lines[0] ?? []).startsWith(" N!✓ bob"), lineText(lines[0] ?? []));
    }
    assert(lineText(lines[1] ?? []).startsWith("*"));
  }
});

Deno.test("what a search has found stands out in the list, each word where it was looked for", () => {
  const show = (text: string, row: Partial<Row> = {}, cursor = "b") => {
    const { lines: [line = []] } = viewList({
      list: { keys: ["a", "b"], cursor, top: 0 },
      tagged: new Set(),
      row: () => ({ ...ROW, reply: false, subject: "Naïve bob plans", ...row }),
      empty: "",
      signs: signsFor(true),
      query: parseQuery(text, NO_NAMES),
      now: 0,
    }, { columns: 80, rows: 2 });
    return line.filter(({ look }) => /hit$/.test(look)).map(({ text, look }) => [text, look]);
  };
  assertEquals(show("naive plan"), [["Naïve", "hit"], ["plan", "hit"]]);
  assertEquals(show("bob"), [["bob", "hit"], ["bob", "hit"]]);
  assertEquals(show("from:bob"), [["bob", "hit"]]);
  assertEquals(show("subject:bob"), [["bob", "hit"]]);
  assertEquals(show("to:bob"), []);
  assertEquals(show("from:bob", { toOthers: true, who: "To bob" }), []);
  assertEquals(show("to:bob", { toOthers: true, who: "To bob" }), [["bob", "hit"]]);
  assertEquals(show("not:plans text:bob after:2026-01-01"), []);
  assertEquals(show("plans", {}, "a"), [["plans", "cursor-hit"]]);
});

Deno.test("sizes and dates are short", () => {
  assertEquals([0, 999, 1000, 10_240, 1_048_576, 5e12].map(shortSize), [
    "0",
    "999",
    "1.0K",
    "10K",
    "1.0M",
    "4.5T",
  ]);
  const now = new Date(2026, 10, 22, 13).getTime();
  assertEquals(shortDate(new Date(2026, 10, 22, 9, 5).getTime(), now), "09:05");
  assertEquals(shortDate(new Date(2026, 2, 3).getTime(), now), "Mar  3");
  assertEquals(shortDate(new Date(2024, 2, 3).getTime(), now), "2024-03-03");
  assertEquals(shortDate(NaN, now), "?");
});
