import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  concat,
  equal,
  free,
  fromBase64,
  fromHex,
  fromUtf8,
  isZero,
  lp,
  passing,
  random,
  readU16,
  readU32,
  readU64,
  toBase64,
  toHex,
  u16,
  u32,
  u64,
  utf8,
  wipe,
} from "../../crypto/bytes.ts";
import { accepts, assertRefused, hex } from "../support/testing.ts";

Deno.test("integers are big-endian and come back", () => {
  assertEquals(concat(u16(0x0102), u32(0x03040506)), hex("010203040506"));
  assertEquals(u64(0x1234567890abc), hex("0001234567890abc"));
  for (const n of [0, 1, 255, 65535, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    assertEquals(readU64(u64(n), 0), n);
    if (n < 2 ** 32) assertEquals(readU32(u32(n), 0), n);
    if (n < 2 ** 16) assertEquals(readU16(u16(n), 0), n);
  }
});

Deno.test("integers out of range are refused", () => {
  for (const n of [-1, 0.5, NaN, 2 ** 53]) {
    assertThrows(() => u16(n), RangeError);
    assertThrows(() => u32(n), RangeError);
    assertThrows(() => u64(n), RangeError);
  }
  assertThrows(() => u16(2 ** 16), RangeError);
  assertThrows(() => u32(2 ** 32), RangeError);
  assertRefused("format", () => readU64(hex("0020000000000000"), 0));
  assertRefused("format", () => readU32(random(3), 0));
  assertRefused("format", () => readU16(random(3), 2));
});

Deno.test("lp() puts the length before the bytes", () => {
  assertEquals(lp(utf8("ab")), hex("000000026162"));
});

Deno.test("base64 of any bytes comes back", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (b) => {
    assertEquals(fromBase64(toBase64(b)), new Uint8Array(b));
    assertEquals(fromHex(toHex(b)), new Uint8Array(b));
  }));
  const long = random(100_001);
  assertEquals(fromBase64(toBase64(long)), long);
});

Deno.test("what fromBase64() accepts is the only spelling of its bytes", () => {
  const near = fc.array(fc.constantFrom("A", "Q", "w", "/", "+", "=", "-", "_", " ", "\n", "é"))
    .map((parts) => parts.join(""));
  fc.assert(fc.property(fc.oneof(near, fc.string()), (text) => {
    if (accepts("format", () => fromBase64(text))) assertEquals(toBase64(fromBase64(text)), text);
  }));
  for (const text of ["QQ", "QQ=", "QR==", "QQ==\n", " QQ==", "QQ===", "Q", "=", "-_-_"]) {
    assertRefused("format", () => fromBase64(text));
  }
});

Deno.test("fromHex() and fromUtf8() refuse what is neither", () => {
  for (const text of ["0", "0g", "0x00", " 00", "00 "]) {
    assertRefused("format", () => fromHex(text));
  }
  assertRefused("format", () => fromUtf8(hex("ff")));
  assertRefused("format", () => fromUtf8(hex("eda080")));
  assertEquals(fromUtf8(hex("efbbbf41")), "\uFEFFA");
});

Deno.test("equal() and isZero() look at every byte", () => {
  const a = random(40);
  assertEquals(equal(a, a.slice()), true);
  assertEquals(equal(a, a.slice(1)), false);
  for (let i = 0; i < 40; i++) {
    const b = a.slice();
    b[i] = (b[i] ?? 0) ^ 0x80;
    assertEquals(equal(a, b), false);
    const zero = new Uint8Array(40);
    assertEquals(isZero(zero), true);
    zero[i] = 1;
    assertEquals(isZero(zero), false);
  }
});

Deno.test("random() fills more than the system gives at once, and wipe() clears", () => {
  const b = random(200_000);
  for (let at = 0; at < b.length; at += 1000) {
    assertEquals(isZero(b.subarray(at, at + 1000)), false);
  }
  wipe(b);
  assertEquals(isZero(b), true);
});

Deno.test("what is freed has no bytes any more; small buffers and parts of others are left alone", () => {
  const [large, small, around] = [random(65_536), random(100), random(65_536)];
  const part = around.subarray(1);
  free(large, small, part);
  assertEquals([large.length, small.length, part.length, around.length], [0, 100, 65_535, 65_536]);
  free(large);
});

Deno.test("pieces that pass are whole while they are used, and freed when the next is asked for", async () => {
  const pieces = [random(65_536), random(10), random(65_536)];
  const before = pieces.map((piece) => piece.slice());
  const seen: Uint8Array[] = [];
  let last: Uint8Array | null = null;
  for await (const piece of passing(pieces)) {
    if (last && last.length > 10) throw new Error("the one before is still there");
    seen.push(piece.slice());
    last = piece;
  }
  assertEquals(seen, before);
  assertEquals(pieces.map(({ length }) => length), [0, 10, 0]);
});
