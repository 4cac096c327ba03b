import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { breakLines, displayWidth, fit, graphemes, printable } from "../../cli/printable.ts";

Deno.test("ordinary text of any script is shown as it is", () => {
  for (
    const text of [
      "",
      "plain ASCII, with punctuation!",
      "Zoë Ångström, naïve café, Straße",
      "Привет мир",
      "日本語とｶﾀｶﾅ",
      "한국어",
      "مرحبا ٱلْعَرَبِيَّة ١٢٣",
      "שלום",
      "हिन्दी क्‍ष",
      "می‌خواهم",
      "👩‍👩‍👧 ❤️ ☎︎ 👍🏽 1️⃣ 🇨🇦",
      "葛\u{E0100}",
    ]
  ) {
    assertEquals(printable(text), text);
  }
});

Deno.test("control characters are spelled out, C1 and DEL too", () => {
  assertEquals(printable("a\x1b[2Jb\x07"), "a\\x1b[2Jb\\x07");
  assertEquals(printable("\0\x7f\x85\x9b31m"), "\\x00\\x7f\\x85\\x9b31m");
  assertEquals(printable("one\r\ntwo\tthree"), "one\\r\\ntwo\\tthree");
});

Deno.test("newlines and tabs stay where several lines are wanted, and nothing else does", () => {
  assertEquals(printable("one\r\ntwo\tthree\n", { lines: true }), "one\ntwo\tthree\n");
  assertEquals(printable("over\rwritten\x0b\u2028", { lines: true }), "over\\rwritten\\x0b\\u2028");
});

Deno.test("characters that reorder or hide text are spelled out", () => {
  assertEquals(printable("gpj.\u202Eexe"), "gpj.\\u202eexe");
  for (
    const code of [
      0x61c,
      0xad,
      0x34f,
      0x115f,
      0x180e,
      0x200b,
      0x200e,
      0x200f,
      0x2028,
      0x2029,
      0x202a,
      0x202e,
      0x2060,
      0x2066,
      0x2069,
      0x3164,
      0xfeff,
      0xffa0,
      0xfff9,
      0x1d173,
      0xe0001,
      0xe0041,
    ]
  ) {
    const shown = printable(`a${String.fromCodePoint(code)}b`);
    assert(/^a\\[xu]\{?[0-9a-f]+\}?b$/.test(shown), `${code.toString(16)}: ${shown}`);
  }
});

Deno.test("joiners and variation selectors are spelled out where no writing needs them", () => {
  assertEquals(printable("pay\u200Dpal"), "pay\\u200dpal");
  assertEquals(printable("pay\u200Cpal"), "pay\\u200cpal");
  assertEquals(printable("a\uFE0F\uFE00"), "a\\ufe0f\\ufe00");
  assertEquals(printable("❤\uFE0F\uFE0F"), "❤\uFE0F\\ufe0f");
  assertEquals(printable("x\u{E0100}"), "x\\u{e0100}");
  assertEquals(printable("\u200D👧"), "\\u200d👧");
  assertEquals(printable("\uFE0F\u200D👧"), "\\ufe0f\\u200d👧");
});

Deno.test("lone surrogates are spelled out and pairs are not", () => {
  assertEquals(printable("a\uD83Db\uDE00"), "a\\ud83db\\ude00");
  assertEquals(printable("\uD83D\uDE00"), "😀");
});

Deno.test("whatever goes in, nothing comes out that a terminal obeys or a reader cannot see", () => {
  const anything = fc.string({ unit: "binary" });
  const hostile = fc.string({
    unit: fc.constantFrom(
      ..."a1*漢🏴👩م\x1b\x9b\r\n\t\u200d\u200c\ufe0f\u202e\u2066\u{e0061}",
      "\ud800",
    ),
  });
  fc.assert(fc.property(fc.oneof(anything, hostile), fc.boolean(), (text, lines) => {
    const shown = printable(text, { lines });
    const allowed = lines ? shown.replace(/[\n\t]/g, "") : shown;
    assert(
      !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061C\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F]/u.test(
        allowed,
      ),
    );
    assert(!/[\u{E0000}-\u{E00FF}\uFEFF]/u.test(allowed));
    // What is safe once stays as it is.
    assertEquals(printable(shown, { lines }), shown);
  }));
});

Deno.test("a display width counts columns, not characters", () => {
  for (
    const [text, columns] of [
      ["", 0],
      ["abc", 3],
      ["e\u0301", 1],
      ["漢字", 4],
      ["한글", 4],
      ["\u1112\u1161\u11ab", 2],
      ["ﾊﾞ", 2],
      ["👩‍👩‍👧", 2],
      ["👍🏽🇨🇦1️⃣❤️", 8],
      ["क्‍ष", 2],
    ] as const
  ) {
    assertEquals(displayWidth(text), columns, text);
  }
});

Deno.test("text is cut at a column and never within a character", () => {
  assertEquals(fit("abc", 3), "abc");
  assertEquals(fit("abcd", 3), "ab…");
  assertEquals(fit("漢字漢字", 5), "漢字…");
  assertEquals(fit("漢字漢字", 4), "漢…");
  assertEquals(fit("👩‍👩‍👧👩‍👩‍👧", 3), "👩‍👩‍👧…");
  assertEquals(fit("abc", 0), "");
  assertEquals(fit("漢字漢字", 4, { pad: true }), "漢… ");
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, columns) => {
    const safe = printable(text);
    assert(displayWidth(fit(safe, columns)) <= columns);
    assertEquals(displayWidth(fit(safe, columns, { pad: true })), columns);
    if (displayWidth(safe) <= columns) assertEquals(fit(safe, columns), safe);
  }));
});

Deno.test("graphemes together are the text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assertEquals([...graphemes(text)].join(""), text);
  }));
});

Deno.test("a line that is too long for a terminal is broken at spaces, with its indentation", () => {
  assertEquals(breakLines("one two three", 13), "one two three");
  assertEquals(breakLines("one two three", 12), "one two\nthree");
  assertEquals(breakLines("  one two\nthree four", 7), "  one\n  two\nthree\nfour");
  assertEquals(breakLines("incomprehensible one", 5), "incomprehensible\none");
  assertEquals(breakLines("漢字 漢字", 8), "漢字\n漢字");
  assertEquals(breakLines("\x1b[1mone\x1b[0m two", 5), "\x1b[1mone\x1b[0m two");
  fc.assert(
    fc.property(fc.lorem({ maxCount: 30 }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
      const broken = breakLines(text, columns);
      assertEquals(broken.replaceAll("\n", " "), text);
      for (const line of broken.split("\n")) {
        assert(line.length <= columns || !line.includes(" "));
      }
    }),
  );
});
