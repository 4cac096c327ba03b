import { SIZE_A, SIZE_B, SIZE_C, SIZE_D, SIZE_E } from "../../../protocol/handshake.ts";
import { RECORD_HEADER } from "../../../protocol/record.ts";
import { VERDICT_SIZE } from "../../../protocol/request.ts";
import { SIZE_R1, SIZE_R2 } from "../../../protocol/resumption.ts";
import type { Part } from "../../support/relay.ts";

const TAG = 16;
const SIZE_F = RECORD_HEADER + VERDICT_SIZE + TAG;

/** Where each message of a login is, among what its sender sends. */
export const MESSAGE = {
  A: up(0, SIZE_A),
  B: down(0, SIZE_B),
  C: up(SIZE_A, SIZE_C),
  D: down(SIZE_B, SIZE_D),
  E: up(SIZE_A + SIZE_C, SIZE_E),
  F: down(SIZE_B + SIZE_D, SIZE_F),
} as const;
export type MessageName = keyof typeof MESSAGE;

/** The two messages of a connection that begins with a ticket. */
export const R1 = up(0, SIZE_R1);
export const R2 = down(0, SIZE_R2);

/** A short request or response in its record: padded to 256 bytes, as all are. */
export const SHORT_RECORD = RECORD_HEADER + 256 + TAG;

function up(from: number, size: number): Part {
  return { direction: "up", from, to: from + size };
}

function down(from: number, size: number): Part {
  return { direction: "down", from, to: from + size };
}
