interface Waiter {
  readonly user: string;
  readonly bytes: number;
  readonly start: () => void;
}

/** The part of all that one user may have. */
const SHARE = 1 / 4;

/**
 * The memory that requests in progress take, of all connections together. One user gets at most a
 * quarter, so that whoever stalls does not stop the others.
 */
export class InFlight {
  readonly #total: () => number;
  readonly #byUser = new Map<string, number>();
  #waiting: Waiter[] = [];
  #taken = 0;

  /** `total`: bytes, more than four times the most that is asked for at once. */
  constructor(total: () => number) {
    this.#total = total;
  }

  /** Bytes that are taken now. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes `bytes` for `user` if there is room now. */
  tryTake(user: string, bytes: number): boolean {
    const own = this.#byUser.get(user) ?? 0;
    const total = this.#total();
    if (this.#taken + bytes > total || own + bytes > total * SHARE) return false;
    this.#taken += bytes;
    this.#byUser.set(user, own + bytes);
    return true;
  }

  /** Takes `bytes` for `user` when there is room; those who wait are served in their order. */
  async take(user: string, bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.tryTake(user, bytes)) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push({ user, bytes, start: resolve });
      this.#startWaiting();
    });
  }

  /** Gives back what was taken. */
  release(user: string, bytes: number): void {
    this.#taken -= bytes;
    const own = (this.#byUser.get(user) ?? 0) - bytes;
    if (own > 0) this.#byUser.set(user, own);
    else this.#byUser.delete(user);
    this.#startWaiting();
  }

  /** A user who has his share is passed over; others come after him in their order. */
  #startWaiting(): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter((waiter) => {
      if (!this.tryTake(waiter.user, waiter.bytes)) return true;
      waiter.start();
      return false;
    });
  }
}
