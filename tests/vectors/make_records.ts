import { type Bytes, concat, toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { edited } from "./edits.ts";
import { type Content, contentOf, type RecordsFile } from "./files.ts";
import { pattern } from "./pattern.ts";
import { recordByHand, rekeyed, u24 } from "./record_by_hand.ts";

const INTERVAL = 2 ** 20;
const KEY = pattern("sealpost vectors record key", 32);

/** Records longer than this are given by their hash, bytes. */
const LONG = 1024;

async function stream(
  name: string,
  first: number,
  plaintexts: readonly Content[],
): Promise<RecordsFile["streams"][number]> {
  let key: Bytes = KEY;
  const records: RecordsFile["streams"][number]["records"][number][] = [];
  for (const [i, plaintext] of plaintexts.entries()) {
    const j = first + i;
    if (j > 0 && j % INTERVAL === 0) key = await rekeyed(key);
    const record = await recordByHand(key, j, contentOf(plaintext));
    const hash = { sha256: toHex(await sha256(record)) };
    records.push({ plaintext, ...(record.length > LONG ? hash : { record: toHex(record) }) });
  }
  return { name, key: toHex(KEY), first, records };
}

export async function makeRecords(): Promise<RecordsFile> {
  const text = (utf8: string): Content => ({ utf8 });
  const random = (length: number): Content => ({ pattern: "sealpost vectors record", length });
  return {
    streams: [
      await stream("the first records", 0, [text("a"), text("a"), random(256), random(1000)]),
      await stream("the smallest and the largest", 0, [{ hex: "00" }, random(65_536), {
        hex: "ff",
      }]),
      await stream("the key is replaced", INTERVAL - 2, [
        text("the last but one"),
        text("the last"),
        text("the first under the next key"),
        text("the second"),
      ]),
      await stream("the first record that follows on a replacement", INTERVAL, [text("x")]),
      await stream("a later replacement", 7 * INTERVAL - 1, [text("before"), text("after")]),
      await stream("a counter over 32 bits", 2 ** 32 - 1, [text("before"), text("after")]),
    ],
    malformed: await malformed(),
  };
}

type Malformed = RecordsFile["malformed"][number];

async function malformed(): Promise<Malformed[]> {
  const of = (
    error: Malformed["error"],
    name: string,
    why: string,
    records: readonly Bytes[],
    first = 0,
  ): Malformed => ({ name, why, error, key: toHex(KEY), first, records: records.map(toHex) });
  const at = (j: number, text = "x") => recordByHand(KEY, j, new TextEncoder().encode(text));
  const [zero, one, two] = [await at(0), await at(1), await at(2)];
  const flipped = (record: Bytes, place: number) => edited(record, [{ at: place, xor: "01" }]);
  const other = pattern("sealpost vectors another key", 32);
  const x = new Uint8Array([0x78]);
  const [last, unreplaced] = [await at(INTERVAL - 1), await at(INTERVAL)];
  const early = await recordByHand(await rekeyed(KEY), INTERVAL - 1, x);
  const restarted = await recordByHand(await rekeyed(KEY), 0, x);
  return [
    of("protocol", "length-0", "L is 0", [u24(0)]),
    of("protocol", "length-16", "L is 16: no plaintext", [concat(u24(16), pattern("tag", 16))]),
    of("protocol", "length-65553", "L is 65,553", [u24(65_553)]),
    of("protocol", "length-all-ones", "L is 16,777,215", [u24(0xffffff)]),
    of("authentication", "ciphertext", "a bit of the ciphertext", [flipped(zero, 3)]),
    of("authentication", "tag", "a bit of the tag", [flipped(zero, 19)]),
    of("authentication", "length-longer", "L is one more, and a byte more is there", [
      edited(zero, [{ at: 2, put: "12" }, { at: 20, insert: "00" }]),
    ]),
    of("authentication", "no-aad", "the length is not in the additional data", [
      await recordByHand(KEY, 0, x, new Uint8Array(0)),
    ]),
    of("authentication", "key", "under another key", [await recordByHand(other, 0, x)]),
    of("authentication", "replayed", "a record that came already", [zero, zero]),
    of("authentication", "left-out", "a record is missing", [zero, two]),
    of("authentication", "swapped", "the second record comes first", [one]),
    of(
      "authentication",
      "not-replaced",
      "record 2^20 under the old key",
      [last, unreplaced],
      INTERVAL - 1,
    ),
    of(
      "authentication",
      "replaced-early",
      "record 2^20 - 1 under the next key",
      [early],
      INTERVAL - 1,
    ),
    of("authentication", "counter-restarted", "the counter starts over with the new key", [
      last,
      restarted,
    ], INTERVAL - 1),
  ];
}
