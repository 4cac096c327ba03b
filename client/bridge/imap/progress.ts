import type { ImapOutput } from "./output.ts";

/** How long a command is silent before its mail program hears of it, milliseconds (RFC 9585, section 4). */
export const PATIENCE = 10_000;

/**
 * Tells a mail program that its command is being worked on whenever it has heard nothing for a while
 * (RFC 9585), so that it does not give up. To be disposed of before the command is answered.
 */
export class CommandProgress implements Disposable {
  readonly #output: ImapOutput;
  readonly #tag: string;
  readonly #patience: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since = 0;
  #state = "NIL NIL";

  /** `patience`: as {@linkcode PATIENCE}. */
  constructor(output: ImapOutput, tag: string, patience: number) {
    this.#output = output;
    // A bracket would end the response code.
    this.#tag = tag.includes("]") ? "NIL" : `"${tag}"`;
    this.#patience = patience;
    this.resume();
  }

  /** So much of the command is done, in units that are its own. */
  update(done: number, goal: number): void {
    // What has reached its goal is answered, and not in progress.
    this.#state = goal > 0 ? `${Math.min(done, goal - 1)} ${goal}` : "NIL NIL";
  }

  /** It is the mail program's turn: it is told nothing. */
  pause(): void {
    clearTimeout(this.#timer);
  }

  resume(): void {
    this.#since = performance.now();
    this.#wait(this.#patience);
  }

  [Symbol.dispose](): void {
    this.pause();
  }

  #wait(time: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), time);
  }

  #look(): void {
    const output = this.#output;
    const silent = performance.now() - Math.max(this.#since, output.sentAt);
    if (silent < this.#patience) return this.#wait(this.#patience - silent);
    if (!output.inResponse) {
      output.line(`* OK [INPROGRESS (${this.#tag} ${this.#state})] this takes a while`);
      // Whatever sends next meets a connection that was lost.
      output.flush().catch(() => {});
    }
    this.#wait(this.#patience);
  }
}
