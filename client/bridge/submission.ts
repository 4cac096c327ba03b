import { createHash } from "node:crypto";
import addressparser from "nodemailer/lib/addressparser";
import libmime from "libmime";
import { passing } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { MAX_TITLE } from "../../protocol/limits.ts";
import { isName } from "../../protocol/name.ts";
import { MAX_REFERENCES } from "../../protocol/summary.ts";
import { formatMessageId, newMessageId } from "../../protocol/uuid.ts";
import { EVERYONE } from "../../protocol/name.ts";
import type { Mail, ReadyMessage, Sent } from "../mail.ts";
import type { Recipients } from "../mailbox/recipients.ts";
import { DRAFT_HEADER } from "../message/compose.ts";
import { addressOf, fullMessageId, messageIds, nameOf } from "../message/mail_names.ts";
import { parseMessage } from "../message/parse.ts";
import type { MessageToStore, SummaryHeaders } from "../message/seal.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import { mailDate, VERIFIED } from "./given.ts";
import { fieldValue, type HeaderField, headerFields } from "./imap/header.ts";
import { fromBinary } from "./imap/parser.ts";
import { readHeader } from "./raw_header.ts";

// Messages that other programs have composed: what is sealed of them, and what is refused.

/** Longest text of a header that a summary has, characters. */
const MAX_TEXT = 998;

/** Longest Content-Type that a summary has, characters. */
const MAX_TYPE = 200;

/**
 * Fields that do not go out: who gets blind copies, there and in what a front end keeps of a draft, and
 * what the bridge says of a message.
 */
const OWN = new Set(
  ["Bcc", "Resent-Bcc", DRAFT_HEADER, VERIFIED].map((name) => name.toLowerCase()),
);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The name of the user that a mail program means by an address. Throws `no-such-user`. */
export function userOf(mail: Mail, address: string): string {
  return mail.recipientName(nameOf(address.trim()));
}

/**
 * Whom the addresses of one message mean. Each is looked up once: who gets the message, whom its header
 * names and who is told to get it are the same, whatever the server says of `everyone` meanwhile.
 */
export class Addressees {
  readonly #mail: Mail;
  readonly #known = new Map<string, Promise<Recipients>>();
  readonly #notes = new Set<string>();

  constructor(mail: Mail) {
    this.#mail = mail;
  }

  /** In sentences, whom `everyone` is among the addresses that were looked up. */
  get notes(): readonly string[] {
    return [...this.#notes];
  }

  /**
   * The users that a mail program means by addresses, each once; the members of a group take its place.
   * Throws as {@linkcode Mail.recipientNames} does.
   */
  async users(addresses: readonly string[]): Promise<string[]> {
    const users = new Set<string>();
    for (const address of addresses) {
      const name = userOf(this.#mail, address);
      const found = this.#known.get(name) ?? this.#mail.recipientNames([name]);
      this.#known.set(name, found);
      const { names, notes } = await found;
      for (const one of names) users.add(one);
      for (const note of notes) this.#notes.add(note);
    }
    return [...users];
  }
}

/** Throws `usage` unless `address` is that of whoever sends. */
export function requireOwn(mail: Mail, address: string): void {
  try {
    if (userOf(mail, address) === mail.name) return;
  } catch (error) {
    if (!isSealpostError(error, "no-such-user")) throw error;
  }
  throw new SealpostError(
    "usage",
    `you are ${addressOf(mail.name)} here; nobody sends as somebody else`,
  );
}

/** What a message of a mail program was sent as. */
export interface Submitted extends Sent {
  /** In sentences, whom `everyone` was. */
  readonly notes: readonly string[];
  /** Its Message-ID, without `<` and `>`. */
  readonly messageId: string;
}

/**
 * Sends a message that another program has composed, to `recipients`, canonical names that `addressees`
 * gave; with null to those whom its header names. Throws `usage` if it is from somebody else or to nobody, `format`,
 * `limit`, and what {@linkcode Mail.sendReady} throws.
 */
export async function submit(
  mail: Mail,
  message: TemporaryMessage,
  recipients: readonly string[] | null,
  addressees = new Addressees(mail),
): Promise<Submitted> {
  const header = await readHeader(message);
  const fields = headerFields(header.text);
  for (const name of ["from", "sender"]) {
    for (const field of fields.filter((one) => one.name === name)) {
      for (const address of addressesIn([field])) requireOwn(mail, address);
    }
  }
  const users = async (name: string) => {
    const written = addressesIn(fields.filter((field) => field.name === name));
    return await addressees.users(
      written.filter((address) => recipients === null || isUser(mail, address)),
    );
  };
  const named = { to: await users("to"), cc: await users("cc"), bcc: await users("bcc") };
  const all = new Set(recipients ?? [...named.to, ...named.cc, ...named.bcc]);
  if (all.size === 0) throw new SealpostError("usage", "the message is to nobody");
  const to = only(named.to, all);
  const cc = only(named.cc.filter((name) => !to.includes(name)), all);
  const id = newMessageId();
  const shown = await Promise.all(fields.map((field) => withMembers(mail, field, addressees)));
  const start = outgoingHeader(header.text, shown, mail.name, formatMessageId(id));
  const ready: ReadyMessage = {
    ...await summarized(start.fields, message),
    to,
    cc,
    bcc: [...all].filter((name) => !to.includes(name) && !cc.includes(name)),
    composed: {
      size: start.bytes.length + message.size - header.bodyFrom,
      async *stream() {
        yield start.bytes;
        yield* passing(message.read(header.bodyFrom, message.size));
      },
    },
  };
  const sent = await mail.sendReady(ready, {}, id);
  return { ...sent, messageId: ready.headers.messageId ?? "", notes: addressees.notes };
}

/** Whether `address` is one of this server's; mail goes to nobody else. */
function isUser(mail: Mail, address: string): boolean {
  try {
    userOf(mail, address);
    return true;
  } catch (error) {
    if (isSealpostError(error, "no-such-user")) return false;
    throw error;
  }
}

/**
 * A field of a header, in which a group is spelled out: others do not know it, and answer to all. One
 * without a group is as it was.
 */
async function withMembers(
  mail: Mail,
  field: HeaderField,
  addressees: Addressees,
): Promise<HeaderField> {
  if (field.name !== "to" && field.name !== "cc") return field;
  const colon = field.text.indexOf(":");
  const people = addressparser(field.text.slice(colon + 1).replace(/\r?\n/g, ""), {
    flatten: true,
  });
  let grouped = false;
  const shown: string[] = [];
  for (const { name = "", address = "" } of people) {
    const [only = ""] = parseAddresses(address || name);
    if (only !== "" && isUser(mail, only) && isGroup(mail, userOf(mail, only))) {
      grouped = true;
      shown.push(...(await addressees.users([only])).map(addressOf));
      continue;
    }
    shown.push(name === "" || address === "" ? address || name : `${phrase(name)} <${address}>`);
  }
  if (!grouped) return field;
  const text = `${field.text.slice(0, colon)}: ${[...new Set(shown)].join(",\r\n ")}`;
  return { ...field, text };
}

/** Whether a name stands for several people. */
function isGroup(mail: Mail, name: string): boolean {
  return name === EVERYONE || mail.knownGroups.some((group) => group.name === name);
}

/** A display name as a header has it (RFC 5322, section 3.2.5). */
function phrase(name: string): string {
  return /^[\w !#$%&'*+\/=?^`{|}~-]+$/.test(name) ? name : `"${name.replace(/["\\]/g, "\\$&")}"`;
}

function only(names: readonly string[], of: ReadonlySet<string>): string[] {
  return [...new Set(names)].filter((name) => of.has(name));
}

/** The header as it goes out: without what is the sender's own, and with what every message has. */
function outgoingHeader(text: string, fields: readonly HeaderField[], own: string, id: string) {
  const blank = /\r?\n\r?\n$/.exec(text)?.[0] ?? "\r\n\r\n";
  const end = blank.startsWith("\r") ? "\r\n" : "\n";
  const kept = fields.filter(({ name }) => !OWN.has(name));
  const has = (name: string) => kept.some((field) => field.name === name);
  const added = [
    ...has("from") ? [] : [`From: ${addressOf(own)}`],
    ...has("date") ? [] : [`Date: ${mailDate(Date.now())}`],
    ...has("message-id") ? [] : [`Message-ID: <${fullMessageId(id)}>`],
  ];
  const lines = [...added, ...kept.map(({ text }) => text)];
  return {
    bytes: fromBinary(`${lines.join(end)}${end}${end}`),
    fields: headerFields(lines.join("\r\n")),
  };
}

/** The addresses in fields such as To. */
export function addressesIn(fields: readonly HeaderField[]): string[] {
  return fields.flatMap(({ text }) => {
    return parseAddresses(text.slice(text.indexOf(":") + 1).replace(/\r?\n/g, ""));
  });
}

/** The addresses in a list of them; the name of a user stands for itself. */
export function parseAddresses(text: string): string[] {
  return addressparser(text, { flatten: true }).flatMap(({ address, name = "" }) => {
    return address || (isName(name.toLowerCase()) ? name : []);
  });
}

/** What a summary has of a message, but for the people. */
async function summarized(
  fields: readonly HeaderField[],
  message: TemporaryMessage,
): Promise<Pick<ReadyMessage, "subject" | "date" | "attachments" | "headers" | "inReplyTo">> {
  const value = (name: string) => fieldValue(fields, name) ?? "";
  const subject = textOf(value("subject")).replace(/\p{Cc}/gu, " ").trim();
  const date = Date.parse(value("date"));
  const references = messageIds(value("references"));
  const [inReplyTo] = messageIds(value("in-reply-to"));
  const headers: SummaryHeaders = defined({
    messageId: messageIdOf(fields),
    references: references.length === 0 ? undefined : bounded(references.map(fullMessageId)),
    replyTo: textOf(value("reply-to")).slice(0, MAX_TEXT) || undefined,
    type: typeOf(value("content-type")),
  });
  return {
    subject: [...subject.toWellFormed()].slice(0, MAX_TITLE).join(""),
    date: Number.isNaN(date) || date < 0 ? Date.now() : date,
    attachments: await attachmentsOf(message),
    headers,
    ...(inReplyTo !== undefined && UUID.test(inReplyTo) ? { inReplyTo } : {}),
  };
}

/** The Message-ID of a header as a summary has it; undefined if there is none. */
export function messageIdOf(fields: readonly HeaderField[]): string | undefined {
  const [id] = messageIds(fieldValue(fields, "message-id") ?? "");
  return id === undefined ? undefined : fullMessageId(id);
}

function bounded(references: readonly string[]): string[] {
  return references.length <= MAX_REFERENCES
    ? [...references]
    : [...references.slice(0, 1), ...references.slice(1 - MAX_REFERENCES)];
}

function textOf(value: string): string {
  // As bytes: some write UTF-8 there as it is.
  const text = new TextDecoder().decode(fromBinary(value));
  return libmime.decodeWords(text).toWellFormed();
}

/** A Content-Type without its boundary. */
function typeOf(value: string): string {
  const type = value.replace(/;\s*boundary\s*=\s*("[^"]*"|[^;\s]*)/gi, "").replace(/\s+/g, " ")
    .trim();
  return type === "" || type.length > MAX_TYPE ? "text/plain" : type;
}

/** Names and sizes of the attachments; none of a message that cannot be taken apart. */
async function attachmentsOf(
  message: TemporaryMessage,
): Promise<{ readonly name: string; readonly size: number }[]> {
  try {
    const parsed = await parseMessage(message.stream(), { attachment: () => Promise.resolve() });
    return parsed.attachments.map(({ name, size }) => ({ name: name.toWellFormed(), size }));
  } catch (error) {
    if (!isSealpostError(error, "limit", "format")) throw error;
    return [];
  }
}

/** What is sealed of a message that is stored and not sent, as it is. */
export async function readStored(
  message: TemporaryMessage,
  kind: "draft" | "import" | "saved",
): Promise<Omit<MessageToStore, "id" | "name" | "head" | "folder" | "receivedAt" | "flags">> {
  const { text } = await readHeader(message);
  const fields = headerFields(text);
  const { subject, date, attachments, headers } = await summarized(fields, message);
  const from = [...textOf(fieldValue(fields, "from") ?? "")].slice(0, MAX_TEXT).join("");
  return {
    stored: { kind, from, ...(kind === "import" ? { source: await hashOf(message) } : {}) },
    subject,
    date,
    attachments,
    headers,
    composed: { size: message.size, stream: () => passing(message.stream()) },
  };
}

/** SHA-256 of a message, base64. */
async function hashOf(message: TemporaryMessage): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of passing(message.stream())) hash.update(piece);
  return hash.digest("base64");
}
