import { type AesKey, importAesKey } from "../crypto/aes_gcm.ts";
import { type Bytes, concat, equal, utf8, wipe } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { hkdf, sha256 } from "../crypto/hash.ts";

/** Size of a message's file key, bytes. */
export const FILE_KEY_SIZE = 32;

const NO_SALT = new Uint8Array(0);

/** `HKDF(file key, "", "sealpost/1 commit")`, 32 bytes: AES-GCM by itself does not commit to its key. */
export function commit(fileKey: Bytes): Promise<Bytes> {
  return hkdf(fileKey, NO_SALT, "sealpost/1 commit", 32);
}

/** Throws `authentication` unless `commitment` is that of `fileKey`. Before anything is decrypted. */
export async function checkCommitment(fileKey: Bytes, commitment: Bytes): Promise<void> {
  if (!equal(await commit(fileKey), commitment)) {
    throw new SealpostError("authentication", "the message's key is not the one it commits to");
  }
}

/**
 * `HKDF(file key, "", "sealpost/1 " ‖ part ‖ SHA-256(fixed header))`. Each key serves one
 * message, so that its nonces can start at zero.
 */
export async function partKey(
  fileKey: Bytes,
  part: "summary" | "body",
  header: Bytes,
): Promise<AesKey> {
  const info = concat(utf8(`sealpost/1 ${part}`), await sha256(header));
  const raw = await hkdf(fileKey, NO_SALT, info, 32);
  const key = await importAesKey(raw);
  wipe(raw);
  return key;
}
