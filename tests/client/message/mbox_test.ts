import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type MailMarks, mboxMessage, readMbox } from "../../../client/message/mbox.ts";
import { hashOfSource } from "../../../client/message/line_ends.ts";
import { concat, fromUtf8, toHex, utf8 } from "../../../crypto/bytes.ts";
import { FULL } from "../../support/full.ts";
import { collect, stream } from "../../support/mime.ts";

interface ReadBack {
  readonly text: string;
  readonly received: number | null;
  readonly marks: MailMarks | null;
}

/** The messages in `file`, which comes in pieces of `cut` bytes. */
async function messagesIn(file: string, cut = 65536): Promise<ReadBack[]> {
  const bytes = utf8(file);
  const found: ReadBack[] = [];
  let [text, received]: [string, number | null] = ["", null];
  const source = {
    stream: () => stream(bytes, cut),
    peek: (offset: number, size: number) => Promise.resolve(bytes.slice(offset, offset + size)),
  };
  for await (const event of readMbox(source)) {
    if (event.type === "begin") [text, received] = ["", event.received];
    else if (event.type === "data") text += fromUtf8(event.bytes);
    else found.push({ text, received, marks: event.marks });
  }
  return found;
}

async function textsIn(file: string, cut?: number): Promise<string[]> {
  return (await messagesIn(file, cut)).map(({ text }) => text);
}

const FROM = "From jane@example.org Sun Nov 22 14:05:06 2026\n";

Deno.test("messages end at a line with a sender and a time that follows a blank line", async () => {
  const file = `${FROM}Subject: a\n\nHello\nFrom here it goes on\n\nFrom you, nothing\n\n` +
    `From - Mon Nov 23 00:00:00 2026\nSubject: b\n\n${FROM}Subject: c\n\nend`;
  const expected = [
    "Subject: a\n\nHello\nFrom here it goes on\n\nFrom you, nothing\n",
    "Subject: b\n\n",
    "Subject: c\n\nend",
  ];
  assertEquals(await textsIn(file), expected);
  assertEquals(await textsIn(file, 1), expected);
  const [first] = await messagesIn(file);
  assertEquals(first?.received, Date.parse("2026-11-22T14:05:06Z"));
  assertEquals(await textsIn("Subject: no mbox\n\nx"), []);
});

Deno.test("a line that was quoted is as it was, in both ways to quote", async () => {
  const body = ">From me\n>>From you\n> From them\n>Frombone\n";
  assertEquals(await textsIn(`${FROM}A: b\n\n${body}\n`), [
    "A: b\n\nFrom me\n>From you\n> From them\n>Frombone\n",
  ]);
});

Deno.test("a Content-Length is believed where a message ends there, and nowhere else", async () => {
  const body = `one\n\n${FROM}not a message\n\n>From x\n`;
  const next = `\n${FROM}Subject: next\n\ny\n`;
  const file = (length: number) => `${FROM}A: b\nContent-Length: ${length}\n\n${body}${next}`;
  assertEquals(await textsIn(file(body.length)), [`A: b\n\n${body}`, "Subject: next\n\ny\n"]);
  // A wrong one: as if it were not there.
  assertEquals((await textsIn(file(body.length + 3))).length, 3);
  assertEquals(await textsIn(file(2)), await textsIn(file(999_999)));
});

Deno.test("what a program says of how it keeps a message is read, and is no part of it", async () => {
  const marks = async (...fields: string[]) => {
    const [one] = await messagesIn(`${FROM}${fields.join("\n")}\nSubject: s\n\nx\n\n`);
    assertEquals(one?.text, "Subject: s\n\nx\n");
    return one?.marks;
  };
  assertEquals(await marks("Status: RO", "X-Status: AF"), {
    flags: ["seen", "answered", "flagged"],
    keywords: [],
    deleted: false,
  });
  assertEquals(await marks("Status: O"), { flags: [], keywords: [], deleted: false });
  assertEquals(await marks("X-Mozilla-Status: 1009", "X-Mozilla-Status2: 00000000"), {
    flags: ["seen", "forwarded"],
    keywords: [],
    deleted: true,
  });
  assertEquals(await marks("X-Keywords: work,", "  later", "Lines: 4"), {
    flags: [],
    keywords: ["work", "later"],
    deleted: false,
  });
  assertEquals(await marks("Lines: 1"), null);
});

/** Texts in which what mbox files are made of comes often. */
const anyText = fc.array(
  fc.oneof(
    fc.constantFrom("From ", ">From ", ">", "\r\n", "\r\n\r\n", FROM.trim(), "\n", "x".repeat(999)),
    fc.string({ maxLength: 5 }),
  ),
  { maxLength: 12 },
).map((parts) => parts.join(""));

Deno.test("whatever a message says, it comes out of an mbox file as it went in", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyText, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 70 }),
      async (bodies, cut) => {
        const texts = bodies.map((body) => `Subject: s\r\n\r\n${body}`);
        const pieces = await Promise.all(texts.map(async (text) => {
          const marks = { flags: ["seen"] as const, keywords: ["work"] };
          return await collect(mboxMessage(stream(text, cut), "a@b", 1_700_000_000_000, marks));
        }));
        const found = await messagesIn(fromUtf8(concat(...pieces)), cut);
        assertEquals(
          await Promise.all(found.map(async ({ text }) => toHex(await hashOfSource(stream(text))))),
          await Promise.all(
            texts.map(async (text) => toHex(await hashOfSource(stream(text, cut)))),
          ),
        );
        for (const { received, marks } of found) {
          assertEquals(received, 1_700_000_000_000);
          assertEquals(marks, { flags: ["seen"], keywords: ["work"], deleted: false });
        }
      },
    ),
    { numRuns: FULL ? 500 : 50 },
  );
});

Deno.test("a message has one hash with either line end, and with none at its end", async () => {
  const hash = async (text: string) => toHex(await hashOfSource(stream(text, 3)));
  assertEquals(await hash("A: b\r\n\r\nx\r\n\r\ny\r\n"), await hash("A: b\n\nx\n\ny"));
  assertEquals(await hash("A: b\n\nx\r"), await hash("A: b\n\nx\r\r\n".slice(0, -2)));
  assertEquals(await hash("a\n\nb") === await hash("a\nb"), false);
});
