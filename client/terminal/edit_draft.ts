import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { printable } from "../../cli/printable.ts";
import type { Drafts } from "../state/drafts.ts";
import { formatLetter, parseLetter } from "../state/letter.ts";
import type { Tools } from "./programs.ts";
import type { Terminal } from "./terminal.ts";
import type { Writing } from "./writing.ts";

/**
 * Has a person edit a draft, headers and all, until its headers can be read, and keeps what came of
 * it. False if it was left as it was. Throws `cancelled` if the person leaves it with headers that
 * cannot be read, and what the editor and saving throw; what was written is kept then too.
 */
export async function editDraft(
  terminal: Terminal,
  drafts: Drafts,
  tools: Tools,
  writing: Writing,
): Promise<boolean> {
  const { id, unread, text } = writing.draft;
  const before = unread ? text : formatLetter(writing.draft);
  using desk = await drafts.lay(id, before);
  for (;;) {
    const failure = await tools.edit(desk.path).then(() => null, (error: unknown) => ({ error }));
    // Whatever the editor came to: what it wrote is what counts.
    const letter = await desk.read() ?? before;
    take(writing, letter);
    if (letter !== before) await writing.keep();
    if (failure) {
      await desk.clear();
      throw failure.error;
    }
    const { unread, text } = writing.draft;
    if (!unread) break;
    terminal.complain(`The letter cannot be sent so: ${whyUnread(text)}`);
    const answer = await terminal.ask("Edit it again? (Y/n) ");
    if (answer !== null && !/^n/i.test(answer.trim())) continue;
    await desk.clear();
    throw new SealpostError("cancelled", "nothing was sent");
  }
  const changed = await desk.read() !== before;
  await desk.clear();
  return changed;
}

/** Takes over a letter; all of it as the text if its headers cannot be read. */
function take(writing: Writing, letter: string): void {
  try {
    writing.set({ ...parseLetter(letter), unread: false });
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    writing.set({ text: letter, unread: true });
  }
}

function whyUnread(letter: string): string {
  try {
    parseLetter(letter);
    return "";
  } catch (error) {
    if (isSealpostError(error)) return printable(error.message);
    throw error;
  }
}
