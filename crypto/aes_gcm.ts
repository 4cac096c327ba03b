import type { Bytes } from "./bytes.ts";
import { SealpostError } from "./error.ts";

/** An AES-256-GCM key that cannot be exported. */
export type AesKey = CryptoKey;

/** Bytes that sealing adds. */
export const TAG_SIZE = 16;

const NONE = new Uint8Array(0);

/** Makes a key of 32 bytes. Throws RangeError for another length. The caller may wipe `raw` after. */
export async function importAesKey(raw: Bytes): Promise<AesKey> {
  if (raw.length !== 32) throw new RangeError("an AES-256 key has 32 bytes");
  return await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/**
 * AES-256-GCM (NIST SP 800-38D): ciphertext ‖ tag (16 bytes). `nonce` has 12 bytes and must never
 * be used twice with a key. Throws RangeError for another length.
 */
export async function aesSeal(
  key: AesKey,
  nonce: Bytes,
  plaintext: Bytes,
  aad: Bytes = NONE,
): Promise<Bytes> {
  if (nonce.length !== 12) throw new RangeError("an AES-GCM nonce has 12 bytes");
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: aad, tagLength: 128 };
  return new Uint8Array(await crypto.subtle.encrypt(parameters, key, plaintext));
}

/**
 * Undoes {@linkcode aesSeal}. Throws `authentication` if it does not verify, for whatever reason;
 * the plaintext of data that does not verify is never returned.
 */
export async function aesOpen(
  key: AesKey,
  nonce: Bytes,
  ciphertext: Bytes,
  aad: Bytes = NONE,
): Promise<Bytes> {
  if (nonce.length !== 12 || ciphertext.length < TAG_SIZE) throw refused();
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: aad, tagLength: 128 };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(parameters, key, ciphertext));
  } catch (cause) {
    throw refused(cause);
  }
}

function refused(cause?: unknown): SealpostError {
  return new SealpostError(
    "authentication",
    "encrypted data does not verify; it was damaged, altered, or made for another key",
    { cause },
  );
}
