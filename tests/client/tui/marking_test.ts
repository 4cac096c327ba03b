import { assertEquals } from "@std/assert";
import { lineText } from "../../../client/tui/frame.ts";
import type { Action } from "../../../client/tui/keys.ts";
import { linesOf, markBy, type Marking } from "../../../client/tui/marking.ts";
import { layOut, textOf } from "../../../client/tui/reader_view.ts";

/** What is marked after `actions`, of ten lines, of which the third is the first visible one. */
function markedBy(...actions: Action[]): readonly number[] | null | undefined {
  let marking: Marking | null = null;
  for (const action of actions) {
    const now: Marking | null | undefined = markBy(marking, action, { first: 0, last: 9 }, 2, 5);
    if (now === undefined) return undefined;
    marking = now;
  }
  if (marking === null) return null;
  const { first, last } = linesOf(marking);
  return [first, last];
}

Deno.test("lines are marked from the first visible one, or from where the person goes", () => {
  assertEquals(markedBy("mark"), [2, 2]);
  assertEquals(markedBy("mark", "down", "down"), [4, 4]);
  assertEquals(markedBy("mark", "down", "mark", "down", "down"), [3, 5]);
  assertEquals(markedBy("mark", "mark", "up"), [1, 2]);
  assertEquals(markedBy("mark", "mark", "bottom"), [2, 9]);
  assertEquals(markedBy("mark", "mark", "top"), [0, 2]);
  assertEquals(markedBy("mark-down", "mark-down", "mark-down"), [2, 4]);
  assertEquals(markedBy("mark-up", "mark-up"), [1, 2]);
  assertEquals(markedBy("mark", "mark", "mark"), null);
  assertEquals(markedBy("mark", "mark", "down", "back"), null);
});

Deno.test("keys that mark nothing do what they do otherwise", () => {
  for (const action of ["down", "top", "back"] as const) assertEquals(markedBy(action), undefined);
  assertEquals(markedBy("mark", "reply"), undefined);
});

Deno.test("what is marked is the text as it was written, however it was broken", () => {
  const long = "one two three four five six seven eight";
  const text = `first\n\n${long}\n> quoted words that go on and on\n\tlast`;
  const { lines, origins } = layOut({ headers: [], text, notes: ["note"] }, 20, false);
  const rowOf = (words: string) => lines.findIndex((line) => lineText(line).includes(words));
  const between = (from: string, to: string) => textOf(origins, rowOf(from), rowOf(to));
  assertEquals(between("first", "last"), text);
  assertEquals(between("one", "eight"), long);
  assertEquals(between("first", "one"), "first\n\none two three four");
  // The rest of a line that is quoted is quoted still.
  assertEquals(between("go on", "last"), "> that go on and on\n\tlast");
  // Nothing but the text can be marked.
  assertEquals([origins.has(rowOf("note")), origins.has(0)], [false, false]);
});

Deno.test("a quotation that is folded is marked whole", () => {
  const quoted = "> 1\n> 2\n> 3\n> 4";
  const { lines, origins } = layOut(
    { headers: [], text: `above\n${quoted}\nbelow`, notes: [] },
    80,
    true,
  );
  const row = lines.findIndex((line) => lineText(line).includes("4 quoted lines"));
  assertEquals(textOf(origins, row, row + 1), `${quoted}\nbelow`);
});
