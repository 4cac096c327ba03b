import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Bytes } from "../../../crypto/bytes.ts";
import { concat, fromUtf8, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { PARSE_LIMITS, parseMessage } from "../../../client/message/parse.ts";
import { read, stream } from "../mail.ts";

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
    subject: "Grüße and more",
    date: new Date("2026-11-22T13:00:00Z"),
    messageId: "abc.def@mail.example.org",
    inReplyTo: "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
    references: ["one@x", "two@y", "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"],
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

Deno.test("text in other charsets is read, and an unknown one is taken for UTF-8", async () => {
  const inCharset = async (charset: string, bytes: number[]) => {
    const head = utf8(`Content-Type: text/plain; charset=${charset}\r\n\r\n`);
    return (await read(stream(concat(head, new Uint8Array(bytes))))).text;
  };
  assertEquals(await inCharset("windows-1252", [0x80, 0xe9]), "€é");
  assertEquals(await inCharset('"Shift_JIS"', [0x8a, 0xbf, 0x8e, 0x9a]), "漢字");
  assertEquals(await inCharset("utf-16le", [0x22, 0x6f]), "漢");
  assertEquals(await inCharset("UTF-8", [0xc3, 0xa9]), "é");
  assertEquals(await inCharset("no-such", [0xc3, 0xa9]), "é");
  assertEquals(await inCharset("utf-8", [0xff, 0x61]), "\ufffda");
  // UTF-7 hides text from filters; no browser reads it either.
  assertEquals(await inCharset("utf-7", [...utf8("+ADw-")]), "+ADw-");
});

Deno.test("format=flowed is unfolded", async () => {
  const message = await read(
    lines("Content-Type: text/plain; format=flowed", "", "one ", "two", "3"),
  );
  assertEquals(message.text, "one two\n3");
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
  assertEquals(message.files[1]?.type, "application/octet-stream");
});

Deno.test("broken messages are read as well as they can be", async () => {
  for (
    const [message, text] of [
      ["", ""],
      ["\r\n", ""],
      ["no header\r\nat all\r\n", ""],
      ["\r\nonly a body", "only a body"],
      ["Subject: cut", ""],
      ["Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nnever closed", "never closed"],
      ["Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n", ""],
      ["Content-Transfer-Encoding: base64\r\n\r\n!!!", ""],
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
      ["a line that never ends", "x".repeat(200_000)],
      ["parts", multipart + part.repeat(1100)],
      ["depth", nested(40) + "\r\nx"],
      ["headers together", multipart + `--b\r\nX: ${"y".repeat(50_000)}\r\n\r\n`.repeat(30)],
    ] as const
  ) {
    const error = await assertRejects(() => read(message), SealpostError, undefined, what);
    assertEquals(error.code, "limit", what);
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
