import { SealpostError } from "../crypto/error.ts";

/**
 * The calls of a state machine, each once and in their order. Another call throws `internal` and
 * changes nothing; after a step that failed, every call does.
 */
export class Steps {
  readonly #steps: readonly string[];
  readonly #onFailure: () => void;
  #next: string | undefined;

  /** `onFailure` erases what a failed step leaves. */
  constructor(steps: readonly string[], onFailure: () => void) {
    this.#steps = steps;
    this.#onFailure = onFailure;
    this.#next = steps[0];
  }

  /** Does `work` if it is the turn of `step`. What it throws ends the machine. */
  async take<T>(step: string, work: () => Promise<T>): Promise<T> {
    if (step !== this.#next) throw new SealpostError("internal", `${step} out of order`);
    this.#next = undefined;
    try {
      const result = await work();
      this.#next = this.#steps[this.#steps.indexOf(step) + 1];
      return result;
    } catch (error) {
      this.#onFailure();
      throw error;
    }
  }
}
