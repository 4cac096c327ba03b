import { displayWidth, fit, graphemes } from "../../cli/printable.ts";

/** How a span looks. What a terminal makes of each is in `theme.ts`. */
export type Look =
  | "plain"
  | "bar"
  | "strong"
  | "dim"
  | "cursor"
  | "cursor-strong"
  | "cursor-hit"
  | "good"
  | "warning"
  | "bad"
  | "accent"
  | "code"
  | "hit"
  | "match"
  | "quote"
  | "quote-deep";

/** Text of one look, safe to print: what others wrote went through `printable`. */
export interface Span {
  readonly text: string;
  readonly look: Look;
  /** The link that it is a part of, as the text writes it. */
  readonly link?: string;
}

/** One line of the screen. */
export type Line = readonly Span[];

/** A place on the screen, from 0. */
export interface Spot {
  readonly row: number;
  readonly column: number;
}

/** What the whole terminal shows, at most as many lines as it has. */
export interface ScreenContent {
  readonly lines: readonly Line[];
  /** Where the terminal's own cursor is; null to hide it. */
  readonly cursor: Spot | null;
}

/** Columns and rows. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export function span(text: string, look: Look = "plain"): Span {
  return { text, look };
}

export function line(text: string, look: Look = "plain"): Line {
  return [span(text, look)];
}

export function widthOf(spans: Line): number {
  return spans.reduce((sum, { text }) => sum + displayWidth(text), 0);
}

/** `spans` cut or filled with spaces to exactly `columns`. */
export function fill(spans: Line, columns: number, look: Look = "plain"): Line {
  const out: Span[] = [];
  let room = columns;
  for (const one of spans) {
    const width = displayWidth(one.text);
    if (width > room) {
      out.push({ ...one, text: fit(one.text, room, { pad: true }) });
      room = 0;
      break;
    }
    out.push(one);
    room -= width;
  }
  if (room > 0) out.push(span(" ".repeat(room), look));
  return out;
}

/** `left`, and `right` aligned to the right end, without `right` where there is no room for it. */
export function spread(left: Line, right: Line, columns: number, look: Look = "plain"): Line {
  const width = widthOf(right);
  if (width === 0 || width > columns) return fill(left, columns, look);
  return [...fill(left, columns - width, look), ...right];
}

/** `text` aligned to the right in exactly `columns`. */
export function right(text: string, columns: number): string {
  const cut = fit(text, columns);
  return " ".repeat(Math.max(0, columns - displayWidth(cut))) + cut;
}

const AT_CURSOR = new Map<Look, Look>([["strong", "cursor-strong"], ["hit", "cursor-hit"]]);

/** `spans` in the look of the line with the cursor; what is strong or was found stays so. */
export function highlighted(spans: Line): Line {
  return spans.map((one) => {
    return { ...one, look: AT_CURSOR.get(one.look) ?? "cursor" };
  });
}

/** The text of a line, as tests and searches see it. */
export function lineText(spans: Line): string {
  return spans.map(({ text }) => text).join("");
}

/** A line split at a column. */
export function splitAt(spans: Line, column: number): [Line, Line] {
  const before: Span[] = [];
  const after: Span[] = [];
  let room = column;
  for (const one of spans) {
    if (room <= 0) {
      after.push(one);
      continue;
    }
    let kept = "";
    for (const grapheme of graphemes(one.text)) {
      const width = displayWidth(grapheme);
      if (width > room) break;
      kept += grapheme;
      room -= width;
      if (room <= 0) break;
    }
    if (kept !== "") before.push({ ...one, text: kept });
    const rest = one.text.slice(kept.length);
    if (rest !== "") {
      after.push({ ...one, text: rest });
      room = 0;
    }
  }
  return [before, after];
}

/** `spans` with another look between two positions in their text, UTF-16 units. */
export function marked(spans: Line, from: number, to: number, look: Look): Line {
  const out: Span[] = [];
  let at = 0;
  for (const one of spans) {
    const end = at + one.text.length;
    const [first, last] = [Math.max(at, from) - at, Math.min(end, to) - at];
    if (first >= last) out.push(one);
    else {
      if (first > 0) out.push({ ...one, text: one.text.slice(0, first) });
      out.push({ ...one, text: one.text.slice(first, last), look });
      if (last < one.text.length) out.push({ ...one, text: one.text.slice(last) });
    }
    at = end;
  }
  return out;
}
