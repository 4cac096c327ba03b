/** A message whose sender may still take it back. */
interface Held {
  readonly id: string;
  /** When it goes out, milliseconds since 1970. */
  readonly until: number;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly answer: (goesOut: boolean) => void;
}

/**
 * The messages that a program is sending, and those among them that their sender may still take back.
 * Each is in the outbox by then, claimed: if the program is killed, the next one sends it.
 */
export class HeldSends {
  /** How long a message may be taken back, milliseconds; 0 for not at all. */
  readonly delay: number;
  readonly #changed: () => void;
  readonly #held: Held[] = [];
  readonly #underWay = new Set<Promise<unknown>>();

  /** `changed` is called when a message is held, or is no more. */
  constructor(delay: number, changed: () => void = () => {}) {
    this.delay = delay;
    this.#changed = changed;
  }

  /** The latest message that can be taken back: its id, and when it goes out; null if there is none. */
  get latest(): { readonly id: string; readonly until: number } | null {
    return this.#held.at(-1) ?? null;
  }

  /**
   * Sends the draft `id` as `work` does, which is given what waits as long as the message may be taken
   * back, and then says whether it goes out; nothing if it goes out at once.
   */
  async send<T>(id: string, work: (hold?: () => Promise<boolean>) => Promise<T>): Promise<T> {
    const sending = this.delay === 0 ? work() : work(() => this.#hold(id));
    this.#underWay.add(sending);
    try {
      return await sending;
    } finally {
      this.#underWay.delete(sending);
    }
  }

  #hold(id: string): Promise<boolean> {
    return new Promise((resolve) => {
      const held: Held = {
        id,
        until: Date.now() + this.delay,
        timer: setTimeout(() => this.#answer(held, true), this.delay),
        answer: resolve,
      };
      this.#held.push(held);
      this.#changed();
    });
  }

  /** Takes a message back, the latest if no `id` is given; false if it cannot be any more. */
  takeBack(id?: string): boolean {
    const held = id === undefined ? this.#held.at(-1) : this.#held.find((one) => one.id === id);
    if (held) this.#answer(held, false);
    return held !== undefined;
  }

  /** Lets everything go out now, and waits until it has, at most `patience` milliseconds. Never throws. */
  async finish(patience: number): Promise<void> {
    for (const held of [...this.#held]) this.#answer(held, true);
    if (this.#underWay.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patience);
    await Promise.race([Promise.allSettled(this.#underWay), promise]);
    clearTimeout(timer);
  }

  #answer(held: Held, goesOut: boolean): void {
    const at = this.#held.indexOf(held);
    if (at < 0) return;
    this.#held.splice(at, 1);
    clearTimeout(held.timer);
    held.answer(goesOut);
    this.#changed();
  }
}
