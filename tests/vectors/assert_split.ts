import { assertEquals } from "@std/assert";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import type { SplitKeys } from "../../protocol/noise.ts";
import { forEachCase } from "./cases.ts";
import type { SplitVector } from "./files.ts";

/** Asserts that `keys` are those of the vector. */
export async function assertSplit(keys: SplitKeys, vector: SplitVector): Promise<void> {
  assertEquals(toHex(keys.initiator), vector.initiator);
  assertEquals(toHex(keys.responder), vector.responder);
  await forEachCase(vector.exported.map((one) => ({ name: one.context, ...one })), async (one) => {
    assertEquals(toHex(await keys.exporter(one.label, fromHex(one.context))), one.output);
  });
}
