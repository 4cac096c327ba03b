import { type Bytes, random, toBase64, toHex } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { printable } from "../../cli/printable.ts";
import { Base64Lines, base64LinesSize } from "./base64_lines.ts";
import { addressOf, messageIdHeader } from "./mail_names.ts";

/** Most attachments of one message, so that it stays within what `parseMessage` takes. */
export const MAX_ATTACHMENTS = 500;

/** Most ids in a References header: the first, which names the thread, and the latest. */
const MAX_REFERENCES = 50;

/** `references`, or where they are too many, the first of them and the latest. */
export function boundedReferences(references: readonly string[]): readonly string[] {
  return references.length <= MAX_REFERENCES
    ? references
    : [...references.slice(0, 1), ...references.slice(1 - MAX_REFERENCES)];
}

/** A file to send. */
export interface AttachmentSource {
  /** The name that the recipient sees. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** The content from its beginning; may be called again for another attempt to send. */
  open(): Promise<ReadableStream<Bytes>>;
}

/** What a message is composed of. Names are canonical names of users. */
export interface MessageContent {
  readonly from: string;
  readonly to: readonly string[];
  readonly cc?: readonly string[];
  readonly subject: string;
  /** Lines end with LF or CRLF. */
  readonly text: string;
  readonly date: Date;
  /** The text form of the message id. */
  readonly messageId: string;
  /** As {@linkcode ParsedHeaders.messageId} gives it. */
  readonly inReplyTo?: string;
  /** As {@linkcode ParsedHeaders.references} gives them, oldest first. */
  readonly references?: readonly string[];
  readonly attachments: readonly AttachmentSource[];
  /** For a draft: what its program keeps of it, words of ASCII; see {@linkcode DRAFT_HEADER}. */
  readonly draft?: string;
}

/** The header field with what this program keeps of a draft: never in a message that is sent. */
export const DRAFT_HEADER = "X-Sealpost-Draft";

/** A composed message (RFC 5322 and MIME). */
export interface Composed {
  /** Its Content-Type, without a boundary. */
  readonly type: string;
  /** Exact size of what `stream` gives, bytes. */
  readonly size: number;
  /**
   * The message. Each call gives the same bytes again, as long as the files stay the same. Throws
   * `file-io` if a file has another size now than it had, or cannot be read.
   */
  stream(): AsyncIterable<Bytes>;
}

/**
 * Composes a message as RFC 5322 and MIME, UTF-8. Text and attachments are in base64, so that the
 * text comes out exactly as it went in, whatever its lines look like, and so that the size is known
 * before any file is read: the library writes the message with a marker in the place of each
 * attachment, and `stream` puts the base64 of the files there. There is never a Bcc header.
 *
 * Throws `format` if a name or id is not one, `limit` for more than 500 attachments.
 */
export async function composeMessage(content: MessageContent): Promise<Composed> {
  const { attachments } = content;
  if (attachments.length > MAX_ATTACHMENTS) {
    throw new SealpostError("limit", `a message has at most ${MAX_ATTACHMENTS} attachments`);
  }
  // Base64 of 48 random bytes: one line, and in no other place of the message.
  const markers = attachments.map(() => toBase64(random(48)));
  const pieces = split(await skeleton(content, markers), markers);
  const type = typeOf(pieces[0] ?? new Uint8Array(0));
  let size = 0;
  for (const piece of pieces) size += piece.length;
  for (const attachment of attachments) size += base64LinesSize(attachment.size);
  return {
    size,
    type,
    async *stream() {
      for (const [i, piece] of pieces.entries()) {
        yield piece;
        const attachment = attachments[i];
        if (attachment !== undefined) yield* encode(attachment);
      }
    },
  };
}

/** The media type in the header of a message that {@linkcode skeleton} made. */
function typeOf(message: Bytes): string {
  const [header = ""] = new TextDecoder().decode(message).split("\r\n\r\n");
  const [, type = "text/plain"] = /^content-type: *(\S[^]*?)\r\n(?![ \t])/im
    .exec(`${header}\r\n`) ?? [];
  return type.replace(/\s+/g, " ").replace(/; boundary=.*$/, "");
}

/** The whole message, with `markers` in the place of the base64 of its attachments. */
async function skeleton(content: MessageContent, markers: readonly string[]): Promise<Bytes> {
  // Loaded when the first message is written, to keep the start of the program short.
  const [{ default: MailComposer }, mime] = await Promise.all([
    import("nodemailer/lib/mail-composer"),
    import("nodemailer/lib/mime-funcs"),
  ]);
  const references = content.references ?? [];
  // A byte order mark says how a file is written, and is no part of what it says.
  const text = content.text.replace(/^\ufeff/, "");
  const composer = new MailComposer({
    from: mailbox(content.from),
    to: content.to.map(mailbox),
    cc: (content.cc ?? []).map(mailbox),
    date: content.date,
    messageId: messageIdHeader(content.messageId),
    inReplyTo: content.inReplyTo === undefined ? undefined : messageIdHeader(content.inReplyTo),
    references: boundedReferences(references).map(messageIdHeader),
    headers: [
      ...content.subject === "" ? [] : [{
        key: "Subject",
        value: subjectHeader(content.subject.toWellFormed(), mime.encodeWord),
      }],
      ...content.draft === undefined ? [] : [{
        key: DRAFT_HEADER,
        value: { prepared: true, foldLines: true, value: content.draft },
      }],
    ],
    text: text === "" ? "" : {
      content: text.toWellFormed().replace(/\r?\n/g, "\r\n"),
      contentTransferEncoding: "base64",
    },
    attachments: content.attachments.map(({ name }, i) => ({
      filename: name.toWellFormed(),
      content: markers[i],
      encoding: "base64",
      contentType: attachmentType(mime.detectMimeType(name)),
      contentDisposition: "attachment",
      contentTransferEncoding: "base64",
    })),
    baseBoundary: toHex(random(16)),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return new Uint8Array(await composer.compile().build());
}

function mailbox(name: string): { name: string; address: string } {
  return { name: "", address: addressOf(name) };
}

/**
 * An unstructured header is read with encoded words decoded, folds removed and its ends trimmed;
 * whatever would not come out of that as it went in is written as encoded words (RFC 2047).
 */
function subjectHeader(
  subject: string,
  encodeWord: (text: string, encoding: "B", maxLength: number) => string,
): { prepared: boolean; foldLines: boolean; value: string } {
  const plain = /^[!-~]+(?: [!-~]+)*$/.test(subject) && !subject.includes("=?");
  // Encoded words end at spaces only, where the library folds.
  const value = plain ? subject : encodeWord(subject, "B", 52);
  return { prepared: true, foldLines: true, value };
}

/** A message or multipart must not be in base64 (RFC 2046, section 5.2.1), so it is just a file. */
function attachmentType(detected: string): string {
  return /^(?:message|multipart)\//i.test(detected) ? "application/octet-stream" : detected;
}

/** The pieces of `message` between `markers`, which are there once each and in this order. */
function split(message: Bytes, markers: readonly string[]): Bytes[] {
  const text = new TextDecoder("latin1").decode(message);
  const pieces: Bytes[] = [];
  let from = 0;
  for (const marker of markers) {
    const at = text.indexOf(marker, from);
    if (at < 0) throw new SealpostError("internal", "an attachment has no place in the message");
    pieces.push(message.subarray(from, at));
    from = at + marker.length;
  }
  pieces.push(message.subarray(from));
  return pieces;
}

/** The base64 of the content of `source`. */
async function* encode(source: AttachmentSource): AsyncGenerator<Bytes> {
  const encoder = new Base64Lines();
  let size = 0;
  try {
    for await (const chunk of await source.open()) {
      size += chunk.length;
      if (size > source.size) throw changed(source);
      yield encoder.update(chunk);
    }
  } catch (error) {
    throw wrapFileError(error, `read ${printable(source.name)}`);
  }
  if (size !== source.size) throw changed(source);
  yield encoder.finish();
}

function changed(source: AttachmentSource): SealpostError {
  return new SealpostError(
    "file-io",
    `${printable(source.name)} changed while it was being sent; send the message again`,
  );
}
