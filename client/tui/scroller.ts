import type { Line } from "./frame.ts";
import type { Action } from "./keys.ts";

/** What is seen of lines that do not all fit. */
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

  /** Back to the beginning. */
  reset(): void {
    this.#top = 0;
  }

  /** The first line that is seen. */
  get top(): number {
    return this.#top;
  }

  /** Scrolls so that line `row` is seen, with some lines before it. */
  reveal(row: number): void {
    if (row >= this.#top && row < this.#top + this.#rows) return;
    this.#top = Math.max(0, row - Math.floor(this.#rows / 3));
  }

  /** Whether the end is seen. */
  get atEnd(): boolean {
    return this.#top + this.#rows >= this.#total;
  }

  /** How much has been seen, for a bar; empty if all fits. */
  get share(): string {
    if (this.#total <= this.#rows) return "";
    return `${Math.floor(100 * Math.min(1, (this.#top + this.#rows) / this.#total))}%`;
  }

  /** Scrolls as an action says; false if that is none that scrolls. */
  act(action: Action): boolean {
    const by = movement(action, this.#rows);
    if (by === null) return false;
    this.#top = Math.max(0, Math.min(this.#total, this.#top + by));
    return true;
  }
}

/** By how many rows an action moves what shows `rows` of them at a time; null if it does not. */
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
