import { type Bytes, concat, fromHex, lp, toHex, utf8 } from "../../crypto/bytes.ts";
import {
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSmallInteger,
} from "../../crypto/der.ts";
import {
  type Bundle,
  bundleToPem,
  encodeBundle,
  formatFingerprint,
  identityToPem,
  importIdentity,
  type NewIdentity,
  shortFingerprint,
} from "../../crypto/identity.ts";
import { mlKemPkcs8 } from "../../crypto/ml_kem.ts";
import { formatPem, parsePem } from "../../crypto/pem.ts";
import { encodeSpki, OID } from "../../crypto/spki.ts";
import { withDraws } from "./fixed_random.ts";
import type { Edit } from "./edits.ts";
import type { BundleEdit, KeysFile, KeyVector, Refused } from "./files.ts";
import { pattern } from "./pattern.ts";
import { bytesOf, exponentOf, type Primes, primesFrom, rsaPkcs8 } from "./rsa_by_hand.ts";

/** Who there is, and the sizes of their RSA keys. */
const SIZES = { server: 3072, gate: 2048, alice: 2048, bob: 3072, carol: 4096, mallory: 2048 };

const PASSPHRASE = "Füchse & Hasen 🦊";
const PRIVATE = "PRIVATE KEY";
const ENCRYPTED = "ENCRYPTED PRIVATE KEY";
const ED25519_PREFIX = "302e020100300506032b657004220420";
const RSA_ALGORITHM = derSequence(derOid(OID.rsa), derNull());

/** A test identity, with what it was made from. */
interface Made {
  readonly identity: NewIdentity;
  readonly primes: Primes;
  readonly ed25519Seed: Bytes;
}

export async function makeKeys(): Promise<KeysFile> {
  const made = new Map<string, Made>();
  for (const [name, bits] of Object.entries(SIZES)) made.set(name, await make(name, bits));
  const of = (name: string): Made => {
    const found = made.get(name);
    if (!found) throw new Error(`there is no ${name}`);
    return found;
  };
  const identities: KeyVector[] = [];
  for (const [name, one] of made) identities.push(await vectorOf(name, one));
  return {
    identities,
    encryptedFiles: await encryptedFiles(of("alice").identity),
    malformedBundles: malformedBundles(of("alice").identity.bundle, of("alice").primes),
    malformedFiles: await malformedFiles(of("alice"), of("mallory")),
  };
}

async function make(name: string, bits: number): Promise<Made> {
  const primes = primesFrom(`sealpost vectors ${name} RSA`, bits);
  const mlkemSeed = pattern(`sealpost vectors ${name} ML-KEM`, 64);
  const ed25519Seed = pattern(`sealpost vectors ${name} Ed25519`, 32);
  const identity = await importIdentity(
    rsaPkcs8(primes),
    mlKemPkcs8(mlkemSeed),
    concat(fromHex(ED25519_PREFIX), ed25519Seed),
  );
  return { identity, primes, ed25519Seed };
}

async function vectorOf(name: string, { identity, primes, ed25519Seed }: Made): Promise<KeyVector> {
  const { bundle } = identity;
  return {
    name,
    rsaBits: bundle.rsaBits,
    p: toHex(bytesOf(primes.p)),
    q: toHex(bytesOf(primes.q)),
    mlkemSeed: toHex(identity.mlkemSeed),
    ed25519Seed: toHex(ed25519Seed),
    bundle: toHex(encodeBundle(bundle)),
    fingerprint: toHex(bundle.fp),
    shown: formatFingerprint(bundle.fp),
    short: shortFingerprint(bundle.fp),
    publicFile: bundleToPem(bundle),
    privateFile: await identityToPem(identity),
  };
}

async function encryptedFiles(alice: NewIdentity): Promise<KeysFile["encryptedFiles"]> {
  const passphrase = utf8(PASSPHRASE.normalize("NFC"));
  const draws = [0, 1, 2].flatMap((i) => [
    pattern(`sealpost vectors salt ${i}`, 16),
    pattern(`sealpost vectors IV ${i}`, 16),
  ]);
  const scrypt = await withDraws(draws, () => identityToPem(alice, passphrase));
  const { rsa, mlkem, ed25519 } = alice.pkcs8;
  let pbkdf2 = "";
  for (const der of [rsa, mlkem, ed25519]) {
    pbkdf2 += formatPem(ENCRYPTED, await encryptWithPbkdf2(der, passphrase, 600_000));
  }
  return [
    { name: "scrypt, as ours are written", file: scrypt },
    { name: "PBKDF2 with the fewest iterations that are taken", file: pbkdf2 },
  ].map(({ name, file }) => ({ name, identity: "alice", passphrase: PASSPHRASE, file }));
}

/** EncryptedPrivateKeyInfo with PBES2, PBKDF2-HMAC-SHA-256 and AES-256-CBC (RFC 8018). */
async function encryptWithPbkdf2(
  der: Bytes,
  passphrase: Bytes,
  iterations: number,
): Promise<Bytes> {
  const salt = pattern("sealpost vectors PBKDF2 salt", 16);
  const iv = pattern("sealpost vectors PBKDF2 IV", 16);
  const name = "PBKDF2";
  const secret = await crypto.subtle.importKey("raw", passphrase, name, false, ["deriveKey"]);
  const key = await crypto.subtle.deriveKey(
    { name, hash: "SHA-256", salt, iterations },
    secret,
    { name: "AES-CBC", length: 256 },
    false,
    ["encrypt"],
  );
  const ciphertext = await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, der);
  const prf = derSequence(derOid("1.2.840.113549.2.9"), derNull());
  const parameters = [derOctetString(salt), derSmallInteger(iterations), prf];
  return pbes2("1.2.840.113549.1.5.12", parameters, iv, new Uint8Array(ciphertext));
}

function pbes2(kdf: string, parameters: readonly Bytes[], iv: Bytes, ciphertext: Bytes): Bytes {
  const derivation = derSequence(derOid(kdf), derSequence(...parameters));
  const cipher = derSequence(derOid("2.16.840.1.101.3.4.1.42"), derOctetString(iv));
  const scheme = derSequence(derOid("1.2.840.113549.1.5.13"), derSequence(derivation, cipher));
  return derSequence(scheme, derOctetString(ciphertext));
}

type MalformedBundle = Refused & BundleEdit;

function malformedBundles(bundle: Bundle, { p, q }: Primes): readonly MalformedBundle[] {
  const { rsa, mlkem, ed25519 } = bundle;
  const error = "key-format";
  const whole = (name: string, why: string, ...parts: Bytes[]): MalformedBundle => {
    return { name, why, error, bundle: toHex(concat(...parts.map(lp))) };
  };
  const rsaOf = (n: Uint8Array, e = 65537) => {
    return encodeSpki(RSA_ALGORITHM, derSequence(derInteger(n), derSmallInteger(e)));
  };
  const point = (y: string) => concat(ed25519.slice(0, 12), fromHex(y));
  const modulus = bytesOf(p * q);
  const even = modulus.slice();
  even[255] = (even[255] ?? 0) & 0xfe;
  const size = 4 + rsa.length + 4 + mlkem.length + 4 + ed25519.length;
  const mlkemAt = 4 + rsa.length + 4;
  const edited = (
    name: string,
    why: string,
    ...edits: Edit[]
  ): MalformedBundle => {
    return { name, why, error, identity: "alice", edits };
  };
  return [
    edited("bundle-empty", "no part at all", { keep: 0 }),
    edited("bundle-cut", "the last byte is missing", { keep: size - 1 }),
    edited("bundle-longer", "a byte after the third part", { at: size, insert: "00" }),
    edited("bundle-length", "the first length runs past the end", { at: 0, put: "0000ffff" }),
    whole("bundle-two-parts", "no Ed25519 key", rsa, mlkem),
    whole("bundle-order", "ML-KEM before RSA", mlkem, rsa, ed25519),
    whole("rsa-1024", "a modulus of 1024 bits", rsaOf(bytesOf(p)), mlkem, ed25519),
    whole(
      "rsa-2040",
      "a modulus of 2040 bits",
      rsaOf(modulus.slice(1).map((b, i) => i ? b : b | 0x80)),
      mlkem,
      ed25519,
    ),
    whole(
      "rsa-2049",
      "a modulus of 2049 bits, not a multiple of 8",
      rsaOf(bytesOf(p * q * 2n + 1n)),
      mlkem,
      ed25519,
    ),
    whole("rsa-4104", "a modulus of 4104 bits", rsaOf(bytesOf((1n << 4103n) + 1n)), mlkem, ed25519),
    whole("rsa-e-3", "e = 3", rsaOf(modulus, 3), mlkem, ed25519),
    whole("rsa-even", "an even modulus", rsaOf(even), mlkem, ed25519),
    whole(
      "rsa-no-null",
      "the algorithm without its NULL",
      encodeSpki(
        derSequence(derOid(OID.rsa)),
        derSequence(derInteger(modulus), derSmallInteger(65537)),
      ),
      mlkem,
      ed25519,
    ),
    whole(
      "rsa-zeros-before",
      "the modulus with a zero byte too many: not DER",
      encodeSpki(
        RSA_ALGORITHM,
        derSequence(
          concat(fromHex("02820102"), new Uint8Array(2), modulus),
          derSmallInteger(65537),
        ),
      ),
      mlkem,
      ed25519,
    ),
    edited("mlkem-3329", "the first of the 768 numbers is 3329", {
      at: mlkemAt + 22,
      put: toHex(twelveBits(mlkem.slice(22, 25), 3329, null)),
    }),
    edited("mlkem-4095-last", "the last of the 768 numbers is 4095", {
      at: mlkemAt + 22 + 1149,
      put: toHex(twelveBits(mlkem.slice(22 + 1149, 22 + 1152), null, 4095)),
    }),
    edited("mlkem-oid", "the object identifier of ML-KEM-1024", { at: mlkemAt + 16, put: "03" }),
    whole("mlkem-cut", "a byte is missing", rsa, mlkem.slice(0, -1), ed25519),
    whole("ed25519-order-1", "y = 1", rsa, mlkem, point(`01${"00".repeat(31)}`)),
    whole("ed25519-order-2", "y = -1", rsa, mlkem, point(`ec${"ff".repeat(30)}7f`)),
    whole("ed25519-order-4", "y = 0", rsa, mlkem, point("00".repeat(32))),
    whole(
      "ed25519-order-8",
      "a point of order 8",
      rsa,
      mlkem,
      point("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ),
    whole(
      "ed25519-y-p",
      "y = 2^255 - 19, another spelling of 0",
      rsa,
      mlkem,
      point(`ed${"ff".repeat(30)}7f`),
    ),
    whole(
      "ed25519-off-curve",
      "y = 2 belongs to no point",
      rsa,
      mlkem,
      point(`02${"00".repeat(31)}`),
    ),
    whole(
      "ed25519-x25519",
      "the object identifier of X25519",
      rsa,
      mlkem,
      concat(fromHex("302a300506032b656e032100"), ed25519.slice(12)),
    ),
  ];
}

/** Three bytes of an encoded ML-KEM key with one of its two numbers replaced. */
function twelveBits(bytes: Uint8Array, first: number | null, second: number | null): Bytes {
  const [a = 0, b = 0, c = 0] = bytes;
  const low = first ?? (a | (b & 15) << 8);
  const high = second ?? (b >> 4 | c << 4);
  return new Uint8Array([low & 0xff, low >> 8 | (high & 15) << 4, high >> 4]);
}

async function malformedFiles(alice: Made, mallory: Made): Promise<KeysFile["malformedFiles"]> {
  const publicFile = bundleToPem(alice.identity.bundle);
  const privateFile = await identityToPem(alice.identity);
  const [rsaPublic = "", mlkemPublic = "", edPublic = ""] = blocksOf(publicFile);
  const [rsaPrivate = "", mlkemPrivate = "", edPrivate = ""] = blocksOf(privateFile);
  const error = "key-format";
  const passphrase = null;
  const open = (name: string, why: string, ...blocks: string[]) => {
    return { name, why, error, kind: "public", passphrase, file: blocks.join("") } as const;
  };
  const secret = (name: string, why: string, ...blocks: string[]) => {
    return { name, why, error, kind: "private", passphrase, file: blocks.join("") } as const;
  };
  const encrypted = (await encryptedFiles(alice.identity))[0]?.file ?? "";
  const [encryptedRsa = ""] = blocksOf(encrypted);
  const cheap = cheapScrypt();
  const pkcs8 = alice.identity.pkcs8;
  const seedForm = mlKemPkcs8(alice.identity.mlkemSeed).slice(20);
  const both = derSequence(
    derSmallInteger(0),
    derSequence(derOid(OID.mlKem768)),
    derOctetString(
      derSequence(derOctetString(seedForm.slice(2)), derOctetString(pattern("expanded", 2400))),
    ),
  );
  return [
    open("public-empty", "nothing in it"),
    open("public-two-blocks", "no Ed25519 key", rsaPublic, mlkemPublic),
    open("public-four-blocks", "a block too many", rsaPublic, mlkemPublic, edPublic, edPublic),
    open("public-order", "ML-KEM before RSA", mlkemPublic, rsaPublic, edPublic),
    open("public-private", "a private key in a public file", rsaPublic, mlkemPublic, edPrivate),
    open("public-text-before", "text outside of the blocks", "alice\n", publicFile),
    open(
      "public-header",
      "a header inside a block",
      publicFile.replace("-----\n", "-----\nComment: x\n\n"),
    ),
    open("public-cut", "no END line", publicFile.slice(0, -26)),
    open(
      "public-label",
      "BEGIN and END do not agree",
      publicFile.replace("END PUBLIC KEY", "END PRIVATE KEY"),
    ),
    open(
      "public-stray-bits",
      "base64 that no encoder writes",
      strayBits(rsaPublic, edPublic, mlkemPublic),
    ),
    secret("private-order", "Ed25519 before ML-KEM", rsaPrivate, edPrivate, mlkemPrivate),
    secret("private-public", "a public key in a private file", rsaPrivate, mlkemPrivate, edPublic),
    secret(
      "private-rsa-numbers",
      "the private exponent of another key",
      formatPem(PRIVATE, rsaPkcs8(alice.primes, exponentOf(mallory.primes))),
      mlkemPrivate,
      edPrivate,
    ),
    secret(
      "private-mlkem-long",
      "an ML-KEM key in the form that holds more than the seed",
      rsaPrivate,
      formatPem(PRIVATE, both),
      edPrivate,
    ),
    secret(
      "private-ed25519-version",
      "an Ed25519 key of version 1 (RFC 5958)",
      rsaPrivate,
      mlkemPrivate,
      formatPem(PRIVATE, pkcs8.ed25519.map((byte, i) => i === 4 ? 1 : byte)),
    ),
    secret("private-part-encrypted", "encrypted in part", encryptedRsa, mlkemPrivate, edPrivate),
    {
      ...secret("private-cheap-scrypt", "scrypt with N = 8192, r = 8, p = 1", cheap, cheap, cheap),
      passphrase: PASSPHRASE,
    },
    {
      ...secret("private-no-passphrase", "encrypted, and no passphrase is given", encrypted),
      error: "passphrase",
    },
    {
      ...secret("private-wrong-passphrase", "encrypted with another passphrase", encrypted),
      error: "passphrase",
      passphrase: "Füchse & Hasen",
    },
  ];
}

function blocksOf(file: string): string[] {
  return parsePem(file).map(({ label, der }) => formatPem(label, der));
}

/** The 44 bytes of Ed25519 end in one `=`: two bits of the last character count for nothing. */
function strayBits(rsa: string, ed25519: string, mlkem: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const bent = ed25519.replace(/(.)=\n/, (_, last) => `${alphabet[alphabet.indexOf(last) + 1]}=\n`);
  return rsa + mlkem + bent;
}

/** An encrypted block whose passphrase is worth too little work. */
function cheapScrypt(): string {
  const parameters = [
    derOctetString(pattern("sealpost vectors cheap salt", 16)),
    ...[8192, 8, 1].map(derSmallInteger),
  ];
  const iv = pattern("sealpost vectors cheap IV", 16);
  const ciphertext = pattern("sealpost vectors cheap ciphertext", 64);
  return formatPem(ENCRYPTED, pbes2("1.3.6.1.4.1.11591.4.11", parameters, iv, ciphertext));
}
