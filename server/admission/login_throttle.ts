import type { Whence } from "./penalties.ts";
import type { Values } from "../settings/setting_values.ts";

/** More than this many (name, source) pairs are not remembered; the oldest go first. */
const MAX_COUNTS = 100_000;

interface FailureCount {
  failures: number;
  since: number;
}

/**
 * Counts wrong guesses by name **and** source, so that somebody who guesses is stopped and nobody
 * can lock another's name out. It counts names that do not exist like those that do.
 */
export class LoginThrottle {
  readonly #counts = new Map<string, FailureCount>();
  readonly #settings: () => Values;
  readonly #now: () => number;
  /** Told of what was counted here. */
  onOwn: (what: "failed" | "succeeded", name: string, source: string) => void = () => {};

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(settings: () => Values, now: () => number = () => performance.now()) {
    this.#settings = settings;
    this.#now = now;
  }

  /** Seconds until `name` may be tried again from `source`; 0 if it may be tried now. */
  blockedFor(name: string, source: string): number {
    const { maxGuesses, guessWindow } = this.#settings();
    const count = this.#counts.get(`${name} ${source}`);
    if (!count || count.failures < maxGuesses) return 0;
    return Math.max(0, Math.ceil((count.since + guessWindow - this.#now()) / 1000));
  }

  failed(name: string, source: string, whence: Whence = "here"): void {
    if (whence === "here") this.onOwn("failed", name, source);
    const key = `${name} ${source}`;
    const now = this.#now();
    const old = this.#counts.get(key);
    const count = old && now - old.since < this.#settings().guessWindow
      ? old
      : { failures: 0, since: now };
    count.failures++;
    this.#counts.delete(key);
    this.#counts.set(key, count);
    if (this.#counts.size > MAX_COUNTS) {
      for (const oldest of this.#counts.keys()) {
        this.#counts.delete(oldest);
        break;
      }
    }
  }

  succeeded(name: string, source: string, whence: Whence = "here"): void {
    if (!this.#counts.delete(`${name} ${source}`)) return;
    if (whence === "here") this.onOwn("succeeded", name, source);
  }
}
