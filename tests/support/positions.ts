/** Whether long messages are damaged in every byte: in .ci/run, and whenever one likes. */
const EVERY = Deno.env.get("SEALPOST_EVERY_BYTE") === "1";

/** Bytes at either end of which each is damaged. */
const ENDS = 128;
const STRIDE = 8;

/** 0 up to `count`. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/**
 * Where to damage a message of `size` bytes: everywhere with SEALPOST_EVERY_BYTE=1, else in the first
 * and the last 128 bytes, and in one of each eight between, with every bit in its turn.
 */
export function positionsIn(size: number): number[] {
  return upTo(size).filter((at) =>
    EVERY || at < ENDS || at >= size - ENDS ||
    at % STRIDE === Math.floor(at / STRIDE) % STRIDE
  );
}
