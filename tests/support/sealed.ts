import { SOME_HEAD } from "./log_head.ts";
import { type Bytes, concat, equal, fromBase64, random, toBase64 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { openBody, sealBody } from "../../protocol/body.ts";
import { checkCommitment, commit, FILE_KEY_SIZE } from "../../protocol/file_key.ts";
import { decodeHeader, encodeHeader } from "../../protocol/header.ts";
import { sealNote } from "../../protocol/note.ts";
import { openStanza, sealStanza, verifyStanza } from "../../protocol/stanza.ts";
import { openSummary, sealSummary, type Summary, verifySummary } from "../../protocol/summary.ts";
import { newMessageId } from "../../protocol/uuid.ts";

/** A sealed message in its parts, and the secret that nobody but the recipients would have. */
export interface SealedParts {
  readonly header: Bytes;
  /** In the order of the recipients; the sender's own comes last. */
  readonly stanzas: readonly Bytes[];
  readonly summary: Bytes;
  readonly note: Bytes;
  /** The sealed body, chunk by chunk. */
  readonly chunks: readonly Bytes[];
  readonly fileKey: Bytes;
  readonly summaryHash: Bytes;
}

/** A summary as `sender` would write it. */
export function summaryOf(sender: Identity, size: number, more: Partial<Summary> = {}): Summary {
  return {
    from: { name: "alice", fp: toBase64(sender.bundle.fp) },
    to: [],
    cc: [],
    subject: "Smørrebrød 🥪",
    date: 1_795_305_600_000,
    head: SOME_HEAD,
    size,
    attachmentCount: 0,
    attachments: [],
    ...more,
  };
}

/** A message of `sender` to `recipients` and to the sender. */
export async function sealMessage(
  sender: Identity,
  recipients: readonly Bundle[],
  message: Bytes,
  more: Partial<Summary> = {},
): Promise<SealedParts> {
  const fileKey = random(FILE_KEY_SIZE);
  const header = encodeHeader({
    id: newMessageId(),
    senderFp: sender.bundle.fp,
    commitment: await commit(fileKey),
  });
  const summary = summaryOf(sender, message.length, more);
  const sealed = await sealSummary(summary, fileKey, header, sender);
  const stanzas: Bytes[] = [];
  for (const to of [...recipients, sender.bundle]) {
    stanzas.push(await sealStanza(to, fileKey, header, sender));
  }
  const context = { fileKey, header, summaryHash: sealed.hash };
  return {
    header,
    stanzas,
    summary: sealed.box,
    note: await sealNote({ bcc: [] }, header, sender),
    chunks: await all(sealBody(context, sender, message.length, pieces(message))),
    fileKey,
    summaryHash: sealed.hash,
  };
}

/** What a reader gets of a message. */
export interface Read {
  readonly summary: Summary;
  readonly message: Bytes;
}

/** What somebody who reads a message is given. */
export interface Delivered {
  readonly header: Bytes;
  readonly stanza: Bytes;
  readonly summary: Bytes;
  readonly bodySize: number;
  readonly body: AsyncIterable<Bytes>;
}

/** Message `parts` as its recipient number `index` is given it. */
export function deliveredTo(parts: SealedParts, index: number): Delivered {
  const stanza = parts.stanzas[index];
  if (!stanza) throw new Error(`there is no recipient ${index}`);
  const { header, summary, chunks } = parts;
  return { header, stanza, summary, bodySize: concat(...chunks).length, body: pieces(...chunks) };
}

/**
 * Reads a message as the protocol wants it read: every check, in its order, before anything comes
 * out. `sender` is who is pinned for the name in From.
 */
export async function read(
  reader: Identity,
  sender: Bundle,
  delivered: Delivered,
): Promise<Read> {
  const { header, stanza, summary, bodySize, body } = delivered;
  const { commitment, senderFp } = decodeHeader(header);
  const { fileKey, signature } = await openStanza(reader, stanza, header);
  await checkCommitment(fileKey, commitment);
  const opened = await openSummary(summary, fileKey, header);
  if (!equal(fromBase64(opened.summary.from.fp), senderFp) || !equal(senderFp, sender.fp)) {
    throw new SealpostError("authentication", "the summary names another sender");
  }
  await verifyStanza(sender, signature, header, reader.bundle.fp);
  await verifySummary(sender, opened, header);
  const released: Bytes[] = [];
  await openBody(
    { fileKey, header, summaryHash: opened.hash },
    sender,
    bodySize,
    body,
    (part) => {
      released.push(part);
      return Promise.resolve();
    },
  );
  return { summary: opened.summary, message: concat(...released) };
}

/** A stream of `parts`. */
export async function* pieces(...parts: readonly Bytes[]): AsyncGenerator<Bytes, void, undefined> {
  for (const part of parts) yield await Promise.resolve(part);
}

/** Everything that `source` gives. */
export async function all(source: AsyncIterable<Bytes>): Promise<Bytes[]> {
  const out: Bytes[] = [];
  for await (const part of source) out.push(part);
  return out;
}
