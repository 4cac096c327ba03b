import { type Bytes, concat, equal, fromHex } from "./bytes.ts";
import { SealpostError } from "./error.ts";

// SubjectPublicKeyInfo and PrivateKeyInfo (RFC 8410) up to the 32 raw bytes.
const SPKI_PREFIX = fromHex("302a300506032b6570032100");
const PKCS8_PREFIX = fromHex("302e020100300506032b657004220420");

/** The field prime, 2^255 - 19. */
const P = 2n ** 255n - 19n;
/** The curve constant, -121665/121666 modulo P. */
const D = modulo(-121665n * power(121666n, P - 2n));
/** The order of the base point. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

/** A fresh key pair: SubjectPublicKeyInfo (44 bytes) and PrivateKeyInfo (48 bytes). */
export async function generateEd25519(): Promise<{ spki: Bytes; pkcs8: Bytes }> {
  const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
  if (!("publicKey" in pair)) throw new SealpostError("internal", "Ed25519 gave no key pair");
  const [spki, pkcs8] = await Promise.all([
    crypto.subtle.exportKey("spki", pair.publicKey),
    crypto.subtle.exportKey("pkcs8", pair.privateKey),
  ]);
  return { spki: new Uint8Array(spki), pkcs8: new Uint8Array(pkcs8) };
}

/** The 64-byte signature of `message` (RFC 8032). */
export async function sign(privateKey: CryptoKey, message: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, privateKey, message));
}

/**
 * Whether `signature` is one of `message` under a key from {@linkcode importEd25519Public}. A
 * signature of another length than 64, or whose S is not below the group order (RFC 8032, section
 * 5.1.7), is not valid: nobody can turn a signature into another one.
 */
export async function verify(
  publicKey: CryptoKey,
  signature: Bytes,
  message: Bytes,
): Promise<boolean> {
  if (signature.length !== 64 || littleEndian(signature.subarray(32)) >= L) return false;
  return await crypto.subtle.verify({ name: "Ed25519" }, publicKey, signature, message);
}

/**
 * Takes a public key as SubjectPublicKeyInfo. Throws `key-format` unless it has its one DER form
 * (44 bytes), y is below the field prime, and it is a point on the curve not of low order.
 */
export async function importEd25519Public(spki: Bytes): Promise<CryptoKey> {
  if (spki.length !== 44 || !equal(spki.subarray(0, 12), SPKI_PREFIX)) {
    throw new SealpostError("key-format", "not an Ed25519 public key");
  }
  const y = littleEndian(spki.subarray(12)) & (2n ** 255n - 1n);
  if (y >= P || !isOnCurve(y)) {
    throw new SealpostError("key-format", "an Ed25519 public key is not a canonical point");
  }
  if (isLowOrder(y)) {
    throw new SealpostError("key-format", "an Ed25519 public key is of low order");
  }
  return await crypto.subtle.importKey("spki", spki, { name: "Ed25519" }, true, ["verify"]);
}

/**
 * Takes a private key as PrivateKeyInfo (48 bytes, RFC 8410 version 0) and computes its public
 * key, as SubjectPublicKeyInfo. The handle cannot be exported. Throws `key-format`.
 */
export async function importEd25519Private(
  pkcs8: Bytes,
): Promise<{ key: CryptoKey; spki: Bytes }> {
  if (pkcs8.length !== 48 || !equal(pkcs8.subarray(0, 16), PKCS8_PREFIX)) {
    throw new SealpostError("key-format", "not an Ed25519 private key");
  }
  const algorithm = { name: "Ed25519" };
  const exportable = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", exportable);
  if (x === undefined) throw new SealpostError("internal", "no public key came with Ed25519");
  const point = await crypto.subtle.importKey(
    "jwk",
    { kty: "OKP", crv: "Ed25519", x },
    algorithm,
    true,
    ["verify"],
  );
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", point));
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
  return { key, spki: concat(SPKI_PREFIX, raw) };
}

/** Whether some x makes (x, y) a point: x² = (y² - 1) / (d y² + 1) (RFC 8032, section 5.1.3). */
function isOnCurve(y: bigint): boolean {
  const u = modulo(y * y - 1n);
  const v = modulo(D * y * y + 1n);
  // u/v is a square exactly if u·v is, as v² is one; v is never 0, for -1/d is none.
  const legendre = power(u * v, (P - 1n) / 2n);
  return legendre === 0n || legendre === 1n;
}

/**
 * Whether the points with this y have order 1 (y = 1), 2 (y = -1), 4 (y = 0) or 8: those of order
 * 8 double to y = 0, which the addition law turns into d y⁴ + 2 y² = 1.
 */
function isLowOrder(y: bigint): boolean {
  return y === 0n || y === 1n || y === P - 1n || modulo(D * y ** 4n + 2n * y * y - 1n) === 0n;
}

function littleEndian(b: Uint8Array): bigint {
  return b.reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n);
}

function modulo(n: bigint): bigint {
  const r = n % P;
  return r < 0n ? r + P : r;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = modulo(base);
  for (let e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) result = result * square % P;
    square = square * square % P;
  }
  return result;
}
