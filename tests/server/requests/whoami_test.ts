import { assertEquals, assertMatch } from "@std/assert";
import { toBase64 } from "../../../crypto/bytes.ts";
import { preseal } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";

Deno.test("whoami tells one's own name, key and mailbox", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const alice = await serving.session("alice");
  const { epoch, ...empty } = await alice.link.ask({ op: "whoami" });
  assertMatch(epoch, /^[0-9a-f]{16}$/);
  assertEquals(empty, {
    ok: true,
    name: "alice",
    fp: toBase64(alice.person.identity.bundle.fp),
    nextUid: 1,
    modseq: 0,
    entries: 0,
    unseen: 0,
    bytes: 0,
    quota: 10 * 2 ** 30,
  });
  const { request, bytes } = await preseal(alice.person, [alice.person]);
  await alice.deliver({ request, bytes });
  const full = await alice.link.ask({ op: "whoami" });
  // The inbox's copy and that in Sent, which nobody has to read.
  assertEquals([full.epoch, full.nextUid, full.entries, full.unseen], [epoch, 3, 2, 1]);
  assertEquals(full.bytes > bytes.length, true);
  await alice.close();
});
