import { parse, TomlError } from "smol-toml";
import { fromUtf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { readFileBounded, wrapFileError } from "../../files/atomic_file.ts";

/** The file of settings in the server's folder. */
export const SETTINGS_FILE = "sealpost.toml";

/** Largest file of settings that is read, bytes. */
const MAX_FILE = 64 * 1024;

/** A key of the file, with its value as a setting is written. */
export interface FileEntry {
  readonly key: string;
  /** Null if the file has something there that no setting can be: a date, a table. */
  readonly text: string | null;
  /** From 1. */
  readonly line: number;
}

/**
 * The entries of `path`, in their order; none if there is no such file. Throws `config` for a
 * damaged file, with the line, and `file-io`.
 */
export async function readSettingsFile(path: string): Promise<readonly FileEntry[]> {
  let text: string;
  try {
    text = fromUtf8(await readFileBounded(path, MAX_FILE));
  } catch (error) {
    const wrapped = isSealpostError(error) ? error : wrapFileError(error, `read ${path}`);
    if (wrapped.code === "file-missing") return [];
    if (wrapped.code === "file-io") throw wrapped;
    const why = wrapped.code === "format" ? `${path} is not UTF-8 text` : wrapped.message;
    throw new SealpostError("config", why, { cause: error });
  }
  return parseSettingsFile(text, path);
}

/** The entries of a file with these contents. Throws `config`, with the line. */
export function parseSettingsFile(text: string, path: string): readonly FileEntry[] {
  const entries = Object.entries(parseToml(text, path));
  const lines = linesOf(text, entries.map(([key]) => key));
  return entries.map(([key, value]) => ({ key, text: asText(value), line: lines.get(key) ?? 1 }))
    .sort((a, b) => a.line - b.line);
}

function parseToml(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const why = /^Invalid TOML document: (.*)/.exec(cause.message)?.[1] ?? "not TOML";
    throw new SealpostError("config", `${path}:${cause.line}: ${why}`, { cause });
  }
}

/**
 * The line at which each of `keys` begins. The parser does not say; but a statement of TOML ends with
 * its line, so the first lines up to some statement's end are a document of their own. The key's
 * statement follows the longest such document that does not have the key.
 */
function linesOf(text: string, keys: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  let complete = 0;
  let at = 0;
  for (let line = 1; found.size < keys.length && at <= text.length; line++) {
    const end = text.indexOf("\n", at);
    at = end < 0 ? text.length + 1 : end + 1;
    let document: Readonly<Record<string, unknown>>;
    try {
      document = parse(text.slice(0, at));
    } catch {
      continue; // In the middle of a statement.
    }
    for (const key of keys) {
      if (Object.hasOwn(document, key) && !found.has(key)) found.set(key, complete + 1);
    }
    complete = line;
  }
  return found;
}

/** A value of TOML as a setting is written on the command line. */
function asText(value: unknown): string | null {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      return String(value);
    case "boolean":
      return value ? "on" : "off";
  }
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) return null;
  return value.length === 0 ? "off" : value.join(",");
}
