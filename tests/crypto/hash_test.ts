import { assertEquals, assertRejects } from "@std/assert";
import { random, toHex, utf8 } from "../../crypto/bytes.ts";
import { hkdf, hmacSha256, sha256 } from "../../crypto/hash.ts";
import { hex } from "../support/testing.ts";

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

/** Lengths on both sides of what is hashed on another thread, of the blocks of SHA-256, and large ones. */
const LENGTHS = [0, 1, 63, 64, 65, 4096, 16_383, 16_384, 16_385, 65_536, 100_000];

Deno.test("sha256() and hmacSha256() give what crypto.subtle gives, whatever the length", async () => {
  const key = random(32);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const handle = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  for (const length of LENGTHS) {
    const data = random(length + 8).subarray(5, length + 5);
    assertEquals(await sha256(data), new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", handle, data));
    assertEquals(await hmacSha256(key, data), mac);
  }
});

Deno.test("hmacSha256() takes keys of any length, on either thread", async () => {
  for (const length of [0, 1, 64, 65, 16_384, 16_385]) {
    const key = random(length);
    // RFC 2104: a key that is longer than a block is hashed first, and all are padded with zeros.
    const block = new Uint8Array(64);
    block.set(length > 64 ? await sha256(key) : key);
    for (const size of [3, 16_385]) {
      const data = random(size);
      const inner = await sha256(block.map((byte) => byte ^ 0x36), data);
      assertEquals(await hmacSha256(key, data), await sha256(block.map((b) => b ^ 0x5c), inner));
    }
  }
});

Deno.test("hkdf() gives what HMAC gives by RFC 5869, whatever the lengths", async () => {
  for (
    const [ikmLength, saltLength, infoLength, length] of [
      [32, 0, 0, 32],
      [22, 13, 10, 42],
      [32, 32, 1024, 64],
      [32, 32, 1025, 64],
      [16_385, 1, 1, 100],
      [1, 16_385, 1, 100],
      [0, 0, 0, 8160],
    ] as const
  ) {
    const [ikm, salt, info] = [random(ikmLength), random(saltLength), random(infoLength)];
    const prk = await hmacSha256(salt, ikm);
    const out: number[] = [];
    let block: Uint8Array = NONE;
    for (let i = 1; out.length < length; i++) {
      block = await hmacSha256(prk, new Uint8Array([...block, ...info, i]));
      out.push(...block);
    }
    assertEquals(await hkdf(ikm, salt, info, length), new Uint8Array(out.slice(0, length)));
  }
});

Deno.test("results of small hashes stay what they are while others are made", async () => {
  const first = await sha256(utf8("abc"));
  const copy = first.slice();
  assertEquals(first.buffer.byteLength, 32);
  for (let i = 0; i < 500; i++) await sha256(random(100));
  assertEquals(first, copy);
});
