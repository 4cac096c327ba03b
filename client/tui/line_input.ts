import { displayWidth, graphemes, printable } from "../../cli/printable.ts";

/** One line of input. */
export interface LineInput {
  readonly text: string;
  /** Position of the cursor in `text`, between two characters. */
  readonly at: number;
}

export const EMPTY_INPUT: LineInput = { text: "", at: 0 };

/** A line with the cursor at its end. */
export function inputOf(text: string): LineInput {
  return { text, at: text.length };
}

/** The line after `typed` was typed or pasted, its line ends as spaces. */
export function insert(input: LineInput, typed: string): LineInput {
  const text = cleaned(typed).replace(/\s*\n\s*/g, " ");
  return {
    text: input.text.slice(0, input.at) + text + input.text.slice(input.at),
    at: input.at + text.length,
  };
}

/** Typed text with LF for line ends, and without control characters. */
export function cleaned(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll("\r", "\n")
    // deno-lint-ignore no-control-regex -- these are removed
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "");
}

/** The line after a key that edits; null for every other key. */
export function editLine(input: LineInput, key: string): LineInput | null {
  const { text, at } = input;
  switch (key) {
    case "left":
    case "ctrl+b":
      return { text, at: before(text, at) };
    case "right":
    case "ctrl+f":
      return { text, at: after(text, at) };
    case "home":
    case "ctrl+a":
      return { text, at: 0 };
    case "end":
    case "ctrl+e":
      return { text, at: text.length };
    case "backspace":
      return cut(text, before(text, at), at);
    case "delete":
    case "ctrl+d":
      return cut(text, at, after(text, at));
    case "ctrl+u":
      return cut(text, 0, at);
    case "ctrl+k":
      return cut(text, at, text.length);
    case "ctrl+w":
    case "alt+backspace":
      return cut(text, wordBefore(text, at), at);
    case "alt+b":
    case "ctrl+left":
    case "alt+left":
      return { text, at: wordBefore(text, at) };
    case "alt+f":
    case "ctrl+right":
    case "alt+right":
      return { text, at: wordAfter(text, at) };
    default:
      return null;
  }
}

function cut(text: string, from: number, to: number): LineInput {
  return { text: text.slice(0, from) + text.slice(to), at: from };
}

/** Longest character, UTF-16 units: a longer cluster counts as several. */
const MAX_CHARACTER = 256;

/** The beginning of the character before `at`. */
export function before(text: string, at: number): number {
  // A space begins a new character.
  const near = Math.max(0, at - MAX_CHARACTER);
  const space = text.lastIndexOf(" ", at - 1);
  const from = space >= near ? space : wholeCharacter(text, near);
  let last = 0;
  for (const grapheme of graphemes(text.slice(from, at))) last = grapheme.length;
  return at - last;
}

/** `at`, moved to the beginning of a surrogate pair that it would split. */
function wholeCharacter(text: string, at: number): number {
  return at > 0 && /^[\udc00-\udfff]/.test(text.charAt(at)) ? at - 1 : at;
}

/** The end of the character after `at`. */
export function after(text: string, at: number): number {
  for (const grapheme of graphemes(text.slice(at, at + MAX_CHARACTER))) return at + grapheme.length;
  return at;
}

export function wordBefore(text: string, at: number): number {
  return text.slice(0, at).replace(/[^\s;,/]*[\s;,/]*$/u, "").length;
}

export function wordAfter(text: string, at: number): number {
  return at + (/^[\s;,/]*[^\s;,/]*/u.exec(text.slice(at))?.[0].length ?? 0);
}

/** A character as it is shown while it is edited. */
export function shownCharacter(grapheme: string): string {
  return grapheme === "\t" ? "→" : printable(grapheme);
}

/** The part of a line that fits into `columns` with its cursor, and the cursor's column. */
export function window(input: LineInput, columns: number): { text: string; column: number } {
  const cells = [...graphemes(input.text)];
  let position = 0;
  let cursor = cells.length;
  for (const [i, grapheme] of cells.entries()) {
    if (position >= input.at) {
      cursor = i;
      break;
    }
    position += grapheme.length;
  }
  const shown = cells.map(shownCharacter);
  // As much before the cursor as fits, then what is after it.
  let first = cursor;
  let column = 0;
  while (first > 0) {
    const wide = displayWidth(shown[first - 1] ?? "");
    if (column + wide > columns - 1) break;
    column += wide;
    first--;
  }
  let text = "";
  let used = 0;
  for (const cell of shown.slice(first)) {
    used += displayWidth(cell);
    if (used > columns) break;
    text += cell;
  }
  return { text, column };
}
