import { assertEquals, assertNotEquals } from "@std/assert";
import { type Bytes, concat, random, toHex } from "../../crypto/bytes.ts";
import { commit, FILE_KEY_SIZE } from "../../protocol/file_key.ts";
import { encodeHeader } from "../../protocol/header.ts";
import { laneId, type LaneMemory, startLane } from "../../protocol/lane.ts";
import { openStanza, sealStanza } from "../../protocol/stanza.ts";
import { newMessageId } from "../../protocol/uuid.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";
import { identityOf } from "../support/identities.ts";

const alice = await identityOf("alice");
const bob = await identityOf("bob");
const mallory = await identityOf("mallory");

/** Bob, who counts his private operations. */
function countingBob() {
  const counting = {
    ...bob,
    operations: 0,
    decapsulateMlKem: (ciphertext: Bytes) => {
      counting.operations++;
      return bob.decapsulateMlKem(ciphertext);
    },
  };
  return counting;
}

/** What a reader remembers, in two maps. */
class Remembered implements LaneMemory {
  readonly good = new Map<string, Bytes>();
  readonly bad = new Map<string, Bytes>();

  secret(id: Bytes): Promise<Bytes | null> {
    return Promise.resolve(this.good.get(toHex(id)) ?? this.bad.get(toHex(id)) ?? null);
  }

  opened(id: Bytes, secret: Bytes): Promise<void> {
    this.good.set(toHex(id), secret);
    return Promise.resolve();
  }

  refused(id: Bytes, secret: Bytes): Promise<void> {
    this.bad.set(toHex(id), secret);
    return Promise.resolve();
  }
}

async function newMessage(senderFp = alice.bundle.fp) {
  const fileKey = random(FILE_KEY_SIZE);
  const commitment = await commit(fileKey);
  return { fileKey, header: encodeHeader({ id: newMessageId(), senderFp, commitment }) };
}

Deno.test("the second and every further message of a lane costs its reader no private operation", async () => {
  const reader = countingBob();
  const lanes = new Remembered();
  const lane = await startLane(bob.bundle, alice.bundle.fp);
  const boxes = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const { header, fileKey } = await newMessage();
    const stanza = await sealStanza(bob.bundle, fileKey, header, alice, lane);
    assertEquals((await openStanza(reader, stanza, header, lanes)).fileKey, fileKey);
    // Whoever remembers nothing opens it by itself.
    assertEquals((await openStanza(bob, stanza, header)).fileKey, fileKey);
    boxes.add(toHex(stanza.slice(-112)));
  }
  assertEquals(reader.operations, 1);
  assertEquals([lanes.good.size, lanes.bad.size, boxes.size], [1, 0, 20]);
});

Deno.test("a lane of one sender is of no use to another", async () => {
  const lane = await startLane(bob.bundle, alice.bundle.fp);
  const { header, fileKey } = await newMessage(mallory.bundle.fp);
  const { secret: _, ...ciphertexts } = lane;
  assertNotEquals(
    await laneId(alice.bundle.fp, bob.bundle.fp, ciphertexts),
    await laneId(mallory.bundle.fp, bob.bundle.fp, ciphertexts),
  );
  const stanza = await sealStanza(bob.bundle, fileKey, header, mallory, lane);
  await assertRefusedAsync("authentication", () => openStanza(bob, stanza, header));
  const lanes = new Remembered();
  const { header: own, fileKey: ownKey } = await newMessage();
  await openStanza(bob, await sealStanza(bob.bundle, ownKey, own, alice, lane), own, lanes);
  await assertRefusedAsync("authentication", () => openStanza(bob, stanza, header, lanes));
});

Deno.test("a stanza that is replayed into another message of its lane opens nothing", async () => {
  const lanes = new Remembered();
  const lane = await startLane(bob.bundle, alice.bundle.fp);
  const [one, two] = [await newMessage(), await newMessage()];
  const stanza = await sealStanza(bob.bundle, one.fileKey, one.header, alice, lane);
  await openStanza(bob, stanza, one.header, lanes);
  await assertRefusedAsync("authentication", () => openStanza(bob, stanza, two.header, lanes));
});

Deno.test("a lane that is known never falls back to a private operation, a bad one is tried once", async () => {
  const reader = countingBob();
  const lanes = new Remembered();
  const lane = await startLane(bob.bundle, alice.bundle.fp);
  const { header, fileKey } = await newMessage();
  const stanza = await sealStanza(bob.bundle, fileKey, header, alice, lane);
  await openStanza(reader, stanza, header, lanes);
  const damaged = flip(stanza, stanza.length - 1);
  await assertRefusedAsync("authentication", () => openStanza(reader, damaged, header, lanes));
  assertEquals(reader.operations, 1);

  const bad = concat(stanza.slice(0, 34), random(256), stanza.slice(290));
  for (let i = 0; i < 5; i++) {
    const other = (await newMessage()).header;
    await assertRefusedAsync("authentication", () => openStanza(reader, bad, other, lanes));
  }
  assertEquals(reader.operations, 2);
  assertEquals([lanes.good.size, lanes.bad.size], [1, 1]);
});
