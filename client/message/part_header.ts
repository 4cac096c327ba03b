import libmime from "libmime";

/** A media type (RFC 2045, section 5.1; names as RFC 6838, section 4.2 has them) in lower case. */
const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}/;

/** A token (RFC 2045, section 5.1) in lower case. */
const TOKEN = /^[a-z0-9!#$%&'*+.^_`{|}~-]+/;

/** The header of a message or of one of its parts, read as leniently as it can be. */
export interface PartHeader {
  /** The text of the first field called `name` (lower case), unfolded; empty if there is none. */
  first(name: string): string;
  /** As `type/subtype` in lower case. */
  readonly type: string;
  /** What separates the parts of a multipart; null if it names nothing that could. */
  readonly boundary: string | null;
  /** As the header writes it; null if it names none. */
  readonly charset: string | null;
  /** Whether lines that end in a space go on in the next one (RFC 3676), and whether that space goes. */
  readonly flowed: boolean;
  readonly delSp: boolean;
  /** A Content-Transfer-Encoding in lower case; empty if there is none. */
  readonly encoding: string;
  /** In lower case; `inline` if there is none that can be read (RFC 2183, section 2). */
  readonly disposition: string;
  /** The name that the sender gave the file; null if they gave none. */
  readonly filename: string | null;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const WINDOWS_1252 = new TextDecoder("windows-1252");

/** The text of a line of a header: UTF-8 (RFC 6532) or else windows-1252. */
export function headerText(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    return WINDOWS_1252.decode(bytes);
  }
}

/** Whether `line` begins a field of a header (RFC 5322, section 2.2): its first 2000 characters say. */
export function isField(line: string): boolean {
  return /^[!-9;-~]{1,998}[ \t]{0,998}:/.test(line);
}

/** The name of a field, in lower case. */
export function fieldName(field: string): string {
  return field.slice(0, field.indexOf(":")).trimEnd().toLowerCase();
}

/**
 * Whether a header whose fields have these names could be one of mail. One that ends at a line that
 * is no field is taken for text if it could not.
 */
export function isMailHeader(names: Iterable<string>): boolean {
  for (const name of names) {
    if (
      /^(?:content-|mime-|x-|resent-|list-|arc-|dkim-|received)/.test(name) ||
      /^(?:from|to|cc|bcc|subject|date|message-id|in-reply-to|references|sender)$/.test(name) ||
      /^(?:reply-to|return-path|delivered-to|status|authentication-results)$/.test(name)
    ) return true;
  }
  return false;
}

/**
 * Reads the `fields` of a header, each unfolded and beginning with its name. `fallbackType` is the media type of a part that names none. Nothing is an error: a
 * Content-Type that cannot be read is text/plain (RFC 2045, section 5.2), every other field that
 * cannot be read is as if it were not there.
 */
export function readPartHeader(fields: readonly string[], fallbackType: string): PartHeader {
  const values = new Map<string, string>();
  for (const field of fields) {
    const name = fieldName(field);
    if (!values.has(name)) values.set(name, field.slice(field.indexOf(":") + 1).trim());
  }
  const first = (name: string) => values.get(name) ?? "";

  const disposition = structured(first("content-disposition"));
  const { filename: dispositionName } = disposition.params;
  const value = first("content-type") ||
    typeWithout(disposition.value, dispositionName, fallbackType);
  const contentType = structured(value);
  const type = MEDIA_TYPE.exec(contentType.value)?.[0] ?? "text/plain";
  const { charset, format, delsp } = contentType.params;
  const boundary = (contentType.params.boundary ?? "").trimEnd();
  const flowed = type === "text/plain" && format?.trim().toLowerCase() === "flowed";
  return {
    first,
    type,
    boundary: boundary === "" || boundary.length > MAX_BOUNDARY ? null : boundary,
    charset: charset?.trim() || null,
    flowed,
    delSp: flowed && delsp?.trim().toLowerCase() === "yes",
    encoding: TOKEN.exec(structured(first("content-transfer-encoding")).value)?.[0] ?? "",
    disposition: TOKEN.exec(disposition.value)?.[0] ?? "inline",
    filename: (dispositionName ? decoded(disposition, "filename") : decoded(contentType, "name")) ||
      null,
  };
}

/** Longest boundary that is looked for, characters; RFC 2046, section 5.1.1, allows 70. */
export const MAX_BOUNDARY = 998;

interface StructuredValue {
  /** What stands before the parameters, in lower case. */
  readonly value: string;
  readonly params: Readonly<Record<string, string>>;
  /** Names of the parameters whose values need no further decoding (RFC 2231). */
  readonly decodedParams: readonly string[];
}

/** Reads a field of the form `value; name=value`, without its comments. */
function structured(text: string): StructuredValue {
  const { value, params, decodedParams } = libmime.parseHeaderValue(repaired(text), {
    stripComments: true,
  });
  return { value: value.trim().toLowerCase(), params, decodedParams };
}

/**
 * Puts the semicolon that some programs leave out, as in `text/plain charset=utf-8`, before the first
 * parameter. Not in a multipart: what its parts are is not to be guessed.
 */
function repaired(text: string): string {
  if (/^"?multipart\//i.test(text)) return text;
  return text.replace(/^([^\s;,="()]+)[\s,]+(?=[\w.-]+(?:\*[0-9]*)?\*?=)/, "$1; ");
}

/** A parameter whose value may be in encoded words (RFC 2047), which some programs use there. */
function decoded({ params, decodedParams }: StructuredValue, name: string): string {
  const value = params[name] ?? "";
  return decodedParams.includes(name) ? value : libmime.decodeWords(value);
}

/** The media type of a part without a Content-Type. */
function typeWithout(disposition: string, filename: string | undefined, fallback: string): string {
  const extension = /\.([^./\\]+)$/.exec(filename ?? "")?.[1];
  if (extension !== undefined) return libmime.detectMimeType(extension) || fallback;
  return disposition === "attachment" ? "application/octet-stream" : fallback;
}
