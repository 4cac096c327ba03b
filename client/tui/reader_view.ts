import { fill, type Line, type Look, span } from "./frame.ts";
import { MEASURE } from "../mailbox/show.ts";
import { expandTabs, wrapText } from "./wrap.ts";

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

/** From how many lines a quotation can be folded. */
const LONG_QUOTE = 4;

/** The lines of a message in `columns`. */
export function layOut(reading: ReaderContent, columns: number, foldQuotes: boolean): Line[] {
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
  for (const part of quotations(reading.text.replace(/\n+$/, "").split("\n"))) {
    if (part.depth > 0 && foldQuotes && part.lines.length >= LONG_QUOTE) {
      out.push([span(` [${part.lines.length} quoted lines; T shows them]`, "dim")]);
      continue;
    }
    const look = part.depth === 0 ? "plain" : part.depth % 2 === 1 ? "quote" : "quote-deep";
    for (const text of part.lines) {
      for (const piece of wrapText(expandTabs(text), measure)) out.push([span(` ${piece}`, look)]);
    }
  }
  if (reading.notes.length > 0) out.push([]);
  for (const note of reading.notes) {
    for (const piece of wrapText(note, width)) out.push([span(` ${piece}`, "accent")]);
  }
  return out.map((line) => fill(line, columns));
}

/** The lines of a text in groups of the same depth of quotation. */
function quotations(lines: readonly string[]): { depth: number; lines: string[] }[] {
  const out: { depth: number; lines: string[] }[] = [];
  for (const text of lines) {
    const marks = /^(?: ?>)+/.exec(text)?.[0] ?? "";
    const depth = marks.replaceAll(" ", "").length;
    const last = out.at(-1);
    if (last && (last.depth === depth)) last.lines.push(text);
    else out.push({ depth, lines: [text] });
  }
  return out;
}
