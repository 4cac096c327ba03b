const WINDOW = 15 * 60_000;
const ALLOWED = 10;
/** More than this many (name, source) pairs are not remembered; the oldest go first. */
const CAPACITY = 100_000;

interface Count {
  failures: number;
  since: number;
}

/**
 * Counts wrong guesses by name **and** source, so that somebody who guesses is stopped and nobody
 * can lock another's name out. It counts names that do not exist like those that do.
 */
export class Guesses {
  readonly #counts = new Map<string, Count>();

  /** Minutes until `name` may be tried again from `source`; 0 if it may be tried now. */
  blockedFor(name: string, source: string, now = Date.now()): number {
    const count = this.#counts.get(`${name} ${source}`);
    if (!count || now - count.since >= WINDOW || count.failures < ALLOWED) return 0;
    return Math.ceil((count.since + WINDOW - now) / 60_000);
  }

  failed(name: string, source: string, now = Date.now()): void {
    const key = `${name} ${source}`;
    const old = this.#counts.get(key);
    const count = old && now - old.since < WINDOW ? old : { failures: 0, since: now };
    count.failures++;
    this.#counts.delete(key);
    this.#counts.set(key, count);
    if (this.#counts.size > CAPACITY) {
      for (const oldest of this.#counts.keys()) {
        this.#counts.delete(oldest);
        break;
      }
    }
  }

  succeeded(name: string, source: string): void {
    this.#counts.delete(`${name} ${source}`);
  }
}
