import { defined } from "../../crypto/defined.ts";
import { type Bytes, concat, equal, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { type Envelope, EnvelopeReader } from "../../protocol/envelope.ts";
import { decodeHeader } from "../../protocol/header.ts";
import { openNote } from "../../protocol/note.ts";
import { openStanza, stanzaFp } from "../../protocol/stanza.ts";
import type { Person } from "../../protocol/summary.ts";
import { fullMessageId } from "./mail_names.ts";
import { formatMessageId, newMessageId } from "../../protocol/uuid.ts";
import type { Waiting } from "../state/outbox.ts";
import { type Correspondent, ownIdentity, type Self } from "../trust/people.ts";
import type { Sealed } from "../state/outbox.ts";
import { sealMessage, type SendingLanes } from "./seal.ts";
import { unseal, unsealBody } from "./unseal.ts";

/** Where the message's own id stands in it: in one of the headers at its beginning, bytes. */
const HEADERS = 16_384;

/** What resealing needs. */
export interface Resealing {
  readonly self: Self;
  /** The keys of people as they are now. */
  readonly find: (names: readonly string[]) => Promise<readonly Correspondent[]>;
  /** A folder for temporary files that nobody else can read. */
  readonly tempFolder: string;
  readonly lanes: SendingLanes;
  /** The newest head of the server's key log, base64. */
  readonly head: string;
}

/** The fingerprint of the key under which a waiting message was sealed. Throws `format`, `file-io`. */
export async function sealedBy(waiting: Waiting): Promise<Bytes> {
  const reader = new EnvelopeReader();
  for await (const piece of waiting.bytes()) {
    reader.push(piece);
    if (reader.header) return reader.header.senderFp;
  }
  throw new SealpostError("format", "a sealed message that is cut");
}

/**
 * What a waiting message says of itself, opened with the stanza of one's own copy. Throws `format`,
 * `authentication`, `file-io`.
 */
export async function openWaiting(waiting: Waiting, self: Self) {
  const { envelope, body } = await readEnvelope(waiting);
  const { header, summary, note } = envelope;
  const { senderFp } = decodeHeader(header);
  const sender = await ownIdentity(self, senderFp);
  const stanza = envelope.stanzas.find((one) => equal(stanzaFp(one), senderFp));
  if (!stanza) throw new SealpostError("format", "a waiting message without a copy for oneself");
  const unsealed = await unseal({ header, stanza, summary }, {
    stanza: () => openStanza(sender, stanza, header),
    sender: (name) => {
      if (name === self.name) return Promise.resolve(sender.bundle);
      throw new SealpostError("authentication", "a waiting message of somebody else");
    },
  });
  const bcc = note ? (await openNote(note, header, sender)).bcc : [];
  return { ...unsealed, envelope, body, bcc };
}

/**
 * Seals a waiting message again, for the keys that its recipients have now and under the own present key:
 * it is opened with the stanza of one's own copy, verified to its last byte, and gets a new id and a new
 * file key. All else in it stays. What it is made of is there until `use` is done. Throws what `find`
 * throws, `format`, `authentication`, `disk-full`, `file-io`.
 */
export async function reseal<T>(
  waiting: Waiting,
  { self, find, tempFolder, lanes, head }: Resealing,
  use: (sealed: Sealed) => Promise<T>,
): Promise<T> {
  const waited = await openWaiting(waiting, self);
  const { envelope: { header, bodySize }, summary, bcc } = waited;
  const message = await unsealBody(waited, header, waited.body, bodySize, tempFolder);
  try {
    const known = new Map(
      (await find([...summary.to, ...summary.cc, ...bcc].map(({ name }) => name)))
        .map((one) => [one.name, one]),
    );
    const pick = (people: readonly Person[]) => people.flatMap(({ name }) => known.get(name) ?? []);
    const id = newMessageId();
    const sealed = await sealMessage(
      {
        id,
        from: self.name,
        to: pick(summary.to),
        cc: pick(summary.cc),
        bcc: pick(bcc),
        subject: summary.subject,
        date: summary.date,
        head,
        attachments: summary.attachments,
        attachmentCount: summary.attachmentCount,
        composed: {
          size: summary.size,
          stream: () => renamed(message.stream(), waiting.request.id, formatMessageId(id)),
        },
        ...defined({ inReplyTo: summary.inReplyTo, fullName: summary.fullName }),
        headers: defined({
          messageId: fullMessageId(formatMessageId(id)),
          references: summary.references,
          replyTo: summary.replyTo,
          type: summary.type,
        }),
      },
      self.identity,
      lanes,
    );
    return await use(sealed);
  } finally {
    await message.dispose();
  }
}

/** The envelope of a waiting message, and the body that follows. Throws `format`, `file-io`. */
export async function readEnvelope(
  waiting: Waiting,
): Promise<{ readonly envelope: Envelope; readonly body: AsyncIterable<Bytes> }> {
  const reader = new EnvelopeReader();
  const pieces = waiting.bytes()[Symbol.asyncIterator]();
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    const whole = reader.push(next.value);
    if (!whole) continue;
    const body = async function* (): AsyncGenerator<Bytes, void, undefined> {
      if (whole.rest.length > 0) yield whole.rest;
      for (let more = await pieces.next(); !more.done; more = await pieces.next()) yield more.value;
    };
    return { envelope: whole.envelope, body: body() };
  }
  throw new SealpostError("format", "a sealed message that is cut");
}

/** The message with the first occurrence of its id in its headers replaced by one as long. */
async function* renamed(
  message: AsyncIterable<Bytes>,
  from: string,
  to: string,
): AsyncGenerator<Bytes, void, undefined> {
  let head: Bytes | null = new Uint8Array(0);
  for await (const piece of message) {
    if (head === null) {
      yield piece;
      continue;
    }
    head = concat(head, piece);
    if (head.length < HEADERS) continue;
    yield replaceFirst(head, from, to);
    head = null;
  }
  if (head !== null && head.length > 0) yield replaceFirst(head, from, to);
}

function replaceFirst(bytes: Bytes, from: string, to: string): Bytes {
  const wanted = utf8(from);
  const end = Math.min(bytes.length, HEADERS) - wanted.length;
  for (let at = 0; at <= end; at++) {
    if (!wanted.every((byte, i) => bytes[at + i] === byte)) continue;
    const out = bytes.slice();
    out.set(utf8(to), at);
    return out;
  }
  return bytes;
}
