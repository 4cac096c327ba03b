import { formatTime } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import { SealpostError } from "../../crypto/error.ts";
import { MAX_TITLE } from "../../protocol/limits.ts";
import { OPERATOR } from "../../protocol/name.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import type { ForwardedAttachment } from "../state/draft_text.ts";
import { type Draft, emptyDraft } from "../state/drafts.ts";
import { boundedReferences } from "./compose.ts";
import { fullMessageId, messageIds } from "./mail_names.ts";
import type { Unsealed } from "./unseal.ts";

/**
 * A reply to `opened` by the user `me`, without text. `all`: to everybody it went to as well. A reply
 * to what one sent oneself goes to those it was sent to. Throws `usage` for an announcement.
 */
export function replyTo(opened: Unsealed, me: string, all: boolean): Draft {
  const { from, to, cc, subject } = opened.summary;
  if (from.name === OPERATOR) {
    throw new SealpostError(
      "usage",
      "an announcement cannot be answered: the server has no mailbox; ask its operator in another way",
    );
  }
  const others = (people: readonly { name: string }[]) => {
    return people.map(({ name }) => name).filter((name) => name !== me);
  };
  const first = from.name === me ? others(to) : [from.name];
  const recipients = [...new Set([...first, ...all ? others(to) : []])];
  if (recipients.length === 0) recipients.push(me);
  const copies = all ? others(cc).filter((name) => !recipients.includes(name)) : [];
  return {
    ...emptyDraft(),
    to: recipients,
    cc: [...new Set(copies)],
    subject: prefixed("Re:", subject),
    answers: formatMessageId(opened.id),
  };
}

/** The References of a reply to `opened`: those of its own, and its Message-ID. Ids with an `@`. */
export function threadOf({ id, summary }: Unsealed): string[] {
  const { references, inReplyTo, messageId = formatMessageId(id) } = summary;
  const before = references ?? (inReplyTo === undefined ? [] : [inReplyTo]);
  // Others may have written into their summaries what is no id.
  const ids = [...before, messageId].flatMap((one) => messageIds(fullMessageId(one)));
  return [...boundedReferences([...new Set(ids)].map(fullMessageId))];
}

/** The line that a signature begins with (RFC 3676, 4.3). */
const SIGNATURE = "-- ";

/** `text` with `signature` below it; without one, as it is. */
export function withSignature(text: string, signature: string): string {
  if (signature.trim() === "") return text;
  return `${text.replace(/\n*$/, "\n")}\n${SIGNATURE}\n${signature.trimEnd()}\n`;
}

/** `text`, the text of `opened`, as a reply quotes it. */
export function quotation({ summary: { from, stored, date } }: Unsealed, text: string): string {
  const quoted = text.trimEnd().split("\n").map((line) => {
    return line.startsWith(">") ? `>${line}` : line === "" ? ">" : `> ${line}`;
  });
  return [`On ${formatTime(date)}, ${printable(stored?.from ?? from.name)} wrote:`, ...quoted, ""]
    .join("\n");
}

/** A draft that forwards `opened` with `attachments`, to nobody yet and without text. */
export function forwardOf(opened: Unsealed, attachments: readonly ForwardedAttachment[]): Draft {
  return {
    ...emptyDraft(),
    subject: prefixed("Fwd:", opened.summary.subject),
    forwards: {
      message: formatMessageId(opened.id),
      attachments: attachments.map(({ index, name, size }) => ({ index, name, size })),
    },
  };
}

/** `text`, the text of `opened`, as a draft that forwards it has it below its own text. */
export function forwardedText({ summary }: Unsealed, text: string): string {
  return [
    "---------- Forwarded message ----------",
    `From: ${printable(summary.stored?.from ?? summary.from.name)}`,
    `Date: ${formatTime(summary.date)}`,
    `Subject: ${printable(summary.subject)}`,
    "",
    text,
  ].join("\n");
}

/** `subject` with `prefix` before it, once, within the limit of a subject. */
function prefixed(prefix: string, subject: string): string {
  const whole = subject.toLowerCase().startsWith(prefix.toLowerCase())
    ? subject
    : `${prefix} ${subject}`;
  return [...whole].slice(0, MAX_TITLE).join("");
}
