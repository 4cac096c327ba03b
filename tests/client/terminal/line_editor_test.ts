import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { utf8 } from "../../../crypto/bytes.ts";
import { LineEditor } from "../../../client/terminal/line_editor.ts";
import { displayWidth, graphemes } from "../../../cli/printable.ts";

/** What a terminal of `columns` shows after `output`, which uses what a line editor uses. */
function screen(output: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let row = 0;
  let column = 0;
  // deno-lint-ignore no-control-regex -- it is what a terminal obeys that is read here
  const tokens = /\x1b\[(?:(\d+)A|(\d+)C|J)|\r|\n|[^\x1b\r\n]+/g;
  for (const [token, up, right] of output.matchAll(tokens)) {
    if (up !== undefined) row -= Number(up);
    else if (right !== undefined) column += Number(right);
    else if (token === "\x1b[J") {
      rows.length = row + 1;
      rows[row] = (rows[row] ?? []).slice(0, column);
    } else if (token === "\r") column = 0;
    else if (token === "\n") row++;
    else {
      for (const grapheme of graphemes(token)) {
        const width = displayWidth(grapheme);
        if (column + width > columns) {
          row++;
          column = 0;
        }
        const cells = rows[row] ??= [];
        while (cells.length < column) cells.push(" ");
        cells[column] = grapheme;
        for (let i = 1; i < width; i++) cells[column + i] = "";
        column += width;
      }
    }
  }
  return Array.from(rows, (cells) => (cells ?? []).join("").trimEnd());
}

/** Types `keys` and returns the line and what is shown. */
function type(keys: string[], prompt = "", columns = 20) {
  const editor = new LineEditor(prompt, () => columns);
  let output = prompt + editor.takeEcho();
  for (const key of keys) {
    const bytes = utf8(key);
    editor.feed(bytes);
    output += editor.takeEcho();
  }
  return { text: editor.text, outcome: editor.outcome, rows: screen(output, columns), output };
}

Deno.test("characters are erased as people count them", () => {
  assertEquals(type(["abc\x7f\x08"]).text, "a");
  assertEquals(type(["xe\u0301\x7f"]).text, "x");
  assertEquals(type(["x👩‍👩‍👧\x7f"]).text, "x");
  assertEquals(type(["漢字\x7f"]).rows, ["漢"]);
  assertEquals(type(["\x7f\x7fa"]).text, "a");
});

Deno.test("Ctrl-W erases a word and Ctrl-U everything but the prompt", () => {
  assertEquals(type(["one two  \x17"]).text, "one ");
  assertEquals(type(["one two\x17\x17\x17"]).text, "");
  assertEquals(type([`${"word ".repeat(30)}`, "\x15", "new"], "> ").rows, ["> new"]);
});

Deno.test("other keys and escape sequences are ignored", () => {
  const { text } = type([
    "a\x1b[Db\x1b[1;5C\x1bOPc\x1b",
    "[",
    "20",
    "0~d\x1bx\x1b\x1b[Ae\x01\x1a\x00",
  ]);
  assertEquals(text, "abcdxe");
});

Deno.test("a line ends once, and what follows is left", () => {
  const editor = new LineEditor("", () => 80);
  assertEquals(editor.feed(utf8("one\rtwo")), 4);
  assertEquals([editor.text, editor.outcome], ["one", "line"]);
  assertEquals(editor.feed(utf8("two")), 0);
  assertEquals(type(["\x04"]).outcome, "end");
  assertEquals(type(["x\x04"]).outcome, null);
  assertEquals(type(["x\x03"]).outcome, "interrupt");
});

Deno.test("a character may come byte by byte, and half of one becomes a sign of that", () => {
  const editor = new LineEditor("", () => 80);
  for (const byte of utf8("漢👍")) editor.feed(new Uint8Array([byte]));
  assertEquals(editor.text, "漢👍");
  editor.feed(new Uint8Array([0xe6, 0xbc, 0x0d]));
  assertEquals([editor.text, editor.outcome], ["漢👍\ufffd", "line"]);
});

Deno.test("what a terminal would obey is typed but shown spelled out", () => {
  const { text, rows } = type(["a\u202eb\u009b"]);
  assertEquals(text, "a\u202eb\u009b");
  assertEquals(rows, ["a\\u202eb\\x9b"]);
});

Deno.test("tabs are kept and shown up to the next stop", () => {
  const { text, rows } = type(["a\tb"], "> ");
  assertEquals(text, "a\tb");
  assertEquals(rows, [`> a${" ".repeat(5)}b`]);
});

Deno.test("a line over several rows can be erased to its beginning", () => {
  const filled = type(["x".repeat(18)], "> ");
  assertEquals(filled.rows, [`> ${"x".repeat(18)}`, ""]);
  const erased = type(["x".repeat(38), ..."\x7f".repeat(30), "y"], "> ");
  assertEquals(erased.rows, ["> xxxxxxxxy"]);
  assertEquals(type(["漢".repeat(15), "\x7f".repeat(14)], "> a").rows, ["> a漢"]);
});

Deno.test("whatever is typed, the screen shows the prompt and the line", () => {
  const typed = ["a", "漢", "é", "e\u0301", "👍", " ", "\t", "\u202e", "\x7f", "\x17", "\x15"];
  const key = fc.constantFrom(...typed, "\x7f", "\x7f");
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 60 }),
      fc.integer({ min: 10, max: 40 }),
      fc.constantFrom("", "> ", "a long prompt: "),
      (keys, columns, prompt) => {
        const shown = type(keys, prompt, columns);
        const fresh = type([shown.text], prompt, columns);
        assertEquals(shown.rows.join("\n").trimEnd(), fresh.rows.join("\n").trimEnd());
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("a long paste costs time in proportion to its length", () => {
  const editor = new LineEditor("> ", () => 80);
  for (let i = 0; i < 250; i++) editor.feed(utf8("0123456789abcdef".repeat(256)));
  assertEquals(editor.text.length, 1_024_000);
  assert(editor.takeEcho().length >= 1_024_000);
});

Deno.test("Tab asks for a completion where there is one, and is a character else", () => {
  assertEquals(type(["a\tb"]).text, "a\tb");
  const editor = new LineEditor("> ", () => 20, true);
  let output = "> " + editor.takeEcho();
  const after = (text: string, choices: readonly string[]) => {
    editor.complete({ text, choices });
    output += editor.takeEcho();
    return { text: editor.text, rows: screen(output, 20) };
  };
  assertEquals(editor.feed(utf8("re\tx")), 3, "what comes after Tab waits");
  assert(editor.completing);
  output += editor.takeEcho();
  assertEquals(after("report ", ["report 1", "report 2"]), { text: "report ", rows: ["> report"] });
  assert(!editor.completing);
  editor.feed(utf8("\t"));
  assertEquals(after("report ", ["report \x1b[1", "report 2"]), {
    text: "report ",
    rows: ["> report", "report \\x1b[1  repor", "t 2", "> report"],
  });
  editor.feed(utf8("\t"));
  assertEquals(after("report ", []).text, "report ");
  assertEquals(editor.feed(utf8("3\r")), 2);
  assertEquals([editor.text, editor.outcome], ["report 3", "line"]);
});
