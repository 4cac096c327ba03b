import { fromUtf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { readFileBounded } from "../../protocol/atomic_file.ts";
import { MAX_TEXT } from "../../protocol/limits.ts";
import { parseName } from "../../protocol/name.ts";
import { attachmentFromFile } from "../attachments.ts";
import { type CommonOptions, type Context, withMail } from "./common.ts";

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
}

/** Four bytes a character at the most. */
const MAX_TEXT_BYTES = 4 * MAX_TEXT;

/**
 * The `send` command: sends one message and prints its id. Recipients and attachments are looked at
 * before the text is read. Throws what {@linkcode Mail.send} throws.
 */
export async function send(options: SendOptions): Promise<void> {
  const to = names(options.to);
  const cc = names(options.cc);
  const bcc = names(options.bcc);
  if (to.length + cc.length + bcc.length === 0) {
    throw new SealpostError("usage", "send needs somebody to send to: --to NAME");
  }
  const attachments = await Promise.all(options.attach.map(attachmentFromFile));
  await withMail(options, async (context) => {
    await context.mail.people.find([...to, ...cc, ...bcc]);
    const text = await readText(context, options.file);
    const { id } = await context.mail.send({
      to,
      cc,
      bcc,
      subject: options.subject,
      text,
      attachments,
    });
    if (context.json) context.printJson({ id });
    else context.terminal.print(id);
  });
}

/** Names, each once, from values that may hold several, separated by commas or semicolons. */
export function names(values: readonly string[]): string[] {
  const all = values.flatMap((value) => value.split(/[;,]/)).map((name) => name.trim());
  return [...new Set(all.filter((name) => name !== "").map(parseName))];
}

/** The text of a message: from a file, or standard input up to its end (a single `.` at a terminal). */
export async function readText(context: Context, file: string | undefined): Promise<string> {
  if (file !== undefined && file !== "-") {
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
  if (context.terminal.interactive) {
    const text = await context.terminal.askText("Text, ended by a line that is a single .:");
    if (text === null) throw new SealpostError("cancelled", "nothing was sent");
    return text;
  }
  return await context.terminal.readRest();
}
