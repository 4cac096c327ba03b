import { assertEquals, assertThrows } from "@std/assert";
import { utf8 } from "../../../../crypto/bytes.ts";
import { ImapError } from "../../../../client/bridge/imap/error.ts";
import {
  decodeMailboxName,
  encodeMailboxName,
  matchesPattern,
} from "../../../../client/bridge/imap/mailbox_name.ts";
import { ImapParser } from "../../../../client/bridge/imap/parser.ts";
import { formatSet, SequenceSet } from "../../../../client/bridge/imap/sequence_set.ts";
import { formatStructure, readStructure } from "../../../../client/bridge/imap/structure.ts";

function numbers(...all: number[]) {
  return { length: all.length, at: (i: number) => all[i] ?? 0 };
}

Deno.test("strings come quoted, as atoms and as literals, and are the same", () => {
  for (const parts of [["abc"], ['"abc"'], ["", utf8("abc")], ['"\\a"']].slice(0, 3)) {
    const parser = new ImapParser(parts);
    assertEquals(parser.astring(), "abc");
    parser.end();
  }
  assertEquals(new ImapParser(['"a\\"\\\\b"']).string(), 'a"\\b');
  assertEquals(new ImapParser(["", utf8("Grüße")]).astring(), "Grüße");
  for (const text of ['"a', '"\\a"', "(", "", " a"]) {
    assertThrows(() => new ImapParser([text]).astring(), ImapError);
  }
});

Deno.test("lists are not nested without end", () => {
  const nested = (depth: number): unknown => {
    const parser = new ImapParser(["(".repeat(depth) + ")".repeat(depth)]);
    const read = (): unknown => parser.peek() === "(" ? parser.list(read) : parser.atom();
    return read();
  };
  nested(40);
  assertThrows(() => nested(60), ImapError);
});

Deno.test("sets of numbers find what is there, whatever range they name", () => {
  const there = numbers(2, 5, 9);
  for (
    const [text, found] of [
      ["1:4294967295", [0, 1, 2]],
      ["*", [2]],
      ["10:*", [2]],
      ["*:1", [0, 1, 2]],
      ["9,2,2:3", [0, 2]],
      ["5:3", [1]],
      ["3:4", []],
    ] as const
  ) assertEquals(SequenceSet.parse(text).positionsIn(there), [...found], text);
  assertEquals(SequenceSet.parse("1:*").positionsIn(numbers()), []);
  for (const text of ["0", "4294967296", "1:", ":", "a", "1,,2", "", "$", "01"]) {
    assertThrows(() => SequenceSet.parse(text), ImapError, undefined, text);
  }
  assertEquals(formatSet([1, 2, 3, 5, 7, 8]), "1:3,5,7:8");
});

Deno.test("names of mailboxes go through modified UTF-7 unharmed", () => {
  for (const name of ["INBOX", "Entwürfe & mehr", "日本/語", "a&b", "😀", "~peter/mail/台北"]) {
    assertEquals(decodeMailboxName(encodeMailboxName(name)), name);
  }
  assertEquals(encodeMailboxName("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
  for (const text of ["&", "&abc", "&2D0-", "&!-"]) {
    assertEquals(decodeMailboxName(text), text);
  }
});

Deno.test("patterns match as LIST says, in no more time than their sizes' product", () => {
  for (
    const [name, pattern, fits] of [
      ["INBOX", "*", true],
      ["work/a", "%", false],
      ["work/a", "work/%", true],
      ["work/a/b", "work/%", false],
      ["work/a/b", "%/%/%", true],
      ["work", "w*k", true],
      ["work", "w%x", false],
    ] as const
  ) assertEquals(matchesPattern(name, pattern), fits, `${name} ${pattern}`);
  assertEquals(matchesPattern("a".repeat(200), `${"*a".repeat(150)}b`), false);
});

async function structureOf(text: string): Promise<string> {
  const bytes = utf8(text);
  const whole = formatStructure(await readStructure(ReadableStream.from([bytes])), false);
  // What is found does not depend on how it comes.
  const pieces = Array.from(bytes, (_, i) => bytes.slice(i, i + 1));
  assertEquals(formatStructure(await readStructure(ReadableStream.from(pieces)), false), whole);
  return whole;
}

Deno.test("the structure of a message says what is where", async () => {
  const inner = "Subject: in\r\n\r\nhi\r\n";
  const text = [
    "Content-Type: multipart/mixed; boundary=x",
    "",
    "before",
    "--x",
    "",
    "one",
    "two",
    "--x",
    "Content-Type: application/pdf; name=a.pdf",
    "Content-Transfer-Encoding: BASE64",
    "",
    "AAAA",
    "--x",
    "Content-Type: message/rfc822",
    "",
    `${inner}--x--`,
    "after",
    "",
  ].join("\r\n");
  assertEquals(
    await structureOf(text),
    '(("text" "plain" NIL NIL NIL "7bit" 8 1)' +
      '("application" "pdf" ("name" "a.pdf") NIL NIL "BASE64" 4)' +
      '("message" "rfc822" NIL NIL NIL "7bit" 17 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) ' +
      '("text" "plain" NIL NIL NIL "7bit" 2 0) 2) "mixed")',
  );
  assertEquals(await structureOf("a: b\n\nx\ny\n"), '("text" "plain" NIL NIL NIL "7bit" 4 2)');
  assertEquals(await structureOf(""), '("text" "plain" NIL NIL NIL "7bit" 0 0)');
  assertEquals(
    await structureOf("Content-Type: multipart/mixed; boundary=y\r\n\r\nno part\r\n"),
    '("text" "plain" ("boundary" "y") NIL NIL "7bit" 9 1)',
  );
});
