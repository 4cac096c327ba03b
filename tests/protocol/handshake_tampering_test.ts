import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { SIZE_A, SIZE_B, SIZE_C, SIZE_D, SIZE_E } from "../../protocol/handshake.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";
import { FULL, sampleOf } from "../support/full.ts";
import { identityOf } from "../support/identities.ts";
import { positionsIn, upTo } from "../support/positions.ts";
import { type Ends, ends, HELLO, loginOf } from "../support/handshaking.ts";

// The smallest keys: what is flipped is the same, and every flip costs a private operation.
const alice = await identityOf("alice");
const server = await identityOf("server");

/** Handshakes at once: the operations of one run beside those of another. */
const AT_ONCE = 8;

async function forEach(
  positions: readonly number[],
  work: (position: number) => Promise<void>,
): Promise<void> {
  const left = [...positions];
  const worker = async () => {
    for (let at = left.pop(); at !== undefined; at = left.pop()) await work(at);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** `message` with one bit flipped in its byte at `position`: another bit in each next byte. */
const damaged = (message: Bytes, position: number) => flip(message, position, position % 8);

/** A handshake up to where the client has read B. */
async function begun(): Promise<Ends> {
  const at = await ends(alice, server);
  await at.server.readA(await at.client.writeA());
  await at.client.readB(await at.server.writeB(HELLO));
  return at;
}

Deno.test("a bit flipped in A is refused by the server, or makes the client refuse B", async () => {
  // Field boundaries, whole small fields, and some bytes of the large ones.
  const bounds = [0, 3, 35, 35 + 1184, 35 + 1184 + 256, 35 + 1184 + 512, SIZE_A];
  const near = bounds.flatMap((at) => [at - 2, at - 1, at, at + 1]);
  const positions = new Set([
    ...near.filter((at) => at >= 0 && at < SIZE_A),
    ...upTo(35),
    ...sampleOf(upTo(SIZE_A).filter((at) => at % 7 === 0), 7),
  ]);
  const sides = { client: 0, server: 0 };
  await forEach([...positions], async (position) => {
    const at = await ends(alice, server);
    const a = damaged(await at.client.writeA(), position);
    try {
      await at.server.readA(a);
    } catch (error) {
      // Only an ML-KEM key can be seen to be none.
      assert(isSealpostError(error, "key-format") && position >= 35 && position < 35 + 1184);
      await assertRefusedAsync("internal", () => at.server.writeB(HELLO));
      sides.server++;
      return;
    }
    const b = await at.server.writeB(HELLO);
    await assertRefusedAsync("server-identity", () => at.client.readB(b));
    await assertRefusedAsync("internal", () => at.client.writeC(loginOf()));
    sides.client++;
  });
  assertEquals(sides.client + sides.server, positions.size);
  // Of the few flips of a sample, perhaps none makes a number of the ML-KEM key too large.
  assert(sides.client > sides.server && (sides.server > 0 || !FULL));
});

Deno.test("a bit flipped anywhere in B makes the client refuse it and send nothing", async () => {
  let refused = 0;
  await forEach(positionsIn(SIZE_B), async (position) => {
    const at = await ends(alice, server);
    await at.server.readA(await at.client.writeA());
    const b = damaged(await at.server.writeB(HELLO), position);
    await assertRefusedAsync("server-identity", () => at.client.readB(b));
    await assertRefusedAsync("internal", () => at.client.writeC(loginOf()));
    refused++;
  });
  assertEquals(refused, positionsIn(SIZE_B).length);
});

Deno.test("a bit flipped anywhere in C makes the server refuse it and answer nothing", async () => {
  let refused = 0;
  await forEach(positionsIn(SIZE_C), async (position) => {
    const at = await begun();
    const c = damaged(await at.client.writeC(loginOf()), position);
    await assertRefusedAsync("authentication", () => at.server.readC(c));
    await assertRefusedAsync("internal", () => at.server.writeD());
    refused++;
  });
  assertEquals(refused, positionsIn(SIZE_C).length);
});

Deno.test("a bit flipped anywhere in D makes the client refuse it and sign nothing", async () => {
  let refused = 0;
  await forEach(positionsIn(SIZE_D), async (position) => {
    const at = await begun();
    await at.server.readC(await at.client.writeC(loginOf()));
    const d = damaged(await at.server.writeD(), position);
    await assertRefusedAsync("authentication", () => at.client.readD(d));
    await assertRefusedAsync("internal", () => at.client.writeE());
    refused++;
  });
  assertEquals(refused, positionsIn(SIZE_D).length);
});

Deno.test("a bit flipped anywhere in E makes the server refuse it and split no keys", async () => {
  let refused = 0;
  await forEach(positionsIn(SIZE_E), async (position) => {
    const at = await begun();
    await at.server.readC(await at.client.writeC(loginOf()));
    await at.client.readD(await at.server.writeD());
    const e = damaged(await at.client.writeE(), position);
    await assertRefusedAsync("authentication", () => at.server.readE(e));
    await assertRefusedAsync("internal", () => at.server.split());
    refused++;
  });
  assertEquals(refused, positionsIn(SIZE_E).length);
});

Deno.test("all that this file says of refusals is not because nothing ever works", async () => {
  const at = await begun();
  await at.server.readC(await at.client.writeC(loginOf()));
  await at.client.readD(await at.server.writeD());
  await at.server.readE(await at.client.writeE());
  const [here, there] = [await at.client.split(), await at.server.split()];
  assertEquals(here.responder, there.responder);
});
