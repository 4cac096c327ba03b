import { SealpostError } from "../../crypto/error.ts";
import { MAX_TITLE } from "../../protocol/limits.ts";
import { printable } from "../../cli/printable.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { emptyDraft } from "../state/drafts.ts";
import type { Mail } from "../mail.ts";
import type { Tools } from "../terminal/programs.ts";
import { formatTime } from "../mailbox/show.ts";
import type { Opened } from "../mailbox/open.ts";
import { type CommonOptions, withMail } from "./common.ts";
import { names } from "./send.ts";
import { attachedPaths, writeAndSend } from "./write.ts";

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
  readonly file?: string;
  readonly tools: Tools | null;
}

/** The `reply` command. */
export async function reply(options: ReplyOptions): Promise<void> {
  const attachments = await attachedPaths(options.attach);
  await withMail(options, async (context) => {
    const { mail } = context;
    const answers = await mail.openMessage(options.id);
    const { from, to, cc, subject } = answers.summary;
    const others = (people: readonly { name: string }[]) => {
      return people.map(({ name }) => name).filter((name) => name !== mail.name);
    };
    // A reply to what one sent oneself goes to those it was sent to.
    const first = from.name === mail.name ? others(to) : [from.name];
    const recipients = [...new Set([...first, ...options.all ? others(to) : []])];
    if (recipients.length === 0) recipients.push(mail.name);
    const copies = options.all ? others(cc).filter((name) => !recipients.includes(name)) : [];
    const draft = {
      ...emptyDraft(),
      to: recipients,
      cc: copies,
      subject: prefixed("Re:", subject),
      attachments,
      answers: formatMessageId(answers.id),
    };
    const { file, tools } = options;
    const edited = file === undefined && await tools?.hasEditor();
    const quoted = edited ? { quoted: await quotedText(mail, answers) } : {};
    await writeAndSend(context, draft, { file, tools, ...quoted });
  }, "offline");
}

/** The `forward` command: the text of a message under an own one, and its attachments. */
export async function forward(options: ForwardOptions): Promise<void> {
  const to = names(options.to);
  if (to.length === 0) {
    throw new SealpostError("usage", "forward needs somebody to send to: --to NAME");
  }
  const attachments = await attachedPaths(options.attach);
  await withMail(options, async (context) => {
    const { mail } = context;
    const opened = await mail.openMessage(options.id);
    await mail.people.find(to);
    const draft = {
      ...emptyDraft(),
      to,
      subject: prefixed("Fwd:", opened.summary.subject),
      attachments,
      forwards: formatMessageId(opened.id),
    };
    const message = await mail.fetch(opened);
    try {
      const { text } = await mail.show(opened, message);
      const below = forwardedText(opened, text);
      await writeAndSend(context, draft, {
        file: options.file,
        tools: options.tools,
        below,
        forwarded: message,
      });
    } finally {
      await message.dispose();
    }
  }, "offline");
}

/** The text of a message as an answer quotes it. */
async function quotedText(mail: Mail, opened: Opened): Promise<string> {
  const message = await mail.fetch(opened);
  try {
    const { text } = await mail.show(opened, message);
    const { from, date } = opened.summary;
    const lines = text.trimEnd().split("\n").map((line) => line === "" ? ">" : `> ${line}`);
    return [`On ${formatTime(date)}, ${from.name} wrote:`, ...lines, "", ""].join("\n");
  } finally {
    await message.dispose();
  }
}

/** The text of a message as it is passed on. */
function forwardedText(opened: Opened, text: string): string {
  const { from, subject, date } = opened.summary;
  return [
    "---------- Forwarded message ----------",
    `From: ${from.name}`,
    `Date: ${formatTime(date)}`,
    `Title: ${printable(subject)}`,
    "",
    text,
  ].join("\n");
}

/** `subject` with `prefix` before it, once, within the limit of a title. */
function prefixed(prefix: string, subject: string): string {
  const whole = subject.toLowerCase().startsWith(prefix.toLowerCase())
    ? subject
    : `${prefix} ${subject}`;
  return [...whole].slice(0, MAX_TITLE).join("");
}
