import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, lp, u32, u64, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { sha256 } from "../../../crypto/hash.ts";
import {
  type KnownMailbox,
  MailboxMemory,
  MAX_REMEMBERED,
  type Seen,
} from "../../../client/state/mailbox_memory.ts";
import { State } from "../../../client/state/state.ts";
import { identityOf } from "../../support/identities.ts";

async function inMailbox(
  test: (memory: MailboxMemory, state: State, own: Bytes) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const alice = await identityOf("alice");
    const state = await State.open(dir, "alice", alice);
    await test(await MailboxMemory.load(state), state, alice.bundle.fp);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const BOB = new Uint8Array(32).fill(7);

/** An entry: message `id` of `sender`, whose content is `content`. */
function entry(uid: number, id: number, content = id, sender: Bytes = BOB): Seen {
  const fill = (n: number, size: number) => {
    const bytes = new Uint8Array(size);
    new DataView(bytes.buffer).setUint32(0, n);
    return bytes;
  };
  const header = concat(new Uint8Array([1]), fill(id, 16), sender, fill(content, 32));
  return { uid, header };
}

async function refused(work: () => Promise<unknown>, part: RegExp): Promise<void> {
  const error = await assertRejects(work, SealpostError);
  assertEquals([error.code, part.test(error.message)], ["protocol", true], error.message);
}

/** A mailbox that has reached `nextUid`, with as many changes unless `modseq` says how many. */
function at(epoch: string, nextUid: number, modseq = nextUid): KnownMailbox {
  return { epoch, nextUid, modseq };
}

const NOTHING = { renewed: false, duplicates: [], reused: [] };

Deno.test("a mailbox that grows is as it should be, in whatever order it is listed", async () => {
  await inMailbox(async (memory, state) => {
    assertEquals(await memory.check(at("e1", 1), []), NOTHING);
    assertEquals(await memory.check(at("e1", 4), [entry(3, 30), entry(2, 20)]), NOTHING);
    assertEquals(
      await memory.check(at("e1", 6), [entry(5, 50), entry(3, 30), entry(1, 10)]),
      NOTHING,
    );
    const again = await MailboxMemory.load(state);
    assertEquals(await again.check(at("e1", 6), [entry(5, 50)]), NOTHING);
  });
});

Deno.test("a UID that goes back is an error, after a restart too", async () => {
  await inMailbox(async (memory, state) => {
    await memory.check(at("e1", 10), [entry(9, 90)]);
    for (const client of [memory, await MailboxMemory.load(state)]) {
      await refused(() => client.check(at("e1", 9), []), /older state of your mailbox/);
    }
    // A message that was deleted is no step back: the next UID stays.
    assertEquals(await memory.check(at("e1", 10), []), NOTHING);
  });
});

Deno.test("a modification sequence that goes back is an error, after a restart too", async () => {
  await inMailbox(async (memory, state) => {
    await memory.check(at("e1", 10, 30), [entry(9, 90)]);
    for (const client of [memory, await MailboxMemory.load(state)]) {
      await refused(() => client.check(at("e1", 10, 29), []), /older state of your mailbox/);
      await refused(() => client.check(at("e1", 11, 29), []), /older state of your mailbox/);
    }
    // Another client of this user may have seen a later state since this one asked.
    const known = await memory.known();
    await memory.check(at("e1", 12, 35), []);
    assertEquals(await memory.check(at("e1", 11, 31), [], known), NOTHING);
    await refused(() => memory.check(at("e1", 11, 31), []), /older state/);
    assertEquals(await memory.known(), at("e1", 12, 35));
    // Of another mailbox they start over.
    assertEquals((await memory.check(at("e2", 1, 0), [])).renewed, true);
  });
});

Deno.test("an epoch that comes back is an error, and a new one is told", async () => {
  await inMailbox(async (memory) => {
    await memory.check(at("e1", 10), [entry(9, 90)]);
    assertEquals((await memory.check(at("e2", 3), [entry(1, 11), entry(2, 22)])).renewed, true);
    assertEquals(await memory.check(at("e2", 3), [entry(2, 22)]), NOTHING);
    await refused(() => memory.check(at("e1", 10), []), /older state/);
    await refused(() => memory.check(at("e2", 2), []), /older state/);
  });
});

Deno.test("another message under a known UID is an error and is not remembered", async () => {
  await inMailbox(async (memory) => {
    await memory.check(at("e1", 6), [entry(5, 50)]);
    await refused(() => memory.check(at("e1", 9), [entry(5, 51), entry(8, 80)]), /number 5/);
    await refused(() => memory.check(at("e1", 9), [entry(5, 50, 99)]), /number 5/);
    assertEquals(await memory.check(at("e1", 7), [entry(5, 50), entry(6, 60)]), NOTHING);
  });
});

Deno.test("a UID that the mailbox has not reached is an error", async () => {
  await inMailbox(async (memory) => {
    await refused(() => memory.check(at("e1", 5), [entry(5, 50)]), /not reached/);
  });
});

Deno.test("a message that is there twice is marked under its higher UID, each time", async () => {
  await inMailbox(async (memory) => {
    const duplicates = async (nextUid: number, ...entries: Seen[]) =>
      (await memory.check(at("e1", nextUid), entries)).duplicates;
    assertEquals(await duplicates(4, entry(3, 30)), []);
    assertEquals(await duplicates(6, entry(5, 30), entry(4, 40)), [5]);
    assertEquals(await duplicates(6, entry(5, 30), entry(3, 30)), [5]);
    assertEquals(await duplicates(8, entry(7, 70), entry(6, 70)), [7]);
    // The copy with the lower UID is listed later.
    assertEquals(await duplicates(8, entry(1, 40), entry(4, 40)), [4]);
  });
});

Deno.test("a message from before the mailbox was made anew is marked", async () => {
  await inMailbox(async (memory) => {
    await memory.check(at("e1", 10), [entry(9, 90)]);
    const findings = await memory.check(at("e2", 3), [entry(1, 90), entry(2, 20)]);
    assertEquals(findings, { renewed: true, duplicates: [1], reused: [] });
  });
});

Deno.test("a sender's id used for another message is no duplicate, and is told", async () => {
  await inMailbox(async (memory) => {
    const other = new Uint8Array(32).fill(8);
    const findings = await memory.check(at("e1", 9), [
      entry(1, 10),
      entry(2, 10, 99),
      entry(3, 10, 10, other),
    ]);
    assertEquals(findings, { renewed: false, duplicates: [], reused: [2] });
  });
});

Deno.test("one's own message to oneself is there twice rightly, and a third time not", async () => {
  await inMailbox(async (memory, _state, own) => {
    const copies = [1, 2].map((uid) => entry(uid, 10, 10, own));
    assertEquals(await memory.check(at("e1", 3), copies), NOTHING);
    const findings = await memory.check(at("e1", 4), [entry(3, 10, 10, own)]);
    assertEquals(findings.duplicates, [3]);
  });
});

Deno.test("of very many messages the latest are remembered", async () => {
  await inMailbox(async (memory, state) => {
    const head = concat(
      new Uint8Array([2]),
      lp(utf8("e1")),
      u64(MAX_REMEMBERED + 1),
      u64(1),
      u32(0),
    );
    const records = new Uint8Array(40 * MAX_REMEMBERED);
    for (let i = 0; i < MAX_REMEMBERED; i++) records.set(u64(i + 1), 40 * i);
    for (const uid of [1, 2, 3]) {
      const { header } = entry(uid, uid);
      records.set((await sha256(header.slice(0, 49))).slice(0, 16), 40 * (uid - 1) + 8);
      records.set((await sha256(header)).slice(0, 16), 40 * (uid - 1) + 24);
    }
    await state.write("mailbox", concat(head, records));
    const next = MAX_REMEMBERED + 1;
    // The lowest is forgotten for the new one.
    assertEquals((await memory.check(at("e1", next + 1), [entry(next, 2)])).duplicates, [next]);
    assertEquals((await state.read("mailbox"))?.length, head.length + records.length);
    assertEquals((await memory.check(at("e1", next + 2), [entry(next + 1, 1)])).duplicates, []);
    assertEquals((await memory.check(at("e1", next + 3), [entry(next + 2, 3)])).duplicates, [
      next + 2,
    ]);
  });
});

Deno.test("an honest server is never accused, whatever is listed and when", async () => {
  await inMailbox(async (memory) => {
    let epoch = 0;
    const listing = fc.tuple(
      fc.nat(5),
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 20 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(listing, { maxLength: 6 }), async (listings) => {
        let nextUid = 1;
        epoch++;
        for (const [arrived, uids] of listings) {
          nextUid += arrived;
          const listed = [...new Set(uids)].filter((uid) => uid < nextUid);
          const findings = await memory.check(
            at(`e${epoch}`, nextUid),
            listed.map((uid) => entry(uid, 1000 * epoch + uid)),
          );
          assertEquals([findings.duplicates, findings.reused], [[], []]);
        }
      }),
      { numRuns: 30 },
    );
  });
});
