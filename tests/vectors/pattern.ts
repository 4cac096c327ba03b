import { createHash } from "node:crypto";
import { type Bytes, concat, u32, utf8 } from "../../crypto/bytes.ts";

/**
 * `length` bytes that look random and are the same everywhere: the beginning of
 * `SHA-256(seed ‖ u32(0)) ‖ SHA-256(seed ‖ u32(1)) ‖ …`, the seed in UTF-8.
 */
export function pattern(seed: string, length: number): Bytes {
  const prefix = utf8(seed);
  const out = new Uint8Array(length);
  for (let at = 0, block = 0; at < length; at += 32, block++) {
    const digest = createHash("sha256").update(concat(prefix, u32(block))).digest();
    out.set(digest.subarray(0, length - at), at);
  }
  return out;
}
