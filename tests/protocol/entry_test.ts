import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, lp, random, u32, u64 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import {
  BUILT_IN_FOLDERS,
  decodeEntry,
  encodeEntry,
  type Entry,
  FIRST_OWN_FOLDER,
  type Flag,
  flagBits,
  flagsOf,
  type Folder,
  folderNumber,
  folderOf,
  LAST_KEYWORD,
  MAX_FOLDER,
  NAMED_FLAGS,
} from "../../protocol/entry.ts";
import { assertRefused } from "../support/testing.ts";

const part = (max: number) =>
  fc.uint8Array({ minLength: 1, maxLength: max }).map((bytes) => new Uint8Array(bytes));

/** Every flag there can be, in the order of their bits. */
const ALL_FLAGS: Flag[] = [
  ...NAMED_FLAGS,
  ...Array.from({ length: LAST_KEYWORD + 1 - NAMED_FLAGS.length }, (_, i) => i + 4),
];

const anyEntry: fc.Arbitrary<Entry> = fc.record({
  uid: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  modseq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  folder: fc.oneof(
    fc.constantFrom<Folder>(...BUILT_IN_FOLDERS),
    fc.integer({ min: FIRST_OWN_FOLDER, max: MAX_FOLDER }),
  ),
  number: fc.integer({ min: 1, max: 0xffff_ffff }),
  flags: fc.subarray<Flag>(ALL_FLAGS),
  receivedAt: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  header: fc.uint8Array({ minLength: 81, maxLength: 81 }).map((bytes) => new Uint8Array(bytes)),
  stanza: part(200),
  summary: part(200),
  note: fc.option(part(200)),
  bodySize: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
});

const example: Entry = {
  uid: 7,
  modseq: 9,
  folder: "archive",
  number: 3,
  flags: ["seen", "flagged", 40],
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
      u64(9),
      u64(1_795_305_600_000),
      u64(4112),
      u32(2),
      u32(3),
      u64(2 ** 40 + 0b101),
      header,
      lp(stanza),
      lp(summary),
      u32(0),
    ),
  );
});

Deno.test("flags and their bits are each other's inverse", () => {
  for (const [bit, flag] of ALL_FLAGS.entries()) {
    const bits = flagBits([flag]);
    assertEquals(bits, bit < 32 ? { low: 2 ** bit, high: 0 } : { low: 0, high: 2 ** (bit - 32) });
    assertEquals(flagsOf(bits), [flag]);
  }
  assertEquals(flagsOf(flagBits(ALL_FLAGS)), ALL_FLAGS);
});

Deno.test("folders and their numbers are each other's inverse, and 5 to 15 are none", () => {
  for (const [number, name] of BUILT_IN_FOLDERS.entries()) {
    assertEquals([folderNumber(name), folderOf(number)], [number, name]);
  }
  for (const number of [16, 17, 0xffff_ffff]) {
    assertEquals([folderNumber(number), folderOf(number)], [number, number]);
  }
  for (const number of [5, 15, 2 ** 32]) assertRefused("format", () => folderOf(number));
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
  for (const folder of [5, 15]) assertRefused("format", () => decodeEntry(with_(35, folder)));
  assertRefused("format", () => decodeEntry(with_(40, 0x80)));
  for (const at of [0, 8]) {
    assertRefused("format", () => decodeEntry(with_(at, ...new Uint8Array(8))));
  }
  assertRefused("format", () => decodeEntry(with_(36, ...new Uint8Array(4))));
  for (const at of [0, 8, 16, 24]) assertRefused("format", () => decodeEntry(with_(at, 0xff)));
  for (const at of [129, 233, 287]) {
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
