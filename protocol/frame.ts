import { type Bytes, concat, isZero } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { MAX_JSON } from "./limits.ts";
import { MAX_RECORD_PLAINTEXT } from "./record.ts";

/** The kinds of a frame. FrameKind 0 is no frame: with it the padding of a record begins. */
export const FrameKind = {
  request: 1,
  response: 2,
  data: 3,
  end: 4,
  cancel: 5,
  event: 6,
  ping: 7,
  close: 8,
} as const;
export type FrameKind = typeof FrameKind[keyof typeof FrameKind];

/** `kind (1) ‖ request id (4) ‖ length (3) ‖ payload`. */
export interface Frame {
  readonly kind: FrameKind;
  /** The request it belongs to, 1 to 2^32 - 1; 0 for event, ping and close. */
  readonly id: number;
  readonly payload: Bytes;
  /** Nobody uses the payload any more once the frame is sent: its memory can be freed. */
  readonly given?: boolean;
}

/** Bytes before a frame's payload. */
export const FRAME_HEADER = 8;

/** Largest payload of a data frame: header and payload fill one record. */
export const MAX_DATA = MAX_RECORD_PLAINTEXT - FRAME_HEADER;

/** Records without a data frame are padded to a multiple of this, bytes. */
export const PAD_MULTIPLE = 256;

/** Payload of a ping: 1 byte (0 asks, 1 answers) and 8 that the answer repeats. */
export const PING_SIZE = 9;

const LIMITS: Record<FrameKind, { min: number; max: number; id: boolean }> = {
  [FrameKind.request]: { min: 2, max: MAX_JSON, id: true },
  [FrameKind.response]: { min: 2, max: MAX_JSON, id: true },
  [FrameKind.data]: { min: 1, max: MAX_DATA, id: true },
  [FrameKind.end]: { min: 0, max: 0, id: true },
  [FrameKind.cancel]: { min: 0, max: 0, id: true },
  [FrameKind.event]: { min: 2, max: MAX_JSON, id: false },
  [FrameKind.ping]: { min: PING_SIZE, max: PING_SIZE, id: false },
  [FrameKind.close]: { min: 0, max: MAX_JSON, id: false },
};

function isKind(n: number): n is FrameKind {
  return n >= 1 && n <= 8;
}

/** Size of a frame on the wire, bytes. */
export function frameSize(frame: Frame): number {
  return FRAME_HEADER + frame.payload.length;
}

/**
 * Throws `limit` for what {@linkcode decodeFrames} would refuse: a payload or a request id out of
 * bounds for the kind.
 */
export function checkFrame(frame: Frame): void {
  const { kind, id, payload: { length } } = frame;
  const bounds = LIMITS[kind];
  if (length < bounds.min || length > bounds.max) {
    throw new SealpostError("limit", `a frame of kind ${kind} with ${length} bytes`);
  }
  if (!Number.isInteger(id) || id < 0 || id > 0xffffffff || (id !== 0) !== bounds.id) {
    throw new SealpostError("limit", `a frame of kind ${kind} with request id ${id}`);
  }
}

function encodeFrameHeader(frame: Frame): Bytes {
  checkFrame(frame);
  const n = frame.payload.length;
  const head = new Uint8Array(FRAME_HEADER);
  const view = new DataView(head.buffer);
  view.setUint8(0, frame.kind);
  view.setUint32(1, frame.id);
  view.setUint8(5, n >>> 16);
  view.setUint16(6, n & 0xffff);
  return head;
}

/**
 * The plaintext of one record: the frames, then zeros up to a multiple of 256 bytes if none of
 * them is a data frame. Throws `limit` if there are none, or if they do not fit.
 */
export function encodeFrames(frames: readonly Frame[], padTo = 0): Bytes {
  const parts: Bytes[] = [];
  let size = 0;
  let control = true;
  for (const frame of frames) {
    parts.push(encodeFrameHeader(frame), frame.payload);
    size += frameSize(frame);
    if (frame.kind === FrameKind.data) control = false;
  }
  let whole = Math.max(size, padTo);
  if (control) whole = Math.ceil(whole / PAD_MULTIPLE) * PAD_MULTIPLE;
  if (size === 0 || whole > MAX_RECORD_PLAINTEXT) {
    throw new SealpostError("limit", `${size} bytes of frames in one record`);
  }
  parts.push(new Uint8Array(whole - size));
  return concat(...parts);
}

/**
 * The frames of one record's plaintext. Throws `protocol` for an unknown kind, a length out of
 * bounds, an id where there is none (or none where there is one), a frame that runs past the
 * record, and padding that is not zero. Payloads are views of `plaintext`, which must not change after.
 */
export function decodeFrames(plaintext: Bytes): Frame[] {
  const frames: Frame[] = [];
  const view = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  let at = 0;
  while (at < plaintext.length) {
    const kind = view.getUint8(at);
    if (kind === 0) {
      if (isZero(plaintext.subarray(at))) return frames;
      throw new SealpostError("protocol", "padding that is not zero");
    }
    if (!isKind(kind)) throw new SealpostError("protocol", `a frame of the unknown kind ${kind}`);
    if (at + FRAME_HEADER > plaintext.length) {
      throw new SealpostError("protocol", "a frame that is cut");
    }
    const id = view.getUint32(at + 1);
    const length = (view.getUint8(at + 5) << 16) | view.getUint16(at + 6);
    const bounds = LIMITS[kind];
    if (length < bounds.min || length > bounds.max) {
      throw new SealpostError("protocol", `a frame of kind ${kind} with ${length} bytes`);
    }
    if ((id !== 0) !== bounds.id) {
      throw new SealpostError("protocol", `a frame of kind ${kind} with request id ${id}`);
    }
    at += FRAME_HEADER;
    if (at + length > plaintext.length) throw new SealpostError("protocol", "a frame that is cut");
    frames.push({ kind, id, payload: plaintext.subarray(at, at + length) });
    at += length;
  }
  return frames;
}
