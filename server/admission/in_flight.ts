interface Waiter {
  readonly user: string;
  readonly bytes: number;
  readonly start: () => void;
}

/** The part of the total that one user may have. */
const SHARE = 1 / 4;

/**
 * The memory that requests in progress take, of all connections together. One user gets at most a
 * quarter, so that whoever stalls does not stop the others.
 */
export class InFlight {
  readonly #total: () => number;
  readonly #byUser = new Map<string, number>();
  #waiting: Waiter[] = [];
  #reserved = 0;

  /** `total`: bytes, more than four times the most that is asked for at once. */
  constructor(total: () => number) {
    this.#total = total;
  }

  /** Bytes that are reserved now. */
  get reserved(): number {
    return this.#reserved;
  }

  /** Reserves `bytes` for `user` if there is room now. */
  tryReserve(user: string, bytes: number): boolean {
    const own = this.#byUser.get(user) ?? 0;
    const total = this.#total();
    if (this.#reserved + bytes > total || own + bytes > total * SHARE) return false;
    this.#reserved += bytes;
    this.#byUser.set(user, own + bytes);
    return true;
  }

  /** Reserves `bytes` for `user` when there is room; waiting requests are served in their order. */
  async reserve(user: string, bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.tryReserve(user, bytes)) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push({ user, bytes, start: resolve });
      this.#startWaiting();
    });
  }

  /** Gives back what was reserved. */
  release(user: string, bytes: number): void {
    this.#reserved -= bytes;
    const own = (this.#byUser.get(user) ?? 0) - bytes;
    if (own > 0) this.#byUser.set(user, own);
    else this.#byUser.delete(user);
    this.#startWaiting();
  }

  /** Passes over users who have their share; the others come in their order. */
  #startWaiting(): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter((waiter) => {
      if (!this.tryReserve(waiter.user, waiter.bytes)) return true;
      waiter.start();
      return false;
    });
  }
}
