import { resolve } from "@std/path";
import { fromUtf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { readFileBounded } from "../../files/atomic_file.ts";
import { MAX_TEXT } from "../../protocol/limits.ts";
import { printable } from "../../cli/printable.ts";
import { attachmentFromFile } from "../message/attachments.ts";
import type { Written } from "../state/drafts.ts";
import { editDraft } from "../terminal/edit_draft.ts";
import type { Tools } from "../terminal/programs.ts";
import { askForForgotten } from "../terminal/mentions.ts";
import { sendDraft } from "../send_draft.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import { whileWriting, type Writing } from "../terminal/writing.ts";
import { type Context, tellSent } from "./common.ts";

/** Where the text of a message comes from. */
export interface TextSource {
  /** A file; `-` or nothing for standard input. */
  readonly file: string | undefined;
  /** The person's editor, if there is one. */
  readonly tools: Tools | null;
  /** What goes below the text. */
  readonly below?: string;
  /** What an editor is given to begin with. */
  readonly quoted?: string;
  /** The message that is passed on. */
  readonly forwarded?: TemporaryMessage;
}

/** Four bytes a character at the most. */
const MAX_TEXT_BYTES = 4 * MAX_TEXT;

/** The absolute paths of files to attach, each of which can be read. Throws why one cannot. */
export async function attachedPaths(paths: readonly string[]): Promise<string[]> {
  for (const path of paths) await attachmentFromFile(path);
  return paths.map((path) => resolve(path));
}

/**
 * Takes the text of a message from a file, a pipe, or the person, sends it with what `draft` says,
 * and prints its id. What a person writes is kept as a draft until it is in the outbox. Throws what
 * {@linkcode sendDraft} throws, `limit`, `cancelled`.
 */
export async function writeAndSend(
  context: Context,
  draft: Written,
  source: TextSource,
): Promise<void> {
  const { terminal, mail } = context;
  const watcher = {
    note: (line: string) => terminal.complain(line),
    ...(source.forwarded ? { forwarded: source.forwarded } : {}),
  };
  const whole = (text: string) => source.below === undefined ? text : `${text}\n${source.below}`;
  if (!terminal.interactive || (source.file ?? "-") !== "-") {
    const own = await readText(context, source.file);
    const attached = source.forwarded ? [source.forwarded] : draft.attachments;
    await askForForgotten(terminal, { text: own, attachments: attached });
    const text = whole(own);
    return tellSent(context, await sendDraft(mail, { ...draft, text }, watcher));
  }
  const tools = await source.tools?.hasEditor() ? source.tools : null;
  const start = tools ? { ...draft, text: source.quoted ?? whole("") } : draft;
  const sent = await whileWriting(terminal, mail.drafts, start, async (writing) => {
    if (!tools) await type(context, writing, whole);
    else await edit(context, tools, writing);
    await writing.keep();
    if (!source.forwarded) await askForForgotten(terminal, writing.draft);
    return await sendDraft(mail, writing.draft, {
      ...watcher,
      inOutbox: (there) => writing.settled = there,
    });
  });
  tellSent(context, sent);
}

async function type(
  { terminal }: Context,
  writing: Writing,
  whole: (text: string) => string,
): Promise<void> {
  const prompt = "Text, ended by a line that is a single .:";
  const text = await terminal.askText(prompt, (text) => writing.type(() => whole(text())));
  if (text === null) throw new SealpostError("cancelled", "nothing was sent");
  writing.type(() => whole(text));
}

/** Has the person write in the editor. Throws `cancelled` unless it is to be sent. */
async function edit({ terminal, mail }: Context, tools: Tools, writing: Writing): Promise<void> {
  if (!await editDraft(terminal, mail.drafts, tools, writing)) {
    await writing.discard();
    throw new SealpostError("cancelled", "the letter was left as it was; nothing was sent");
  }
  for (;;) {
    const { to, cc, bcc, subject } = writing.draft;
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
        await editDraft(terminal, mail.drafts, tools, writing);
        break;
      case "t":
        await writing.discard();
        throw new SealpostError("cancelled", "nothing was sent");
      case "d":
      case undefined:
        throw new SealpostError("cancelled", "nothing was sent");
    }
  }
}

/** The text of a message from a file, or standard input up to its end. */
async function readText({ terminal }: Context, file = "-"): Promise<string> {
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
