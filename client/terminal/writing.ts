import { isSealpostError } from "../../crypto/error.ts";
import { writeFileAtomic } from "../../files/atomic_file.ts";
import { printable } from "../../cli/printable.ts";
import { type Draft, type Drafts, shortDraftId, type Written } from "../state/drafts.ts";
import { formatLetter } from "../state/letter.ts";
import type { Terminal } from "./terminal.ts";

/** How long what was typed may be in memory only, milliseconds. */
const UNSAVED = 1000;

/** Signals that end a program whose terminal or machine goes away, with their numbers. */
const ENDINGS = [["SIGHUP", 1], ["SIGTERM", 15]] as const;

/**
 * A draft while somebody writes it: every change is on the disk a second later, and at once when
 * the terminal is closed.
 */
export class Writing implements AsyncDisposable {
  readonly #drafts: Drafts;
  #draft: Written;
  /** Whether there is nothing to keep: its message is in the outbox, or nobody wants it. */
  settled = false;
  /** What gives the text as it is now; null if nothing was typed since it was looked at. */
  #text: (() => string) | null = null;
  #saving: Promise<unknown> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners: (readonly [Deno.Signal, () => void])[] = [];

  constructor(drafts: Drafts, draft: Written) {
    this.#drafts = drafts;
    this.#draft = draft;
    for (const [signal, number] of ENDINGS) {
      const listener = () => {
        this.keep().catch(() => {}).finally(() => Deno.exit(128 + number));
      };
      try {
        Deno.addSignalListener(signal, listener);
        this.#listeners.push([signal, listener]);
      } catch {
        // A system without that signal.
      }
    }
  }

  /** The draft as it is now. */
  get draft(): Written {
    return this.#text ? { ...this.#draft, text: this.#text() } : this.#draft;
  }

  /** Whether there is nothing in it that somebody has written. */
  get blank(): boolean {
    return this.draft.text.trim() === "";
  }

  /** Takes what was typed; `text` is called when it is saved. */
  type(text: () => string): void {
    this.#text = text;
    this.#saveSoon();
  }

  /** Takes over parts of a draft. */
  set(parts: Partial<Written>): void {
    this.#draft = { ...this.draft, ...parts };
    this.#text = null;
    this.#saveSoon();
  }

  #saveSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // What fails now is told at the end, when it is tried once more.
      if (!this.blank) this.keep().catch(() => {});
    }, UNSAVED);
  }

  /** Saves it now, durably. Throws `disk-full`, `file-io`. */
  keep(): Promise<Draft> {
    const saved = this.#saving.catch(() => {}).then(async () => {
      this.#draft = this.draft;
      this.#text = null;
      return await this.#drafts.save(this.#draft);
    });
    this.#saving = saved;
    return saved;
  }

  /** Forgets it, on the disk too. */
  async discard(): Promise<void> {
    this.settled = true;
    await this[Symbol.asyncDispose]();
    await this.#drafts.remove(this.#draft.id);
  }

  /** Ends it. What was not kept by now is kept no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    for (const [signal, listener] of this.#listeners.splice(0)) {
      Deno.removeSignalListener(signal, listener);
    }
    await this.#saving.catch(() => {});
  }
}

/**
 * Runs `work` on a draft. If that fails the draft is kept, the person is told where, and what failed
 * is thrown; where it cannot be kept the person decides what becomes of it.
 */
export async function whileWriting<T>(
  terminal: Terminal,
  drafts: Drafts,
  draft: Written,
  work: (writing: Writing) => Promise<T>,
): Promise<T> {
  await using writing = new Writing(drafts, draft);
  try {
    return await work(writing);
  } catch (error) {
    if (writing.settled) throw error;
    if (writing.blank) await writing.discard();
    else await keepOrAsk(terminal, writing);
    throw error;
  }
}

/** Keeps a draft, and says so. */
async function keepOrAsk(terminal: Terminal, writing: Writing): Promise<void> {
  for (;;) {
    try {
      const { id } = await writing.keep();
      const short = shortDraftId(id);
      return terminal.complain(
        `Kept as draft ${short}: "drafts send ${short}" sends it, "drafts edit ${short}" opens it.`,
      );
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      terminal.complain(`Your text is not saved: ${printable(error.message)}`);
      if (!terminal.interactive) return;
      if (!await rescue(terminal, writing)) return;
    }
  }
}

/** Asks what is to become of a text that cannot be saved; whether to try that again. */
async function rescue(terminal: Terminal, writing: Writing): Promise<boolean> {
  for (;;) {
    const answer = await terminal.ask(
      "(t)ry again, (p)rint it here, write it to a (f)ile in the clear, or (g)ive it up? ",
    );
    switch (answer?.trim().toLowerCase()) {
      case "t":
        return true;
      case "p":
        terminal.print(printable(formatLetter(writing.draft), { lines: true }));
        break;
      case "f": {
        const path = (await terminal.ask("File: "))?.trim() ?? "";
        if (path === "") break;
        try {
          await writeFileAtomic(path, formatLetter(writing.draft), { overwrite: false });
          terminal.print(`Written to ${printable(path)}.`);
          return false;
        } catch (error) {
          if (!isSealpostError(error)) throw error;
          terminal.complain(printable(error.message));
        }
        break;
      }
      case undefined:
      case "g":
        return false;
    }
  }
}
