import type { Line } from "./frame.ts";
import type { Action } from "./keys.ts";

/** A window onto lines that do not all fit on the screen. */
export class Scroller {
  #top = 0;
  #rows = 1;
  #total = 0;

  /** The part of `lines` that fits into `rows`. */
  show(lines: readonly Line[], rows: number): Line[] {
    this.#rows = Math.max(1, rows);
    this.#total = lines.length;
    this.#top = Math.max(0, Math.min(this.#top, lines.length - this.#rows));
    return lines.slice(this.#top, this.#top + rows);
  }

  /** Scrolls to the beginning. */
  reset(): void {
    this.#top = 0;
  }

  /** How many lines are visible at the most. */
  get rows(): number {
    return this.#rows;
  }

  /** The index of the first visible line. */
  get top(): number {
    return this.#top;
  }

  /** Scrolls so that line `row` is visible, with some lines before it. */
  reveal(row: number): void {
    if (row >= this.#top && row < this.#top + this.#rows) return;
    this.#top = Math.max(0, row - Math.floor(this.#rows / 3));
  }

  /** Whether the end is visible. */
  get atEnd(): boolean {
    return this.#top + this.#rows >= this.#total;
  }

  /** The share of the lines up to the last visible one, as a percentage; empty if all fit. */
  get share(): string {
    if (this.#total <= this.#rows) return "";
    return `${Math.floor(100 * Math.min(1, (this.#top + this.#rows) / this.#total))}%`;
  }

  /** Scrolls if `action` does; false if it does not. */
  act(action: Action): boolean {
    const by = movement(action, this.#rows);
    if (by === null) return false;
    this.#top = Math.max(0, Math.min(this.#total, this.#top + by));
    return true;
  }
}

/** By how many rows an action moves a view of `rows` rows; null if it moves none. */
export function movement(action: Action, rows: number): number | null {
  switch (action) {
    case "down":
      return 1;
    case "up":
      return -1;
    case "page-down":
      return Math.max(1, rows - 1);
    case "page-up":
      return -Math.max(1, rows - 1);
    case "half-down":
      return Math.max(1, rows >> 1);
    case "half-up":
      return -Math.max(1, rows >> 1);
    case "top":
      return -Infinity;
    case "bottom":
      return Infinity;
    default:
      return null;
  }
}
