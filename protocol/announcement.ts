import { type Bytes, concat, toBase64, utf8 } from "../crypto/bytes.ts";
import { formatMessageId } from "./uuid.ts";

/** What follows the `@` in the RFC 5322 form of names: reserved, nobody's (RFC 2606). */
const DOMAIN = "sealpost.invalid";

/** The operator's address in a message: what is before the `@` is no user's name. */
export const OPERATOR_ADDRESS = `the=operator@${DOMAIN}`;

/** Characters of base64 in a line (RFC 2045, section 6.8). */
const LINE = 76;
/** Bytes of text in an encoded word, which has at most 75 characters (RFC 2047, section 2). */
const WORD = 42;

/** What an announcement says. */
export interface AnnouncementContent {
  /** 16 bytes. */
  readonly id: Bytes;
  /** On one line. */
  readonly subject: string;
  /** Lines end with LF. */
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly date: number;
}

/** The RFC 5322 message that an announcement is: plain text, in base64. */
export function announcementMessage({ id, subject, text, date }: AnnouncementContent): {
  readonly bytes: Bytes;
  /** Its Message-ID, without `<` and `>`. */
  readonly messageId: string;
  /** Its Content-Type. */
  readonly type: string;
} {
  const messageId = `${formatMessageId(id)}@${DOMAIN}`;
  const type = "text/plain; charset=utf-8";
  const lines = [
    `From: The operator <${OPERATOR_ADDRESS}>`,
    "To: Everyone:;",
    `Subject: ${encodedWords(subject)}`,
    `Date: ${new Date(date).toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${messageId}>`,
    "MIME-Version: 1.0",
    `Content-Type: ${type}`,
    "Content-Transfer-Encoding: base64",
    "",
    ...toBase64(utf8(text.replaceAll("\n", "\r\n"))).match(new RegExp(`.{1,${LINE}}`, "g")) ?? [],
    "",
  ];
  return { bytes: utf8(lines.join("\r\n")), messageId, type };
}

/** A text of a header: as it is if it is ASCII, else in words of UTF-8 and base64 (RFC 2047), folded. */
function encodedWords(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes("=?")) return text;
  const words: Bytes[] = [];
  for (const character of text) {
    const bytes = utf8(character);
    const last = words.at(-1);
    if (last && last.length + bytes.length <= WORD) words[words.length - 1] = concat(last, bytes);
    else words.push(bytes);
  }
  return words.map((word) => `=?utf-8?B?${toBase64(word)}?=`).join("\r\n ");
}
