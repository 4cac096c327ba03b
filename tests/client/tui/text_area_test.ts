import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { displayWidth } from "../../../cli/printable.ts";
import {
  areaOf,
  editArea,
  type TextArea,
  textIn,
  type as typeText,
  viewArea,
} from "../../../client/tui/text_area.ts";

/** The text after these keys; those of one character, and `\n`, are typed. */
function after(start: string, ...keys: string[]): TextArea {
  return keys.reduce((area, key) => {
    if ([...key].length === 1) return typeText(area, key);
    return editArea(area, key, 20, 5) ?? typeText(area, key);
  }, areaOf(start));
}

/** The text with a bar where the cursor is. */
function shown(area: TextArea): string {
  return area.lines.map((line, row) => {
    return row === area.row ? `${line.slice(0, area.at)}|${line.slice(area.at)}` : line;
  }).join("\n");
}

Deno.test("what is typed and pasted goes in at the cursor", () => {
  assertEquals(shown(after("", "a", "b", "enter", "c")), "ab\nc|");
  assertEquals(shown(after("xy", "right", "1\r\n2\x1b[31m\x07\n3")), "x1\n2[31m\n3|y");
  assertEquals(shown(after("", "日", "本", "left", "🙂")), "日🙂|本");
});

Deno.test("keys erase whole characters, words and lines, and join lines", () => {
  assertEquals(shown(after("", "e\u0301", "🙂", "backspace", "backspace")), "|");
  assertEquals(shown(after("one two", "end", "ctrl+w")), "one |");
  assertEquals(shown(after("one two", "ctrl+right", "ctrl+k")), "one|");
  assertEquals(shown(after("one two", "end", "ctrl+u")), "|");
  assertEquals(shown(after("a\nb", "down", "backspace")), "a|b");
  assertEquals(shown(after("a\nb", "end", "delete")), "a|b");
});

Deno.test("up and down go through wrapped lines and keep their column", () => {
  const text = "a line of words that is wrapped\nab\nanother line";
  assertEquals(shown(after(text, "down")), text.replace("is ", "|is "));
  assertEquals(
    shown(after(text, "right", "right", "right", "down", "down", "down")),
    text.replace("another", "ano|ther"),
  );
  assertEquals(shown(after(text, "pageDown", "pageDown")), text.replace("another", "|another"));
});

Deno.test("undo takes back a word of typing in one piece, and a paste in another", () => {
  const area = after("", "a", "b", "c", "x\ny");
  assertEquals(textIn(editArea(area, "ctrl+_", 20, 5) ?? area), "abc");
  assertEquals(textIn(after("", "a", "b", "c", "x\ny", "ctrl+_", "ctrl+_")), "");
});

Deno.test("whatever is done, the cursor is on a character and can be seen", () => {
  const keys = "left right up down home end enter backspace delete pageUp pageDown ctrl+w ctrl+k " +
    "ctrl+u ctrl+_ alt+f alt+b ctrl+home ctrl+end";
  const step = fc.oneof(
    fc.constantFrom(...keys.split(" ")),
    fc.constantFrom("a", " ", "日", "🙂", "e\u0301", "👩‍👩‍👧", "\t", "word ", "a\nb"),
  );
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 2, max: 30 }),
      (steps, columns) => {
        let area = areaOf("");
        for (const key of steps) area = editArea(area, key, columns, 4) ?? typeText(area, key);
        const line = area.lines[area.row] ?? "?";
        assertEquals(area.at >= 0 && area.at <= line.length, true);
        const { rows, cursor } = viewArea(area, columns, 4);
        assertEquals(cursor.row >= 0 && cursor.row < Math.max(1, rows.length), true);
        assertEquals(cursor.column >= 0 && cursor.column < columns, true);
        for (const row of rows) {
          // Spaces at which a line was broken may hang out, and so may what is wider than the screen.
          assertEquals(displayWidth(row.trimEnd()) <= Math.max(columns, 2), true, row);
        }
      },
    ),
    { numRuns: 300 },
  );
});
