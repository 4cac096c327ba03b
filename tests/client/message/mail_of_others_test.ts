import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { fromUtf8, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { type Read, read, stream } from "../../support/mime.ts";

// `cases/` holds messages as other programs make them. Each stands for its kind.

const CASES = new URL("cases/", import.meta.url);

/** The case whose file name begins with `number`. */
async function bytesOf(number: string): Promise<Uint8Array<ArrayBuffer>> {
  for await (const { name } of Deno.readDir(CASES)) {
    if (name.startsWith(`${number}-`)) return await Deno.readFile(new URL(name, CASES));
  }
  throw new Error(`no case ${number}`);
}

async function readCase(number: string): Promise<Read> {
  return await read(stream(await bytesOf(number)));
}

/** Lines with CRLF. */
function lines(...all: string[]): string {
  return all.join("\r\n") + "\r\n";
}

/** A multipart of `kind` whose boundary is b, of parts that are headers and bodies. */
function multipart(kind: string, ...parts: string[]): string {
  const head = lines(`Content-Type: multipart/${kind}; boundary=b`, "");
  return head + parts.map((part) => lines("--b", part)).join("") + lines("--b--");
}

Deno.test("HTML is shown in the place of a plain part that is blank", async () => {
  assertEquals((await readCase("01")).text, "only the html part says something");
  const html = "Content-Type: text/html\r\n\r\n<p>html</p>";
  for (const blank of ["", " \t", "\u00a0", "\u200b\ufeff", "\r\n\r\n\r\n"]) {
    const plain = `Content-Type: text/plain; charset=utf-8\r\n\r\n${blank}`;
    assertEquals((await read(multipart("alternative", plain, html))).text, "html");
  }
});

Deno.test("plain text beside HTML in its branch, such as a list's footer, does not take its place", async () => {
  const blank = "Content-Type: text/plain\r\n\r\n ";
  const plain = "Content-Type: text/plain\r\n\r\nplain";
  const html = "Content-Type: text/html\r\n\r\n<p>html</p>";
  const footer = "Content-Type: text/plain\r\n\r\nfooter";
  const mixed = multipart("mixed", html, footer).replaceAll("=b", "=c").replaceAll("--b", "--c");
  assertEquals((await read(multipart("alternative", blank, mixed))).text, "html\nfooter");
  assertEquals((await read(multipart("alternative", plain, mixed))).text, "plain\nfooter");
  assertEquals((await read(multipart("alternative", plain, html))).text, "plain");
});

Deno.test("lines that end with CR alone, and a mark before the header, hide nothing", async () => {
  const message = lines("Subject: Hello", "From: a@b", "", "first", "second");
  for (const text of [message.replaceAll("\r\n", "\r"), "\ufeff" + message]) {
    for (const size of [1, 7, 1000]) {
      const { headers, text: shown, files } = await read(stream(utf8(text), size));
      assertEquals([headers.subject, shown.replaceAll("\r", "\n"), files], [
        "Hello",
        "first\nsecond\n",
        [],
      ]);
    }
  }
  // A line end that comes in two reads is no CR alone.
  const long = `X-Long: ${"x".repeat(4096 - 9)}\r\nSubject: Hello\r\n\r\na\rb\r\n`;
  assertEquals((await read(long)).headers.subject, "Hello");
});

Deno.test("other kinds of text are read like plain text, unless they are for programs", async () => {
  const part = (type: string) => `Content-Type: ${type}\r\n\r\nwords of ${type}`;
  const shown = await read(multipart("mixed", part("text/enriched"), part("text/rfc822-headers")));
  assertEquals(shown.text, "words of text/enriched\nwords of text/rfc822-headers");
  const invitation = await read(multipart("mixed", part("text/plain"), part("text/calendar")));
  assertEquals([invitation.text, invitation.files.length], ["words of text/plain", 1]);
  const amp = multipart("alternative", part("text/plain"), part("text/x-amp-html"));
  assertEquals((await read(amp)).text, "words of text/plain");
});

Deno.test("a header ends at the first line that is no field, and nothing is lost", async () => {
  for (
    const [number, text] of [
      ["03", "first part"],
      ["04", "This part has no header and no blank line.\nSecond line."],
      ["06", "The blank line above has a space in it.\n\nSecond paragraph.\n"],
      ["07", "Just a text without any header.\nSecond line.\n"],
    ] as const
  ) {
    const message = await readCase(number);
    assertEquals([message.text, message.notes, message.files], [text, [], []], number);
  }
});

Deno.test("a multipart without a usable boundary is shown as it came, with a note", async () => {
  const bodies = [
    await readCase("08"),
    ...await Promise.all(
      [
        "; boundary=nowhere",
        ", boundary=b",
        " boundary=b",
        "; charset=x boundary=b",
        ';boundary=""',
      ]
        .map((rest) =>
          read(
            `Content-Type: multipart/mixed${rest}\r\n\r\nThis is the whole text of the message.\r\n`,
          )
        ),
    ),
  ];
  for (const { text, notes } of bodies) {
    assertEquals(text, "This is the whole text of the message.\n");
    assertEquals(notes.length, 1);
    assertStringIncludes(notes[0] ?? "", "nothing separates the parts");
    assertStringIncludes(notes[0] ?? "", "`read --raw`");
  }
  const inner = await read(multipart(
    "mixed",
    "\r\nbefore",
    "Content-Type: multipart/mixed; boundary=nowhere\r\n\r\n--c\r\n\r\nwithin\r\n--c--",
    "\r\nafter",
  ));
  assertEquals(inner.text, "before\n--c\n\nwithin\n--c--\nafter");
  assertEquals(inner.notes.length, 1);
});

Deno.test("format=flowed keeps signatures, and undoes DelSp and stuffing (RFC 3676)", async () => {
  assertEquals((await readCase("10")).text, "See you on Monday. \n-- \nAnn\nPhone 1\n");
  assertEquals((await readCase("11")).text, "abc>def\nFrom here\n");
  const flowed = async (text: string, delSp = "") =>
    (await read(`Content-Type: text/plain; format=flowed${delSp}\r\n\r\n${text}`)).text;
  assertEquals(await flowed("> a \r\n> b\r\n>> c \r\n> d\r\n"), "> a b\n>> c \n> d\n");
  assertEquals(await flowed("> -- \r\n> Ann\r\n"), "> -- \n> Ann\n");
  assertEquals(await flowed("> a \r\nb\r\n"), "> a \nb\n");
  assertEquals(await flowed(">\r\n> a\r\n"), ">\n> a\n");
  assertEquals(await flowed(" > no quote\r\n  two\r\n"), "> no quote\n two\n");
  assertEquals(await flowed("long \r\n word\r\n", "; delsp=yes"), "longword\n");
  assertEquals(await flowed("long \r\n  word\r\n"), "long  word\n");
});

Deno.test("a byte order mark is not shown", async () => {
  assertEquals((await readCase("12")).text, "Hello with a mark\n");
});

Deno.test("text is read in the charset it is in", async () => {
  assertEquals((await readCase("14")).text, "café – “x”");
  assertEquals((await readCase("21")).text, "shown? café\n");
  assertEquals((await readCase("25")).text, "café");
  assertEquals((await readCase("28")).text, "Frösche");
});

Deno.test("what follows the last delimiter is pointed to, and damages no part", async () => {
  const { text, files, notes } = await readCase("17");
  assertEquals(text, "the text");
  assertEquals(files.map(({ content }) => content), [new Uint8Array([0, 1, 2])]);
  assertEquals(notes.length, 1);
  assertStringIncludes(notes[0] ?? "", "follows the last part");
  assertStringIncludes(notes[0] ?? "", "`read --raw`");
  // A delimiter of another multipart is none that only begins so.
  const nested = await read(lines(
    "Content-Type: multipart/mixed; boundary=b",
    "",
    "--b",
    'Content-Type: multipart/mixed; boundary="b--c"',
    "",
    "--b--c",
    "",
    "one",
    "--b--c",
    "",
    "two",
    "--b--c--",
    "--b--",
    " ",
  ));
  assertEquals([nested.text, nested.notes], ["one\ntwo", []]);
});

Deno.test("base64 ends at its padding, and what a list adds is text of its own", async () => {
  const { text, notes } = await readCase("18");
  assertEquals([text, notes], ["The real text!\n\nList footer how to leave\n", []]);
  const attached = await read(multipart(
    "mixed",
    lines(
      "Content-Type: image/png",
      "Content-Transfer-Encoding: base64",
      "",
      "AAEC",
      "",
      "-- ",
      "list",
    ),
  ));
  assertEquals(attached.files[0]?.content, new Uint8Array([0, 1, 2]));
  assertEquals(attached.text.trim(), "-- \nlist");
});

Deno.test("what is plainly not in its encoding is shown as it is, with a note", async () => {
  const { text, notes } = await readCase("19");
  assertEquals(text, "This is plain text that says it is base64, sorry.\n");
  assertStringIncludes(notes[0] ?? "", "`read --raw`");
});

Deno.test("uuencoded data are attachments, alone or within a text", async () => {
  const { files, text } = await readCase("20");
  assertEquals([text, files.length, files[0]?.name], ["t", 1, "hi.txt"]);
  assertEquals(fromUtf8(files[0]?.content ?? utf8("")), "hello");
  const inline = await read(lines(
    "Subject: s",
    "",
    "before",
    "begin 644 hi there.txt",
    "%:&5L;&\\",
    "`",
    "end",
    "between",
    "begin 755 run",
    "#86%A",
    "no data",
    "begin 644 nothing",
    "at all",
  ));
  assertEquals(inline.text, "before\nbetween\nno data\nbegin 644 nothing\nat all\n");
  assertEquals(
    inline.files.map(({ name, type, content }) => [name, type, fromUtf8(content)]),
    [["hi there.txt", "text/plain", "hello"], ["run", "application/octet-stream", "aaa"]],
  );
  const many = await read("\r\n" + "begin 644 a\n#86%A\nend\n".repeat(1100));
  assertEquals(many.files.length, 1000);
  assert(many.text.startsWith("begin 644 a\n#86%A\nend\n"));
});

Deno.test("a field that cannot be read is as if it were not there", async () => {
  for (
    const [header, text] of [
      ["Content-Type: nonsense", "a=41"],
      ["Content-Type: /", "a=41"],
      ["Content-Type: ; charset=utf-8", "a=41"],
      ["Content-Type: text/plain, charset=utf-8", "a=41"],
      ["Content-Type: text/plain; charset", "a=41"],
      ["Content-Type: text/plain;;; =; charset==", "a=41"],
      ["Content-Disposition: ;", "a=41"],
      ["Content-Disposition: (", "a=41"],
      ["Content-Transfer-Encoding: ;", "a=41"],
      ['Content-Transfer-Encoding: "quoted-printable"', "aA"],
      ["Content-Transfer-Encoding: quoted-printable;", "aA"],
      ["Content-Transfer-Encoding: (so) Quoted-Printable (it is)", "aA"],
      ["Date: yesterday\r\nMessage-ID: none\r\nFrom: <>\r\nTo: ,;:@", "a=41"],
    ] as const
  ) {
    assertEquals((await read(`${header}\r\n\r\na=41`)).text, text, header);
  }
  const { text } = await read("Content-Type: text/plain charset=windows-1251\r\n\r\n\xd6");
  assertEquals(text, "Г–");
  const html = await read("Content-Type: text/html charset=utf-8\r\n\r\n<b>é</b>");
  assertEquals(html.text, "é");
  const named = await read("Content-Disposition: attachment filename=a.txt\r\n\r\nx");
  assertEquals(named.files.map(({ name }) => name), ["a.txt"]);
});

Deno.test("a header over the limit is refused with the way to see the message", async () => {
  const error = await assertRejects(() => readCase("23"), SealpostError);
  assertEquals(error.code, "limit");
  assertStringIncludes(error.message, "header");
  assertStringIncludes(error.message, "`read --raw`");
});

Deno.test("an empty part has 0 bytes, however the message is cut", async () => {
  for (const cut of [1, 2, 3, 7, 397, 65536]) {
    const { attachments } = await read(stream(await bytesOf("30"), cut));
    assertEquals(
      attachments.map(({ name, size }) => [name, size]),
      [["empty.lock", 0], ["last.bin", 1]],
    );
  }
});

Deno.test("the messages of a digest are read one after the other", async () => {
  const message = (name: string, ...body: string[]) =>
    lines("", `From: ${name}@example.org`, `Subject: =?utf-8?Q?=C3=9C?= ${name}`, ...body);
  const digest = await read(multipart(
    "digest",
    message("ann", "", "Hello"),
    message(
      "bob",
      "Content-Type: multipart/mixed; boundary=c",
      "",
      "--c",
      "Content-Transfer-Encoding: base64",
      "",
      "SGk=",
      "--c",
      "Content-Disposition: attachment; filename=a.txt",
      "",
      "attached",
      "--c--",
    ),
    "Content-Type: text/plain\r\n\r\nno message",
  ));
  assertEquals(
    digest.text,
    "From: ann@example.org\nSubject: Ü ann\n\nHello\n" +
      "\nFrom: bob@example.org\nSubject: Ü bob\n\nHi\nno message",
  );
  assertEquals(digest.files.map(({ name }) => name), ["a.txt"]);
  const attached = await read(
    multipart("mixed", "Content-Type: message/rfc822\r\n\r\nTo: x\r\n\r\nx"),
  );
  assertEquals(attached.files.map(({ type }) => type), ["message/rfc822"]);
});

Deno.test("no message depends on how it is cut", async () => {
  for await (const { name } of Deno.readDir(CASES)) {
    const bytes = await Deno.readFile(new URL(name, CASES));
    if (name.startsWith("23-")) continue;
    const whole = await read(stream(bytes));
    for (const cut of [1, 2, 3, 5, 64, 100]) {
      assertEquals(await read(stream(bytes, cut)), whole, `${name} in pieces of ${cut}`);
    }
  }
});

Deno.test("no garbage depends on how it is cut", async () => {
  const word = fc.constantFrom(
    ...lines(
      "--b|--b--|--b-->|--bb|--b |-|--|- - |",
      "Content-Type: multipart/mixed; boundary=b",
      'Content-Type: multipart/alternative; boundary="bb"',
      "Content-Type: multipart/digest; boundary=b",
      "Content-Type: multipart/mixed",
      "Content-Type: text/html; charset=utf-16",
      "Content-Type: text/plain; format=flowed; delsp=yes",
      "Content-Transfer-Encoding: base64",
      "Content-Transfer-Encoding: quoted-printable",
      "Content-Transfer-Encoding: x-uuencode",
      "Content-Disposition: attachment; filename=a",
      "From a line|Subject: s|Note: x",
      "begin 644 a|#86%A|end",
    ).split(/\r\n|\|/).map((line) => `${line}\r\n`),
    ..."\r\n|\n|\r| |\t|SGVsbG8=|=|=41|words |é|\0|\ufeff".split("|"),
    "x".repeat(4095),
    "aGVs".repeat(1100),
    "--".repeat(600),
  );
  const pieces = fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 30 }), pieces, async (words, sizes) => {
      const bytes = utf8(words.join(""));
      const cut = async function* () {
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          yield await Promise.resolve(bytes.slice(at, at + size));
          at += size;
        }
      };
      assertEquals(await read(cut()), await read(stream(bytes, 1e6)));
    }),
    { numRuns: 300 },
  );
});
