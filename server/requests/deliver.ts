import { createHash } from "node:crypto";
import { type Bytes, equal, fromBase64, toHex } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { sealedBodySize } from "../../protocol/body.ts";
import {
  encodeEnvelope,
  type Envelope,
  EnvelopeReader,
  envelopeSize,
  MAX_ENVELOPE,
} from "../../protocol/envelope.ts";
import { ID_MEMORY, MAX_ID_AGE, MAX_ID_AHEAD } from "../../protocol/limits.ts";
import { formatSize } from "../../cli/format.ts";
import { RefusedError } from "../../protocol/refused.ts";
import type { DeliverRequest } from "../../protocol/request.ts";
import { stanzaFp } from "../../protocol/stanza.ts";
import { messageIdTime, parseMessageId } from "../../protocol/uuid.ts";
import type { Values } from "../settings/setting_values.ts";
import type { BodySink, Copy, Placed } from "../store/store.ts";
import type { Handler, RequestContext, RequestSession } from "./request_context.ts";

interface Recipient {
  readonly name: string;
  readonly fp: Bytes;
}

/** A sealed message that is about to come, and where it goes. */
export interface Upload {
  /** As `deliver` and `append` have them. */
  readonly request: Pick<DeliverRequest, "id" | "size" | "offset" | "digest">;
  /** Everybody it goes to; nobody twice. */
  readonly recipients: readonly Recipient[];
  /** Whether the sender's own copy, with a note, is among what is stored. */
  readonly copy: boolean;
  /** Whether it counts as a message that its sender sends. */
  readonly charged: boolean;
  /** What each mailbox gets; `stanzaOf` gives the stanza for a fingerprint. */
  readonly copies: (stanzaOf: (fp: Bytes) => Bytes, note: Bytes | null) => Copy[];
}

/** What became of an {@linkcode Upload}. */
export interface StoredUpload {
  /** When it was stored, milliseconds since 1970. */
  readonly at: number;
  /** Whether that was before this request. */
  readonly again: boolean;
  readonly placed: readonly Placed[];
}

/** Stores a message for all its recipients or for none. Throws what {@linkcode storeUpload} does. */
export const handleDeliver: Handler<"deliver"> = async (request, context, data) => {
  const { session } = context;
  const recipients = request.recipients.map(({ name, fp }) => ({ name, fp: fromBase64(fp) }));
  const upload: Upload = {
    request,
    recipients,
    copy: request.copy,
    charged: true,
    copies: (stanzaOf, note) => copies(recipients, request.copy, session, stanzaOf, note),
  };
  const { at, again } = await storeUpload(upload, context, data);
  return { response: { ok: true, at, again } };
};

/**
 * Stores an uploaded message for all its recipients or for none. Names, keys, sizes and room are
 * checked before any of its bulk is taken; the dispatcher drains what is left of that when this
 * throws. A message that was stored before, and is sent again because its answer was lost, is checked
 * against no limit but that of messages a minute.
 *
 * An upload whose connection is lost is kept as far as it came. One that goes on after `offset` bytes
 * is hashed from its first byte, and must have the announced digest: `cancelled` says that it cannot go
 * on, and must be sent from its beginning.
 *
 * Throws `no-such-user`, `no-key`, `key-changed`, `too-large`, `limit`, `quota`, `busy`, `format`,
 * `cancelled`, `id-conflict`, `disk-full`, `file-io`, and what `data` throws.
 */
export async function storeUpload(
  upload: Upload,
  context: RequestContext,
  data: AsyncIterable<Bytes>,
): Promise<StoredUpload> {
  const { store, session, registry, observer, settings } = context;
  const { request, recipients } = upload;
  const limits = settings();
  const id = parseMessageId(request.id);
  checkTime(id);
  // A retry gets its first answer even if a recipient's key has changed since.
  const before = await store.delivered(session.fp, id);
  if (!before) await checkRecipients(recipients, limits, context);
  const announced = continuation(request);
  checkSize(request.size, limits);
  if (upload.charged) chargeMessage(limits, context);

  const hash = createHash("sha256");
  const reader = new EnvelopeReader();
  let envelope: Envelope | null = null;
  let placing: Copy[] = [];
  let sink: BodySink | null = null;
  let received = 0;
  const uploadId = { senderFp: session.fp, messageId: id, size: request.size };
  const start = async (whole: Envelope): Promise<void> => {
    checkEnvelope(whole, id, upload, limits, session);
    placing = upload.copies(stanzasOf(whole), whole.note);
    if (!before) await checkRoom(whole, placing, limits, context);
  };
  try {
    if (announced) {
      const { offset } = announced;
      const resumed = await store.resumeBody(uploadId, offset, limits.partialUploads);
      if (!resumed) throw cannotGoOn();
      sink = resumed.sink;
      hash.update(resumed.envelope);
      envelope = parse(reader, resumed.envelope)?.envelope ?? null;
      if (!envelope) throw cannotGoOn();
      await start(envelope);
      for await (const piece of resumed.stored) hash.update(piece);
      received = offset;
    }
    for await (const piece of data) {
      received += piece.length;
      if (received > request.size) throw wrongSize();
      hash.update(piece);
      if (sink) {
        await sink.write(piece);
        continue;
      }
      const whole = parse(reader, piece);
      if (!whole) continue;
      envelope = whole.envelope;
      await start(envelope);
      sink = await store.openBody(envelope.bodySize, {
        id: uploadId,
        envelope: () => encodeEnvelope(whole.envelope),
        limit: limits.partialUploads,
      });
      if (whole.rest.length > 0) await sink.write(whole.rest);
    }
    if (!envelope || !sink || received !== request.size) throw wrongSize();
    const digest = new Uint8Array(hash.digest());
    if (announced && !equal(digest, announced.digest)) throw cannotGoOn();
    const body = await sink.finish();
    const outcome = await store.deliver({
      senderFp: session.fp,
      messageId: id,
      digest,
      header: envelope.header,
      summary: envelope.summary,
      body,
      copies: placing,
      receivedAt: Date.now(),
      quota: limits.quota,
    });
    if (outcome.kind === "conflict") {
      throw new SealpostError("id-conflict", "another message was sent under this id before");
    }
    const again = outcome.kind === "already";
    const placed = outcome.kind === "stored" ? outcome.placed : [];
    observer.delivered({ again, copies: placed.length, bytes: request.size });
    registry.notify(placed);
    return { at: outcome.at, again, placed };
  } catch (error) {
    if (isSealpostError(error, "connection-lost")) await sink?.suspend();
    else await sink?.abort();
    const full = error instanceof RefusedError && error.code === "quota" ? error.about : undefined;
    throw full === undefined ? error : noRoom(full, limits, session);
  }
}

/** Counts a message. Throws a {@linkcode RefusedError} if the session's user sends too many. */
function chargeMessage(limits: Values, { messages, session }: RequestContext): void {
  const wait = messages.take(session.name);
  if (wait === 0) return;
  const { messagesPerMinute, messagesBurst } = limits;
  const retryAfter = Math.ceil(wait / 1000);
  throw new RefusedError(
    "busy",
    `you have sent ${messagesBurst} messages at once, and may send ${messagesPerMinute} a minute ` +
      `(messages-per-minute); try again in ${retryAfter} s`,
    { limit: "messages-per-minute", retryAfter },
  );
}

/** The envelope once it is whole. A layout of another version cannot be read here: `format`. */
function parse(reader: EnvelopeReader, piece: Bytes): ReturnType<EnvelopeReader["push"]> {
  try {
    return reader.push(piece);
  } catch (cause) {
    if (!isSealpostError(cause, "version")) throw cause;
    throw new SealpostError(
      "format",
      "a sealed message of a version that this server does not take",
      { cause },
    );
  }
}

/** Where an upload goes on, and what it must come to; null for one from its beginning. */
function continuation(
  { offset, digest, size }: Upload["request"],
): { readonly offset: number; readonly digest: Bytes } | null {
  if (offset === undefined && digest === undefined) return null;
  if (offset === undefined || digest === undefined || offset > size) {
    throw new SealpostError("format", "an upload goes on with an offset within it and a digest");
  }
  return { offset, digest: fromBase64(digest) };
}

function cannotGoOn(): SealpostError {
  return new SealpostError(
    "cancelled",
    "this upload cannot go on where it broke off; send it from its beginning",
  );
}

function wrongSize(): SealpostError {
  return new SealpostError("format", "the upload does not have the size it was announced with");
}

/** Ids older than the memory of ids, less a day, could be stored twice. */
function checkTime(id: Bytes): void {
  const age = Date.now() - messageIdTime(id);
  if (age > Math.min(MAX_ID_AGE, ID_MEMORY) || age < -MAX_ID_AHEAD) {
    throw new SealpostError(
      "limit",
      "the message's id is from another time than the server's clock shows; " +
        "check this computer's date and send it again",
    );
  }
}

async function checkRecipients(
  recipients: readonly Recipient[],
  { maxRecipients }: Values,
  { store, users }: RequestContext,
): Promise<void> {
  if (recipients.length > maxRecipients) {
    throw new RefusedError(
      "limit",
      `${recipients.length} recipients; this server takes ${maxRecipients} for one ` +
        "message (max-recipients); send it in parts",
      { limit: "max-recipients" },
    );
  }
  if (new Set(recipients.map(({ name }) => name)).size !== recipients.length) {
    throw new SealpostError("format", "a recipient is named twice");
  }
  for (const { name, fp } of recipients) {
    const bound = users.has(name) ? await store.boundKey(name) : undefined;
    if (bound === undefined) {
      throw new SealpostError("no-such-user", `there is no user ${name}`);
    }
    if (bound === null) {
      throw new SealpostError(
        "no-key",
        `${name} has never connected, so there is no key to seal with yet`,
      );
    }
    if (!equal(bound, fp)) {
      throw new RefusedError("key-changed", `${name} has another key than the one you sealed to`, {
        about: name,
      });
    }
  }
}

function checkSize(size: number, { maxMessage }: Values): void {
  if (size > MAX_ENVELOPE + sealedBodySize(maxMessage)) throw tooLarge(maxMessage);
}

function tooLarge(maxMessage: number): SealpostError {
  return new RefusedError(
    "too-large",
    `this server takes messages of up to ${formatSize(maxMessage)} (max-message)`,
    { limit: "max-message" },
  );
}

/** Whether every mailbox has room, before the bulk comes; the transaction checks it again. */
async function checkRoom(
  envelope: Envelope,
  placing: readonly Copy[],
  limits: Values,
  { store, session }: RequestContext,
): Promise<void> {
  if (limits.quota === Infinity) return;
  const shared = envelope.header.length + envelope.summary.length + envelope.bodySize;
  const needed = new Map<string, number>();
  for (const { account, stanza, note } of placing) {
    const bytes = shared + stanza.length + (note?.length ?? 0);
    needed.set(account, (needed.get(account) ?? 0) + bytes);
  }
  for (const [account, bytes] of needed) {
    if (await store.storedBytes(account) + bytes > limits.quota) {
      throw noRoom(account, limits, session);
    }
  }
}

function noRoom(account: string, { quota }: Values, sender: RequestSession): RefusedError {
  const whose = account === sender.name
    ? `your own mailbox has no room for a copy (quota: ${formatSize(quota)}); remove what you do ` +
      "not need, then send again"
    : `the mailbox of ${account} has no room for this message (quota), so nobody got it; ` +
      `${account} must remove something first`;
  return new RefusedError("quota", whose, { limit: "quota", about: account });
}

/** What the upload itself says must be what the request said. */
function checkEnvelope(
  envelope: Envelope,
  id: Bytes,
  { request, recipients, copy }: Upload,
  { maxMessage }: Values,
  sender: RequestSession,
): void {
  if (!equal(envelope.header.subarray(1, 17), id)) {
    throw new SealpostError("format", "the message has another id than the request");
  }
  if (!equal(envelope.header.subarray(17, 49), sender.fp)) {
    throw new SealpostError("format", "the message names another sender's key");
  }
  if (envelope.bodySize > sealedBodySize(maxMessage)) throw tooLarge(maxMessage);
  if (envelopeSize(envelope) + envelope.bodySize !== request.size) throw wrongSize();
  if (copy !== (envelope.note !== null)) {
    throw new SealpostError("format", "a note without a Sent copy, or the other way round");
  }
  const wanted = new Set(recipients.map(({ fp }) => toHex(fp)));
  if (copy) wanted.add(toHex(sender.fp));
  const given = envelope.stanzas.map((stanza) => toHex(stanzaFp(stanza)));
  if (given.length !== wanted.size || given.some((fp) => !wanted.has(fp))) {
    throw new SealpostError("format", "the stanzas are not those of the recipients");
  }
}

/** Gives the stanza of `envelope` for a fingerprint. Throws `internal` for one that has none. */
function stanzasOf(envelope: Envelope): (fp: Bytes) => Bytes {
  const stanzas = new Map(envelope.stanzas.map((stanza) => [toHex(stanzaFp(stanza)), stanza]));
  return (fp) => {
    const stanza = stanzas.get(toHex(fp));
    if (!stanza) throw new SealpostError("internal", "a recipient without a stanza");
    return stanza;
  };
}

/** Each mailbox gets its own stanza and nobody else's; the note goes with the Sent copy. */
function copies(
  recipients: readonly Recipient[],
  copy: boolean,
  sender: RequestSession,
  stanzaOf: (fp: Bytes) => Bytes,
  note: Bytes | null,
): Copy[] {
  const out: Copy[] = recipients.map(({ name, fp }) => ({
    account: name,
    folder: "inbox",
    flags: [],
    stanza: stanzaOf(fp),
    note: null,
  }));
  if (copy) {
    out.push({
      account: sender.name,
      folder: "sent",
      flags: ["seen"],
      stanza: stanzaOf(sender.fp),
      note,
    });
  }
  return out;
}
