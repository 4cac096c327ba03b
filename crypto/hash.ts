import { type Bytes, concat, free, owned, utf8 } from "./bytes.ts";
import type { Buffer } from "node:buffer";
import { createHash, createHmac, hkdfSync } from "node:crypto";

// node:crypto works on the calling thread at once; crypto.subtle hands the work to another thread, which
// costs more than hashing a few KiB does. docs/decisions/0034-small-hashes-on-the-thread.md has figures.

/** Up to this many bytes are hashed on the calling thread, more on another. */
const SMALL = 16 * 1024;

/** The longest `info` that node:crypto's HKDF takes, bytes. */
const MAX_NODE_INFO = 1024;

/** SHA-256 of all `parts`, one after the other: 32 bytes. */
export async function sha256(...parts: Uint8Array[]): Promise<Bytes> {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return await digest(owned(first));
  const data = concat(...parts);
  const hash = await digest(data);
  free(data);
  return hash;
}

async function digest(data: Bytes): Promise<Bytes> {
  return data.length <= SMALL
    ? sha256Now(data)
    : new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

/** SHA-256 of `data`, on the calling thread and at once: 32 bytes. For small data. */
export function sha256Now(data: Bytes): Bytes {
  return copyOf(createHash("sha256").update(data).digest());
}

/** HMAC-SHA-256 (RFC 2104): 32 bytes. `key` may have any length, also none. */
export async function hmacSha256(key: Uint8Array, data: Uint8Array): Promise<Bytes> {
  if (key.length <= SMALL && data.length <= SMALL) {
    return copyOf(createHmac("sha256", owned(key)).update(owned(data)).digest());
  }
  // crypto.subtle refuses an empty key. HMAC pads keys with zeros, so one zero byte is the same key.
  const raw = key.length === 0 ? new Uint8Array(1) : owned(key);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const handle = await crypto.subtle.importKey("raw", raw, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", handle, owned(data)));
}

/**
 * HKDF-SHA-256, extract and expand (RFC 5869): `length` bytes, at most 8160. A string `info` is
 * taken as UTF-8. Throws RangeError for another `length`.
 */
export async function hkdf(
  ikm: Uint8Array,
  salt: Uint8Array,
  info: string | Uint8Array,
  length: number,
): Promise<Bytes> {
  if (!Number.isInteger(length) || length < 1 || length > 255 * 32) {
    throw new RangeError("HKDF-SHA-256 gives 1 to 8160 bytes");
  }
  const context = typeof info === "string" ? utf8(info) : owned(info);
  if (context.length <= MAX_NODE_INFO && ikm.length <= SMALL && salt.length <= SMALL) {
    return new Uint8Array(hkdfSync("sha256", owned(ikm), owned(salt), context, length));
  }
  const key = await crypto.subtle.importKey("raw", owned(ikm), "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: owned(salt), info: context };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, 8 * length));
}

/** The bytes of a Buffer, which may lie in a pool that others use, in an array of their own. */
function copyOf(buffer: Buffer): Bytes {
  return new Uint8Array(buffer);
}
