import { createHash } from "node:crypto";
import { type Bytes, concat, fromHex, toHex } from "../../crypto/bytes.ts";
import {
  derInteger,
  derNull,
  derOid,
  DerReader,
  derSequence,
  derSmallInteger,
} from "../../crypto/der.ts";
import { encodePkcs8, OID } from "../../crypto/spki.ts";
import { pattern } from "./pattern.ts";

// RSA whose every bit follows from a seed, which no runtime offers: for test keys and for
// ciphertexts that another implementation can compute again. Not for any other use.

const E = 65537n;
const HASH_SIZE = 32;
const SMALL_PRIMES = primesBelow(2000);

/** The numbers of a key that all others follow from. */
export interface Primes {
  readonly p: bigint;
  readonly q: bigint;
}

/** Two primes of half of `bits` each, whose product has exactly `bits`, from `seed`; for this e. */
export function primesFrom(seed: string, bits: number, e = E): Primes {
  const p = primeFrom(`${seed} p`, bits / 2, e);
  const q = primeFrom(`${seed} q`, bits / 2, e);
  return { p, q };
}

/** The private exponent: the inverse of e modulo lcm(p - 1, q - 1). */
export function exponentOf({ p, q }: Primes, e = E): bigint {
  return inverse(e, (p - 1n) * (q - 1n) / gcd(p - 1n, q - 1n));
}

/** The PrivateKeyInfo of a key (RFC 8017, appendix A.1.2). Only with its own d is it one. */
export function rsaPkcs8({ p, q }: Primes, d = exponentOf({ p, q }), e = E): Bytes {
  const numbers = [p * q, e, d, p, q, d % (p - 1n), d % (q - 1n), inverse(q, p)];
  return encodePkcs8(
    derSequence(derOid(OID.rsa), derNull()),
    derSequence(derSmallInteger(0), ...numbers.map((n) => derInteger(bytesOf(n)))),
  );
}

/** RSAES-OAEP-ENCRYPT (RFC 8017, section 7.1.1) with SHA-256, an empty label and this 32-byte seed. */
export function oaepEncrypt(spki: Bytes, message: Uint8Array, seed: Uint8Array): Bytes {
  const outer = DerReader.sequence(spki);
  outer.sequence();
  const n = DerReader.sequence(outer.bitString()).integer();
  const size = n.length;
  const filling = size - 2 * HASH_SIZE - 2 - message.length;
  if (filling < 0 || seed.length !== HASH_SIZE) {
    throw new RangeError("a message or seed of a wrong size");
  }
  const data = concat(sha256(), new Uint8Array(filling), new Uint8Array([1]), message);
  const maskedData = xor(data, mgf1(seed, data.length));
  const maskedSeed = xor(seed, mgf1(maskedData, HASH_SIZE));
  const encoded = concat(new Uint8Array(1), maskedSeed, maskedData);
  return bytesOf(power(numberOf(encoded), E, numberOf(n)), size);
}

/** A big-endian number, in `size` bytes or as few as it takes. */
export function bytesOf(n: bigint, size = 0): Bytes {
  const digits = n.toString(16);
  return fromHex(digits.padStart(Math.max(2 * size, digits.length + digits.length % 2), "0"));
}

export function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes) || "0"}`);
}

function primeFrom(seed: string, bits: number, e: bigint): bigint {
  // Both top bits set, so that the product of two has no bit less.
  let candidate = numberOf(pattern(seed, bits / 8)) | (3n << BigInt(bits - 2)) | 1n;
  while (!isPrime(candidate, seed) || (candidate - 1n) % e === 0n) candidate += 2n;
  return candidate;
}

/** Trial division, then 24 rounds of Miller and Rabin. */
function isPrime(n: bigint, seed: string): boolean {
  if (SMALL_PRIMES.some((p) => n % p === 0n)) return false;
  let odd = n - 1n;
  let twos = 0;
  for (; odd % 2n === 0n; odd /= 2n) twos++;
  for (let round = 0; round < 24; round++) {
    let x = power(numberOf(pattern(`${seed} witness ${round}`, 16)) + 2n, odd, n);
    let maybe = x === 1n || x === n - 1n;
    for (let i = 1; i < twos && !maybe; i++) {
      x = x * x % n;
      maybe = x === n - 1n;
    }
    if (!maybe) return false;
  }
  return true;
}

function primesBelow(limit: number): bigint[] {
  const primes: number[] = [];
  for (let n = 2; n < limit; n++) if (primes.every((p) => n % p !== 0)) primes.push(n);
  return primes.map(BigInt);
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base % modulus;
  for (let e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) result = result * square % modulus;
    square = square * square % modulus;
  }
  return result;
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

function inverse(a: bigint, modulus: bigint): bigint {
  let [r, s] = [[modulus, a % modulus], [0n, 1n]] as [bigint[], bigint[]];
  while (r[1] !== 0n) {
    const [r0 = 0n, r1 = 0n] = r;
    const [s0 = 0n, s1 = 0n] = s;
    const quotient = r0 / r1;
    r = [r1, r0 - quotient * r1];
    s = [s1, s0 - quotient * s1];
  }
  const result = (s[0] ?? 0n) % modulus;
  return result < 0n ? result + modulus : result;
}

function mgf1(seed: Uint8Array, length: number): Bytes {
  const blocks: Bytes[] = [];
  for (let i = 0; i * HASH_SIZE < length; i++) {
    blocks.push(sha256(seed, new Uint8Array([i >>> 24, i >>> 16, i >>> 8, i])));
  }
  return concat(...blocks).slice(0, length);
}

function sha256(...parts: Uint8Array[]): Bytes {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

function xor(a: Uint8Array, b: Uint8Array): Bytes {
  return new Uint8Array(a.map((byte, i) => byte ^ (b[i] ?? 0)));
}
