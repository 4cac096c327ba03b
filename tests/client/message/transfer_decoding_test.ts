import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, fromUtf8, toBase64, utf8 } from "../../../crypto/bytes.ts";
import { Base64Lines, base64LinesSize } from "../../../client/message/base64_lines.ts";
import { MAX_REST, transferDecoder } from "../../../client/message/transfer_decoding.ts";

/** `data` cut into pieces of `cut` bytes. */
function pieces(data: Uint8Array<ArrayBuffer>, cut: number): Uint8Array<ArrayBuffer>[] {
  const out: Uint8Array<ArrayBuffer>[] = [];
  for (let i = 0; i < data.length; i += cut) out.push(data.slice(i, i + cut));
  return out;
}

function encode(data: Uint8Array<ArrayBuffer>, cut: number): Uint8Array<ArrayBuffer> {
  const encoder = new Base64Lines();
  return concat(...pieces(data, cut).map((piece) => encoder.update(piece)), encoder.finish());
}

function decode(encoding: string, data: Uint8Array<ArrayBuffer>, cut = 7): Uint8Array<ArrayBuffer> {
  const decoder = transferDecoder(encoding);
  return concat(...pieces(data, cut).map((piece) => decoder.update(piece)), decoder.finish());
}

function unquote(text: string, cut = 7): string {
  return fromUtf8(decode("quoted-printable", utf8(text), cut));
}

Deno.test("base64 has lines of 76 characters, and its size is known beforehand", () => {
  for (const size of [0, 1, 2, 3, 56, 57, 58, 113, 114, 115, 171, 65535, 65536, 65537, 100_000]) {
    const data = new Uint8Array(size).map((_, i) => i * 7);
    for (const cut of [1, 57, 64, 65536]) {
      if (cut === 1 && size > 1000) continue;
      const text = fromUtf8(encode(data, cut));
      assertEquals(text.length, base64LinesSize(size), `${size} in pieces of ${cut}`);
      assertEquals(text, toBase64(data).match(/.{1,76}/g)?.join("\r\n") ?? "");
    }
  }
});

Deno.test("base64 comes back however it is cut", () => {
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 400 }),
    fc.integer({ min: 1, max: 100 }),
    fc.integer({ min: 1, max: 100 }),
    (bytes, in1, in2) => {
      const data = new Uint8Array(bytes);
      assertEquals(decode("base64", encode(data, in1), in2), data);
    },
  ));
});

Deno.test("base64 that others wrote badly is read as far as it goes", () => {
  const read = (text: string) => fromUtf8(decode("base64", utf8(text)));
  assertEquals(read("aGVs\nbG8="), "hello");
  assertEquals(read(" aGVs \r\n\tbG8= \r\n"), "hello");
  assertEquals(read("aGVsbG8"), "hello");
  assertEquals(read("aGVsbG8=aGVsbG8="), "hellohello");
  assertEquals(read("aGVsbG8=\naGVsbG8=\n"), "hellohello");
  assertEquals(read("QUJDREVGR0hJSktM!QUJDREVGR0hJSktM"), "ABCDEFGHIJKLABCDEFGHIJKL");
  assertEquals(read("===="), "");
  assertEquals(read(""), "");
  assertEquals(read("QUJD".repeat(5000)), "ABC".repeat(5000));
});

Deno.test("base64 ends at its padding or where words begin, and what follows is kept", () => {
  for (
    const [encoded, content, behind] of [
      ["aGVsbG8=\r\nList footer how to leave\r\n", "hello", "List footer how to leave\r\n"],
      ["aGVsbG8=\n____\nunsubscribe\n", "hello", "____\nunsubscribe\n"],
      ["aGVsbG8h\n-- \nAnn\n", "hello!", "-- \nAnn\n"],
      ["aGVsbG8=\nNews\n", "hello", "News\n"],
    ] as const
  ) {
    for (const cut of [1, 7, 100]) {
      const decoder = transferDecoder("base64");
      const parts = pieces(utf8(encoded), cut).map((piece) => decoder.update(piece));
      assertEquals(fromUtf8(concat(...parts, decoder.finish())), content, encoded);
      assertEquals(fromUtf8(decoder.rest), behind);
      assert(!decoder.mislabelled);
    }
  }
  const decoder = transferDecoder("base64");
  decoder.update(utf8("aGVsbG8=\n" + "many words\n".repeat(100_000)));
  assertEquals(decoder.rest.length, MAX_REST);
});

Deno.test("what is plainly not in the encoding that it names is passed on as it is", () => {
  for (
    const [encoding, text] of [
      ["base64", "This is plain text that says it is base64, sorry.\r\n"],
      ["base64", "\r\nHello\r\nthis is not base64 either.\r\n"],
      ["base64", "Hello"],
      ["base64", "Schöne Grüße"],
      ["x-uuencode", "no line that begins anything\n"],
      ["x-unheard-of", "a=41 \r\n"],
    ] as const
  ) {
    for (const cut of [1, 7, 100]) {
      const decoder = transferDecoder(encoding);
      const parts = pieces(utf8(text), cut).map((piece) => decoder.update(piece));
      assertEquals(fromUtf8(concat(...parts, decoder.finish())), text);
      assert(decoder.mislabelled, text);
    }
  }
});

Deno.test("uuencoded data are read up to their end", () => {
  const data = new Uint8Array(1000).map((_, i) => i * 7);
  const encoded = utf8(`begin 644 a file.bin\n${uuencode(data)}\`\nend\nand more\n`);
  for (const encoding of ["x-uuencode", "uuencode", "x-uue"]) {
    for (const cut of [1, 50, 10_000]) assertEquals(decode(encoding, encoded, cut), data);
  }
  const decoder = transferDecoder("x-uuencode");
  decoder.update(encoded);
  assertEquals(fromUtf8(decoder.rest), "and more\n");
});

Deno.test("uuencoded lines may lack spaces at their end, but not most of what they stand for", () => {
  const read = (lines: string) => decode("x-uuencode", utf8(`begin 644 a\n${lines}\nend\n`));
  assertEquals(read("#80  "), new Uint8Array([0x61, 0, 0]));
  assertEquals(read("#80"), new Uint8Array([0x61, 0, 0]));
  assertEquals(read("M\nM"), new Uint8Array(0));
});

/** Lines of uuencoded data, as the utility of that name writes them. */
function uuencode(data: Uint8Array): string {
  const character = (six: number) => String.fromCharCode(six === 0 ? 0x60 : six + 0x20);
  let out = "";
  for (let at = 0; at < data.length; at += 45) {
    const line = data.subarray(at, at + 45);
    out += character(line.length);
    for (let i = 0; i < line.length; i += 3) {
      const bits = ((line[i] ?? 0) << 16) | ((line[i + 1] ?? 0) << 8) | (line[i + 2] ?? 0);
      for (const shift of [18, 12, 6, 0]) out += character((bits >>> shift) & 63);
    }
    out += "\n";
  }
  return out;
}

Deno.test("quoted-printable is read with its soft breaks and trailing white space", () => {
  for (const cut of [1, 2, 3, 100]) {
    assertEquals(unquote("caf=C3=A9=\r\n ol=c3=a9  \r\nend", cut), "café olé\r\nend");
    assertEquals(unquote("a =\r\n b\t\n=20\n", cut), "a  b\n \n");
    assertEquals(unquote("a= \t\r\nb", cut), "ab");
    assertEquals(unquote("1+1=2, =zz =4", cut), "1+1=2, =zz =4");
    assertEquals(unquote("end=", cut), "end");
    assertEquals(unquote("end \t", cut), "end");
  }
});

Deno.test("quoted-printable in one piece or many is the same", () => {
  const text = fc.string({ unit: fc.constantFrom(..."=4aFx \t\r\n.") });
  fc.assert(fc.property(text, fc.integer({ min: 1, max: 9 }), (quoted, cut) => {
    const bytes = utf8(quoted);
    const whole = decode("quoted-printable", bytes, bytes.length + 1);
    assertEquals(decode("quoted-printable", bytes, cut), whole);
  }));
});

Deno.test("encodings that are none change nothing", () => {
  for (const encoding of ["", "7bit", "8bit", "binary"]) {
    assertEquals(decode(encoding, utf8("a=41 \r\n")), utf8("a=41 \r\n"));
    assert(!transferDecoder(encoding).mislabelled);
  }
});

Deno.test("no encoding depends on how its input is cut, whatever that is", () => {
  const word = fc.constantFrom(
    ..."aGVs|bG8=|QUJD|=|==|\r\n|\n|\r| |\t|begin 644 x\n|end\n|`\n|#86%A\n|%:&5L;&\\\n|=4|=41|=zz"
      .split("|"),
    ..."some words, and more|é|\0|________|News".split("|"),
    "QUJD".repeat(300),
  );
  const encoding = fc.constantFrom("base64", "quoted-printable", "x-uuencode", "8bit");
  const text = fc.array(word, { maxLength: 30 }).map((words) => words.join(""));
  fc.assert(fc.property(encoding, text, fc.integer({ min: 1, max: 40 }), (name, input, cut) => {
    const read = (size: number) => {
      const decoder = transferDecoder(name);
      const parts = pieces(utf8(input), size).map((piece) => decoder.update(piece));
      const content = concat(...parts, decoder.finish());
      return { content, rest: decoder.rest, mislabelled: decoder.mislabelled };
    };
    assertEquals(read(cut), read(1e6));
  }));
});
