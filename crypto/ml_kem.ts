import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { type Bytes, concat, equal, fromHex, owned, random } from "./bytes.ts";
import { SealpostError } from "./error.ts";

/** Sizes of ML-KEM-768 (FIPS 203), in bytes. */
export const ML_KEM = { publicKey: 1184, seed: 64, ciphertext: 1088, secret: 32 } as const;

// SubjectPublicKeyInfo and PrivateKeyInfo with the seed alone (RFC 9935) up to the raw bytes.
const SPKI_PREFIX = fromHex("308204b2300b0609608648016503040402038204a100");
const PKCS8_PREFIX = fromHex("3054020100300b060960864801650304040204428040");

/** A private key made ready, so that decapsulating again and again does not expand it each time. */
export interface LoadedMlKem {
  readonly publicKey: Bytes;
  /** The 32-byte secret; an invalid ciphertext gives another one (FIPS 203). Throws `format`. */
  decapsulate(ciphertext: Bytes): Promise<Bytes>;
}

/**
 * ML-KEM-768 (FIPS 203). A private key is its 64-byte seed d ‖ z. All providers give the same
 * bytes. Wrong lengths throw `format`, a public key that fails the modulus check `key-format`.
 */
export interface MlKemProvider {
  readonly name: "native" | "library";
  /** A key pair from `seed`, or a fresh one. */
  generate(seed?: Bytes): Promise<{ publicKey: Bytes; seed: Bytes }>;
  publicFromSeed(seed: Bytes): Promise<Bytes>;
  encapsulate(publicKey: Bytes): Promise<{ ciphertext: Bytes; secret: Bytes }>;
  decapsulate(seed: Bytes, ciphertext: Bytes): Promise<Bytes>;
  load(seed: Bytes): Promise<LoadedMlKem>;
}

/** The part of WebCrypto's "Modern Algorithms" that is used, which TypeScript 5.9 does not know. */
interface KemSubtle {
  importKey(
    format: "raw-seed" | "raw-public",
    key: Bytes,
    algorithm: string,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<CryptoKey>;
  exportKey(format: "raw-public", key: CryptoKey): Promise<ArrayBuffer>;
  getPublicKey(key: CryptoKey, usages: readonly string[]): Promise<CryptoKey>;
  encapsulateBits(
    algorithm: string,
    key: CryptoKey,
  ): Promise<{ ciphertext: ArrayBuffer; sharedKey: ArrayBuffer }>;
  decapsulateBits(algorithm: string, key: CryptoKey, ciphertext: Bytes): Promise<ArrayBuffer>;
}

/** What both providers have in common: checks of lengths, and everything that follows from `load`. */
abstract class Provider implements MlKemProvider {
  abstract readonly name: "native" | "library";
  protected abstract expand(seed: Bytes): Promise<LoadedMlKem>;
  protected abstract encapsulateTo(key: Bytes): Promise<{ ciphertext: Bytes; secret: Bytes }>;

  async generate(seed: Bytes = random(ML_KEM.seed)): Promise<{ publicKey: Bytes; seed: Bytes }> {
    return { publicKey: await this.publicFromSeed(seed), seed };
  }

  async publicFromSeed(seed: Bytes): Promise<Bytes> {
    return (await this.load(seed)).publicKey;
  }

  async encapsulate(publicKey: Bytes): Promise<{ ciphertext: Bytes; secret: Bytes }> {
    checkMlKemPublic(publicKey);
    return await this.encapsulateTo(publicKey);
  }

  async decapsulate(seed: Bytes, ciphertext: Bytes): Promise<Bytes> {
    return await (await this.load(seed)).decapsulate(ciphertext);
  }

  async load(seed: Bytes): Promise<LoadedMlKem> {
    if (seed.length !== ML_KEM.seed) {
      throw new SealpostError("format", "an ML-KEM seed has a wrong length");
    }
    const loaded = await this.expand(seed);
    return {
      publicKey: loaded.publicKey,
      decapsulate: async (ciphertext) => {
        if (ciphertext.length !== ML_KEM.ciphertext) {
          throw new SealpostError("format", "an ML-KEM ciphertext has a wrong length");
        }
        return await loaded.decapsulate(ciphertext);
      },
    };
  }
}

class Native extends Provider {
  readonly name = "native";
  static readonly algorithm = "ML-KEM-768";

  constructor(private readonly subtle: KemSubtle) {
    super();
  }

  protected async expand(seed: Bytes): Promise<LoadedMlKem> {
    const { subtle } = this;
    const algorithm = Native.algorithm;
    const usages = ["decapsulateBits"];
    const key = await subtle.importKey("raw-seed", seed, algorithm, false, usages);
    const publicKey = await subtle.getPublicKey(key, ["encapsulateBits"]);
    return {
      publicKey: new Uint8Array(await subtle.exportKey("raw-public", publicKey)),
      decapsulate: async (ciphertext) =>
        new Uint8Array(await subtle.decapsulateBits(algorithm, key, ciphertext)),
    };
  }

  protected async encapsulateTo(key: Bytes): Promise<{ ciphertext: Bytes; secret: Bytes }> {
    const usages = ["encapsulateBits"];
    const algorithm = Native.algorithm;
    const handle = await this.subtle.importKey("raw-public", key, algorithm, true, usages);
    const { ciphertext, sharedKey } = await this.subtle.encapsulateBits(algorithm, handle);
    return { ciphertext: new Uint8Array(ciphertext), secret: new Uint8Array(sharedKey) };
  }
}

class Library extends Provider {
  readonly name = "library";

  protected expand(seed: Bytes): Promise<LoadedMlKem> {
    const { publicKey, secretKey } = ml_kem768.keygen(seed);
    return Promise.resolve({
      publicKey: owned(publicKey),
      decapsulate: (ciphertext) =>
        Promise.resolve(owned(ml_kem768.decapsulate(ciphertext, secretKey))),
    });
  }

  protected encapsulateTo(key: Bytes): Promise<{ ciphertext: Bytes; secret: Bytes }> {
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(key);
    return Promise.resolve({ ciphertext: owned(cipherText), secret: owned(sharedSecret) });
  }
}

/** ML-KEM of the runtime's `crypto.subtle`, or null if it has none. */
export const nativeMlKem: MlKemProvider | null = await findNative();

/** ML-KEM of `@noble/post-quantum`, which works everywhere. */
export const libraryMlKem: MlKemProvider = new Library();

/** The provider to use: the runtime's if it has one. */
export const mlKem: MlKemProvider = nativeMlKem ?? libraryMlKem;

/** Makes a private key ready for many uses, with {@linkcode mlKem}. Throws `format`. */
export async function loadMlKem(seed: Bytes): Promise<LoadedMlKem> {
  return await mlKem.load(seed);
}

async function findNative(): Promise<MlKemProvider | null> {
  if (!("encapsulateBits" in crypto.subtle) || !("getPublicKey" in crypto.subtle)) return null;
  const native = new Native(crypto.subtle as unknown as KemSubtle);
  try {
    await native.publicFromSeed(new Uint8Array(ML_KEM.seed));
    return native;
  } catch {
    // A runtime may have the methods for other algorithms and not this one.
    return null;
  }
}

/**
 * The check of FIPS 203, section 7.2: 1184 bytes, of which the first 1152 are 768 numbers of 12
 * bits, each below 3329. Throws `key-format`.
 */
export function checkMlKemPublic(publicKey: Bytes): void {
  if (publicKey.length !== ML_KEM.publicKey) {
    throw new SealpostError("key-format", "an ML-KEM-768 public key has a wrong length");
  }
  for (let i = 0; i < 1152; i += 3) {
    const [a = 0, b = 0, c = 0] = publicKey.subarray(i, i + 3);
    if ((a | (b & 0x0f) << 8) >= 3329 || (b >> 4 | c << 4) >= 3329) {
      throw new SealpostError("key-format", "an ML-KEM-768 public key fails the modulus check");
    }
  }
}

/** SubjectPublicKeyInfo of a raw public key: 1206 bytes. */
export function mlKemSpki(publicKey: Bytes): Bytes {
  checkMlKemPublic(publicKey);
  return concat(SPKI_PREFIX, publicKey);
}

/** The raw public key of a SubjectPublicKeyInfo. Throws `key-format`, the modulus check included. */
export function mlKemFromSpki(spki: Bytes): Bytes {
  const prefix = SPKI_PREFIX.length;
  if (
    spki.length !== prefix + ML_KEM.publicKey || !equal(spki.subarray(0, prefix), SPKI_PREFIX)
  ) {
    throw new SealpostError("key-format", "not an ML-KEM-768 public key");
  }
  const publicKey = spki.slice(prefix);
  checkMlKemPublic(publicKey);
  return publicKey;
}

/** PrivateKeyInfo that holds the seed alone: 86 bytes. Throws `format` for a wrong length. */
export function mlKemPkcs8(seed: Bytes): Bytes {
  if (seed.length !== ML_KEM.seed) {
    throw new SealpostError("format", "an ML-KEM seed has a wrong length");
  }
  return concat(PKCS8_PREFIX, seed);
}

/** The seed in a PrivateKeyInfo. Throws `key-format`, also for the two longer forms of RFC 9935. */
export function mlKemFromPkcs8(pkcs8: Bytes): Bytes {
  const prefix = PKCS8_PREFIX.length;
  if (
    pkcs8.length !== prefix + ML_KEM.seed || !equal(pkcs8.subarray(0, prefix), PKCS8_PREFIX)
  ) {
    throw new SealpostError(
      "key-format",
      "not an ML-KEM-768 private key stored as its seed, the one form that is read",
    );
  }
  return pkcs8.slice(prefix);
}
