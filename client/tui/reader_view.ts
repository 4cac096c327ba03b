import { formatSize } from "../../cli/format.ts";
import { fill, type Line, type Look, type Span, span } from "./frame.ts";
import { type DisplayedMessage, MEASURE, textWithCalendars } from "../mailbox/show.ts";
import { type LinkPlace, linkPlaces } from "../message/links.ts";
import { expandTabs, wrapPieces, wrapText } from "./wrap.ts";

/** A header line: its name, and its value, printable. */
export interface Header {
  readonly name: string;
  readonly value: string;
  readonly look?: Look;
}

/** What a reader shows; all of it is safe to print. */
export interface ReaderContent {
  readonly headers: readonly Header[];
  readonly text: string;
  /** Notes below the text: attachments, what was left out. */
  readonly notes: readonly string[];
}

/** What of a message a reader shows below `headers`. */
export function contentOf(headers: readonly Header[], shown: DisplayedMessage): ReaderContent {
  const notes = [
    ...shown.notes.map((note) => `(${note})`),
    ...shown.attachments.map(({ index, name, size, message }) => {
      return `[${index}: ${name}, ${formatSize(size)}${message ? ", a message: v opens it" : ""}]`;
    }),
  ];
  return { headers, text: textWithCalendars(shown), notes };
}

/** `headers`, and in the place of the text, which is not there, `words` about it. */
export function withoutText(headers: readonly Header[], words: string, columns: number): LaidOut {
  const { lines } = layOut({ headers, text: words, notes: [] }, columns, false);
  return { lines, origins: new Map() };
}

/** From how many lines a quotation can be folded. */
const LONG_QUOTE = 4;

/** Where a line of the screen that shows text comes from. */
export interface Origin {
  /** The number of its line in the text; of a folded quotation, of the first one. */
  readonly line: number;
  /** That line, or those that were folded, whole. */
  readonly text: string;
  /** What of it is on this line of the screen, and on how many it is. */
  readonly piece: string;
  readonly pieces: number;
  /** The marks of a quotation that the line begins with; empty for none. */
  readonly marks: string;
}

/** A message laid out. */
export interface LaidOut {
  readonly lines: Line[];
  /** For each line that shows text, by its number, what of the text it shows. */
  readonly origins: ReadonlyMap<number, Origin>;
}

/** A message in `columns`. */
export function layOut(reading: ReaderContent, columns: number, foldQuotes: boolean): LaidOut {
  const origins = new Map<number, Origin>();
  const width = Math.max(10, columns - 2);
  const out: Line[] = [];
  const names = Math.max(0, ...reading.headers.map(({ name }) => name.length)) + 2;
  for (const { name, value, look = "plain" } of reading.headers) {
    const room = Math.max(10, width - names);
    for (const [i, piece] of wrapText(value, room).entries()) {
      const head = i === 0 ? `${name}:`.padEnd(names) : " ".repeat(names);
      out.push([span(` ${head}`, "accent"), span(piece, look)]);
    }
  }
  out.push([]);
  const measure = Math.min(width, MEASURE);
  let at = 0;
  for (const part of quotations(reading.text.replace(/\n+$/, "").split("\n"))) {
    const line = at;
    at += part.lines.length;
    if (part.depth > 0 && foldQuotes && part.lines.length >= LONG_QUOTE) {
      const whole = part.lines.join("\n");
      origins.set(out.length, { line, text: whole, piece: whole, pieces: 1, marks: "" });
      out.push([span(` [${part.lines.length} quoted lines; T shows them]`, "dim")]);
      continue;
    }
    const look = part.depth === 0 ? "plain" : part.depth % 2 === 1 ? "quote" : "quote-deep";
    for (const [i, text] of part.lines.entries()) {
      const expanded = expandTabs(text);
      const pieces = wrapPieces(expanded, measure);
      const marks = QUOTED.exec(text)?.[0] ?? "";
      const links = linkPlaces(expanded);
      let next = 0;
      for (const { start, end } of pieces) {
        while ((links[next]?.to ?? Infinity) <= start) next++;
        const whole = expanded.slice(start, end);
        const piece = end < expanded.length ? whole.trimEnd() : whole;
        origins.set(out.length, { line: line + i, text, piece, pieces: pieces.length, marks });
        out.push([span(" ", look), ...withLinks(piece, start, links, next, look)]);
      }
    }
  }
  if (reading.notes.length > 0) out.push([]);
  for (const note of reading.notes) {
    for (const piece of wrapText(note, width)) out.push([span(` ${piece}`, "accent")]);
  }
  return { lines: out.map((line) => fill(line, columns)), origins };
}

/** `piece` of a line, from `start` on, in spans, those of links with them: of `links`, from `next` on. */
function withLinks(
  piece: string,
  start: number,
  links: readonly LinkPlace[],
  next: number,
  look: Look,
): Span[] {
  const out: Span[] = [];
  let at = 0;
  for (let i = next; i < links.length; i++) {
    const link = links[i];
    if (!link || link.from - start >= piece.length) break;
    const { from, to, written } = link;
    const [first, last] = [Math.max(from - start, at), Math.min(to - start, piece.length)];
    if (first >= last) continue;
    if (first > at) out.push(span(piece.slice(at, first), look));
    out.push({ text: piece.slice(first, last), look, link: written });
    at = last;
  }
  if (at < piece.length || out.length === 0) out.push(span(piece.slice(at), look));
  return out;
}

/** The text that the lines of the screen from `first` to `last` show, as it stands in the message. */
export function textOf(
  origins: ReadonlyMap<number, Origin>,
  first: number,
  last: number,
): string {
  const lines = new Map<number, Origin[]>();
  for (let row = first; row <= last; row++) {
    const origin = origins.get(row);
    if (origin) lines.set(origin.line, [...lines.get(origin.line) ?? [], origin]);
  }
  return [...lines.values()].map((parts) => {
    const [one] = parts;
    if (!one || parts.length === one.pieces) return one?.text ?? "";
    const some = parts.map(({ piece }) => piece).join(" ");
    return some.startsWith(one.marks) ? some : `${one.marks} ${some}`;
  }).join("\n");
}

/** The marks of a quotation. */
const QUOTED = /^(?: ?>)+/;

/** The lines of a text in groups of the same depth of quotation. */
function quotations(lines: readonly string[]): { depth: number; lines: string[] }[] {
  const out: { depth: number; lines: string[] }[] = [];
  for (const text of lines) {
    const marks = QUOTED.exec(text)?.[0] ?? "";
    const depth = marks.replaceAll(" ", "").length;
    const last = out.at(-1);
    if (last && (last.depth === depth)) last.lines.push(text);
    else out.push({ depth, lines: [text] });
  }
  return out;
}
