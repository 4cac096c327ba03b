import { SOME_HEAD } from "../../support/log_head.ts";
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { collapse, fold, locate, locateAll } from "../../../client/mailbox/fold.ts";
import type { Opened } from "../../../client/mailbox/open.ts";
import { indexText, search } from "../../../client/mailbox/search.ts";
import { Cache } from "../../../client/state/cache.ts";
import { State } from "../../../client/state/state.ts";
import { UNVERIFIED } from "../../../client/trust/verification.ts";
import { toBase64 } from "../../../crypto/bytes.ts";
import type { Entry } from "../../../protocol/entry.ts";
import { inFolder } from "../../support/command.ts";
import { entryOf } from "../../support/entries.ts";
import { identityOf } from "../../support/identities.ts";
import { FULL } from "../../support/full.ts";

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

/** What `locate` must give, character by character: slow, and simple. */
function slowLocate(text: string, term: string) {
  let folded = "";
  const places: { from: number; to: number }[] = [];
  let at = 0;
  for (const character of text) {
    const to = at + character.length;
    let piece = collapse(fold(character));
    if (piece.startsWith(" ") && folded.endsWith(" ")) piece = piece.slice(1);
    for (let i = 0; i < piece.length; i++) places.push({ from: at, to });
    folded += piece;
    at = to;
  }
  const found = term === "" ? -1 : folded.indexOf(term);
  const [first, last] = [places[found], places[found + term.length - 1]];
  return first && last ? { from: first.from, to: last.to } : null;
}

Deno.test("the place of a word is that of a simple model, across all borders of a long text", () => {
  const unit = fc.oneof(
    fc.constantFrom(
      "a",
      "b",
      " ",
      "\n",
      "ß",
      "é",
      "e\u0301",
      "ﬁ",
      "🙂",
      "\u00ad",
      "Σ",
      "\ud83d",
      "한",
    ),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  );
  const some = fc.array(unit, { maxLength: 12 }).map((units) => units.join(""));
  fc.assert(
    fc.property(some, some, fc.integer({ min: 4080, max: 4110 }), some, (a, b, length, c) => {
      // The word stands about the border of two blocks, and in a short text too.
      const filler = (a || "x").repeat(Math.ceil(length / (a.length || 1))).slice(0, length);
      const term = collapse(fold(b)).trim();
      for (const text of [filler + b + c, a + b + c, filler + filler + b + c]) {
        assertEquals(locate(text, term), slowLocate(text, term));
      }
    }),
    { numRuns: FULL ? 300 : 50 },
  );
});

Deno.test("what is folded part by part is what is folded as a whole", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 40 }), fc.nat(40), (text, at) => {
    const whole = text.slice(0, at).isWellFormed() ? at : at + 1;
    assertEquals(fold(text.slice(0, whole)) + fold(text.slice(whole)), fold(text));
  }));
});

Deno.test("a search says which texts it did not look through, or not to their end", async () => {
  await inFolder(async (dir) => {
    const state = await State.open(dir, "bob", await identityOf("bob"));
    const cache = await Cache.open(state, false);
    const sender = (await identityOf("alice")).bundle;
    const entries = [1, 2, 3, 4].map((uid) => entryOf(uid));
    await cache.apply(cache.fetched(), {
      entries,
      fetched: { epoch: "0123456789abcdef", bottom: 1, top: 4, modseq: 4 },
    });
    const opened = (uid: number, from: string): Opened => {
      const entry = entries[uid - 1];
      assert(entry);
      const summary = {
        from: { name: from, fp: toBase64(new Uint8Array(32)) },
        to: [],
        cc: [],
        subject: `title ${uid}`,
        date: 0,
        head: SOME_HEAD,
        size: 10,
        attachmentCount: 0,
        attachments: [],
      };
      const [id, fileKey, summaryHash] = [
        new Uint8Array(16),
        new Uint8Array(32),
        new Uint8Array(32),
      ];
      return { entry, id, summary, fileKey, summaryHash, sender, verification: UNVERIFIED };
    };
    const shown = (text: string, truncated = false) => {
      return {
        text,
        truncated,
        notes: [],
        attachments: [],
        calendars: [],
        claims: [],
        depends: false,
      };
    };
    await indexText(cache, opened(1, "alice"), shown("a whole text with needle"));
    await indexText(cache, opened(2, "alice"), shown("the beginning with needle", true));
    const asked: number[] = [];
    const sources = {
      opener: {
        openItem: ({ entry }: { entry: Entry }) => {
          const from = entry.uid === 4 ? "bob" : "alice";
          return Promise.resolve({
            entry,
            opened: opened(entry.uid, from),
            problem: null,
            keyChangedOf: null,
            duplicate: false,
          });
        },
      },
      own: "bob",
      written: ({ entry }: Opened) => {
        asked.push(entry.uid);
        return Promise.resolve(shown("written by bob: needle"));
      },
    };
    const look = (words: string) => {
      const query = [{ condition: { kind: "words", words, field: null }, not: false }] as const;
      return search(cache, sources, query, { folder: null, limit: 9 });
    };
    for (let i = 0; i < 2; i++) {
      const result = await look("needle");
      assertEquals(result.found.map(({ item }) => item.entry.uid), [4, 2, 1]);
      assertEquals([result.matches, result.unindexed, result.cut], [[4, 2, 1], [3], 0]);
    }
    // What is left out may have it behind the beginning that is kept.
    const { matches, unindexed, cut } = await look("whole");
    assertEquals([matches, unindexed, cut], [[1], [3], 1]);
    assertEquals(asked, [4], "one's own text is read once");
    cache.close();
  });
});

Deno.test("all places of words are located, those that overlap as one", () => {
  const cut = (text: string, terms: string[], most?: number) => {
    return locateAll(text, terms, most).map(({ from, to }) => text.slice(from, to));
  };
  assertEquals(cut("Straße, STRASSE and\n  more", ["strasse", "and more"]), [
    "Straße",
    "STRASSE",
    "and\n  more",
  ]);
  assertEquals(cut("abcabc", ["abc", "ca"]), ["abcabc"]);
  assertEquals(cut("a a a", ["a"], 2), ["a", "a"]);
  assertEquals(cut("nothing", ["x", ""]), []);
});
