import { defined } from "../../crypto/defined.ts";
import { type Bytes, random, toBase64, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { sealBody, sealedBodySize } from "../../protocol/body.ts";
import type { Flag, Folder } from "../../protocol/entry.ts";
import { encodeEnvelope } from "../../protocol/envelope.ts";
import { commit, FILE_KEY_SIZE } from "../../protocol/file_key.ts";
import { encodeHeader } from "../../protocol/header.ts";
import type { Lane } from "../../protocol/lane.ts";
import { MAX_STANZAS } from "../../protocol/limits.ts";
import { sealNote } from "../../protocol/note.ts";
import type { AppendRequest } from "../../protocol/request.ts";
import { sealStanza } from "../../protocol/stanza.ts";
import { type Person, sealSummary, type Summary } from "../../protocol/summary.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import type { Composed } from "./compose.ts";
import type { Sealed } from "../state/outbox.ts";
import type { Correspondent } from "../trust/people.ts";

/** A composed message and everybody it goes to, with their keys. */
export interface OutgoingMessage {
  /** UUIDv7, 16 bytes. */
  readonly id: Bytes;
  readonly from: string;
  /** The sender's full name, to be signed. */
  readonly fullName?: string;
  readonly to: readonly Correspondent[];
  readonly cc: readonly Correspondent[];
  readonly bcc: readonly Correspondent[];
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly date: number;
  /** The newest head of the server's key log, base64. */
  readonly head: string;
  readonly attachments: readonly { readonly name: string; readonly size: number }[];
  /** How many attachments there are, if not all of them are named. */
  readonly attachmentCount?: number;
  /** The id of the message it answers. */
  readonly inReplyTo?: string;
  /** What of its headers a summary has; see {@linkcode Summary}. */
  readonly headers?: SummaryHeaders;
  readonly composed: Pick<Composed, "size" | "stream">;
}

/** What of the headers of a message its summary has. */
export type SummaryHeaders = Pick<Summary, "messageId" | "references" | "replyTo" | "type">;

/** A message to be stored in one's own mailbox alone. */
export interface MessageToStore {
  /** UUIDv7, 16 bytes. */
  readonly id: Bytes;
  /** One's own name. */
  readonly name: string;
  readonly stored: NonNullable<Summary["stored"]>;
  readonly subject: string;
  /** When it says it was written, milliseconds since 1970. */
  readonly date: number;
  /** The newest head of the server's key log, base64. */
  readonly head: string;
  readonly attachments: readonly { readonly name: string; readonly size: number }[];
  readonly headers?: SummaryHeaders;
  readonly composed: Pick<Composed, "size" | "stream">;
  readonly folder: Folder;
  /** What counts as its arrival, milliseconds since 1970. */
  readonly receivedAt: number;
  readonly flags: readonly Flag[];
}

/** Gives the lane for the next message from a key to another; it counts as used. */
export interface SendingLanes {
  to(reader: Bundle, sender: Bytes): Promise<Lane>;
}

/**
 * Seals `message` once for all its recipients and for the sender's own Sent copy, in new lanes unless
 * `lanes` gives some. Throws `limit`
 * for more than 256 distinct keys, and what composing throws while `bytes` are read.
 */
export async function sealMessage(
  message: OutgoingMessage,
  sender: Identity,
  lanes?: SendingLanes,
): Promise<Sealed> {
  const recipients = distinct([...message.to, ...message.cc, ...message.bcc]);
  const keys = new Map([...recipients, self(message.from, sender)].map((known) => {
    return [toBase64(known.bundle.fp), known.bundle];
  }));
  if (keys.size > MAX_STANZAS) {
    throw new SealpostError("limit", `a message goes to at most ${MAX_STANZAS - 1} recipients`);
  }
  const { size, bytes } = await seal(
    {
      id: message.id,
      summary: summarize(message, sender),
      bcc: message.bcc.map(person),
      readers: [...keys.values()],
      composed: message.composed,
    },
    sender,
    lanes,
  );
  return {
    request: {
      op: "deliver",
      id: formatMessageId(message.id),
      size,
      recipients: recipients.map(person),
      copy: true,
    },
    bytes,
  };
}

/** A message that is sealed to oneself: what to ask the server, and the bytes that follow. */
export interface SealedToStore {
  readonly request: AppendRequest;
  /** Exactly `request.size` bytes; can be read once. */
  readonly bytes: AsyncIterable<Bytes>;
}

/**
 * Seals `message` to oneself alone, with the mark that it was stored and not sent. Throws what
 * composing throws while `bytes` are read.
 */
export async function sealToStore(
  message: MessageToStore,
  self: Identity,
  lanes?: SendingLanes,
): Promise<SealedToStore> {
  const { id, name, stored, subject, date, head, attachments, headers, composed } = message;
  const summary: Summary = {
    from: { name, fp: toBase64(self.bundle.fp) },
    to: [],
    cc: [],
    subject,
    date,
    head,
    size: composed.size,
    attachmentCount: attachments.length,
    attachments: attachments.map(({ name, size }) => ({ name, size })),
    ...defined({ ...headers }),
    stored,
  };
  const { size, bytes } = await seal(
    { id, summary, bcc: null, readers: [self.bundle], composed },
    self,
    lanes,
  );
  const { folder, receivedAt, flags } = message;
  return {
    request: {
      op: "append",
      id: formatMessageId(id),
      size,
      folder,
      date: receivedAt,
      set: [...flags],
    },
    bytes,
  };
}

/** What a sealed message is made of. */
interface Parts {
  readonly id: Bytes;
  readonly summary: Summary;
  /** For the note of the sender's own copy; null if there is no note. */
  readonly bcc: readonly Person[] | null;
  readonly readers: readonly Bundle[];
  readonly composed: Pick<Composed, "size" | "stream">;
}

/** A sealed message: its size, and its bytes, which can be read once. */
async function seal(
  { id, summary, bcc, readers, composed }: Parts,
  sender: Identity,
  lanes: SendingLanes | undefined,
): Promise<{ readonly size: number; readonly bytes: AsyncIterable<Bytes> }> {
  const fileKey = random(FILE_KEY_SIZE);
  const header = encodeHeader({
    id,
    senderFp: sender.bundle.fp,
    commitment: await commit(fileKey),
  });
  const { box, hash } = await sealSummary(summary, fileKey, header, sender);
  const note = bcc && await sealNote({ bcc: [...bcc] }, header, sender);
  const stanzas = await Promise.all(readers.map(async (bundle) => {
    const lane = await lanes?.to(bundle, sender.bundle.fp);
    return await sealStanza(bundle, fileKey, header, sender, lane);
  }));
  const bodySize = sealedBodySize(composed.size);
  const envelope = encodeEnvelope({ header, stanzas, summary: box, note, bodySize });
  const context = { fileKey, header, summaryHash: hash };
  const bytes = async function* (): AsyncGenerator<Bytes, void, undefined> {
    try {
      yield envelope;
      yield* sealBody(context, sender, composed.size, composed.stream());
    } finally {
      wipe(fileKey);
    }
  };
  return { size: envelope.length + bodySize, bytes: bytes() };
}

function person(known: Correspondent): Person {
  return { name: known.name, fp: toBase64(known.bundle.fp) };
}

function self(name: string, sender: Identity): Correspondent {
  return { name, bundle: sender.bundle, fresh: false };
}

/** Everybody once, however often they are named. */
function distinct(people: readonly Correspondent[]): Correspondent[] {
  return [...new Map(people.map((known) => [known.name, known])).values()];
}

function summarize(message: OutgoingMessage, sender: Identity): Summary {
  return {
    from: person(self(message.from, sender)),
    to: distinct(message.to).map(person),
    cc: distinct(message.cc).map(person),
    subject: message.subject,
    date: message.date,
    head: message.head,
    size: message.composed.size,
    attachmentCount: message.attachmentCount ?? message.attachments.length,
    attachments: message.attachments.map(({ name, size }) => ({ name, size })),
    ...defined({
      inReplyTo: message.inReplyTo,
      fullName: message.fullName,
      ...message.headers,
    }),
  };
}
