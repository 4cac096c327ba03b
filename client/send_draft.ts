import { isSealpostError, SealpostError } from "../crypto/error.ts";
import type { Mail, Sent } from "./mail.ts";
import { saveAttachments } from "./mailbox/show.ts";
import { attachmentFromFile } from "./message/attachments.ts";
import type { AttachmentSource } from "./message/compose.ts";
import type { TemporaryMessage } from "./message/temporary_message.ts";
import type { Opened } from "./mailbox/open.ts";
import { type Draft, emptyDraft, type SavedDraft, shortDraftId } from "./state/drafts.ts";

/** What {@linkcode sendDraft} reports on its way. */
export interface SendDraftOptions {
  /** Told, in a sentence, what is not as the draft has it. */
  readonly note: (line: string) => void;
  /** Told whether the outbox has the message now: the draft needs no saving then. */
  readonly inOutbox?: (there: boolean) => void;
  /** The message that the draft forwards, if it was fetched already. */
  readonly forwarded?: TemporaryMessage;
  /** Asked when the message is in the outbox, before it goes out: false if the person takes it back. */
  readonly hold?: (() => Promise<boolean>) | undefined;
}

/** That a person has taken back what they sent: it is a draft again. */
export class TakenBackError extends SealpostError {
  constructor(readonly draft: SavedDraft) {
    const short = shortDraftId(draft.id);
    super(
      "cancelled",
      `taken back, and nothing was sent; "drafts edit ${short}" goes on with it`,
    );
  }
}

/**
 * Checks a draft, sends it, and removes it as soon as its message is in the outbox, and cannot be taken back
 * any more, unless it was given another text meanwhile; if the server refuses the message for good it is a
 * draft again. Throws `usage` if it is not fit to be sent, what is wrong with an attachment, {@linkcode TakenBackError}, and what {@linkcode Mail.send} throws.
 */
export async function sendDraft(
  mail: Mail,
  draft: Draft | SavedDraft,
  options: SendDraftOptions,
): Promise<Sent> {
  const { id, subject, text } = draft;
  const known = "savedAt" in draft ? draft.savedAt : null;
  if ("sentAs" in draft && await mail.isOnItsWay(draft)) {
    throw new SealpostError(
      "usage",
      "this was sent, and another program may still take it back; look again in a moment",
    );
  }
  if (draft.unparsed) {
    throw new SealpostError(
      "usage",
      `the headers of this draft cannot be read; "drafts edit ${shortDraftId(id)}" opens it`,
    );
  }
  const named = async (written: readonly string[]) => {
    const { names, notes } = await mail.recipientNames(written);
    for (const note of notes) options.note(note);
    return names;
  };
  const [to, cc, bcc] = [await named(draft.to), await named(draft.cc), await named(draft.bcc)];
  if (to.length + cc.length + bcc.length === 0) {
    throw new SealpostError("usage", "there is nobody to send this to; write a name after To:");
  }
  const own = await Promise.all(draft.attachments.map(attachmentFromFile));
  const answers = draft.answers === undefined ? null : await findAnswered(mail, draft.answers);
  if (draft.answers !== undefined && answers === null) {
    options.note("The message that this one answers is not in your mailbox any more.");
  }
  await using forwarded = await forwardedAttachments(mail, draft, options.forwarded);
  let takenBack: SavedDraft | null = null;
  const { hold } = options;
  const leave = async () => {
    if (known !== null) await mail.drafts.removeSent(id, known);
  };
  const sending = mail.send({
    to,
    cc,
    bcc,
    subject,
    text,
    attachments: [...forwarded.sources, ...own],
    ...answers && { answers },
    onSealed: async (message) => {
      if (known !== null) await mail.drafts.sending(id, known, message);
    },
    onKept: async () => {
      options.inOutbox?.(true);
      if (!hold) await leave();
    },
    onRefused: async () => {
      options.inOutbox?.(false);
      await mail.drafts.saveOver(draft, known);
    },
    ...hold && {
      // Until then the draft stays, and with it the files that other machines have attached.
      hold: async () => {
        const goesOut = await hold();
        if (goesOut) await leave();
        return goesOut;
      },
    },
    onTakenBack: async () => {
      // The id of one that was removed meanwhile is used up: other machines were told so.
      const stays = known !== null && await mail.drafts.has(mail.drafts.idNow(id, known));
      takenBack = stays
        ? (await mail.drafts.saveOver(draft, known)).draft
        : await mail.drafts.save({ ...draft, id: emptyDraft().id });
    },
  });
  return await sending.catch((error) => {
    throw takenBack && isSealpostError(error, "cancelled") ? new TakenBackError(takenBack) : error;
  });
}

/** The message that a draft answers; null if it is not in the mailbox any more. */
async function findAnswered(mail: Mail, id: string): Promise<Opened | null> {
  try {
    return await mail.openMessage(id);
  } catch (error) {
    if (isSealpostError(error, "no-such-message")) return null;
    throw error;
  }
}

/** The attachments that a draft forwards, in temporary files until disposed of. */
export async function forwardedAttachments(
  mail: Mail,
  { forwards }: Draft,
  fetched: TemporaryMessage | undefined,
): Promise<AsyncDisposable & { readonly sources: readonly AttachmentSource[] }> {
  const only = new Set(forwards?.attachments.map(({ index }) => index));
  if (forwards === undefined || only.size === 0) {
    return { sources: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const message = fetched ?? await mail.fetch(await mail.openMessage(forwards.message));
  const folder = await Deno.makeTempDir({ dir: mail.tempFolder() });
  const dispose = () => Deno.remove(folder, { recursive: true }).catch(() => {});
  try {
    const paths = await saveAttachments(message, folder, { only });
    const sources = await Promise.all(paths.map(attachmentFromFile));
    return { sources, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  } finally {
    if (message !== fetched) await message.dispose();
  }
}
