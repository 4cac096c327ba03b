import {
  type Bytes,
  concat,
  equal,
  fromBase64,
  fromHex,
  lp,
  readU32,
  toBase64,
  toHex,
  utf8,
  wipe,
} from "./bytes.ts";
import { generateEd25519, importEd25519Private, importEd25519Public } from "./ed25519.ts";
import { SealpostError } from "./error.ts";
import { sha256 } from "./hash.ts";
import {
  loadMlKem,
  mlKem,
  mlKemFromPkcs8,
  mlKemFromSpki,
  mlKemPkcs8,
  mlKemSpki,
} from "./ml_kem.ts";
import { formatPem, parsePem, type PemBlock } from "./pem.ts";
import { decryptPkcs8, encryptPkcs8 } from "./pkcs8.ts";
import { generateRsa, importRsaPrivate, importRsaPublic, RSA_BITS } from "./rsa.ts";
import { OID, pkcs8Algorithm } from "./spki.ts";

/** The public half of an identity. Every value of this type has passed all checks. */
export interface Bundle {
  /** SubjectPublicKeyInfo of the RSA key. */
  readonly rsa: Bytes;
  /** SubjectPublicKeyInfo of the ML-KEM-768 key, 1206 bytes. */
  readonly mlkem: Bytes;
  /** SubjectPublicKeyInfo of the Ed25519 key, 44 bytes. */
  readonly ed25519: Bytes;
  /** The fingerprint, 32 bytes. */
  readonly fp: Bytes;
  readonly rsaKey: CryptoKey;
  /** Size of the RSA modulus in bits. */
  readonly rsaBits: number;
  /** The raw ML-KEM-768 public key, 1184 bytes. */
  readonly mlkemKey: Bytes;
  readonly ed25519Key: CryptoKey;
}

/** Both halves of an identity. The handles cannot be exported. */
export interface Identity {
  readonly bundle: Bundle;
  readonly rsaKey: CryptoKey;
  readonly ed25519Key: CryptoKey;
  /** The ML-KEM private key, 64 bytes; the client's state key is derived from it. */
  readonly mlkemSeed: Bytes;
  /** The 32-byte secret in an ML-KEM ciphertext of 1088 bytes. Throws `format` for other lengths. */
  decapsulateMlKem(ciphertext: Bytes): Promise<Bytes>;
}

/** An identity that can still be written to a file: a fresh one, or one to be encrypted anew. */
export interface NewIdentity extends Identity {
  /** The three PrivateKeyInfo. Wiped by {@linkcode forgetPkcs8}. */
  readonly pkcs8: { readonly rsa: Bytes; readonly mlkem: Bytes; readonly ed25519: Bytes };
}

/** The longest an encoded bundle gets, bytes: with an RSA key of 4096 bits. */
export const MAX_BUNDLE = 3 * 4 + 550 + 1206 + 44;

const PUBLIC = "PUBLIC KEY";
const PRIVATE = "PRIVATE KEY";
const ENCRYPTED = "ENCRYPTED PRIVATE KEY";

/**
 * A bundle from three SubjectPublicKeyInfo. Throws `key-format` unless each is in its one DER
 * form, RSA has 2048 to 4096 bits and e = 65537, ML-KEM passes the modulus check of FIPS 203, and
 * Ed25519 is canonical and not of low order.
 */
export async function importBundle(rsa: Bytes, mlkem: Bytes, ed25519: Bytes): Promise<Bundle> {
  const { key: rsaKey, bits: rsaBits } = await importRsaPublic(rsa);
  const mlkemKey = mlKemFromSpki(mlkem);
  const ed25519Key = await importEd25519Public(ed25519);
  const fp = await fingerprint(rsa, mlkem, ed25519);
  return { rsa, mlkem, ed25519, fp, rsaKey, rsaBits, mlkemKey, ed25519Key };
}

/** `LP(rsa) ‖ LP(mlkem) ‖ LP(ed25519)`: at most {@linkcode MAX_BUNDLE} bytes. */
export function encodeBundle(bundle: Bundle): Bytes {
  return concat(lp(bundle.rsa), lp(bundle.mlkem), lp(bundle.ed25519));
}

/** Undoes {@linkcode encodeBundle}, with the checks of {@linkcode importBundle}. Throws `key-format`. */
export async function decodeBundle(bytes: Bytes): Promise<Bundle> {
  const parts: Bytes[] = [];
  let at = 0;
  while (parts.length < 3) {
    if (bytes.length - at < 4) throw malformedBundle();
    const length = readU32(bytes, at);
    at += 4;
    if (length > bytes.length - at) throw malformedBundle();
    parts.push(bytes.slice(at, at + length));
    at += length;
  }
  const [rsa, mlkem, ed25519] = parts;
  if (at !== bytes.length || !rsa || !mlkem || !ed25519) throw malformedBundle();
  return await importBundle(rsa, mlkem, ed25519);
}

/** `SHA-256("sealpost/1 identity" ‖ LP(rsa) ‖ LP(mlkem) ‖ LP(ed25519))` of the SubjectPublicKeyInfo. */
export async function fingerprint(rsa: Bytes, mlkem: Bytes, ed25519: Bytes): Promise<Bytes> {
  return await sha256(utf8("sealpost/1 identity"), lp(rsa), lp(mlkem), lp(ed25519));
}

/** A fingerprint for people, in the form of OpenSSH: `SHA256:` and base64 without padding. */
export function formatFingerprint(fp: Bytes): string {
  return `SHA256:${toBase64(fp).replace(/=+$/, "")}`;
}

/**
 * The fingerprint in `text`: `SHA256:` and base64 as {@linkcode formatFingerprint} writes it, or 64
 * hexadecimal digits, in groups or not. Null if `text` is no fingerprint.
 */
export function findFingerprint(text: string): Bytes | null {
  const compact = text.replace(/\s+/g, "");
  if (/^[0-9a-fA-F]{64}$/.test(compact)) return fromHex(compact);
  const base64 = /^SHA256:([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048])=?$/.exec(compact)?.[1];
  return base64 === undefined ? null : fromBase64(`${base64}=`);
}

/** The fingerprint in `text`, as {@linkcode findFingerprint} finds it. Throws `format` if it is not one. */
export function parseFingerprint(text: string): Bytes {
  const fp = findFingerprint(text);
  if (fp !== null) return fp;
  throw new SealpostError(
    "format",
    "not a fingerprint: it has SHA256: and 43 characters, or 64 hexadecimal digits",
  );
}

/** The first 8 hexadecimal digits of a fingerprint, for file names. */
export function shortFingerprint(fp: Bytes): string {
  return toHex(fp.subarray(0, 4));
}

/** What {@linkcode generateIdentity} can be told. */
export interface GenerateOptions {
  /** Size of the RSA modulus, bits; 3072 if not given. */
  readonly rsaBits?: number;
  /** Told what is being made, before each step. */
  readonly onStep?: (what: string) => void;
}

/** A fresh identity. Takes a second or more. Throws `usage` for a wrong size of RSA key. */
export async function generateIdentity(options: GenerateOptions = {}): Promise<NewIdentity> {
  const { rsaBits = RSA_BITS.usual, onStep = () => {} } = options;
  onStep(`RSA, ${rsaBits} bits`);
  const rsa = await generateRsa(rsaBits);
  onStep("ML-KEM-768");
  const { seed } = await mlKem.generate();
  onStep("Ed25519");
  const ed25519 = await generateEd25519();
  const identity = await importIdentity(rsa.pkcs8, mlKemPkcs8(seed), ed25519.pkcs8);
  wipe(seed);
  return identity;
}

/**
 * An identity from three PrivateKeyInfo; every public key is computed from its private one. Throws
 * `key-format`.
 */
export async function importIdentity(
  rsa: Bytes,
  mlkem: Bytes,
  ed25519: Bytes,
): Promise<NewIdentity> {
  const rsaPair = await importRsaPrivate(rsa);
  const mlkemSeed = mlKemFromPkcs8(mlkem);
  const mlkemPair = await loadMlKem(mlkemSeed);
  const ed25519Pair = await importEd25519Private(ed25519);
  return {
    bundle: await importBundle(rsaPair.spki, mlKemSpki(mlkemPair.publicKey), ed25519Pair.spki),
    rsaKey: rsaPair.key,
    ed25519Key: ed25519Pair.key,
    mlkemSeed,
    decapsulateMlKem: (ciphertext) => mlkemPair.decapsulate(ciphertext),
    pkcs8: { rsa, mlkem, ed25519 },
  };
}

/** The same identity without what can be written to a file, which is overwritten with zeros. */
export function forgetPkcs8(identity: NewIdentity): Identity {
  const { pkcs8, ...rest } = identity;
  wipe(pkcs8.rsa, pkcs8.mlkem, pkcs8.ed25519);
  return rest;
}

/**
 * The text of `NAME_private.pem`: PrivateKeyInfo of RSA, ML-KEM-768 and Ed25519, in this order,
 * each encrypted by {@linkcode encryptPkcs8} if there is a passphrase.
 */
export async function identityToPem(identity: NewIdentity, passphrase?: Bytes): Promise<string> {
  const { rsa, mlkem, ed25519 } = identity.pkcs8;
  let text = "";
  for (const pkcs8 of [rsa, mlkem, ed25519]) {
    text += passphrase === undefined
      ? formatPem(PRIVATE, pkcs8)
      : formatPem(ENCRYPTED, await encryptPkcs8(pkcs8, passphrase));
  }
  return text;
}

/** The text of `NAME_public.pem`: SubjectPublicKeyInfo of RSA, ML-KEM-768 and Ed25519. */
export function bundleToPem(bundle: Bundle): string {
  return [bundle.rsa, bundle.mlkem, bundle.ed25519].map((spki) => formatPem(PUBLIC, spki)).join("");
}

/** Reads what {@linkcode bundleToPem} wrote, with the checks of {@linkcode importBundle}. */
export async function bundleFromPem(text: string): Promise<Bundle> {
  const [rsa, mlkem, ed25519] = threeBlocks(text, [PUBLIC]);
  return await importBundle(rsa.der, mlkem.der, ed25519.der);
}

/** Whether a private key file needs a passphrase. Says nothing about the rest of it. */
export function isEncryptedPem(text: string): boolean {
  return text.includes(`-----BEGIN ${ENCRYPTED}-----`);
}

/**
 * Reads what {@linkcode identityToPem} wrote; every public key is computed from its private one.
 * Throws `passphrase` if one is needed and missing or wrong, `key-format` for everything else,
 * keys in another order included.
 */
export async function identityFromPem(text: string, passphrase?: Bytes): Promise<Identity> {
  return forgetPkcs8(await newIdentityFromPem(text, passphrase));
}

/** {@linkcode identityFromPem} for an identity that is to be written again. */
export async function newIdentityFromPem(text: string, passphrase?: Bytes): Promise<NewIdentity> {
  const blocks = threeBlocks(text, [PRIVATE, ENCRYPTED]);
  if (blocks.some((block) => block.label !== blocks[0].label)) {
    throw new SealpostError("key-format", "a private key file is encrypted in part only");
  }
  const [rsa, mlkem, ed25519] = blocks[0].label === ENCRYPTED
    ? await decryptAll(blocks, passphrase)
    : [blocks[0].der, blocks[1].der, blocks[2].der];
  if (
    pkcs8Algorithm(rsa) !== OID.rsa || pkcs8Algorithm(mlkem) !== OID.mlKem768 ||
    pkcs8Algorithm(ed25519) !== OID.ed25519
  ) {
    throw new SealpostError(
      "key-format",
      "a private key file must hold an RSA, an ML-KEM-768 and an Ed25519 key, in this order",
    );
  }
  return await importIdentity(rsa, mlkem, ed25519);
}

/** Throws `key-mismatch` unless the public key file belongs to the private one. */
export function requirePair(identity: Identity, bundle: Bundle): void {
  if (equal(identity.bundle.fp, bundle.fp)) return;
  throw new SealpostError(
    "key-mismatch",
    "the private and the public key file do not belong together; put back the one that was changed",
  );
}

type Three<T> = readonly [T, T, T];

function threeBlocks(text: string, labels: readonly string[]): Three<PemBlock> {
  const blocks = parsePem(text);
  const wrong = blocks.find((block) => !labels.includes(block.label));
  if (wrong !== undefined) {
    throw new SealpostError("key-format", `expected a ${labels[0]}, found a ${wrong.label}`);
  }
  const [a, b, c] = blocks;
  if (blocks.length !== 3 || !a || !b || !c) {
    throw new SealpostError("key-format", `a key file has 3 blocks, this one has ${blocks.length}`);
  }
  return [a, b, c];
}

async function decryptAll(blocks: Three<PemBlock>, passphrase?: Bytes): Promise<Three<Bytes>> {
  if (passphrase === undefined) {
    throw new SealpostError("passphrase", "the private key file is encrypted; give its passphrase");
  }
  // One after the other: each may take up to 256 MiB, and a wrong passphrase ends at the first.
  const first = await decryptPkcs8(blocks[0].der, passphrase);
  const second = await decryptPkcs8(blocks[1].der, passphrase);
  const third = await decryptPkcs8(blocks[2].der, passphrase);
  return [first, second, third];
}

function malformedBundle(): SealpostError {
  return new SealpostError("key-format", "an encoded public key bundle is not valid");
}
