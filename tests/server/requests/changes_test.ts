import { assertEquals } from "@std/assert";
import { type Bytes, concat, readU32 } from "../../../crypto/bytes.ts";
import { decodeChange, type MailboxChange } from "../../../protocol/change.ts";
import { assertRefusedAsync } from "../../support/testing.ts";
import { preseal, type RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";
import { waitFor } from "../../support/wait.ts";

/** A page of the changes since `since`, for who knows the UIDs below `nextUid`. */
async function changesOf({ link }: RawSession, since: number, nextUid: number, limit = 1000) {
  const { response, data } = await link.stream({ op: "changes", since, nextUid, limit });
  const pieces: Bytes[] = [];
  for await (const piece of data) pieces.push(piece);
  const bytes = concat(...pieces);
  const changes: MailboxChange[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = readU32(bytes, at);
    changes.push(decodeChange(bytes.slice(at + 4, at + 4 + size)));
    at += 4 + size;
  }
  return { ...response, changes };
}

Deno.test("changes tell what came, what changed, what was moved and what is gone", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const [alice, bob] = [await serving.session("alice"), await serving.session("bob")];
  for (let i = 0; i < 10; i++) await alice.deliver(await preseal(alice.person, [bob.person]));
  const all = await changesOf(bob, 0, 1);
  assertEquals(all.changes.map(({ kind }) => kind), new Array(10).fill("new"));
  assertEquals([all.nextUid, all.modseq, all.more], [11, 10, false]);
  const page = await changesOf(bob, 0, 1, 4);
  assertEquals([page.changes.length, page.more], [4, true]);

  await bob.link.ask({ op: "flag", uids: [1], set: ["seen", 7], clear: [] });
  await bob.link.ask({ op: "flag", uids: [2], set: [], clear: [], folder: 16 });
  await bob.link.ask({ op: "remove", uids: [3] });
  const { changes } = await changesOf(bob, 10, 11);
  assertEquals(changes, [
    { kind: "changed", modseq: 11, uid: 1, folder: "inbox", number: 1, flags: ["seen", 7] },
    { kind: "left", modseq: 12, uid: 2, folder: "inbox", number: 2 },
    { kind: "changed", modseq: 13, uid: 2, folder: 16, number: 1, flags: [] },
    { kind: "gone", modseq: 14, uid: 3, folder: "inbox", number: 3 },
  ]);
  assertEquals((await changesOf(bob, 14, 11)).changes, []);
  await assertRefusedAsync("too-old", () => changesOf(bob, 15, 11));
  await Promise.all([alice, bob].map((session) => session.close()));
});

Deno.test("other sessions of the same person are told of a change, and nobody else", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const alice = await serving.session("alice");
  const [here, there] = [await serving.session("bob"), await serving.session("bob")];
  await alice.deliver(await preseal(alice.person, [here.person]));
  await here.link.ask({ op: "flag", uids: [1], set: ["seen"], clear: [] });
  const told = (session: RawSession) => session.events.filter(({ event }) => event === "change");
  await waitFor("the other session is told", () => told(there).length > 0 || null);
  assertEquals(told(there), [{ event: "change", modseq: 2 }]);
  // What changes nothing is not told.
  await here.link.ask({ op: "flag", uids: [1], set: ["seen"], clear: [] });
  await there.link.ask({ op: "whoami" });
  assertEquals([told(here), told(there).length, told(alice)], [[], 1, []]);
  await Promise.all([alice, here, there].map((session) => session.close()));
});
