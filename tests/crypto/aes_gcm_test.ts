import { assertEquals, assertRejects } from "@std/assert";
import { aesOpen, aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { random, utf8 } from "../../crypto/bytes.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";

const key = await importAesKey(random(32));
const nonce = random(12);
const aad = utf8("header");
const text = utf8("text");
const sealed = await aesSeal(key, nonce, text, aad);

Deno.test("aesOpen() gives back what aesSeal() sealed, also nothing at all", async () => {
  assertEquals(await aesOpen(key, nonce, sealed, aad), text);
  const empty = await aesSeal(key, nonce, new Uint8Array(0));
  assertEquals(empty.length, 16);
  assertEquals(await aesOpen(key, nonce, empty), new Uint8Array(0));
});

Deno.test("aesOpen() refuses a flip of any bit of the ciphertext and its tag", async () => {
  for (let i = 0; i < 8 * sealed.length; i++) {
    const bad = flip(sealed, i >> 3, i & 7);
    await assertRefusedAsync("authentication", () => aesOpen(key, nonce, bad, aad));
  }
});

Deno.test("aesOpen() refuses everything that was not sealed together", async () => {
  const other = await importAesKey(random(32));
  await assertRefusedAsync("authentication", () => aesOpen(other, nonce, sealed, aad));
  await assertRefusedAsync("authentication", () => aesOpen(key, flip(nonce, 11), sealed, aad));
  await assertRefusedAsync("authentication", () => aesOpen(key, nonce, sealed, flip(aad, 0)));
  await assertRefusedAsync("authentication", () => aesOpen(key, nonce, sealed));
  for (const length of [0, 1, 15, 16, sealed.length - 1]) {
    const cut = sealed.slice(0, length);
    await assertRefusedAsync("authentication", () => aesOpen(key, nonce, cut, aad));
  }
  await assertRefusedAsync("authentication", () => aesOpen(key, random(16), sealed, aad));
});

Deno.test("keys and nonces of another length are a mistake of the caller", async () => {
  for (const length of [0, 16, 31, 33]) {
    await assertRejects(() => importAesKey(random(length)), RangeError);
  }
  for (const length of [0, 11, 16]) {
    await assertRejects(() => aesSeal(key, random(length), text), RangeError);
  }
});

Deno.test("an AES key cannot be exported", async () => {
  assertEquals(key.extractable, false);
  await assertRejects(() => crypto.subtle.exportKey("raw", key));
});
