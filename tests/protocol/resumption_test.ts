import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { type Bytes, concat, random, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import type { Identity } from "../../crypto/identity.ts";
import {
  ClientResumption,
  PSK_SIZE,
  type ResumptionContext,
  ServerResumption,
  SIZE_R1,
  SIZE_R2,
  TICKET_ID_SIZE,
  ticketOf,
} from "../../protocol/resumption.ts";
import { assertRefused, assertRefusedAsync, flip } from "../support/testing.ts";
import { identityOf } from "../support/identities.ts";
import { HELLO } from "../support/handshaking.ts";
import { positionsIn } from "../support/positions.ts";

const alice = await identityOf("alice");
const bob = await identityOf("bob");
const server = await identityOf("server");
const other = await identityOf("other server");

function known(more: Partial<ResumptionContext> = {}): ResumptionContext {
  return {
    name: "alice",
    client: alice.bundle,
    server: server.bundle,
    ticket: random(TICKET_ID_SIZE),
    psk: random(PSK_SIZE),
    ...more,
  };
}

interface Ends {
  readonly client: ClientResumption;
  readonly server: ServerResumption;
}

/** Both sides; what either has otherwise than the other is said by the last two. */
async function ends(
  acquaintance = known(),
  atServer: Partial<ResumptionContext> = {},
  identities: { client: Identity; server: Identity } = { client: alice, server },
): Promise<Ends> {
  return {
    client: await ClientResumption.start(acquaintance, identities.client),
    server: await ServerResumption.start({ ...acquaintance, ...atServer }, identities.server),
  };
}

/** `work` for every third position of a message and for all near its ends, some at once. */
async function forEach(size: number, work: (at: number) => Promise<void>): Promise<number> {
  const left = positionsIn(size);
  const count = left.length;
  const worker = async () => {
    for (let at = left.pop(); at !== undefined; at = left.pop()) await work(at);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return count;
}

Deno.test("a resumption takes one message each way and gives both sides the same keys", async () => {
  const acquaintance = known();
  const at = await ends(acquaintance);
  const r1 = await at.client.writeR1();
  assertEquals(r1.length, SIZE_R1);
  assertEquals(ticketOf(r1), acquaintance.ticket);
  await at.server.readR1(r1);
  const r2 = await at.server.writeR2(HELLO);
  assertEquals(r2.length, SIZE_R2);
  assertEquals(await at.client.readR2(r2), HELLO);
  const [here, there] = [await at.client.split(), await at.server.split()];
  assertEquals([here.initiator, here.responder], [there.initiator, there.responder]);
  assertNotEquals(here.initiator, here.responder);
  assertEquals(await here.exporter("l", utf8("c")), await there.exporter("l", utf8("c")));
  assertEquals([SIZE_R1, SIZE_R2], [2355, 2496]);
});

Deno.test("two resumptions with the same ticket, if there were such, have other keys", async () => {
  const acquaintance = known();
  const keys = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const at = await ends(acquaintance);
    await at.server.readR1(await at.client.writeR1());
    await at.client.readR2(await at.server.writeR2(HELLO));
    keys.add((await at.client.split()).initiator.toString());
  }
  assertEquals(keys.size, 3);
});

Deno.test("whoever knows anything otherwise is refused at R1, before an answer", async () => {
  const differences: Partial<ResumptionContext>[] = [
    { psk: random(PSK_SIZE) },
    { name: "alicf" },
    { client: bob.bundle },
    { server: other.bundle },
  ];
  for (const difference of differences) {
    const at = await ends(known(), difference);
    const r1 = await at.client.writeR1();
    await assertRefusedAsync("authentication", () => at.server.readR1(r1));
    await assertRefusedAsync("internal", () => at.server.writeR2(HELLO));
    await assertRefusedAsync("internal", () => at.server.split());
  }
  const at = await ends(known(), { ticket: random(TICKET_ID_SIZE) });
  const r1 = await at.client.writeR1();
  await assertRefusedAsync("protocol", () => at.server.readR1(r1));
});

Deno.test("a stolen ticket is worth nothing without the client's private key", async () => {
  const at = await ends(known(), {}, { client: bob, server });
  await at.server.readR1(await at.client.writeR1());
  const r2 = await at.server.writeR2(HELLO);
  await assertRefusedAsync("server-identity", () => at.client.readR2(r2));
  await assertRefusedAsync("internal", () => at.client.split());
});

Deno.test("a stolen store is worth nothing without the server's private key", async () => {
  const at = await ends(known(), {}, { client: alice, server: other });
  const r1 = await at.client.writeR1();
  await assertRefusedAsync("authentication", () => at.server.readR1(r1));
});

Deno.test("a bit flipped in R1 makes the server refuse it", async () => {
  let refused = 0;
  const acquaintance = known();
  const count = await forEach(SIZE_R1, async (position) => {
    const at = await ends(acquaintance);
    const r1 = flip(await at.client.writeR1(), position, position % 8);
    const error = await assertRejects(() => at.server.readR1(r1));
    // The prefix and the ticket's id are in the clear, and of an ML-KEM key it shows if it is none.
    assert(
      isSealpostError(error, position < 3 + TICKET_ID_SIZE ? "protocol" : "authentication") ||
        (position >= 51 && position < 51 + 1184 && isSealpostError(error, "key-format")),
    );
    await assertRefusedAsync("internal", () => at.server.writeR2(HELLO));
    refused++;
  });
  assertEquals(refused, count);
});

Deno.test("a bit flipped in R2 makes the client refuse it", async () => {
  let refused = 0;
  const acquaintance = known();
  const count = await forEach(SIZE_R2, async (position) => {
    const at = await ends(acquaintance);
    await at.server.readR1(await at.client.writeR1());
    const r2 = flip(await at.server.writeR2(HELLO), position, position % 8);
    await assertRefusedAsync("server-identity", () => at.client.readR2(r2));
    await assertRefusedAsync("internal", () => at.client.split());
    refused++;
  });
  assertEquals(refused, count);
});

Deno.test("messages of another run or of the wrong length are refused", async () => {
  const acquaintance = known();
  const recorded = await ends(acquaintance);
  const r1 = await recorded.client.writeR1();
  await recorded.server.readR1(r1);
  const r2 = await recorded.server.writeR2(HELLO);

  const again = await ends(acquaintance);
  await again.server.readR1(await again.client.writeR1());
  await assertRefusedAsync("server-identity", () => again.client.readR2(r2));
  // A replayed R1 verifies: what stops it is that its ticket is gone. Its answer helps nobody.
  const replayed = await ends(acquaintance);
  await replayed.server.readR1(r1);
  await replayed.client.writeR1();
  const answer = await replayed.server.writeR2(HELLO);
  await assertRefusedAsync("server-identity", () => replayed.client.readR2(answer));

  const wrong = (message: Bytes) => [
    new Uint8Array(0),
    message.slice(0, -1),
    concat(message, new Uint8Array(1)),
  ];
  for (const bad of wrong(r1)) {
    assertRefused("protocol", () => ticketOf(bad));
    const at = await ends(acquaintance);
    await assertRefusedAsync("protocol", () => at.server.readR1(bad));
  }
  for (const bad of wrong(r2)) {
    const at = await ends(acquaintance);
    await at.client.writeR1();
    await assertRefusedAsync("protocol", () => at.client.readR2(bad));
  }
});

Deno.test("an X25519 key of low order in R2 is refused", async () => {
  const at = await ends();
  await at.server.readR1(await at.client.writeR1());
  const r2 = await at.server.writeR2(HELLO);
  r2.fill(0, 0, 32);
  await assertRefusedAsync("authentication", () => at.client.readR2(r2));
});

Deno.test("steps of a resumption out of order are refused and change nothing", async () => {
  const at = await ends();
  await assertRefusedAsync("internal", () => at.client.split());
  await assertRefusedAsync("internal", () => at.client.readR2(new Uint8Array(SIZE_R2)));
  await assertRefusedAsync("internal", () => at.server.split());
  await assertRefusedAsync("internal", () => at.server.writeR2(HELLO));
  const r1 = await at.client.writeR1();
  await assertRefusedAsync("internal", () => at.client.writeR1());
  await assertRefusedAsync("internal", () => at.client.split());
  await at.server.readR1(r1);
  await assertRefusedAsync("internal", () => at.server.readR1(r1));
  await assertRefusedAsync("internal", () => at.server.split());
  const r2 = await at.server.writeR2(HELLO);
  await at.client.readR2(r2);
  await assertRefusedAsync("internal", () => at.client.readR2(r2));
  const [here, there] = [await at.client.split(), await at.server.split()];
  assertEquals(here.responder, there.responder);
  await assertRefusedAsync("internal", () => at.client.split());
});
