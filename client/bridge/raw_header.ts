import { SealpostError } from "../../crypto/error.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import { binary } from "./imap/parser.ts";

/** Largest header that is given to mail programs, or taken from them, bytes. */
const MAX_HEADER = 256 * 1024;

/** The header of a message, one character a byte, and where its body begins. Throws `limit`. */
export async function readHeader(
  message: TemporaryMessage,
): Promise<{ readonly text: string; readonly bodyFrom: number }> {
  let text = "";
  for await (const piece of message.read(0, MAX_HEADER)) {
    const before = Math.max(0, text.length - 3);
    text += binary(piece);
    const bodyFrom = headerEnd(text, before);
    if (bodyFrom !== null) return { text: text.slice(0, bodyFrom), bodyFrom };
  }
  if (message.size > MAX_HEADER) {
    throw new SealpostError("limit", `its header has more than ${MAX_HEADER / 1024} KiB`);
  }
  return { text, bodyFrom: text.length };
}

/** Where the body begins: after the first empty line from `from` on; null if there is none. */
function headerEnd(text: string, from: number): number | null {
  if (from === 0) {
    const [start] = /^\r?\n/.exec(text) ?? [];
    if (start !== undefined) return start.length;
  }
  const pattern = /\n\r?\n/g;
  pattern.lastIndex = from;
  return pattern.exec(text) ? pattern.lastIndex : null;
}
