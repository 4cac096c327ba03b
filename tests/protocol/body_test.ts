import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, lp, random, u64, utf8 } from "../../crypto/bytes.ts";
import { sign } from "../../crypto/ed25519.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { Identity } from "../../crypto/identity.ts";
import { CHUNK, StreamSealer } from "../../crypto/stream.ts";
import {
  type BodyContext,
  openBody,
  paddedBodySize,
  rechunk,
  sealBody,
  sealedBodySize,
} from "../../protocol/body.ts";
import { partKey } from "../../protocol/file_key.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";
import { identityOf } from "../support/identities.ts";
import { all, pieces, sealMessage } from "../support/sealed.ts";

const alice = await identityOf("alice");
const mallory = await identityOf("mallory");

function freshContext(): BodyContext {
  return { fileKey: random(32), header: random(81), summaryHash: random(32) };
}

/** The message in `chunks`, if it verifies; and how much was released whether it does or not. */
async function open(
  context: BodyContext,
  chunks: readonly Bytes[],
  size = concat(...chunks).length,
  sender = alice.bundle,
): Promise<Bytes> {
  const released: Bytes[] = [];
  await openBody(context, sender, size, pieces(...chunks), (part) => {
    released.push(part);
    return Promise.resolve();
  });
  return concat(...released);
}

/** Seals any plaintext as a sender could who ignores the rules: `content`, then a good signature. */
async function craft(
  context: BodyContext,
  content: Bytes,
  signer: Identity = alice,
): Promise<Bytes[]> {
  const sealer = new StreamSealer(await partKey(context.fileKey, "body", context.header));
  const whole = concat(content, new Uint8Array(64));
  const chunks: Bytes[] = [];
  let c = await sha256(utf8("sealpost/1 body hash"));
  for (let at = 0; at < whole.length; at += CHUNK) {
    const chunk = whole.slice(at, at + CHUNK);
    const last = at + CHUNK >= whole.length;
    const leaf = await sha256(
      utf8("sealpost/1 leaf"),
      u64(at / CHUNK),
      last ? chunk.slice(0, -64) : chunk,
    );
    c = await sha256(c, leaf);
    if (last) {
      const text = concat(
        utf8("sealpost/1 message"),
        lp(context.header),
        context.summaryHash,
        c,
      );
      const room = Math.min(64, chunk.length);
      chunk.set((await sign(signer.ed25519Key, text)).slice(0, room), chunk.length - room);
    }
    chunks.push(await sealer.seal(chunk, last));
  }
  return chunks;
}

/** `u64 length ‖ message ‖ zeros`, without the signature, for a padded size of `size`. */
function contentOf(length: number, message: Bytes, size: number): Bytes {
  const out = new Uint8Array(size - 64);
  out.set(u64(length));
  out.set(message, 8);
  return out;
}

Deno.test("a crafted body that keeps the rules opens: what follows fails for what it breaks", async () => {
  const context = freshContext();
  for (const length of [0, 1, 5000, 65_000, 100_000]) {
    const message = random(length);
    const chunks = await craft(context, contentOf(length, message, paddedBodySize(length)));
    assertEquals(await open(context, chunks), message);
  }
});

Deno.test("a body is as large as its padding says, in chunks of 64 KiB", async () => {
  const context = freshContext();
  for (const length of [0, 4024, 4025, 65_464, 65_465, 131_000, 131_001, 300_000]) {
    const chunks = await all(sealBody(context, alice, length, pieces(random(length))));
    const padded = paddedBodySize(length);
    assertEquals(concat(...chunks).length, sealedBodySize(length));
    assertEquals(chunks.length, Math.ceil(padded / CHUNK));
    for (const chunk of chunks.slice(0, -1)) assertEquals(chunk.length, CHUNK + 16);
  }
  assertEquals([0, 4024, 4025].map(paddedBodySize), [4096, 4096, 4352]);
});

Deno.test("the signature never straddles two chunks, and padding costs at most 12 %", () => {
  const holds = (length: number) => {
    const padded = paddedBodySize(length);
    const lastChunk = padded % CHUNK;
    assert(lastChunk === 0 || lastChunk >= 72, `length ${length}: ${lastChunk}`);
    assert(padded >= length + 72 && padded >= 4096);
    assert(padded <= Math.max(4096, (length + 72) * 1.12), `length ${length}: ${padded}`);
  };
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 40 }), holds), { numRuns: 20_000 });
  // Lengths of every order of magnitude alike, and the neighbourhood of every power of two.
  const magnitude = fc.tuple(
    fc.integer({ min: 0, max: 39 }),
    fc.double({ min: 1, max: 2, noNaN: true }),
  );
  fc.assert(
    fc.property(magnitude, ([exponent, factor]) => holds(Math.floor(2 ** exponent * factor))),
    { numRuns: 20_000 },
  );
  for (let exponent = 6; exponent <= 40; exponent++) {
    for (let near = -140; near <= 140; near++) holds(Math.max(0, 2 ** exponent + near));
  }
  for (let length = 60_000; length < 140_000; length++) holds(length);
});

Deno.test("a body comes out the same however its stream is cut into pieces", async () => {
  const context = freshContext();
  const message = random(70_000);
  const sealed = concat(...await all(sealBody(context, alice, message.length, pieces(message))));
  const cuts = fc.array(fc.nat(sealed.length), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(cuts, async (at) => {
      const sorted = [0, ...at, sealed.length].sort((a, b) => a - b);
      const parts = sorted.slice(1).map((end, i) => sealed.slice(sorted[i], end));
      assertEquals(await open(context, parts, sealed.length), message);
    }),
    { numRuns: 40 },
  );
});

Deno.test("a message is sealed the same however it is cut into pieces", async () => {
  const context = freshContext();
  const message = random(140_000);
  const whole = await all(sealBody(context, alice, message.length, pieces(message)));
  const cuts = fc.array(fc.nat(message.length), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(cuts, async (at) => {
      const sorted = [0, ...at, message.length].sort((a, b) => a - b);
      const parts = sorted.slice(1).map((end, i) => message.slice(sorted[i], end));
      // Ed25519 is deterministic, so all of it is.
      assertEquals(await all(sealBody(context, alice, message.length, pieces(...parts))), whole);
    }),
    { numRuns: 20 },
  );
});

Deno.test("a message that is longer or shorter than was said is not sealed to its end", async () => {
  for (const length of [100, 4024, 70_000]) {
    for (const real of [0, length - 1, length + 1, length + 70_000]) {
      const chunks: Bytes[] = [];
      const error = await assertRejects(async () => {
        const source = sealBody(freshContext(), alice, length, pieces(random(real)));
        for await (const chunk of source) chunks.push(chunk);
      });
      assert(isSealpostError(error, "file-io"));
      assert(concat(...chunks).length < sealedBodySize(length));
    }
  }
});

Deno.test("an error of the message's source passes through the sealing", async () => {
  async function* broken() {
    yield await Promise.resolve(random(10));
    throw new TypeError("the disk is gone");
  }
  await assertRejects(() => all(sealBody(freshContext(), alice, 100, broken())), TypeError);
});

Deno.test("padding that is not zero is refused although it is signed", async () => {
  const context = freshContext();
  for (const length of [0, 100, 70_000]) {
    const size = paddedBodySize(length);
    const content = contentOf(length, random(length), size);
    const spots = [
      8 + length,
      8 + length + 1,
      (8 + length + content.length) >> 1,
      content.length - 1,
    ];
    for (const at of spots) {
      const chunks = await craft(context, flip(content, at));
      await assertRefusedAsync("authentication", () => open(context, chunks));
    }
  }
});

Deno.test("a length that does not fit the size is refused although it is signed", async () => {
  const context = freshContext();
  const sizes = [4096, 8192, 65_536, 71_680, 131_072];
  for (const size of sizes) {
    const max = 2 ** 53;
    const lies = [
      size - 71,
      size,
      size * 2,
      2 ** 32,
      2 ** 40,
      max - 73,
      max - 72,
      max - 71,
      max - 1,
    ];
    if (size > 4096) lies.push(0, 1, 4024);
    for (const length of lies) {
      const chunks = await craft(context, contentOf(length, random(100), size));
      await assertRefusedAsync("format", () => open(context, chunks));
    }
    for (const first of ["0020000000000000", "8000000000000000", "ffffffffffffffff"]) {
      const content = contentOf(0, random(100), size);
      content.set(first.match(/../g)?.map((byte) => parseInt(byte, 16)) ?? []);
      const chunks = await craft(context, content);
      await assertRefusedAsync("format", () => open(context, chunks));
    }
  }
});

Deno.test("a length that is too short leaves a rest that is not zero", async () => {
  const context = freshContext();
  const message = random(1000).fill(1, 999);
  for (const length of [0, 500, 999]) {
    const chunks = await craft(context, contentOf(length, message, 4096));
    await assertRefusedAsync("authentication", () => open(context, chunks));
  }
});

Deno.test("a body of a size that no message has is refused although it is signed", async () => {
  const context = freshContext();
  // Also such that the signature would straddle two chunks, or stand in one by itself.
  for (const size of [4097, 5000, 65_537, 65_544, 65_536 + 63, 65_536 + 64, 65_536 + 72, 131_073]) {
    for (const length of [0, 100, size - 72]) {
      const chunks = await craft(context, contentOf(length, random(10), size));
      await assertRefusedAsync("format", () => open(context, chunks));
    }
  }
  const small = await craft(context, contentOf(0, random(10), 2048));
  await assertRefusedAsync("format", () => open(context, small));
});

Deno.test("another's signature is refused, and so is one under another header or summary", async () => {
  const context = freshContext();
  const message = random(70_000);
  const content = contentOf(message.length, message, paddedBodySize(message.length));
  const foreign = await craft(context, content, mallory);
  await assertRefusedAsync("authentication", () => open(context, foreign));
  assertEquals(await open(context, foreign, undefined, mallory.bundle), message);

  const chunks = await craft(context, content);
  const otherSummary = { ...context, summaryHash: random(32) };
  await assertRefusedAsync("authentication", () => open(otherSummary, chunks));
  const otherHeader = { ...context, header: random(81) };
  await assertRefusedAsync("authentication", () => open(otherHeader, chunks));
  const otherKey = { ...context, fileKey: random(32) };
  await assertRefusedAsync("authentication", () => open(otherKey, chunks));
});

Deno.test("chunks that are swapped, dropped, repeated, added or cut never make a message", async () => {
  const context = freshContext();
  const message = random(200_000);
  const chunks = await all(sealBody(context, alice, message.length, pieces(message)));
  const [a, b, c, d] = chunks;
  assert(a && b && c && d && chunks.length === 4);
  const size = concat(...chunks).length;
  const longer = await all(sealBody(context, alice, 300_000, pieces(random(300_000))));
  const other = await all(
    sealBody(freshContext(), alice, message.length, pieces(message)),
  );
  const [otherB] = other.slice(1);
  const [, longerB] = longer;
  assert(otherB && longerB);
  const arrangements: Bytes[][] = [
    [b, a, c, d],
    [a, c, b, d],
    [a, b, d, c],
    [d, c, b, a],
    [b, c, d],
    [a, c, d],
    [a, b, d],
    [a, b, c],
    [a],
    [d],
    [],
    [a, a, b, c, d],
    [a, b, b, c, d],
    [a, b, c, c, d],
    [a, b, c, d, d],
    [a, a, c, d],
    [a, b, b, d],
    [a, b, c, c],
    [a, otherB, c, d],
    [a, longerB, c, d],
    [a, b, c, d, new Uint8Array(1)],
    [a, b, c, d, a],
    [...chunks, ...chunks],
    [a, b, c.slice(1), d],
    [a, b, c, d.slice(1)],
    [a.slice(1), b, c, d],
    [new Uint8Array(1), a, b, c, d],
  ];
  for (const arranged of arrangements) {
    // Whether the server lies about the size too, or not.
    for (const said of new Set([size, concat(...arranged).length])) {
      const error = await assertRejects(() => open(context, arranged, said));
      assert(isSealpostError(error, "format", "authentication"), String(error));
    }
  }
  const whole = concat(...chunks);
  const cuts = new Set<number>();
  for (let at = 0; at < size; at += 1499) cuts.add(at);
  for (const at of [0, 16, 17, 65_551, 65_552, 65_553, 131_104, size - 16, size - 1]) cuts.add(at);
  for (const cut of cuts) {
    for (const said of new Set([size, cut])) {
      const error = await assertRejects(() => open(context, [whole.slice(0, cut)], said));
      assert(isSealpostError(error, "format", "authentication"), String(error));
    }
  }
});

Deno.test("sizes that cannot be are refused before anything is read", async () => {
  const context = freshContext();
  const untouched = {
    [Symbol.asyncIterator](): AsyncIterator<Bytes> {
      throw new TypeError("nobody should read this");
    },
  };
  for (const size of [0, 1, 16, 17, 4095, 4096, 4111, 65_553, 65_552 + 16, 131_105]) {
    await assertRefusedAsync(
      "format",
      () => openBody(context, alice.bundle, size, untouched, () => Promise.resolve()),
    );
  }
});

Deno.test("an error of whoever takes the message, or of the source, ends the opening", async () => {
  const context = freshContext();
  const message = random(200_000);
  const chunks = await all(sealBody(context, alice, message.length, pieces(message)));
  const size = sealedBodySize(message.length);
  let taken = 0;
  await assertRejects(
    () =>
      openBody(context, alice.bundle, size, pieces(...chunks), () => {
        taken++;
        return Promise.reject(new TypeError("the disk is full"));
      }),
    TypeError,
  );
  assertEquals(taken, 1);
  async function* broken() {
    yield* chunks.slice(0, 2);
    throw new TypeError("the connection is gone");
  }
  await assertRejects(
    () => openBody(context, alice.bundle, size, broken(), () => Promise.resolve()),
    TypeError,
  );
});

Deno.test("rechunk() gives pieces of one size, the last one shorter, and loses nothing", async () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 50 }).map((bytes) => new Uint8Array(bytes)));
  await fc.assert(fc.asyncProperty(parts, fc.integer({ min: 1, max: 40 }), async (given, size) => {
    const got = await all(rechunk(pieces(...given), size));
    assertEquals(concat(...got), concat(...given));
    assert(got.slice(0, -1).every((piece) => piece.length === size));
    assert(got.every((piece) => piece.length > 0 && piece.length <= size));
  }));
});

Deno.test("a body that goes on after its last chunk is refused, however the chunks end", async () => {
  // The last chunk is as long as any, so that what follows would be a chunk of its own.
  for (const length of [CHUNK - 72, 2 * CHUNK - 72]) {
    const { header, fileKey, summaryHash, chunks } = await sealMessage(alice, [], random(length));
    const whole = concat(...chunks);
    if (paddedBodySize(length) % CHUNK !== 0) throw new Error("the last chunk is not a whole one");
    const context = { fileKey, header, summaryHash };
    const open = async (...more: Uint8Array<ArrayBuffer>[]) => {
      const nowhere = () => Promise.resolve();
      await openBody(context, alice.bundle, whole.length, pieces(whole, ...more), nowhere);
    };
    await open();
    for (const more of [random(1), random(100), chunks[0] ?? whole, whole]) {
      await assertRefusedAsync("format", () => open(more));
    }
  }
});
