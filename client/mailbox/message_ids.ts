import { type Bytes, toHex } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import type { Cache } from "../state/cache.ts";

/** Characters of a short id. */
const SHORT = 8;
const SHORTEST = 4;

/**
 * The short form of a message id: the first 8 hexadecimal digits of its last group, which is random.
 * The beginning of an id is the time, which neighbours share.
 */
export function shortId(id: Bytes): string {
  return toHex(id.subarray(10)).slice(0, SHORT);
}

/**
 * Whether `text`, in small letters, names the message `id`: it is the whole id, or a beginning of its
 * last group of at least four digits.
 */
export function isNamedBy(id: Bytes, text: string): boolean {
  return text.length >= SHORTEST && toHex(id.subarray(10)).startsWith(text) ||
    formatMessageId(id) === text;
}

/**
 * The UID of the one message that `text` names, as {@linkcode isNamedBy} says. One's own Sent copy of
 * a message to oneself gives way to the copy in the inbox; of several with one id the first counts.
 * Throws `no-such-message`, or `usage` if several fit.
 */
export function findMessage(cache: Cache, text: string): number {
  const wanted = text.trim().toLowerCase();
  const fits = cache.ids().filter(({ id }) => isNamedBy(id, wanted));
  const messages = new Map(fits.map(({ id }) => [toHex(id), id]));
  if (messages.size === 0) {
    throw new SealpostError(
      "no-such-message",
      `there is no message ${
        JSON.stringify(wanted.slice(0, 40))
      }; "inbox" shows the ids, of which ` +
        `the first ${SHORTEST} characters or more are enough`,
    );
  }
  if (messages.size > 1) {
    const some = [...messages.values()].slice(0, 5).map(shortId).join(", ");
    throw new SealpostError("usage", `several messages begin with ${wanted}: ${some}; write more`);
  }
  // Others who saw an id can use it again: the message that came first is the one that is meant.
  const received = fits.findLast(({ folder }) => folder !== "sent") ?? fits[0];
  if (!received) throw new SealpostError("internal", "a message without an entry");
  return received.uid;
}
