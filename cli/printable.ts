import { eastAsianWidth } from "get-east-asian-width";

/** Joiners and variation selectors, which stay where writing needs them. */
const JOINS = /[\u200C\u200D\uFE00-\uFE0F\u180B-\u180F\u{E0100}-\u{E01EF}]/u;

/** The least code point of {@linkcode JOINS}. */
const FIRST_JOINER = 0x180B;

/** Format characters that are drawn: the number and verse signs of Arabic, Syriac and Kaithi. */
const DRAWN = "[\\u0600-\\u0605\\u06DD\\u070F\\u0890\\u0891\\u08E2\\u{110BD}\\u{110CD}]";

/** What may make {@linkcode printable} do more than return its argument. */
const INVISIBLES =
  `[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}]--${DRAWN}`;
const SUSPECT = new RegExp(`[${INVISIBLES}]+`, "gv");

/** The same in a text of lines. */
const SUSPECT_IN_LINES = new RegExp(`[${INVISIBLES}--[\\n\\t]]+`, "gv");

/** Scripts whose words are spelled with zero-width joiners and non-joiners. */
const JOINING = new RegExp(
  "[" +
    [
      ..."Arabic Syriac Mongolian Nko Devanagari Bengali Gurmukhi Gujarati Oriya Tamil".split(" "),
      ..."Telugu Kannada Malayalam Sinhala Khmer Myanmar Tibetan Balinese Javanese".split(" "),
    ].map((script) => `\\p{Script=${script}}`).join("") + "]",
  "u",
);
/** What a joiner in an emoji follows, and what it is followed by. */
const EMOJI_END = /[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F]/u;
const EMOJI_START = /\p{Extended_Pictographic}/u;
const EMOJI = /\p{Emoji}/u;
const HAN = /\p{Script=Han}/u;
const MONGOLIAN = /\p{Script=Mongolian}/u;
/** Besides Han and Mongolian, what Unicode's StandardizedVariants.txt gives variations of. */
const VARIED = /[\p{Sm}\p{Script=Myanmar}\p{Script=Hebrew}\p{Script=Phags_Pa}\u3001\u3002]/u;

/**
 * Text from others, safe to show on a terminal or to write to a log of one line an entry. What a
 * terminal would obey, or a person could not see, is spelled out instead (`\x1b`, `\u202e`,
 * `\u{e0041}`): control characters (C0, DEL, C1), bidirectional controls, line and paragraph
 * separators, invisible format characters, tag characters, lone surrogates. Joiners and variation
 * selectors stay where writing needs them: within emoji, and in the scripts that spell with them.
 *
 * With `lines`, newlines and tabs stay, and CRLF becomes a newline.
 */
export function printable(text: string, options: { lines?: boolean } = {}): string {
  return replaceSuspect(text, options.lines ?? false, spell);
}

/**
 * `value` as JSON, indented or, with 0, in one line, that is safe to show on a terminal: what
 * {@linkcode printable} looks at is escaped as JSON escapes, so that a program reads the same value.
 */
export function printableJson(value: unknown, indent = 2): string {
  // JSON escapes a tab by itself, so only line ends stay.
  return JSON.stringify(value, null, indent).replace(SUSPECT_IN_LINES, unicodeEscapes);
}

function unicodeEscapes(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    out += `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`;
  }
  return out;
}

/** `text` without everything that {@linkcode printable} would spell out with the same options. */
export function visible(text: string, options: { lines?: boolean } = {}): string {
  return replaceSuspect(text, options.lines ?? false, () => "");
}

function replaceSuspect(
  text: string,
  lines: boolean,
  replacement: (characters: string) => string,
): string {
  const whole = lines ? text.replaceAll("\r\n", "\n") : text;
  return whole.replace(lines ? SUSPECT_IN_LINES : SUSPECT, (run: string, start: number) => {
    // Most runs begin with a control character, and nothing there joins.
    if (run.charCodeAt(0) < FIRST_JOINER) return replacement(run);
    // What joins characters counts only beside one that is shown itself: at the beginning of a run.
    let before = lastCharacter(whole, start);
    let kept = 0;
    for (const character of run) {
      const end = kept + character.length;
      if (!JOINS.test(character)) break;
      if (!needed(before, character, () => characterAt(whole, start + end))) break;
      before = character;
      kept = end;
    }
    return kept === run.length ? run : run.slice(0, kept) + replacement(run.slice(kept));
  });
}

function characterAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? "" : String.fromCodePoint(code);
}

/** The character that ends at `end`. */
function lastCharacter(text: string, end: number): string {
  if (end === 0) return "";
  const pair = end > 1 ? characterAt(text, end - 2) : "";
  return pair.length === 2 ? pair : text.charAt(end - 1);
}

/** Whether `character`, invisible in itself, changes how its neighbours are properly written. */
function needed(before: string, character: string, after: () => string): boolean {
  switch (character) {
    case "\u200C": // ZWNJ
      return JOINING.test(before);
    case "\u200D": // ZWJ
      return (EMOJI_END.test(before) && EMOJI_START.test(after())) || JOINING.test(before);
    case "\uFE0E": // text presentation
    case "\uFE0F": // emoji presentation
      return EMOJI.test(before);
  }
  if (character >= "\uFE00" && character <= "\uFE0D") {
    return HAN.test(before) || VARIED.test(before);
  }
  if (/^[\u180B-\u180F]$/.test(character)) return MONGOLIAN.test(before);
  return /^[\u{E0100}-\u{E01EF}]$/u.test(character) && HAN.test(before);
}

/** What {@linkcode spelled} has returned: of a long text, few characters are different. */
const SPELLED = new Map<number, string>();

/** `characters`, each spelled out. In pieces, since a million small strings at once are slow. */
function spell(characters: string): string {
  if (characters.length === 1) return spelled(characters.charCodeAt(0));
  let out = "";
  let piece: string[] = [];
  for (let at = 0; at < characters.length;) {
    const code = characters.codePointAt(at) ?? 0;
    at += code > 0xffff ? 2 : 1;
    piece.push(spelled(code));
    if (piece.length < 1024) continue;
    out += piece.join("");
    piece = [];
  }
  return out + piece.join("");
}

function spelled(code: number): string {
  let shown = SPELLED.get(code);
  if (shown === undefined) SPELLED.set(code, shown = escapeOf(code));
  return shown;
}

function escapeOf(code: number): string {
  switch (code) {
    case 0x09:
      return "\\t";
    case 0x0A:
      return "\\n";
    case 0x0D:
      return "\\r";
  }
  const hex = code.toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`;
}

/**
 * Latin, Greek and Cyrillic letters as one code unit each: every one is a character of its own, one
 * column wide, and {@linkcode printable} as it stands.
 */
export const NARROW = /^[\x20-\x7e\xa1-\xac\xae-\u02ff\u0370-\u0482\u048a-\u052f]*$/;
const INVISIBLE = /^[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Mn}\p{Me}\p{Cs}]*$/u;
/** What takes no room after another character: marks, joiners, later letters of a Hangul syllable. */
const COMBINING = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Mn}\p{Me}\u1160-\u11FF\uD7B0-\uD7FF]/u;
/** Clusters drawn as one picture: emoji style, flags, keycaps, joined emoji. */
const PICTURE =
  /\p{Emoji_Presentation}|\p{Emoji}.*\uFE0F|\u20E3|\p{Extended_Pictographic}.*\u200D/su;

// Made when it is first needed: loading its tables takes longer than everything else in this file.
let segmenter: Intl.Segmenter | undefined;

/** The characters of `text` as a reader counts them (grapheme clusters, Unicode UAX #29). */
export function* graphemes(text: string): Generator<string> {
  if (NARROW.test(text)) return yield* text;
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  for (const { segment } of segmenter.segment(text)) yield segment;
}

/**
 * The columns that `text`, already {@linkcode printable}, takes on a terminal: 2 for East Asian
 * wide characters and emoji, 0 for what only combines, else 1.
 */
export function displayWidth(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const grapheme of graphemes(text)) width += graphemeWidth(grapheme);
  return width;
}

function graphemeWidth(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0;
  // A cluster of many emoji or letters is not drawn as one by terminals; nobody writes these.
  if (grapheme.length <= 64 && PICTURE.test(grapheme)) return 2;
  let width = 0;
  for (const character of grapheme) {
    if (!COMBINING.test(character)) width += eastAsianWidth(character.codePointAt(0) ?? 0);
  }
  return width;
}

/**
 * `text`, already {@linkcode printable}, cut to at most `columns` of a terminal; where something
 * was cut, the last column is `…`. With `pad`, filled with spaces to exactly `columns`.
 */
export function fit(text: string, columns: number, options: { pad?: boolean } = {}): string {
  let out = text;
  let width = displayWidth(text);
  if (width > columns) {
    out = "";
    width = 0;
    for (const grapheme of graphemes(text)) {
      const next = width + graphemeWidth(grapheme);
      if (next > columns - 1) break;
      out += grapheme;
      width = next;
    }
    if (columns >= 1) {
      out += "…";
      width += 1;
    }
  }
  return options.pad ? out + " ".repeat(Math.max(0, columns - width)) : out;
}

/**
 * `text`, already {@linkcode printable}, with line ends in the place of spaces, so that its lines
 * have at most `columns` of a terminal, which would break them within words. The spaces at the
 * beginning of a line stand before what goes on, too; a word that is longer is left to the terminal,
 * and so is a line that sets colours.
 */
export function breakLines(text: string, columns: number): string {
  return text.split("\n").map((line) => breakLine(line, columns)).join("\n");
}

function breakLine(text: string, columns: number): string {
  if (text.includes("\x1b") || displayWidth(text) <= columns) return text;
  const indent = /^ */.exec(text)?.[0] ?? "";
  const lines: string[] = [];
  let line = indent;
  let width = indent.length;
  for (const word of text.slice(indent.length).split(" ")) {
    const more = displayWidth(word);
    if (line !== indent && width + 1 + more > columns) {
      lines.push(line.trimEnd());
      [line, width] = [indent, indent.length];
    }
    const space = line === indent ? "" : " ";
    line += space + word;
    width += space.length + more;
  }
  return [...lines, line].join("\n");
}
