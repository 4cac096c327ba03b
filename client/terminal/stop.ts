import { SealpostError } from "../../crypto/error.ts";

/** The signals by which a person, or the system, ends a command that takes long. */
export class Stop implements Disposable {
  /** The exit code that says so; null as long as nobody wants it to end. */
  code: number | null = null;
  readonly #listeners: (readonly [Deno.Signal, () => void])[] = [];

  /** `tell` is called at the first signal; the second ends the program. */
  constructor(tell: () => void = () => {}) {
    for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15], ["SIGHUP", 1]] as const) {
      const listener = () => {
        // A second time it need not be finished properly.
        if (this.code !== null) Deno.exit(this.code);
        this.code = 128 + number;
        tell();
      };
      try {
        Deno.addSignalListener(signal, listener);
        this.#listeners.push([signal, listener]);
      } catch {
        // A system without that signal.
      }
    }
  }

  /** Throws `cancelled`, saying `what`, once the command is to end. */
  check(what: string): void {
    if (this.code !== null) throw new SealpostError("cancelled", what);
  }

  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }
}
