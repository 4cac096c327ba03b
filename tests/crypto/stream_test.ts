import { assertEquals } from "@std/assert";
import { aesOpen, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, random } from "../../crypto/bytes.ts";
import { CHUNK, SEALED_CHUNK, StreamOpener, StreamSealer } from "../../crypto/stream.ts";
import { assertRefusedAsync, flip, hex } from "../support/testing.ts";

const key = await importAesKey(random(32));
const text = random(2 * CHUNK + 100);
const chunks = await seal(text);

function split(data: Bytes, size: number): Bytes[] {
  const parts: Bytes[] = [];
  for (let at = 0; at < data.length; at += size) parts.push(data.slice(at, at + size));
  return parts;
}

async function seal(data: Bytes): Promise<Bytes[]> {
  const sealer = new StreamSealer(key);
  const parts = split(data, CHUNK);
  return await Promise.all(parts.map((part, i) => sealer.seal(part, i === parts.length - 1)));
}

async function open(sealed: readonly Bytes[]): Promise<Bytes> {
  const opener = new StreamOpener(key);
  const parts: Bytes[] = [];
  for (const [i, chunk] of sealed.entries()) {
    parts.push(await opener.open(chunk, i === sealed.length - 1));
  }
  return concat(...parts);
}

function chunk(i: number): Bytes {
  const found = chunks[i];
  if (found === undefined) throw new Error("no such chunk");
  return found;
}

Deno.test("StreamOpener gives back what StreamSealer sealed, around every boundary", async () => {
  for (const size of [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 1]) {
    const data = random(size);
    const sealed = await seal(data);
    assertEquals(sealed.length, Math.ceil(size / CHUNK));
    assertEquals(concat(...sealed).length, size + 16 * sealed.length);
    assertEquals(await open(sealed), data);
  }
  assertEquals(chunk(0).length, SEALED_CHUNK);
});

Deno.test("the nonce is an 11-byte counter and the flag of the last chunk", async () => {
  const parts = split(text, CHUNK);
  const nonces = [
    "0000000000000000000000 00",
    "0000000000000000000001 00",
    "0000000000000000000002 01",
  ];
  for (const [i, nonce] of nonces.entries()) {
    assertEquals(await aesOpen(key, hex(nonce), chunk(i)), parts[i]);
  }
});

Deno.test("chunks open while others are under way, in the order of the calls", async () => {
  const opener = new StreamOpener(key);
  const opened = await Promise.all(chunks.map((c, i) => opener.open(c, i === 2)));
  assertEquals(concat(...opened), text);
});

Deno.test("a stream that was swapped, dropped, repeated, cut or flipped does not open", async () => {
  const [a, b, c] = [chunk(0), chunk(1), chunk(2)];
  const other = await new StreamSealer(await importAesKey(random(32))).seal(
    text.slice(0, 50),
    true,
  );
  const bad = [
    [b, a, c],
    [b, c],
    [a, c],
    [a, b],
    [a],
    [a, a, b, c],
    [a, b, b, c],
    [flip(a, 0), b, c],
    [a, flip(b, 30_000), c],
    [a, b, flip(c, 115)],
    [a, b, c.slice(0, -1)],
    [a, b, concat(c, random(1))],
    [a, b, other],
  ];
  for (const stream of bad) await assertRefusedAsync("authentication", () => open(stream));
});

Deno.test("a chunk of a wrong size is refused by its size, on both sides", async () => {
  for (const size of [0, 1, CHUNK - 1, CHUNK + 1]) {
    await assertRefusedAsync("format", () => new StreamSealer(key).seal(random(size), false));
    await assertRefusedAsync("format", () => new StreamOpener(key).open(random(size + 16), false));
  }
  for (const size of [0, CHUNK + 1]) {
    await assertRefusedAsync("format", () => new StreamSealer(key).seal(random(size), true));
    await assertRefusedAsync("format", () => new StreamOpener(key).open(random(size + 16), true));
  }
  for (const size of [0, 15]) {
    await assertRefusedAsync("format", () => new StreamOpener(key).open(random(size), true));
  }
});

Deno.test("nothing comes after the last chunk", async () => {
  const sealer = new StreamSealer(key);
  await sealer.seal(random(5), true);
  await assertRefusedAsync("format", () => sealer.seal(random(5), true));
  await assertRefusedAsync("format", () => sealer.seal(random(CHUNK), false));
  const opener = new StreamOpener(key);
  for (const [i, c] of chunks.entries()) await opener.open(c, i === 2);
  await assertRefusedAsync("format", () => opener.open(chunk(2), true));
});

Deno.test("nothing opens after a chunk that did not", async () => {
  const opener = new StreamOpener(key);
  await assertRefusedAsync("authentication", () => opener.open(flip(chunk(0), 9), false));
  await assertRefusedAsync("format", () => opener.open(chunk(0), false));
  await assertRefusedAsync("format", () => opener.open(chunk(1), false));
});

Deno.test("the last flag is bound: a chunk opens only as what it was sealed", async () => {
  const whole = random(CHUNK);
  const asLast = await new StreamSealer(key).seal(whole, true);
  const asFirst = await new StreamSealer(key).seal(whole, false);
  await assertRefusedAsync("authentication", () => new StreamOpener(key).open(asLast, false));
  await assertRefusedAsync("authentication", () => new StreamOpener(key).open(asFirst, true));
  assertEquals(await new StreamOpener(key).open(asLast, true), whole);
});
