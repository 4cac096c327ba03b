import { SealpostError } from "../crypto/error.ts";

/** Lets a few at a time do costly work, the others in order of arrival, and not too many wait. */
export class Semaphore {
  #free: number;
  #waiting: (() => void)[] = [];

  /** `width` at a time; `queue` more may wait. */
  constructor(width: number, readonly queue: number) {
    this.#free = width;
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Runs `work` when it is its turn. Throws `busy` at once if too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else if (this.#waiting.length >= this.queue) {
      throw new SealpostError("busy", "too many logins at once; try again in a few seconds");
    } else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
