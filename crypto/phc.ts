import { argon2id, type Argon2Params, DEFAULT_ARGON2, isArgon2Params } from "./argon2.ts";
import { type Bytes, equal, fromBase64, random, toBase64 } from "./bytes.ts";
import { SealpostError } from "./error.ts";

/** A hashed password, taken apart. */
export interface Phc {
  readonly params: Argon2Params;
  readonly salt: Bytes;
  readonly hash: Bytes;
}

const PREFIX = "$argon2id$";
const SALT_SIZE = 16;
const HASH_SIZE = 32;
const FORM =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** Whether `text` says that it is an Argon2id string; {@linkcode parsePhc} tells if it is a good one. */
export function isPhc(text: string): boolean {
  return text.startsWith(PREFIX);
}

/**
 * `password` as a PHC string: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, with base64 without
 * padding, a fresh 16-byte salt and a 32-byte hash. Throws `limit` if it is empty.
 */
export async function hashPassword(
  password: Bytes,
  params: Argon2Params = DEFAULT_ARGON2,
): Promise<string> {
  const salt = random(SALT_SIZE);
  const hash = await argon2id(password, salt, params, HASH_SIZE);
  const { memory, passes, parallelism } = params;
  const cost = `m=${memory},t=${passes},p=${parallelism}`;
  return `${PREFIX}v=19$${cost}$${unpadded(salt)}$${unpadded(hash)}`;
}

/**
 * Whether `password` is the one of `phc`. Takes the time of one Argon2id whatever the password.
 * Throws `format` if `phc` is not one that {@linkcode parsePhc} takes.
 */
export async function verifyPassword(phc: string, password: Bytes): Promise<boolean> {
  const { params, salt, hash } = parsePhc(phc);
  // Nobody has the empty password, and Argon2id is not given it; it costs what any guess does.
  const empty = password.length === 0;
  const guess = await argon2id(empty ? new Uint8Array(1) : password, salt, params, hash.length);
  return equal(guess, hash) && !empty;
}

/**
 * Takes a PHC string of Argon2id version 19 apart. Throws `format` unless it has just this form
 * and is within bounds: memory 8 × p KiB to 1 GiB, 1 to 16 passes, parallelism 1 to 16, salt of 8
 * to 64 bytes, hash of 16 to 64.
 */
export function parsePhc(text: string): Phc {
  const [, m, t, p, s, h] = FORM.exec(text) ?? [];
  if (s === undefined || h === undefined) throw malformed("it has another form");
  const params = { memory: Number(m), passes: Number(t), parallelism: Number(p) };
  if (!isArgon2Params(params)) throw malformed("its cost is out of bounds");
  const salt = padded(s);
  const hash = padded(h);
  if (salt.length < 8 || salt.length > 64 || hash.length < 16 || hash.length > 64) {
    throw malformed("its salt or its hash has a wrong length");
  }
  return { params, salt, hash };
}

function unpadded(b: Bytes): string {
  return toBase64(b).replace(/=+$/, "");
}

function padded(text: string): Bytes {
  try {
    return fromBase64(text.padEnd(Math.ceil(text.length / 4) * 4, "="));
  } catch (cause) {
    throw malformed("it is not base64 without padding", cause);
  }
}

function malformed(what: string, cause?: unknown): SealpostError {
  return new SealpostError("format", `not a usable Argon2id password string: ${what}`, { cause });
}
