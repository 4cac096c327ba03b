import { type Bytes, concat, fromUtf8, isZero, lp, readU32, utf8 } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { MAX_PASSWORD } from "./limits.ts";
import { isName } from "./name.ts";

/** What a client sends of itself in message C, beside its bundle. */
export interface Login {
  readonly name: string;
  /** UTF-8 of the NFC form, 1 to 256 bytes; the receiver clears it after use. */
  readonly password: Bytes;
  /** For the server's log, at most 64 bytes of printable ASCII, such as `sealpost/1.0.0`. */
  readonly client: string;
}

/**
 * `data`, then zeros up to `size` bytes. Throws `limit` if it does not fit: every caller bounds
 * its data before.
 */
export function padTo(data: Uint8Array, size: number): Bytes {
  if (data.length > size) {
    throw new SealpostError("limit", `${data.length} bytes do not fit in ${size}`);
  }
  const out = new Uint8Array(size);
  out.set(data);
  return out;
}

/**
 * The first `count` length-prefixed parts of `padded`, and their whole length; what follows them
 * must be zeros. Throws `format`.
 */
export function readPadded(padded: Bytes, count: number): { parts: Bytes[]; length: number } {
  const parts: Bytes[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const length = readU32(padded, at);
    if (at + 4 + length > padded.length) {
      throw new SealpostError("format", "a length runs past the end");
    }
    parts.push(padded.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (!isZero(padded.subarray(at))) throw new SealpostError("format", "padding that is not zero");
  return { parts, length: at };
}

/** `LP(name) ‖ LP(password) ‖ LP(client)`. Throws `usage` if the password is empty or too long. */
export function encodeLogin(login: Login): Bytes {
  if (login.password.length === 0 || login.password.length > MAX_PASSWORD) {
    throw new SealpostError("usage", `a password has 1 to ${MAX_PASSWORD} bytes`);
  }
  return concat(lp(utf8(login.name)), lp(login.password), lp(utf8(login.client)));
}

/** The inverse of {@linkcode encodeLogin}, padded. Throws `format` for anything out of bounds. */
export function decodeLogin(padded: Bytes): Login {
  const [name, password, client] = readPadded(padded, 3).parts;
  if (!name || !password || !client) throw new SealpostError("format", "an incomplete login");
  const login = { name: fromUtf8(name), password, client: fromUtf8(client) };
  if (!isName(login.name)) throw new SealpostError("format", "a login with a malformed name");
  if (password.length === 0 || password.length > MAX_PASSWORD) {
    throw new SealpostError("format", "a login with a password out of bounds");
  }
  if (!/^[ -~]{0,64}$/.test(login.client)) {
    throw new SealpostError("format", "a login with a malformed client version");
  }
  return login;
}

/** The password of `text` as it is sent and hashed: UTF-8 of the NFC form. */
export function encodePassword(text: string): Bytes {
  return utf8(text.normalize("NFC"));
}
