import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, random } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { StreamOpener } from "../../crypto/stream.ts";
import { openBody } from "../../protocol/body.ts";
import { partKey } from "../../protocol/file_key.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";
import { FULL } from "../support/full.ts";
import { identityOf } from "../support/identities.ts";
import { positionsIn } from "../support/positions.ts";
import { type Delivered, deliveredTo, pieces, read, sealMessage } from "../support/sealed.ts";

const alice = await identityOf("alice");
const bob = await identityOf("bob");

/** Two whole chunks and one of 4,096 bytes: a first, a middle and a last. */
const MESSAGE = random(135_168 - 72);
const parts = await sealMessage(alice, [bob.bundle], MESSAGE);
const [first, middle, last] = parts.chunks;
assert(first && middle && last && parts.chunks.length === 3);
const SIZE = concat(...parts.chunks).length;

/** Readings at once: the private operations of one run beside those of another. */
const AT_ONCE = 4;

/** `work` for each of `indices`, several at once, each with its own `state`. */
async function forEach<T>(
  indices: readonly number[],
  state: () => T,
  work: (index: number, state: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    const own = state();
    for (let i = next++; i < indices.length; i = next++) await work(indices[i] ?? 0, own);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** What reading gave: nothing but an error, or this fails. */
async function assertNotRead(delivered: Delivered, what: string): Promise<void> {
  let code: string;
  try {
    await read(bob, alice.bundle, delivered);
    code = "it was read";
  } catch (error) {
    if (isSealpostError(error, "format", "authentication", "version")) return;
    code = String(error);
  }
  throw new Error(`${what}: ${code}`);
}

Deno.test("the message that the tests below damage is read while it is whole", async () => {
  assertEquals((await read(bob, alice.bundle, deliveredTo(parts, 0))).message, MESSAGE);
});

for (const part of ["header", "stanza", "summary"] as const) {
  Deno.test(`a bit flipped anywhere in the ${part} keeps a message from being read`, async () => {
    const whole = deliveredTo(parts, 0);
    const bytes = whole[part];
    await forEach(positionsIn(bytes.length), () => null, async (at) => {
      const damaged = { ...whole, body: pieces(...parts.chunks), [part]: flip(bytes, at, at % 8) };
      await assertNotRead(damaged, `byte ${at} of the ${part}`);
    });
  });
}

/**
 * `chunk` with one bit flipped in the byte at `at`, for as long as `work` takes. In place and back:
 * copies of 64 KiB for each bit would take most of the time.
 */
async function flipped(chunk: Bytes, at: number, work: () => Promise<void>): Promise<void> {
  const good = chunk[at] ?? 0;
  chunk[at] = good ^ (1 << (at % 8));
  await work();
  chunk[at] = good;
}

/** Asserts that the body with `chunk` in the place of number `index` is refused there. */
async function assertBodyRefused(index: number, chunk: Bytes, what: string): Promise<void> {
  const all = parts.chunks.with(index, chunk);
  let released = 0;
  let code = "it was read";
  try {
    await openBody(parts, alice.bundle, SIZE, pieces(...all), (piece) => {
      released += piece.length;
      return Promise.resolve();
    });
  } catch (error) {
    code = isSealpostError(error) ? error.code : String(error);
  }
  // What verified by itself went to where nobody sees it; nothing of the damaged chunk did.
  assertEquals([code, released], ["authentication", Math.max(0, index * 65_536 - 8)], what);
}

for (const [index, name, chunk] of [[0, "first", first], [2, "last", last]] as const) {
  Deno.test(`a bit flipped anywhere in the ${name} chunk keeps a message from being read`, async () => {
    await forEach(positionsIn(chunk.length), () => chunk.slice(), async (at, damaged) => {
      const what = `byte ${at} of the ${name} chunk`;
      await flipped(damaged, at, () => assertBodyRefused(index, damaged, what));
    });
  });
}

Deno.test("a bit flipped anywhere in the middle chunk keeps a message from being read", async () => {
  // Each position where chunks are opened; the whole body, which means all before it as well, for the
  // ends and every 32nd.
  const key = await partKey(parts.fileKey, "body", parts.header);
  await forEach(positionsIn(middle.length), () => middle.slice(), async (at, damaged) => {
    const what = `byte ${at} of the middle chunk`;
    await flipped(damaged, at, async () => {
      const opener = new StreamOpener(key);
      const before = opener.open(first, false);
      await assertRefusedAsync("authentication", () => opener.open(damaged, false));
      await before;
      const near = at < 64 || at >= middle.length - 64;
      if (near || at % 32 === 0) await assertBodyRefused(1, damaged, what);
    });
  });
});

Deno.test("any damage to any part keeps a message from being read, and is told as such", async () => {
  const whole = deliveredTo(parts, 0);
  const kinds = fc.constantFrom("header", "stanza", "summary", "chunk");
  const edits = fc.array(
    fc.tuple(
      fc.constantFrom("set", "cut", "insert", "swap"),
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
    ),
    { minLength: 1, maxLength: 4 },
  );
  const apply = (bytes: Bytes, list: readonly [string, number, number, number][]): Bytes => {
    let out = bytes.slice();
    for (const [kind, a, b, value] of list) {
      if (out.length === 0) break;
      const [i, j] = [a % out.length, b % out.length];
      if (kind === "set") out[i] = (out[i] ?? 0) ^ value;
      else if (kind === "cut") out = concat(out.slice(0, i), out.slice(i + (value % 40)));
      else if (kind === "insert") {
        out = concat(out.slice(0, i), new Uint8Array(value), out.slice(i));
      } else [out[i], out[j]] = [out[j] ?? 0, out[i] ?? 0];
    }
    return out;
  };
  await fc.assert(
    fc.asyncProperty(kinds, edits, fc.nat(2), async (kind, list, at) => {
      const chosen = kind === "chunk" ? parts.chunks[at] ?? last : whole[kind];
      const bad = apply(chosen, list);
      if (bad.length === chosen.length && bad.every((byte, i) => byte === chosen[i])) return;
      const body = parts.chunks.map((chunk, i) => kind === "chunk" && i === at ? bad : chunk);
      const damaged = { ...whole, body: pieces(...body) };
      await assertNotRead(kind === "chunk" ? damaged : { ...damaged, [kind]: bad }, kind);
    }),
    { numRuns: FULL ? 500 : 100 },
  );
});
