import { graphemes } from "../../cli/printable.ts";

/** A colour: one of the 16 of the terminal, or red, green and blue. */
export type Colour = number | `#${string}`;

/** How a character looks. Null: the terminal's own colour. */
export interface Style {
  readonly ink: Colour | null;
  readonly paper: Colour | null;
  readonly bold: boolean;
  readonly faint: boolean;
  readonly italic: boolean;
  readonly underlined: boolean;
  readonly reversed: boolean;
}

/** One character on the screen, of one column or two. */
export interface Cell {
  readonly character: string;
  readonly style: Style;
}

const PLAIN: Style = {
  ink: null,
  paper: null,
  bold: false,
  faint: false,
  italic: false,
  underlined: false,
  reversed: false,
};

/** A sequence that sets how characters look, another sequence, or text. */
// deno-lint-ignore no-control-regex
const SEQUENCE = /\x1b\[([0-9;:]*)m|\x1b\].*?(?:\x07|\x1b\\)|\x1b.|[\x0e\x0f]|([^\x1b\x0e\x0f]+)/g;

/** The lines of a screen as `tmux capture-pane -e` gives them. */
export function readScreen(captured: string): Cell[][] {
  let style = PLAIN;
  return captured.replace(/\n$/, "").split("\n").map((line) => {
    const cells: Cell[] = [];
    for (const [, code, text] of line.matchAll(SEQUENCE)) {
      if (code !== undefined) style = changed(style, code);
      else if (text !== undefined) {
        for (const character of graphemes(text)) {
          cells.push({ character, style });
        }
      }
    }
    return cells;
  });
}

/** `style` after the numbers of an SGR sequence. */
function changed(style: Style, code: string): Style {
  const numbers = code.split(/[;:]/).map(Number);
  for (let i = 0; i < numbers.length; i++) {
    const n = numbers[i] ?? 0;
    if (n === 0) style = PLAIN;
    else if (n === 1) style = { ...style, bold: true };
    else if (n === 2) style = { ...style, faint: true };
    else if (n === 3) style = { ...style, italic: true };
    else if (n === 4) style = { ...style, underlined: true };
    else if (n === 7) style = { ...style, reversed: true };
    else if (n === 22) style = { ...style, bold: false, faint: false };
    else if (n === 23) style = { ...style, italic: false };
    else if (n === 24) style = { ...style, underlined: false };
    else if (n === 27) style = { ...style, reversed: false };
    else if (n === 39) style = { ...style, ink: null };
    else if (n === 49) style = { ...style, paper: null };
    else if (n >= 30 && n <= 37) style = { ...style, ink: n - 30 };
    else if (n >= 90 && n <= 97) style = { ...style, ink: n - 82 };
    else if (n >= 40 && n <= 47) style = { ...style, paper: n - 40 };
    else if (n >= 100 && n <= 107) style = { ...style, paper: n - 92 };
    else if (n === 38 || n === 48) {
      const [colour, used] = extended(numbers.slice(i + 1));
      style = n === 38 ? { ...style, ink: colour } : { ...style, paper: colour };
      i += used;
    }
  }
  return style;
}

/** The colour after 38 or 48, and how many numbers it takes. */
function extended([kind, ...rest]: readonly number[]): [Colour | null, number] {
  if (kind === 2) {
    const [red = 0, green = 0, blue = 0] = rest;
    return [hex(red, green, blue), 4];
  }
  const [n = 0] = rest;
  if (n < 16) return [n, 2];
  if (n >= 232) return [hex(8 + 10 * (n - 232), 8 + 10 * (n - 232), 8 + 10 * (n - 232)), 2];
  const level = (part: number) => part === 0 ? 0 : 55 + 40 * part;
  const cube = n - 16;
  return [hex(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)), 2];
}

function hex(...parts: readonly number[]): `#${string}` {
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * The cells with every `from` replaced by `to`. The column after the next gap of two or more blanks
 * stays where it was, and the end of the line if there is a gap before.
 */
export function replaced(line: readonly Cell[], from: string, to: string): Cell[] {
  const text = line.map(({ character }) => character).join("");
  const at = text.indexOf(from);
  if (at < 0 || text.length !== line.length) return [...line];
  const [first] = line.slice(at);
  const style = first?.style ?? PLAIN;
  const rest = line.slice(at + from.length);
  const gap = rest.findIndex(({ character }, i) => {
    return character === " " && rest[i + 1]?.character === " ";
  });
  const more = from.length - to.length;
  const before = text.slice(0, at).lastIndexOf("  ");
  if (gap < 0 && before >= 0 && more > 0) {
    // What stands at the right edge stays there.
    const blanks = Array.from({ length: more }, () => ({
      character: " ",
      style: line[before]?.style ?? PLAIN,
    }));
    const moved = [...line.slice(0, before), ...blanks, ...line.slice(before, at)];
    return [...moved, ...[...to].map((character) => ({ character, style })), ...rest];
  }
  const blanks = gap >= 0 && more > 0
    ? Array.from({ length: more }, () => ({ character: " ", style: rest[gap]?.style ?? PLAIN }))
    : [];
  return [
    ...line.slice(0, at),
    ...[...to].map((character) => ({ character, style })),
    ...gap < 0 ? rest : rest.slice(0, gap),
    ...blanks,
    ...gap < 0 ? [] : replaced(rest.slice(gap), from, to),
  ];
}
