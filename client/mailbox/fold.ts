// Texts as they are compared in a search: without case, diacritics and invisible characters.

/** Letters that a decomposition leaves as they are, and how they are written where they are missing. */
const LETTERS: Readonly<Record<string, string>> = {
  "ß": "ss",
  "æ": "ae",
  "œ": "oe",
  "ø": "o",
  "ł": "l",
  "đ": "d",
  "ð": "d",
  "þ": "th",
  "ı": "i",
  "ς": "σ",
};
const SPECIAL = /[ßæœøłđðþıς]/g;
const ASCII = /^[\0-\x7f]*$/;
const DROPPED = /[\p{M}\p{Cf}]+/gu;

/** `text` folded: lower case, without diacritics, compatibility forms and invisible characters. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return text.toLowerCase().normalize("NFKD").replace(DROPPED, "").toLowerCase()
    .replace(SPECIAL, (letter) => LETTERS[letter] ?? letter);
}

/** `text`, which is folded, with one space for every run of white space. */
export function collapse(text: string): string {
  return text.replace(/\s+/g, " ");
}

/** Where in a text something was found: UTF-16 units, from the first to behind the last. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Units of a text that are folded at a time. */
const BLOCK = 4096;

/** A part of a text, and where its folded form begins in that of the whole. */
interface Block {
  readonly from: number;
  readonly to: number;
  /** Units of the folded text before this block. */
  readonly start: number;
  /** Whether what comes before ends with a space, into which another one at the beginning goes. */
  readonly spaced: boolean;
}

/**
 * Where `term`, folded and collapsed, stands first in `text`, which is neither; null if it does not.
 * Takes linear time, and reads no more of a long text than it must: a text is folded block by block,
 * since no letter is folded differently for its neighbours, and only where the term was found character
 * by character.
 */
export function locate(text: string, term: string): Range | null {
  if (term === "") return null;
  const blocks: Block[] = [];
  /** The last units of what was folded so far: too few to be the term. */
  let tail = "";
  let size = 0;
  let spaced = false;
  for (let from = 0; from < text.length;) {
    const to = endOfBlock(text, from);
    blocks.push({ from, to, start: size, spaced });
    const piece = foldPart(text.slice(from, to), spaced);
    const joined = tail + piece;
    const found = joined.indexOf(term);
    if (found >= 0) {
      const first = size - tail.length + found;
      const last = first + term.length - 1;
      return {
        from: sourceOf(text, blocks, first).from,
        to: sourceOf(text, blocks, last).to,
      };
    }
    size += piece.length;
    tail = joined.slice(joined.length - Math.min(joined.length, term.length - 1));
    if (piece !== "") spaced = piece.endsWith(" ");
    from = to;
  }
  return null;
}

/**
 * Where any of `terms`, folded and collapsed, stand in `text`, from its beginning: at most `most` places of
 * each. Places that touch or overlap are one.
 */
export function locateAll(text: string, terms: Iterable<string>, most = 100): Range[] {
  const found: Range[] = [];
  for (const term of terms) {
    let start = 0;
    for (let n = 0; n < most; n++) {
      const place = locate(text.slice(start), term);
      if (place === null || place.to === 0) break;
      found.push({ from: start + place.from, to: start + place.to });
      start += place.to;
    }
  }
  found.sort((a, b) => a.from - b.from);
  const out: Range[] = [];
  for (const one of found) {
    const last = out.at(-1);
    if (last && one.from <= last.to) out.splice(-1, 1, { ...last, to: Math.max(last.to, one.to) });
    else out.push(one);
  }
  return out;
}

/** The character of `text` of which unit `unit` of the folded text is. */
function sourceOf(text: string, blocks: readonly Block[], unit: number): Range {
  const block = blocks.findLast(({ start }) => start <= unit);
  let { start = 0, spaced = false } = block ?? {};
  let from = block?.from ?? 0;
  for (const character of text.slice(from, block?.to)) {
    const to = from + character.length;
    const piece = foldPart(character, spaced);
    start += piece.length;
    if (start > unit) return { from, to };
    if (piece !== "") spaced = piece.endsWith(" ");
    from = to;
  }
  return { from, to: from };
}

/** A part of a text, folded and collapsed, after one that ends with a space or does not. */
export function foldPart(part: string, spaced: boolean): string {
  const folded = collapse(fold(part));
  return spaced && folded.startsWith(" ") ? folded.slice(1) : folded;
}

/** Where a block that begins at `from` ends: never within a pair of surrogates. */
function endOfBlock(text: string, from: number): number {
  const to = Math.min(from + BLOCK, text.length);
  const pair = to < text.length && (text.codePointAt(to - 1) ?? 0) > 0xffff;
  return pair ? to - 1 : to;
}
