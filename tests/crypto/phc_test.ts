import { assert, assertEquals, assertFalse, assertMatch, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { random, toBase64, utf8 } from "../../crypto/bytes.ts";
import { hashPassword, isPhc, parsePhc, verifyPassword } from "../../crypto/phc.ts";
import { accepts, assertRefused, assertRefusedAsync } from "../support/testing.ts";

const CHEAP = { memory: 8, passes: 1, parallelism: 1 };

/** The string of the reference implementation's own test. */
const KNOWN =
  "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

function phc(change: Partial<Record<"m" | "t" | "p" | "salt" | "hash", string>> = {}): string {
  const good = { m: "19456", t: "2", p: "1", salt: b64(16), hash: b64(32), ...change };
  return `$argon2id$v=19$m=${good.m},t=${good.t},p=${good.p}$${good.salt}$${good.hash}`;
}

function b64(length: number): string {
  return toBase64(random(length)).replace(/=+$/, "");
}

Deno.test("verifyPassword() takes the reference implementation's string", async () => {
  assert(await verifyPassword(KNOWN, utf8("password")));
  assertFalse(await verifyPassword(KNOWN, utf8("Password")));
});

Deno.test("hashPassword() writes the usual form with the usual cost and a fresh salt", async () => {
  const password = utf8("pässwörd 🔑");
  const text = await hashPassword(password);
  assertMatch(text, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assertNotEquals(await hashPassword(password), text);
  assert(isPhc(text));
  assert(await verifyPassword(text, password));
  assertFalse(await verifyPassword(text, utf8("passwörd 🔑")));
});

Deno.test("nobody has the empty password", async () => {
  await assertRefusedAsync("limit", () => hashPassword(new Uint8Array(0), CHEAP));
  // The one that stands in for it when it is checked is not let in either.
  const standIn = await hashPassword(new Uint8Array(1), CHEAP);
  assertFalse(await verifyPassword(standIn, new Uint8Array(0)));
  assert(await verifyPassword(standIn, new Uint8Array(1)));
});

Deno.test("a plain password is not taken for a hashed one", () => {
  for (const text of ["", "password1", "$argon2id", "$argon2i$v=19$", "argon2id$", " $argon2id$"]) {
    assertFalse(isPhc(text));
  }
});

Deno.test("parsePhc() takes costs within bounds and refuses the others", () => {
  for (const good of [{}, { m: "8" }, { m: "1048576" }, { t: "16" }, { m: "128", p: "16" }]) {
    parsePhc(phc(good));
  }
  const bad = [
    { m: "7" },
    { m: "1048577" },
    { m: "4294967295" },
    { m: "99999999999999999999" },
    { m: "127", p: "16" },
    { t: "0" },
    { t: "17" },
    { t: "999999" },
    { p: "0" },
    { p: "17" },
    { m: "019456" },
    { m: "+19456" },
    { m: "1e4" },
    { m: "" },
  ];
  for (const change of bad) assertRefused("format", () => parsePhc(phc(change)));
});

Deno.test("parsePhc() takes salts of 8 to 64 bytes and hashes of 16 to 64", () => {
  for (let n = 0; n <= 70; n++) {
    const within = (min: number) => n >= min && n <= 64;
    assertEquals(accepts("format", () => parsePhc(phc({ salt: b64(n) }))), within(8), `salt ${n}`);
    assertEquals(accepts("format", () => parsePhc(phc({ hash: b64(n) }))), within(16), `hash ${n}`);
  }
});

Deno.test("parsePhc() refuses every other form", () => {
  const text = phc();
  const bad = [
    "",
    text.slice(1),
    `${text}=`,
    `${text}$`,
    `${text}\n`,
    ` ${text}`,
    text.replace("argon2id", "argon2i"),
    text.replace("v=19", "v=16"),
    text.replace("$v=19", ""),
    text.replace("m=19456,t=2", "t=2,m=19456"),
    text.replace(",p=1", ""),
    text.replace(",p=1", ",p=1,keyid=AA"),
    text.replace("$m=", "$m=0"),
    phc({ salt: "AAAAAAAAAAAA-_" }),
    // The same bytes with stray bits after them.
    phc({ salt: "AAAAAAAAAAB" }),
  ];
  for (const form of bad) assertRefused("format", () => parsePhc(form));
});

Deno.test("what parsePhc() accepts is the only spelling of what it says", () => {
  const part = fc.constantFrom("", "0", "1", "8", "16", "19456", "A", "=", "$", "+/");
  const near = fc.tuple(fc.nat(100), part).map(([at, piece]) => {
    return KNOWN.slice(0, at) + piece + KNOWN.slice(at + 1);
  });
  fc.assert(fc.property(fc.oneof(fc.string(), near), (text) => {
    if (!accepts("format", () => parsePhc(text))) return;
    const { params, salt, hash } = parsePhc(text);
    const [s, h] = [salt, hash].map((b) => toBase64(b).replace(/=+$/, ""));
    const { memory, passes, parallelism } = params;
    assertEquals(text, `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${s}$${h}`);
  }));
});
