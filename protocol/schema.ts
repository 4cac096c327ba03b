import * as v from "valibot";
import { SealpostError } from "../crypto/error.ts";
import { isFullName, isName } from "./name.ts";

/** A user's name in its canonical form. */
export const nameField = v.pipe(v.string(), v.check(isName));

/** The full name of a person; see {@linkcode isFullName}. */
export const fullNameField = v.pipe(v.string(), v.check(isFullName));

/** A fingerprint: 32 bytes in canonical base64 with padding. */
export const fingerprintField = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/),
);

/** A signed head of a key log: 152 bytes in canonical base64 with padding. */
export const headField = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{202}[AEIMQUYcgkosw048]=$/));

/**
 * The value of `text` if it is JSON of the form `schema`. Throws `format` otherwise, with the
 * place of the first fault (unless its name is a stranger's) but none of the values.
 */
export function parseJson<T extends v.GenericSchema>(schema: T, text: string): v.InferOutput<T> {
  return checkJson(schema, jsonOf(text));
}

/** The JSON value that `text` is. Throws `format`. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SealpostError("format", "text that is not JSON");
  }
}

/** `value` if it is of the form `schema`. Throws `format` as {@linkcode parseJson} does. */
export function checkJson<T extends v.GenericSchema>(schema: T, value: unknown): v.InferOutput<T> {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  const path = result.issues[0] === undefined ? null : v.getDotPath(result.issues[0]);
  const known = path !== null && /^[A-Za-z0-9.]{1,60}$/.test(path);
  throw new SealpostError("format", `a malformed ${known ? `"${path}"` : "object"}`);
}
