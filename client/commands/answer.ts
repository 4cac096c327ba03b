import { SealpostError } from "../../crypto/error.ts";
import { MAX_TITLE } from "../../protocol/limits.ts";
import { printable } from "../../protocol/printable.ts";
import { attachmentFromFile } from "../attachments.ts";
import { formatTime, readForDisplay, saveAttachments } from "../show.ts";
import { type CommonOptions, openMessage, withMail } from "./common.ts";
import { names, readText } from "./send.ts";

/** What `reply` was given. */
export interface ReplyOptions extends CommonOptions {
  readonly id: string;
  /** Whether all other recipients get it too. */
  readonly all: boolean;
  readonly attach: readonly string[];
  readonly file?: string;
}

/** What `forward` was given. */
export interface ForwardOptions extends CommonOptions {
  readonly id: string;
  readonly to: readonly string[];
  readonly attach: readonly string[];
  readonly file?: string;
}

/** The `reply` command. */
export async function reply(options: ReplyOptions): Promise<void> {
  const attachments = await Promise.all(options.attach.map(attachmentFromFile));
  await withMail(options, async (context) => {
    const { mail } = context;
    const answers = await openMessage(mail, options.id);
    const { from, to, cc, subject } = answers.summary;
    const others = (people: readonly { name: string }[]) => {
      return people.map(({ name }) => name).filter((name) => name !== mail.name);
    };
    // A reply to what one sent oneself goes to those it was sent to.
    const first = from.name === mail.name ? others(to) : [from.name];
    const recipients = [...new Set([...first, ...options.all ? others(to) : []])];
    if (recipients.length === 0) recipients.push(mail.name);
    const copies = options.all ? others(cc).filter((name) => !recipients.includes(name)) : [];
    const { id } = await mail.send({
      to: recipients,
      cc: copies,
      subject: prefixed("Re:", subject),
      text: await readText(context, options.file),
      attachments,
      answers,
    });
    if (context.json) context.printJson({ id });
    else context.terminal.print(id);
  });
}

/** The `forward` command: the text of a message under an own one, and its attachments. */
export async function forward(options: ForwardOptions): Promise<void> {
  const to = names(options.to);
  if (to.length === 0) {
    throw new SealpostError("usage", "forward needs somebody to send to: --to NAME");
  }
  const attachments = await Promise.all(options.attach.map(attachmentFromFile));
  await withMail(options, async (context) => {
    const { mail } = context;
    const opened = await openMessage(mail, options.id);
    await mail.people.find(to);
    const own = await readText(context, options.file);
    const message = await mail.fetch(opened);
    const folder = await Deno.makeTempDir({ dir: mail.tempFolder() });
    try {
      const { text } = await readForDisplay(message);
      const forwarded = await saveAttachments(message, folder);
      const { from, subject, date } = opened.summary;
      const quoted = [
        own,
        "---------- Forwarded message ----------",
        `From: ${from.name}`,
        `Date: ${formatTime(date)}`,
        `Title: ${printable(subject)}`,
        "",
        text,
      ].join("\n");
      const { id } = await mail.send({
        to,
        subject: prefixed("Fwd:", subject),
        text: quoted,
        attachments: [...await Promise.all(forwarded.map(attachmentFromFile)), ...attachments],
      });
      if (context.json) context.printJson({ id });
      else context.terminal.print(id);
    } finally {
      await Deno.remove(folder, { recursive: true });
      await message.dispose();
    }
  });
}

/** `subject` with `prefix` before it, once, within the limit of a title. */
function prefixed(prefix: string, subject: string): string {
  const whole = subject.toLowerCase().startsWith(prefix.toLowerCase())
    ? subject
    : `${prefix} ${subject}`;
  return [...whole].slice(0, MAX_TITLE).join("");
}
