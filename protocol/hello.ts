import * as v from "valibot";
import { type Bytes, fromUtf8, lp, utf8 } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { MAX_MAX_MESSAGE, MAX_STANZAS } from "./limits.ts";
import { readPadded } from "./login.ts";
import { parseJson } from "./schema.ts";

const schema = v.object({
  /** Name and version of the server's program, for people. */
  server: v.pipe(v.string(), v.regex(/^[ -~]{0,64}$/)),
  /** Largest message (RFC 5322 form) the server takes, bytes. */
  maxMessage: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_MAX_MESSAGE)),
  /** Most recipients of one message. */
  maxRecipients: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_STANZAS)),
});

/** What the server says of itself in message B, before it knows who asks. */
export type Hello = v.InferOutput<typeof schema>;

/** `LP(JSON)`; padded to 256 bytes by the handshake. */
export function encodeHello(hello: Hello): Bytes {
  return lp(utf8(JSON.stringify(hello)));
}

/** The inverse of {@linkcode encodeHello}, padded. Throws `format`. */
export function decodeHello(padded: Bytes): Hello {
  const [json] = readPadded(padded, 1).parts;
  if (!json) throw new SealpostError("format", "a server hello without contents");
  return parseJson(schema, fromUtf8(json));
}
