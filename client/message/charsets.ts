import iconv from "iconv-lite";
import type { Bytes } from "../../crypto/bytes.ts";

/** A text, and whether all of it was what its charset allows. */
export interface DecodedText {
  readonly text: string;
  /** What could not be read as it should be, in words; null if all could. */
  readonly problem: string | null;
}

/** What is known of bytes that are text. */
export interface TextHints {
  /** As the sender calls the charset; null if they name none. */
  readonly charset: string | null;
  readonly html: boolean;
  /** Whether bytes are missing at the end, so that the last character may be half there. */
  readonly cut: boolean;
}

/**
 * The text of `bytes`. A byte order mark says what they are, whatever the sender does; then what the
 * sender says, if that is a charset; then, in HTML, a `<meta>` element. Text whose sender says nothing,
 * ASCII, or what is no charset, is UTF-8 if it can be, and else windows-1252: both contain the ASCII
 * that RFC 2045, section 5.2, has in mind. UTF-7 is read in plain text only: in HTML it hides markup.
 */
export function decodeText(bytes: Bytes, { charset, html, cut }: TextHints): DecodedText {
  const mark = byteOrderMark(bytes);
  if (mark !== null) {
    return decodeAs(mark.charset, bytes.subarray(mark.size), cut) ?? lenient(bytes, cut);
  }
  const name = (charset ?? "").trim().toLowerCase();
  const isNone = name === "" || ASCII.test(name) || (html && UTF7.test(name));
  const decoded = (isNone ? null : decodeAs(name, bytes, cut)) ??
    (html ? decodeAs(metaCharset(bytes), bytes, cut) : null);
  if (decoded !== null) return decoded;
  const { text } = lenient(bytes, cut);
  const known = isNone || /^[\0-\x7f]*$/.test(text);
  return { text, problem: known ? null : "the charset of a text is unknown" };
}

const ASCII = /^(?:(?:us-?)?ascii|ansi_x3\.4-19[68]+|iso646-us|7bit)$/;
const UTF7 = /^(?:unicode-?1-?1-?)?utf-?7/;

/** UTF-8 if it can be, else windows-1252. */
function lenient(bytes: Bytes, cut: boolean): DecodedText {
  const text = strictly("utf-8", bytes, cut) ?? new TextDecoder("windows-1252").decode(bytes);
  return { text, problem: null };
}

/** The text of `bytes` in `charset`, whose name is in lower case; null if there is no such charset. */
function decodeAs(charset: string, bytes: Bytes, cut: boolean): DecodedText | null {
  const text = decodeKnown(charset, bytes, cut);
  if (text === null) return null;
  const problem = text.includes("\ufffd")
    ? "a text has characters that are not in its charset"
    : null;
  return { text, problem };
}

function decodeKnown(charset: string, bytes: Bytes, cut: boolean): string | null {
  // Without a mark and a byte order in its name, the text itself has to show it.
  if (/^(?:utf-?16|ucs-?2|iso-10646-ucs-2|unicode|csunicode)$/.test(charset)) {
    return iconv.decode(bytes, "utf-16");
  }
  if (UTF7.test(charset)) return decodeUtf7(bytes);
  if (/^(?:cs)?iso-?2022-?kr$/.test(charset)) return decodeShifted(bytes, "C", "euc-kr");
  if (/^(?:cs)?iso-?2022-?cn$/.test(charset)) return decodeShifted(bytes, "A", "gbk");
  if (/^hz(?:-gb-?2312)?$/.test(charset)) return decodeHz(bytes);
  // The later ones of the family add characters that hardly anybody writes.
  const name = charset.replace(/^(?:cs)?(iso-?2022-?jp).*/, "iso-2022-jp");
  for (const label of [name, name.replace(/[-_ ]/g, "")]) {
    if (isEncodingLabel(label)) {
      return new TextDecoder(label, { ignoreBOM: true }).decode(bytes, { stream: cut });
    }
  }
  if (/^(?:base-?64|hex|utf-?7-?imap|binary)/.test(charset)) return null;
  return iconv.encodingExists(charset) ? iconv.decode(bytes, charset) : null;
}

/** Whether the Encoding Standard knows `label`, and not only as one that browsers must not read. */
function isEncodingLabel(label: string): boolean {
  try {
    new TextDecoder(label);
    return true;
  } catch {
    return false;
  }
}

function strictly(charset: string, bytes: Bytes, cut: boolean): string | null {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes, { stream: cut });
  } catch {
    return null;
  }
}

/** The byte order mark that `bytes` begin with (Unicode 15.0, section 23.8). */
function byteOrderMark(bytes: Bytes): { charset: string; size: number } | null {
  const [a, b, c, d] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return { charset: "utf-8", size: 3 };
  if (a === 0xff && b === 0xfe && c === 0 && d === 0) return { charset: "utf-32le", size: 4 };
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return { charset: "utf-32be", size: 4 };
  if (a === 0xff && b === 0xfe) return { charset: "utf-16le", size: 2 };
  if (a === 0xfe && b === 0xff) return { charset: "utf-16be", size: 2 };
  return null;
}

/** How much of a page a browser looks through for its charset, bytes (HTML, section 13.2.3.2). */
const META_SIZE = 1024;

/** The charset that HTML gives itself, in lower case; empty if it gives none that it can be in. */
function metaCharset(bytes: Bytes): string {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, META_SIZE)).toLowerCase();
  const charset = /<meta\s[^>]*charset\s*=\s*["']?\s*([^\s"'/>;]+)/.exec(head)?.[1] ?? "";
  // Who could read it so far has not read UTF-16.
  if (charset.startsWith("utf-16")) return "utf-8";
  return UTF7.test(charset) ? "" : charset;
}

const ESCAPE = 0x1b;
const LF = 0x0a;
const SHIFT_OUT = 0x0e;
const SHIFT_IN = 0x0f;

/**
 * ISO-2022-KR (RFC 1557) and the part of ISO-2022-CN (RFC 1922) that is GB 2312: what stands between
 * shifts is `encoding` without its highest bits. `set` ends the escape sequence that names it.
 */
function decodeShifted(bytes: Bytes, set: string, encoding: string): string {
  const out = new Uint8Array(bytes.length);
  let to = 0;
  let shifted = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === LF) shifted = false;
    if (byte === SHIFT_OUT || byte === SHIFT_IN) shifted = byte === SHIFT_OUT;
    else if (byte === ESCAPE && isDesignation(bytes, i + 1, set)) i += 3;
    else out[to++] = shifted && byte > 0x20 && byte < 0x7f ? byte | 0x80 : byte;
  }
  return new TextDecoder(encoding).decode(out.subarray(0, to));
}

function isDesignation(bytes: Bytes, at: number, set: string): boolean {
  return [..."$)", set].every((character, i) => bytes[at + i] === character.charCodeAt(0));
}

/** HZ (RFC 1843): GB 2312 without its highest bits between `~{` and `~}`. */
function decodeHz(bytes: Bytes): string {
  const text = new TextDecoder("latin1").decode(bytes);
  const plain = text.replace(
    /~(?:~|\r?\n|\{([!-~]*?)(?:~\}|(?=[^!-~])|$))/g,
    (all, gb?: string) => {
      if (gb === undefined) return all === "~~" ? "~" : "";
      return [...gb].map((character) => String.fromCharCode(character.charCodeAt(0) | 0x80)).join(
        "",
      );
    },
  );
  return new TextDecoder("gbk").decode(Uint8Array.from(plain, (c) => c.charCodeAt(0)));
}

/** UTF-7 (RFC 2152): UTF-16 in base64 between `+` and the first character that is none of it. */
function decodeUtf7(bytes: Bytes): string {
  const text = new TextDecoder("latin1").decode(bytes);
  return text.replace(/\+([A-Za-z0-9+/]*)(-?)/g, (all, base64: string) => {
    if (base64 === "") return all === "+-" ? "+" : all;
    let units = "";
    let bits = 0;
    let count = 0;
    for (const character of base64) {
      bits = (bits << 6) | BASE64.indexOf(character);
      count += 6;
      if (count < 16) continue;
      count -= 16;
      units += String.fromCharCode((bits >>> count) & 0xffff);
      bits &= (1 << count) - 1;
    }
    return units;
  }).toWellFormed();
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
