import { toHex } from "../../../crypto/bytes.ts";

// Columns of many rows as one parameter each, for unnest: PostgreSQL's text form of arrays.

/** An array of numbers. */
export function numbers(values: readonly number[]): string {
  return `{${values.join(",")}}`;
}

/** An array of texts. */
export function texts(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

/** An array of bytes; null stays null. */
export function blobs(values: readonly (Uint8Array | null)[]): string {
  return `{${values.map((value) => value === null ? "NULL" : `"\\\\x${toHex(value)}"`).join(",")}}`;
}
