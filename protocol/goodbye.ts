import * as v from "valibot";
import { type Bytes, fromUtf8, utf8 } from "../crypto/bytes.ts";
import { parseJson } from "./schema.ts";

const schema = v.object({
  /** Why, for a person: one line. */
  reason: v.pipe(
    v.string(),
    v.maxLength(1000),
    v.transform((text) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")),
  ),
  /** Whether the same client is welcome again, with what it was doing. */
  reconnect: v.optional(v.boolean()),
  /** In how many seconds; with `reconnect`. */
  after: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(86_400))),
});

/** What a server says in its `close` frame. */
export type Goodbye = v.InferOutput<typeof schema>;

/** The payload of a `close` frame. */
export function encodeGoodbye(goodbye: Goodbye): Bytes {
  return utf8(JSON.stringify(goodbye));
}

/** The inverse of {@linkcode encodeGoodbye}; null for a goodbye without words, or in others. */
export function decodeGoodbye(payload: Bytes): Goodbye | null {
  try {
    return parseJson(schema, fromUtf8(payload));
  } catch {
    return null;
  }
}
