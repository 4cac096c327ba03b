import { FULL } from "./full.ts";

/** Bytes at either end of which each is damaged. */
const ENDS = 32;
const STRIDE = 64;

/** 0 up to `count`. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/**
 * Where to damage a message of `size` bytes: everywhere in full, else in the first and the last 32
 * bytes, and in one of each 64 between, with every bit in its turn.
 */
export function positionsIn(size: number): number[] {
  return upTo(size).filter((at) =>
    FULL || at < ENDS || at >= size - ENDS ||
    at % STRIDE === Math.floor(at / STRIDE) % STRIDE
  );
}
