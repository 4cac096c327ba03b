import { assert, assertEquals } from "@std/assert";
import { displayWidth } from "../../../cli/printable.ts";
import { hintBar, messageLine, topBar } from "../../../client/tui/chrome.ts";
import { nameAt, namesIn } from "../../../client/tui/complete.ts";
import {
  attached,
  compositionOf,
  contentOf,
  edited,
  focusBy,
  typed,
} from "../../../client/tui/compose_model.ts";
import { viewCompose } from "../../../client/tui/compose_view.ts";
import { fill, lineText, span, splitAt } from "../../../client/tui/frame.ts";
import { inputOf, window } from "../../../client/tui/line_input.ts";
import { layOut } from "../../../client/tui/reader_view.ts";
import { signsFor } from "../../../client/tui/signs.ts";
import { COLOURED, paint, PLAIN } from "../../../client/tui/theme.ts";
import { expandTabs, wrapText } from "../../../client/tui/wrap.ts";
import { emptyDraft } from "../../../client/state/drafts.ts";

Deno.test("a line is cut and split by columns, never within a character", () => {
  const line = [span("日本", "strong"), span("é🙂x")];
  assertEquals(lineText(fill(line, 3)), "日…");
  assertEquals(lineText(fill(line, 10)), "日本é🙂x  ");
  for (let column = 0; column <= 8; column++) {
    const [before, after] = splitAt(line, column);
    assertEquals(lineText(before) + lineText(after), "日本é🙂x");
    assert(displayWidth(lineText(before)) <= column);
  }
});

Deno.test("without colours there is none, and every look ends with its text", () => {
  for (const look of Object.keys(PLAIN) as (keyof typeof PLAIN)[]) {
    assert(!/(^|;)[34]\d/.test(PLAIN[look]), look);
    assert(paint([span("x", look)], COLOURED).endsWith(COLOURED[look] === "" ? "x" : "\x1b[0m"));
  }
});

Deno.test("a text is wrapped at spaces, and long words where they must", () => {
  assertEquals(wrapText("one two three", 8), ["one two", "three"]);
  assertEquals(wrapText("abcdefghij", 4), ["abcd", "efgh", "ij"]);
  assertEquals(wrapText("日本語テキスト", 5), ["日本", "語テ", "キス", "ト"]);
  assertEquals(wrapText(" 日a🙂", 4), ["", "日a", "🙂"]);
  assertEquals(wrapText("", 5), [""]);
  assertEquals(expandTabs("a\tb\t日\tc"), "a       b       日      c");
});

Deno.test("a line as long as a message is laid out in time proportional to its length", () => {
  const shown = (text: string) => layOut({ headers: [], text, notes: [] }, 102, false).lines;
  assertEquals(shown("a".repeat(4_000_000)).length, 40_001);
  const lines = shown("http://h.example/a ".repeat(50_000));
  assertEquals(lines.length, 10_001);
  for (const line of lines.slice(1)) {
    assertEquals(line.filter(({ link }) => link === "http://h.example/a").length, 5);
  }
});

Deno.test("a message is laid out with its headers, quotations folded if that is wanted", () => {
  const text = "Hello\n\n> 1\n> 2\n> 3\n> 4\n>> 5\nbye";
  const reading = {
    headers: [{ name: "From", value: "bob" }],
    text,
    notes: ["[1: a.png, 5 bytes]"],
  };
  const lines = (fold: boolean) =>
    layOut(reading, 40, fold).lines.map((line) => lineText(line).trimEnd());
  assertEquals(lines(true).slice(0, 2), [" From: bob", ""]);
  assert(lines(true).includes(" [4 quoted lines; T shows them]"));
  assert(lines(false).includes(" > 2"));
  assertEquals(lines(true).at(-1), " [1: a.png, 5 bytes]");
});

Deno.test("the bars fit every width, and a lost connection is always seen", () => {
  for (const columns of [10, 40, 80, 200]) {
    const where = "Sealpost  A message with a long title that is cut";
    const bar = lineText(topBar(where, { words: "offline, again in 5 s", lost: true }, columns));
    assertEquals(displayWidth(bar), columns);
    if (columns >= 40) assert(bar.includes("offline, again in 5 s"), bar);
    assertEquals(displayWidth(lineText(hintBar("list", columns))), columns);
    const { line } = messageLine({ kind: "error", text: where }, columns);
    assertEquals(displayWidth(lineText(line)), columns);
  }
  assert(lineText(hintBar("list", 80)).includes("? help"));
});

Deno.test("a line of input shows its cursor, and not what is hidden", () => {
  assertEquals(window(inputOf("abcdef"), 4), { text: "def", column: 3 });
  assertEquals(window({ text: "日本語", at: 1 }, 4), { text: "日本", column: 2 });
  const secret = messageLine({
    kind: "input",
    label: "Password:",
    input: inputOf("hunter2"),
    hidden: true,
    choices: [],
  }, 40);
  assertEquals(lineText(secret.line).trim(), "Password:");
});

Deno.test("names are found in what is typed", () => {
  assertEquals(namesIn("Alice, bob;carol  alice"), ["alice", "bob", "carol"]);
  assertEquals(nameAt("alice, bo", 9), { start: 7, word: "bo" });
});

Deno.test("a composition is a draft with a cursor", () => {
  let now = compositionOf({ ...emptyDraft(), text: "quoted" });
  assertEquals(now.focus, "to");
  now = typed(now, "Bob, carol");
  now = edited(now, "enter", 80, 10) ?? now;
  assertEquals(now.focus, "cc");
  now = focusBy(focusBy(now, 1), 1);
  now = typed(now, "a\ntitle");
  now = edited(now, "down", 80, 10) ?? now;
  assertEquals(now.focus, "text");
  now = typed(now, "my text\n");
  now = attached(now, { path: "/tmp/a.png", name: "a.png", size: 5 });
  assertEquals(contentOf(now), {
    to: ["bob", "carol"],
    cc: [],
    bcc: [],
    subject: "a title",
    text: "my text\nquoted",
    attachments: ["/tmp/a.png"],
  });
  now = { ...now, focus: "attachments" };
  assertEquals(edited(now, "delete", 80, 10)?.attachments, []);
});

Deno.test("a composer fits every size, with its cursor on it", () => {
  for (const [columns, rows] of [[40, 7], [80, 21], [200, 57]] as const) {
    const draft = {
      ...emptyDraft(),
      to: ["bob"],
      subject: "x",
      text: "line\n".repeat(100),
      attachments: ["/a"],
    };
    const view = viewCompose({
      composition: compositionOf(draft),
      trust: () => "verified",
      signs: signsFor(true),
    }, { columns, rows });
    for (const line of view.lines) assertEquals(displayWidth(lineText(line)), columns);
    assert(view.lines.length <= rows, `${view.lines.length}`);
    assert(view.cursor.row < rows && view.cursor.column < columns);
  }
});
