import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, random } from "../../crypto/bytes.ts";
import {
  der,
  derBitString,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  DerReader,
  derSequence,
  derSmallInteger,
  TAG,
} from "../../crypto/der.ts";
import { accepts, assertRefused, hex } from "../support/testing.ts";

const read = (text: string) => new DerReader(hex(text));

Deno.test("elements are written in the shortest form (ITU-T X.690)", () => {
  assertEquals(derNull(), hex("0500"));
  assertEquals(derSmallInteger(0), hex("020100"));
  assertEquals(derSmallInteger(127), hex("02017f"));
  assertEquals(derSmallInteger(128), hex("02020080"));
  assertEquals(derSmallInteger(65537), hex("0203010001"));
  assertEquals(derInteger(hex("00000080")), hex("02020080"));
  assertEquals(derInteger(new Uint8Array(0)), hex("020100"));
  assertEquals(derInteger(new Uint8Array(3)), hex("020100"));
  assertEquals(derOid("1.2.840.113549.1.1.1"), hex("06092a864886f70d010101"));
  assertEquals(derOid("2.16.840.1.101.3.4.4.2"), hex("0609608648016503040402"));
  assertEquals(derOid("2.999.1"), hex("0603883701"));
  assertEquals(derBitString(hex("ff")), hex("030200ff"));
  assertEquals(derSequence(derNull(), derOctetString(hex("01"))), hex("30050500040101"));
});

Deno.test("lengths are in the shortest form at every boundary, and come back", () => {
  for (const n of [0, 1, 127, 128, 255, 256, 65535, 65536, 16_777_216]) {
    const contents = new Uint8Array(n);
    const element = derOctetString(contents);
    const head = n < 128 ? 2 : n < 256 ? 3 : n < 65536 ? 4 : n < 16_777_216 ? 5 : 6;
    assertEquals(element.length, n + head);
    const reader = new DerReader(element);
    assertEquals(reader.octetString().length, n);
    reader.end();
  }
});

Deno.test("integers and object identifiers come back", () => {
  fc.assert(fc.property(fc.nat(2 ** 32 - 1), (n) => {
    assertEquals(new DerReader(derSmallInteger(n)).smallInteger(), n);
  }));
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
    const first = bytes.findIndex((byte) => byte !== 0);
    const shortest = first < 0 ? [0] : [...bytes.subarray(first)];
    assertEquals([...new DerReader(derInteger(bytes)).integer()], shortest);
  }));
  const arcs = fc.array(fc.nat(2 ** 32 - 1), { maxLength: 8 });
  fc.assert(fc.property(fc.nat(2), fc.nat(39), arcs, (a, b, rest) => {
    const dotted = [a, b, ...rest].join(".");
    assertEquals(new DerReader(derOid(dotted)).oid(), dotted);
  }));
});

Deno.test("DerReader refuses whatever is not DER", () => {
  const bad: [string, (r: DerReader) => unknown][] = [
    ["", (r) => r.integer()],
    ["02", (r) => r.integer()],
    ["0201", (r) => r.integer()],
    ["0200", (r) => r.integer()],
    ["0201ff", (r) => r.integer()],
    ["02020001", (r) => r.integer()],
    ["0202007f", (r) => r.integer()],
    ["0205 0100000000", (r) => r.smallInteger()],
    ["0281 0101", (r) => r.integer()],
    ["3080 0000", (r) => r.sequence()],
    ["0482 000101", (r) => r.octetString()],
    ["0485 0000000001 01", (r) => r.octetString()],
    ["0484 ffffffff 01", (r) => r.octetString()],
    ["04ff", (r) => r.octetString()],
    ["0501 00", (r) => r.null()],
    ["0300", (r) => r.bitString()],
    ["0302 04f0", (r) => r.bitString()],
    ["0600", (r) => r.oid()],
    ["0601 80", (r) => r.oid()],
    ["0602 2a86", (r) => r.oid()],
    ["0603 2a8001", (r) => r.oid()],
    ["0607 2a 90ffffffff7f", (r) => r.oid()],
    ["0500", (r) => r.integer()],
    ["0500", (r) => r.end()],
  ];
  for (const [text, use] of bad) assertRefused("key-format", () => use(read(text)));
  assertRefused("key-format", () => DerReader.sequence(hex("300005")));
  assertRefused("key-format", () => DerReader.sequence(hex("3001")));
});

Deno.test("DerReader stays within its element", () => {
  const inner = read("3003 020105 020106").sequence();
  assertEquals(inner.tag, TAG.integer);
  assertEquals(inner.smallInteger(), 5);
  assertEquals(inner.tag, null);
  assertRefused("key-format", () => inner.smallInteger());
  // The inner length goes past the outer one, though not past the bytes.
  const over = read("3003 040501 0101010101").sequence();
  assertRefused("key-format", () => over.octetString());
});

/** Reads everything, whatever it is, and writes it again. */
function again(reader: DerReader): Bytes {
  const out: Bytes[] = [];
  for (let tag = reader.tag; tag !== null; tag = reader.tag) {
    const contents = reader.contents(tag);
    out.push(der(tag, tag === TAG.sequence ? again(new DerReader(contents)) : contents));
  }
  return concat(...out);
}

Deno.test("what DerReader accepts is the only form of it, and it throws nothing else", () => {
  const byte = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 0x30, 0x80, 0x81, 0x82), fc.nat(255));
  const bytes = fc.array(byte, { maxLength: 40 }).map((b) => new Uint8Array(b));
  fc.assert(fc.property(bytes, (b) => {
    if (!accepts("key-format", () => again(new DerReader(b)))) return;
    assertEquals(again(new DerReader(b)), b);
  }));
  const nested = derSequence(derSequence(derOid("1.2.3"), derNull()), derBitString(random(300)));
  assertEquals(again(new DerReader(nested)), nested);
});
