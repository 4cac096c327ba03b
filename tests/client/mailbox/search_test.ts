import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { collapse, fold, locate } from "../../../client/mailbox/fold.ts";
import { parseQuery } from "../../../client/mailbox/search.ts";
import { assertRefused } from "../../crypto/support.ts";

Deno.test("words are compared without case, accents and invisible characters", () => {
  for (
    const [text, folded] of [
      ["Übergrößenträger", "ubergrossentrager"],
      ["ÀÉÎõç Ångström", "aeioc angstrom"],
      ["Łódź, Ørsted, Đorđe, Æsop", "lodz, orsted, dorde, aesop"],
      ["ΟΔΟΣ οδός", "οδοσ οδοσ"],
      ["İstanbul ısı", "istanbul isi"],
      ["in\u00advis\u200bible", "invisible"],
      ["ﬁle ② Ⅳ", "file 2 iv"],
      ["日本語 Привет", "日本語 привет"],
    ] as const
  ) {
    assertEquals(fold(text), folded);
    assertEquals(fold(text.normalize("NFD")), folded);
  }
});

Deno.test("a query is words and phrases in quotes", () => {
  assertEquals(parseQuery('Annual "Big\n  Report" BOB bob'), ["annual", "big report", "bob"]);
  assertEquals(parseQuery('"not closed'), ["not closed"]);
  assertEquals(parseQuery('a"b c"d'), ["a", "b c", "d"]);
  for (const nothing of ["", "  ", '""', '" "', "\u00ad"]) {
    assertRefused("usage", () => parseQuery(nothing));
  }
});

Deno.test("what was found is shown as it stands in the text", () => {
  const at = (text: string, term: string) => {
    const range = locate(text, term);
    return range && text.slice(range.from, range.to);
  };
  assertEquals(at("Der Übergrößenträger kommt", "grosse"), "größe");
  assertEquals(at("the annual\r\n   report", "annual report"), "annual\r\n   report");
  assertEquals(at("naïve nai\u0308ve", "naive"), "naïve");
  assertEquals(at("x", "longer"), null);
  assertEquals(at("aaab", "aab"), "aab");
});

Deno.test("a word is located wherever the folded text has it, in any text", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 60 });
  fc.assert(fc.property(text, text, text, (before, word, after) => {
    const term = collapse(fold(word)).trim();
    fc.pre(term !== "");
    const whole = `${before} ${word} ${after}`;
    fc.pre(collapse(fold(whole)).includes(term));
    const range = locate(whole, term);
    assert(range !== null);
    assert(collapse(fold(whole.slice(range.from, range.to))).includes(term.trim()));
  }));
});
