import type { Bytes } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { findFingerprint, formatFingerprint } from "../crypto/identity.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import { isName } from "./name.ts";

/** What somebody needs to join: who, where, which server it is, and a password for once. */
export interface Invitation {
  readonly name: string;
  /** Where the server is reached, best first; 1 to 8. */
  readonly servers: readonly Address[];
  /** The fingerprint of the server's bundle, 32 bytes: what it shows of itself must have it. */
  readonly fp: Bytes;
  /** To be changed at the first login. */
  readonly password: string;
  /** When the password ends, milliseconds since 1970, to the second. */
  readonly expires: number;
}

/** The line that an invitation begins with. */
export const INVITATION_BEGIN = "-----BEGIN SEALPOST INVITATION-----";
/** The line that an invitation ends with. */
export const INVITATION_END = "-----END SEALPOST INVITATION-----";

/** Most servers of one invitation. */
export const MAX_SERVERS = 8;
/** Longest text that is searched for an invitation, UTF-16 units. */
const MAX_TEXT = 65_536;

/**
 * `invitation` as a block of short lines that survives a messenger:
 *
 * ```
 * -----BEGIN SEALPOST INVITATION-----
 * Name: alice
 * Server: mail.lan:13000
 * Key: SHA256:GLtUZUFp2LPIFz2a2S+lePHCtBSRCkdbvTtl4bgTmzg
 * Password: 7h3k2-…
 * Expires: 2026-11-29T10:15:00Z
 * -----END SEALPOST INVITATION-----
 * ```
 *
 * `Server` may come several times. The server's key is given by its fingerprint: a client asks the
 * server for the key itself, and takes no other.
 */
export function formatInvitation(invitation: Invitation): string {
  const { name, servers, fp, password, expires } = invitation;
  return [
    INVITATION_BEGIN,
    `Name: ${name}`,
    ...servers.map((server) => `Server: ${formatAddress(server)}`),
    `Key: ${formatFingerprint(fp)}`,
    `Password: ${password}`,
    `Expires: ${new Date(expires).toISOString().replace(/\.\d+Z$/, "Z")}`,
    INVITATION_END,
    "",
  ].join("\n");
}

/**
 * The first invitation in `text`, whatever stands around it; marks of quoting before its lines (`>`)
 * are passed over, lines of unknown kinds too. Throws `format` if there is none, or if it was damaged
 * on the way.
 */
export function parseInvitation(text: string): Invitation {
  const lines = text.slice(0, MAX_TEXT).split(/\r?\n/).map((line) => line.replace(/^[\s>]+/, ""))
    .map((line) => line.trimEnd());
  const begin = lines.indexOf(INVITATION_BEGIN);
  const end = lines.indexOf(INVITATION_END, begin);
  if (begin < 0) {
    throw new SealpostError("format", `no invitation: it begins with ${INVITATION_BEGIN}`);
  }
  if (end < 0) {
    throw new SealpostError("format", `an invitation that is cut: it ends with ${INVITATION_END}`);
  }
  const fields = new Map<string, string[]>();
  for (const line of lines.slice(begin + 1, end)) {
    const [, key, value] = /^([A-Z][A-Za-z-]*): *(\S+)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) {
      if (line === "") continue;
      throw damaged("a line is cut or joined");
    }
    fields.set(key, [...fields.get(key) ?? [], value]);
  }
  const one = (key: string) => {
    const [value, ...more] = fields.get(key) ?? [];
    if (value === undefined || more.length > 0) {
      throw damaged(`it has ${value === undefined ? "no" : "more than one"} line "${key}"`);
    }
    return value;
  };
  const servers = (fields.get("Server") ?? []).map(serverOf);
  if (servers.length < 1 || servers.length > MAX_SERVERS) {
    throw damaged(`it has ${servers.length} lines "Server"`);
  }
  const name = one("Name");
  if (!isName(name)) throw damaged("its name is not valid");
  const time = one("Expires");
  const expires = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(time) ? Date.parse(time) : NaN;
  if (Number.isNaN(expires)) throw damaged("its time is not valid");
  return { name, servers, fp: fingerprintOf(one("Key")), password: one("Password"), expires };
}

function serverOf(text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    if (!isSealpostError(error, "usage")) throw error;
    throw damaged("an address is not valid");
  }
}

function fingerprintOf(text: string): Bytes {
  const fp = findFingerprint(text);
  if (fp === null || formatFingerprint(fp) !== text) throw damaged("its fingerprint is not valid");
  return fp;
}

function damaged(what: string): SealpostError {
  return new SealpostError("format", `a damaged invitation (${what}); ask for it once more`);
}
