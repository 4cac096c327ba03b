import { RefusedError } from "../../protocol/refused.ts";

/** How much a {@linkcode Semaphore} lets through; may change at any time. */
export interface SemaphoreLimits {
  /** Works at a time. */
  readonly width: number;
  /** How many more may wait. */
  readonly queue: number;
}

interface Waiter {
  readonly start: () => void;
  readonly refuse: (error: RefusedError) => void;
}

/** Seconds after which those who found the queue full are told to try again, and as many by chance. */
const RETRY_AFTER = 5;

/**
 * Lets a few at a time do costly work. The others wait, and the sources they come from take turns:
 * one that sends many does not hold up the others. When too many wait, the source with the most
 * loses the one that came last.
 */
export class Semaphore {
  readonly #limits: () => SemaphoreLimits;
  readonly #limit: string;
  /** Those who wait by their source; the source whose turn it is stands first. */
  readonly #waiting = new Map<string, Waiter[]>();
  #active = 0;
  #count = 0;

  /** `limit`: the name of the setting that a refusal is for. */
  constructor(limits: () => SemaphoreLimits, limit: string) {
    this.#limits = limits;
    this.#limit = limit;
  }

  /** How many work now. */
  get active(): number {
    return this.#active;
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#count;
  }

  /** Runs `work` when it is its turn. Throws a {@linkcode RefusedError} `busy` if too many wait. */
  async run<T>(source: string, work: () => Promise<T>): Promise<T> {
    if (this.#active < this.#limits().width && this.#count === 0) this.#active++;
    else await this.#wait(source);
    try {
      return await work();
    } finally {
      this.#active--;
      this.#startNext();
    }
  }

  #wait(source: string): Promise<void> {
    const own = this.#waiting.get(source) ?? [];
    if (this.#count >= this.#limits().queue && !this.#makeRoom(own.length + 1)) {
      return Promise.reject(this.#refusal());
    }
    return new Promise((resolve, reject) => {
      own.push({ start: resolve, refuse: reject });
      this.#waiting.set(source, own);
      this.#count++;
    });
  }

  /** Refuses the last one of a source that has more than `than` waiting; false if there is none. */
  #makeRoom(than: number): boolean {
    let most: [string, Waiter[]] | null = null;
    for (const one of this.#waiting) {
      if (one[1].length > (most?.[1].length ?? than)) most = one;
    }
    const last = most?.[1].pop();
    if (!most || !last) return false;
    if (most[1].length === 0) this.#waiting.delete(most[0]);
    this.#count--;
    last.refuse(this.#refusal());
    return true;
  }

  #startNext(): void {
    while (this.#active < this.#limits().width) {
      const [next] = this.#waiting;
      if (!next) return;
      const [source, waiters] = next;
      const waiter = waiters.shift();
      this.#waiting.delete(source);
      if (waiters.length > 0) this.#waiting.set(source, waiters);
      if (!waiter) continue;
      this.#count--;
      this.#active++;
      waiter.start();
    }
  }

  #refusal(): RefusedError {
    const retryAfter = RETRY_AFTER + Math.ceil(RETRY_AFTER * Math.random());
    return new RefusedError(
      "busy",
      `too many logins at once (${this.#limit}); try again in ${retryAfter} s`,
      { limit: this.#limit, retryAfter },
    );
  }
}
