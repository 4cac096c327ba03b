import { assertEquals } from "@std/assert";
import { type Bytes, fromHex, toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { RECORD_HEADER, recordLength, RecordOpener, RecordSealer } from "../../protocol/record.ts";
import { assertRefusedAsync } from "../support/testing.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { contentOf, readVectors, type RecordsFile } from "./files.ts";

const file = await readVectors<RecordsFile>("records.json");

/** Reads one record as a connection does: the header, which says how much follows, then that. */
async function open(opener: RecordOpener, record: Bytes): Promise<Bytes> {
  const length = recordLength(record.slice(0, RECORD_HEADER));
  assertEquals(record.length, RECORD_HEADER + length);
  return await opener.open(record.slice(RECORD_HEADER));
}

Deno.test("the vectors of records: they are sealed and opened as they are there", async () => {
  await forEachCase(file.streams, async ({ key, first, records }) => {
    const sealer = new RecordSealer(fromHex(key), first);
    const opener = new RecordOpener(fromHex(key), first);
    await forEachCase(records.map((one, i) => ({ name: `record ${i}`, ...one })), async (one) => {
      const plaintext = contentOf(one.plaintext);
      const record = await sealer.seal(plaintext);
      if (one.record === undefined) assertEquals(toHex(await sha256(record)), one.sha256);
      else assertEquals(toHex(record), one.record);
      assertEquals(await open(opener, record), plaintext);
    });
  });
});

Deno.test("the vectors of records: every malformed one is refused, and nothing opens after it", async () => {
  await forEachRefused(file.malformed, async ({ key, first, records, error }) => {
    const opener = new RecordOpener(fromHex(key), first);
    for (const record of records.slice(0, -1)) await open(opener, fromHex(record));
    const last = fromHex(records.at(-1) ?? "");
    try {
      await open(opener, last);
    } finally {
      if (error === "authentication") {
        await assertRefusedAsync("authentication", () => open(opener, last));
      }
    }
  });
});
