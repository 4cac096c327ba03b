import fc from "fast-check";
import { assert } from "@std/assert";
import { type Bytes, toHex, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { changedJson } from "./fuzz_json.ts";
import { FULL } from "../support/full.ts";

/** Inputs that each parser is given; SEALPOST_FUZZ_RUNS gives any other number. */
export const RUNS = Number(Deno.env.get("SEALPOST_FUZZ_RUNS") ?? (FULL ? 100_000 : 2000));

/** Inputs that are made from one number of fast-check's. */
const BATCH = 200;

/** What a parser may give back for an input of n bytes, bytes: `PER_BYTE · n + FIXED`. */
const PER_BYTE = 100;
const FIXED = 10_000;

/** A parser, and what it is tried with. */
export interface Parser {
  readonly name: string;
  /** Inputs that it takes, which are then changed in many ways. */
  readonly seeds: readonly Bytes[];
  /** What is put in here and there. */
  readonly words?: readonly string[];
  /**
   * For what reads JSON: the seeds as values, of which every other input is made, and how their text
   * becomes an input.
   */
  readonly json?: { readonly values: readonly unknown[]; readonly wrap?: (text: Bytes) => Bytes };
  /** Only places before this one are changed, mostly: where the layout is. */
  readonly hot?: number;
  /** Whether nothing is refused. */
  readonly total?: boolean;
  /** Reads an input; `rng` for what else there is to choose. Throws what the parser throws. */
  readonly read: (input: Bytes, rng: Random) => unknown;
}

/** Numbers that look random, from a seed: Marsaglia's xorshift with 32 bits. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) || 1;
    for (let i = 0; i < 4; i++) this.next();
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** 0 to `n` - 1. */
  below(n: number): number {
    return this.next() % n;
  }

  of<T>(list: readonly T[]): T {
    const value = list[this.below(list.length)];
    if (value === undefined) throw new RangeError("nothing to choose from");
    return value;
  }
}

/** Bytes at which layouts turn: bounds, signs, ends of text. */
const EDGES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x20, 0x0a, 0x22, 0x30, 0x7b, 0x5b, 0x2e];

/** A test that `parser` never throws but its own error, gives back no more than its bound, and ends. */
export function fuzz(parser: Parser): void {
  const name =
    `whatever it is given, ${parser.name} gives a result of bounded size or its own error`;
  Deno.test(name, () => tryParser(parser));
}

/** Tries `parser` with `runs` inputs. Throws with one that fails. */
export async function tryParser(parser: Parser, runs = RUNS): Promise<void> {
  const words = (parser.words ?? []).map(utf8);
  const counts = { taken: 0, refused: 0 };
  const batch = async (seed: number) => {
    const rng = new Random(seed);
    for (let i = 0; i < BATCH; i++) {
      const input = i === 0 ? rng.of(parser.seeds) : mutated(rng, parser, words);
      try {
        let result = parser.read(input.slice(), rng);
        if (result instanceof Promise) result = await result;
        const size = sizeOf(result);
        assert(size <= PER_BYTE * input.length + FIXED, `${size} bytes of result`);
        counts.taken++;
      } catch (error) {
        if (isSealpostError(error) && !/[\r\n]/.test(error.message)) counts.refused++;
        else throw new Error(`${parser.name}, given ${toHex(input)}: ${error}`, { cause: error });
      }
    }
  };
  await fc.assert(fc.asyncProperty(fc.integer(), batch), { numRuns: Math.ceil(runs / BATCH) });
  assert(counts.taken + counts.refused >= runs);
  // What refuses or takes everything was not looked at.
  assert(counts.taken > 0 && (parser.total || counts.refused > 0), JSON.stringify(counts));
}

/** A seed after one to four changes, or, rarely, mere noise. */
function mutated(rng: Random, parser: Parser, words: readonly Bytes[]): Bytes {
  if (rng.below(64) === 0) return noise(rng, rng.below(300));
  if (parser.json && rng.below(2) === 0) {
    const { values, wrap = (text) => text } = parser.json;
    return wrap(changedJson(rng, rng.of(values)));
  }
  let out: Bytes = rng.of(parser.seeds);
  for (let changes = 1 + rng.below(4); changes > 0; changes--) {
    out = changed(rng, parser, words, out);
  }
  return out;
}

function changed(rng: Random, parser: Parser, words: readonly Bytes[], from: Bytes): Bytes {
  const reach = parser.hot !== undefined && rng.below(16) > 0
    ? Math.min(parser.hot, from.length)
    : from.length;
  const at = reach === 0 ? 0 : rng.below(reach);
  const size = Math.min(1 + rng.below(rng.below(4) === 0 ? 64 : 4), from.length - at);
  switch (rng.below(words.length > 0 ? 8 : 6)) {
    case 0:
      return put(from, at, new Uint8Array([(from[at] ?? 0) ^ (1 << rng.below(8))]), 1);
    case 1:
      return put(from, at, new Uint8Array([rng.of(EDGES)]), 1);
    case 2:
      return put(from, at, noise(rng, size), size);
    case 3:
      return put(from, at, new Uint8Array(0), size);
    case 4:
      return put(from, at, from.slice(at, at + size), 0);
    case 5: {
      // A piece of another seed, or of this one, in its place or among it.
      const other = rng.of(parser.seeds);
      const start = rng.below(other.length + 1);
      const piece = other.slice(start, start + 1 + rng.below(64));
      return put(from, at, piece, rng.below(2) === 0 ? piece.length : 0);
    }
    case 6:
      return put(from, at, rng.of(words), 0);
    default:
      return put(from, at, rng.of(words), size);
  }
}

function noise(rng: Random, size: number): Bytes {
  const out = new Uint8Array(size);
  for (let i = 0; i < size; i++) out[i] = rng.next() >>> 8;
  return out;
}

/** `from` with `what` in the place of `size` bytes at `at`. */
function put(from: Bytes, at: number, what: Bytes, size: number): Bytes {
  const end = Math.min(from.length, at + size);
  const out = new Uint8Array(at + what.length + from.length - end);
  out.set(from.subarray(0, at));
  out.set(what, at);
  out.set(from.subarray(end), at + what.length);
  return out;
}

/** About how much memory a result takes, bytes. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return 16 + 2 * value.length;
  if (typeof value !== "object" || value === null) return 8;
  if (value instanceof Uint8Array) return 64 + value.length;
  let size = 32;
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) {
    for (const member of value) size += sizeOf(member);
  } else {
    for (const key in value) size += 16 + sizeOf((value as Record<string, unknown>)[key]);
  }
  return size;
}
