import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { Cache } from "../../../client/state/cache.ts";
import { Lanes } from "../../../client/state/lanes.ts";
import { State } from "../../../client/state/state.ts";
import { random, toHex } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

const alice = await identityOf("alice");
const bob = await identityOf("bob");

async function withCache(work: (cache: Cache, reopen: () => Promise<Cache>) => Promise<void>) {
  await inFolder(async (dir) => {
    const state = await State.open(dir, "alice", alice);
    let cache = await Cache.open(state, true);
    try {
      await work(cache, async () => {
        cache.close();
        return cache = await Cache.open(state, true);
      });
    } finally {
      cache.close();
    }
  });
}

Deno.test("a lane is used for the next messages to the same key, after a restart too", () =>
  withCache(async (cache, reopen) => {
    const first = await new Lanes(cache).to(bob.bundle, alice.bundle.fp);
    assertEquals(await new Lanes(cache).to(bob.bundle, alice.bundle.fp), first);
    const lanes = new Lanes(await reopen());
    assertEquals(await lanes.to(bob.bundle, alice.bundle.fp), first);
    const own = await lanes.to(alice.bundle, alice.bundle.fp);
    assertNotEquals(own.ctMlkem, first.ctMlkem);
  }));

Deno.test("a lane serves a thousand messages, and a day, and then another is started", () =>
  withCache(async (cache) => {
    const lanes = new Lanes(cache);
    const seen = new Map<string, number>();
    for (let i = 0; i < 1001; i++) {
      const { ctMlkem } = await lanes.to(bob.bundle, alice.bundle.fp);
      const id = toHex(ctMlkem);
      seen.set(id, (seen.get(id) ?? 0) + 1);
    }
    assertEquals([...seen.values()], [1000, 1]);
    const { fp } = bob.bundle;
    const use = (after: number) => cache.useSendingLane(alice.bundle.fp, fp, after, 1000);
    assert(await use(Date.now() - 60_000) !== null);
    assertEquals(await use(Date.now() + 60_000), null, "its day is over");
    assertEquals(await use(0), null, "and it is forgotten");
  }));

Deno.test("where the cache has no room each message starts a lane of its own, and is sealed", () =>
  withCache(async (cache) => {
    const noRoom = () => Promise.reject(new SealpostError("disk-full", "no room"));
    const lanes = new Lanes(cache);
    cache.putSendingLane = noRoom;
    const first = await lanes.to(bob.bundle, alice.bundle.fp);
    cache.useSendingLane = noRoom;
    assertNotEquals((await lanes.to(bob.bundle, alice.bundle.fp)).ctMlkem, first.ctMlkem);
    cache.useSendingLane = () => Promise.reject(new SealpostError("file-io", "a fault"));
    const fault = await assertRejects(() => lanes.to(bob.bundle, alice.bundle.fp), SealpostError);
    assertEquals(fault.code, "file-io");
  }));

Deno.test("secrets of lanes are kept for good once a box opened, and go with the key", () =>
  withCache(async (cache, reopen) => {
    const [good, bad, secret] = [random(32), random(32), random(32)];
    const lanes = new Lanes(cache);
    const memory = lanes.memory(bob.bundle.fp);
    await memory.opened(good, secret);
    await memory.refused(bad, secret);
    assertEquals([await memory.secret(good), await memory.secret(bad)], [secret, secret]);
    const later = new Lanes(await reopen());
    const remembered = later.memory(bob.bundle.fp);
    assertEquals([await remembered.secret(good), await remembered.secret(bad)], [secret, null]);
    await later.forget(() => Promise.resolve(false));
    assertEquals(await remembered.secret(good), secret);
    await later.forget((fp) => Promise.resolve(toHex(fp) === toHex(bob.bundle.fp)));
    assertEquals(await remembered.secret(good), null);
  }));

Deno.test("no more lanes are kept than there is room for, and the oldest go", () =>
  withCache(async (cache) => {
    const ids = Array.from({ length: 5 }, () => random(32));
    for (const id of ids) {
      await cache.putLane(id, bob.bundle.fp, random(32), 3);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const kept = await Promise.all(ids.map(async (id) => await cache.lane(id) !== null));
    assertEquals(kept, [false, false, true, true, true]);
  }));
