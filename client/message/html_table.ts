import { displayWidth } from "../../cli/printable.ts";

/** Tables beyond these are read cell by cell, as layouts of mails are: nobody reads them as tables. */
const MAX_COLUMNS = 20;
const MAX_CELLS = 20_000;
/** Longer cells hold paragraphs, not data, UTF-16 units. */
const MAX_CELL = 1000;
/** What stands between two columns. */
const GAP = "  ";
/** A cell that right-aligned columns consist of: a number, with a sign, a currency or a percent sign. */
const NUMBER = /^[-+−±(]?\p{Sc}?\s?[-+−]?\d[\d.,'\u00a0\u202f ]*\s?(?:%|‰|\p{Sc})?\)?$/u;

/** A cell of a table: its lines, and how many columns and rows it spans. */
interface Cell {
  readonly lines: readonly string[];
  readonly heading: boolean;
  readonly columns: number;
  readonly rows: number;
}

/** A table as it is collected while HTML is read. */
export class TableCells {
  readonly #rows: Cell[][] = [];
  #count = 0;
  #isData = true;

  /** Whether it may be one of data, so that collecting it makes sense. */
  get isData(): boolean {
    return this.#isData;
  }

  /** What is no table of data: one with tables in it, or with text outside of cells. */
  reject(): void {
    this.#isData = false;
    this.#rows.length = 0;
  }

  beginRow(): void {
    if (this.#rows.length >= MAX_CELLS) this.reject();
    else if (this.#isData) this.#rows.push([]);
  }

  /** Adds a cell to the row; `columns` and `rows` are what its attributes say. */
  add(text: string, heading: boolean, columns: string, rows: string): void {
    if (!this.#isData) return;
    this.#count++;
    if (text.length > MAX_CELL || this.#count > MAX_CELLS) return this.reject();
    if (this.#rows.length === 0) this.#rows.push([]);
    const row = this.#rows.at(-1);
    row?.push({ lines: text.split("\n"), heading, columns: spanOf(columns), rows: spanOf(rows) });
    if (row && row.length > MAX_COLUMNS) this.reject();
  }

  /**
   * The table in at most `width` columns of a terminal, its columns aligned, long cells broken between
   * words; null if it is none of data, or does not fit, so that its cells are better read one by one.
   * At most `size` UTF-16 units.
   */
  layOut(width: number, size: number): string[] | null {
    if (!this.#isData) return null;
    const grid = withoutEmpty(this.#grid());
    const count = grid[0]?.cells.length ?? 0;
    if (count < 2 || grid.length < 2) return null;
    const widths = columnWidths(grid, count, width - GAP.length * (count - 1));
    if (widths === null) return null;
    const numeric = widths.map((_, i) => {
      const cells = grid.filter(({ heading }) => !heading).map(({ cells }) => cells[i] ?? []);
      const filled = cells.filter((lines) => lines.some((line) => line !== ""));
      return filled.length > 0 && filled.every((lines) => NUMBER.test(lines.join(" ")));
    });
    const out: string[] = [];
    let used = 0;
    const line = (pieces: readonly string[]) => {
      const text = widths.map((room, i) => {
        const piece = pieces[i] ?? "";
        const space = " ".repeat(Math.max(0, room - displayWidth(piece)));
        return numeric[i] ? space + piece : piece + space;
      }).join(GAP).trimEnd();
      used += text.length + 1;
      out.push(text);
    };
    for (const [at, { cells, heading }] of grid.entries()) {
      const broken = cells.map((lines, i) => lines.flatMap((one) => wrap(one, widths[i] ?? 1)));
      const rows = Math.max(1, ...broken.map(({ length }) => length));
      for (let row = 0; row < rows; row++) line(broken.map((lines) => lines[row] ?? ""));
      if (heading && grid[at + 1]?.heading === false) line(widths.map((room) => "-".repeat(room)));
      if (used > size) return null;
    }
    return out;
  }

  /** The rows with a cell in each column: those that others span are empty. */
  #grid(): Row[] {
    const rows: Row[] = [];
    /** For each column, how many rows more a cell above takes. */
    const taken: number[] = [];
    for (const cells of this.#rows) {
      const row: string[][] = [];
      const skip = () => {
        for (let at = row.length; (taken[at] ?? 0) > 0; at = row.length) {
          taken[at] = (taken[at] ?? 1) - 1;
          row.push([]);
        }
      };
      for (const cell of cells) {
        skip();
        for (let i = 0; i < cell.columns && row.length < MAX_COLUMNS; i++) {
          taken[row.length] = cell.rows - 1;
          row.push(i === 0 ? [...cell.lines] : []);
        }
      }
      skip();
      const heading = cells.length > 0 && cells.every((cell) => cell.heading);
      rows.push({ cells: row, heading });
    }
    const count = rows.reduce((most, { cells }) => Math.max(most, cells.length), 0);
    for (const { cells } of rows) while (cells.length < count) cells.push([]);
    return rows;
  }
}

/** A row of a grid; every cell is its lines. */
interface Row {
  readonly cells: string[][];
  readonly heading: boolean;
}

function spanOf(text: string): number {
  const span = /^\d{1,3}$/.test(text.trim()) ? Number(text) : 1;
  return Math.max(1, Math.min(span, MAX_COLUMNS));
}

/** `grid` without rows and columns that are empty: mails use them for space. */
function withoutEmpty(grid: readonly Row[]): Row[] {
  const filled = (lines: readonly string[]) => lines.some((line) => line.trim() !== "");
  const rows = grid.filter(({ cells }) => cells.some(filled));
  const columns = (rows[0]?.cells ?? []).map((_, i) => {
    return rows.some(({ cells }) => filled(cells[i] ?? []));
  });
  return rows.map(({ cells, heading }) => ({ heading, cells: cells.filter((_, i) => columns[i]) }));
}

/** How wide each column is, so that no word is broken; null if they do not fit into `width`. */
function columnWidths(grid: readonly Row[], count: number, width: number): number[] | null {
  const least = new Array<number>(count).fill(1);
  const whole = new Array<number>(count).fill(1);
  for (const { cells } of grid) {
    for (const [i, lines] of cells.entries()) {
      for (const line of lines) {
        whole[i] = Math.max(whole[i] ?? 1, displayWidth(line));
        for (const word of line.split(" ")) least[i] = Math.max(least[i] ?? 1, displayWidth(word));
      }
    }
  }
  // What is narrow stays whole; the others get as much as each of them can.
  for (let most = width; most > 0; most--) {
    const widths = whole.map((one, i) => Math.max(least[i] ?? 1, Math.min(one, most)));
    if (widths.reduce((sum, one) => sum + one, 0) <= width) return widths;
  }
  return null;
}

/** A line in pieces of at most `width` columns, broken at spaces. */
function wrap(text: string, width: number): string[] {
  if (displayWidth(text) <= width) return [text];
  const out: string[] = [];
  let line = "";
  let used = 0;
  for (const word of text.split(" ")) {
    const more = displayWidth(word);
    if (line !== "" && used + 1 + more > width) {
      out.push(line);
      line = "";
      used = 0;
    }
    used += more + (line === "" ? 0 : 1);
    line += line === "" ? word : ` ${word}`;
  }
  out.push(line);
  return out;
}
