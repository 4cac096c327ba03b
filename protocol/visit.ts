import * as v from "valibot";
import { type Bytes, fromBase64, fromUtf8, utf8 } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { MAX_PACKAGE } from "./limits.ts";
import { checkRefusal, refusedError, secretId } from "./request.ts";
import { checkJson, jsonOf, parseJson } from "./schema.ts";

const post = v.pipe(v.string(), v.minLength(1), v.maxLength(4096), v.check(isBase64));

function isBase64(text: string): boolean {
  try {
    fromBase64(text);
    return true;
  } catch {
    return false;
  }
}

/** What a visit asks for: the answer to its post from the machine that waits, or a kit. */
const visitSchema = v.variant("op", [
  v.strictObject({ op: v.literal("link-post"), id: secretId, post }),
  v.strictObject({ op: v.literal("kit-get"), id: secretId }),
]);
export type VisitRequest = v.InferOutput<typeof visitSchema>;

const granted = v.object({
  ok: v.literal(true),
  /** Bytes of the data that follow. */
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_PACKAGE)),
});

/** The request of a visit in a frame's payload. Throws `format`. */
export function decodeVisit(payload: Bytes): VisitRequest {
  return parseJson(visitSchema, fromUtf8(payload));
}

/** The payload of a visit's request, or of the answer to it. */
export function encodeVisit(value: VisitRequest | v.InferOutput<typeof granted>): Bytes {
  return utf8(JSON.stringify(value));
}

/** How many bytes of data follow. Throws the server's refusal, `protocol` for anything malformed. */
export function decodeVisitAnswer(payload: Bytes): number {
  let refusal;
  try {
    const value = jsonOf(fromUtf8(payload));
    if (checkJson(v.object({ ok: v.boolean() }), value).ok) return checkJson(granted, value).size;
    refusal = checkRefusal(value);
  } catch (cause) {
    if (!isSealpostError(cause, "format")) throw cause;
    throw new SealpostError("protocol", `the server sent ${cause.message}`, { cause });
  }
  throw refusedError(refusal);
}
