import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, lp, random, u32, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { decodeHello, encodeHello, type Hello } from "../../protocol/hello.ts";
import { MAX_MAX_MESSAGE } from "../../protocol/limits.ts";
import {
  decodeLogin,
  encodeLogin,
  encodePassword,
  type Login,
  padTo,
  readPadded,
} from "../../protocol/login.ts";
import { assertRefused, flip } from "../support/testing.ts";

const anyLogin: fc.Arbitrary<Login> = fc.record({
  name: fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,31}$/),
  password: fc.uint8Array({ minLength: 1, maxLength: 256 }).map((bytes) => new Uint8Array(bytes)),
  client: fc.stringMatching(/^[ -~]{0,64}$/),
});

const anyHello: fc.Arbitrary<Hello> = fc.record({
  server: fc.stringMatching(/^[ -~]{0,64}$/),
  maxMessage: fc.integer({ min: 0, max: MAX_MAX_MESSAGE }),
  maxRecipients: fc.integer({ min: 1, max: 256 }),
});

/** Asserts that `decode` takes any damaged form of `bytes` or refuses it as `format`. */
function assertFormat(decode: (bytes: Bytes) => unknown, bytes: Bytes): void {
  try {
    decode(bytes);
  } catch (error) {
    assert(isSealpostError(error, "format"), String(error));
  }
}

Deno.test("a login comes out as it went in, and always fits its place", () => {
  fc.assert(fc.property(anyLogin, (login) => {
    const bytes = encodeLogin(login);
    assert(bytes.length <= 364);
    assertEquals(decodeLogin(padTo(bytes, 2048)), login);
  }));
});

Deno.test("a server hello comes out as it went in, and always fits its place", () => {
  fc.assert(fc.property(anyHello, (hello) => {
    assertEquals(decodeHello(padTo(encodeHello(hello), 256)), hello);
  }));
  const longest = { server: '"\\'.repeat(32), maxMessage: MAX_MAX_MESSAGE, maxRecipients: 256 };
  assertEquals(decodeHello(padTo(encodeHello(longest), 256)), longest);
});

Deno.test("members of a hello that are not known are ignored", () => {
  const hello = { server: "s", maxMessage: 1, maxRecipients: 1 };
  const text = JSON.stringify({ ...hello, later: { nested: true } });
  assertEquals(decodeHello(padTo(lp(utf8(text)), 256)), hello);
});

Deno.test("damaged logins and hellos are taken or refused, nothing else", () => {
  fc.assert(fc.property(anyLogin, fc.nat(), fc.nat(7), (login, at, bit) => {
    const bytes = padTo(encodeLogin(login), 2048);
    assertFormat(decodeLogin, flip(bytes, at % bytes.length, bit));
    assertFormat(decodeLogin, bytes.slice(0, at % bytes.length));
  }));
  fc.assert(fc.property(anyHello, fc.nat(), fc.nat(7), (hello, at, bit) => {
    const bytes = padTo(encodeHello(hello), 256);
    assertFormat(decodeHello, flip(bytes, at % bytes.length, bit));
    assertFormat(decodeHello, bytes.slice(0, at % bytes.length));
  }));
  for (let i = 0; i < 200; i++) {
    assertFormat(decodeLogin, random(i));
    assertFormat(decodeHello, random(i));
  }
});

Deno.test("an empty or overlong password is refused before anything is sent", () => {
  for (const size of [0, 257, 10_000]) {
    const login = { name: "alice", password: new Uint8Array(size), client: "" };
    assertRefused("usage", () => encodeLogin(login));
  }
});

Deno.test("a password is the UTF-8 of its NFC form, however it was typed", () => {
  assertEquals(encodePassword("e\u0301"), utf8("\u00e9"));
  assertEquals(encodePassword("\u00e9"), new Uint8Array([0xc3, 0xa9]));
  assertEquals(encodePassword(""), new Uint8Array(0));
});

Deno.test("parts are read by their lengths, and nothing but zeros may follow", () => {
  const parts = [random(3), new Uint8Array(0), random(10)];
  const bytes = concat(...parts.map(lp));
  assertEquals(readPadded(padTo(bytes, 100), 3), { parts, length: bytes.length });
  assertEquals(readPadded(bytes, 3).parts, parts);
  assertEquals(readPadded(new Uint8Array(8), 2).length, 8);
  for (let at = bytes.length; at < 100; at++) {
    assertRefused("format", () => readPadded(flip(padTo(bytes, 100), at), 3));
  }
  assertRefused("format", () => readPadded(bytes, 4));
  assertRefused("format", () => readPadded(bytes.slice(0, -1), 3));
  for (const length of [1, 2 ** 31, 2 ** 32 - 1]) {
    assertRefused("format", () => readPadded(u32(length), 1));
  }
});

Deno.test("what does not fit its place is refused", () => {
  assertEquals(padTo(random(0), 3), new Uint8Array(3));
  assertEquals(padTo(utf8("abc"), 3), utf8("abc"));
  assertRefused("limit", () => padTo(random(4), 3));
});
