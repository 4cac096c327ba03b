import { aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, u64 } from "../../crypto/bytes.ts";
import { hkdf } from "../../crypto/hash.ts";

/** n as 3 bytes, big-endian. */
export function u24(n: number): Bytes {
  return new Uint8Array([n >>> 16, n >>> 8, n]);
}

/** The key after one replacement (section 7). */
export async function rekeyed(key: Bytes): Promise<Bytes> {
  return await hkdf(key, new Uint8Array(0), "sealpost/1 rekey", 32);
}

/** Record number `j` (section 7) under exactly this key; with other additional data if they are given. */
export async function recordByHand(
  key: Bytes,
  j: number,
  plaintext: Bytes,
  aad?: Bytes,
): Promise<Bytes> {
  const length = u24(plaintext.length + 16);
  const nonce = concat(new Uint8Array(4), u64(j));
  return concat(length, await aesSeal(await importAesKey(key), nonce, plaintext, aad ?? length));
}
