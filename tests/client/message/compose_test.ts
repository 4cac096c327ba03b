import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { SealpostError } from "../../../crypto/error.ts";
import { composeMessage, type MessageContent } from "../../../client/message/compose.ts";
import { collect, draft, read, source, text } from "../../support/mime.ts";

/** What a reader gets of `parts`; on the way the announced size is compared with the real one. */
async function roundTrip(parts: Partial<MessageContent>) {
  const composed = await composeMessage(draft(parts));
  const bytes = await collect(composed.stream());
  assertEquals(bytes.length, composed.size);
  return await read(composed.stream());
}

Deno.test("headers come out as they went in", async () => {
  const { headers } = await roundTrip({
    from: "alice",
    to: ["bob", "carol.x", "0-d_e"],
    cc: ["dave"],
    subject: "Grüße an 漢字 👍",
    messageId: "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
    inReplyTo: "0199aaaa-bbbb-7ccc-8ddd-ffffffffffff",
    references: ["someone.else@example.org", "0199aaaa-bbbb-7ccc-8ddd-ffffffffffff"],
  });
  assertEquals(headers, {
    from: "alice",
    to: ["bob", "carol.x", "0-d_e"],
    cc: ["dave"],
    bcc: [],
    subject: "Grüße an 漢字 👍",
    date: new Date("2026-11-22T13:00:00Z"),
    messageId: "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
    inReplyTo: "0199aaaa-bbbb-7ccc-8ddd-ffffffffffff",
    references: ["someone.else@example.org", "0199aaaa-bbbb-7ccc-8ddd-ffffffffffff"],
    draft: "",
    sender: "alice@sealpost.invalid",
    replyTo: "",
    type: "text/plain",
  });
});

Deno.test("every subject comes out as it went in and stays within its header", async () => {
  const subject = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 100 }),
    fc.string({ unit: fc.constantFrom(..."a =?_\r\n\t\0é漢👍:;<>@"), maxLength: 100 }),
    fc.constantFrom("=?utf-8?q?x?=", " led", "trailed ", "two  spaces", "x\r\nBcc: eve", ""),
  );
  await fc.assert(
    fc.asyncProperty(subject, async (subject) => {
      const { headers, text } = await roundTrip({ subject });
      assertEquals(headers.subject, subject.toWellFormed());
      assertEquals(headers.from, "alice");
      assertEquals(text, "some text");
    }),
    { numRuns: 60 },
  );
});

Deno.test("40 lines stay 40 lines, and the wire has CRLF only", async () => {
  const forty = Array.from({ length: 40 }, (_, i) => `line ${i + 1}`).join("\n");
  assertEquals((await roundTrip({ text: forty })).text, forty);
  const wire = await text(await composeMessage(draft({ text: forty })));
  assert(!/[^\r]\n|\r[^\n]/.test(wire));
  assert(!/[^\x20-\x7e\r\n]/.test(wire));
  assert(wire.split("\r\n").every((line) => line.length <= 78));
});

Deno.test("text of every shape comes out as it went in", async () => {
  for (
    const sent of [
      "",
      "\n",
      "no end",
      "one end\n",
      "two ends\n\n",
      "trailing  \nspaces \t\n",
      ".\n..\n. dot\n",
      "From here\n>From there\n",
      "x".repeat(76) + "\n" + "y".repeat(77) + "\n" + "z".repeat(998) + "\n" + "w".repeat(5000),
      "Ünïcödé 漢字 👩‍👩‍👧\n".repeat(50),
      "a\rb\r\r\nc",
      "--boundary\n--boundary--\n\nContent-Type: x\n",
      "=3D soft=\nbreak",
      "\0\x01\x1b",
    ]
  ) {
    const expected = sent.replaceAll("\r\n", "\n");
    assertEquals((await roundTrip({ text: sent })).text, expected, JSON.stringify(sent));
    const withFile = await roundTrip({ text: sent, attachments: [source("f", "x")] });
    assertEquals(withFile.text, expected);
  }
});

Deno.test("whatever text goes in comes out, with a file beside it or without", async () => {
  const line = fc.string({ unit: fc.constantFrom(..."ab .-=>\t\r\n漢é👍From\0"), maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(line, fc.boolean(), async (sent, file) => {
      const { text } = await roundTrip({ text: sent, attachments: file ? [source("f", "")] : [] });
      assertEquals(text, sent.replaceAll("\r\n", "\n"));
    }),
    { numRuns: 60 },
  );
});

Deno.test("a byte order mark before a text is not sent", async () => {
  assertEquals((await roundTrip({ text: "\uFEFFHello\uFEFF\n" })).text, "Hello\uFEFF\n");
  assertEquals((await roundTrip({ text: "\uFEFF" })).text, "");
});

Deno.test("CRLF and LF in the text are the same line end", async () => {
  assertEquals((await roundTrip({ text: "one\r\ntwo\nthree\r\n" })).text, "one\ntwo\nthree\n");
});

Deno.test("a text of a million characters of every width comes through", async () => {
  const sent = "aé漢👍\n".repeat(166_000);
  assertEquals((await roundTrip({ text: sent })).text, sent);
});

Deno.test("attachments of every size come out byte for byte, and the size is exact", async () => {
  const sizes = [0, 1, 2, 56, 57, 58, 113, 114, 115, 65535, 65536, 65537, 200_001];
  const contents = sizes.map((size) => new Uint8Array(size).map((_, i) => i * 31 + size));
  const attachments = contents.map((content, i) => source(`file ${i}.bin`, content));
  const all = await roundTrip({ attachments });
  assertEquals(all.files.map(({ content }) => content), contents);
  assertEquals(all.attachments.map(({ size }) => size), sizes);
  assertEquals(all.text, "some text");
  for (const [i, attachment] of attachments.entries()) {
    const alone = await roundTrip({ attachments: [attachment], text: i % 2 === 0 ? "" : "text" });
    assertEquals(alone.files[0]?.content, contents[i]);
    assertEquals(alone.attachments[0]?.index, 1);
  }
});

Deno.test("every name of an attachment comes out as it went in", async () => {
  const name = fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 }),
    fc.string({ unit: fc.constantFrom(..."a.\"\\'%*;=()é漢👍 \r\n\t\0/"), minLength: 1 }),
    fc.constantFrom("a.eml", "b.txt", "c.html", "d.tar.gz", "=?utf-8?q?x?=", "utf-8''%41", " "),
  );
  await fc.assert(
    fc.asyncProperty(name, async (name) => {
      const { files } = await roundTrip({ attachments: [source(name, "content")] });
      assertEquals(files.length, 1);
      assertEquals(files[0]?.name, name.toWellFormed());
      assertEquals(files[0]?.content, new TextEncoder().encode("content"));
    }),
    { numRuns: 60 },
  );
});

Deno.test("an attached message is a file, in base64 like every other", async () => {
  const attached = "From: x@y.z\r\n\r\nbare\nline ends\r\n";
  const { files, text } = await roundTrip({ attachments: [source("a.eml", attached)] });
  assertEquals(files[0]?.type, "application/octet-stream");
  assertEquals(new TextDecoder().decode(files[0]?.content), attached);
  assertEquals(text, "some text");
});

Deno.test("there is no Bcc header, and names that are no users' are refused", async () => {
  const wire = await text(await composeMessage(draft({ cc: ["carol"] })));
  assert(!/^bcc/im.test(wire));
  assertMatch(wire, /^To: bob@sealpost\.invalid\r$/m);
  assertMatch(wire, /^Message-ID: <0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee@sealpost\.invalid>\r$/m);
  for (
    const parts of [
      { from: "alice@evil.example" },
      { to: ["bob\r\nBcc: eve"] },
      { cc: ["Bob"] },
      { messageId: "x>\r\nBcc: <y" },
      { inReplyTo: "a b@c" },
      { references: [""] },
    ]
  ) {
    const error = await assertRejects(() => composeMessage(draft(parts)), SealpostError);
    assertEquals(error.code, "format");
  }
});

Deno.test("the same draft streams to the same bytes again", async () => {
  const composed = await composeMessage(draft({ attachments: [source("f", "content")] }));
  assertEquals(await collect(composed.stream()), await collect(composed.stream()));
});

Deno.test("a file that grew, shrank or fails while it is sent is named", async () => {
  const bytes = new Uint8Array(1000);
  for (const size of [999, 1001, 0]) {
    const changing = { ...source("notes\u202e.txt", bytes), size };
    const composed = await composeMessage(draft({ attachments: [changing] }));
    const error = await assertRejects(() => collect(composed.stream()), SealpostError);
    assertEquals(error.code, "file-io");
    assertMatch(error.message, /^notes\\u202e\.txt changed while it was being sent/);
  }
  const gone = { name: "gone", size: 5, open: () => Promise.reject(new Deno.errors.NotFound()) };
  const composed = await composeMessage(draft({ attachments: [gone] }));
  const error = await assertRejects(() => collect(composed.stream()), SealpostError);
  assertEquals(error.code, "file-missing");
});

Deno.test("a reader that stops early closes the file", async () => {
  let closed = false;
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.enqueue(new Uint8Array(65536)),
    cancel: () => {
      closed = true;
    },
  });
  const file = { name: "f", size: 2 ** 40, open: () => Promise.resolve(endless) };
  const composed = await composeMessage(draft({ attachments: [file] }));
  let taken = 0;
  for await (const chunk of composed.stream()) {
    taken += chunk.length;
    if (taken > 1_000_000) break;
  }
  assert(closed);
});

Deno.test("more attachments than a reader takes are refused", async () => {
  const attachments = Array.from({ length: 501 }, (_, i) => source(`${i}`, ""));
  const error = await assertRejects(() => composeMessage(draft({ attachments })), SealpostError);
  assertEquals(error.code, "limit");
  const most = await roundTrip({
    attachments: attachments.slice(1).map((file) => ({ ...file, name: "n".repeat(250) })),
    references: Array.from({ length: 1000 }, (_, i) => `${"r".repeat(180)}${i}@example.org`),
    to: Array.from({ length: 255 }, (_, i) => `${"n".repeat(29)}${i}`),
  });
  assertEquals(most.files.length, 500);
  assertEquals(most.headers.to.length, 255);
  assertEquals(most.headers.references.length, 50);
});
