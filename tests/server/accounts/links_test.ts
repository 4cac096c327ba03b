import { assertEquals } from "@std/assert";
import type { Bytes } from "../../../crypto/bytes.ts";
import type { LinkEvent } from "../../../protocol/request.ts";
import { Links } from "../../../server/accounts/links.ts";
import { assertRefused, assertRefusedAsync } from "../../support/testing.ts";

const ID = "0".repeat(32);

function owner(name = "alice") {
  const events: LinkEvent[] = [];
  return { name, events, tell: (event: LinkEvent) => void events.push(event) };
}

const ANSWER = { size: 0, data: (async function* (): AsyncGenerator<Bytes> {})() };

Deno.test("a link is found once, by its id alone, and answered once by whoever opened it", async () => {
  const links = new Links();
  const [alice, bob] = [owner(), owner("bob")];
  links.open(alice, ID);
  assertEquals(links.visit("1".repeat(32)), null);
  await assertRefusedAsync("no-such-message", () => links.answer(alice, ID, ANSWER));
  const visit = links.visit(ID);
  assertEquals([visit?.name, links.visit(ID)], ["alice", null]);
  let taken = 0;
  const answered = visit?.wait("AAAA", () => {
    taken++;
    return Promise.resolve();
  });
  assertEquals(alice.events, [{ event: "link", id: ID, post: "AAAA" }]);
  await assertRefusedAsync("no-such-message", () => links.answer(bob, ID, ANSWER));
  await links.answer(alice, ID, ANSWER);
  assertEquals([await answered, taken, links.size], [true, 1, 0]);
  await assertRefusedAsync("no-such-message", () => links.answer(alice, ID, ANSWER));
});

Deno.test("a link ends with a no, with its session, when its visitor leaves, and in time", async () => {
  const alice = owner();
  const ends: readonly ((links: Links) => void)[] = [
    (links) => links.close(alice, ID),
    (links) => links.closeAll(alice),
  ];
  for (const end of ends) {
    const links = new Links();
    links.open(alice, ID);
    const waiting = links.visit(ID)?.wait("AAAA", () => Promise.resolve());
    links.close(owner(), ID);
    assertEquals(links.size, 1, "somebody else ends nothing");
    end(links);
    assertEquals([await waiting, links.size], [false, 0]);
  }
  const left = new Links();
  left.open(alice, ID);
  left.visit(ID)?.leave();
  assertEquals(left.size, 0);
  const short = new Links(1);
  short.open(alice, ID);
  assertEquals(await short.visit(ID)?.wait("AAAA", () => Promise.resolve()), false);
});

Deno.test("four links of a user wait at a time, each with an id of its own", () => {
  const links = new Links();
  const alice = owner();
  for (let i = 0; i < 4; i++) links.open(alice, `${i}`.repeat(32));
  assertRefused("limit", () => links.open(owner(), "5".repeat(32)));
  assertRefused("id-conflict", () => links.open(owner("bob"), ID));
  const bob = owner("bob");
  links.open(bob, "6".repeat(32));
  links.closeAll(alice);
  assertEquals(links.size, 1);
  links.closeAll(bob);
});
