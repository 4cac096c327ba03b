import { type Bytes, utf8 } from "../crypto/bytes.ts";
import { SUITE, VERSION } from "./limits.ts";
import { RefusedError } from "./refused.ts";

/**
 * The one answer to a connection that begins with another version, suite or kind. It is not
 * authentic: a client shows it and never retries with less.
 */
export const REFUSAL_TEXT = utf8(
  `sealpost: this server speaks version ${VERSION}, suite ${SUITE} of the Sealpost protocol only\n`,
);

/**
 * The answer to a connection that a limit keeps out before there are keys to say it with: a line of
 * text that names the server's setting, and the seconds until it is worth trying again.
 */
export function busyLine(limit: string, seconds: number): Bytes {
  return utf8(`sealpost: not now (${limit}); try again in ${seconds} s\n`);
}

/** The longest that a client stays away because of a line that nobody has vouched for, seconds. */
export const MAX_UNPROVEN_WAIT = 60;

/**
 * The refusal in a line of text that a server has sent in the place of its first message; null if the
 * line says something else. It is not authentic: whoever is on the way can write it, and could as well
 * cut the connection. So it names a wait of at most {@linkcode MAX_UNPROVEN_WAIT}.
 */
export function parseBusyLine(line: string): RefusedError | null {
  const [, limit, seconds] =
    /^sealpost: not now \(([a-z][a-z-]{0,63})\); try again in (\d{1,6}) s\n?$/.exec(line) ?? [];
  if (limit === undefined || seconds === undefined) return null;
  const retryAfter = Math.min(Number(seconds), MAX_UNPROVEN_WAIT);
  return new RefusedError(
    "busy",
    `the server does not take this connection now (${limit}); try again in ${retryAfter} s`,
    { limit, retryAfter },
  );
}

/** Size of the answer to a request for the server's bundle: `LP(bundle)`, zero-padded, bytes. */
export const BUNDLE_ANSWER = 2048;
