import { displayWidth, graphemes } from "../../cli/printable.ts";
import { after, before, cleaned, shownCharacter, wordAfter, wordBefore } from "./line_input.ts";
import { type Piece, rewrapPieces, wrapPieces } from "./wrap.ts";

/** A text of several lines that a person writes. Immutable: every change makes a new one. */
export interface TextArea {
  readonly lines: readonly string[];
  /** The line of the cursor, and the position within it. */
  readonly row: number;
  readonly at: number;
  /** The column to keep while the cursor goes up or down; null for the one it is in. */
  readonly want: number | null;
  /** The first row of the wrapped text that is shown. */
  readonly top: number;
  /** Earlier states, for undo, latest last. */
  readonly past: readonly TextArea[];
  /** The kind of the last change: typing in a row is undone in one piece. */
  readonly last: string;
}

/** Most earlier states, and about how many lines they may have together. */
const MAX_PAST = 200;
const MAX_PAST_LINES = 4_000_000;

/** A text with the cursor at its beginning. */
export function areaOf(text: string): TextArea {
  return { lines: text.split("\n"), row: 0, at: 0, want: null, top: 0, past: [], last: "" };
}

export function textIn(area: TextArea): string {
  return area.lines.join("\n");
}

/** The text after `typed` was typed or pasted at the cursor. */
export function type(area: TextArea, typed: string): TextArea {
  const pieces = cleaned(typed).split("\n");
  const current = area.lines[area.row] ?? "";
  const head = current.slice(0, area.at);
  const tail = current.slice(area.at);
  const inserted = pieces.length === 1
    ? [head + pieces[0] + tail]
    : [head + pieces[0], ...pieces.slice(1, -1), (pieces.at(-1) ?? "") + tail];
  const last = pieces.at(-1) ?? "";
  return changed(area, pieces.length === 1 && typed !== " " ? "type" : "", {
    // A pasted text may have more lines than a call may have arguments.
    lines: area.lines.slice(0, area.row).concat(inserted, area.lines.slice(area.row + 1)),
    row: area.row + pieces.length - 1,
    at: pieces.length === 1 ? head.length + last.length : last.length,
  });
}

/** The text after a key that edits or moves, in `columns` and `rows`; null for every other key. */
export function editArea(
  area: TextArea,
  key: string,
  columns: number,
  rows: number,
): TextArea | null {
  const { lines, row, at } = area;
  const current = lines[row] ?? "";
  const moved = (to: number, position: number) => {
    return { ...area, row: to, at: position, want: null, last: "" };
  };
  switch (key) {
    case "enter":
      return { ...type(area, "\n"), last: "" };
    case "left":
    case "ctrl+b":
      if (at > 0) return moved(row, before(current, at));
      return row > 0 ? moved(row - 1, (lines[row - 1] ?? "").length) : area;
    case "right":
    case "ctrl+f":
      if (at < current.length) return moved(row, after(current, at));
      return row < lines.length - 1 ? moved(row + 1, 0) : area;
    case "up":
    case "ctrl+p":
      return vertical(area, -1, columns);
    case "down":
    case "ctrl+n":
      return vertical(area, 1, columns);
    case "pageUp":
    case "alt+v":
      return vertical(area, -Math.max(1, rows - 1), columns);
    case "pageDown":
    case "ctrl+v":
      return vertical(area, Math.max(1, rows - 1), columns);
    case "home":
    case "ctrl+a":
      return moved(row, pieceAt(area, columns).start);
    case "end":
    case "ctrl+e": {
      const piece = pieceAt(area, columns);
      return moved(row, piece.end < current.length ? before(current, piece.end) : piece.end);
    }
    case "ctrl+home":
    case "alt+<":
      return moved(0, 0);
    case "ctrl+end":
    case "alt+>":
      return moved(lines.length - 1, (lines.at(-1) ?? "").length);
    case "alt+b":
    case "ctrl+left":
    case "alt+left":
      if (at === 0 && row > 0) return moved(row - 1, (lines[row - 1] ?? "").length);
      return moved(row, wordBefore(current, at));
    case "alt+f":
    case "ctrl+right":
    case "alt+right":
      if (at === current.length && row < lines.length - 1) return moved(row + 1, 0);
      return moved(row, wordAfter(current, at));
    case "backspace":
      if (at > 0) return within(area, before(current, at), at, "erase");
      return row > 0 ? joined(area, row - 1) : area;
    case "delete":
    case "ctrl+d":
      if (at < current.length) return within(area, at, after(current, at), "delete");
      return row < lines.length - 1 ? joined(area, row) : area;
    case "ctrl+w":
    case "alt+backspace":
      if (at === 0) return row > 0 ? joined(area, row - 1) : area;
      return within(area, wordBefore(current, at), at, "");
    case "ctrl+k":
      if (at < current.length) return within(area, at, current.length, "");
      return row < lines.length - 1 ? joined(area, row) : area;
    case "ctrl+u":
      return within(area, 0, at, "");
    case "ctrl+_":
    case "ctrl+-":
    case "alt+u":
      return area.past.at(-1) ?? area;
    default:
      return null;
  }
}

function changed(
  area: TextArea,
  kind: string,
  now: Pick<TextArea, "lines" | "row" | "at">,
): TextArea {
  const same = kind !== "" && kind === area.last;
  const kept = Math.max(5, Math.min(MAX_PAST, Math.floor(MAX_PAST_LINES / now.lines.length)));
  const past = same ? area.past : [...area.past, area].slice(-kept);
  return { ...now, want: null, top: area.top, past, last: kind };
}

function within(area: TextArea, from: number, to: number, kind: string): TextArea {
  const current = area.lines[area.row] ?? "";
  const line = current.slice(0, from) + current.slice(to);
  return changed(area, kind, {
    lines: area.lines.with(area.row, line),
    row: area.row,
    at: from,
  });
}

/** Line `row` and the next one as one. */
function joined(area: TextArea, row: number): TextArea {
  const first = area.lines[row] ?? "";
  return changed(area, "", {
    lines: area.lines.toSpliced(row, 2, first + (area.lines[row + 1] ?? "")),
    row,
    at: first.length,
  });
}

/** Where the lines of a text break. */
interface Layout {
  readonly columns: number;
  readonly lines: readonly string[];
  /** For each line its pieces. */
  readonly pieces: readonly (readonly Piece[])[];
  /** For each line its first row. */
  readonly starts: readonly number[];
  /** Rows of the whole text. */
  readonly total: number;
}

/** From this length on, UTF-16 units, a changed line is wrapped only where it changed. */
const LONG = 200;

/** The last layout: most of the next one is the same. */
let latest: Layout = { columns: 0, lines: [], pieces: [], starts: [], total: 0 };

/** The layout of `lines`; only changed lines are wrapped again. */
function layoutOf(lines: readonly string[], columns: number): Layout {
  if (latest.lines === lines && latest.columns === columns) return latest;
  const old = latest.columns === columns ? latest : { lines: [], pieces: [] };
  const shift = old.lines.length - lines.length;
  const most = Math.min(lines.length, old.lines.length);
  let same = 0;
  while (same < most && lines[same] === old.lines[same]) same++;
  let end = lines.length;
  while (end > same && end + shift > same && lines[end - 1] === old.lines[end - 1 + shift]) end--;
  const changed = lines.slice(same, end).map((text, i) => {
    const [before, its] = [old.lines[same + i], old.pieces[same + i]];
    return before !== undefined && its && text.length >= LONG && same + i < end + shift
      ? rewrapPieces({ text: before, pieces: its }, text, columns, shownCharacter)
      : wrapPieces(text, columns, shownCharacter);
  });
  const pieces = old.pieces.slice(0, same).concat(changed, old.pieces.slice(end + shift));
  let total = 0;
  const starts = new Array<number>(pieces.length);
  for (const [i, all] of pieces.entries()) {
    starts[i] = total;
    total += all.length;
  }
  latest = { columns, lines, pieces, starts, total };
  return latest;
}

/** The pieces of the line `row`. */
function piecesOf({ lines }: TextArea, row: number, columns: number): readonly Piece[] {
  return layoutOf(lines, columns).pieces[row] ?? [{ start: 0, end: 0 }];
}

/** The index of the piece that a position is in; at a break, the next one. */
function indexOfPiece(all: readonly Piece[], at: number): number {
  const found = all.findIndex(({ end }) => at < end);
  return found < 0 ? all.length - 1 : found;
}

function pieceAt(area: TextArea, columns: number): Piece {
  const all = piecesOf(area, area.row, columns);
  return all[indexOfPiece(all, area.at)] ?? { start: 0, end: 0 };
}

/** The position in `text` that is at `column` of a piece of it. */
function positionAt(text: string, piece: Piece, column: number, lastPiece: boolean): number {
  let used = 0;
  let at = piece.start;
  for (const grapheme of graphemes(text.slice(piece.start, piece.end))) {
    const wide = displayWidth(shownCharacter(grapheme));
    if (used + wide > column) return at;
    // The end of a piece is the beginning of the next one.
    if (!lastPiece && at + grapheme.length === piece.end) return at;
    used += wide;
    at += grapheme.length;
  }
  return at;
}

function columnIn(text: string, start: number, at: number): number {
  let column = 0;
  for (const grapheme of graphemes(text.slice(start, at))) {
    column += displayWidth(shownCharacter(grapheme));
  }
  return column;
}

/** The cursor `by` rows of the wrapped text further down, in the column that it wants. */
function vertical(area: TextArea, by: number, columns: number): TextArea {
  let { row } = area;
  let text = area.lines[row] ?? "";
  let all = piecesOf(area, row, columns);
  let index = indexOfPiece(all, area.at);
  const want = area.want ?? columnIn(text, all[index]?.start ?? 0, area.at);
  for (let left = Math.abs(by); left > 0; left--) {
    if (by < 0 ? index > 0 : index < all.length - 1) {
      index += Math.sign(by);
      continue;
    }
    const next = row + Math.sign(by);
    if (next < 0 || next >= area.lines.length) break;
    row = next;
    text = area.lines[row] ?? "";
    all = piecesOf(area, row, columns);
    index = by < 0 ? all.length - 1 : 0;
  }
  const piece = all[index] ?? { start: 0, end: 0 };
  const at = positionAt(text, piece, want, index === all.length - 1);
  return { ...area, row, at, want, last: "" };
}

/** The visible part of a text, and where its cursor is in it. */
export interface AreaView {
  readonly rows: readonly string[];
  readonly cursor: { readonly row: number; readonly column: number };
  /** The first visible row, and how many there are. */
  readonly top: number;
  readonly total: number;
}

/** Lays the text out, scrolled so that the cursor is visible. */
export function viewArea(area: TextArea, columns: number, rows: number): AreaView {
  const { pieces, starts, total } = layoutOf(area.lines, columns);
  const text = area.lines[area.row] ?? "";
  const all = pieces[area.row] ?? [];
  const index = indexOfPiece(all, area.at);
  const cursorRow = (starts[area.row] ?? 0) + index;
  const column = Math.min(columns - 1, columnIn(text, all[index]?.start ?? 0, area.at));
  let top = Math.min(area.top, Math.max(0, total - 1));
  if (cursorRow < top) top = cursorRow;
  if (cursorRow >= top + rows) top = cursorRow - rows + 1;
  const shown: string[] = [];
  // The line that the first visible row belongs to.
  let line = starts.findLastIndex((start) => start <= top);
  for (let skip = top - (starts[line] ?? 0); shown.length < rows; line++, skip = 0) {
    const text = area.lines[line];
    if (text === undefined) break;
    for (const { start, end } of pieces[line]?.slice(skip, skip + rows - shown.length) ?? []) {
      shown.push([...graphemes(text.slice(start, end))].map(shownCharacter).join(""));
    }
  }
  return { rows: shown, cursor: { row: cursorRow - top, column }, top, total };
}
