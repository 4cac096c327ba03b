import { assert, assertEquals, assertFalse } from "@std/assert";
import { type Bytes, concat, random } from "../../crypto/bytes.ts";
import {
  der,
  derBitString,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  DerReader,
  derSequence,
  derSmallInteger,
} from "../../crypto/der.ts";
import {
  generateRsa,
  importRsaPrivate,
  importRsaPublic,
  isRsaSize,
  rsaDecrypt,
  rsaEncrypt,
} from "../../crypto/rsa.ts";
import { encodePkcs8, encodeSpki, OID } from "../../crypto/spki.ts";
import { assertRefusedAsync, flip, modulus } from "../support/testing.ts";

const RSA = derSequence(derOid(OID.rsa), derNull());
const pair = await generateRsa(2048);
const { key: publicKey, bits } = await importRsaPublic(pair.spki);
const { key: privateKey, spki } = await importRsaPrivate(pair.pkcs8);

function spkiOf(n: Uint8Array, e = 65537, algorithm = RSA): Bytes {
  return encodeSpki(algorithm, derSequence(derInteger(n), derSmallInteger(e)));
}

/** The eight numbers of the generated private key: n, e, d, p, q, dp, dq, qi. */
function privateNumbers(): Bytes[] {
  const outer = DerReader.sequence(pair.pkcs8);
  outer.integer();
  outer.sequence();
  const key = DerReader.sequence(outer.octetString());
  key.integer();
  return Array.from({ length: 8 }, () => key.integer());
}

function pkcs8Of(numbers: readonly Bytes[], version = 0): Bytes {
  return encodePkcs8(
    RSA,
    derSequence(derSmallInteger(version), ...numbers.map((n) => derInteger(n))),
  );
}

Deno.test("rsaDecrypt() gives back what rsaEncrypt() encrypted", async () => {
  assertEquals(bits, 2048);
  assertEquals(spki, pair.spki);
  const message = random(32);
  const ciphertext = await rsaEncrypt(publicKey, message);
  assertEquals(ciphertext.length, 256);
  assertEquals(await rsaDecrypt(privateKey, ciphertext), message);
  assertFalse(privateKey.extractable);
});

Deno.test("rsaDecrypt() gives null for everything that is not a ciphertext for this key", async () => {
  const ciphertext = await rsaEncrypt(publicKey, random(32));
  assertEquals(await rsaDecrypt(privateKey, flip(ciphertext, 100)), null);
  assertEquals(await rsaDecrypt(privateKey, new Uint8Array(256)), null);
  assertEquals(await rsaDecrypt(privateKey, new Uint8Array(256).fill(0xff)), null);
  assertEquals(await rsaDecrypt(privateKey, new Uint8Array(0)), null);
  assertEquals(await rsaDecrypt(privateKey, ciphertext.slice(1)), null);
});

Deno.test("importRsaPublic() takes 2048 to 4096 bits, multiples of 8", async () => {
  for (const size of [2048, 2056, 3072, 4088, 4096]) {
    assert(isRsaSize(size));
    assertEquals((await importRsaPublic(spkiOf(modulus(size)))).bits, size);
  }
  for (const size of [512, 1024, 2040, 2047, 2049, 2052, 3071, 4097, 4104, 8192]) {
    assertFalse(isRsaSize(size));
    await refusesPublic(spkiOf(modulus(size)));
  }
  assertFalse(isRsaSize(2048.5));
});

Deno.test("importRsaPublic() refuses a real key with 1024 bits", async () => {
  const small = await crypto.subtle.generateKey(
    {
      name: "RSA-OAEP",
      modulusLength: 1024,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
    true,
    ["encrypt", "decrypt"],
  );
  const [smallSpki, smallPkcs8] = await Promise.all([
    crypto.subtle.exportKey("spki", small.publicKey),
    crypto.subtle.exportKey("pkcs8", small.privateKey),
  ]);
  await refusesPublic(new Uint8Array(smallSpki));
  await refusesPrivate(new Uint8Array(smallPkcs8));
});

Deno.test("importRsaPublic() refuses another exponent and an even modulus", async () => {
  const n = modulus(2048);
  for (const e of [0, 1, 3, 17, 65535, 65539, 2 ** 32, 2 ** 40 + 1]) {
    await refusesPublic(spkiOf(n, e));
  }
  await refusesPublic(spkiOf(flip(n, n.length - 1)));
});

Deno.test("importRsaPublic() refuses every other spelling of a good key", async () => {
  const n = modulus(2048);
  const numbers = derSequence(derInteger(n), derSmallInteger(65537));
  assertEquals((await importRsaPublic(encodeSpki(RSA, numbers))).bits, 2048);
  // Without the NULL, with a NULL too many, and as RSASSA-PSS.
  await refusesPublic(encodeSpki(derSequence(derOid(OID.rsa)), numbers));
  await refusesPublic(encodeSpki(derSequence(derOid(OID.rsa), derNull(), derNull()), numbers));
  await refusesPublic(
    encodeSpki(derSequence(derOid("1.2.840.113549.1.1.10"), derNull()), numbers),
  );
  // A third number, a zero before the modulus, something after the end, a length in long form.
  const [dn, de] = [derInteger(n), derSmallInteger(65537)];
  await refusesPublic(encodeSpki(RSA, derSequence(dn, de, de)));
  await refusesPublic(
    encodeSpki(RSA, derSequence(der(0x02, new Uint8Array(2), n), de)),
  );
  await refusesPublic(concat(pair.spki, new Uint8Array(1)));
  await refusesPublic(derSequence(RSA, derBitString(concat(numbers, new Uint8Array(1)))));
  await refusesPublic(derSequence(RSA, derBitString(numbers), derNull()));
  await refusesPublic(derSequence(RSA, derOctetString(numbers)));
  const long = new Uint8Array([0x30, 0x83, 0x00, ...pair.spki.subarray(2)]);
  await refusesPublic(long);
  for (const length of [0, 1, 4, 30, pair.spki.length - 1]) {
    await refusesPublic(pair.spki.slice(0, length));
  }
});

Deno.test("importRsaPrivate() refuses numbers that do not belong together", async () => {
  const numbers = privateNumbers();
  assertEquals((await importRsaPrivate(pkcs8Of(numbers))).spki, pair.spki);
  for (let i = 0; i < numbers.length; i++) {
    await refusesPrivate(pkcs8Of(numbers.map((n, k) => k === i ? flip(n, n.length - 1, 1) : n)));
    await refusesPrivate(pkcs8Of(numbers.map((n, k) => k === i ? new Uint8Array(1) : n)));
  }
  const [n, e, d, p, q, dp, dq, qi] = numbers;
  assert(n && e && d && p && q && dp && dq && qi);
  await refusesPrivate(pkcs8Of([n, e, d, q, p, dp, dq, qi]));
});

Deno.test("importRsaPrivate() refuses every other spelling of a good key", async () => {
  const numbers = privateNumbers();
  await refusesPrivate(pkcs8Of(numbers, 1));
  await refusesPrivate(pkcs8Of([...numbers, new Uint8Array([3])]));
  await refusesPrivate(pkcs8Of(numbers.slice(0, 7)));
  await refusesPrivate(concat(pair.pkcs8, new Uint8Array(1)));
  await refusesPrivate(pair.pkcs8.slice(0, -1));
  await refusesPrivate(pair.spki);
});

Deno.test("generateRsa() refuses a size that importRsaPublic() would not take", async () => {
  for (const size of [1024, 2047, 4097, 4104, NaN]) {
    await assertRefusedAsync("usage", () => generateRsa(size));
  }
});

async function refusesPublic(key: Bytes): Promise<void> {
  await assertRefusedAsync("key-format", () => importRsaPublic(key));
}

async function refusesPrivate(key: Bytes): Promise<void> {
  await assertRefusedAsync("key-format", () => importRsaPrivate(key));
}
