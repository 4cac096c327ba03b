import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { random } from "../../crypto/bytes.ts";
import { agree, generateX25519, importX25519Private } from "../../crypto/x25519.ts";
import { assertRefusedAsync, hex } from "../support/testing.ts";

Deno.test("both sides agree on the same secret, and a third does not", async () => {
  const [a, b, c] = await Promise.all([generateX25519(), generateX25519(), generateX25519()]);
  assertEquals(a.publicKey.length, 32);
  const secret = await agree(a.privateKey, b.publicKey);
  assertEquals(await agree(b.privateKey, a.publicKey), secret);
  assertNotEquals(await agree(c.privateKey, a.publicKey), secret);
  assert(!a.privateKey.extractable);
});

Deno.test("agree() refuses every point of low order", async () => {
  const { privateKey } = await generateX25519();
  // The points of order 1, 2, 4 and 8 and their other spellings (RFC 7748, section 6.1).
  const points = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
  ];
  for (const point of points) {
    await assertRefusedAsync("authentication", () => agree(privateKey, hex(point)));
  }
});

Deno.test("keys of another length are refused", async () => {
  const { privateKey } = await generateX25519();
  for (const length of [0, 31, 33, 64]) {
    await assertRefusedAsync("format", () => agree(privateKey, random(length)));
    await assertRefusedAsync("key-format", () => importX25519Private(random(length)));
  }
});
