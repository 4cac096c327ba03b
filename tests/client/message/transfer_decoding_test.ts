import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, fromUtf8, toBase64, utf8 } from "../../../crypto/bytes.ts";
import { Base64Lines, base64LinesSize } from "../../../client/message/base64_lines.ts";
import { transferDecoder } from "../../../client/message/transfer_decoding.ts";

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
  assertEquals(read(" a G V s b G 8 "), "hello");
  assertEquals(read("aGVsbG8"), "hello");
  assertEquals(read("aGVsbG8=aGVsbG8="), "hellohello");
  assertEquals(read("aGVsbG8-!\0é"), "hello");
  assertEquals(read("===="), "");
  assertEquals(read("a"), "");
});

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

Deno.test("other encodings are no encoding", () => {
  for (const encoding of ["", "7bit", "8bit", "binary", "x-unknown"]) {
    assertEquals(decode(encoding, utf8("a=41 \r\n")), utf8("a=41 \r\n"));
  }
});
