// AES-GCM does not commit to its key: whoever knows two keys makes a ciphertext that opens under both
// (Grubbs, Lu, Ristenpart 2017; Dodis et al. 2018, the "invisible salamander"). The tag is a polynomial in
// the blocks of the ciphertext, so one block can be solved for.

import { type Bytes, concat, fromHex, toHex, u32, u64 } from "../../crypto/bytes.ts";

const BLOCK = 16;

/** x^128 = 1 + x + x^2 + x^7, with the bits in GCM's order: the highest is the coefficient of x^0. */
const REDUCTION = 0xe1n << 120n;
const ONE = 1n << 127n;

/** The product in GF(2^128) of NIST SP 800-38D, section 6.3. */
function multiply(a: bigint, b: bigint): bigint {
  let [product, shifted] = [0n, b];
  for (let bit = ONE; bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= shifted;
    shifted = shifted & 1n ? shifted >> 1n ^ REDUCTION : shifted >> 1n;
  }
  return product;
}

function power(a: bigint, exponent: number): bigint {
  let [result, square] = [ONE, a];
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

/** a^(2^128 - 2), the product of a^(2^1) to a^(2^127). */
function invert(a: bigint): bigint {
  let [result, square] = [ONE, a];
  for (let i = 1; i < 128; i++) {
    square = multiply(square, square);
    result = multiply(result, square);
  }
  return result;
}

const number = (block: Bytes) => BigInt(`0x${toHex(block)}`);
const bytes = (n: bigint): Bytes => fromHex(n.toString(16).padStart(2 * BLOCK, "0"));

/** What a key does with a nonce, as GCM sees it. */
interface Half {
  /** The point at which the polynomial is taken. */
  readonly h: bigint;
  /** What masks the tag. */
  readonly mask: bigint;
  readonly stream: Bytes;
}

async function half(raw: Bytes, nonce: Bytes, size: number): Promise<Half> {
  const key = await crypto.subtle.importKey("raw", raw, "AES-CTR", false, ["encrypt"]);
  const stream = async (counter: Bytes, length: number): Promise<Bytes> => {
    const algorithm = { name: "AES-CTR", counter, length: 32 };
    return new Uint8Array(await crypto.subtle.encrypt(algorithm, key, new Uint8Array(length)));
  };
  return {
    h: number(await stream(new Uint8Array(BLOCK), BLOCK)),
    mask: number(await stream(concat(nonce, u32(1)), BLOCK)),
    stream: await stream(concat(nonce, u32(2)), size),
  };
}

/** GHASH of a ciphertext of whole blocks without additional data. */
function ghash(h: bigint, ciphertext: Bytes): bigint {
  const all = concat(ciphertext, u64(0), u64(8 * ciphertext.length));
  let sum = 0n;
  for (let at = 0; at < all.length; at += BLOCK) {
    sum = multiply(sum ^ number(all.subarray(at, at + BLOCK)), h);
  }
  return sum;
}

function xor(a: Bytes, b: Bytes): Bytes {
  return a.map((byte, i) => byte ^ (b[i] ?? 0));
}

/**
 * A plaintext that, sealed with the first of `keys`, opens with either. It is `first`, but for what
 * `second` takes up from `at` on, where it is what reads as `second` with the second key, and for the
 * block after that. All lengths are multiples of 16.
 */
export async function opensUnderBoth(
  keys: readonly [Bytes, Bytes],
  nonce: Bytes,
  first: Bytes,
  at: number,
  second: Bytes,
): Promise<Bytes> {
  const [one, two] = [
    await half(keys[0], nonce, first.length),
    await half(keys[1], nonce, first.length),
  ];
  const ciphertext = xor(first, one.stream);
  ciphertext.set(xor(second, two.stream.subarray(at, at + second.length)), at);
  const free = at + second.length;
  ciphertext.fill(0, free, free + BLOCK);
  // The free block c adds c · h^e to each sum: of its blocks, and that of the lengths, it is the e-th last.
  const e = (first.length - free) / BLOCK + 1;
  const difference = ghash(one.h, ciphertext) ^ one.mask ^ ghash(two.h, ciphertext) ^ two.mask;
  const c = multiply(difference, invert(power(one.h, e) ^ power(two.h, e)));
  ciphertext.set(bytes(c), free);
  return xor(ciphertext, one.stream);
}
