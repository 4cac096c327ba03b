import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { expandHome } from "../../cli/environment.ts";
import { printable } from "../../cli/printable.ts";
import { writeFileAtomic } from "../../files/atomic_file.ts";
import { parseDraft } from "../state/draft_text.ts";
import {
  type Draft,
  type Drafts,
  type SavedDraft,
  shortDraftId,
  textOf,
  withText,
} from "../state/drafts.ts";
import { completePath } from "./complete.ts";
import type { Tools } from "./programs.ts";
import type { Terminal } from "./terminal.ts";

/** How long what was typed may be in memory only, milliseconds. */
const UNSAVED = 1000;

/** What a person is told when what they write became a draft of its own. */
export const PARTED =
  "This draft was changed elsewhere too: what you write is a draft of its own now.";

/** Signals that end a program whose terminal or machine goes away, with their numbers. */
const ENDINGS = [["SIGHUP", 1], ["SIGTERM", 15]] as const;

/**
 * A draft while a person writes it: every change is on the disk a second later, and at once when the
 * terminal is closed.
 */
export class AutosavedDraft implements AsyncDisposable {
  readonly #drafts: Drafts;
  #draft: Draft;
  /** When it was saved here last, or had been when it was opened; null if never. */
  #known: number | null;
  /** Told when another program or machine has changed it, so that this is a draft of its own now. */
  onParted: () => void = () => {};
  /** Whether there is nothing left to save: its message is in the outbox, or it was discarded. */
  settled = false;
  /** What gives the text as it is now; null if nothing was typed since the last save. */
  #text: (() => string) | null = null;
  #saving: Promise<unknown> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners: (readonly [Deno.Signal, () => void])[] = [];

  constructor(drafts: Drafts, draft: Draft | SavedDraft) {
    this.#drafts = drafts;
    this.#draft = draft;
    this.#known = "savedAt" in draft ? draft.savedAt : null;
    for (const [signal, number] of ENDINGS) {
      const listener = () => {
        const saved = this.settled ? Promise.resolve() : this.save();
        saved.catch(() => {}).finally(() => Deno.exit(128 + number));
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
  get draft(): Draft {
    return this.#text ? { ...this.#draft, text: this.#text() } : this.#draft;
  }

  /** Whether its text is empty. */
  get blank(): boolean {
    return this.draft.text.trim() === "";
  }

  /** Takes what was typed; `text` is called when it is saved. */
  type(text: () => string): void {
    this.#text = text;
    this.#saveSoon();
  }

  /** Replaces parts of the draft. */
  set(parts: Partial<Draft>): void {
    this.#draft = { ...this.draft, ...parts };
    this.#text = null;
    this.#saveSoon();
  }

  #saveSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // What fails now is reported at the end, when saving is tried once more.
      if (!this.blank) this.save().catch(() => {});
    }, UNSAVED);
  }

  /** Saves it now, durably. Throws `disk-full`, `file-io`. */
  save(): Promise<SavedDraft> {
    const saved = this.#saving.catch(() => {}).then(async () => {
      // All that was typed by now is in it.
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#draft = this.draft;
      this.#text = null;
      const { draft, parted } = await this.#drafts.saveOver(this.#draft, this.#known);
      this.#known = draft.savedAt;
      // What was typed meanwhile stays.
      this.#draft = { ...this.#draft, id: draft.id };
      if (parted) this.onParted();
      return draft;
    });
    this.#saving = saved;
    return saved;
  }

  /** Removes it, from the disk too. */
  async discard(): Promise<void> {
    this.settled = true;
    await this[Symbol.asyncDispose]();
    await this.#drafts.remove(this.#drafts.idNow(this.#draft.id, this.#known));
  }

  /** Ends the saving. What was not saved by now is not saved any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    for (const [signal, listener] of this.#listeners.splice(0)) {
      Deno.removeSignalListener(signal, listener);
    }
    await this.#saving.catch(() => {});
  }
}

/**
 * Runs `work` on a draft that is saved as it is written. If `work` fails the draft is kept, the person
 * is told where, and the failure is thrown; if it cannot be saved the person decides what to do with it.
 */
export async function withAutosave<T>(
  terminal: Terminal,
  drafts: Drafts,
  draft: Draft,
  work: (autosaved: AutosavedDraft) => Promise<T>,
): Promise<T> {
  await using autosaved = new AutosavedDraft(drafts, draft);
  autosaved.onParted = () => terminal.printError(PARTED);
  try {
    return await work(autosaved);
  } catch (error) {
    if (autosaved.settled) throw error;
    if (autosaved.blank) await autosaved.discard();
    else await saveOrAsk(terminal, autosaved);
    throw error;
  }
}

/** Saves a draft, and says so. */
async function saveOrAsk(terminal: Terminal, autosaved: AutosavedDraft): Promise<void> {
  for (;;) {
    try {
      const { id } = await autosaved.save();
      const short = shortDraftId(id);
      return terminal.printError(
        `Kept as draft ${short}: "drafts send ${short}" sends it, "drafts edit ${short}" opens it.`,
      );
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      terminal.printError(`Your text is not saved: ${printable(error.message)}`);
      if (!terminal.interactive) return;
      if (!await rescue(terminal, autosaved)) return;
    }
  }
}

/** Asks what to do with a text that cannot be saved; whether to try that again. */
async function rescue(terminal: Terminal, autosaved: AutosavedDraft): Promise<boolean> {
  for (;;) {
    const answer = await terminal.ask(
      "(t)ry again, (p)rint it here, write it to a (f)ile in the clear, or (g)ive it up? ",
    );
    switch (answer?.trim().toLowerCase()) {
      case "t":
        return true;
      case "p":
        terminal.print(printable(textOf(autosaved.draft), { lines: true }));
        break;
      case "f": {
        const path = expandHome((await terminal.ask("File: ", completePath))?.trim() ?? "");
        if (path === "") break;
        try {
          await writeFileAtomic(path, textOf(autosaved.draft), { overwrite: false });
          terminal.print(`Written to ${printable(path)}.`);
          return false;
        } catch (error) {
          if (!isSealpostError(error)) throw error;
          terminal.printError(printable(error.message));
        }
        break;
      }
      case undefined:
      case "g":
        return false;
    }
  }
}

/**
 * Gives a draft, headers and all, to `edit` in its editor file, by its id, and takes and saves what comes back, also if
 * `edit` fails; a draft whose headers cannot be read is `unparsed` then. False if the text was left as
 * it was. Throws what `edit` and saving throw.
 */
export async function editInFile(
  drafts: Drafts,
  autosaved: AutosavedDraft,
  edit: (id: string) => Promise<void>,
): Promise<boolean> {
  const { draft } = autosaved;
  const before = textOf(draft);
  using file = await drafts.createEditorFile(draft);
  let after = before;
  try {
    await edit(file.id);
  } finally {
    // However the editor ended: what it wrote is what counts.
    after = await file.read() ?? before;
    if (after !== before) {
      autosaved.set({ unparsed: false, ...withText(draft, after) });
      await autosaved.save();
    }
    await file.clear();
  }
  return after !== before;
}

/** Why the headers of an unparsed draft cannot be read; null if they can. */
export function headerProblem(draft: Draft): string | null {
  if (!draft.unparsed) return null;
  try {
    parseDraft(draft.text, draft.forwards);
    return null;
  } catch (error) {
    if (isSealpostError(error)) return error.message;
    throw error;
  }
}

/** Why a draft cannot be sent as it is; null if it can, as far as is known. */
export type DraftCheck = (draft: Draft) => Promise<string | null>;

/**
 * Has a person edit a draft in their editor until its headers can be read and `check` finds nothing
 * wrong. False if it was left as it was. Throws `cancelled` if the person leaves it with a problem, and
 * what the editor and saving throw; what was written is saved then too.
 */
export async function editDraft(
  terminal: Terminal,
  drafts: Drafts,
  tools: Tools,
  autosaved: AutosavedDraft,
  check: DraftCheck = () => Promise.resolve(null),
): Promise<boolean> {
  let changed = false;
  for (;;) {
    if (await editInFile(drafts, autosaved, (id) => tools.edit(id))) changed = true;
    const { draft } = autosaved;
    const problem = headerProblem(draft) ?? (changed ? await check(draft) : null);
    if (problem === null) return changed;
    terminal.printError(`This cannot be sent: ${printable(problem)}`);
    const answer = await terminal.ask("Edit it again? (Y/n) ");
    if (answer === null || /^n/i.test(answer.trim())) {
      throw new SealpostError("cancelled", "nothing was sent");
    }
  }
}

/** Has a person edit a draft and decide to send it. Throws `cancelled` if they do not. */
export async function editAndConfirm(
  terminal: Terminal,
  drafts: Drafts,
  tools: Tools,
  autosaved: AutosavedDraft,
  check: DraftCheck,
): Promise<void> {
  if (!await editDraft(terminal, drafts, tools, autosaved, check)) {
    await autosaved.discard();
    throw new SealpostError("cancelled", "the text was left as it was; nothing was sent");
  }
  for (;;) {
    const { to, cc, bcc, subject } = autosaved.draft;
    const names = [...to, ...cc, ...bcc].join(", ") || "nobody";
    const answer = await terminal.ask(
      `Send "${
        printable(subject)
      }" to ${names}: (y)es, (e)dit again, keep as (d)raft, or (t)hrow away? `,
    );
    switch (answer?.trim().toLowerCase()) {
      case "y":
        return;
      case "e":
        await editDraft(terminal, drafts, tools, autosaved, check);
        break;
      case "t":
        await autosaved.discard();
        throw new SealpostError("cancelled", "nothing was sent");
      case "d":
      case undefined:
        throw new SealpostError("cancelled", "nothing was sent");
    }
  }
}
