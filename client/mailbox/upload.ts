import { createHash } from "node:crypto";
import { type Bytes, passing } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { rechunk } from "../../protocol/body.ts";
import { MAX_DATA } from "../../protocol/frame.ts";
import type { AppendRequest, DeliverRequest, Response } from "../../protocol/request.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";

/** Below this size, bytes, a message is sent anew rather than asked for what is there of it. */
const MIN_RESUMED = 256 * 1024;

/** A sealed message that can be read again for every attempt to upload it. */
export interface Uploadable<R extends DeliverRequest | AppendRequest> {
  readonly request: R;
  /** Whether no byte of it can have been sent yet. */
  readonly fresh: boolean;
  /** The sealed bytes from `offset` on, the same each time. */
  bytes(offset?: number): AsyncIterable<Bytes>;
}

/** What the server says of an upload; only when it was stored, if that was known before it ended. */
export type Uploaded<R extends DeliverRequest | AppendRequest> =
  & Pick<Response<R["op"]>, "at">
  & Partial<Response<R["op"]>>;

/**
 * Uploads a message, over a new connection if one is lost, and only what the server does not have of
 * it if it is large. It arrives once: the same bytes go under the same id. Throws what the server
 * refuses it with.
 */
export async function uploadOnce<R extends DeliverRequest | AppendRequest>(
  connection: ReconnectingConnection,
  message: Uploadable<R>,
  onProgress: (done: number) => void = () => {},
): Promise<Uploaded<R>> {
  let first = message.fresh || message.request.size < MIN_RESUMED;
  return await connection.again(async () => {
    if (!first) return await goOn(connection, message, onProgress);
    first = message.request.size < MIN_RESUMED;
    return await send(connection, message, onProgress);
  });
}

function send<R extends DeliverRequest | AppendRequest>(
  connection: ReconnectingConnection,
  message: Uploadable<R>,
  onProgress: (done: number) => void,
): Promise<Response<R["op"]>> {
  return connection.upload(
    message.request,
    inFrames(message.bytes()),
    onProgress,
  );
}

/** `bytes` in pieces that frames hold, each of which is freed when it was copied. */
function inFrames(bytes: AsyncIterable<Bytes>): AsyncIterable<Bytes> {
  return passing(rechunk(passing(bytes), MAX_DATA));
}

/** Sends what the server does not have yet of a message that may have been on its way before. */
async function goOn<R extends DeliverRequest | AppendRequest>(
  connection: ReconnectingConnection,
  message: Uploadable<R>,
  onProgress: (done: number) => void,
): Promise<Uploaded<R>> {
  const { id, size } = message.request;
  const hash = createHash("sha256");
  for await (const piece of passing(message.bytes())) hash.update(piece);
  const digest = hash.digest("base64");
  const { offset, at } = await whatIsThere(connection, { id, size, digest });
  if (at !== undefined) return { at } as Uploaded<R>;
  if (offset === 0) return await send(connection, message, onProgress);
  try {
    onProgress(offset);
    return await connection.upload(
      { ...message.request, offset, digest },
      inFrames(message.bytes(offset)),
      (done) => onProgress(offset + done),
    );
  } catch (error) {
    // What was there is gone, or is damaged.
    if (!isSealpostError(error, "cancelled")) throw error;
    return await send(connection, message, onProgress);
  }
}

async function whatIsThere(
  connection: ReconnectingConnection,
  message: { readonly id: string; readonly size: number; readonly digest: string },
): Promise<{ readonly offset: number; readonly at?: number | undefined }> {
  try {
    const { offset, at } = await connection.ask({ op: "upload", ...message });
    return { offset: offset <= message.size ? offset : 0, at };
  } catch (error) {
    // A server that does not know the question takes the message from its beginning.
    if (isSealpostError(error, "format")) return { offset: 0 };
    throw error;
  }
}
