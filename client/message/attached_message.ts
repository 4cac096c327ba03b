import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { type AttachmentPart, parseMessage } from "./parse.ts";

/** A message that can be read from its beginning, again and again. */
export interface MessageSource {
  stream(): AsyncIterable<Bytes>;
}

/** Whether an attachment is a message itself. */
export function isMessage({ type, name }: Pick<AttachmentPart, "type" | "name">): boolean {
  return type === "message/rfc822" || type === "message/global" || /\.eml$/i.test(name);
}

/**
 * The message that is attachment `index` of `source`. Reading it reads `source` as far as it goes, with a
 * few pieces in memory. Reading it throws `usage` if there is no such attachment or it is no message, and
 * what reading `source` throws.
 */
export function attachedMessage(source: MessageSource, index: number): MessageSource {
  return { stream: () => contentOf(source, index) };
}

async function* contentOf(
  source: MessageSource,
  index: number,
): AsyncGenerator<Bytes, void, undefined> {
  const { readable, writable } = new TransformStream<Bytes, Bytes>();
  const writer = writable.getWriter();
  const parsing = (async () => {
    try {
      let found = false;
      await parseMessage(source.stream(), {
        attachment: async (part, content) => {
          if (part.index !== index) return;
          if (!isMessage(part)) {
            throw new SealpostError("usage", `attachment ${index} is not a message; save it`);
          }
          found = true;
          for await (const piece of content) await writer.write(piece.slice());
        },
      });
      if (!found) {
        throw new SealpostError("usage", `the message has no attachment number ${index}`);
      }
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => {});
    }
  })();
  try {
    yield* readable;
  } finally {
    await parsing;
  }
}

/**
 * The message that `path` leads to from `source`: numbers of attachments, each of them in the one before.
 */
export function attachedAlong(source: MessageSource, path: readonly number[]): MessageSource {
  return path.reduce<MessageSource>(attachedMessage, source);
}

/** How deep messages in messages can be opened. */
const MAX_PATH = 10;

/** The path that `text` is, such as `2` or `2.1`. Throws `usage` for what is none. */
export function parsePath(text: string): number[] {
  const path = text.split(".").map((part) => /^[1-9]\d{0,3}$/.test(part) ? Number(part) : 0);
  if (path.includes(0) || path.length > MAX_PATH) {
    throw new SealpostError(
      "usage",
      `${JSON.stringify(text)} is no attachment: write its number, as in 2, or 2.1 for one in that`,
    );
  }
  return path;
}
