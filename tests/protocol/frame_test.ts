import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, random, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import {
  checkFrame,
  decodeFrames,
  encodeFrames,
  type Frame,
  FRAME_HEADER,
  FrameKind,
  frameSize,
  MAX_DATA,
  PAD_MULTIPLE,
  PING_SIZE,
} from "../../protocol/frame.ts";
import { MAX_JSON } from "../../protocol/limits.ts";
import { MAX_RECORD_PLAINTEXT } from "../../protocol/record.ts";
import { assertRefused, flip } from "../support/testing.ts";

const EMPTY = new Uint8Array(0);
const WITH_ID = new Set<FrameKind>([
  FrameKind.request,
  FrameKind.response,
  FrameKind.data,
  FrameKind.end,
  FrameKind.cancel,
]);

/** Least and most payload of each kind, as the protocol says. */
const BOUNDS: readonly (readonly [FrameKind, number, number])[] = [
  [FrameKind.request, 2, MAX_JSON],
  [FrameKind.response, 2, MAX_JSON],
  [FrameKind.data, 1, MAX_DATA],
  [FrameKind.end, 0, 0],
  [FrameKind.cancel, 0, 0],
  [FrameKind.event, 2, MAX_JSON],
  [FrameKind.ping, PING_SIZE, PING_SIZE],
  [FrameKind.close, 0, MAX_JSON],
];

function frame(kind: FrameKind, size: number): Frame {
  return { kind, id: WITH_ID.has(kind) ? 7 : 0, payload: random(size) };
}

const anyFrame: fc.Arbitrary<Frame> = fc.constantFrom(...BOUNDS).chain(([kind, min, max]) =>
  fc.record({
    kind: fc.constant(kind),
    id: WITH_ID.has(kind) ? fc.integer({ min: 1, max: 0xffffffff }) : fc.constant(0),
    payload: fc.uint8Array({ minLength: min, maxLength: Math.min(max, 600) })
      .map((bytes) => new Uint8Array(bytes)),
  })
);
const someFrames = fc.array(anyFrame, { minLength: 1, maxLength: 20 });

/** The plaintext of one frame, with any values in its header. */
function raw(kind: number, id: number, length: number, payload: Bytes): Bytes {
  const head = new Uint8Array(FRAME_HEADER);
  const view = new DataView(head.buffer);
  view.setUint8(0, kind);
  view.setUint32(1, id);
  view.setUint8(5, length >>> 16);
  view.setUint16(6, length & 0xffff);
  return concat(head, payload);
}

Deno.test("frames come out as they went in", () => {
  fc.assert(fc.property(someFrames, fc.nat(4096), (frames, padTo) => {
    assertEquals(decodeFrames(encodeFrames(frames, padTo)), frames);
  }));
});

Deno.test("frames of the largest size come out as they went in", () => {
  for (const [kind, min, max] of BOUNDS) {
    for (const size of new Set([min, max])) {
      const one = frame(kind, size);
      assertEquals(decodeFrames(encodeFrames([one])), [one]);
    }
  }
  assertEquals(encodeFrames([frame(FrameKind.data, MAX_DATA)]).length, MAX_RECORD_PLAINTEXT);
});

Deno.test("the header is kind, request id and length, big-endian", () => {
  const one: Frame = { kind: FrameKind.data, id: 0x01020304, payload: random(0x0506) };
  const bytes = encodeFrames([one]);
  assertEquals(bytes.slice(0, 8), new Uint8Array([3, 1, 2, 3, 4, 0, 5, 6]));
  assertEquals(bytes.slice(8), one.payload);
});

Deno.test("records without data are padded to a multiple of 256, those with data to what is asked", () => {
  fc.assert(fc.property(someFrames, fc.nat(2000), (frames, padTo) => {
    const size = frames.reduce((sum, one) => sum + frameSize(one), 0);
    const bytes = encodeFrames(frames, padTo);
    const least = Math.max(size, padTo);
    if (frames.some((one) => one.kind === FrameKind.data)) assertEquals(bytes.length, least);
    else assertEquals(bytes.length, Math.ceil(least / PAD_MULTIPLE) * PAD_MULTIPLE);
    assert(bytes.subarray(size).every((byte) => byte === 0));
  }));
  assertEquals(encodeFrames([frame(FrameKind.end, 0)]).length, 256);
  assertEquals(encodeFrames([frame(FrameKind.close, 248)]).length, 256);
  assertEquals(encodeFrames([frame(FrameKind.close, 249)]).length, 512);
  assertEquals(encodeFrames([frame(FrameKind.end, 0)], 1024).length, 1024);
});

Deno.test("what could not be read back is not written", () => {
  for (const [kind, min, max] of BOUNDS) {
    for (const size of [min - 1, max + 1]) {
      if (size < 0) continue;
      const bad = frame(kind, size);
      assertRefused("limit", () => checkFrame(bad));
      assertRefused("limit", () => encodeFrames([frame(FrameKind.close, 0), bad]));
    }
    const good = frame(kind, min);
    checkFrame(good);
    const ids = WITH_ID.has(kind) ? [0, -1, 1.5, NaN, 2 ** 32] : [1, -1, 2 ** 32];
    for (const id of ids) assertRefused("limit", () => checkFrame({ ...good, id }));
  }
  assertRefused("limit", () => encodeFrames([]));
  assertRefused(
    "limit",
    () => encodeFrames([frame(FrameKind.data, MAX_DATA), frame(FrameKind.end, 0)]),
  );
  assertRefused("limit", () => encodeFrames([frame(FrameKind.end, 0)], MAX_RECORD_PLAINTEXT + 1));
});

Deno.test("kinds that are not known, lengths and ids out of bounds are refused", () => {
  for (const kind of [9, 10, 100, 255]) {
    assertRefused("protocol", () => decodeFrames(raw(kind, 1, 0, EMPTY)));
  }
  for (const [kind, min, max] of BOUNDS) {
    const id = WITH_ID.has(kind) ? 1 : 0;
    for (const length of [min - 1, max + 1, 2 ** 24 - 1]) {
      if (length < 0) continue;
      const payload = new Uint8Array(Math.min(length, MAX_RECORD_PLAINTEXT));
      assertRefused("protocol", () => decodeFrames(raw(kind, id, length, payload)));
    }
    assertRefused("protocol", () => decodeFrames(raw(kind, 1 - id, min, random(min))));
  }
});

Deno.test("a frame that is cut anywhere is refused, not taken for padding", () => {
  const whole = encodeFrames([frame(FrameKind.data, 5), frame(FrameKind.data, 300)]);
  const boundary = FRAME_HEADER + 5;
  for (let size = 1; size < whole.length; size++) {
    if (size === boundary) assertEquals(decodeFrames(whole.slice(0, size)).length, 1);
    else assertRefused("protocol", () => decodeFrames(whole.slice(0, size)));
  }
});

Deno.test("padding that is not all zeros is refused", () => {
  const bytes = encodeFrames([frame(FrameKind.end, 0)]);
  for (let at = FRAME_HEADER + 1; at < bytes.length; at++) {
    assertRefused("protocol", () => decodeFrames(flip(bytes, at, at % 8)));
  }
  assertRefused("protocol", () => decodeFrames(concat(new Uint8Array(8), bytes)));
  assertEquals(decodeFrames(new Uint8Array(256)), []);
  assertEquals(decodeFrames(EMPTY), []);
});

/** True if `bytes` are frames; else they were refused as they should be. */
function readable(bytes: Bytes): boolean {
  try {
    for (const one of decodeFrames(bytes)) checkFrame(one);
    return true;
  } catch (error) {
    assert(isSealpostError(error, "protocol"), String(error));
    return false;
  }
}

Deno.test("any bytes give frames or a protocol error, nothing else", () => {
  const anyBytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes));
  // Headers that nearly fit get further than random bytes do.
  const likely = fc.array(
    fc.tuple(fc.nat(10), fc.nat(2), fc.nat(12), fc.uint8Array({ maxLength: 12 })),
    { maxLength: 5 },
  ).map((parts) =>
    concat(...parts.map(([kind, id, length, payload]) => {
      return raw(kind, id, length, new Uint8Array(payload));
    }))
  );
  fc.assert(fc.property(anyBytes, (bytes) => void readable(bytes)), { numRuns: 500 });
  fc.assert(fc.property(likely, (bytes) => void readable(bytes)), { numRuns: 2000 });
});

Deno.test("frames with one byte changed give frames or a protocol error", () => {
  let refused = 0;
  fc.assert(
    fc.property(someFrames, fc.nat(), fc.integer({ min: 1, max: 255 }), (frames, at, mask) => {
      const bytes = encodeFrames(frames);
      bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask;
      if (!readable(bytes)) refused++;
    }),
    { numRuns: 500 },
  );
  assert(refused > 0);
});

Deno.test("decoded payloads lie where the record was decrypted to, each within its own bounds", () => {
  const sent = ["{}", '{"a":1}'].map((text) => utf8(text));
  const bytes = encodeFrames(sent.map((payload) => ({ kind: FrameKind.event, id: 0, payload })));
  const got = decodeFrames(bytes).map(({ payload }) => payload);
  assertEquals(got, sent);
  assert(got.every(({ buffer }) => buffer === bytes.buffer), "nothing was copied");
});
