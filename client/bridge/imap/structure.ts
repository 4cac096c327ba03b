import libmime from "libmime";
import type { Bytes } from "../../../crypto/bytes.ts";
import { fieldValue, formatEnvelope, type HeaderField, headerFields } from "./header.ts";
import { imapString, nilOr } from "./output.ts";
import { binary } from "./parser.ts";

/** A part of a message, and where it is: bytes from the message's beginning. */
export interface Part {
  /** Where its header begins, its body begins, and its body ends. */
  readonly from: number;
  readonly bodyFrom: number;
  readonly to: number;
  /** Lines of the body. */
  readonly lines: number;
  readonly fields: readonly HeaderField[];
  /** In lower case. */
  readonly type: string;
  readonly params: Readonly<Record<string, string>>;
  /** The parts of a multipart; empty for others. */
  readonly parts: readonly Part[];
  /** The message in a message/rfc822; null for others. */
  readonly message: Part | null;
}

/** A part while it is read. */
type Growing = { -readonly [K in keyof Part]: Part[K] } & {
  parts: Growing[];
  message: Growing | null;
  boundary: string | null;
};

/** What a message may demand; what is beyond that is not taken apart. */
const LIMITS = { header: 256 * 1024, depth: 50, parts: 1000, boundary: 998 } as const;

const LF = 0x0a;
const CR = 0x0d;

/**
 * Takes a message apart (RFC 2045, 2046) as far as IMAP shows it: what its parts are, and where. Never
 * throws for what stands in the message. Memory is bounded, time proportional to the message.
 */
export async function readStructure(message: AsyncIterable<Bytes>): Promise<Part> {
  const reader = new StructureReader();
  for await (const piece of message) reader.push(piece);
  return reader.finish();
}

class StructureReader {
  readonly #root = grow(0);
  /** Parts that are not ended, the outermost first. */
  #open: Growing[] = [this.#root];
  #count = 1;
  #inHeader = true;
  #header = "";
  /** Where the line begins that is read, and what is kept of it. */
  #lineFrom = 0;
  #line = "";
  /** Bytes read, and the last of them. */
  #at = 0;
  #last = 0;
  /** Size of the line end before the line that is read. */
  #lineEnd = 0;
  /** Lines that ended, all in all. */
  #lines = 0;
  readonly #linesAt = new Map<Growing, number>();

  push(piece: Bytes): void {
    for (let from = 0; from < piece.length;) {
      const lf = piece.indexOf(LF, from);
      const to = lf < 0 ? piece.length : lf + 1;
      const room = (this.#inHeader ? LIMITS.header : LIMITS.boundary + 100) - this.#line.length;
      const wanted = this.#inHeader || ["", "-", "--"].includes(this.#line.slice(0, 2));
      if (room > 0 && wanted) {
        // Most lines of a body are no delimiter, which their first two bytes say.
        const plain = !this.#inHeader && this.#line === "" && piece[from] !== 0x2d;
        this.#line += plain ? "." : binary(piece.subarray(from, Math.min(to, from + room)));
      }
      this.#at += to - from;
      const before = lf > 0 ? piece[lf - 1] : this.#last;
      if (lf >= 0) this.#endLine(before === CR ? 2 : 1);
      from = to;
    }
    this.#last = piece.at(-1) ?? this.#last;
  }

  finish(): Part {
    if (this.#at > this.#lineFrom) this.#endLine(0);
    if (this.#inHeader) this.#endHeader(this.#at);
    this.#close(0, this.#at);
    return this.#root;
  }

  #endLine(end: number): void {
    const line = this.#line.replace(/\r?\n$/, "");
    const from = this.#lineFrom;
    const before = this.#lineEnd;
    this.#line = "";
    this.#lineFrom = this.#at;
    this.#lineEnd = end;
    const delimited = line.startsWith("--") ? this.#delimits(line) : null;
    if (delimited) {
      if (this.#inHeader) this.#endHeader(from);
      const { depth, last } = delimited;
      // The line end before a delimiter belongs to the delimiter.
      this.#lines--;
      this.#close(depth + 1, Math.max(from - before, this.#open[depth]?.bodyFrom ?? 0));
      this.#lines += 2;
      const multipart = this.#open[depth];
      if (last || !multipart || this.#count >= LIMITS.parts) {
        if (multipart) multipart.boundary = null;
        return;
      }
      this.#count++;
      const part = grow(this.#at);
      multipart.parts.push(part);
      this.#open.push(part);
      this.#inHeader = true;
      return;
    }
    this.#lines++;
    if (!this.#inHeader) return;
    if (line === "") return this.#endHeader(this.#at);
    if (this.#header.length < LIMITS.header) this.#header += `${line}\r\n`;
  }

  /** The header of the innermost part is over; its body begins at `bodyFrom`. */
  #endHeader(bodyFrom: number): void {
    const part = this.#open.at(-1);
    this.#inHeader = false;
    if (!part) return;
    part.fields = headerFields(this.#header);
    this.#header = "";
    part.bodyFrom = bodyFrom;
    this.#linesAt.set(part, this.#lines);
    const around = this.#open.at(-2);
    const inDigest = around?.type === "multipart/digest";
    const value = fieldValue(part.fields, "content-type");
    const { type, params } = contentType(value, inDigest ? "message/rfc822" : "text/plain");
    part.type = type;
    part.params = params;
    if (this.#open.length > LIMITS.depth || this.#count >= LIMITS.parts) return;
    const boundary = params.boundary?.trimEnd() ?? "";
    const encoding = fieldValue(part.fields, "content-transfer-encoding")?.toLowerCase() ?? "7bit";
    if (type.startsWith("multipart/")) {
      if (boundary !== "" && boundary.length <= LIMITS.boundary) part.boundary = boundary;
    } else if (type === "message/rfc822" && ["7bit", "8bit", "binary"].includes(encoding)) {
      this.#count++;
      part.message = grow(bodyFrom);
      this.#open.push(part.message);
      this.#inHeader = true;
    }
  }

  #delimits(line: string): { readonly depth: number; readonly last: boolean } | null {
    const found = line.slice(2).trimEnd();
    const depth = this.#open.findLastIndex(({ boundary }) => {
      return boundary !== null && (found === boundary || found === `${boundary}--`);
    });
    if (depth < 0) return null;
    return { depth, last: found !== this.#open[depth]?.boundary };
  }

  /** Ends the parts from `depth` on at `to`. */
  #close(depth: number, to: number): void {
    for (const part of this.#open.splice(depth)) {
      part.to = Math.max(to, part.bodyFrom);
      part.lines = Math.max(0, this.#lines - (this.#linesAt.get(part) ?? this.#lines));
    }
  }
}

function grow(from: number): Growing {
  return {
    from,
    bodyFrom: from,
    to: from,
    lines: 0,
    fields: [],
    type: "text/plain",
    params: {},
    parts: [],
    message: null,
    boundary: null,
  };
}

function contentType(
  value: string | null,
  fallback: string,
): { readonly type: string; readonly params: Readonly<Record<string, string>> } {
  if (value === null) return { type: fallback, params: {} };
  const { value: type, params } = libmime.parseHeaderValue(value, { stripComments: true });
  const lower = type.trim().toLowerCase();
  return /^[!-.0-~]+\/[!-.0-~]+$/.test(lower)
    ? { type: lower, params }
    : { type: "text/plain", params: {} };
}

/** The BODY of a part (RFC 9051, section 7.5.2); `extended`: its BODYSTRUCTURE. */
export function formatStructure(part: Part, extended: boolean): string {
  const { type, fields, params } = part;
  const [major = "text", minor = "plain"] = type.split("/");
  const value = (name: string) => fieldValue(fields, name);
  if (part.parts.length > 0) {
    const parts = part.parts.map((one) => formatStructure(one, extended)).join("");
    const base = `${parts} ${imapString(minor)}`;
    return extended ? `(${base} ${formatParams(params)} ${tail(fields)})` : `(${base})`;
  }
  // A multipart without parts is shown as what it can be read as.
  const [a, b] = major === "multipart" ? ["text", "plain"] : [major, minor];
  const encoding = (value("content-transfer-encoding") ?? "7bit").replace(/[^!-~]/g, "") || "7bit";
  const items = [
    imapString(a),
    imapString(b),
    formatParams(params),
    nilOr(value("content-id")),
    nilOr(value("content-description")),
    imapString(encoding),
    `${part.to - part.bodyFrom}`,
  ];
  if (part.message) {
    items.push(
      formatEnvelope(part.message.fields),
      formatStructure(part.message, extended),
      `${part.lines}`,
    );
  } else if (a === "text") items.push(`${part.lines}`);
  if (extended) items.push(nilOr(value("content-md5")), tail(fields));
  return `(${items.join(" ")})`;
}

/** Disposition, language and location. */
function tail(fields: readonly HeaderField[]): string {
  const disposition = fieldValue(fields, "content-disposition");
  const language = fieldValue(fields, "content-language");
  return [
    disposition === null ? "NIL" : formatDisposition(disposition),
    nilOr(language),
    nilOr(fieldValue(fields, "content-location")),
  ].join(" ");
}

function formatDisposition(text: string): string {
  const { value, params } = libmime.parseHeaderValue(text, { stripComments: true });
  return `(${imapString(value.trim() || "attachment")} ${formatParams(params)})`;
}

function formatParams(params: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(params).map(([name, value]) => {
    const text = /^[\x20-\x7e]*$/.test(value) ? value : libmime.encodeWord(value, "B");
    return `${imapString(name)} ${imapString(text)}`;
  });
  return pairs.length === 0 ? "NIL" : `(${pairs.join(" ")})`;
}
