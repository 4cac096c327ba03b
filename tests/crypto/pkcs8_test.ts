import { assertEquals, assertNotEquals } from "@std/assert";
import { type Bytes, concat, random, utf8 } from "../../crypto/bytes.ts";
import {
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSmallInteger,
} from "../../crypto/der.ts";
import { generateEd25519 } from "../../crypto/ed25519.ts";
import { decryptPkcs8, encryptPkcs8 } from "../../crypto/pkcs8.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";

const { pkcs8 } = await generateEd25519();
const passphrase = utf8("correct horse 🐎");
const encrypted = await encryptPkcs8(pkcs8, passphrase);

const SCRYPT = "1.3.6.1.4.1.11591.4.11";
const PBKDF2 = "1.2.840.113549.1.5.12";
const SHA256 = derSequence(derOid("1.2.840.113549.2.9"), derNull());
const SHA1 = derSequence(derOid("1.2.840.113549.2.7"), derNull());
const AES = derSequence(derOid("2.16.840.1.101.3.4.1.42"), derOctetString(random(16)));

/** An EncryptedPrivateKeyInfo of 64 random bytes with this key derivation. */
function pbes2(kdf: string, parameters: readonly Uint8Array[], cipher = AES): Bytes {
  const derivation = derSequence(derOid(kdf), derSequence(...parameters));
  const scheme = derSequence(derivation, cipher);
  const algorithm = derSequence(derOid("1.2.840.113549.1.5.13"), scheme);
  return derSequence(algorithm, derOctetString(random(64)));
}

function scrypt(n: number, r: number, p: number, ...more: Uint8Array[]): Bytes {
  const salt = derOctetString(random(16));
  return pbes2(SCRYPT, [salt, ...[n, r, p].map(derSmallInteger), ...more]);
}

function pbkdf2(iterations: number, ...more: Uint8Array[]): Bytes {
  return pbes2(PBKDF2, [derOctetString(random(16)), derSmallInteger(iterations), ...more]);
}

async function refuses(code: "key-format" | "passphrase", der: Bytes): Promise<void> {
  await assertRefusedAsync(code, () => decryptPkcs8(der, passphrase));
}

Deno.test("decryptPkcs8() gives back what encryptPkcs8() encrypted", async () => {
  assertEquals(await decryptPkcs8(encrypted, passphrase), pkcs8);
  const again = await encryptPkcs8(pkcs8, passphrase);
  assertNotEquals(again, encrypted);
  assertEquals(await decryptPkcs8(again, passphrase), pkcs8);
});

Deno.test("a wrong or empty passphrase is said to be wrong", async () => {
  for (const wrong of [utf8("correct horse"), utf8("Correct horse 🐎"), new Uint8Array(0)]) {
    await assertRefusedAsync("passphrase", () => decryptPkcs8(encrypted, wrong));
  }
  await assertRefusedAsync("passphrase", () => encryptPkcs8(pkcs8, new Uint8Array(0)));
});

Deno.test("a wrong key whose padding happens to fit is told by what it decrypts to", async () => {
  // The first block's damage leaves the padding, in the last block, as it was.
  const at = encrypted.length - 64;
  await refuses("passphrase", flip(encrypted, at));
});

Deno.test("a scrypt cost out of bounds is refused before it is spent", async () => {
  const bad: [number, number, number][] = [
    [2 ** 30, 8, 1],
    [2 ** 31, 8, 1],
    [2 ** 19, 8, 1],
    [2 ** 18, 9, 1],
    [16384, 2 ** 30, 1],
    [16384, 129, 1],
    [16384, 8, 17],
    [16384, 8, 2 ** 31],
    [8192, 8, 1],
    [16383, 8, 1],
    [16385, 8, 1],
    [0, 8, 1],
    [1, 8, 16],
    [16384, 0, 1],
    [16384, 8, 0],
  ];
  for (const [n, r, p] of bad) await refuses("key-format", scrypt(n, r, p));
  const huge = derInteger(new Uint8Array(9).fill(0x7f));
  await refuses("key-format", pbes2(SCRYPT, [derOctetString(random(16)), huge, huge, huge]));
});

Deno.test("a PBKDF2 cost out of bounds is refused before it is spent", async () => {
  for (const iterations of [0, 1, 2048, 599_999, 10_000_001, 2 ** 31, 2 ** 40]) {
    await refuses("key-format", pbkdf2(iterations, SHA256));
  }
});

Deno.test("costs within bounds are spent: the random bytes then do not decrypt", async () => {
  await refuses("passphrase", scrypt(16384, 8, 1));
  await refuses("passphrase", scrypt(32768, 4, 1, derSmallInteger(32)));
  await refuses("passphrase", pbkdf2(600_000, SHA256));
  await refuses("passphrase", pbkdf2(600_000, derSmallInteger(32), SHA256));
});

Deno.test("other algorithms and other forms are refused", async () => {
  const cbc = (oid: string, iv = 16) => derSequence(derOid(oid), derOctetString(random(iv)));
  const salt = derOctetString(random(16));
  const cost = [16384, 8, 1].map(derSmallInteger);
  const bad = [
    pbkdf2(600_000),
    pbkdf2(600_000, SHA1),
    pbkdf2(600_000, derSmallInteger(16), SHA256),
    pbkdf2(600_000, SHA256, derNull()),
    scrypt(16384, 8, 1, derSmallInteger(16)),
    scrypt(16384, 8, 1, derNull()),
    pbes2("1.2.3", [salt, ...cost]),
    pbes2(SCRYPT, [derOctetString(random(7)), ...cost]),
    pbes2(SCRYPT, [derOctetString(random(65)), ...cost]),
    pbes2(SCRYPT, [salt, ...cost], cbc("2.16.840.1.101.3.4.1.2")),
    pbes2(SCRYPT, [salt, ...cost], cbc("2.16.840.1.101.3.4.1.42", 12)),
    derSequence(derSequence(derOid("1.2.840.113549.1.5.3")), derOctetString(random(64))),
    concat(encrypted, new Uint8Array(1)),
    pkcs8,
    new Uint8Array(0),
  ];
  for (const der of bad) await refuses("key-format", der);
  for (const length of [1, 10, 50, encrypted.length - 1]) {
    await refuses("key-format", encrypted.slice(0, length));
  }
});
