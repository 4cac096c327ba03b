import { assert, assertNotEquals } from "@std/assert";
import { aesOpen, aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { concat, lp, random, utf8 } from "../../crypto/bytes.ts";
import { hkdf, hmacSha256 } from "../../crypto/hash.ts";
import { decapsulate } from "../../crypto/kem.ts";
import { importRsaPrivate } from "../../crypto/rsa.ts";
import { kemByHand, kemDraws } from "../vectors/kem_by_hand.ts";
import { exponentOf, primesFrom, rsaPkcs8 } from "../vectors/rsa_by_hand.ts";
import { identityOf } from "../support/identities.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";

Deno.test("aesOpen() refuses a tag that was cut to any of the lengths that AES-GCM knows", async () => {
  const key = await importAesKey(random(32));
  const nonce = random(12);
  const sealed = await aesSeal(key, nonce, random(40));
  for (let missing = 1; missing <= 16; missing++) {
    const cut = sealed.slice(0, -missing);
    await assertRefusedAsync("authentication", () => aesOpen(key, nonce, cut));
  }
});

Deno.test("importRsaPrivate() refuses a key that is whole but has another exponent", async () => {
  const honest = primesFrom("exponent", 2048);
  assert((await importRsaPrivate(rsaPkcs8(honest))).key);
  for (const e of [3n, 17n, 257n]) {
    const primes = primesFrom(`exponent ${e}`, 2048, e);
    const pkcs8 = rsaPkcs8(primes, exponentOf(primes, e), e);
    await assertRefusedAsync("key-format", () => importRsaPrivate(pkcs8));
  }
});

Deno.test("nobody who made a bad RSA ciphertext can compute the secret that stands in for it", async () => {
  const identity = await identityOf("alice");
  const { bundle } = identity;
  const { ctRsa, ctMlkem, kMlkem } = await kemByHand(bundle, "stanza", kemDraws("guess"));
  const bad = flip(ctRsa, 100);
  const secret = await decapsulate(identity, "stanza", bad, ctMlkem);
  const said = concat(lp(bundle.rsa), bad);
  // What somebody could try who knows the public key, the ciphertexts and k_mlkem.
  const guesses = [
    new Uint8Array(32),
    await hmacSha256(new Uint8Array(32), said),
    await hmacSha256(new Uint8Array(0), said),
    await hmacSha256(bundle.fp, said),
    await hmacSha256(kMlkem, said),
    kMlkem,
  ];
  const info = concat(utf8("sealpost/1 kem stanza"), lp(bad), lp(ctMlkem), bundle.fp);
  for (const guess of guesses) {
    assertNotEquals(await hkdf(concat(guess, kMlkem), new Uint8Array(0), info, 32), secret);
  }
});
