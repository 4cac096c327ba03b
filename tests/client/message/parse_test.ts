import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import type { Bytes } from "../../../crypto/bytes.ts";
import { concat, fromUtf8, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { PARSE_LIMITS, parseMessage } from "../../../client/message/parse.ts";
import { type Read, read, stream } from "../../support/mime.ts";

/** Lines with CRLF. */
function lines(...all: string[]): string {
  return all.join("\r\n") + "\r\n";
}

/** `unit` over and over, about `size` bytes of it, after `head`. */
async function* endless(head: string, unit: string, size: number): AsyncGenerator<Bytes> {
  yield await Promise.resolve(utf8(head));
  const chunk = utf8(unit.repeat(Math.ceil(65536 / unit.length)));
  for (let sent = 0; sent < size; sent += chunk.length) yield chunk.slice();
}

const FOREIGN = lines(
  "Received: by somewhere",
  'From: "Doe, Jane" <jane@example.org>',
  "To: Alice <alice@sealpost.invalid>, undisclosed:;, Bob Smith",
  "Cc: =?utf-8?Q?J=C3=BCrgen?= <J@EXAMPLE.org>, carol@SEALPOST.invalid",
  "Subject: =?iso-8859-1?Q?Gr=FC=DFe?=",
  " and more",
  "Date: Sun, 22 Nov 2026 14:00:00 +0100 (CET)",
  "Message-ID: <abc.def@mail.example.org>",
  "In-Reply-To: <0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee@sealpost.invalid> (comment)",
  "References: <one@x> <two@y>",
  " <0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee@sealpost.invalid>",
  "MIME-Version: 1.0",
  'Content-Type: multipart/mixed; boundary="outer"',
  "",
  "a preamble",
  "--outer",
  'Content-Type: multipart/alternative; boundary="inner"',
  "",
  "--inner",
  "Content-Type: text/plain; charset=iso-8859-1",
  "Content-Transfer-Encoding: quoted-printable",
  "",
  "Caf=E9 =",
  "ol=E9",
  "--inner",
  "Content-Type: text/html; charset=utf-8",
  "",
  "<p>Café <b>olé</b></p>",
  "--inner--",
  "--outer",
  'Content-Type: image/png; name="p.png"',
  "Content-Transfer-Encoding: base64",
  "Content-Disposition: inline",
  "",
  "iVBORw==",
  "--outer",
  "Content-Type: message/rfc822",
  "",
  "From: nested@example.org",
  "Content-Type: multipart/mixed; boundary=deep",
  "",
  "--deep",
  "",
  "nested text",
  "--deep--",
  "--outer--",
  "an epilogue",
);

Deno.test("a message of another mail program is understood", async () => {
  const message = await read(FOREIGN);
  assertEquals(message.headers, {
    from: "jane@example.org",
    to: ["alice"],
    cc: ["J@EXAMPLE.org", "carol"],
    bcc: [],
    subject: "Grüße and more",
    date: new Date("2026-11-22T13:00:00Z"),
    messageId: "abc.def@mail.example.org",
    inReplyTo: "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
    references: ["one@x", "two@y", "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"],
    draft: "",
    sender: '"Doe, Jane" <jane@example.org>',
    replyTo: "",
    type: "multipart/mixed",
  });
  assertEquals(message.text, "Café olé");
  assertEquals(message.html, "<p>Café <b>olé</b></p>");
  assertEquals(
    message.files.map(({ name, type, index }) => ({ name, type, index })),
    [
      { name: "p.png", type: "image/png", index: 1 },
      { name: "attachment-2.eml", type: "message/rfc822", index: 2 },
    ],
  );
  assertEquals(message.files[0]?.content, new Uint8Array([0x89, 0x50, 0x4e, 0x47]));
  assert(fromUtf8(message.files[1]?.content ?? utf8("")).endsWith("nested text\r\n--deep--"));
  assert(!message.truncated);
});

Deno.test("a message cut into single bytes is the same message", async () => {
  assertEquals(await read(stream(FOREIGN, 1)), await read(FOREIGN));
});

Deno.test("LF alone ends lines too", async () => {
  const message = await read(FOREIGN.replaceAll("\r\n", "\n"));
  assertEquals(message.headers, (await read(FOREIGN)).headers);
  assertEquals(message.text, "Café olé");
});

Deno.test("HTML becomes text where no text stands beside it", async () => {
  const part = (type: string, content: string) =>
    lines("--b", `Content-Type: text/${type}`, "", content);
  const multipart = (kind: string, ...parts: string[]) =>
    lines(`Content-Type: multipart/${kind}; boundary=b`, "") + parts.join("") + lines("--b--");
  const html = part("html", "<p>one</p><p>two</p>");
  const plain = part("plain", "plain");
  assertEquals((await read(multipart("mixed", html, plain))).text, "one\n\ntwo\nplain");
  assertEquals((await read(multipart("alternative", html))).text, "one\n\ntwo");
  assertEquals((await read(multipart("alternative", plain, html))).text, "plain");
  assertEquals((await read(multipart("mixed", plain, plain))).html, null);
  assertEquals(
    (await read(lines("Content-Type: text/html", "", "<i>x</i>"))).html,
    "<i>x</i>\n",
  );
});

Deno.test("text in other charsets is read", async () => {
  for (
    const [charset, bytes, expected] of [
      ["windows-1252", [0x80, 0xe9], "€é"],
      ['"Shift_JIS"', [0x8a, 0xbf, 0x8e, 0x9a], "漢字"],
      ["utf-16le", [0x22, 0x6f], "漢"],
      ["utf-16", [0x6f, 0x22, 0, 0x61, 0, 0x0a], "漢a\n"],
      ["UTF-8", [0xc3, 0xa9], "é"],
      // Names that the Encoding Standard does not have.
      ["latin-1", [0xe9], "é"],
      ["latin-9", [0xa4], "€"],
      ["ISO_8859-15", [0xa4], "€"],
      ["cp850", [0x82, 0x84], "éä"],
      ["cp-437", [0x82], "é"],
      ["utf-32le", [0x22, 0x6f, 0, 0], "漢"],
      ["utf-32be", [0, 0, 0x6f, 0x22], "漢"],
      ["iso-2022-kr", [...utf8("\x1b$)Ca \x0eGQ1[\x0f b\n")], "a 한글 b\n"],
      ["iso-2022-cn", [...utf8("\x1b$)A\x0e::WV\x0f!")], "汉字!"],
      ["hz-gb-2312", [...utf8("a~~ ~{::WV~} b~\n")], "a~ 汉字 b"],
      ["iso-2022-jp-2", [...utf8("\x1b$B4A;z\x1b(B")], "漢字"],
      ["unicode-1-1-utf-7", [...utf8("Fr+APY-sche 1 +- 1 +2D3cTQ +AGE")], "Frösche 1 + 1 👍 a"],
      // No charset, or one that the text is not in.
      ["us-ascii", [0xc3, 0xa9], "é"],
      ["us-ascii", [0x93, 0xe9, 0x94], "“é”"],
      ["", [0xc3, 0xa9], "é"],
      ["", [0xe9], "é"],
      // A mark says what a text is.
      ["iso-8859-1", [0xef, 0xbb, 0xbf, 0xc3, 0xa9], "é"],
      ["utf-16", [0xfe, 0xff, 0x6f, 0x22], "漢"],
      ["utf-16", [0xff, 0xfe, 0x22, 0x6f], "漢"],
      ["utf-8", [0xff, 0xfe, 0x22, 0x6f], "漢"],
      ["utf-32", [0, 0, 0xfe, 0xff, 0, 0, 0x6f, 0x22], "漢"],
    ] as const
  ) {
    const { text, notes } = await inCharset("plain", charset, new Uint8Array(bytes));
    assertEquals([text, notes], [expected, []], charset);
  }
});

Deno.test("text that is not in its charset, or in none that is known, is shown with a note", async () => {
  for (
    const [charset, bytes, expected] of [
      ["utf-8", [0xff, 0x61], "\ufffda"],
      ["no-such", [0xc3, 0xa9], "é"],
      ["no-such", [0xe9], "é"],
      ["base64", [0xe9], "é"],
      ["hex", [0xe9], "é"],
    ] as const
  ) {
    const { text, notes } = await inCharset("plain", charset, new Uint8Array(bytes));
    assertEquals(text, expected, charset);
    assertEquals(notes.length, 1, charset);
    assertStringIncludes(notes[0] ?? "", "`read --raw`");
  }
  assertEquals((await inCharset("plain", "no-such", utf8("plain"))).notes, []);
});

Deno.test("HTML says its charset itself where the header does not, and is never in UTF-7", async () => {
  const meta = (charset: string) => `<meta content="text/html; charset=${charset}">`;
  const html = async (charset: string, head: string, ...bytes: number[]) =>
    (await inCharset("html", charset, concat(utf8(head), new Uint8Array(bytes)))).text;
  assertEquals(await html("", meta("iso-8859-2"), 0xb1), "ą");
  assertEquals(await html("us-ascii", "<META CHARSET='koi8-r' />", 0xc1), "а");
  assertEquals(await html("iso-8859-1", meta("iso-8859-2"), 0xb1), "±");
  assertEquals(await html("", meta("utf-16"), 0xc3, 0xa9), "é");
  assertEquals(await html("", "", 0xe9), "é");
  assertEquals(await html("utf-7", "+ADw-b+AD4-"), "+ADw-b+AD4-");
  assertEquals(await html("", meta("utf-7") + "+ADw-b+AD4-"), "+ADw-b+AD4-");
});

function inCharset(kind: string, charset: string, bytes: Bytes): Promise<Read> {
  const parameter = charset === "" ? "" : `; charset=${charset}`;
  return read(stream(concat(utf8(`Content-Type: text/${kind}${parameter}\r\n\r\n`), bytes)));
}

Deno.test("format=flowed is unfolded", async () => {
  const message = await read(
    lines("Content-Type: text/plain; format=flowed", "", "one ", "two", "3"),
  );
  assertEquals(message.text, "one two\n3\n");
});

Deno.test("text with a name or a disposition is an attachment", async () => {
  for (
    const header of [
      "Content-Type: text/plain; name=notes.txt",
      "Content-Disposition: inline; filename=notes.txt",
      "Content-Disposition: attachment; filename=notes.txt",
      "Content-Disposition: unheard-of; filename=notes.txt",
    ]
  ) {
    const message = await read(lines(header, "", "content"));
    assertEquals([message.text, message.files[0]?.name], ["", "notes.txt"], header);
    assertEquals(fromUtf8(message.files[0]?.content ?? utf8("")), "content\r\n");
  }
});

Deno.test("hostile names and types are handed on as data, types only if they are types", async () => {
  const message = await read(lines(
    "Content-Type: multipart/mixed; boundary=b",
    "",
    "--b",
    'Content-Disposition: attachment; filename="../../etc/passwd"',
    "",
    "x",
    "--b",
    "Content-Type: x\u0007/<script>; name*=utf-8''%00%0d%0aBcc",
    "",
    "x",
    "--b--",
  ));
  assertEquals(message.files.map(({ name }) => name), ["../../etc/passwd", "\0\r\nBcc"]);
  assertEquals(message.files[1]?.type, "text/plain");
});

Deno.test("broken messages are read as well as they can be", async () => {
  for (
    const [message, text] of [
      ["", ""],
      ["\r\n", ""],
      ["no header\r\nat all\r\n", "no header\nat all\n"],
      ["Note: no header\r\nat all\r\n", "Note: no header\nat all\n"],
      ["From here\r\n\r\nto there\r\n", "From here\n\nto there\n"],
      ["From a Mon Jan 1\r\nSubject: s\r\n\r\nx", "x"],
      ["Subject: s\r\nnot a field\r\nTo: x\r\n", "not a field\nTo: x\n"],
      ["Subject: s\r\n \t\r\nbody\r\n", "body\n"],
      ["Subject: s\n folded\n\nbody\n", "body\n"],
      [" no header\r\n", " no header\n"],
      [`${"x".repeat(70_000)}\r\ny`, `${"x".repeat(70_000)}\ny`],
      ["\r\nonly a body", "only a body"],
      ["Subject: cut", ""],
      ["Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nnever closed", "never closed"],
      ["Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n", ""],
      ["Content-Transfer-Encoding: base64\r\n\r\n!!!", "!!!"],
      ["Content-Type: text/plain; charset\r\n\r\nx", "x"],
    ] as const
  ) {
    assertEquals((await read(message)).text, text, JSON.stringify(message));
  }
});

Deno.test("garbage never throws anything but a SealpostError", async () => {
  const word = fc.constantFrom(
    ..."--b\r\n|--b--\r\n|\r\n\r\n|Content-Type: multipart/mixed; boundary=b\r\n".split("|"),
    "Content-Type: text/html; charset=utf-16\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "Content-Disposition: attachment; filename*0*=x''%;filename*1=\"\r\n",
    "To: <<a@b>, (((, :;@\r\n",
    "Date: \0\r\n",
    "=?utf-8?B?//?=",
    "=",
    "<p",
    "&#x110000;",
    "é",
    "\0",
    " ",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 40 }), fc.integer({ min: 1, max: 50 }), async (
      words,
      cut,
    ) => {
      try {
        await read(stream(words.join(""), cut));
      } catch (error) {
        assert(error instanceof SealpostError, String(error));
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("a message beyond the limits is refused", async () => {
  const part = "--b\r\n\r\nx\r\n";
  const multipart = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  const nested = (depth: number) =>
    Array.from(
      { length: depth },
      (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
    ).join("");
  assertEquals((await read(multipart + part.repeat(900))).text.length, 1800);
  assertEquals((await read(nested(31) + "\r\nx")).text, "x");
  for (
    const [what, message] of [
      ["one header line", `Subject: ${"x".repeat(70_000)}\r\n\r\n`],
      ["a header that never ends", "a: b\r\n".repeat(20_000)],
      ["a field that never ends", `a:${"x".repeat(200_000)}`],
      ["a field that goes on", `a: b\r\n${" c\r\n".repeat(50_000)}`],
      ["parts", multipart + part.repeat(1100)],
      ["depth", nested(40) + "\r\nx"],
      ["headers together", multipart + `--b\r\nX: ${"y".repeat(50_000)}\r\n\r\n`.repeat(30)],
    ] as const
  ) {
    const error = await assertRejects(() => read(message), SealpostError, undefined, what);
    assertEquals(error.code, "limit", what);
    assertStringIncludes(error.message, "`read --raw`");
  }
});

Deno.test("text over the limit is cut, and its rest passed over", async () => {
  const limits = { ...PARSE_LIMITS, text: 10 };
  const parse = (message: string) =>
    parseMessage(stream(message), { attachment: () => Promise.resolve() }, limits);
  const cut = await parse("\r\n0123456789ab");
  assertEquals([cut.text, cut.truncated], ["0123456789", true]);
  const whole = await parse("\r\n0123456789");
  assertEquals([whole.text, whole.truncated], ["0123456789", false]);
  const several = await parse(lines(
    "Content-Type: multipart/mixed; boundary=b",
    "",
    "--b",
    "",
    "0123456",
    "--b",
    "",
    "abcdef",
    "--b",
    "Content-Type: application/x",
    "",
    "file",
    "--b--",
  ));
  assertEquals([several.text, several.truncated], ["0123456\nabc", true]);
  assertEquals(several.attachments[0]?.size, 4);
});

Deno.test("a text that goes on and on costs no memory", async () => {
  const message = await read(endless("Subject: s\r\n\r\n", "all work and no play\r\n", 20e6));
  assertEquals(message.headers.subject, "s");
  assert(message.truncated);
  assert(message.text.length <= PARSE_LIMITS.text);
  const head = "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
  assert((await read(endless(head, " ", 5e6))).truncated);
  assert((await read(endless("Content-Type: text/html\r\n\r\n", "<b>", 6e6))).truncated);
});

Deno.test("content that the handler leaves is passed over and still counted", async () => {
  const message = lines(
    "Content-Type: multipart/mixed; boundary=b",
    "",
    "--b",
    "Content-Type: application/x",
    "Content-Transfer-Encoding: base64",
    "",
    ...Array.from({ length: 3000 }, () => "QUJD".repeat(19)),
    "--b",
    "",
    "after",
    "--b--",
  );
  for (const take of [0, 1, Infinity]) {
    const parsed = await parseMessage(stream(message, 1000), {
      async attachment(_part, content) {
        let taken = 0;
        if (take === 0) return;
        for await (const _ of content) {
          if (++taken >= take) break;
        }
      },
    });
    assertEquals(parsed.attachments[0]?.size, 3000 * 57);
    assertEquals(parsed.text, "after");
  }
});

Deno.test("what the source or the handler throws is what the caller gets", async () => {
  const attachment = lines("Content-Type: application/x", "", "content");
  const own = new SealpostError("disk-full", "no room");
  const failing = await assertRejects(() =>
    parseMessage(stream(attachment), { attachment: () => Promise.reject(own) })
  );
  assertEquals(failing, own);
  const lost = new SealpostError("connection-lost", "gone");
  const broken = async function* () {
    yield await Promise.resolve(utf8(attachment));
    throw lost;
  };
  assertEquals(await assertRejects(() => read(broken())), lost);
  const odd = await assertRejects(
    () => parseMessage(stream(attachment), { attachment: () => Promise.reject(new Error("?")) }),
    SealpostError,
  );
  assertEquals(odd.code, "format");
});
