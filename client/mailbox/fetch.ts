import { type Bytes, concat, equal, passing, readU32 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { decodeEntry, encodeEntry, type Entry } from "../../protocol/entry.ts";
import type { Request } from "../../protocol/request.ts";
import type { Answer } from "../connection/client_session.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import { unsealBody } from "../message/unseal.ts";
import type { Bodies, PartialBody } from "../state/bodies.ts";
import type { Opened } from "./open.ts";

/** What gives bodies. */
export interface FetchChannel {
  stream(request: Request & { op: "fetch" }): Promise<Answer<"fetch">>;
}

/** Where a body comes from and goes to. */
export interface FetchPlaces {
  readonly channel: FetchChannel;
  /** Where bodies are kept; null if they are not. */
  readonly bodies: Bodies | null;
  /** Whether one that is fetched is kept there. */
  readonly keep: boolean;
  /** A folder for temporary files that nobody else can read. */
  readonly tempFolder: string;
}

/**
 * Opens the body of `opened`: the one that is kept, or that the server gives, of which only what an
 * earlier attempt did not bring is fetched. What comes back has verified to its last byte; until
 * then nobody saw it. The caller disposes of it. `onProgress` receives the number of sealed bytes.
 */
export async function fetchMessage(
  places: FetchPlaces,
  opened: Opened,
  onProgress: (done: number) => void = () => {},
): Promise<TemporaryMessage> {
  const { entry } = opened;
  const { bodies } = places;
  const kept = await bodies?.read(entry) ?? null;
  if (kept) {
    try {
      return await openBody(places, opened, kept);
    } catch (error) {
      // A file can be damaged, or go; the server has the body too.
      if (!isSealpostError(error, "authentication", "format", "file-io", "file-missing")) {
        throw error;
      }
      await bodies?.drop(entry);
    }
  }
  const partial = places.keep ? await bodies?.fetching(entry) ?? null : null;
  try {
    return await receive(places, opened, partial, onProgress);
  } catch (error) {
    // What a crash left may be damaged: once more from the beginning, without it.
    const damaged = partial && partial.storedSize > 0 &&
      isSealpostError(error, "authentication", "format");
    if (!damaged) throw error;
    return await receive(places, opened, null, onProgress);
  }
}

/** Fetches the body, or what `partial` lacks of it, and opens it. */
async function receive(
  places: FetchPlaces,
  opened: Opened,
  partial: PartialBody | null,
  onProgress: (done: number) => void,
): Promise<TemporaryMessage> {
  const { entry } = opened;
  const stored = partial?.storedSize ?? 0;
  let answer: Answer<"fetch"> | null = null;
  try {
    answer = await places.channel.stream({
      op: "fetch",
      uid: entry.uid,
      ...(stored > 0 ? { offset: stored } : {}),
    });
    if (answer.response.size !== entry.bodySize - stored) {
      throw new SealpostError("protocol", "the server changed a message's size");
    }
    const rest = await afterEntry(answer.data, entry);
    const message = await openBody(places, opened, whole(entry, partial, rest, onProgress));
    await partial?.keep();
    return message;
  } catch (error) {
    // Only what came before a lost connection is of use to another attempt.
    if (isSealpostError(error, "connection-lost", "offline", "timeout", "cancelled")) {
      partial?.suspend();
    } else await partial?.drop();
    await answer?.cancel().catch(() => {});
    throw error;
  }
}

/** What `partial` has of the body, and then `rest`, which is added to it. */
async function* whole(
  entry: Entry,
  partial: PartialBody | null,
  rest: AsyncIterable<Bytes>,
  onProgress: (done: number) => void,
): AsyncGenerator<Bytes, void, undefined> {
  let done = 0;
  if (partial) {
    for await (const piece of partial.stored()) {
      done += piece.length;
      yield piece;
    }
    onProgress(done);
  }
  for await (const piece of rest) {
    done += piece.length;
    if (done > entry.bodySize) {
      throw new SealpostError("protocol", "the server sends more than the message has");
    }
    await partial?.append(piece);
    onProgress(done);
    yield piece;
  }
}

function openBody(
  { tempFolder }: FetchPlaces,
  opened: Opened,
  body: AsyncIterable<Bytes>,
): Promise<TemporaryMessage> {
  const { entry } = opened;
  return unsealBody(opened, entry.header, passing(body), entry.bodySize, tempFolder);
}

/**
 * The data of a fetch after the entry it begins with, which must be the one that was listed but
 * for its place and flags.
 */
async function afterEntry(
  data: AsyncIterable<Bytes>,
  listed: Entry,
): Promise<AsyncIterable<Bytes>> {
  const expected = encodeEntry(listed).length;
  const iterator = data[Symbol.asyncIterator]();
  let buffer: Bytes = new Uint8Array(0);
  const need = async (size: number) => {
    while (buffer.length < size) {
      const next = await iterator.next();
      if (next.done) throw new SealpostError("protocol", "the server cut a message");
      buffer = concat(buffer, next.value);
    }
  };
  await need(4);
  const length = readU32(buffer, 0);
  if (length !== expected) throw new SealpostError("protocol", "the server changed a message");
  await need(4 + length);
  const entry = decodeEntry(buffer.slice(4, 4 + length));
  const { folder, number, flags, modseq } = listed;
  const same = { ...entry, folder, number, flags, modseq };
  if (!equal(encodeEntry(same), encodeEntry(listed))) {
    throw new SealpostError("protocol", "the server changed a message since it was listed");
  }
  const rest = buffer.slice(4 + length);
  return (async function* () {
    if (rest.length > 0) yield rest;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      yield next.value;
    }
  })();
}
