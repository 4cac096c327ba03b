import { type Bytes, concat, fromUtf8, utf8 } from "../../crypto/bytes.ts";
import type { AttachmentSource, Composed, MessageContent } from "../../client/message/compose.ts";
import {
  type AttachmentPart,
  type ParsedMessage,
  parseMessage,
} from "../../client/message/parse.ts";

/** A draft from alice to bob with what a test is about in it. */
export function draft(parts: Partial<MessageContent> = {}): MessageContent {
  return {
    from: "alice",
    to: ["bob"],
    subject: "a title",
    text: "some text",
    date: new Date("2026-11-22T13:00:00Z"),
    messageId: "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee",
    attachments: [],
    ...parts,
  };
}

/** An attachment from memory. */
export function source(name: string, content: Bytes | string): AttachmentSource {
  const bytes = typeof content === "string" ? utf8(content) : content;
  return { name, size: bytes.length, open: () => Promise.resolve(new Blob([bytes]).stream()) };
}

/** `data` as a stream in pieces of `cut` bytes. */
export async function* stream(data: Bytes | string, cut = 65536): AsyncGenerator<Bytes> {
  const bytes = typeof data === "string" ? utf8(data) : data;
  for (let i = 0; i < bytes.length; i += cut) yield await Promise.resolve(bytes.slice(i, i + cut));
}

/** All of `data`. */
export async function collect(data: AsyncIterable<Bytes>): Promise<Bytes> {
  const pieces: Bytes[] = [];
  for await (const piece of data) pieces.push(piece);
  return concat(...pieces);
}

/** The message as text, one character a byte where it is ASCII. */
export async function text(message: Composed): Promise<string> {
  return fromUtf8(await collect(message.stream()));
}

/** A parsed message with the contents of its attachments. */
export interface Read extends ParsedMessage {
  readonly files: readonly (AttachmentPart & { content: Bytes })[];
}

/** Parses `data` and keeps its attachments. */
export async function read(data: AsyncIterable<Bytes> | string): Promise<Read> {
  const files: (AttachmentPart & { content: Bytes })[] = [];
  const message = await parseMessage(typeof data === "string" ? stream(data) : data, {
    async attachment(part, content) {
      files.push({ ...part, content: await collect(content) });
    },
  });
  return { ...message, files };
}
