import { SealpostError } from "../../crypto/error.ts";
import type { Mail } from "../mail.ts";
import { forwardedText, forwardOf, quotation, replyTo } from "../message/reply.ts";
import type { Opened } from "../mailbox/open.ts";
import { formatSize } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import type { ForwardedAttachment } from "../state/draft_text.ts";
import type { Tools } from "../terminal/programs.ts";
import { type CommonOptions, withMail } from "./common.ts";
import { attachedPaths, listed, writeAndSend } from "./send.ts";

/** What `reply` was given. */
export interface ReplyOptions extends CommonOptions {
  readonly id: string;
  /** Whether all other recipients get it too. */
  readonly all: boolean;
  readonly attach: readonly string[];
  readonly file?: string;
  readonly tools: Tools | null;
}

/** What `forward` was given. */
export interface ForwardOptions extends CommonOptions {
  readonly id: string;
  readonly to: readonly string[];
  readonly attach: readonly string[];
  /** Attachments of the message that are not forwarded: their numbers, or `all`. */
  readonly omit: readonly string[];
  readonly file?: string;
  readonly tools: Tools | null;
}

/** The `reply` command. */
export async function reply(options: ReplyOptions): Promise<void> {
  const { file, tools } = options;
  const attachments = await attachedPaths(options.attach);
  await withMail(options, async (context) => {
    const { mail } = context;
    const answered = await mail.openMessage(options.id);
    const draft = { ...replyTo(answered, mail.name, options.all), attachments };
    const edited = file === undefined && await tools?.hasEditor();
    const quoted = edited ? { quoted: await quotedText(mail, answered) } : {};
    await writeAndSend(context, draft, { file, tools, ...quoted });
  }, "write");
}

/** The text of a message, quoted, as an editor is given it. */
async function quotedText(mail: Mail, opened: Opened): Promise<string> {
  const message = await mail.fetch(opened);
  try {
    const { text } = await mail.show(opened, message);
    return `${quotation(opened, text)}\n`;
  } finally {
    await message.dispose();
  }
}

/** The `forward` command: the text of a message below one's own, and its attachments. */
export async function forward(options: ForwardOptions): Promise<void> {
  const to = listed(options.to);
  if (to.length === 0) {
    throw new SealpostError("usage", "forward needs somebody to send to: --to NAME");
  }
  const own = await attachedPaths(options.attach);
  await withMail(options, async (context) => {
    const { mail } = context;
    const opened = await mail.openMessage(options.id);
    const message = await mail.fetch(opened);
    try {
      const { text, attachments } = await mail.show(opened, message);
      const kept = withoutOmitted(attachments, options.omit);
      for (const { index, name, size } of kept) {
        context.terminal.printError(`forwards ${index}: ${name}, ${formatSize(size)}`);
      }
      const draft = { ...forwardOf(opened, kept), to, attachments: own };
      await writeAndSend(context, draft, {
        file: options.file,
        tools: options.tools,
        below: forwardedText(opened, text),
        forwarded: message,
      });
    } finally {
      await message.dispose();
    }
  }, "write");
}

/** Those of `attachments` that are not omitted. Throws `usage` for a number that none has. */
function withoutOmitted(
  attachments: readonly ForwardedAttachment[],
  omitted: readonly string[],
): readonly ForwardedAttachment[] {
  const numbers = new Set<number>();
  for (const value of omitted.flatMap((text) => text.split(",")).map((text) => text.trim())) {
    if (value === "all") return [];
    const index = /^\d{1,4}$/.test(value) ? Number(value) : 0;
    if (!attachments.some((one) => one.index === index)) {
      const some = attachments.map(({ index, name }) => `${index} (${name})`).join(", ");
      throw new SealpostError(
        "usage",
        `the message has no attachment ${printable(JSON.stringify(value.slice(0, 40)))}; ${
          some === "" ? "nothing is attached to it" : `it has ${some}`
        }`,
      );
    }
    numbers.add(index);
  }
  return attachments.filter(({ index }) => !numbers.has(index));
}
