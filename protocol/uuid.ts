import { type Bytes, fromHex, random, toHex } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";

/** Size of a message id, bytes. */
export const ID_SIZE = 16;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A new UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds since 1970, the rest random. */
export function newMessageId(now: number = Date.now()): Bytes {
  const id = random(ID_SIZE);
  let ms = now;
  for (let i = 5; i >= 0; i--) {
    id[i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  id[6] = 0x70 | ((id[6] ?? 0) & 0x0f);
  id[8] = 0x80 | ((id[8] ?? 0) & 0x3f);
  return id;
}

/** When the id was made, milliseconds since 1970. Throws `format` if it is not a UUIDv7. */
export function messageIdTime(id: Uint8Array): number {
  checkMessageId(id);
  let ms = 0;
  for (let i = 0; i < 6; i++) ms = ms * 256 + (id[i] ?? 0);
  return ms;
}

/** Throws `format` unless `id` is 16 bytes with the version and variant of a UUIDv7. */
export function checkMessageId(id: Uint8Array): void {
  const version = (id[6] ?? 0) >>> 4;
  const variant = (id[8] ?? 0) >>> 6;
  if (id.length !== ID_SIZE || version !== 7 || variant !== 2) {
    throw new SealpostError("format", "a message id that is not a UUIDv7");
  }
}

/** The usual text form, lower case with hyphens. */
export function formatMessageId(id: Uint8Array): string {
  const hex = toHex(id);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

/** The id of its text form. Throws `format` for anything but a lower-case UUIDv7. */
export function parseMessageId(text: string): Bytes {
  if (!UUID.test(text)) throw new SealpostError("format", "a message id that is not a UUIDv7");
  return fromHex(text.replaceAll("-", ""));
}
