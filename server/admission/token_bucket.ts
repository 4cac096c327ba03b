/** How fast something may go on. */
export interface Rate {
  /** Over time. */
  readonly perSecond: number;
  /** At once, after a pause. */
  readonly burst: number;
}

/** A token bucket: full at first, it refills at the rate, and each use takes one token. */
export class TokenBucket {
  #tokens: number;
  #at: number;

  constructor({ burst }: Rate, now: number) {
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes a token if there is one: 0, or the milliseconds until there will be. */
  take(rate: Rate, now: number): number {
    this.#fill(rate, now);
    if (this.#tokens < 1) return Math.ceil(1000 * (1 - this.#tokens) / rate.perSecond);
    this.#tokens--;
    return 0;
  }

  /** Takes a token that was used elsewhere, if there is one. */
  spend(rate: Rate, now: number): void {
    this.#fill(rate, now);
    this.#tokens = Math.max(0, this.#tokens - 1);
  }

  /** Whether nobody would notice if the bucket were made anew. */
  isFull(rate: Rate, now: number): boolean {
    this.#fill(rate, now);
    return this.#tokens >= rate.burst;
  }

  #fill(rate: Rate, now: number): void {
    const added = rate.perSecond === Infinity ? Infinity : rate.perSecond * (now - this.#at) / 1000;
    this.#tokens = Math.min(this.#tokens + added, rate.burst);
    this.#at = now;
  }
}

/** TokenBuckets by name; full ones are forgotten. */
export class TokenBuckets {
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #rate: () => Rate;
  readonly #now: () => number;
  #sweepAt = 64;
  /** Told of each token that was taken. */
  onOwn: (name: string) => void = () => {};

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(rate: () => Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes a token of `name`: 0, or the milliseconds until there will be one. */
  take(name: string): number {
    const [rate, now] = [this.#rate(), this.#now()];
    if (rate.perSecond === Infinity) return 0;
    const wait = this.#bucket(name, rate, now).take(rate, now);
    if (wait === 0) this.onOwn(name);
    return wait;
  }

  /** Takes a token of `name` that was used at another server, if there is one. */
  spend(name: string): void {
    const [rate, now] = [this.#rate(), this.#now()];
    if (rate.perSecond !== Infinity) this.#bucket(name, rate, now).spend(rate, now);
  }

  #bucket(name: string, rate: Rate, now: number): TokenBucket {
    const bucket = this.#buckets.get(name) ?? new TokenBucket(rate, now);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > this.#sweepAt) this.#sweep(rate, now);
    return bucket;
  }

  #sweep(rate: Rate, now: number): void {
    for (const [name, bucket] of this.#buckets) {
      if (bucket.isFull(rate, now)) this.#buckets.delete(name);
    }
    this.#sweepAt = Math.max(64, 2 * this.#buckets.size);
  }
}
