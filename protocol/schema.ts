import * as v from "valibot";
import { SealpostError } from "../crypto/error.ts";
import { isName } from "./name.ts";

/** A user's name in its canonical form. */
export const nameField = v.pipe(v.string(), v.check(isName));

/** A fingerprint: 32 bytes in canonical base64 with padding. */
export const fingerprintField = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/),
);

/**
 * The value of `text` if it is JSON of the form `schema`. Throws `format` otherwise, with the
 * place of the first fault (unless its name is a stranger's) but none of the values.
 */
export function parseJson<T extends v.GenericSchema>(schema: T, text: string): v.InferOutput<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SealpostError("format", "text that is not JSON");
  }
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  const path = result.issues[0] === undefined ? null : v.getDotPath(result.issues[0]);
  const known = path !== null && /^[A-Za-z0-9.]{1,60}$/.test(path);
  throw new SealpostError("format", `a malformed ${known ? `"${path}"` : "object"}`);
}
