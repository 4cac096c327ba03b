import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { padme } from "../../crypto/padme.ts";

/** Algorithm 1 of the paper, over integers of any size. */
function reference(length: bigint): bigint {
  if (length < 2n) return length;
  const exponent = BigInt(length.toString(2).length - 1);
  const kept = BigInt(exponent.toString(2).length);
  const mask = (1n << (exponent - kept)) - 1n;
  return (length + mask) & ~mask;
}

const lengths = fc.oneof(
  fc.nat(10_000),
  fc.maxSafeNat(),
  // Around every power of two, where a logarithm in floating point goes wrong.
  fc.tuple(fc.integer({ min: 2, max: 53 }), fc.integer({ min: -2, max: 2 })).map(([e, d]) =>
    Math.min(2 ** e + d, 2 ** 53)
  ),
);

Deno.test("padme() is the paper's, exactly, up to 2^53", () => {
  for (let n = 0; n < 5000; n++) assertEquals(padme(n), Number(reference(BigInt(n))));
  for (let e = 2; e <= 53; e++) {
    for (const n of [2 ** e - 1, 2 ** e, ...(e < 53 ? [2 ** e + 1] : [])]) {
      assertEquals(BigInt(padme(n)), reference(BigInt(n)));
    }
  }
  fc.assert(fc.property(lengths, (n) => assertEquals(BigInt(padme(n)), reference(BigInt(n)))));
});

Deno.test("padme() never shortens, adds at most 12 %, and padding twice changes nothing", () => {
  fc.assert(fc.property(lengths, (n) => {
    const padded = padme(n);
    assert(padded >= n && padded <= n + n / 100 * 12);
    assertEquals(padme(padded), padded);
  }));
});

Deno.test("padme() keeps the order of lengths", () => {
  fc.assert(fc.property(lengths, lengths, (a, b) => {
    assert(padme(Math.min(a, b)) <= padme(Math.max(a, b)));
  }));
});

Deno.test("padme() leaves 16 lengths from 4 to 8 KiB, and 32 from 1 to 2 GiB", () => {
  const count = (from: number) => {
    let n = 0;
    for (let at = from; at < 2 * from; at = padme(at + 1)) n++;
    return n;
  };
  assertEquals([count(2 ** 12), count(2 ** 30)], [16, 32]);
});

Deno.test("padme() refuses what is not a length", () => {
  for (const n of [-1, 0.5, NaN, Infinity, 2 ** 53 + 2]) {
    assertThrows(() => padme(n), RangeError);
  }
});
