import { argon2id as wasmArgon2id } from "hash-wasm";
import { type Bytes, owned } from "./bytes.ts";
import { SealpostError } from "./error.ts";

/** The cost of Argon2id (RFC 9106). */
export interface Argon2Params {
  /** KiB: 8 × parallelism to 1,048,576. */
  readonly memory: number;
  /** 1 to 16. */
  readonly passes: number;
  /** 1 to 16. */
  readonly parallelism: number;
}

/** What new passwords are hashed with. */
export const DEFAULT_ARGON2: Argon2Params = { memory: 19456, passes: 2, parallelism: 1 };

/** The most memory that is spent on one hash, KiB. */
const MAX_MEMORY = 1048576;

/** Argon2id, version 0x13. All providers give the same bytes. */
export interface Argon2Provider {
  readonly name: "native" | "library";
  /** `length` bytes. Arguments are within the bounds of {@linkcode argon2id}. */
  derive(password: Bytes, salt: Bytes, params: Argon2Params, length: number): Promise<Bytes>;
}

/** The part of WebCrypto's "Modern Algorithms" that is used, which TypeScript 5.9 does not know. */
interface Argon2Subtle {
  importKey(
    format: "raw-secret",
    key: Bytes,
    algorithm: { name: string },
    extractable: boolean,
    usages: readonly string[],
  ): Promise<CryptoKey>;
  deriveBits(
    algorithm: Argon2Params & { name: string; nonce: Bytes; version: number },
    key: CryptoKey,
    bits: number,
  ): Promise<ArrayBuffer>;
}

/** Argon2id of the runtime's `crypto.subtle`, or null if it has none. */
export const nativeArgon2: Argon2Provider | null = await findNative();

/** Argon2id of `hash-wasm`, which works everywhere. */
export const libraryArgon2: Argon2Provider = {
  name: "library",
  async derive(password, salt, { memory, passes, parallelism }, length) {
    const hash = await wasmArgon2id({
      password,
      salt,
      memorySize: memory,
      iterations: passes,
      parallelism,
      hashLength: length,
      outputType: "binary",
    });
    return owned(hash);
  },
};

const provider = nativeArgon2 ?? libraryArgon2;

/** Whether the cost is within the bounds of {@linkcode Argon2Params}. */
export function isArgon2Params({ memory, passes, parallelism }: Argon2Params): boolean {
  const within = (n: number, min: number, max: number) =>
    Number.isInteger(n) && n >= min && n <= max;
  return within(parallelism, 1, 16) && within(passes, 1, 16) &&
    within(memory, 8 * parallelism, MAX_MEMORY);
}

/**
 * Argon2id (RFC 9106) without secret and associated data: `length` bytes, 4 to 1024. Throws `limit`
 * before anything is spent if the cost is out of bounds, `password` is empty, or `salt` has not 8
 * to 64 bytes.
 */
export async function argon2id(
  password: Bytes,
  salt: Bytes,
  params: Argon2Params,
  length: number,
): Promise<Bytes> {
  if (!isArgon2Params(params)) {
    throw new SealpostError("limit", "a cost of Argon2id is out of bounds");
  }
  if (password.length === 0) throw new SealpostError("limit", "a password is empty");
  if (salt.length < 8 || salt.length > 64 || length < 4 || length > 1024) {
    throw new SealpostError("limit", "a length for Argon2id is out of bounds");
  }
  return await provider.derive(password, salt, params, length);
}

async function findNative(): Promise<Argon2Provider | null> {
  const subtle = crypto.subtle as unknown as Argon2Subtle;
  const native: Argon2Provider = {
    name: "native",
    async derive(password, salt, { memory, passes, parallelism }, length) {
      const name = "Argon2id";
      const key = await subtle.importKey("raw-secret", password, { name }, false, ["deriveBits"]);
      const algorithm = { name, nonce: salt, memory, passes, parallelism, version: 0x13 };
      return new Uint8Array(await subtle.deriveBits(algorithm, key, 8 * length));
    },
  };
  try {
    const probe = new Uint8Array(8);
    await native.derive(probe, probe, { memory: 8, passes: 1, parallelism: 1 }, 16);
    return native;
  } catch {
    return null;
  }
}
