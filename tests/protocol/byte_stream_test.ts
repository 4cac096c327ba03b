import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, random } from "../../crypto/bytes.ts";
import { type ByteStream, ExactReader } from "../../protocol/byte_stream.ts";
import { assertRefusedAsync } from "../support/testing.ts";
import { pipe } from "../support/pipe.ts";

/** A reader of `bytes`, after which the stream ends. */
async function readerOf(bytes: Bytes, maxRead?: number): Promise<ExactReader> {
  const [near, far] = pipe(maxRead === undefined ? {} : { maxRead });
  await far.write(bytes);
  await far.closeWrite();
  return new ExactReader(near);
}

Deno.test("exact reads give the stream's bytes in order, however they come", async () => {
  const sizes = fc.array(fc.oneof(fc.nat(50), fc.constantFrom(4095, 4096, 4097, 9000)), {
    minLength: 1,
    maxLength: 8,
  });
  const pieces = fc.constantFrom(1, 3, 100, 4095, 4096, 5000, 100_000);
  await fc.assert(
    fc.asyncProperty(sizes, pieces, async (wanted, maxRead) => {
      const bytes = random(wanted.reduce((sum, size) => sum + size, 0));
      const reader = await readerOf(bytes, maxRead);
      const got: Bytes[] = [];
      for (const size of wanted) {
        const part = await reader.exactly(size);
        assertEquals(part?.length, size);
        if (part) got.push(part);
      }
      assertEquals(concat(...got), bytes);
      assert(await reader.atEnd());
    }),
    { numRuns: 60 },
  );
});

Deno.test("the end of the stream is null between reads, and an error within one", async () => {
  for (const size of [1, 100, 4096, 10_000]) {
    for (const maxRead of [1000, 4096, undefined]) {
      const clean = await readerOf(random(size), maxRead);
      await clean.exactly(size);
      assertEquals(await clean.exactly(1), null);
      assertEquals(await clean.exactly(5000), null);

      for (const more of [1, 5000]) {
        const cut = await readerOf(random(size), maxRead);
        await assertRefusedAsync("connection-lost", () => cut.exactly(size + more));
      }
    }
  }
});

Deno.test("atEnd() tells an end from another byte", async () => {
  assert(await (await readerOf(new Uint8Array(0))).atEnd());
  assert(!await (await readerOf(new Uint8Array(1))).atEnd());
  const reader = await readerOf(random(10));
  await reader.exactly(9);
  assert(!await reader.atEnd());
});

Deno.test("drain() forgets what was read already and all that still comes", async () => {
  const [near, far] = pipe({ maxRead: 100_000 });
  let reads = 0;
  const counted: ByteStream = {
    peer: near.peer,
    read: (into) => {
      reads++;
      return near.read(into);
    },
    write: (data) => near.write(data),
    closeWrite: () => near.closeWrite(),
    close: () => near.close(),
  };
  await far.write(random(1 << 20));
  await far.closeWrite();
  const reader = new ExactReader(counted);
  await reader.exactly(3);
  await reader.drain();
  // In large pieces: whoever sends much must not cost more than it costs them.
  assert(reads <= (1 << 20) / 4096 + 2, `${reads} reads`);
  assert(await reader.atEnd());
});

Deno.test("a lost connection is what the reader throws", async () => {
  const [near, far] = pipe();
  const reading = assertRefusedAsync("connection-lost", () => new ExactReader(near).exactly(10));
  await far.write(random(5));
  far.cut();
  await reading;
});
