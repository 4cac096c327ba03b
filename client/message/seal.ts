import { defined } from "../../crypto/defined.ts";
import { type Bytes, random, toBase64, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { sealBody, sealedBodySize } from "../../protocol/body.ts";
import { encodeEnvelope } from "../../protocol/envelope.ts";
import { commit, FILE_KEY_SIZE } from "../../protocol/file_key.ts";
import { encodeHeader } from "../../protocol/header.ts";
import type { Lane } from "../../protocol/lane.ts";
import { MAX_STANZAS } from "../../protocol/limits.ts";
import { sealNote } from "../../protocol/note.ts";
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
  readonly to: readonly Correspondent[];
  readonly cc: readonly Correspondent[];
  readonly bcc: readonly Correspondent[];
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly date: number;
  readonly attachments: readonly { readonly name: string; readonly size: number }[];
  /** How many attachments there are, if not all of them are named. */
  readonly attachmentCount?: number;
  /** The id of the message it answers. */
  readonly inReplyTo?: string;
  readonly composed: Composed;
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
  const fileKey = random(FILE_KEY_SIZE);
  const header = encodeHeader({
    id: message.id,
    senderFp: sender.bundle.fp,
    commitment: await commit(fileKey),
  });
  const summary = await sealSummary(summarize(message, sender), fileKey, header, sender);
  const note = await sealNote({ bcc: message.bcc.map(person) }, header, sender);
  const stanzas = await Promise.all(
    [...keys.values()].map(async (bundle) => {
      return await sealStanza(
        bundle,
        fileKey,
        header,
        sender,
        await lanes?.to(bundle, sender.bundle.fp),
      );
    }),
  );
  const bodySize = sealedBodySize(message.composed.size);
  const envelope = encodeEnvelope({ header, stanzas, summary: summary.box, note, bodySize });
  const context = { fileKey, header, summaryHash: summary.hash };
  const bytes = async function* (): AsyncGenerator<Bytes, void, undefined> {
    try {
      yield envelope;
      yield* sealBody(context, sender, message.composed.size, message.composed.stream());
    } finally {
      wipe(fileKey);
    }
  };
  return {
    request: {
      op: "deliver",
      id: formatMessageId(message.id),
      size: envelope.length + bodySize,
      recipients: recipients.map(person),
      copy: true,
    },
    bytes: bytes(),
  };
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
    size: message.composed.size,
    attachmentCount: message.attachmentCount ?? message.attachments.length,
    attachments: message.attachments.map(({ name, size }) => ({ name, size })),
    ...defined({ inReplyTo: message.inReplyTo }),
  };
}
