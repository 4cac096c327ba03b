import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Bytes, concat, readU32 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { decodeEntry } from "../../../protocol/entry.ts";
import { EnvelopeReader } from "../../../protocol/envelope.ts";
import { preseal, type RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";

async function fetched({ link }: RawSession, uid: number, offset?: number) {
  const { response, data } = await link.stream({
    op: "fetch",
    uid,
    ...offset === undefined ? {} : { offset },
  });
  const pieces: Bytes[] = [];
  for await (const piece of data) pieces.push(piece);
  const bytes = concat(...pieces);
  const size = readU32(bytes, 0);
  const entry = decodeEntry(bytes.slice(4, 4 + size));
  return { size: response.size, entry, body: bytes.slice(4 + size) };
}

for (const size of [300, 600_000]) {
  Deno.test(`a message of ${size} bytes is fetched as it was sent, from any offset`, async () => {
    await using serving = await Serving.start(["alice", "bob"]);
    const [alice, bob] = [await serving.session("alice"), await serving.session("bob")];
    const { request, bytes } = await preseal(alice.person, [bob.person], size);
    await alice.deliver({ request, bytes });
    const sent = new EnvelopeReader().push(bytes);
    assert(sent);
    const whole = await fetched(bob, 1);
    assertEquals([whole.size, whole.body], [whole.body.length, sent.rest]);
    assertEquals([whole.entry.uid, whole.entry.summary], [1, sent.envelope.summary]);
    const half = Math.floor(whole.size / 2);
    const rest = await fetched(bob, 1, half);
    assertEquals([rest.size, rest.body], [whole.size - half, whole.body.slice(half)]);
    assertEquals((await fetched(bob, 1, whole.size)).body.length, 0);

    const refused = (uid: number, offset: number, session = bob) =>
      assertRejects(() => fetched(session, uid, offset), SealpostError, "not in your mailbox");
    await refused(1, whole.size + 1);
    await refused(2, 0);
    // Alice's own copy has number 1 in her mailbox; bob's is not hers.
    await alice.link.ask({ op: "remove", uids: [1] });
    await refused(1, 0, alice);
    await Promise.all([alice, bob].map((session) => session.close()));
  });
}

Deno.test("a fetch that is cancelled ends early, and the session goes on", async () => {
  await using serving = await Serving.start(["alice"]);
  const alice = await serving.session("alice");
  await alice.deliver(await preseal(alice.person, [alice.person], 3_000_000));
  const { data, cancel } = await alice.link.stream({ op: "fetch", uid: 1 });
  for await (const _ of data) break;
  await cancel();
  assertEquals((await alice.link.ask({ op: "whoami" })).entries, 2);
  await alice.close();
});
