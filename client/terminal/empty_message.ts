import { confirm } from "./confirm.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { DraftContent } from "../state/draft_text.ts";
import type { Terminal } from "./terminal.ts";

/** Whether a draft has neither an attachment nor a text, other than a signature below it. */
export function isEmpty({ text, attachments, forwards }: DraftContent): boolean {
  const own = /^\s*-- \n/.test(text) ? "" : text.trim();
  return own === "" && attachments.length + (forwards?.attachments.length ?? 0) === 0;
}

/**
 * Asks a person whose draft is empty whether to send it. Throws `cancelled` if they do not want to,
 * and `usage` where nobody can be asked.
 */
export async function confirmEmptyMessage(terminal: Terminal, draft: DraftContent): Promise<void> {
  if (!isEmpty(draft)) return;
  if (!terminal.interactive) {
    throw new SealpostError(
      "usage",
      "the message is empty: it has no text and no attachment; nothing was sent",
    );
  }
  if (await confirm(terminal, "The message is empty. Send it all the same? (y/N) ")) return;
  throw new SealpostError("cancelled", "nothing was sent");
}
