import { concat } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import {
  fieldName,
  headerText,
  isField,
  isMailHeader,
  MAX_BOUNDARY,
  type PartHeader,
  readPartHeader,
} from "./part_header.ts";

/** How much structure a message may have. */
export interface SplitLimits {
  /** Size of the header of one part, bytes. */
  readonly header: number;
  /** Size of the headers of all parts together, bytes. */
  readonly headers: number;
  /** How deep parts are nested in parts. */
  readonly depth: number;
  /** Number of parts. */
  readonly parts: number;
}

/** A message, or one of its parts. */
export interface MimePart {
  readonly header: PartHeader;
  /** The multipart, or the message in a digest, that it is part of; null for the whole message. */
  readonly parent: MimePart | null;
  /** Whether it has parts: a multipart with a boundary, or a message in a digest. */
  readonly container: boolean;
}

/** What {@linkcode MimeSplitter} finds, in the order of the message. */
export type MimeEvent =
  | { readonly type: "part"; readonly part: MimePart }
  /**
   * What comes after the header of `part`, still encoded. In a container it belongs to none of its
   * parts, and stands before the first delimiter (`outside: "before"`) or behind the last.
   */
  | {
    readonly type: "body";
    readonly part: MimePart;
    readonly outside: "before" | "behind" | null;
    readonly bytes: Uint8Array;
  };

/** What a delimiter line may have behind the boundary, bytes: `--`, white space, a line end. */
const MAX_DELIMITER = MAX_BOUNDARY + 100;

/** How many bytes are gathered before they are read: pieces of a stream may be of one byte. */
const MIN_READ = 4096;

const NOTHING = new Uint8Array(0);
const LF = 0x0a;
const CR = 0x0d;
const DASH = 0x2d;
/** U+FEFF in UTF-8, as some editors put it before a text. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/**
 * Splits a message (RFC 5322, RFC 2046) into its parts as it streams. What it finds does not depend on
 * how the stream is cut, except for where one piece of a body ends and the next begins; it keeps one
 * header and one line that could be a delimiter, and takes time proportional to what it reads.
 *
 * Lenient: a header ends at the first line that is no field, and that line is the first of the body; a
 * delimiter of any multipart that is still open ends all parts within it; lines end with CRLF or LF, or
 * with CR in a message that begins without an LF; a byte order mark at the beginning is passed over.
 */
export class MimeSplitter {
  readonly #limits: SplitLimits;
  #headers = 0;
  #parts = 0;

  /** The part that is being read, or was closed last; null until the header of the message was read. */
  #part: MimePart | null = null;
  /** Where the part whose header is being read belongs; undefined while no header is being read. */
  #parent: MimePart | null | undefined = null;
  /** Multiparts whose delimiters count, the outermost first. */
  #open: OpenMultipart[] = [];
  /** Whether what is read is outside of the parts of `#part`, and where. */
  #outside: "before" | "behind" | null = null;

  /** The fields of the header that is being read, unfolded. */
  #fields: string[] = [];
  /** Its lines, in case that it turns out to be none. */
  #headerLines: Uint8Array[] = [];
  #headerSize = 0;

  /** Pieces that are too small to be worth reading, and their size in bytes. */
  #small: Uint8Array[] = [];
  #smallSize = 0;
  /** Whether lines end with CR alone; null until the first bytes were seen. */
  #bareCr: boolean | null = null;
  /** What is read, and from where on. */
  #data: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** What was read of a line whose end decides: in a body, with the line end before it. */
  #held: Uint8Array = new Uint8Array(0);
  /** Bytes of `#held` that end the line before. */
  #heldLineEnd = 0;
  /** Whether the line of the body that is being read is known not to be a delimiter. */
  #inLine = false;

  constructor(limits: SplitLimits) {
    this.#limits = limits;
  }

  /**
   * What `chunk` adds, which must not be changed afterwards. Throws `limit` for a message of more
   * structure than the limits allow.
   */
  *push(chunk: Uint8Array): Generator<MimeEvent, void, undefined> {
    this.#small.push(chunk);
    this.#smallSize += chunk.length;
    if (this.#smallSize >= MIN_READ) yield* this.#readAll(false);
  }

  /** What the end of the message adds. Throws as {@linkcode MimeSplitter.push} does. */
  *finish(): Generator<MimeEvent, void, undefined> {
    yield* this.#readAll(true);
    while (this.#parent !== undefined) yield* this.#endHeader();
  }

  *#readAll(final: boolean): Generator<MimeEvent, void, undefined> {
    const fresh = this.#bareCr === null ? [this.#begin(concat(...this.#small))] : this.#small;
    if (this.#bareCr) fresh.forEach((piece, i) => fresh[i] = withLineFeeds(piece));
    const pieces = [this.#held, ...fresh].filter(({ length }) => length > 0);
    this.#data = pieces.length === 1 && pieces[0] ? pieces[0] : concat(...pieces);
    this.#at = 0;
    this.#held = NOTHING;
    this.#small = [];
    this.#smallSize = 0;
    while (this.#at < this.#data.length) {
      if (this.#parent === undefined) yield* this.#readBody(final);
      else yield* this.#readHeader(final);
    }
  }

  /** Looks at the first bytes of the message: how its lines end, and whether there is a mark. */
  #begin(first: Uint8Array): Uint8Array {
    // As many bytes however the stream is cut; of a CRLF at their end, the LF may be missing.
    const look = first.subarray(0, MIN_READ);
    this.#bareCr = look.subarray(0, -1).includes(CR) && !look.includes(LF);
    return BYTE_ORDER_MARK.every((byte, i) => first[i] === byte) ? first.subarray(3) : first;
  }

  /** Keeps what is left from `at` on for the next time. */
  #hold(at: number): void {
    this.#held = this.#data.slice(at);
    this.#at = this.#data.length;
  }

  *#readHeader(final: boolean): Generator<MimeEvent, void, undefined> {
    const lf = this.#data.indexOf(LF, this.#at);
    const end = lf < 0 ? this.#data.length : lf + 1;
    const bytes = this.#data.subarray(this.#at, end);
    const line = headerText(withoutLineEnd(bytes));
    const delimiter = this.#delimiter(line);
    const folded = /^[ \t]/.test(line) && this.#fields.length > 0;
    // The line before the header of a message that was kept in a file with others (mbox).
    const separator = this.#parent === null && this.#headerLines.length === 0 &&
      /^>?From /.test(line);
    if (lf < 0 && !final) {
      // What is no field after so many bytes will be none, and belongs to the body.
      const undecided = bytes.length < MIN_READ || /^[ \t]*$/.test(line) || isField(line) ||
        folded || separator;
      if (undecided) {
        this.#checkHeader(bytes.length);
        return this.#hold(this.#at);
      }
    }
    if (delimiter !== null) {
      yield* this.#endHeader();
      this.#at = end;
      this.#apply(delimiter);
    } else if (
      /^[ \t]*$/.test(line) && (this.#fields.length > 0 || this.#headerLines.length === 0)
    ) {
      this.#at = end;
      yield* this.#endHeader();
    } else if (isField(line) || folded || separator) {
      this.#at = end;
      this.#headerSize += bytes.length;
      this.#checkHeader(0);
      this.#headerLines.push(bytes);
      if (folded) this.#fields.push((this.#fields.pop() ?? "") + line);
      else if (!separator) this.#fields.push(line);
    } else {
      const names = this.#fields.map(fieldName);
      if (!isMailHeader(names)) {
        // A text, of which some lines look like fields.
        this.#data = concat(...this.#headerLines, this.#data.subarray(this.#at));
        this.#at = 0;
        this.#fields = [];
      }
      yield* this.#endHeader();
    }
  }

  #checkHeader(more: number): void {
    const { header, headers } = this.#limits;
    if (this.#headerSize + more > header) {
      throw tooMuch(`a header of more than ${header / 1024} KiB`);
    }
    if (this.#headers + this.#headerSize + more > headers) {
      throw tooMuch(`headers of more than ${headers / 1024} KiB together`);
    }
  }

  *#endHeader(): Generator<MimeEvent, void, undefined> {
    const parent = this.#parent ?? null;
    const inDigest = parent?.header.type === "multipart/digest";
    const header = readPartHeader(this.#fields, inDigest ? "message/rfc822" : "text/plain");
    // What a digest is made of is there to be read (RFC 2046, section 5.1.5).
    const message = inDigest && header.type === "message/rfc822" && header.filename === null &&
      header.disposition === "inline" && !isEncoded(header.encoding);
    const multipart = header.type.startsWith("multipart/") && header.boundary !== null;
    const part = { header, parent, container: message || multipart };
    this.#headers += this.#headerSize;
    this.#headerSize = 0;
    this.#headerLines = [];
    this.#fields = [];
    if (++this.#parts > this.#limits.parts) throw tooMuch(`more than ${this.#limits.parts} parts`);
    let depth = 0;
    for (let up = parent; up !== null; up = up.parent) depth++;
    if (depth > this.#limits.depth) {
      throw tooMuch(`parts within more than ${this.#limits.depth} others`);
    }
    yield { type: "part", part };
    this.#part = part;
    this.#parent = message ? part : undefined;
    this.#outside = multipart ? "before" : null;
    this.#inLine = false;
    this.#heldLineEnd = 0;
    if (multipart) {
      const delimiter = `--${header.boundary}`;
      this.#open.push({ part, delimiter, last: `${delimiter}--` });
    }
  }

  *#readBody(final: boolean): Generator<MimeEvent, void, undefined> {
    const data = this.#data;
    /** The first byte that was not handed on. */
    const from = this.#at;
    /** Where a line begins, and where the line end before it does. */
    let line = from + this.#heldLineEnd;
    let lineEnd = from;
    this.#heldLineEnd = 0;
    for (;;) {
      if (!this.#inLine) {
        if (line === data.length && !final) break;
        if (this.#open.length > 0 && data[line] === DASH && (data[line + 1] ?? DASH) === DASH) {
          const lf = data.indexOf(LF, line);
          const end = lf < 0 ? data.length : lf + 1;
          if (lf < 0 && !final && end - line <= MAX_DELIMITER) break;
          const delimiter = end - line <= MAX_DELIMITER
            ? this.#delimiter(headerText(data.subarray(line, end)))
            : null;
          if (delimiter !== null) {
            yield* this.#body(from, lineEnd);
            this.#at = end;
            return this.#apply(delimiter);
          }
        }
        this.#inLine = true;
      }
      const lf = data.indexOf(LF, line);
      if (lf < 0) {
        // Its line end may have come in part.
        const held = !final && data.at(-1) === CR ? 1 : 0;
        yield* this.#body(from, data.length - held);
        return this.#hold(data.length - held);
      }
      lineEnd = lf > line && data[lf - 1] === CR ? lf - 1 : lf;
      line = lf + 1;
      this.#inLine = false;
    }
    yield* this.#body(from, lineEnd);
    this.#heldLineEnd = line - lineEnd;
    this.#hold(lineEnd);
  }

  *#body(from: number, to: number): Generator<MimeEvent, void, undefined> {
    if (to <= from || this.#part === null) return;
    const bytes = this.#data.subarray(from, to);
    yield { type: "body", part: this.#part, outside: this.#outside, bytes };
  }

  /** The open multipart that `line` is a delimiter of, as the number of those around it. */
  #delimiter(line: string): Delimiter | null {
    if (!line.startsWith("--") || line.length > MAX_DELIMITER) return null;
    const found = line.replace(/[ \t\r\n]+$/, "");
    const exact = this.#open.findLastIndex(({ delimiter, last }) =>
      found === delimiter || found === last
    );
    if (exact >= 0) return { around: exact, last: found === this.#open[exact]?.last };
    // A line that only begins as the last delimiter does is that, too (RFC 2046, section 5.1.1).
    const begun = this.#open.findLastIndex(({ last }) => found.startsWith(last));
    return begun < 0 ? null : { around: begun, last: true };
  }

  #apply({ around, last }: Delimiter): void {
    const multipart = this.#open[around]?.part ?? null;
    this.#open.length = last ? around : around + 1;
    this.#part = multipart;
    this.#parent = last ? undefined : multipart;
    this.#outside = last ? "behind" : null;
    this.#inLine = false;
    this.#heldLineEnd = 0;
  }
}

/** A multipart and the lines that delimit its parts. */
interface OpenMultipart {
  readonly part: MimePart;
  readonly delimiter: string;
  readonly last: string;
}

interface Delimiter {
  readonly around: number;
  /** Whether no part follows. */
  readonly last: boolean;
}

/** Whether `encoding`, as a {@linkcode PartHeader} has it, is one that has to be undone. */
function isEncoded(encoding: string): boolean {
  return !["", "7bit", "8bit", "binary"].includes(encoding);
}

function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  if (bytes[end - 1] === LF) end--;
  while (end > 0 && bytes[end - 1] === CR) end--;
  return bytes.subarray(0, end);
}

function tooMuch(what: string): SealpostError {
  return new SealpostError("limit", `the message has ${what}; \`read --raw\` shows it as it came`);
}

/** `bytes` with LF for each CR. */
function withLineFeeds(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => byte === CR ? LF : byte);
}
