import type { MimeNode, SplitterChunk } from "@zone-eu/mailsplit";
import { pipeline } from "node:stream/promises";
import { type Bytes, concat } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { messageIds, nameOf } from "./mail_names.ts";
import { type TransferDecoder, transferDecoder } from "./transfer_decoding.ts";

/** What a message may demand. More than that is refused, except for the text, which is cut. */
export interface ParseLimits {
  /** Size of the header of one part, bytes. */
  readonly header: number;
  /** Size of the headers of all parts together, bytes. */
  readonly headers: number;
  /** How deep parts are nested in parts. */
  readonly depth: number;
  /** Number of parts. */
  readonly parts: number;
  /** Text and HTML together, bytes after decoding: what is beyond is left out. */
  readonly text: number;
}

export const PARSE_LIMITS: ParseLimits = {
  header: 64 * 1024,
  headers: 1024 * 1024,
  depth: 32,
  parts: 1000,
  text: 4 * 1024 * 1024,
};

/** The headers of a message that are of use here. Users of Sealpost stand as their names. */
export interface ParsedHeaders {
  /** A user's name or, from other systems, an address with an `@`; null if there is none. */
  readonly from: string | null;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly subject: string;
  readonly date: Date | null;
  /** The text form of the message id or, from other systems, an id with an `@`. */
  readonly messageId: string | null;
  readonly inReplyTo: string | null;
  /** Oldest first. */
  readonly references: readonly string[];
}

/** An attachment as the message calls it: a name for people, never a path to use. */
export interface AttachmentPart {
  /** As it stands in the message; {@linkcode safeName} makes a file name of it. */
  readonly name: string;
  /** A media type, as `type/subtype` in lower case. */
  readonly type: string;
  /** Counts the attachments, from 1. */
  readonly index: number;
}

/** A message without the contents of its attachments. */
export interface ParsedMessage {
  readonly headers: ParsedHeaders;
  /** The text parts in their order, with LF; HTML parts that have no text beside them as text. */
  readonly text: string;
  /** The HTML parts, or null if there are none. */
  readonly html: string | null;
  /** Whether text was left out because it was over the limit. */
  readonly truncated: boolean;
  readonly attachments: readonly (AttachmentPart & { readonly size: number })[];
}

/** Who takes what is too large to be returned. */
export interface ParseHandlers {
  /**
   * Called for each attachment in turn, with its decoded content. Parsing goes on when the promise
   * resolves; content that was not read by then is passed over. What it throws ends the parsing.
   */
  attachment(part: AttachmentPart, content: AsyncIterable<Bytes>): Promise<void>;
}

/**
 * Reads a message (RFC 5322 and MIME) from `source`, whose chunks must not be changed after they
 * were handed over. Streaming: memory stays within a few times the limits whatever the message is,
 * and every step takes time proportional to its input.
 *
 * Throws `limit` for a message beyond `limits`, what `source` and the handler throw, and nothing
 * else: a message that breaks the rules of MIME is read as well as it can be.
 */
export async function parseMessage(
  source: AsyncIterable<Bytes>,
  handlers: ParseHandlers,
  limits: ParseLimits = PARSE_LIMITS,
): Promise<ParsedMessage> {
  // Loaded when the first message is read, to keep the start of the program short.
  const [{ default: mailsplit }, { default: libmime }, { default: addresses }, { htmlToText }] =
    await Promise.all([
      import("@zone-eu/mailsplit"),
      import("libmime"),
      import("nodemailer/addressparser"),
      import("./html_text.ts"),
    ]);
  const splitter = new mailsplit.Splitter({
    maxHeadSize: limits.header,
    maxChildNodes: limits.parts,
    // An attached message is an attachment like any other; its own parts are not ours.
    ignoreEmbedded: true,
  });
  const tools: Tools = {
    decodeWords: (text) => libmime.decodeWords(text),
    decodeFlowed: (text, delSp) => libmime.decodeFlowed(text, delSp),
    extension: (type) => libmime.detectExtension(type),
    addresses: (header) => addresses(header, { flatten: true }).map(({ address }) => address ?? ""),
    htmlToText,
  };
  const parser = new Parser(handlers, limits, tools);
  try {
    await pipeline(source, splitter, (chunks: AsyncIterable<SplitterChunk>) => parser.run(chunks));
  } catch (error) {
    throw refusal(error);
  }
  return parser.message();
}

/** What is used of the libraries. */
interface Tools {
  /** Undoes encoded words (RFC 2047). */
  decodeWords(text: string): string;
  /** Undoes the soft breaks of format=flowed (RFC 3676). */
  decodeFlowed(text: string, delSp: boolean): string;
  /** The usual file name extension of a media type. */
  extension(type: string): string;
  /** The addresses in a header such as To. */
  addresses(header: string): string[];
  htmlToText(html: string): string;
}

function refusal(error: unknown): SealpostError {
  if (isSealpostError(error)) return error;
  if (error instanceof Error && "code" in error && error.code === "EMAXLEN") {
    return new SealpostError("limit", "the message has too many parts or too large a header", {
      cause: error,
    });
  }
  return new SealpostError("format", "the message cannot be read", { cause: error });
}

/** A text part, in its place among the others. */
interface TextPart {
  readonly kind: "plain" | "html";
  readonly content: string;
  /** The multipart/alternative it stands in. */
  readonly alternative: MimeNode | null;
}

const NO_HEADERS: ParsedHeaders = {
  from: null,
  to: [],
  cc: [],
  subject: "",
  date: null,
  messageId: null,
  inReplyTo: null,
  references: [],
};

class Parser {
  #headers = NO_HEADERS;
  #headerBytes = 0;
  #textBytes = 0;
  #truncated = false;
  readonly #texts: TextPart[] = [];
  readonly #attachments: (AttachmentPart & { size: number })[] = [];

  constructor(
    readonly handlers: ParseHandlers,
    readonly limits: ParseLimits,
    readonly tools: Tools,
  ) {}

  async run(chunks: AsyncIterable<SplitterChunk>): Promise<void> {
    const input = new Lookahead(chunks[Symbol.asyncIterator]());
    for (let chunk = await input.next(); chunk !== null; chunk = await input.next()) {
      if (chunk.type !== "node") continue;
      this.#check(chunk);
      if (chunk.root) this.#headers = readHeaders(chunk, this.tools);
      if (chunk.multipart) continue;
      const text = textKind(chunk);
      if (text === null) await this.#attachment(chunk, input);
      else await this.#text(text, chunk, input);
    }
  }

  message(): ParsedMessage {
    const withText = new Set<MimeNode>();
    const html: string[] = [];
    for (const { kind, content, alternative } of this.#texts) {
      if (kind === "html") html.push(content);
      else if (alternative !== null) withText.add(alternative);
    }
    let text = "";
    for (const { kind, content, alternative } of this.#texts) {
      if (kind === "html" && alternative !== null && withText.has(alternative)) continue;
      if (text !== "" && !text.endsWith("\n")) text += "\n";
      text += kind === "plain" ? content : this.tools.htmlToText(content);
    }
    return {
      headers: this.#headers,
      text,
      html: html.length === 0 ? null : html.join("\n"),
      truncated: this.#truncated,
      attachments: this.#attachments,
    };
  }

  #check(node: MimeNode): void {
    this.#headerBytes += node._headerlen;
    let depth = 0;
    for (let up = node.parentNode; up; up = up.parentNode) depth++;
    if (this.#headerBytes > this.limits.headers || depth > this.limits.depth) {
      throw new SealpostError("limit", "the message has too large headers or too deep parts");
    }
  }

  async #text(kind: "plain" | "html", node: MimeNode, input: Lookahead): Promise<void> {
    const pieces: Bytes[] = [];
    for await (const piece of new PartBody(node, input)) {
      const room = this.limits.text - this.#textBytes;
      if (piece.length > room) this.#truncated = true;
      if (room > 0 && piece.length > 0) pieces.push(piece.slice(0, room));
      this.#textBytes += Math.min(room, piece.length);
    }
    let text = decodeText(concat(...pieces), node.charset || "utf-8").replaceAll("\r\n", "\n");
    if (node.flowed) text = this.tools.decodeFlowed(text, node.delSp);
    let alternative: MimeNode | null = null;
    for (let up = node.parentNode; up && alternative === null; up = up.parentNode) {
      if (up.multipart === "alternative") alternative = up;
    }
    this.#texts.push({ kind, content: text, alternative });
  }

  async #attachment(node: MimeNode, input: Lookahead): Promise<void> {
    const index = this.#attachments.length + 1;
    const type = mediaType(node.contentType || "");
    const name = node.filename || `attachment-${index}.${this.tools.extension(type)}`;
    const part = { name, type, index };
    const body = new PartBody(node, input);
    await this.handlers.attachment(part, body);
    // What the handler left, so that the size is right.
    while (await body.read() !== null);
    this.#attachments.push({ ...part, size: body.size });
  }
}

/** The splitter's chunks, of which the next can be looked at before it is taken. */
class Lookahead {
  #ahead: SplitterChunk | null = null;

  constructor(readonly chunks: AsyncIterator<SplitterChunk>) {}

  async next(): Promise<SplitterChunk | null> {
    const ahead = this.#ahead;
    this.#ahead = null;
    if (ahead !== null) return ahead;
    const { done, value } = await this.chunks.next();
    return done ? null : value;
  }

  /** The next bytes of the body of the part that was taken last; null at its end. */
  async body(): Promise<Uint8Array | null> {
    const chunk = await this.next();
    if (chunk?.type === "body") return chunk.value;
    this.#ahead = chunk;
    return null;
  }
}

/** The decoded content of one part, which can be read once. */
class PartBody implements AsyncIterable<Bytes> {
  /** Bytes read so far. */
  size = 0;
  #ended = false;
  readonly #decoder: TransferDecoder;

  constructor(node: MimeNode, readonly input: Lookahead) {
    this.#decoder = transferDecoder(node.encoding || "");
  }

  /** The next piece, which may be empty; null at the end. */
  async read(): Promise<Bytes | null> {
    if (this.#ended) return null;
    const raw = await this.input.body();
    this.#ended = raw === null;
    const piece = raw === null ? this.#decoder.finish() : this.#decoder.update(raw);
    this.size += piece.length;
    return piece;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes> {
    for (let piece = await this.read(); piece !== null; piece = await this.read()) {
      if (piece.length > 0) yield piece;
    }
  }
}

/** Whether a part is text to show; null if it is an attachment. */
function textKind(node: MimeNode): TextPart["kind"] | null {
  // Text that has a name was attached, whatever its disposition: nobody should miss the file.
  if (node.filename || (node.disposition || "inline") !== "inline") return null;
  if (node.contentType === "text/plain") return "plain";
  return node.contentType === "text/html" ? "html" : null;
}

function mediaType(type: string): string {
  return /^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}$/.test(type)
    ? type
    : "application/octet-stream";
}

/** Text in any charset of the Encoding Standard; every other is taken for UTF-8. */
function decodeText(bytes: Bytes, charset: string): string {
  // A byte order mark at the beginning is kept: in UTF-8 it is a character like any other.
  const options = { ignoreBOM: true };
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(charset.trim(), options);
  } catch {
    decoder = new TextDecoder("utf-8", options);
  }
  return decoder.decode(bytes);
}

function readHeaders(node: MimeNode, tools: Tools): ParsedHeaders {
  const { headers } = node;
  if (!headers) return NO_HEADERS;
  const people = (key: string) =>
    tools.addresses(headers.getFirst(key)).filter((address) => address.includes("@")).map(nameOf);
  const ids = (key: string) => messageIds(headers.getFirst(key));
  const date = new Date(headers.getFirst("date"));
  return {
    from: people("from")[0] ?? null,
    to: people("to"),
    cc: people("cc"),
    subject: tools.decodeWords(headers.getFirst("subject")),
    date: Number.isNaN(date.getTime()) ? null : date,
    messageId: ids("message-id")[0] ?? null,
    inReplyTo: ids("in-reply-to")[0] ?? null,
    references: ids("references"),
  };
}
