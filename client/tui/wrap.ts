import { displayWidth, graphemes, NARROW } from "../../cli/printable.ts";

/** A piece of a wrapped line: positions in its text, UTF-16 units. */
export interface Piece {
  readonly start: number;
  readonly end: number;
}

/**
 * Where a line breaks to fit into `columns`: after spaces where there are any, else within the word.
 * Together the pieces are the whole line; spaces at the end of a piece may exceed the width. `show`
 * gives the shown form of a character; letters of {@linkcode NARROW} are shown as they are.
 */
export function wrapPieces(
  text: string,
  columns: number,
  show: (grapheme: string) => string = (grapheme) => grapheme,
): Piece[] {
  const width = Math.max(1, columns);
  if (NARROW.test(text)) return wrapNarrow(text, width);
  return [...wrapFrom(text, 0, width, show)];
}

/** A line that was wrapped. */
export interface Wrapped {
  readonly text: string;
  readonly pieces: readonly Piece[];
}

/**
 * As {@linkcode wrapPieces}, for a line that was `before` a change. Looks only at the part around the
 * change, so that the cost of a key does not grow with the length of the line.
 */
export function rewrapPieces(
  before: Wrapped,
  text: string,
  columns: number,
  show: (grapheme: string) => string,
): Piece[] {
  const width = Math.max(1, columns);
  if (NARROW.test(text)) return wrapNarrow(text, width);
  const old = before.text;
  let same = 0;
  while (same < text.length && same < old.length && text[same] === old[same]) same++;
  let tail = 0;
  const rest = Math.min(text.length, old.length) - same;
  while (tail < rest && text[text.length - 1 - tail] === old[old.length - 1 - tail]) tail++;
  // The end of a piece depends on the next one, and a character on its neighbours.
  const changed = before.pieces.findIndex(({ end }) => end + CONTEXT > same);
  const kept = before.pieces.slice(0, Math.max(0, changed - 1));
  const shift = text.length - old.length;
  const starts = new Map(before.pieces.map(({ start }, i) => [start + shift, i]));
  const pieces = [...kept];
  for (const piece of wrapFrom(text, kept.at(-1)?.end ?? 0, width, show)) {
    const at = piece.start > text.length - tail + CONTEXT ? starts.get(piece.start) : undefined;
    if (at !== undefined) {
      for (const { start, end } of before.pieces.slice(at)) {
        pieces.push({ start: start + shift, end: end + shift });
      }
      break;
    }
    pieces.push(piece);
  }
  return pieces;
}

/** UTF-16 units around a change that may belong to the same character. */
const CONTEXT = 64;

/** The pieces of a line from `from` on, where one of them begins. */
function* wrapFrom(
  text: string,
  from: number,
  width: number,
  show: (grapheme: string) => string,
): Generator<Piece> {
  let start = from;
  let used = 0;
  /** The last possible break, and the columns up to there. */
  let chance = from;
  let chanceUsed = 0;
  let at = from;
  for (const grapheme of graphemes(text.slice(from))) {
    const wide = displayWidth(show(grapheme));
    // The rest after a break may still be too long.
    while (grapheme !== " " && used + wide > width && at > start) {
      const end = chance > start ? chance : at;
      used = chance > start ? used - chanceUsed : 0;
      yield { start, end };
      start = end;
      chance = start;
      chanceUsed = 0;
    }
    at += grapheme.length;
    used += wide;
    if (grapheme === " ") {
      chance = at;
      chanceUsed = used;
    }
  }
  yield { start, end: text.length };
}

/** As {@linkcode wrapPieces}, where every code unit takes one column. */
function wrapNarrow(text: string, width: number): Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  for (;;) {
    let end = start + width;
    while (text[end] === " ") end++;
    if (end >= text.length) break;
    // Within the piece alone: a long word has no space before it, or one that is far away.
    const space = text.slice(start, end).lastIndexOf(" ") + 1;
    if (space > 0) end = start + space;
    pieces.push({ start, end });
    start = end;
  }
  pieces.push({ start, end: text.length });
  return pieces;
}

/** The lines of `text` in at most `columns`, without the spaces at the breaks. */
export function wrapText(text: string, columns: number): string[] {
  return wrapPieces(text, columns).map(({ start, end }) => {
    const piece = text.slice(start, end);
    return end < text.length ? piece.trimEnd() : piece;
  });
}

/** `text` with spaces in the place of tabs, to columns of 8. */
export function expandTabs(text: string): string {
  if (!text.includes("\t")) return text;
  let out = "";
  let column = 0;
  for (const part of text.split(/(\t)/)) {
    const piece = part === "\t" ? " ".repeat(8 - column % 8) : part;
    out += piece;
    column += displayWidth(piece);
  }
  return out;
}
