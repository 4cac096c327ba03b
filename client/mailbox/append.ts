import type { Bytes } from "../../crypto/bytes.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import type { SealedToStore } from "../message/seal.ts";
import { TemporaryMessage } from "../message/temporary_message.ts";
import { uploadOnce } from "./upload.ts";

/** Where the server put a message. */
export interface Appended {
  /** As it is written: 32 hexadecimal digits in five groups. */
  readonly id: string;
  /** When the server stored it, milliseconds since 1970. */
  readonly at: number;
  /** Its UID; null if an attempt whose answer was lost had stored it already. */
  readonly uid: number | null;
}

/**
 * Stores a message that is sealed to oneself in one's own mailbox, once, however often the connection
 * is lost meanwhile. What is sealed is kept for that in memory or a temporary file in `tempFolder`; it
 * does not outlive this program. Throws what the server refuses it with, and what ends the connection.
 */
export async function appendSealed(
  connection: ReconnectingConnection,
  sealed: SealedToStore,
  tempFolder: string,
  onProgress?: (done: number) => void,
): Promise<Appended> {
  const { request } = sealed;
  await using message = new TemporaryMessage(tempFolder);
  for await (const piece of sealed.bytes) await message.write(piece);
  await message.verified(request.size);
  const answer = await uploadOnce(connection, {
    request,
    fresh: true,
    bytes: (offset = 0) => from(message.stream(), offset),
  }, onProgress);
  return { id: request.id, at: answer.at, uid: answer.uid ?? null };
}

/** `data` without its first `offset` bytes. */
async function* from(
  data: AsyncIterable<Bytes>,
  offset: number,
): AsyncGenerator<Bytes, void, undefined> {
  let at = 0;
  for await (const piece of data) {
    at += piece.length;
    if (at > offset) yield piece.slice(Math.max(0, piece.length - (at - offset)));
  }
}
