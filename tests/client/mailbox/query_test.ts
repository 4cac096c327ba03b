import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { OwnNames } from "../../../client/mailbox/own_names.ts";
import {
  fits,
  FoldedMessage,
  needsText,
  parseQuery,
  type Searchable,
} from "../../../client/mailbox/query.ts";
import { isSealpostError, SealpostError } from "../../../crypto/error.ts";
import { mergeRecords } from "../../../protocol/shared_record.ts";
import { assertRefused } from "../../support/testing.ts";

const MACHINE = "0123456789abcdef";
const entries = [["folder/16", "work/reports"], ["folder/17", "two words"], ["keyword/4", "urgent"]]
  .map(([key = "", name], i) => {
    return [key, { key, value: { name }, version: i + 1, machine: MACHINE }] as const;
  });
const RECORD = mergeRecords(
  { entries: new Map(entries), machines: new Map() },
  { entries: new Map(), machines: new Map() },
);
const NAMES = new OwnNames(RECORD);
const NOW = Date.parse("2026-11-28T12:00:00Z");

const query = (text: string) => parseQuery(text, NAMES, NOW);

function words(text: string): string[] {
  return query(text).map(({ condition, not }) => {
    const said = condition.kind === "words" ? condition.words : condition.kind;
    return not ? `not ${said}` : said;
  });
}

Deno.test("a search is words and phrases in quotes, each once", () => {
  assertEquals(words('Annual "Big\n  Report" BOB bob'), ["annual", "big report", "bob"]);
  assertEquals(words('"not closed'), ["not closed"]);
  assertEquals(words('a"b c"d'), ["a", "b c", "d"]);
  assertEquals(words("http://x.org 12:30 not:not:x not:y"), [
    "http://x.org",
    "12:30",
    "x",
    "not y",
  ]);
  assertEquals(words('"from:bob" not:"two words"'), ["from:bob", "not two words"]);
  for (const nothing of ["", "  ", '""', '" "', "\u00ad"]) {
    assertRefused("usage", () => query(nothing));
  }
});

Deno.test("what is no search is refused with what to write", () => {
  for (
    const [text, said] of [
      ["form:bob", "did you mean from?"],
      ["from:", "from: needs something behind it"],
      ["not:", "not: needs something behind it"],
      ["has:wings", "has:attachment does"],
      ["is:later", "there is no keyword"],
      ["in:wrok", 'there is no folder "wrok"'],
      ["after:tomorrow", "is not a date"],
    ] as const
  ) {
    const error = assertThrows(() => query(text), SealpostError, said);
    assertEquals(error.code, "usage", text);
  }
});

const MESSAGE: Searchable = {
  folder: "inbox",
  flags: ["flagged", 4],
  received: Date.parse("2026-11-27T12:00:00Z"),
  from: "bob",
  to: ["alice", "carol"],
  subject: "Über the annual   report",
  attachments: ["Zahlen 2026.pdf"],
  text: "Dear all,\nthe big\nreport is due.",
};

/** Whether `message` fits a search; undefined where it cannot be said. */
function does(text: string, message = MESSAGE): boolean | undefined {
  const parsed = query(text);
  return fits(parsed, new FoldedMessage(message, parsed)) ?? undefined;
}

Deno.test("a message fits a search if it fits all of it", () => {
  const yes = [
    ["report uber", "from:bob", "from:BOB to:carol", 'subject:"annual report"', "text:due"],
    ["attachment:zahlen has:attachment", "is:unread", "is:flagged is:urgent", "in:inbox"],
    ["not:is:read", "not:from:alice", "after:7d", "before:1h", "after:2026-11-27"],
    ['"big report"', "not:nothing", "not:in:work/reports", 'not:in:"two words"'],
  ].flat();
  const no = [
    ["report nothing", "from:bo", "from:alice", "to:bob", "subject:due", "text:annual"],
    ["attachment:due", "not:has:attachment", "is:read", "not:is:urgent", "in:sent"],
    ["after:1h", "before:7d", "before:2026-11-27", "not:report", '"report big"'],
  ].flat();
  for (const text of yes) assertEquals(does(text), true, text);
  for (const text of no) assertEquals(does(text), false, text);
});

Deno.test("what cannot be known without the text is neither said to fit nor not to", () => {
  const { text: _, ...closed } = MESSAGE;
  for (const text of ["due", "not:due", "text:due", "not:text:nothing", "annual due"]) {
    assertEquals(does(text, closed), undefined, text);
    assertEquals(needsText(query(text)), true, text);
  }
  for (const text of ["annual", "from:bob"]) assertEquals(does(text, closed), true, text);
  for (const text of ["not:annual", "due from:alice", "subject:due"]) {
    assertEquals(does(text, closed), false, text);
  }
  assertEquals(needsText(query("subject:due from:bob")), false);
});

Deno.test("whom an imported message is said to be from is searched by parts", () => {
  const imported = { ...MESSAGE, from: "Jane Doe <jane@example.org>" };
  for (const text of ["from:jane", 'from:"jane doe"', "from:example.org"]) {
    assertEquals(does(text, imported), true, text);
  }
});

Deno.test("any text is a search or is refused, and not: turns every answer around", () => {
  const token = fc.constantFrom(
    ...'from:bob|not:|is:read|in:sent|report|due|"|subject:|: |after:7d|x:y|has:attachment'.split(
      "|",
    ),
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(token, fc.string({ maxLength: 4 })), { maxLength: 6 }),
      (parts) => {
        const text = parts.join(" ");
        try {
          for (const term of query(text)) {
            const of = (not: boolean) => {
              const one = [{ ...term, not }];
              return fits(one, new FoldedMessage(MESSAGE, one));
            };
            assertEquals(of(true), !of(false));
          }
        } catch (error) {
          if (!isSealpostError(error, "usage")) throw error;
        }
      },
    ),
  );
});
