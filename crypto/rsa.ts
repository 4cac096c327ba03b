import { type Bytes, equal, toHex } from "./bytes.ts";
import { derInteger, derNull, derOid, DerReader, derSequence, derSmallInteger } from "./der.ts";
import { SealpostError } from "./error.ts";
import { encodePkcs8, encodeSpki, OID } from "./spki.ts";

/** The bounds of a modulus, in bits, and its usual size. A size is always a multiple of 8. */
export const RSA_BITS = { min: 2048, usual: 3072, max: 4096 } as const;

const EXPONENT = 65537;
const OAEP = { name: "RSA-OAEP", hash: "SHA-256" } as const;
const ALGORITHM = derSequence(derOid(OID.rsa), derNull());
/** Bytes of a public key before its modulus, of whichever size that is. */
const SPKI_HEAD = 33;

/** Whether `bits` is a size of modulus that is accepted. */
export function isRsaSize(bits: number): boolean {
  return Number.isInteger(bits) && bits >= RSA_BITS.min && bits <= RSA_BITS.max && bits % 8 === 0;
}

/**
 * A fresh key pair with e = 65537: SubjectPublicKeyInfo and PrivateKeyInfo. Takes about a second.
 * Throws `usage` if `bits` is not 2048 to 4096 and a multiple of 8.
 */
export async function generateRsa(bits: number): Promise<{ spki: Bytes; pkcs8: Bytes }> {
  if (!isRsaSize(bits)) {
    throw new SealpostError(
      "usage",
      `an RSA key has ${RSA_BITS.min} to ${RSA_BITS.max} bits, a multiple of 8`,
    );
  }
  const parameters = { ...OAEP, modulusLength: bits, publicExponent: new Uint8Array([1, 0, 1]) };
  const pair = await crypto.subtle.generateKey(parameters, true, ["encrypt", "decrypt"]);
  const [spki, pkcs8] = await Promise.all([
    crypto.subtle.exportKey("spki", pair.publicKey),
    crypto.subtle.exportKey("pkcs8", pair.privateKey),
  ]);
  return { spki: new Uint8Array(spki), pkcs8: new Uint8Array(pkcs8) };
}

/**
 * Takes a public key as SubjectPublicKeyInfo. Throws `key-format` unless it has its one DER form,
 * the modulus is odd and of 2048 to 4096 bits, a multiple of 8, and e = 65537.
 */
export async function importRsaPublic(spki: Bytes): Promise<{ key: CryptoKey; bits: number }> {
  const outer = DerReader.sequence(spki);
  const algorithm = outer.sequence();
  if (algorithm.oid() !== OID.rsa) throw new SealpostError("key-format", "not an RSA public key");
  const numbers = DerReader.sequence(outer.bitString());
  const n = numbers.integer();
  const e = numbers.smallInteger();
  const bits = checkNumbers(n, e);
  // Parameters, unused bits, trailing data: whatever was not looked at shows here.
  if (!equal(spkiOf(n), spki)) {
    throw new SealpostError("key-format", "an RSA public key is not in its one DER form");
  }
  return { key: await crypto.subtle.importKey("spki", spki, OAEP, true, ["encrypt"]), bits };
}

/**
 * Takes a private key as PrivateKeyInfo of two primes (RFC 8017, appendix A.1.2) and computes its
 * public key, as SubjectPublicKeyInfo. The handle cannot be exported. Throws `key-format` also
 * when the numbers do not belong together: CBC does not notice a file that was tampered with.
 */
export async function importRsaPrivate(pkcs8: Bytes): Promise<{ key: CryptoKey; spki: Bytes }> {
  const outer = DerReader.sequence(pkcs8);
  const version = outer.smallInteger();
  const algorithm = outer.sequence();
  if (version !== 0 || algorithm.oid() !== OID.rsa) {
    throw new SealpostError("key-format", "not an RSA private key");
  }
  const numbers = DerReader.sequence(outer.octetString());
  if (numbers.smallInteger() !== 0) {
    throw new SealpostError("key-format", "an RSA private key has more than two primes");
  }
  const n = numbers.integer();
  const e = numbers.smallInteger();
  const [d, p, q, dp, dq, qi] = Array.from({ length: 6 }, () => numbers.integer());
  numbers.end();
  if (!d || !p || !q || !dp || !dq || !qi) {
    throw new SealpostError("internal", "an integer of the key is missing");
  }
  checkNumbers(n, e);
  checkPrivate(n, e, d, p, q, dp, dq, qi);
  const again = encodePkcs8(
    ALGORITHM,
    derSequence(
      derSmallInteger(0),
      derInteger(n),
      derSmallInteger(e),
      ...[d, p, q, dp, dq, qi].map(derInteger),
    ),
  );
  const same = equal(again, pkcs8);
  again.fill(0);
  if (!same) {
    throw new SealpostError("key-format", "an RSA private key is not in its one DER form");
  }
  return {
    key: await crypto.subtle.importKey("pkcs8", pkcs8, OAEP, false, ["decrypt"]),
    spki: spkiOf(n),
  };
}

/** RSA-OAEP with SHA-256 and an empty label (RFC 8017, section 7.1): as long as the modulus. */
export async function rsaEncrypt(key: CryptoKey, message: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.encrypt(OAEP, key, message));
}

/** Undoes {@linkcode rsaEncrypt}; null if `ciphertext` is not valid, without saying why. */
export async function rsaDecrypt(key: CryptoKey, ciphertext: Bytes): Promise<Bytes | null> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt(OAEP, key, ciphertext));
  } catch {
    // Every failure is the same: telling them apart is what an attacker on OAEP lives on.
    return null;
  }
}

/**
 * The modulus in a public key in its one form ({@linkcode importRsaPublic}), without zeros in front: it
 * ends with an INTEGER that is the modulus, with one zero byte for its sign, and another that is 65537.
 */
export function rsaModulus(spki: Bytes): Bytes {
  return spki.subarray(SPKI_HEAD, -derSmallInteger(EXPONENT).length);
}

function spkiOf(n: Bytes): Bytes {
  return encodeSpki(ALGORITHM, derSequence(derInteger(n), derSmallInteger(EXPONENT)));
}

/** The size of the modulus in bits. */
function checkNumbers(n: Bytes, e: number): number {
  const bits = 8 * n.length - Math.clz32(n[0] ?? 0) + 24;
  if (!isRsaSize(bits)) {
    throw new SealpostError(
      "key-format",
      `an RSA key has ${bits} bits; ${RSA_BITS.min} to ${RSA_BITS.max} are accepted`,
    );
  }
  if (e !== EXPONENT) {
    throw new SealpostError(
      "key-format",
      `an RSA key has another public exponent than ${EXPONENT}`,
    );
  }
  if (((n.at(-1) ?? 0) & 1) === 0) {
    throw new SealpostError("key-format", "an RSA key has an even modulus");
  }
  return bits;
}

/** Throws unless the numbers are one key (RFC 8017, section 3.2). Primality is not tested. */
function checkPrivate(n: Bytes, e: number, ...rest: readonly Bytes[]): void {
  const [d = 0n, p = 0n, q = 0n, dp = 0n, dq = 0n, qi = 0n] = rest.map(unsigned);
  const inverse = (a: bigint, m: bigint) => a > 0n && a < m && BigInt(e) * a % m === 1n;
  const consistent = p > 1n && q > 1n && p !== q && p * q === unsigned(n) && d < unsigned(n) &&
    inverse(dp, p - 1n) && inverse(dq, q - 1n) &&
    d % (p - 1n) === dp && d % (q - 1n) === dq &&
    qi < p && qi * q % p === 1n;
  if (!consistent) {
    throw new SealpostError(
      "key-format",
      "the numbers of an RSA private key do not belong together; the file is damaged",
    );
  }
}

function unsigned(b: Bytes): bigint {
  return BigInt(`0x${toHex(b) || "0"}`);
}
