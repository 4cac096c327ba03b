import { utf8 } from "../crypto/bytes.ts";
import { SUITE, VERSION } from "./limits.ts";

/**
 * The one answer to a connection that begins with another version, suite or kind. It is not
 * authentic: a client shows it and never retries with less.
 */
export const REFUSAL_TEXT = utf8(
  `sealpost: this server speaks version ${VERSION}, suite ${SUITE} of the Sealpost protocol only\n`,
);

/** Size of the answer to a request for the server's bundle: `LP(bundle)`, zero-padded, bytes. */
export const BUNDLE_ANSWER = 2048;
