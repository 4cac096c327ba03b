import { terminalSize } from "./environment.ts";
import { utf8 } from "../crypto/bytes.ts";
import { formatDuration, formatSize } from "./format.ts";
import { fit } from "./printable.ts";

/** How long something may take without a bar, milliseconds. */
const PATIENCE = 1000;
/** Least time between two drawings, milliseconds. */
const INTERVAL = 100;
const BAR = 20;

/** What is counted. */
export type Unit = "bytes" | "messages" | "rows";

/** Where a bar is drawn, and its clock. */
export interface ProgressOutput {
  /** Whether it is a terminal; else nothing is written. */
  readonly terminal: boolean;
  columns(): number;
  write(text: string): void;
  /** Milliseconds. */
  now(): number;
  /** Told how far it is, also where there is no terminal; null: it is over. */
  report?(at: ProgressReport | null): void;
}

/** How far something is that takes a while. */
export interface ProgressReport {
  readonly label: string;
  readonly done: number;
  readonly total: number;
  /** Seconds; null while that cannot be said. */
  readonly left: number | null;
}

/**
 * A bar on one line of standard error, for what takes over a second: how much is done, how fast, and
 * how long the rest will take. Off a terminal it stays quiet.
 */
export class Progress {
  readonly #label: string;
  #total: number;
  readonly #unit: Unit;
  readonly #output: ProgressOutput;
  readonly #start: number;
  #drawn: number | null = null;
  #reported: number | null = null;
  /** What was done before this attempt. */
  #base: number | null = null;

  /** `total` is in units. */
  constructor(label: string, total: number, unit: Unit = "bytes", output = usual) {
    this.#label = label;
    this.#total = total;
    this.#unit = unit;
    this.#output = output;
    this.#start = output.now();
  }

  /** `done` units are done, of `total` if that is known better now. */
  update(done: number, total: number = this.#total): void {
    this.#total = total;
    const now = this.#output.now();
    this.#report(done, now);
    if (!this.#output.terminal) return;
    const soon = now - this.#start < PATIENCE;
    // So much at once was transferred by an earlier attempt.
    this.#base ??= soon && done > this.#total / 20 ? done : 0;
    if (soon || (this.#drawn !== null && now - this.#drawn < INTERVAL)) return;
    this.#drawn = now;
    this.#output.write(`\r${this.#line(done, now - this.#start)}\x1b[K`);
  }

  /** Clears the line. */
  finish(): void {
    if (this.#drawn !== null) this.#output.write("\r\x1b[K");
    this.#drawn = null;
    if (this.#reported !== null) this.#output.report?.(null);
    this.#reported = null;
  }

  #report(done: number, now: number): void {
    if (!this.#output.report || done < this.#total && now - (this.#reported ?? 0) < INTERVAL) {
      return;
    }
    this.#reported = now;
    this.#base ??= done > this.#total / 20 ? done : 0;
    const rate = (done - this.#base) / (now - this.#start);
    const left = rate > 0 && now - this.#start > PATIENCE
      ? Math.max(0, this.#total - done) / rate / 1000
      : null;
    this.#output.report({ label: this.#label, done, total: this.#total, left });
  }

  #line(done: number, elapsed: number): string {
    const share = this.#total > 0 ? Math.min(1, done / this.#total) : 0;
    const filled = Math.floor(share * BAR);
    // What an earlier attempt transferred took no time now.
    const rate = Math.max(0, done - (this.#base ?? 0)) / (elapsed / 1000);
    const amount = (units: number) => this.#unit === "bytes" ? formatSize(units) : `${units}`;
    const parts = [
      `[${"#".repeat(filled)}${"-".repeat(BAR - filled)}]`,
      `${Math.floor(share * 100)}%`.padStart(4),
      `${amount(done)} of ${amount(this.#total)}`,
    ];
    if (rate > 0) {
      parts.push(`${amount(Math.round(rate))}/s`);
      parts.push(`${formatDuration((this.#total - done) / rate)} left`);
    }
    // In the last column some terminals would go on to the next line.
    return fit(`${this.#label} ${parts.join("  ")}`, this.#output.columns() - 1);
  }
}

const standardError: ProgressOutput = {
  get terminal() {
    return Deno.stderr.isTerminal();
  },
  columns: () => terminalSize().columns,
  write: (text) => {
    try {
      Deno.stderr.writeSync(utf8(text));
    } catch {
      // The terminal is gone; the work goes on.
    }
  },
  now: () => performance.now(),
};

let usual = standardError;

/** Draws bars on `output` from now on; null for standard error again. */
export function drawProgressOn(output: ProgressOutput | null): void {
  usual = output ?? standardError;
}
