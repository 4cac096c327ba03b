import { assert, assertEquals } from "@std/assert";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { decodeFrames, encodeFrames, type Frame, FrameKind } from "../../protocol/frame.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { contentOf, type FramesFile, type FrameVector, readVectors } from "./files.ts";

const file = await readVectors<FramesFile>("frames.json");

function frameOf({ kind, id, payload }: FrameVector): Frame {
  const known = Object.values(FrameKind).find((one) => one === kind);
  assert(known !== undefined);
  return { kind: known, id, payload: contentOf(payload) };
}

Deno.test("the vectors of frames: records are written and read as they are there", async () => {
  await forEachCase(file.records, ({ frames, padTo, plaintext }) => {
    const list = frames.map(frameOf);
    assertEquals(toHex(encodeFrames(list, padTo)), plaintext);
    assertEquals(decodeFrames(fromHex(plaintext)), list);
  });
  await forEachCase(file.readOnly, ({ frames, plaintext }) => {
    assertEquals(decodeFrames(fromHex(plaintext)), frames.map(frameOf));
  });
});

Deno.test("the vectors of frames: every malformed record is refused", async () => {
  await forEachRefused(file.malformed, ({ plaintext }) => decodeFrames(fromHex(plaintext)));
});
