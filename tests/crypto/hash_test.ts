import { assertEquals, assertRejects } from "@std/assert";
import { toHex, utf8 } from "../../crypto/bytes.ts";
import { hkdf, hmacSha256, sha256 } from "../../crypto/hash.ts";
import { hex } from "./support.ts";

const NONE = new Uint8Array(0);

Deno.test("sha256() hashes its parts as one text (FIPS 180-4)", async () => {
  const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assertEquals(toHex(await sha256(utf8("abc"))), abc);
  assertEquals(toHex(await sha256(utf8("a"), NONE, utf8("bc"))), abc);
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assertEquals(toHex(await sha256()), empty);
});

Deno.test("sha256() hashes a view, not the buffer behind it", async () => {
  const abc = utf8("xxabcxx").subarray(2, 5);
  assertEquals(await sha256(abc), await sha256(utf8("abc")));
});

Deno.test("sha256() takes bytes in a SharedArrayBuffer", async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(3));
  shared.set(utf8("abc"));
  assertEquals(await sha256(shared), await sha256(utf8("abc")));
});

Deno.test("hmacSha256() gives the results of RFC 4231", async () => {
  assertEquals(
    await hmacSha256(new Uint8Array(20).fill(0x0b), utf8("Hi There")),
    hex("b0344c61d8db38535ca8afceaf0bf12b 881dc200c9833da726e9376c2e32cff7"),
  );
  const long = utf8("Test Using Larger Than Block-Size Key - Hash Key First");
  assertEquals(
    await hmacSha256(new Uint8Array(131).fill(0xaa), long),
    hex("60e431591ee0b67f0d8a26aacbf5b77f 8e0bc6213728c5140546040f0ee37f54"),
  );
});

Deno.test("hmacSha256() takes an empty key, which HKDF without a salt needs", async () => {
  // RFC 5869, test case 3: the pseudorandom key is HMAC with an empty salt.
  assertEquals(
    await hmacSha256(NONE, new Uint8Array(22).fill(0x0b)),
    hex("19ef24a32c717b167f33a91d6f648bdf 96596776afdb6377ac434c1c293ccb04"),
  );
});

Deno.test("hkdf() takes its info as text or as bytes", async () => {
  const ikm = utf8("key");
  assertEquals(await hkdf(ikm, NONE, "é", 40), await hkdf(ikm, NONE, utf8("é"), 40));
});

Deno.test("hkdf() refuses a length it cannot give", async () => {
  for (const length of [0, -1, 1.5, 8161]) {
    await assertRejects(() => hkdf(NONE, NONE, "", length), RangeError);
  }
  assertEquals((await hkdf(NONE, NONE, "", 8160)).length, 8160);
});
