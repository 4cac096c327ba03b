import { collapse, fold, foldPart, type Range } from "../mailbox/fold.ts";
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
  const term = collapse(fold(words)).trim();
  if (term === "") return [];
  const texts = lines.map(lineText);
  const found: Match[] = [];
  for (let row = 0; row < texts.length;) {
    // A paragraph ends at an empty line.
    let end = row;
    while (end < texts.length && (texts[end] ?? "").trim() !== "") end++;
    if (end > row) found.push(...findInParagraph(texts.slice(row, end), row, term));
    row = end + 1;
  }
  return found;
}

/** Most places of a word in one paragraph, and of all words together. */
const MAX_PLACES = 10_000;

/** All places of any of `terms` in lines as they are laid out, in the order of the lines. */
export function findAll(lines: readonly Line[], terms: readonly string[]): Match[] {
  const start = ({ row, parts: [part] }: Match) => [row, part?.from ?? 0] as const;
  return terms.flatMap((term) => findIn(lines, term)).toSorted((a, b) => {
    const [[rowA, fromA], [rowB, fromB]] = [start(a), start(b)];
    return rowA - rowB || fromA - fromB;
  }).slice(0, MAX_PLACES);
}

/**
 * The lines of a paragraph, folded and collapsed as one text. Which character a unit of that comes from is
 * looked up line by line, where something was found: paragraphs may be as long as messages.
 */
class FoldedParagraph {
  readonly text: string;
  readonly #lines: readonly string[];
  /** For each line, where it begins in `text`, and whether what comes before it ends with a space. */
  readonly #starts: number[] = [];
  readonly #spaced: boolean[] = [];
  /** The line that was looked at last, and the characters that its units come from. */
  #known: { readonly line: number; readonly units: readonly Range[] } | null = null;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
    const pieces: string[] = [];
    let size = 0;
    let spaced = false;
    for (const line of lines) {
      this.#starts.push(size);
      this.#spaced.push(spaced);
      const piece = foldPart(`${line} `, spaced);
      pieces.push(piece);
      size += piece.length;
      if (piece !== "") spaced = piece.endsWith(" ");
    }
    this.text = pieces.join("");
  }

  /** The parts of lines that the units from `from` to `to` come from, rows counted from `first`. */
  parts(from: number, to: number, first: number): MatchPart[] {
    const parts: MatchPart[] = [];
    let line = this.#lineAt(from);
    for (let at = from; at < to; line++) {
      const start = this.#starts[line] ?? 0;
      const end = Math.min(to, this.#starts[line + 1] ?? this.text.length);
      const units = this.#units(line);
      const [begin, last] = [units[at - start], units[end - 1 - start]];
      if (begin && last) parts.push({ row: first + line, from: begin.from, to: last.to });
      at = end;
    }
    return parts;
  }

  /** The last line that begins at unit `at` or before it. */
  #lineAt(at: number): number {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #units(line: number): readonly Range[] {
    if (this.#known?.line === line) return this.#known.units;
    const units: Range[] = [];
    let spaced = this.#spaced[line] ?? false;
    let from = 0;
    for (const character of `${this.#lines[line] ?? ""} `) {
      const to = from + character.length;
      if (character > " " && character < "\x7f") {
        // Most are: each is folded to one unit.
        units.push({ from, to });
        spaced = false;
      } else {
        const piece = foldPart(character, spaced);
        for (let n = 0; n < piece.length; n++) units.push({ from, to });
        if (piece !== "") spaced = piece.endsWith(" ");
      }
      from = to;
    }
    this.#known = { line, units };
    return units;
  }
}

function findInParagraph(texts: readonly string[], first: number, term: string): Match[] {
  const paragraph = new FoldedParagraph(texts);
  const { text } = paragraph;
  const found: Match[] = [];
  for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + term.length)) {
    const parts = paragraph.parts(at, at + term.length, first);
    const [start] = parts;
    if (start) found.push({ row: start.row, parts });
    if (found.length === MAX_PLACES) break;
  }
  return found;
}
