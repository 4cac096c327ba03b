import { displayWidth, graphemes } from "../../cli/printable.ts";

/** A piece of a line, by positions in its text. */
export interface Piece {
  readonly start: number;
  readonly end: number;
}

const ASCII = /^[\x20-\x7e]*$/;

/**
 * Where a line breaks to fit into `columns`: after spaces where there are any, else within the word.
 * Together the pieces are the whole line; the spaces at the end of a piece may hang out. `show` is
 * what a character looks like where that is not itself.
 */
export function wrapPieces(
  text: string,
  columns: number,
  show: (grapheme: string) => string = (grapheme) => grapheme,
): Piece[] {
  const width = Math.max(1, columns);
  if (text.length <= width && ASCII.test(text)) return [{ start: 0, end: text.length }];
  const pieces: Piece[] = [];
  let start = 0;
  let used = 0;
  /** Where the line could be broken, and the columns up to there. */
  let chance = 0;
  let chanceUsed = 0;
  let at = 0;
  for (const grapheme of graphemes(text)) {
    const wide = displayWidth(show(grapheme));
    // What is left after a break at a space may still be too long.
    while (grapheme !== " " && used + wide > width && at > start) {
      const end = chance > start ? chance : at;
      used = chance > start ? used - chanceUsed : 0;
      pieces.push({ start, end });
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
  pieces.push({ start, end: text.length });
  return pieces;
}

/** The lines of `text` in at most `columns`, without the spaces at which they were broken. */
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
