import { assertEquals } from "@std/assert";
import { type Bytes, concat, readU32 } from "../../../crypto/bytes.ts";
import { decodeEntry, type Entry } from "../../../protocol/entry.ts";
import type { ListRequest } from "../../../protocol/request.ts";
import { preseal, type RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";

/** The entries that a listing gives. */
async function listed(
  { link }: RawSession,
  request: Omit<ListRequest, "op">,
): Promise<{ readonly nextUid: number; readonly entries: readonly Entry[] }> {
  const { response, data } = await link.stream({ op: "list", ...request });
  const pieces: Bytes[] = [];
  for await (const piece of data) pieces.push(piece);
  const bytes = concat(...pieces);
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = readU32(bytes, at);
    entries.push(decodeEntry(bytes.slice(at + 4, at + 4 + size)));
    at += 4 + size;
  }
  return { nextUid: response.nextUid, entries };
}

Deno.test("a list gives the own entries, in the order and within the bounds that are asked for", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const alice = await serving.session("alice");
  const bob = await serving.session("bob");
  for (let i = 0; i < 20; i++) await alice.deliver(await preseal(alice.person, [bob.person]));
  await bob.link.ask({ op: "flag", uids: [3, 4], set: ["seen"], clear: [], folder: "archive" });
  const uids = async (request: Omit<ListRequest, "op">) => {
    return (await listed(bob, request)).entries.map(({ uid }) => uid);
  };
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
  // More than the server reads from its store at a time.
  assertEquals(await uids({ order: "oldest", limit: 200 }), upTo(20));
  assertEquals(await uids({ order: "newest", limit: 200 }), upTo(20).reverse());
  assertEquals(await uids({ order: "newest", limit: 3 }), [20, 19, 18]);
  assertEquals(await uids({ order: "oldest", limit: 200, after: 2, before: 6 }), [3, 4, 5]);
  assertEquals(await uids({ order: "oldest", limit: 200, folder: "archive" }), [3, 4]);
  assertEquals(await uids({ order: "newest", limit: 1, folder: "trash" }), []);
  assertEquals((await listed(bob, { order: "newest", limit: 1 })).nextUid, 21);
  // Each mailbox is its owner's.
  assertEquals((await listed(alice, { order: "oldest", limit: 200, folder: "inbox" })).entries, []);
  await Promise.all([alice, bob].map((session) => session.close()));
});

Deno.test("a brief list has flags and places, and nothing that is sealed", async () => {
  await using serving = await Serving.start(["alice"]);
  const alice = await serving.session("alice");
  await alice.deliver(await preseal(alice.person, [alice.person]));
  await alice.link.ask({ op: "flag", uids: [1], set: ["flagged"], clear: [], folder: "archive" });
  const [whole] = (await listed(alice, { order: "oldest", limit: 1 })).entries;
  const [brief] = (await listed(alice, { order: "oldest", limit: 1, brief: true })).entries;
  const empty = new Uint8Array(0);
  assertEquals(brief, whole && { ...whole, stanza: empty, summary: empty, note: null });
  assertEquals([brief?.folder, brief?.flags], ["archive", ["flagged"]]);
  await alice.close();
});
