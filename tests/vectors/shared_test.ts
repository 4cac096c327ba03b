import { assertEquals } from "@std/assert";
import { fromHex, fromUtf8, toHex, utf8 } from "../../crypto/bytes.ts";
import {
  decodeRecord,
  encodeRecord,
  mergeRecords,
  openRecord,
  recordToPut,
  sealRecord,
  takeRecord,
} from "../../protocol/shared_record.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { readVectors, type RecordJson, type SharedFile } from "./files.ts";
import { Identities } from "./identities.ts";

const file = await readVectors<SharedFile>("shared.json");
const identities = await Identities.load();

const decoded = (record: RecordJson) => decodeRecord(utf8(JSON.stringify(record)));

Deno.test("the vectors of shared records: they open to what was sealed, and are sealed again", async () => {
  await forEachCase(file.sealed, async ({ identity, user, version, json, sealed }) => {
    const own = await identities.get(identity);
    const record = await openRecord(own, user, version, fromHex(sealed));
    assertEquals(JSON.parse(fromUtf8(encodeRecord(record))), JSON.parse(json));
    const again = await sealRecord(own, user, version, record);
    assertEquals(again.length, sealed.length / 2);
    assertEquals(await openRecord(own, user, version, again), record);
  });
});

Deno.test("the vectors of shared records: two are merged as it stands there, in either order", async () => {
  await forEachCase(file.merges, ({ a, b, merged }) => {
    const expected = toHex(encodeRecord(decoded(merged)));
    assertEquals(toHex(encodeRecord(mergeRecords(decoded(a), decoded(b)))), expected);
    assertEquals(toHex(encodeRecord(mergeRecords(decoded(b), decoded(a)))), expected);
  });
});

Deno.test("the vectors of shared records: a machine takes one, and puts one, as it stands there", async () => {
  await forEachCase(file.taken, ({ seen, own, theirs, wentBack, taken }) => {
    const known = { seen, record: decoded(own) };
    const record = takeRecord(known, decoded(theirs), wentBack);
    assertEquals(fromUtf8(encodeRecord(record)), fromUtf8(encodeRecord(decoded(taken))));
  });
  await forEachCase(file.puts, ({ record, self, version, now, put }) => {
    const made = recordToPut(decoded(record), self, version, now);
    assertEquals(fromUtf8(encodeRecord(made)), fromUtf8(encodeRecord(decoded(put))));
  });
});

Deno.test("the vectors of shared records: every malformed one is refused", async () => {
  await forEachRefused(file.malformed, async ({ identity, user, version, sealed }) => {
    await openRecord(await identities.get(identity), user, version, fromHex(sealed));
  });
});
