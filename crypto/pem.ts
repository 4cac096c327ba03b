import { type Bytes, fromBase64, toBase64 } from "./bytes.ts";
import { SealpostError } from "./error.ts";

/** One block of a PEM file. */
export interface PemBlock {
  /** What stands after BEGIN, like `PUBLIC KEY`. */
  readonly label: string;
  readonly der: Bytes;
}

/** The longest file that is looked at, in characters; an identity file has about 6,000. */
const MAX_TEXT = 65536;

/**
 * The blocks of a PEM file (RFC 7468), in order. Lines may end in LF or CRLF and carry trailing
 * blanks, blank lines may stand between blocks, and a byte order mark may come first (editors on
 * Windows add one); anything else outside the blocks, and headers inside them, are refused. Throws
 * `key-format`.
 */
export function parsePem(text: string): PemBlock[] {
  if (text.length > MAX_TEXT) throw malformed("it is too long to be a key file");
  const blocks: PemBlock[] = [];
  let label: string | null = null;
  let body = "";
  for (const raw of text.replace(/^\uFEFF/, "").split("\n")) {
    const line = withoutBlanks(raw);
    if (label === null) {
      if (line === "") continue;
      const begin = /^-----BEGIN ([A-Z0-9 ]{1,40})-----$/.exec(line);
      if (begin?.[1] === undefined) throw malformed("there is text outside the blocks");
      label = begin[1];
      body = "";
    } else if (line === `-----END ${label}-----`) {
      blocks.push({ label, der: decode(body) });
      label = null;
    } else if (/^[A-Za-z0-9+/]+={0,2}$/.test(line)) {
      body += line;
    } else {
      throw malformed("a block holds something that is not base64");
    }
  }
  if (label !== null) throw malformed("it ends inside a block");
  if (blocks.length === 0) throw malformed("it holds no block");
  return blocks;
}

/** One block: BEGIN line, base64 in lines of 64 characters, END line, each ended by LF. */
export function formatPem(label: string, der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** `line` without the blanks at its end: by hand, as a pattern would look at each of many again. */
function withoutBlanks(line: string): string {
  let end = line.length;
  while (end > 0 && " \t\r".includes(line.charAt(end - 1))) end--;
  return line.slice(0, end);
}

function decode(body: string): Bytes {
  if (body === "") throw malformed("a block is empty");
  try {
    return fromBase64(body);
  } catch (cause) {
    throw malformed("a block is not base64", cause);
  }
}

function malformed(what: string, cause?: unknown): SealpostError {
  return new SealpostError("key-format", `not a usable PEM file: ${what}`, { cause });
}
