import { type Bytes, concat, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { KEYS } from "../../cli/keyboard.ts";
import type { TerminalIo } from "./terminal.ts";

const READ_SIZE = 4096;
const NOTHING: Bytes = new Uint8Array(0);

/**
 * A terminal whose keyboard is read all the time, also while the program works: nothing typed then is
 * shown, and nothing of it can become the answer to a question for a secret. Ctrl-C still stops the
 * program. Whoever uses one has to end the process: a read that waits for a key cannot be taken back.
 */
export class KeyboardWatch implements TerminalIo, Disposable {
  readonly inputIsTerminal: boolean;
  readonly outputIsTerminal: boolean;
  readonly errorIsTerminal: boolean;
  readonly canAskOnStderr: boolean;
  /** Rejects with `cancelled` for Ctrl-C while no question is open. */
  readonly interrupted: Promise<never>;
  readonly #io: TerminalIo;
  readonly #interrupt: (why: SealpostError) => void;
  /** What was typed and not asked for yet. */
  #typed: Bytes = NOTHING;
  #end: { readonly error: unknown } | null = null;
  #ended = false;
  /** Wakes the question that waits. */
  #wake: (() => void) | null = null;

  constructor(io: TerminalIo) {
    this.#io = io;
    this.inputIsTerminal = io.inputIsTerminal;
    this.outputIsTerminal = io.outputIsTerminal;
    this.errorIsTerminal = io.errorIsTerminal;
    this.canAskOnStderr = io.canAskOnStderr;
    const { promise, reject } = Promise.withResolvers<never>();
    this.interrupted = promise;
    this.interrupted.catch(() => {});
    this.#interrupt = reject;
    io.setRaw(true);
    this.#watch();
  }

  async #watch(): Promise<void> {
    const buffer = new Uint8Array(READ_SIZE);
    try {
      for (;;) {
        const n = await this.#io.read(buffer);
        if (n === null) break;
        const keys = buffer.subarray(0, n);
        if (!this.#wake && keys.includes(KEYS.interrupt)) {
          this.#interrupt(new SealpostError("cancelled", "cancelled"));
        }
        this.#typed = concat(this.#typed, keys);
        wipe(keys);
        this.#wake?.();
      }
    } catch (error) {
      this.#end = { error };
    }
    this.#ended = true;
    this.#wake?.();
  }

  async read(buffer: Bytes): Promise<number | null> {
    while (this.#typed.length === 0 && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = null;
    }
    if (this.#typed.length === 0) {
      if (this.#end) throw this.#end.error;
      return null;
    }
    const taken = this.#typed.subarray(0, buffer.length);
    buffer.set(taken);
    this.#typed = this.#typed.slice(taken.length);
    wipe(taken);
    return taken.length;
  }

  discardTyped(): void {
    wipe(this.#typed);
    this.#typed = NOTHING;
  }

  /** The keyboard stays in raw mode for as long as it is watched. */
  setRaw(): void {}

  write(stream: "output" | "error", bytes: Bytes): void {
    this.#io.write(stream, bytes);
  }

  askSecretOnStderr(prompt: string): Promise<Bytes | null> {
    return this.#io.askSecretOnStderr(prompt);
  }

  columns(): number {
    return this.#io.columns();
  }

  rows(): number {
    return this.#io.rows();
  }

  [Symbol.dispose](): void {
    this.#io.setRaw(false);
  }
}
