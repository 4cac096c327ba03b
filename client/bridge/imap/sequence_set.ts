import { bad } from "./error.ts";

/** The largest number of IMAP: u32. */
export const MAX_NUMBER = 0xffff_ffff;

/** `*`, the largest number in use. */
const STAR = Infinity;

/** Most ranges of one set. */
const MAX_RANGES = 20_000;

/** A `sequence-set` (RFC 9051, section 9): message sequence numbers, or UIDs. */
export class SequenceSet {
  private constructor(readonly ranges: readonly (readonly [number, number])[]) {}

  /** Throws `BAD`. */
  static parse(text: string): SequenceSet {
    const items = text.split(",");
    if (items.length > MAX_RANGES) throw bad("too many ranges in a set of numbers");
    return new SequenceSet(items.map((item) => {
      const [, from, to] = /^(\*|[1-9]\d{0,9})(?::(\*|[1-9]\d{0,9}))?$/.exec(item) ?? [];
      if (from === undefined) throw bad("no set of numbers");
      const [a, b] = [numberOf(from), numberOf(to ?? from)];
      return a <= b ? [a, b] : [b, a];
    }));
  }

  /**
   * The positions in `numbers`, which are ascending, of those in this set; ascending, each once. `*` is
   * the last of them. Takes time by what is found, not by how wide a range is.
   */
  positionsIn(numbers: { readonly length: number; at(index: number): number }): number[] {
    const { length } = numbers;
    if (length === 0) return [];
    const last = numbers.at(length - 1);
    const spans = this.ranges.map(([from, to]): [number, number] => {
      const [a, b] = [from === STAR ? last : from, to === STAR ? last : to];
      // `n:*` names the last one too where n is above it.
      return [lowerBound(numbers, Math.min(a, b)), lowerBound(numbers, Math.max(a, b) + 1)];
    }).sort((a, b) => a[0] - b[0]);
    const positions: number[] = [];
    let next = 0;
    for (const [from, to] of spans) {
      for (let at = Math.max(from, next); at < to; at++) positions.push(at);
      next = Math.max(next, to);
    }
    return positions;
  }

  /** Whether `number` is in it; every number is below `*`. */
  has(number: number): boolean {
    return this.ranges.some(([from, to]) => number >= from && number <= to);
  }
}

function numberOf(text: string): number {
  if (text === "*") return STAR;
  const value = Number(text);
  if (value > MAX_NUMBER) throw bad("a number is too large");
  return value;
}

/** How many of `numbers`, which are ascending, are below `value`. */
export function lowerBound(
  numbers: { readonly length: number; at(index: number): number },
  value: number,
): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers.at(middle) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Ascending numbers as the shortest `sequence-set`. */
export function formatSet(numbers: readonly number[]): string {
  const ranges: string[] = [];
  for (let i = 0; i < numbers.length;) {
    let j = i;
    while (j + 1 < numbers.length && numbers[j + 1] === (numbers[j] ?? 0) + 1) j++;
    ranges.push(i === j ? `${numbers[i]}` : `${numbers[i]}:${numbers[j]}`);
    i = j + 1;
  }
  return ranges.join(",");
}
