import { type Bytes, concat } from "../crypto/bytes.ts";
import { sha256 } from "../crypto/hash.ts";
import type { Bundle, Identity } from "../crypto/identity.ts";
import { decapsulate, encapsulate } from "../crypto/kem.ts";

/** How long a sender may use a lane, milliseconds. */
export const LANE_LIFE = 24 * 3_600_000;

/** How many messages a sender may put into one lane. */
export const LANE_MESSAGES = 1000;

/**
 * One encapsulation from a sender to a reader that serves many messages: the public-key work is done
 * once on either side. It is bound to both fingerprints, so nobody else can use it.
 */
export interface Lane {
  /** As long as the reader's RSA modulus. */
  readonly ctRsa: Bytes;
  /** 1088 bytes. */
  readonly ctMlkem: Bytes;
  /** 32 bytes. Whoever has it opens the messages of this lane, and nothing else. */
  readonly secret: Bytes;
}

/**
 * What a reader remembers of lanes, by {@linkcode laneId}. A lane that it knows costs no private
 * operation, and never falls back to one.
 */
export interface LaneMemory {
  /** The secret of a lane, 32 bytes; null if it has to be computed. */
  secret(id: Bytes): Promise<Bytes | null>;
  /** A box opened under this secret: it may be kept for good. */
  opened(id: Bytes, secret: Bytes): Promise<void>;
  /**
   * A box did not open under this secret. It is kept while the process lives, so that the same
   * ciphertexts under many headers buy no repeated private operations.
   */
  refused(id: Bytes, secret: Bytes): Promise<void>;
}

/** Starts a lane from the sender with the fingerprint `senderFp` to `to`. */
export async function startLane(to: Bundle, senderFp: Bytes): Promise<Lane> {
  return await encapsulate(to, "stanza", senderFp);
}

/** `SHA-256(sender's fp ‖ reader's fp ‖ ct_rsa ‖ ct_mlkem)`: what a reader knows a lane by, 32 bytes. */
export async function laneId(
  senderFp: Bytes,
  readerFp: Bytes,
  { ctRsa, ctMlkem }: Pick<Lane, "ctRsa" | "ctMlkem">,
): Promise<Bytes> {
  return await sha256(concat(senderFp, readerFp, ctRsa, ctMlkem));
}

/**
 * The secret of a lane to `reader`, 32 bytes, at the cost of one RSA private operation. Ciphertexts
 * that are not valid give another secret. Throws `format` for wrong lengths, before that operation.
 */
export async function laneSecret(
  reader: Identity,
  senderFp: Bytes,
  { ctRsa, ctMlkem }: Pick<Lane, "ctRsa" | "ctMlkem">,
): Promise<Bytes> {
  return await decapsulate(reader, "stanza", ctRsa, ctMlkem, senderFp);
}
