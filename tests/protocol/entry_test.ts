import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, lp, random, u32, u64 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import {
  decodeEntry,
  encodeEntry,
  type Entry,
  flagBits,
  FLAGS,
  flagsOf,
  FOLDERS,
} from "../../protocol/entry.ts";
import { assertRefused } from "../crypto/support.ts";

const part = (max: number) =>
  fc.uint8Array({ minLength: 1, maxLength: max }).map((bytes) => new Uint8Array(bytes));

const anyEntry: fc.Arbitrary<Entry> = fc.record({
  uid: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  folder: fc.constantFrom(...FOLDERS),
  flags: fc.subarray([...FLAGS]),
  receivedAt: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  header: fc.uint8Array({ minLength: 81, maxLength: 81 }).map((bytes) => new Uint8Array(bytes)),
  stanza: part(200),
  summary: part(200),
  note: fc.option(part(200)),
  bodySize: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
});

const example: Entry = {
  uid: 7,
  folder: "archive",
  flags: ["seen", "flagged"],
  receivedAt: 1_795_305_600_000,
  header: random(81),
  stanza: random(100),
  summary: random(50),
  note: null,
  bodySize: 4112,
};

Deno.test("an entry comes out as it went in", () => {
  fc.assert(fc.property(anyEntry, (entry) => {
    assertEquals(decodeEntry(encodeEntry(entry)), entry);
  }));
});

Deno.test("an entry is laid out as the protocol says", () => {
  const { header, stanza, summary } = example;
  assertEquals(
    encodeEntry(example),
    concat(
      u64(7),
      u64(1_795_305_600_000),
      u64(4112),
      new Uint8Array([2, 0b101]),
      header,
      lp(stanza),
      lp(summary),
      u32(0),
    ),
  );
});

Deno.test("flags and their bits are each other's inverse", () => {
  for (let bits = 0; bits < 8; bits++) assertEquals(flagBits(flagsOf(bits)), bits);
  assertEquals(flagBits(["seen"]), 1);
  assertEquals(flagBits(["answered"]), 2);
  assertEquals(flagBits(["flagged"]), 4);
});

Deno.test("an entry that is cut anywhere, or goes on, is refused", () => {
  const bytes = encodeEntry({ ...example, note: random(20) });
  for (let size = 0; size < bytes.length; size++) {
    assertRefused("format", () => decodeEntry(bytes.slice(0, size)));
  }
  assertRefused("format", () => decodeEntry(concat(bytes, new Uint8Array(1))));
});

Deno.test("unknown folders and flags, UID 0 and numbers out of range are refused", () => {
  const bytes = encodeEntry(example);
  const with_ = (at: number, ...values: number[]): Bytes => {
    const copy = bytes.slice();
    copy.set(values, at);
    return copy;
  };
  for (const folder of [4, 5, 255]) assertRefused("format", () => decodeEntry(with_(24, folder)));
  for (const flags of [8, 9, 128, 255]) {
    assertRefused("format", () => decodeEntry(with_(25, flags)));
  }
  assertRefused("format", () => decodeEntry(with_(0, ...new Uint8Array(8))));
  for (const at of [0, 8, 16]) assertRefused("format", () => decodeEntry(with_(at, 0xff)));
  for (const at of [107, 211, 265]) {
    assertRefused("format", () => decodeEntry(with_(at, 0xff, 0xff, 0xff, 0xff)));
  }
});

Deno.test("any bytes give an entry or a format error, nothing else", () => {
  const mutated = fc.tuple(anyEntry, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1 }))
    .map(([entry, edits]) => {
      const bytes = encodeEntry(entry);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      return bytes;
    });
  const anyBytes = fc.uint8Array({ maxLength: 400 }).map((bytes) => new Uint8Array(bytes));
  let refused = 0;
  fc.assert(fc.property(fc.oneof(mutated, anyBytes), (bytes) => {
    try {
      // What is taken is taken whole: nothing is lost or made up.
      assertEquals(encodeEntry(decodeEntry(bytes)), bytes);
    } catch (error) {
      assert(isSealpostError(error, "format"), String(error));
      refused++;
    }
  }));
  assert(refused > 0);
});
