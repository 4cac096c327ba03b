import { assertEquals, assertMatch } from "@std/assert";
import { resolve } from "@std/path";
import { formatDraft, parseDraft } from "../../../client/state/draft_text.ts";
import { assertRefused } from "../../support/testing.ts";

const DRAFT = {
  to: ["bob", "carol"],
  cc: [],
  bcc: ["dave"],
  subject: "Grüße: 1, 2; 3",
  text: "Dear Bob,\n\nTo: nobody\n\n  indented  \nlast",
  attachments: ["/a b/c.pdf", "/x,y;z"],
};

Deno.test("a draft comes out of an editor as it went in", () => {
  assertEquals(parseDraft(formatDraft(DRAFT)), DRAFT);
  const empty = { to: [], cc: [], bcc: [], subject: "", text: "", attachments: [] };
  assertEquals(parseDraft(formatDraft(empty)), empty);
  assertEquals(parseDraft(""), empty);
});

Deno.test("headers may stand in any order, several times and with the line ends of Windows", () => {
  const text = parseDraft(
    "\ufeffsubject: x\r\nTO: bob;carol\r\nTo: bob, dave\r\nAttach: scan.bin\r\n\r\none\r\n\r\ntwo\r\n",
  );
  assertEquals(text, {
    to: ["bob", "carol", "dave"],
    cc: [],
    bcc: [],
    subject: "x",
    text: "one\n\ntwo",
    attachments: [resolve("scan.bin")],
  });
});

Deno.test("what is no header is refused with the number of its line", () => {
  for (
    const [text, line, why] of [
      ["Dear Bob,\n\ntext", 1, "none of To"],
      ["To: bob\nDear Bob,\n\ntext", 2, "none of To"],
      ["To: bob\n folded\n\ntext", 2, "none of To"],
      ["To: bob\nSubjekt: x\n\ntext", 2, "none of To"],
      ["To: bob\nCc: not a name\n\ntext", 2, "name"],
      ["Subject: a\nSubject: b\n\ntext", 2, "two subjects"],
    ] as const
  ) {
    const error = assertRefused("format", () => parseDraft(text));
    assertMatch(error.message, new RegExp(`^line ${line}: .*${why}`));
  }
  const long = `To: bob\nSubject: ${"x".repeat(101)}\n\ntext`;
  assertMatch(assertRefused("limit", () => parseDraft(long)).message, /^line 2/);
});

Deno.test("a path with a line end is not written into the text of a draft", () => {
  assertRefused("format", () => formatDraft({ ...DRAFT, attachments: ["/a\nTo: eve"] }));
});
