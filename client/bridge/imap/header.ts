import addressparser from "nodemailer/lib/addressparser";
import { imapString, nilOr } from "./output.ts";

/** A field of a header: its name as it stands there, and its whole text without the last line end. */
export interface HeaderField {
  /** In lower case. */
  readonly name: string;
  readonly text: string;
}

/** The fields of a header, one character a byte or as text; lines that are no field are left out. */
export function headerFields(header: string): HeaderField[] {
  const fields: HeaderField[] = [];
  for (const text of header.split(/\r?\n(?![ \t])/)) {
    const [, name] = /^([!-9;-~]+)[ \t]*:/.exec(text) ?? [];
    if (name !== undefined) fields.push({ name: name.toLowerCase(), text });
  }
  return fields;
}

/** The unfolded value of the first field called `name`; null if there is none. */
export function fieldValue(fields: readonly HeaderField[], name: string): string | null {
  const text = fields.find((field) => field.name === name)?.text;
  if (text === undefined) return null;
  return text.slice(text.indexOf(":") + 1).replace(/\r?\n/g, "").trim();
}

/** Most addresses of one field that are shown. */
const MAX_ADDRESSES = 1000;

/** The ENVELOPE of a header (RFC 9051, section 7.5.2). */
export function formatEnvelope(fields: readonly HeaderField[]): string {
  const value = (name: string) => fieldValue(fields, name);
  const from = addresses(value("from"));
  const parts = [
    nilOr(value("date")),
    nilOr(value("subject")),
    from,
    addresses(value("sender"), from),
    addresses(value("reply-to"), from),
    addresses(value("to")),
    addresses(value("cc")),
    addresses(value("bcc")),
    nilOr(value("in-reply-to")),
    nilOr(value("message-id")),
  ];
  return `(${parts.join(" ")})`;
}

function addresses(value: string | null, otherwise = "NIL"): string {
  if (value === null || value === "") return otherwise;
  const list: string[] = [];
  for (const one of addressparser(value).slice(0, MAX_ADDRESSES)) {
    if (one.group) {
      list.push(`(NIL NIL ${imapString(one.name ?? "")} NIL)`);
      for (const member of one.group) list.push(formatAddress(member.name, member.address));
      list.push("(NIL NIL NIL NIL)");
    } else list.push(formatAddress(one.name, one.address));
  }
  return list.length === 0 ? otherwise : `(${list.join("")})`;
}

function formatAddress(name = "", address = ""): string {
  const at = address.lastIndexOf("@");
  const local = at < 0 ? address : address.slice(0, at);
  const host = at < 0 ? "" : address.slice(at + 1);
  return `(${nilOr(name === "" ? null : name)} NIL ${imapString(local)} ${imapString(host)})`;
}
