import { assert, assertEquals, assertFalse, assertMatch, assertNotEquals } from "@std/assert";
import { type Bytes, concat, lp, random, toHex, utf8 } from "../../crypto/bytes.ts";
import { derInteger, derNull, derOid, derSequence, derSmallInteger } from "../../crypto/der.ts";
import { sign, verify } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/hash.ts";
import {
  bundleFromPem,
  bundleToPem,
  decodeBundle,
  encodeBundle,
  fingerprint,
  forgetPkcs8,
  formatFingerprint,
  generateIdentity,
  type Identity,
  identityFromPem,
  identityToPem,
  importBundle,
  importIdentity,
  isEncryptedPem,
  MAX_BUNDLE,
  newIdentityFromPem,
  requirePair,
  shortFingerprint,
} from "../../crypto/identity.ts";
import { decapsulate, encapsulate } from "../../crypto/kem.ts";
import { formatPem, parsePem } from "../../crypto/pem.ts";
import { encryptPkcs8 } from "../../crypto/pkcs8.ts";
import { encodeSpki, OID } from "../../crypto/spki.ts";
import { assertRefused, assertRefusedAsync, flip, hex, modulus } from "../support/testing.ts";
import { testInFull } from "../support/full.ts";

const steps: string[] = [];
const alice = await generateIdentity({ rsaBits: 2048, onStep: (what) => steps.push(what) });
const bob = await generateIdentity({ rsaBits: 2048 });
const passphrase = utf8("a passphrase");
const plain = await identityToPem(alice);
const encrypted = await identityToPem(alice, passphrase);
const { rsa, mlkem, ed25519 } = alice.bundle;

/** The blocks of a PEM file as text, each. */
function blocks(text: string): string[] {
  return parsePem(text).map(({ label, der }) => formatPem(label, der));
}

function permuted(text: string, ...order: number[]): string {
  const all = blocks(text);
  return order.map((i) => all[i] ?? "").join("");
}

/** The private keys work, and they are the ones of `bundle`. */
async function assertWorks(identity: Identity): Promise<void> {
  const { ctRsa, ctMlkem, secret } = await encapsulate(alice.bundle, "stanza");
  assertEquals(await decapsulate(identity, "stanza", ctRsa, ctMlkem), secret);
  const message = random(10);
  const signature = await sign(identity.ed25519Key, message);
  assert(await verify(alice.bundle.ed25519Key, signature, message));
  assertEquals(identity.mlkemSeed, alice.mlkemSeed);
  assertEquals(identity.bundle.fp, alice.bundle.fp);
}

Deno.test("generateIdentity() says what it is making, and makes RSA keys of 3072 bits", async () => {
  assertEquals(steps, ["RSA, 2048 bits", "ML-KEM-768", "Ed25519"]);
  const usual = await generateIdentity();
  assertEquals(usual.bundle.rsaBits, 3072);
  assertNotEquals(usual.bundle.fp, alice.bundle.fp);
});

Deno.test("generateIdentity() refuses 1024 bits", async () => {
  await assertRefusedAsync("usage", () => generateIdentity({ rsaBits: 1024 }));
});

Deno.test("an identity comes back from its file", async () => {
  assertEquals(blocks(plain).length, 3);
  assertFalse(isEncryptedPem(plain));
  await assertWorks(await identityFromPem(plain));
  await assertWorks(await identityFromPem(plain.replaceAll("\n", "\r\n")));
  await assertWorks(await identityFromPem(plain, utf8("not needed")));
});

Deno.test("an encrypted identity comes back with its passphrase", async () => {
  assert(isEncryptedPem(encrypted));
  assertEquals(parsePem(encrypted).map((b) => b.label), Array(3).fill("ENCRYPTED PRIVATE KEY"));
  await assertWorks(await identityFromPem(encrypted, passphrase));
});

testInFull(
  "an encrypted identity can be written again, plain or with another passphrase",
  async () => {
    const opened = await newIdentityFromPem(encrypted, passphrase);
    assertEquals(await identityToPem(opened), plain);
    const other = await identityToPem(opened, utf8("another"));
    await assertWorks(await identityFromPem(other, utf8("another")));
  },
);

Deno.test("a missing, empty or wrong passphrase is a passphrase error", async () => {
  await assertRefusedAsync("passphrase", () => identityFromPem(encrypted));
  await assertRefusedAsync("passphrase", () => identityFromPem(encrypted, utf8("A passphrase")));
  await assertRefusedAsync("passphrase", () => identityFromPem(encrypted, new Uint8Array(0)));
  await assertRefusedAsync("passphrase", () => identityToPem(alice, new Uint8Array(0)));
});

Deno.test("private keys in another order are refused, encrypted or not", async () => {
  for (const order of [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 0, 0]]) {
    await assertRefusedAsync("key-format", () => identityFromPem(permuted(plain, ...order)));
  }
  const swapped = permuted(encrypted, 1, 0, 2);
  await assertRefusedAsync("key-format", () => identityFromPem(swapped, passphrase));
});

Deno.test("public keys in another order are refused", async () => {
  const text = bundleToPem(alice.bundle);
  for (const order of [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 0, 0]]) {
    await assertRefusedAsync("key-format", () => bundleFromPem(permuted(text, ...order)));
  }
});

Deno.test("a file that lacks a block, has one too many or was cut is refused", async () => {
  for (const text of [plain, encrypted]) {
    const bad = [
      "",
      permuted(text, 0, 1),
      permuted(text, 0),
      permuted(text, 0, 1, 2, 2),
      text.slice(0, text.length / 2),
      text.slice(0, -10),
      text.slice(10),
    ];
    for (const b of bad) {
      await assertRefusedAsync("key-format", () => identityFromPem(b, passphrase));
    }
  }
});

Deno.test("a public file is not a private one, nor the other way round", async () => {
  const text = bundleToPem(alice.bundle);
  await assertRefusedAsync("key-format", () => identityFromPem(text));
  await assertRefusedAsync("key-format", () => bundleFromPem(plain));
  await assertRefusedAsync("key-format", () => bundleFromPem(encrypted));
  const mixed = permuted(plain, 0, 1) + permuted(text, 2);
  await assertRefusedAsync("key-format", () => identityFromPem(mixed));
});

Deno.test("a file that is encrypted in part is refused", async () => {
  const mixed = permuted(plain, 0, 1) + permuted(encrypted, 2);
  await assertRefusedAsync("key-format", () => identityFromPem(mixed, passphrase));
});

Deno.test("a cost out of bounds in an encrypted file is refused before it is spent", async () => {
  const [first] = parsePem(encrypted);
  assert(first !== undefined);
  // N = 16384, r = 8, p = 5; p becomes 127.
  const costs = "02024000 020108 0201".replaceAll(" ", "");
  const der = hex(toHex(first.der).replace(`${costs}05`, `${costs}7f`));
  assertNotEquals(der, first.der);
  const text = formatPem(first.label, der) + permuted(encrypted, 1, 2);
  await assertRefusedAsync("key-format", () => identityFromPem(text, passphrase));
});

Deno.test("every private key decides the fingerprint: one of another identity does not pair", async () => {
  const text = await identityToPem(bob);
  for (const k of [0, 1, 2]) {
    const mixed = [0, 1, 2].map((i) => permuted(i === k ? text : plain, i)).join("");
    const identity = await identityFromPem(mixed);
    assertRefused("key-mismatch", () => requirePair(identity, alice.bundle));
  }
  requirePair(await identityFromPem(plain), alice.bundle);
});

testInFull("an encrypted file that was tampered with does not load as another key", async () => {
  // CBC does not notice: the flip garbles one block and flips a bit of the next.
  const [first, second] = parsePem(encrypted);
  assert(first && second);
  const inRsa = formatPem(first.label, flip(first.der, 800)) + permuted(encrypted, 1, 2);
  await assertRefusedAsync("key-format", () => identityFromPem(inRsa, passphrase));
  const bad = formatPem(second.label, flip(second.der, second.der.length - 40));
  const inMlkem = permuted(encrypted, 0) + bad + permuted(encrypted, 2);
  const identity = await identityFromPem(inMlkem, passphrase);
  assertRefused("key-mismatch", () => requirePair(identity, alice.bundle));
});

Deno.test("a bundle comes back from its file and from its encoding", async () => {
  for (
    const bundle of [
      await bundleFromPem(bundleToPem(alice.bundle)),
      await decodeBundle(encodeBundle(alice.bundle)),
      await importBundle(rsa, mlkem, ed25519),
    ]
  ) {
    assertEquals(bundle.fp, alice.bundle.fp);
    assertEquals([bundle.rsa, bundle.mlkem, bundle.ed25519], [rsa, mlkem, ed25519]);
    assertEquals(bundle.mlkemKey, alice.bundle.mlkemKey);
    assertEquals(bundle.rsaBits, 2048);
  }
  assertEquals(encodeBundle(alice.bundle), concat(lp(rsa), lp(mlkem), lp(ed25519)));
});

Deno.test("MAX_BUNDLE is the length with an RSA key of 4096 bits", async () => {
  const bundle = await importBundle(rsaSpki(modulus(4096)), mlkem, ed25519);
  assertEquals(encodeBundle(bundle).length, MAX_BUNDLE);
});

Deno.test("decodeBundle() refuses every cut, and whatever is longer", async () => {
  const encoded = encodeBundle(alice.bundle);
  const step = 37;
  for (let i = 0; i < encoded.length; i += step) {
    await assertRefusedAsync("key-format", () => decodeBundle(encoded.slice(0, i)));
  }
  await assertRefusedAsync("key-format", () => decodeBundle(encoded.slice(0, -1)));
  await assertRefusedAsync("key-format", () => decodeBundle(concat(encoded, random(1))));
  await assertRefusedAsync("key-format", () => decodeBundle(flip(encoded, 0, 7)));
  await assertRefusedAsync("key-format", () => decodeBundle(flip(encoded, 3)));
  await assertRefusedAsync("key-format", () => decodeBundle(concat(encoded, lp(ed25519))));
});

Deno.test("decodeBundle() does not hold on to the bytes it was given", async () => {
  const encoded = encodeBundle(alice.bundle);
  const bundle = await decodeBundle(encoded);
  encoded.fill(0);
  assertEquals(bundle.rsa, rsa);
});

Deno.test("importBundle() refuses each key that is out of bounds", async () => {
  const bad: [Bytes, Bytes, Bytes][] = [
    [rsaSpki(modulus(1024)), mlkem, ed25519],
    [rsaSpki(modulus(4104)), mlkem, ed25519],
    [rsaSpki(modulus(2048), 3), mlkem, ed25519],
    // The first two of its numbers are 4095.
    [rsa, concat(mlkem.slice(0, 22), hex("ffffff"), mlkem.slice(25)), ed25519],
    [rsa, mlkem, concat(ed25519.slice(0, 12), new Uint8Array([1]), new Uint8Array(31))],
    [rsa, mlkem, concat(ed25519.slice(0, 12), new Uint8Array(32).fill(0xff))],
    [mlkem, rsa, ed25519],
    [concat(rsa, random(1)), mlkem, ed25519],
  ];
  for (const keys of bad) await assertRefusedAsync("key-format", () => importBundle(...keys));
});

Deno.test("importIdentity() refuses an RSA key out of bounds", async () => {
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
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", small.privateKey));
  const { pkcs8 } = alice;
  await assertRefusedAsync("key-format", () => importIdentity(key, pkcs8.mlkem, pkcs8.ed25519));
});

Deno.test("the fingerprint is the protocol's, shown as OpenSSH shows its own", async () => {
  const { fp } = alice.bundle;
  const parts = concat(lp(rsa), lp(mlkem), lp(ed25519));
  assertEquals(fp, await sha256(concat(utf8("sealpost/1 identity"), parts)));
  assertEquals(await fingerprint(rsa, mlkem, ed25519), fp);
  assertMatch(formatFingerprint(fp), /^SHA256:[A-Za-z0-9+/]{43}$/);
  assertEquals(formatFingerprint(new Uint8Array(32)), `SHA256:${"A".repeat(43)}`);
  assertEquals(shortFingerprint(hex("0123456789abcdef")), "01234567");
});

Deno.test("forgetPkcs8() clears what could be written, and the identity still works", async () => {
  const opened = await newIdentityFromPem(plain);
  const { pkcs8 } = opened;
  const identity = forgetPkcs8(opened);
  assertFalse("pkcs8" in identity);
  for (const der of [pkcs8.rsa, pkcs8.mlkem, pkcs8.ed25519]) {
    assertEquals(der, new Uint8Array(der.length));
  }
  await assertWorks(identity);
});

Deno.test("no message about a key file holds any of it", async () => {
  const [first] = parsePem(plain);
  assert(first !== undefined);
  const secretText = plain.split("\n")[5] ?? "";
  assertEquals(secretText.length, 64);
  for (const text of [plain.slice(0, -200), plain.replace("-----END", "----END"), `x${plain}`]) {
    try {
      await identityFromPem(text);
    } catch (error) {
      assert(error instanceof Error);
      assertFalse(error.message.includes(secretText.slice(0, 8)));
      continue;
    }
    throw new Error("was not refused");
  }
});

Deno.test("a block that decrypts to no key at all is a passphrase error", async () => {
  const junk = formatPem("ENCRYPTED PRIVATE KEY", await encryptPkcs8(random(40), passphrase));
  const text = junk + permuted(encrypted, 1, 2);
  await assertRefusedAsync("passphrase", () => identityFromPem(text, passphrase));
});

function rsaSpki(n: Bytes, e = 65537): Bytes {
  const algorithm = derSequence(derOid(OID.rsa), derNull());
  return encodeSpki(algorithm, derSequence(derInteger(n), derSmallInteger(e)));
}
