import { toHex } from "../../../crypto/bytes.ts";

// Columns of many rows as one parameter each, for unnest: PostgreSQL's text form of arrays.

/** An array of numbers. null stays null, here and below. */
export function numbers(values: readonly (number | null)[]): string {
  return `{${values.map((value) => value ?? "NULL").join(",")}}`;
}

/** An array of texts. */
export function texts(values: readonly (string | null)[]): string {
  const quoted = (value: string) => `"${value.replace(/["\\]/g, "\\$&")}"`;
  return `{${values.map((value) => value === null ? "NULL" : quoted(value)).join(",")}}`;
}

/** An array of bytes. */
export function blobs(values: readonly (Uint8Array | null)[]): string {
  return `{${values.map((value) => value === null ? "NULL" : `"\\\\x${toHex(value)}"`).join(",")}}`;
}
