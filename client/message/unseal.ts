import { type Bytes, equal, fromBase64 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Bundle } from "../../crypto/identity.ts";
import { openBody, sealedBodySize } from "../../protocol/body.ts";
import { checkCommitment } from "../../protocol/file_key.ts";
import { decodeHeader } from "../../protocol/header.ts";
import { type OpenedStanza, stanzaFp, verifyStanza } from "../../protocol/stanza.ts";
import { openSummary, type Summary, verifySummary } from "../../protocol/summary.ts";
import { TemporaryMessage } from "./temporary_message.ts";

/** A sealed message without its body, as one recipient has it; `Entry` has these. */
export interface SealedHead {
  /** The fixed header. */
  readonly header: Bytes;
  /** The recipient's stanza. */
  readonly stanza: Bytes;
  readonly summary: Bytes;
}

/** The secret and public keys that {@linkcode unseal} needs. */
export interface UnsealKeys {
  /** Opens the recipient's stanza, as `openStanza` of protocol/stanza.ts does. */
  readonly stanza: (head: SealedHead) => Promise<OpenedStanza>;
  /** The bundle of the sender called `name`, whose fingerprint must be `fp`. */
  readonly sender: (name: string, fp: Bytes) => Promise<Bundle>;
}

/** What a sender sealed, opened and verified. */
export interface Unsealed {
  /** The message id, 16 bytes; other messages refer to its text form. */
  readonly id: Bytes;
  readonly summary: Summary;
  readonly sender: Bundle;
  /** 32 bytes: the body is sealed under it. */
  readonly fileKey: Bytes;
  /** SHA-256 of the padded summary, which the body's signature covers. */
  readonly summaryHash: Bytes;
}

/**
 * Opens stanza and summary of `head` and verifies who wrote them, in the order of docs/PROTOCOL.md
 * 13.1. Throws `format`, `version`, `authentication`, and what the two of `keys` throw.
 */
export async function unseal(head: SealedHead, keys: UnsealKeys): Promise<Unsealed> {
  const header = decodeHeader(head.header);
  const { fileKey, signature } = await keys.stanza(head);
  await checkCommitment(fileKey, header.commitment);
  const opened = await openSummary(head.summary, fileKey, head.header);
  // The stanza is one's own: so the sender must be oneself.
  if (opened.summary.stored && !equal(stanzaFp(head.stanza), header.senderFp)) {
    throw new SealpostError("format", "somebody else says that it was stored by you");
  }
  const { from } = opened.summary;
  if (!equal(fromBase64(from.fp), header.senderFp)) {
    throw new SealpostError("authentication", "the summary names another sender than the header");
  }
  const sender = await keys.sender(from.name, header.senderFp);
  await verifyStanza(sender, signature, head.header, stanzaFp(head.stanza));
  await verifySummary(sender, opened, head.header);
  return { id: header.id, summary: opened.summary, sender, fileKey, summaryHash: opened.hash };
}

/** Throws `format` unless a sealed body of `size` bytes can be the one that the sender signed. */
export function checkBodySize(summary: Summary, size: number): void {
  if (sealedBodySize(summary.size) !== size) {
    throw new SealpostError("format", "its body does not have the size its summary says");
  }
}

/**
 * Opens the sealed body of `message`, `size` bytes. What comes back has verified to its last byte;
 * until then nobody saw it. The caller disposes of it; if it must be in a file, that is in `folder`.
 * Throws `authentication`, `format`, `disk-full`, `file-io`, and what `body` throws.
 */
export async function unsealBody(
  message: Unsealed,
  header: Bytes,
  body: AsyncIterable<Bytes>,
  size: number,
  folder: string,
): Promise<TemporaryMessage> {
  const { fileKey, summaryHash, sender, summary } = message;
  const opened = new TemporaryMessage(folder);
  let complete = false;
  try {
    await openBody(
      { fileKey, header, summaryHash },
      sender,
      size,
      body,
      (part) => opened.write(part),
    );
    await opened.verified(summary.size);
    complete = true;
    return opened;
  } finally {
    if (!complete) await opened.dispose();
  }
}
