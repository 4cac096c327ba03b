import { assertEquals, assertNotEquals } from "@std/assert";
import { type Bytes, concat, random, toHex } from "../../crypto/bytes.ts";
import {
  checkMlKemPublic,
  libraryMlKem,
  loadMlKem,
  mlKem,
  mlKemFromPkcs8,
  mlKemFromSpki,
  mlKemPkcs8,
  mlKemSpki,
  nativeMlKem,
} from "../../crypto/ml_kem.ts";
import { assertRefused, assertRefusedAsync, flip, testUnless } from "../support/testing.ts";

const noNative = nativeMlKem === null ? "this runtime has no ML-KEM of its own" : null;
const providers = nativeMlKem === null ? [libraryMlKem] : [libraryMlKem, nativeMlKem];
const { publicKey, seed } = await mlKem.generate();

Deno.test("the runtime's ML-KEM is used where there is one", () => {
  assertEquals(mlKem.name, nativeMlKem === null ? "library" : "native");
});

for (const provider of providers) {
  Deno.test(`the ${provider.name} ML-KEM gives both sides the same secret`, async () => {
    const pair = await provider.generate();
    assertEquals([pair.publicKey.length, pair.seed.length], [1184, 64]);
    assertEquals(await provider.publicFromSeed(pair.seed), pair.publicKey);
    const { ciphertext, secret } = await provider.encapsulate(pair.publicKey);
    assertEquals([ciphertext.length, secret.length], [1088, 32]);
    assertEquals(await provider.decapsulate(pair.seed, ciphertext), secret);
    assertNotEquals((await provider.encapsulate(pair.publicKey)).secret, secret);
    assertNotEquals((await provider.generate()).publicKey, pair.publicKey);
  });

  Deno.test(`the ${provider.name} ML-KEM answers a bad ciphertext with another secret`, async () => {
    const { ciphertext, secret } = await provider.encapsulate(publicKey);
    const bad = flip(ciphertext, 500);
    const first = await provider.decapsulate(seed, bad);
    assertNotEquals(first, secret);
    assertEquals(await provider.decapsulate(seed, bad), first);
  });

  Deno.test(`the ${provider.name} ML-KEM refuses wrong lengths and keys`, async () => {
    for (const length of [0, 1087, 1089]) {
      await assertRefusedAsync("format", () => provider.decapsulate(seed, random(length)));
    }
    for (const length of [0, 32, 63, 65]) {
      await assertRefusedAsync("format", () => provider.generate(random(length)));
      await assertRefusedAsync("format", () => provider.load(random(length)));
    }
    await assertRefusedAsync("key-format", () => provider.encapsulate(publicKey.slice(1)));
    await assertRefusedAsync("key-format", () => provider.encapsulate(outOfRange(0, 3329)));
  });
}

Deno.test("loadMlKem() decapsulates many times with one key", async () => {
  const loaded = await loadMlKem(seed);
  assertEquals(loaded.publicKey, publicKey);
  for (let i = 0; i < 3; i++) {
    const { ciphertext, secret } = await mlKem.encapsulate(publicKey);
    assertEquals(await loaded.decapsulate(ciphertext), secret);
  }
  await assertRefusedAsync("format", () => loaded.decapsulate(random(1087)));
});

testUnless(noNative, "native and library ML-KEM give the same bytes, both ways", async () => {
  if (nativeMlKem === null) throw new Error("not reached");
  for (let i = 0; i < 20; i++) {
    const common = random(64);
    const own = await nativeMlKem.publicFromSeed(common);
    assertEquals(toHex(own), toHex(await libraryMlKem.publicFromSeed(common)));
    const a = await nativeMlKem.encapsulate(own);
    assertEquals(await libraryMlKem.decapsulate(common, a.ciphertext), a.secret);
    const b = await libraryMlKem.encapsulate(own);
    assertEquals(await nativeMlKem.decapsulate(common, b.ciphertext), b.secret);
    const bad = flip(a.ciphertext, i * 50);
    assertEquals(
      await nativeMlKem.decapsulate(common, bad),
      await libraryMlKem.decapsulate(common, bad),
    );
  }
});

testUnless(noNative, "the key files' form of ML-KEM keys is the runtime's own", async () => {
  const subtle = crypto.subtle as unknown as {
    generateKey(name: string, extractable: boolean, usages: string[]): Promise<CryptoKeyPair>;
    exportKey(format: string, key: CryptoKey): Promise<ArrayBuffer>;
  };
  const usages = ["encapsulateBits", "decapsulateBits"];
  const pair = await subtle.generateKey("ML-KEM-768", true, usages);
  const exported = async (format: string, key: CryptoKey) =>
    new Uint8Array(await subtle.exportKey(format, key));
  const pkcs8 = await exported("pkcs8", pair.privateKey);
  const spki = await exported("spki", pair.publicKey);
  assertEquals(mlKemFromPkcs8(pkcs8), await exported("raw-seed", pair.privateKey));
  assertEquals(mlKemPkcs8(mlKemFromPkcs8(pkcs8)), pkcs8);
  assertEquals(mlKemFromSpki(spki), await exported("raw-public", pair.publicKey));
  assertEquals(mlKemSpki(mlKemFromSpki(spki)), spki);
});

Deno.test("checkMlKemPublic() refuses a number of 3329 or more at every place", () => {
  checkMlKemPublic(publicKey);
  for (let i = 0; i < 768; i++) {
    checkMlKemPublic(outOfRange(i, 3328));
    assertRefused("key-format", () => checkMlKemPublic(outOfRange(i, 3329)));
    assertRefused("key-format", () => checkMlKemPublic(outOfRange(i, 4095)));
  }
  assertRefused("key-format", () => checkMlKemPublic(publicKey.slice(0, 1183)));
  assertRefused("key-format", () => checkMlKemPublic(concat(publicKey, random(1))));
});

Deno.test("ML-KEM keys in another form are refused", () => {
  const spki = mlKemSpki(publicKey);
  const pkcs8 = mlKemPkcs8(seed);
  assertEquals([spki.length, pkcs8.length], [1206, 86]);
  assertEquals(mlKemFromSpki(spki), publicKey);
  assertEquals(mlKemFromPkcs8(pkcs8), seed);
  for (let i = 0; i < 22; i++) {
    assertRefused("key-format", () => mlKemFromSpki(flip(spki, i)));
    assertRefused("key-format", () => mlKemFromPkcs8(flip(pkcs8, i)));
  }
  assertRefused("key-format", () => mlKemFromSpki(spki.slice(0, -1)));
  assertRefused("key-format", () => mlKemFromSpki(concat(spki, random(1))));
  assertRefused("key-format", () => mlKemFromPkcs8(pkcs8.slice(0, -1)));
  assertRefused("key-format", () => mlKemFromSpki(mlKemSpkiUnchecked(outOfRange(5, 3329))));
  assertRefused("key-format", () => mlKemSpki(outOfRange(5, 3329)));
  assertRefused("format", () => mlKemPkcs8(random(63)));
});

/** The public key with its number at `index` (of 768) replaced. */
function outOfRange(index: number, value: number): Bytes {
  const copy = publicKey.slice();
  const at = Math.floor(index / 2) * 3;
  const middle = copy[at + 1] ?? 0;
  if (index % 2 === 0) {
    copy[at] = value & 0xff;
    copy[at + 1] = (middle & 0xf0) | (value >> 8);
  } else {
    copy[at + 1] = (middle & 0x0f) | ((value & 0x0f) << 4);
    copy[at + 2] = value >> 4;
  }
  return copy;
}

function mlKemSpkiUnchecked(raw: Bytes): Bytes {
  return concat(mlKemSpki(publicKey).subarray(0, 22), raw);
}
