import { type Bytes, concat } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { checkMessageId, ID_SIZE } from "./uuid.ts";

/** Version of the sealed message's layout: the first byte of its header. */
export const MESSAGE_VERSION = 1;

const FP_SIZE = 32;
const COMMITMENT_SIZE = 32;

/** Size of the fixed header, bytes. */
export const HEADER_SIZE = 1 + ID_SIZE + FP_SIZE + COMMITMENT_SIZE;

/** The fixed header of a sealed message. Everything else in the message is bound to it. */
export interface FixedHeader {
  /** UUIDv7, 16 bytes. */
  readonly id: Bytes;
  /** Fingerprint of the sender's identity, 32 bytes. */
  readonly senderFp: Bytes;
  /** Commitment to the file key, 32 bytes. */
  readonly commitment: Bytes;
}

/** `version (1) ‖ message id (16) ‖ sender's fp (32) ‖ commitment (32)`. */
export function encodeHeader(header: FixedHeader): Bytes {
  return concat(new Uint8Array([MESSAGE_VERSION]), header.id, header.senderFp, header.commitment);
}

/** The sender's fingerprint in an encoded header: 32 bytes. */
export function senderFpOf(header: Bytes): Bytes {
  return header.slice(1 + ID_SIZE, 1 + ID_SIZE + FP_SIZE);
}

/** The inverse of {@linkcode encodeHeader}. Throws `version` or `format`. */
export function decodeHeader(bytes: Bytes): FixedHeader {
  if (bytes.length !== HEADER_SIZE) {
    throw new SealpostError("format", "a message header of the wrong size");
  }
  if (bytes[0] !== MESSAGE_VERSION) {
    throw new SealpostError(
      "version",
      `a message of version ${bytes[0]}; this program reads version ${MESSAGE_VERSION}`,
    );
  }
  const id = bytes.slice(1, 1 + ID_SIZE);
  checkMessageId(id);
  return {
    id,
    senderFp: senderFpOf(bytes),
    commitment: bytes.slice(1 + ID_SIZE + FP_SIZE),
  };
}
