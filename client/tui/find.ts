import { fold } from "../mailbox/fold.ts";
import { type Line, lineText } from "./frame.ts";

/** A part of a line of the screen: positions in the text of that line. */
export interface MatchPart {
  /** The line, from 0. */
  readonly row: number;
  readonly from: number;
  readonly to: number;
}

/** Where words were found: in one line, or from its end into the next ones. */
export interface Match {
  /** The line in which it begins. */
  readonly row: number;
  readonly parts: readonly MatchPart[];
}

/**
 * All places of `words` in lines as they are laid out, whatever their case and diacritics are, also
 * where a line was broken between the words.
 */
export function findIn(lines: readonly Line[], words: string): Match[] {
  const term = spaced(fold(words)).trim();
  if (term === "") return [];
  const texts = lines.map(lineText);
  const found: Match[] = [];
  for (let row = 0; row < texts.length;) {
    // A paragraph ends at an empty line. Only one that has the words is looked at by letters.
    let end = row;
    while (end < texts.length && (texts[end] ?? "").trim() !== "") end++;
    const paragraph = texts.slice(row, end);
    if (spaced(fold(paragraph.join(" "))).includes(term)) {
      found.push(...findInParagraph(paragraph, row, term));
    }
    row = end + 1;
  }
  return found;
}

/** Most places of all words together that {@linkcode findAll} gives. */
const MAX_PLACES = 10_000;

/** All places of any of `terms` in lines as they are laid out, in the order of the lines. */
export function findAll(lines: readonly Line[], terms: readonly string[]): Match[] {
  const start = ({ row, parts: [part] }: Match) => [row, part?.from ?? 0] as const;
  return terms.flatMap((term) => findIn(lines, term)).toSorted((a, b) => {
    const [[rowA, fromA], [rowB, fromB]] = [start(a), start(b)];
    return rowA - rowB || fromA - fromB;
  }).slice(0, MAX_PLACES);
}

function spaced(text: string): string {
  return text.replace(/\s+/g, " ");
}

function findInParagraph(texts: readonly string[], first: number, term: string): Match[] {
  let folded = "";
  /** For each unit of `folded`, the character that it comes from. */
  const origins: MatchPart[] = [];
  for (const [i, text] of texts.entries()) {
    let from = 0;
    for (const character of `${text} `) {
      const to = from + character.length;
      const piece = spaced(fold(character));
      if (piece !== " " || !folded.endsWith(" ")) {
        folded += piece;
        for (let n = 0; n < piece.length; n++) origins.push({ row: first + i, from, to });
      }
      from = to;
    }
  }
  const found: Match[] = [];
  for (let at = folded.indexOf(term); at >= 0; at = folded.indexOf(term, at + term.length)) {
    const parts: MatchPart[] = [];
    for (const { row, from, to } of origins.slice(at, at + term.length)) {
      const last = parts.at(-1);
      if (last?.row === row) parts[parts.length - 1] = { ...last, to };
      else parts.push({ row, from, to });
    }
    const [start] = parts;
    if (start) found.push({ row: start.row, parts });
  }
  return found;
}
