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

/**
 * Where `term`, folded and collapsed, stands first in `text`, which is neither; null if it does not.
 */
export function locate(text: string, term: string): Range | null {
  let folded = "";
  /** For every unit of `folded`, where the character it is of begins and ends. */
  const places: Range[] = [];
  let at = 0;
  for (const character of text) {
    const to = at + character.length;
    let piece = collapse(fold(character));
    if (piece.startsWith(" ") && folded.endsWith(" ")) piece = piece.slice(1);
    for (let i = 0; i < piece.length; i++) places.push({ from: at, to });
    folded += piece;
    at = to;
    // No more of a long text than it takes.
    const found = folded.length >= term.length
      ? folded.indexOf(term, folded.length - piece.length - term.length)
      : -1;
    if (found < 0) continue;
    const [first, last] = [places[found], places[found + term.length - 1]];
    return first && last ? { from: first.from, to: last.to } : null;
  }
  return null;
}
