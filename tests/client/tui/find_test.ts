import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fold } from "../../../client/mailbox/fold.ts";
import { findAll, findIn, type Match } from "../../../client/tui/find.ts";
import { type Line, line } from "../../../client/tui/frame.ts";

const lines = (...texts: string[]): Line[] => texts.map((text) => line(text));

/** What of `shown` was found, a match each, its lines with `/` between them. */
function cut(shown: readonly Line[], matches: readonly Match[]): string[] {
  return matches.map(({ parts }) => {
    return parts.map(({ row, from, to }) => shown[row]?.[0]?.text.slice(from, to)).join("/");
  });
}

Deno.test("words are found whatever their case and marks are, and over the ends of lines", () => {
  const shown = lines(" Die Straße ist", " naïve  und", "", " STRASSE ist", "naive");
  assertEquals(cut(shown, findIn(shown, "strasse")), ["Straße", "STRASSE"]);
  assertEquals(cut(shown, findIn(shown, "IST naïve")), ["ist/naïve", "ist/naive"]);
  // A paragraph ends at an empty line.
  assertEquals(findIn(shown, "und strasse"), []);
  assertEquals(findIn(shown, " "), []);
  const all = findAll(shown, ["naive", "ist"]);
  assertEquals(cut(shown, all), ["ist", "naïve", "ist", "naive"]);
});

Deno.test("what is found is what was looked for, all of it, in any lines", () => {
  const unit = fc.constantFrom(..."ab ßséeAi日\u0301ﬁf", "  ", "İ", "");
  const row = fc.array(unit, { maxLength: 8 }).map((units) => units.join(""));
  const spaced = (text: string) => fold(text).replace(/\s+/g, " ");
  fc.assert(fc.property(fc.array(row, { maxLength: 6 }), row, (rows, words) => {
    const shown = lines(...rows);
    const term = spaced(words).trim();
    const found = findIn(shown, words);
    const paragraphs = rows.map((text) => text.trim() === "" ? "\n" : text).join(" ").split("\n");
    const count = paragraphs.reduce((sum, text) => {
      return sum + (term === "" ? 0 : spaced(text).split(term).length - 1);
    }, 0);
    assertEquals(found.length, count);
    for (const text of cut(shown, found)) {
      assert(spaced(text.replaceAll("/", " ")).includes(term), `${text}: ${term}`);
    }
  }));
});

Deno.test("a paragraph as long as a message is looked through in time proportional to its length", () => {
  const shown = Array.from({ length: 60_000 }, (_, i) => line(` see https://h${i}.example/ now`));
  assertEquals(findIn(shown, "now see").length, 10_000);
  assertEquals(findIn([line("a".repeat(2_000_000))], "aa").length, 10_000);
  assertEquals(findAll(shown, ["now", "see"]).length, 10_000);
});
