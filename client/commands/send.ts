import { resolve } from "@std/path";
import { fromUtf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { readFileBounded } from "../../files/atomic_file.ts";
import { MAX_TEXT } from "../../protocol/limits.ts";
import type { Mail } from "../mail.ts";
import { attachmentFromFile } from "../message/attachments.ts";
import { withSignature } from "../message/reply.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import { sendDraft } from "../send_draft.ts";
import { type Draft, emptyDraft } from "../state/drafts.ts";
import { confirmEmptyMessage } from "../terminal/empty_message.ts";
import { confirmMissingAttachment } from "../terminal/mentions.ts";
import type { Tools } from "../terminal/programs.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { editAndConfirm, withAutosave } from "../terminal/write_draft.ts";
import { type CommonOptions, type Context, holdFor, tellSent, withMail } from "./common.ts";

/** What `send` was given. */
export interface SendOptions extends CommonOptions {
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string;
  /** Files to attach. */
  readonly attach: readonly string[];
  /** A file with the text; `-` or nothing for standard input. */
  readonly file?: string;
  readonly tools: Tools | null;
}

/** Where the text of a message comes from. */
export interface TextSource {
  /** A file; `-` or nothing for standard input. */
  readonly file: string | undefined;
  /** The person's editor, if there is one. */
  readonly tools: Tools | null;
  /** What goes below the text, wherever that comes from. */
  readonly below?: string;
  /** What an editor is given to begin with, if it is not what goes below. */
  readonly quoted?: string;
  /** The message that is forwarded. */
  readonly forwarded?: TemporaryMessage;
}

/** Four bytes a character at the most. */
const MAX_TEXT_BYTES = 4 * MAX_TEXT;

/**
 * The `send` command: sends one message and prints its id. Recipients and attachments are checked
 * before the text is read. Throws what {@linkcode Mail.send} throws.
 */
export async function send(options: SendOptions): Promise<void> {
  const { subject, file, tools } = options;
  const to = listed(options.to);
  const cc = listed(options.cc);
  const bcc = listed(options.bcc);
  const edited = file === undefined && await tools?.hasEditor();
  if (to.length + cc.length + bcc.length === 0 && !edited) {
    throw new SealpostError("usage", "send needs somebody to send to: --to NAME");
  }
  const attachments = await attachedPaths(options.attach);
  await withMail(options, async (context) => {
    const draft = { ...emptyDraft(), to, cc, bcc, subject, attachments };
    await writeAndSend(context, draft, { file, tools });
  }, "write");
}

/** Recipients, each once, from values that may hold several, separated by commas or semicolons. */
export function listed(values: readonly string[]): string[] {
  const all = values.flatMap((value) => value.split(/[;,]/)).map((name) => name.trim());
  return [...new Set(all.filter((name) => name !== ""))];
}

/** The absolute paths of files to attach, each of which can be read. Throws why one cannot. */
export async function attachedPaths(paths: readonly string[]): Promise<string[]> {
  for (const path of paths) await attachmentFromFile(path);
  return paths.map((path) => resolve(path));
}

/**
 * Takes the text of a message from a file, a pipe or the person, sends it with what `draft` says, and
 * prints its id. What a person writes is saved as a draft until it is in the outbox. Throws what
 * {@linkcode sendDraft} throws, `limit`, `cancelled`.
 */
export async function writeAndSend(
  context: Context,
  draft: Draft,
  source: TextSource,
): Promise<void> {
  const { terminal, mail } = context;
  const { file, below, forwarded } = source;
  const sending = {
    note: (line: string) => terminal.printError(line),
    hold: holdFor(context),
    ...forwarded && { forwarded },
  };
  const above = (text: string) => below === undefined ? text : `${text}\n${below}`;
  // What comes out of a file or a pipe is sent as it is.
  const whole = (text: string) => above(withSignature(text, mail.signature));
  // Before the text is taken: what cannot be sealed for them would be lost.
  const recipients = [...draft.to, ...draft.cc, ...draft.bcc];
  // A later list of a group may have come.
  if (mail.namesFollowed(recipients)) await mail.refresh();
  await mail.recipients((await mail.recipientNames(recipients)).names);
  if (!terminal.interactive || (file ?? "-") !== "-") {
    const written = { ...draft, text: above(await readText(terminal, file)) };
    await confirmEmptyMessage(terminal, written);
    await confirmMissingAttachment(terminal, written);
    return tellSent(context, written, await sendDraft(mail, written, sending));
  }
  const tools = await source.tools?.hasEditor() ? source.tools : null;
  const start = tools ? { ...draft, text: firstText(source.quoted, whole, mail.signature) } : draft;
  const [written, sent] = await withAutosave(terminal, mail.drafts, start, async (autosaved) => {
    if (tools) {
      await editAndConfirm(terminal, mail.drafts, tools, autosaved, (draft) => {
        return recipientProblem(mail, draft);
      });
    } else {
      const prompt = "Text, ended by a line that is a single .:";
      const text = await terminal.askText(prompt, (text) => {
        autosaved.type(() => whole(text()));
      });
      if (text === null) throw new SealpostError("cancelled", "nothing was sent");
      autosaved.type(() => whole(text));
    }
    const draft = await autosaved.save();
    await confirmEmptyMessage(terminal, draft);
    await confirmMissingAttachment(terminal, draft);
    const sent = await sendDraft(mail, draft, {
      ...sending,
      inOutbox: (there) => autosaved.settled = there,
    });
    return [draft, sent] as const;
  });
  tellSent(context, written, sent);
}

/** What an editor is given to begin with. */
function firstText(
  quoted: string | undefined,
  whole: (text: string) => string,
  signature: string,
): string {
  return quoted === undefined ? whole("") : withSignature(quoted, signature);
}

/** Why a recipient of `draft` cannot be written to; null if all can, as far as is known. */
async function recipientProblem(mail: Mail, { to, cc, bcc }: Draft): Promise<string | null> {
  try {
    await mail.recipients((await mail.recipientNames([...to, ...cc, ...bcc])).names);
    return null;
  } catch (error) {
    if (isSealpostError(error, "no-such-user", "no-key")) return error.message;
    // What the server cannot be asked now, it is asked when the message is sent.
    if (isSealpostError(error)) return null;
    throw error;
  }
}

/** The text of a message from a file, or standard input up to its end. */
async function readText(terminal: Terminal, file = "-"): Promise<string> {
  if (file === "-") return await terminal.readRest();
  try {
    return fromUtf8(await readFileBounded(file, MAX_TEXT_BYTES)).replace(/^\ufeff/, "");
  } catch (error) {
    if (!isSealpostError(error, "limit")) throw error;
    throw new SealpostError(
      "limit",
      `${file} has over ${MAX_TEXT} characters; send it with --attach`,
      { cause: error },
    );
  }
}
