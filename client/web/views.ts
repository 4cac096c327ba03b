import { fromBase64 } from "../../crypto/bytes.ts";
import { printable } from "../../cli/printable.ts";
import type { Mail } from "../mail.ts";
import type { Item } from "../mailbox/open.ts";
import type { OwnNames } from "../mailbox/own_names.ts";
import type { Draft, SavedDraft } from "../state/drafts.ts";
import type { Pin } from "../state/pins.ts";
import type { Waiting } from "../state/outbox.ts";
import { lookalikes, verification } from "../trust/verification.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { rowOf } from "../tui/rows.ts";
import { basename } from "@std/path";
import type {
  ContactView,
  DraftFileView,
  DraftView,
  OutboxView,
  PersonView,
  RecipientView,
  RowView,
  TrustView,
} from "./types.ts";

/** The row of a message. */
export function rowView(mail: Mail, item: Item, names: OwnNames): RowView {
  const row = rowOf(item, {
    me: mail.name,
    names,
    trust: (name, fp) => trustOf(mail, name, fp),
    fullName: (name) => mail.fullNameOf(name),
  });
  const { fresh, answered, flagged, keywords, who, trust, date, attachments, broken } = row;
  const { uid, folder } = item.entry;
  return {
    uid,
    folder,
    fresh,
    answered,
    flagged,
    keywords,
    who,
    trust,
    subject: item.keyChangedOf === null ? row.subject : "",
    date,
    attachments,
    broken,
  };
}

/** How far a key, in base64, is trusted as that of a name. */
function trustOf(mail: Mail, name: string, fp: string): TrustView {
  if (name === mail.name) return "unknown";
  const { verified, mark } = mail.people.verification(name, fromBase64(fp));
  return verified ? "verified" : mark === "!" ? "changed" : "unknown";
}

/** Somebody whom a message names. */
export function personView(mail: Mail, { name, fp }: { name: string; fp: string }): PersonView {
  return { name, trust: trustOf(mail, name, fp) };
}

/** Somebody whose key is known. */
export function contactView(pin: Pin, known: readonly string[]): ContactView {
  const { mark, words, verified } = verification(pin);
  return {
    name: pin.name,
    trust: verified ? "verified" : mark === "!" ? "changed" : "unknown",
    words,
    fingerprint: formatFingerprint(pin.fp),
    since: pin.firstSeen,
    lookalikes: verified ? [] : lookalikes(pin.name, known),
    former: pin.former.map(({ fp, until }) => ({ fingerprint: formatFingerprint(fp), until }))
      .reverse(),
  };
}

/** Somebody whom a message can be written to, or a group of `members`. */
export function recipientView(
  mail: Mail,
  name: string,
  members: readonly string[] | null,
): RecipientView {
  if (members !== null) {
    return { name, trust: "unknown", fullName: "", words: members.join(", ") };
  }
  const pin = mail.people.pins.get(name);
  const fullName = printable(mail.fullNameOf(name)?.text ?? "");
  if (!pin) return { name, trust: "unknown", fullName, words: "" };
  const { mark, words, verified } = verification(pin);
  const trust = verified ? "verified" : mark === "!" ? "changed" : "unknown";
  return { name, trust, fullName, words };
}

/** What a forwarded attachment is called to the program. */
export const FORWARD = "forward:";

/** A file of this machine that is attached to a draft. */
export async function fileView(path: string): Promise<DraftFileView> {
  const { size } = await Deno.stat(path).catch(() => ({ size: 0 }));
  return { name: printable(basename(path)), size, key: path };
}

/** A draft as a page writes it. */
export async function draftView(draft: Draft | SavedDraft): Promise<DraftView> {
  const files: DraftFileView[] = (draft.forwards?.attachments ?? []).map(
    ({ index, name, size }) => ({ name: printable(name), size, key: `${FORWARD}${index}` }),
  );
  for (const path of draft.attachments) files.push(await fileView(path));
  const { id, to, cc, bcc, subject, text } = draft;
  return {
    id,
    to,
    cc,
    bcc,
    subject,
    text,
    files,
    answers: draft.answers !== undefined,
    savedAt: "savedAt" in draft ? draft.savedAt : null,
  };
}

/** A message of the outbox. */
export function outboxView(me: string, waiting: Waiting, refused: boolean): OutboxView {
  const { id, size, recipients } = waiting.request;
  const names = recipients.map(({ name }) => name).filter((name) => name !== me);
  return {
    id,
    to: names.length === 0 ? [me] : names,
    size,
    // The id begins with the time, in milliseconds.
    date: parseInt(id.slice(0, 8) + id.slice(9, 13), 16),
    refused,
    why: waiting.why === null ? null : printable(waiting.why),
  };
}
