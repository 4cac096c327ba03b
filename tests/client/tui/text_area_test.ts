import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { displayWidth, graphemes } from "../../../cli/printable.ts";
import {
  areaOf,
  editArea,
  type TextArea,
  textIn,
  type as typeText,
  viewArea,
} from "../../../client/tui/text_area.ts";
import { rewrapPieces, wrapPieces } from "../../../client/tui/wrap.ts";

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

Deno.test("what is wrapped again after a change breaks as if it had never been another", () => {
  const piece = fc.constantFrom(
    "日本語",
    "äöü ",
    "word ",
    "🙂",
    " ",
    "e\u0301",
    "x".repeat(40),
    "…",
  );
  const text = fc.array(piece, { minLength: 30, maxLength: 200 }).map((all) => all.join(""));
  const show = (grapheme: string) => grapheme;
  fc.assert(
    fc.property(
      text,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 30 }), piece), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 4, max: 30 }),
      (start, changes, columns) => {
        let before = { text: start, pieces: wrapPieces(start, columns) };
        for (const [at, erased, typed] of changes) {
          const characters = [...graphemes(before.text)];
          characters.splice(at % (characters.length + 1), erased, typed);
          const now = characters.join("");
          const pieces = rewrapPieces(before, now, columns, show);
          assertEquals(pieces, wrapPieces(now, columns));
          before = { text: now, pieces };
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("letters of one column each are wrapped as all others are", () => {
  const word = fc.constantFrom("a", "äö", "  ", " ", "straße", "x".repeat(25), "Ж", "λόγος");
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 60 }).map((all) => all.join("")),
      fc.integer({ min: 1, max: 30 }),
      (text, columns) => {
        // A character that is not one of these keeps the whole line off the short way.
        const pieces = wrapPieces(`\u200b${text}`, columns, (one) => one === "\u200b" ? "" : one);
        const same = pieces.map(({ start, end }) => {
          return { start: Math.max(0, start - 1), end: end - 1 };
        });
        assertEquals(wrapPieces(text, columns), same);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("undo goes through a paste of more lines than a call takes arguments", () => {
  const pasted = typeText(areaOf("ab"), "\u00e4\n".repeat(200_000));
  assertEquals(pasted.lines.length, 200_001);
  assertEquals(textIn(editArea(pasted, "ctrl+_", 20, 5) ?? pasted), "ab");
});
