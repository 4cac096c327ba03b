import { assert, assertEquals } from "@std/assert";
import { Bodies } from "../../../client/state/bodies.ts";
import { State } from "../../../client/state/state.ts";
import { type Bytes, concat, random } from "../../../crypto/bytes.ts";
import { encodeHeader } from "../../../protocol/header.ts";
import { newMessageId } from "../../../protocol/uuid.ts";
import { inFolder } from "../../support/command.ts";
import { entryOf } from "../../support/entries.ts";
import { identityOf } from "../../support/identities.ts";

/** What the bodies of a test may come to, bytes. */
const LIMIT = 1600;

/** Runs `work` with what opens the bodies of a person, and with their folder. */
async function inBodies(
  work: (open: () => Promise<Bodies>, folder: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (dir) => {
    const state = await State.open(dir, "bob", await identityOf("bob"));
    await work(() => Bodies.open(state, LIMIT), state.path("bodies"));
  });
}

const entry = (bodySize: number) => {
  const header = encodeHeader({ id: newMessageId(), senderFp: random(32), commitment: random(32) });
  return { ...entryOf(1), header, bodySize };
};

async function* pieces(...all: readonly Bytes[]): AsyncGenerator<Bytes, void, undefined> {
  for (const piece of all) yield await Promise.resolve(piece);
}

/** Keeps a body of `size` random bytes. */
async function keep(bodies: Bodies, size: number) {
  const one = entry(size);
  await bodies.put(one, pieces(random(size)));
  return one;
}

async function contentOf(bodies: Bodies, one: ReturnType<typeof entry>): Promise<Bytes | null> {
  const body = await bodies.read(one);
  return body && concat(...await Array.fromAsync(body));
}

/** Bytes that the files of `folder` have together. */
function sizeOf(folder: string): number {
  let size = 0;
  for (const { name } of Deno.readDirSync(folder)) size += Deno.statSync(`${folder}/${name}`).size;
  return size;
}

Deno.test("a body comes out as it was kept, to a client that opens the folder later too", async () => {
  await inBodies(async (open) => {
    const [one, body] = [entry(300), random(300)];
    await (await open()).put(one, pieces(body.slice(0, 100), body.slice(100)));
    assertEquals(await contentOf(await open(), one), body);
    assertEquals(await contentOf(await open(), entry(300)), null);
  });
});

Deno.test("bodies that were read longest ago go when there is no more room", async () => {
  await inBodies(async (open, folder) => {
    const bodies = await open();
    const [first, second] = [await keep(bodies, 390), await keep(bodies, 390)];
    // The second was used an hour before the first.
    const hourAgo = new Date(Date.now() - 3_600_000);
    for (const { name } of Deno.readDirSync(folder)) {
      Deno.utimeSync(`${folder}/${name}`, hourAgo, hourAgo);
    }
    assert(await contentOf(bodies, first));
    for (let i = 0; i < 3; i++) await keep(bodies, 390);
    assert(sizeOf(folder) <= LIMIT);
    assert(await contentOf(bodies, first));
    assertEquals(await contentOf(bodies, second), null);
  });
});

Deno.test("a body that takes more than a quarter of the room goes before all others do", async () => {
  await inBodies(async (open) => {
    const bodies = await open();
    const small = [await keep(bodies, 300), await keep(bodies, 300)];
    const large = await keep(bodies, LIMIT - 500);
    assertEquals(await contentOf(bodies, large), null);
    for (const one of small) assert(await contentOf(bodies, one));
  });
});

Deno.test("many small bodies of two clients stay within the limit, but for a sixteenth of it for each", async () => {
  await inBodies(async (open, folder) => {
    const clients = [await open(), await open()];
    let most = 0;
    for (let i = 0; i < 120; i++) {
      for (const bodies of clients) await keep(bodies, 20);
      most = Math.max(most, sizeOf(folder));
    }
    assert(most > LIMIT / 2, `${most} bytes were kept`);
    assert(most <= LIMIT + 2 * LIMIT / 16, `${most} bytes were kept`);
  });
});

Deno.test("a download goes on where it was interrupted, and only one client writes it", async () => {
  await inBodies(async (open) => {
    const [one, body] = [entry(300), random(300)];
    const [bodies, other] = [await open(), await open()];
    const begun = await bodies.fetching(one);
    assert(begun);
    await begun.append(body.slice(0, 120));
    assertEquals(await other.fetching(one), null);
    begun.suspend();

    const again = await other.fetching(one);
    assert(again);
    assertEquals(again.storedSize, 120);
    assertEquals(concat(...await Array.fromAsync(again.stored())), body.slice(0, 120));
    await again.append(body.slice(120));
    await again.keep();
    assertEquals(await contentOf(bodies, one), body);
  });
});
