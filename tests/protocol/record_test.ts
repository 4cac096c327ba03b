import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { aesOpen, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, random, utf8 } from "../../crypto/bytes.ts";
import { hkdf } from "../../crypto/hash.ts";
import {
  MAX_RECORD,
  MAX_RECORD_PLAINTEXT,
  MIN_RECORD,
  RECORD_HEADER,
  recordLength,
  RecordOpener,
  RecordSealer,
  REKEY_INTERVAL,
} from "../../protocol/record.ts";
import { assertRefused, assertRefusedAsync, flip } from "../support/testing.ts";

const body = (record: Bytes) => record.slice(RECORD_HEADER);

/** Seals `texts` one after the other. */
async function seal(sealer: RecordSealer, ...texts: string[]): Promise<Bytes[]> {
  const out: Bytes[] = [];
  for (const text of texts) out.push(await sealer.seal(utf8(text)));
  return out;
}

/** The nonce of record `i`: a 96-bit big-endian counter. */
function nonce(i: number): Bytes {
  const out = new Uint8Array(12);
  let rest = BigInt(i);
  for (let at = 11; rest > 0n; at--, rest >>= 8n) out[at] = Number(rest & 0xffn);
  return out;
}

async function ratchet(key: Bytes): Promise<Bytes> {
  return await hkdf(key, new Uint8Array(0), "sealpost/1 rekey", 32);
}

Deno.test("a record is its length and a ciphertext that is bound to it", async () => {
  const key = random(32);
  for (const size of [1, 2, 255, 256, 65_535, MAX_RECORD_PLAINTEXT]) {
    const text = random(size);
    const record = await new RecordSealer(key).seal(text);
    const length = size + 16;
    assertEquals(record.slice(0, 3), new Uint8Array([length >> 16, length >> 8, length]));
    assertEquals(record.length, RECORD_HEADER + length);
    assertEquals(recordLength(record), length);
    const plain = await aesOpen(
      await importAesKey(key),
      nonce(0),
      body(record),
      record.slice(0, 3),
    );
    assertEquals(plain, text);
    assertEquals(await new RecordOpener(key).open(body(record)), text);
  }
});

Deno.test("a record holds 1 to 65,536 bytes", async () => {
  const sealer = new RecordSealer(random(32));
  for (const size of [0, MAX_RECORD_PLAINTEXT + 1]) {
    await assertRejects(() => sealer.seal(new Uint8Array(size)), RangeError);
  }
});

Deno.test("records open in their order, each under the next counter", async () => {
  const key = random(32);
  const texts = ["one", "two", "three", "three", ""].map((text) => `${text}.`);
  const records = await seal(new RecordSealer(key), ...texts);
  assertNotEquals(records[2], records[3]);
  const opener = new RecordOpener(key);
  for (const [i, record] of records.entries()) {
    assertEquals(await opener.open(body(record)), utf8(texts[i] ?? ""));
    const direct = aesOpen(await importAesKey(key), nonce(i), body(record), record.slice(0, 3));
    assertEquals(await direct, utf8(texts[i] ?? ""));
  }
});

Deno.test("the counter goes on beyond 32 bits", async () => {
  const key = random(32);
  for (const at of [2 ** 32 - 2, 2 ** 40 + 7]) {
    const sealer = new RecordSealer(key, at);
    const [record = new Uint8Array(0)] = await seal(sealer, "far along");
    const opened = aesOpen(await importAesKey(key), nonce(at), body(record), record.slice(0, 3));
    assertEquals(await opened, utf8("far along"));
    assertEquals(await new RecordOpener(key, at).open(body(record)), utf8("far along"));
  }
  // 2^32 is a multiple of 2^20 as well: the key changes with the carry.
  const sealer = new RecordSealer(key, 2 ** 32 - 1);
  const [, carried = new Uint8Array(0)] = await seal(sealer, "before", "after");
  const next = await importAesKey(await ratchet(key));
  assertEquals(
    await aesOpen(next, nonce(2 ** 32), body(carried), carried.slice(0, 3)),
    utf8("after"),
  );
});

Deno.test("before every record whose number is a multiple of 2^20 the key is ratcheted", async () => {
  assertEquals(REKEY_INTERVAL, 1_048_576);
  const key = random(32);
  const next = await ratchet(key);
  const opensWith = async (raw: Bytes, i: number, record: Bytes) => {
    const opened = aesOpen(await importAesKey(raw), nonce(i), body(record), record.slice(0, 3));
    return await opened.then(() => true, () => false);
  };
  for (const times of [1, 2, 3]) {
    const start = times * REKEY_INTERVAL - 2;
    const sealer = new RecordSealer(key, start);
    const opener = new RecordOpener(key, start);
    const records = await seal(sealer, "a", "b", "c", "d");
    for (const [n, record] of records.entries()) {
      const i = start + n;
      const [right, wrong] = i < times * REKEY_INTERVAL ? [key, next] : [next, key];
      assert(await opensWith(right, i, record));
      assert(!await opensWith(wrong, i, record));
      assertEquals(await opener.open(body(record)), utf8("abcd".charAt(n)));
    }
  }
  // Record 0 is under the key as it came from the handshake.
  const [first = new Uint8Array(0)] = await seal(new RecordSealer(key), "first");
  assert(await opensWith(key, 0, first));
});

Deno.test("a bit flipped anywhere in a record, its length included, is noticed", async () => {
  const key = random(32);
  const record = await new RecordSealer(key).seal(random(100));
  for (let at = 0; at < record.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bad = flip(record, at, bit);
      const opener = new RecordOpener(key);
      if (at >= RECORD_HEADER) {
        await assertRefusedAsync("authentication", () => opener.open(body(bad)));
        continue;
      }
      // With another length either it is out of bounds, or other bytes are taken.
      let length = 0;
      try {
        length = recordLength(bad);
      } catch {
        assertRefused("protocol", () => recordLength(bad));
        continue;
      }
      const taken = concat(body(bad), new Uint8Array(MAX_RECORD)).slice(0, length);
      await assertRefusedAsync("authentication", () => opener.open(taken));
    }
  }
});

Deno.test("a record that is repeated, left out, moved or from the other direction is refused", async () => {
  const key = random(32);
  const records = (await seal(new RecordSealer(key), "0", "1", "2")).map(body);
  const [zero, one, two] = records;
  assert(zero && one && two);
  const cases = [
    { good: [zero], bad: zero },
    { good: [zero, one], bad: one },
    { good: [zero, one], bad: zero },
    { good: [zero], bad: two },
    { good: [], bad: one },
    { good: [], bad: two },
  ];
  for (const { good, bad } of cases) {
    const opener = new RecordOpener(key);
    for (const record of good) await opener.open(record);
    await assertRefusedAsync("authentication", () => opener.open(bad));
  }
  const other = body(await new RecordSealer(random(32)).seal(utf8("0")));
  await assertRefusedAsync("authentication", () => new RecordOpener(key).open(other));
});

Deno.test("after a record that failed, good ones are refused too", async () => {
  const key = random(32);
  const [zero, one] = (await seal(new RecordSealer(key), "0", "1")).map(body);
  assert(zero && one);
  const opener = new RecordOpener(key);
  await assertRefusedAsync("authentication", () => opener.open(flip(zero, 0)));
  for (const record of [zero, one]) {
    await assertRefusedAsync("authentication", () => opener.open(record));
  }
});

Deno.test("a length of 0 to 16 or over 65,552 is refused before anything is allocated", () => {
  const header = (n: number) => new Uint8Array([n >>> 16, (n >>> 8) & 0xff, n & 0xff]);
  for (let n = 0; n < MIN_RECORD; n++) assertRefused("protocol", () => recordLength(header(n)));
  for (const n of [MAX_RECORD + 1, MAX_RECORD + 256, 100_000, 2 ** 24 - 1]) {
    assertRefused("protocol", () => recordLength(header(n)));
  }
  for (const n of [MIN_RECORD, 18, 300, MAX_RECORD - 1, MAX_RECORD]) {
    assertEquals(recordLength(header(n)), n);
  }
  assertEquals([MIN_RECORD, MAX_RECORD], [17, 65_552]);
});

Deno.test("erased keys make no more records, not even one that was under way", async () => {
  for (const startAt of [0, REKEY_INTERVAL]) {
    const key = random(32);
    const record = await new RecordSealer(key, startAt).seal(utf8("text"));
    const sealer = new RecordSealer(key, startAt);
    const opener = new RecordOpener(key, startAt);
    const underWay = [sealer.seal(utf8("text")), opener.open(body(record))]
      .map((promise) => assertRefusedAsync("connection-lost", () => promise));
    sealer.erase();
    opener.erase();
    await Promise.all(underWay);
    await assertRefusedAsync("connection-lost", () => sealer.seal(utf8("text")));
    await assertRefusedAsync("connection-lost", () => opener.open(body(record)));
    sealer.erase();
  }
});

Deno.test("a sealer keeps its own copy of the key", async () => {
  const key = random(32);
  const copy = key.slice();
  const [sealer, opener] = [new RecordSealer(key), new RecordOpener(copy)];
  key.fill(0);
  copy.fill(0);
  assertEquals(await opener.open(body(await sealer.seal(utf8("text")))), utf8("text"));
});
