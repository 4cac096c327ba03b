import { SealpostError } from "../../crypto/error.ts";
import { parseName } from "../../protocol/name.ts";
import { emptyDraft } from "../state/drafts.ts";
import type { Tools } from "../terminal/programs.ts";
import { type CommonOptions, withMail } from "./common.ts";
import { attachedPaths, writeAndSend } from "./write.ts";

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

/**
 * The `send` command: sends one message and prints its id. Recipients and attachments are looked at
 * before the text is read. Throws what {@linkcode Mail.send} throws.
 */
export async function send(options: SendOptions): Promise<void> {
  const to = names(options.to);
  const cc = names(options.cc);
  const bcc = names(options.bcc);
  const edited = options.file === undefined && await options.tools?.hasEditor();
  if (to.length + cc.length + bcc.length === 0 && !edited) {
    throw new SealpostError("usage", "send needs somebody to send to: --to NAME");
  }
  const attachments = await attachedPaths(options.attach);
  await withMail(options, async (context) => {
    await context.mail.people.find([...to, ...cc, ...bcc]);
    const draft = { ...emptyDraft(), to, cc, bcc, subject: options.subject, attachments };
    await writeAndSend(context, draft, { file: options.file, tools: options.tools });
  }, "offline");
}

/** Names, each once, from values that may hold several, separated by commas or semicolons. */
export function names(values: readonly string[]): string[] {
  const all = values.flatMap((value) => value.split(/[;,]/)).map((name) => name.trim());
  return [...new Set(all.filter((name) => name !== "").map(parseName))];
}
