import { assertEquals } from "@std/assert";
import { Members } from "../../../client/state/members.ts";
import { State } from "../../../client/state/state.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

const alice = await identityOf("alice");
const bob = (await identityOf("bob")).bundle.fp;
const other = (await identityOf("carol")).bundle.fp;

Deno.test("a full name is the operator's word, or signed with the key that is known", async () => {
  await inFolder(async (dir) => {
    const state = await State.open(dir, "alice", alice);
    const members = await Members.load(state);
    assertEquals([members.all(), members.at, members.fullName("bob", bob)], [[], null, null]);
    await members.setListed([{ name: "bob", fullName: "Robert", since: 1, bound: true }], 5);
    assertEquals(members.fullName("bob", bob), { text: "Robert", signed: false });
    await members.noteSigned("bob", "Bob", bob, 20);
    // An older message that is opened later says nothing new.
    await members.noteSigned("bob", "Bobby", bob, 10);
    for (const one of [members, await Members.load(state)]) {
      assertEquals(one.at, 5);
      assertEquals(one.fullName("bob", bob), { text: "Bob", signed: true });
      assertEquals(one.fullName("bob", other), { text: "Robert", signed: false });
      assertEquals(one.fullName("bob", null), { text: "Robert", signed: false });
      assertEquals(one.fullName("dave", null), null);
    }
  });
});
