import { visible } from "../../cli/printable.ts";
import type { Bytes } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { DRAFT_HEADER } from "./compose.ts";
import { LineReader } from "./line_reader.ts";
import { messageIds, nameOf } from "./mail_names.ts";
import type { MimeEvent, MimePart, SplitLimits } from "./mime_splitter.ts";
import type { PartHeader } from "./part_header.ts";
import { MAX_REST, type TransferDecoder, transferDecoder } from "./transfer_decoding.ts";
import { decodeUuLine, isUuEnd, readUuBegin } from "./uuencode.ts";

/** What a message may demand. More than that is refused, except for the text, which is cut. */
export interface ParseLimits extends SplitLimits {
  /** Text and HTML together, bytes after decoding: what is beyond is left out. */
  readonly text: number;
  /** How wide a table in HTML may be to be shown as one, columns of a terminal. */
  readonly columns?: number;
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
  /** Of a draft: a message that was sent says nothing of them. */
  readonly bcc: readonly string[];
  readonly subject: string;
  readonly date: Date | null;
  /** The text form of the message id or, from other systems, an id with an `@`. */
  readonly messageId: string | null;
  readonly inReplyTo: string | null;
  /** Oldest first. */
  readonly references: readonly string[];
  /** The {@linkcode DRAFT_HEADER}; empty if there is none. */
  readonly draft: string;
  /** From and Reply-To as they are written, with names; empty if there is none. */
  readonly sender: string;
  readonly replyTo: string;
  /** The media type of the whole message, in lower case. */
  readonly type: string;
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
  /** What could not be read as it should be, or is not shown: a sentence each. */
  readonly notes: readonly string[];
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
 * and every step takes time proportional to its input. The result does not depend on how the source is
 * cut.
 *
 * Throws `limit` for a message beyond `limits`, what `source` and the handler throw, and nothing
 * else: a message that breaks the rules of MIME is read as well as it can be, nothing of it is passed
 * over without a note, and the notes name the way to see it as it came.
 */
export async function parseMessage(
  source: AsyncIterable<Bytes>,
  handlers: ParseHandlers,
  limits: ParseLimits = PARSE_LIMITS,
): Promise<ParsedMessage> {
  // Loaded when the first message is read, to keep the start of the program short.
  const [{ MimeSplitter }, { decodeText }, { unflow }, { htmlToText }, libmime, addresses] =
    await Promise.all([
      import("./mime_splitter.ts"),
      import("./charsets.ts"),
      import("./flowed_text.ts"),
      import("./html_text.ts"),
      import("libmime"),
      import("nodemailer/lib/addressparser"),
    ]);
  const tools: Tools = {
    decodeText,
    unflow,
    htmlToText: (html) => htmlToText(html, limits.columns),
    decodeWords: (text) => libmime.default.decodeWords(text),
    detectExtension: (type) => libmime.default.detectExtension(type),
    detectType: (name) => libmime.default.detectMimeType(name),
    addresses: (header) =>
      addresses.default(header, { flatten: true }).map(({ address }) => address ?? ""),
  };
  const splitter = new MimeSplitter(limits);
  const events = async function* (): AsyncGenerator<MimeEvent, void, undefined> {
    for await (const chunk of source) yield* splitter.push(chunk);
    yield* splitter.finish();
  };
  const parser = new Parser(handlers, tools, new EventReader(events()), limits);
  try {
    await parser.run();
  } catch (error) {
    if (isSealpostError(error)) throw error;
    throw new SealpostError("format", `the message cannot be read${SEE_RAW}`, { cause: error });
  }
  return parser.message();
}

/** The way to see a message that cannot be read. */
const SEE_RAW = "; `read --raw` shows it as it came";

/** What is used of modules that are loaded with the first message. */
interface Tools {
  readonly decodeText: typeof import("./charsets.ts").decodeText;
  readonly unflow: typeof import("./flowed_text.ts").unflow;
  htmlToText(html: string): string;
  /** Undoes encoded words (RFC 2047). */
  decodeWords(text: string): string;
  /** The usual file name extension of a media type. */
  detectExtension(type: string): string;
  /** The usual media type of a file of this name. */
  detectType(name: string): string;
  /** The addresses in a header such as To. */
  addresses(header: string): string[];
}

/** Where a text stands. */
interface TextPlace {
  /** The innermost multipart/alternative around it. */
  readonly alternative: MimePart | null;
  /** The part of `alternative` that it is, or stands in. */
  readonly branch: MimePart | null;
}

/** A text part, in its place among the others. */
interface TextPart extends TextPlace {
  readonly kind: "plain" | "html";
  readonly content: string;
}

/** What is known of a text before it is decoded. */
interface TextForm extends TextPlace {
  readonly kind: TextPart["kind"];
  readonly charset: string | null;
  readonly flowed: boolean;
  readonly delSp: boolean;
}

/** The form of text that no part claims. */
const UNCLAIMED: TextForm = {
  kind: "plain",
  charset: null,
  flowed: false,
  delSp: false,
  alternative: null,
  branch: null,
};

const NO_HEADERS: ParsedHeaders = {
  from: null,
  to: [],
  cc: [],
  bcc: [],
  subject: "",
  date: null,
  messageId: null,
  inReplyTo: null,
  references: [],
  draft: "",
  sender: "",
  replyTo: "",
  type: "text/plain",
};

class Parser {
  #headers: ParsedHeaders | null = null;
  #room: number;
  #truncated = false;
  readonly #texts: TextPart[] = [];
  readonly #attachments: (AttachmentPart & { size: number })[] = [];
  readonly #notes = new Set<string>();

  constructor(
    readonly handlers: ParseHandlers,
    readonly tools: Tools,
    readonly input: EventReader,
    readonly limits: ParseLimits,
  ) {
    this.#room = limits.text;
  }

  async run(): Promise<void> {
    for (let event = await this.input.next(); event; event = await this.input.next()) {
      if (event.type === "body") {
        if (!isBlank(event.bytes)) this.#notes.add("text follows the last part of the message");
        continue;
      }
      const { part } = event;
      this.#headers ??= readHeaders(part.header, this.tools);
      if (part.parent?.header.type === "message/rfc822") this.#heading(part.header);
      if (part.header.type.startsWith("multipart/")) await this.#multipart(part);
      else if (!part.container) {
        const kind = textKind(part);
        if (kind === null) await this.#attachment(part);
        else await this.#text(kind, part);
      }
    }
  }

  message(): ParsedMessage {
    const html: string[] = [];
    /** What of an alternative is HTML, with what stands beside it, such as a list's footer. */
    const branches = new Set<MimePart | null>();
    for (const { kind, content, branch } of this.#texts) {
      if (kind !== "html") continue;
      html.push(content);
      branches.add(branch);
    }
    /** Alternatives that are there as plain text too. */
    const withText = new Set<MimePart>();
    for (const { kind, content, alternative, branch } of this.#texts) {
      if (kind === "html" || alternative === null || branches.has(branch)) continue;
      if (visible(content).trim() !== "") withText.add(alternative);
    }
    let text = "";
    for (const { kind, content, alternative, branch } of this.#texts) {
      if (alternative !== null) {
        const chosen = withText.has(alternative) ? kind === "plain" : branches.has(branch);
        if (!chosen) continue;
      }
      if (text !== "" && !text.endsWith("\n")) text += "\n";
      text += kind === "plain" ? content : this.tools.htmlToText(content);
    }
    if (this.#truncated) this.#notes.add("the text is longer than can be shown");
    if (text.trim() === "" && html.join("").trim() !== "") {
      this.#notes.add("the message has nothing that can be shown as text");
    }
    return {
      headers: this.#headers ?? NO_HEADERS,
      text,
      html: html.length === 0 ? null : html.join("\n"),
      truncated: this.#truncated,
      notes: [...this.#notes].map((note) => note + SEE_RAW),
      attachments: this.#attachments,
    };
  }

  /** Passes over what stands before the parts of a multipart; shows it if no parts follow. */
  async #multipart(part: MimePart): Promise<void> {
    const pieces = new GrowingBytes(this.#room);
    for (let bytes = await this.input.body(part); bytes; bytes = await this.input.body(part)) {
      pieces.add(bytes);
    }
    const next = await this.input.peek();
    if (next?.type === "part" && next.part.parent === part) return;
    if (isBlank(pieces.bytes)) return;
    this.#notes.add("nothing separates the parts of the message, so they are shown as they came");
    this.#addText(pieces, UNCLAIMED);
  }

  /** Says whose message in a digest follows, and what it is about. */
  #heading(header: PartHeader): void {
    const lines = ["From", "Date", "Subject"].flatMap((name) => {
      const value = this.tools.decodeWords(header.first(name.toLowerCase()));
      return value === "" ? [] : [`${name}: ${value}`];
    });
    const before = this.#texts.length === 0 ? "" : "\n";
    const content = `${before}${lines.join("\n")}\n\n`;
    this.#texts.push({ kind: "plain", content, alternative: null, branch: null });
  }

  async #text(kind: TextPart["kind"], part: MimePart): Promise<void> {
    const { charset, flowed, delSp } = part.header;
    const body = new PartBody(part, this.input);
    const text = new GrowingBytes(this.#room);
    // Data within a text are attachments, but not more than a message may have parts.
    const mayBegin = () => this.#attachments.length < this.limits.parts;
    if (kind === "html") {
      for await (const piece of body) text.add(piece);
    } else {
      const lines = new ContentLines(body);
      for (let line = await lines.next(); line; line = await lines.next()) {
        const name = mayBegin() ? readUuBegin(line) : null;
        const first = name === null ? null : await lines.next();
        if (name !== null && first !== null && decodeUuLine(first) !== null) {
          lines.unread(first);
          const type = this.tools.detectType(name);
          await this.#attach(name, type, new UuContent(lines));
        } else {
          text.add(line);
          if (first !== null) lines.unread(first);
        }
      }
    }
    this.#addText(text, { kind, charset, flowed, delSp, ...placeOf(part) });
    this.#addRest(body, charset);
  }

  async #attachment(part: MimePart): Promise<void> {
    const { type, filename, charset } = part.header;
    const body = new PartBody(part, this.input);
    const index = this.#attachments.length + 1;
    const name = filename ?? `attachment-${index}.${this.tools.detectExtension(type)}`;
    await this.#attach(name, type, body);
    this.#addRest(body, charset);
  }

  async #attach(name: string, type: string, content: Content): Promise<void> {
    const part = { name, type, index: this.#attachments.length + 1 };
    await this.handlers.attachment(part, content);
    // What the handler left, so that the size is right.
    while (await content.read() !== null);
    this.#attachments.push({ ...part, size: content.size });
  }

  /** Adds what stood behind the encoded data of a part, as mailing lists put it there. */
  #addRest({ decoder }: PartBody, charset: string | null): void {
    if (decoder.mislabelled) {
      this.#notes.add("a part of the message is not in the encoding that it names");
    }
    const { rest } = decoder;
    if (rest.length === MAX_REST) this.#truncated = true;
    if (isBlank(rest)) return;
    const text = new GrowingBytes(this.#room);
    text.add(rest);
    this.#addText(text, { ...UNCLAIMED, charset });
  }

  #addText({ bytes, cut }: GrowingBytes, form: TextForm): void {
    const { kind, charset, alternative, branch, flowed, delSp } = form;
    this.#room -= bytes.length;
    this.#truncated ||= cut;
    const decoded = this.tools.decodeText(bytes, { charset, html: kind === "html", cut });
    if (decoded.problem !== null) this.#notes.add(decoded.problem);
    const text = decoded.text.replaceAll("\r\n", "\n");
    const content = flowed ? this.tools.unflow(text, delSp) : text;
    this.#texts.push({ kind, content, alternative, branch });
  }
}

/** The events of a message, of which the next can be looked at before it is taken. */
class EventReader {
  #ahead: MimeEvent | null = null;

  constructor(readonly events: AsyncIterator<MimeEvent>) {}

  async peek(): Promise<MimeEvent | null> {
    this.#ahead ??= (await this.events.next()).value ?? null;
    return this.#ahead;
  }

  async next(): Promise<MimeEvent | null> {
    const event = await this.peek();
    this.#ahead = null;
    return event;
  }

  /** The next bytes of the body of `part`; null at its end. */
  async body(part: MimePart): Promise<Uint8Array | null> {
    const event = await this.peek();
    if (event?.type !== "body" || event.part !== part) return null;
    await this.next();
    return event.bytes;
  }
}

/** The content of an attachment or a text, which can be read once. */
abstract class Content implements AsyncIterable<Bytes> {
  /** Bytes read so far. */
  size = 0;

  /** The next piece, which may be empty; null at the end. */
  async read(): Promise<Bytes | null> {
    const piece = await this.readPiece();
    this.size += piece?.length ?? 0;
    return piece;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes, void, undefined> {
    for (let piece = await this.read(); piece !== null; piece = await this.read()) {
      if (piece.length > 0) yield piece;
    }
  }

  protected abstract readPiece(): Promise<Bytes | null>;
}

/** The decoded content of one part. */
class PartBody extends Content {
  readonly decoder: TransferDecoder;
  #ended = false;

  constructor(readonly part: MimePart, readonly input: EventReader) {
    super();
    this.decoder = transferDecoder(part.header.encoding);
  }

  protected override async readPiece(): Promise<Bytes | null> {
    if (this.#ended) return null;
    const raw = await this.input.body(this.part);
    this.#ended = raw === null;
    return raw === null ? this.decoder.finish() : this.decoder.update(raw);
  }
}

/** The lines of a content. */
class ContentLines {
  readonly #reader = new LineReader();
  #lines: Iterator<Uint8Array, void> | null = null;
  #unread: Uint8Array | null = null;
  #ended = false;

  constructor(readonly content: Content) {}

  /** The next line, with its line end; null at the end. */
  async next(): Promise<Uint8Array | null> {
    const unread = this.#unread;
    this.#unread = null;
    if (unread !== null) return unread;
    for (;;) {
      const line = this.#lines?.next();
      if (line && !line.done) return line.value;
      if (this.#ended) return null;
      const piece = await this.content.read();
      this.#ended = piece === null;
      this.#lines = piece === null ? this.#reader.finish() : this.#reader.push(piece);
    }
  }

  /** Makes `line`, which was taken last, the next one again. */
  unread(line: Uint8Array): void {
    this.#unread = line;
  }
}

/** What the uuencoded lines that come next stand for. */
class UuContent extends Content {
  #ended = false;

  constructor(readonly lines: ContentLines) {
    super();
  }

  protected override async readPiece(): Promise<Bytes | null> {
    if (this.#ended) return null;
    const line = await this.lines.next();
    const data = line === null || isUuEnd(line) ? null : decodeUuLine(line);
    this.#ended = data === null;
    if (line !== null && data === null && !isUuEnd(line)) this.lines.unread(line);
    return data;
  }
}

/** Bytes that are gathered up to a limit. */
class GrowingBytes {
  /** Whether there were more than the limit allows. */
  cut = false;
  #bytes: Bytes = new Uint8Array(0);
  #size = 0;

  constructor(readonly limit: number) {}

  get bytes(): Bytes {
    return this.#bytes.subarray(0, this.#size);
  }

  add(bytes: Uint8Array): void {
    const room = this.limit - this.#size;
    this.cut ||= bytes.length > room;
    const piece = bytes.subarray(0, room);
    const needed = this.#size + piece.length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(this.limit, Math.max(2 * needed, 1024)));
      larger.set(this.bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#size);
    this.#size = needed;
  }
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte <= 0x20);
}

/** Text that nobody reads as it stands, but a program. */
const FOR_PROGRAMS = /^text\/(?:calendar|vcard|x-vcard|directory|css|javascript|ecmascript|xml)$/;

/** Whether a part is text to show; null if it is an attachment. */
function textKind(part: MimePart): TextPart["kind"] | null {
  const { type, filename, disposition } = part.header;
  // Text that has a name was attached, whatever its disposition: nobody should miss the file.
  if (filename !== null || disposition !== "inline") return null;
  if (type === "text/html") return "html";
  if (type === "text/plain") return "plain";
  // Other text is read like plain text (RFC 2046, section 4.1.4), but as one of several forms it may be
  // anything, and another is there.
  const shown = type.startsWith("text/") && !FOR_PROGRAMS.test(type);
  return shown && placeOf(part).alternative === null ? "plain" : null;
}

function placeOf(part: MimePart): TextPlace {
  for (let branch = part, up = part.parent; up !== null; branch = up, up = up.parent) {
    if (up.header.type === "multipart/alternative") return { alternative: up, branch };
  }
  return { alternative: null, branch: null };
}

function readHeaders(header: PartHeader, tools: Tools): ParsedHeaders {
  const people = (name: string) =>
    tools.addresses(header.first(name)).filter((address) => address.includes("@")).map(nameOf);
  const ids = (name: string) => messageIds(header.first(name));
  const date = new Date(header.first("date"));
  return {
    from: people("from")[0] ?? null,
    to: people("to"),
    cc: people("cc"),
    bcc: people("bcc"),
    subject: tools.decodeWords(header.first("subject")),
    date: Number.isNaN(date.getTime()) ? null : date,
    messageId: ids("message-id")[0] ?? null,
    inReplyTo: ids("in-reply-to")[0] ?? null,
    references: ids("references"),
    draft: header.first(DRAFT_HEADER.toLowerCase()),
    sender: tools.decodeWords(header.first("from")),
    replyTo: tools.decodeWords(header.first("reply-to")),
    type: header.type,
  };
}
