import { type Bytes, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** A question that waits for a page. */
export interface Question {
  readonly id: number;
  readonly prompt: string;
}

/** Where a page stands in for a terminal: what it is told, and what it is asked. */
export interface PageTalk {
  say(text: string, bad: boolean): void;
  ask(question: Question): void;
}

/**
 * A {@linkcode Terminal} whose person sits before a page: secrets are asked for there, what is printed
 * is said there.
 */
export class PageTerminal implements Terminal {
  readonly interactive = true;
  readonly outputIsTerminal = false;
  readonly canAskSecret = true;
  readonly #talk: PageTalk;
  #last = 0;
  #open: { readonly question: Question; readonly answer: (text: string | null) => void } | null =
    null;

  constructor(talk: PageTalk) {
    this.#talk = talk;
  }

  /** The question that waits; null if none does. */
  get open(): Question | null {
    return this.#open?.question ?? null;
  }

  /** Answers the question `id`, if it is the one that waits; null: the person gives it up. */
  answer(id: number, text: string | null): void {
    const open = this.#open;
    if (open?.question.id !== id) return;
    this.#open = null;
    open.answer(text);
  }

  /** Gives up the question that waits. */
  giveUp(): void {
    if (this.#open) this.answer(this.#open.question.id, null);
  }

  columns(): number {
    return 80;
  }

  rows(): number {
    return 24;
  }

  async askSecret(prompt: string): Promise<Bytes | null> {
    this.giveUp();
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const question = { id: ++this.#last, prompt: prompt.replace(/:\s*$/, "") };
    this.#open = { question, answer: resolve };
    this.#talk.ask(question);
    const text = await promise;
    return text === null ? null : utf8(text.normalize("NFC"));
  }

  ask(): Promise<string | null> {
    return Promise.reject(noTerminal());
  }

  askText(): Promise<string | null> {
    return Promise.reject(noTerminal());
  }

  askBlock(): Promise<string | null> {
    return Promise.reject(noTerminal());
  }

  readRest(): Promise<string> {
    return Promise.reject(noTerminal());
  }

  writeBytes(): void {}

  print(line = ""): void {
    if (line.trim() !== "") this.#talk.say(line.trim(), false);
  }

  printError(line: string): void {
    this.#talk.say(line, true);
  }
}

/** A {@linkcode Terminal} that gives `passphrase` to whoever asks for a secret, and asks nobody. */
export function givingTerminal(talk: PageTalk, passphrase: string): Terminal {
  const page = new PageTerminal(talk);
  return {
    interactive: true,
    outputIsTerminal: false,
    canAskSecret: true,
    columns: () => page.columns(),
    rows: () => page.rows(),
    ask: () => Promise.reject(noTerminal()),
    askSecret: () => Promise.resolve(utf8(passphrase.normalize("NFC"))),
    askText: () => Promise.reject(noTerminal()),
    askBlock: () => Promise.reject(noTerminal()),
    readRest: () => Promise.reject(noTerminal()),
    writeBytes: () => {},
    print: (line) => page.print(line),
    printError: (line) => page.printError(line),
  };
}

function noTerminal(): SealpostError {
  return new SealpostError(
    "secret-needed",
    "this has to be answered at a terminal once: run sealpost setup there, then start sealpost web again",
  );
}
