import { assert, assertEquals, assertMatch } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { testInFull } from "../support/full.ts";

testInFull("a conversation is listed and read as one, with what one wrote oneself", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  const send = async (name: string, args: string[], input: string) => {
    return (await people.ok(name, args, { input })).trim();
  };
  const plan = await send("bob", ["send", "-t", "alice", "-s", "The plan"], "let us go");
  await send("bob", ["send", "-t", "alice", "-s", "Another"], "of itself");
  const answer = await send("alice", ["reply", plan], "where to?");
  await send("bob", ["reply", answer], "to the sea");

  await t.step("folded, unfolded, and in JSON", async () => {
    const folded = (await people.ok("alice", ["inbox", "--threads"])).split("\n");
    assertEquals(folded.length, 4, folded.join("\n"));
    assertMatch(folded[1] ?? "", /bob,alice .*The plan \(3\)/);
    assertMatch(folded[2] ?? "", /bob .*Another/);
    const unfolded = await people.ok("alice", ["inbox", "--threads", "--unfold"]);
    assertMatch(unfolded, /The plan\n.* {2}Re: The plan\n.* {4}(\[new\] )?Re: The plan\n/);
    const [first] = await people.json("alice", ["inbox", "--threads"]);
    assertEquals(first.messages.map(({ depth }: { depth: number }) => depth), [0, 1, 2]);
  });

  await t.step("read as one page, which marks all of it as read", async () => {
    const page = await people.ok("alice", ["read", plan, "--thread"]);
    const at = ["let us go", "where to?", "to the sea"].map((text) => page.indexOf(text));
    assert(at.every((place, i) => place > (at[i - 1] ?? 0)), page);
    const unread = await people.json("alice", ["inbox", "--unread"]);
    assertEquals(unread.map(({ subject }: { subject: string }) => subject), ["Another"]);
  });

  await t.step("and lists are sorted as one likes", async () => {
    const subjects = async (by: string) => {
      const all: { subject: string }[] = await people.json("alice", ["inbox", "--sort", by]);
      return all.map(({ subject }) => subject);
    };
    assertEquals((await subjects("subject"))[0], "Another");
    assertEquals(await subjects("date"), ["Re: The plan", "Another", "The plan"]);
    const { code } = await people.as("alice", ["inbox", "--sort", "colour"]);
    assertEquals(code, 64);
  });
});
