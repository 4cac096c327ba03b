import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Bytes, concat, lp, random, utf8 } from "../../crypto/bytes.ts";
import { hkdf } from "../../crypto/hash.ts";
import type { Identity } from "../../crypto/identity.ts";
import { decapsulate, encapsulate, type KemUse } from "../../crypto/kem.ts";
import { mlKem } from "../../crypto/ml_kem.ts";
import { rsaDecrypt, rsaEncrypt, rsaModulus } from "../../crypto/rsa.ts";
import { identityOf } from "../support/identities.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";

const alice = await identityOf("alice");
const bob = await identityOf("bob", 2056);
const uses: readonly KemUse[] = ["hs-server", "hs-client", "stanza"];

Deno.test("decapsulate() gives back the secret of encapsulate(), for every use", async () => {
  const secrets = new Set<string>();
  for (const to of [alice, bob]) {
    for (const use of uses) {
      const { ctRsa, ctMlkem, secret } = await encapsulate(to.bundle, use);
      assertEquals([ctRsa.length, ctMlkem.length], [to.bundle.rsaBits / 8, 1088]);
      assertEquals(secret.length, 32);
      assertEquals(await decapsulate(to, use, ctRsa, ctMlkem), secret);
      secrets.add(secret.toString());
    }
  }
  assertEquals(secrets.size, 6);
});

Deno.test("the secret is derived as the protocol says", async () => {
  const { ctRsa, ctMlkem, secret } = await encapsulate(alice.bundle, "stanza");
  const rsaSecret = await rsaDecrypt(alice.rsaKey, ctRsa);
  assert(rsaSecret !== null);
  assertEquals(rsaSecret.length, 32);
  const expected = await formula(alice, "stanza", rsaSecret, ctRsa, ctMlkem);
  assertEquals(secret, expected);
});

Deno.test("a secret for one use is not that of another", async () => {
  const { ctRsa, ctMlkem, secret } = await encapsulate(alice.bundle, "stanza");
  for (const use of ["hs-server", "hs-client"] as const) {
    assertNotEquals(await decapsulate(alice, use, ctRsa, ctMlkem), secret);
  }
});

Deno.test("a bad RSA half gives another secret, always the same, and no error", async () => {
  const { ctRsa, ctMlkem, secret } = await encapsulate(alice.bundle, "hs-server");
  const bad = [
    flip(ctRsa, 0),
    flip(ctRsa, 100),
    flip(ctRsa, 255),
    new Uint8Array(256),
    new Uint8Array(256).fill(0xff),
    // Valid, but not of 32 bytes.
    await rsaEncrypt(alice.bundle.rsaKey, new Uint8Array(0)),
    await rsaEncrypt(alice.bundle.rsaKey, random(31)),
    await rsaEncrypt(alice.bundle.rsaKey, random(33)),
    await rsaEncrypt(alice.bundle.rsaKey, random(190)),
  ];
  const seen = new Set([secret.toString()]);
  for (const ct of bad) {
    const first = await decapsulate(alice, "hs-server", ct, ctMlkem);
    assertEquals(first.length, 32);
    assertEquals(await decapsulate(alice, "hs-server", ct, ctMlkem), first);
    // What stands in for k_rsa is not something anybody can know.
    for (const guess of [new Uint8Array(32), new Uint8Array(0)]) {
      assertNotEquals(await formula(alice, "hs-server", guess, ct, ctMlkem), first);
    }
    seen.add(first.toString());
  }
  assertEquals(seen.size, 1 + bad.length);
});

/** The ciphertexts that the private RSA operation gets to see during `work`. */
async function operations(work: () => Promise<unknown>): Promise<Bytes[]> {
  const { subtle } = crypto;
  const seen: Bytes[] = [];
  const decrypt: SubtleCrypto["decrypt"] = (algorithm, key, data) => {
    assert(data instanceof Uint8Array);
    if (key.algorithm.name === "RSA-OAEP") seen.push(new Uint8Array(data));
    return SubtleCrypto.prototype.decrypt.call(subtle, algorithm, key, data);
  };
  Object.defineProperty(subtle, "decrypt", { value: decrypt, configurable: true });
  try {
    await work();
  } finally {
    Reflect.deleteProperty(subtle, "decrypt");
  }
  return seen;
}

Deno.test("an RSA half that is not below the modulus costs an operation like any other", async () => {
  const { ctRsa, ctMlkem, secret } = await encapsulate(bob.bundle, "hs-server");
  const n = rsaModulus(bob.bundle.rsa);
  assertEquals(n.length, ctRsa.length);
  const minusOne = n.with(n.length - 1, (n.at(-1) ?? 0) - 1);
  const run = async (ct: Bytes) => {
    let result: Bytes | undefined;
    const [first, ...more] = await operations(async () => {
      result = await decapsulate(bob, "hs-server", ct, ctMlkem);
    });
    assert(first && more.length === 0 && result);
    assertNotEquals(result, secret);
    return first;
  };
  for (const ct of [minusOne, flip(ctRsa.with(0, 0), 100)]) assertEquals(await run(ct), ct);
  for (const ct of [n.slice(), n.with(1, 0xff), new Uint8Array(n.length).fill(0xff)]) {
    const [one, other] = [await run(ct), await run(ct)];
    for (const instead of [one, other]) assert(instead.length === n.length && instead[0] === 0);
    assertNotEquals(one, other);
  }
});

Deno.test("a short RSA plaintext is not used, not even in part", async () => {
  const { ctMlkem } = await encapsulate(alice.bundle, "stanza");
  const short = random(16);
  const ct = await rsaEncrypt(alice.bundle.rsaKey, short);
  const secret = await decapsulate(alice, "stanza", ct, ctMlkem);
  const padded = concat(short, new Uint8Array(16));
  assertNotEquals(await formula(alice, "stanza", padded, ct, ctMlkem), secret);
  assertNotEquals(await formula(alice, "stanza", short, ct, ctMlkem), secret);
});

Deno.test("a bad ML-KEM half gives another secret, always the same, and no error", async () => {
  const { ctRsa, ctMlkem, secret } = await encapsulate(alice.bundle, "stanza");
  for (const at of [0, 500, 1087]) {
    const bad = flip(ctMlkem, at);
    const first = await decapsulate(alice, "stanza", ctRsa, bad);
    assertNotEquals(first, secret);
    assertEquals(await decapsulate(alice, "stanza", ctRsa, bad), first);
  }
});

Deno.test("halves of two encapsulations do not go together", async () => {
  const [a, b] = [
    await encapsulate(alice.bundle, "stanza"),
    await encapsulate(alice.bundle, "stanza"),
  ];
  const mixed = await decapsulate(alice, "stanza", a.ctRsa, b.ctMlkem);
  assertNotEquals(mixed, a.secret);
  assertNotEquals(mixed, b.secret);
});

Deno.test("a wrong length is a format error, before any private operation", async () => {
  const { ctRsa, ctMlkem } = await encapsulate(alice.bundle, "stanza");
  const touched = () => Promise.reject(new Error("a private operation was run"));
  const guarded: Identity = { ...alice, decapsulateMlKem: touched };
  const bad: [Bytes, Bytes][] = [
    [ctRsa.slice(1), ctMlkem],
    [concat(ctRsa, random(1)), ctMlkem],
    [new Uint8Array(0), ctMlkem],
    [ctRsa, ctMlkem.slice(1)],
    [ctRsa, concat(ctMlkem, random(1))],
    [ctRsa, new Uint8Array(0)],
  ];
  for (const [rsa, mlkem] of bad) {
    await assertRefusedAsync("format", () => decapsulate(guarded, "stanza", rsa, mlkem));
  }
});

Deno.test("another identity does not come to the secret", async () => {
  const carol = await identityOf("carol");
  const { ctRsa, ctMlkem, secret } = await encapsulate(alice.bundle, "stanza");
  assertNotEquals(await decapsulate(carol, "stanza", ctRsa, ctMlkem), secret);
});

/** The protocol's formula, written out a second time. */
async function formula(
  identity: Identity,
  use: string,
  rsaSecret: Bytes,
  ctRsa: Bytes,
  ctMlkem: Bytes,
): Promise<Bytes> {
  const mlkemSecret = await mlKem.decapsulate(identity.mlkemSeed, ctMlkem);
  const info = concat(
    utf8("sealpost/1 kem "),
    utf8(use),
    lp(ctRsa),
    lp(ctMlkem),
    identity.bundle.fp,
  );
  return await hkdf(concat(rsaSecret, mlkemSecret), new Uint8Array(0), info, 32);
}
