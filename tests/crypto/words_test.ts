import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { fromHex, random } from "../../crypto/bytes.ts";
import { comparedWords, entropyOf, wordsOf } from "../../crypto/words.ts";
import { assertRefused } from "../support/testing.ts";

Deno.test("codes come back from their words, however people type them", () => {
  fc.assert(fc.property(
    fc.constantFrom<[16 | 32, 12 | 24]>([16, 12], [32, 24]),
    fc.boolean(),
    fc.constantFrom(" ", ", ", "\n 1. "),
    ([size, count], short, between) => {
      const code = random(size);
      const words = wordsOf(code);
      assertEquals(words.length, count);
      const typed = words.map((word) => short ? word.slice(0, 4).toUpperCase() : word);
      assertEquals(entropyOf(typed.join(between), count), code);
    },
  ));
});

Deno.test("the words of a known code are those of the standard", () => {
  // The first vectors for 16 and for 32 bytes in BIP-39's own list.
  assertEquals(wordsOf(new Uint8Array(16)).join(" "), `${"abandon ".repeat(11)}about`);
  assertEquals(wordsOf(new Uint8Array(32)).join(" "), `${"abandon ".repeat(23)}art`);
});

Deno.test("what is no code is refused, without a word of what was typed", () => {
  const good = wordsOf(random(16));
  const refuse = (typed: readonly string[]) =>
    assertRefused("usage", () => entropyOf(typed.join(" "), 12));
  refuse(good.slice(1));
  refuse([...good, "zoo"]);
  refuse(good.with(3, "sealpost"));
  refuse(Array(12).fill("abandon"));
  const error = assertThrows(() => entropyOf(good.with(3, "secretword").join(" "), 12), Error);
  assertEquals(error.message.includes("secretword"), false);
  assertThrows(() => wordsOf(random(20)), RangeError);
});

Deno.test("the compared words are the first 66 bits of a hash, 11 a word", () => {
  assertEquals(comparedWords(new Uint8Array(32)), Array(6).fill("abandon"));
  const hash = new Uint8Array(32).fill(255);
  assertEquals(comparedWords(hash), Array(6).fill("zoo"));
  // The numbers 1 to 6, of 11 bits each, and six bits that count for nothing.
  assertEquals(comparedWords(fromHex(`0020080180400a01bf${"0".repeat(46)}`)), [
    "ability",
    "able",
    "about",
    "above",
    "absent",
    "absorb",
  ]);
});
