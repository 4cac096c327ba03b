import { MAX_TITLE } from "../../protocol/limits.ts";
import { printable } from "../../cli/printable.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { emptyDraft, type Written } from "../state/drafts.ts";
import { formatTime } from "../mailbox/show.ts";
import type { Opened } from "../mailbox/open.ts";

/** A reply to `opened`, with its text quoted. `all`: to everybody it went to as well. */
export function replyTo(opened: Opened, text: string, me: string, all: boolean): Written {
  const { from, to, cc, subject, date } = opened.summary;
  const others = (people: readonly { name: string }[]) => {
    return people.map(({ name }) => name).filter((name) => name !== me);
  };
  // A reply to what one sent oneself goes to those it was sent to.
  const first = from.name === me ? others(to) : [from.name];
  const recipients = [...new Set([...first, ...all ? others(to) : []])];
  if (recipients.length === 0) recipients.push(me);
  const copies = all ? others(cc).filter((name) => !recipients.includes(name)) : [];
  return {
    ...emptyDraft(),
    to: recipients,
    cc: [...new Set(copies)],
    subject: prefixed("Re:", subject),
    text: `\n\nOn ${formatTime(date)}, ${from.name} wrote:\n${quote(text)}\n`,
    answers: formatMessageId(opened.id),
  };
}

/** A message that passes `opened` on, attachments and all. */
export function forwardOf(opened: Opened, text: string): Written {
  const { from, subject, date } = opened.summary;
  return {
    ...emptyDraft(),
    subject: prefixed("Fwd:", subject),
    text: [
      "",
      "",
      "---------- Forwarded message ----------",
      `From: ${from.name}`,
      `Date: ${formatTime(date)}`,
      `Title: ${printable(subject)}`,
      "",
      text,
    ].join("\n"),
    forwards: formatMessageId(opened.id),
  };
}

/** Every line of `text` marked as somebody else's. */
function quote(text: string): string {
  return text.replace(/\s+$/, "").split("\n")
    .map((line) => line.startsWith(">") ? `>${line}` : line === "" ? ">" : `> ${line}`)
    .join("\n");
}

/** `subject` with `prefix` before it, once, within the limit of a title. */
function prefixed(prefix: string, subject: string): string {
  const whole = subject.toLowerCase().startsWith(prefix.toLowerCase())
    ? subject
    : `${prefix} ${subject}`;
  return [...whole].slice(0, MAX_TITLE).join("");
}
