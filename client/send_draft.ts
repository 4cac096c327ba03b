import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { attachmentFromFile, saveAttachment } from "./message/attachments.ts";
import type { AttachmentSource } from "./message/compose.ts";
import { shortDraftId, type Written } from "./state/drafts.ts";
import type { Mail, Sent } from "./mail.ts";
import { parseMessage } from "./message/parse.ts";
import type { TemporaryMessage } from "./message/temporary_message.ts";

/** Whom {@linkcode sendDraft} tells what it does. */
export interface DraftWatcher {
  /** In a sentence, what is not as the draft has it. */
  readonly note: (line: string) => void;
  /** Whether the message is in the outbox now, in the place of the draft. */
  readonly inOutbox?: (there: boolean) => void;
  /** The message that the draft passes on, if it was fetched already. */
  readonly forwarded?: TemporaryMessage;
}

/**
 * Sends a draft, and forgets it as soon as its message is in the outbox; if the server refuses it for
 * good it is a draft again. Throws `usage` if it is not fit to be sent, what is wrong with
 * an attachment, and what {@linkcode Mail.send} throws.
 */
export async function sendDraft(
  mail: Mail,
  draft: Written,
  watcher: DraftWatcher,
): Promise<Sent> {
  const { id, to, cc, bcc, subject, text } = draft;
  if (draft.unread) {
    throw new SealpostError(
      "usage",
      `the headers of this draft cannot be read; "drafts edit ${shortDraftId(id)}" mends them`,
    );
  }
  if (to.length + cc.length + bcc.length === 0) {
    throw new SealpostError("usage", "there is nobody to send this to; write a name after To:");
  }
  const own = await Promise.all(draft.attachments.map(attachmentFromFile));
  const answers = draft.answers === undefined ? null : await findAnswered(mail, draft.answers);
  if (draft.answers !== undefined && answers === null) {
    watcher.note("The message that this one answers is not in your mailbox any more.");
  }
  await using forwarded = await forwardedBy(mail, draft, watcher.forwarded);
  return await mail.send({
    to,
    cc,
    bcc,
    subject,
    text,
    attachments: [...forwarded.sources, ...own],
    ...(answers === null ? {} : { answers }),
    onSealed: (message) => mail.drafts.sending(id, message),
    onKept: async () => {
      watcher.inOutbox?.(true);
      await mail.drafts.remove(id);
    },
    onRefused: async () => {
      watcher.inOutbox?.(false);
      await mail.drafts.save(draft);
    },
  });
}

async function findAnswered(mail: Mail, id: string) {
  try {
    return await mail.openMessage(id);
  } catch (error) {
    if (isSealpostError(error, "no-such-message")) return null;
    throw error;
  }
}

/** The attachments of the message that a draft passes on, in temporary files until disposed of. */
async function forwardedBy(
  mail: Mail,
  draft: Written,
  fetched: TemporaryMessage | undefined,
): Promise<AsyncDisposable & { readonly sources: readonly AttachmentSource[] }> {
  if (draft.forwards === undefined) {
    return { sources: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const message = fetched ?? await mail.fetch(await mail.openMessage(draft.forwards));
  const folder = await Deno.makeTempDir({ dir: mail.tempFolder() });
  const dispose = () => Deno.remove(folder, { recursive: true }).catch(() => {});
  try {
    const sources: AttachmentSource[] = [];
    await parseMessage(message.stream(), {
      attachment: async ({ name }, content) => {
        const path = await saveAttachment(folder, name, content);
        sources.push({ ...await attachmentFromFile(path) });
      },
    });
    return { sources, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  } finally {
    if (message !== fetched) await message.dispose();
  }
}
