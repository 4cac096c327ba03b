import { assertEquals } from "@std/assert";
import { Serving } from "../../support/serving.ts";

Deno.test("members are told by name: who has a key, since when, and the full name the operator wrote", async () => {
  await using serving = await Serving.start(["alice", "bob", "carol"]);
  const before = Date.now();
  const alice = await serving.session("alice");
  const set = (fullName: string | null) => {
    return serving.server.operations.run({
      op: "user-full-name",
      by: { pid: 1 },
      name: "bob",
      fullName,
    });
  };
  await set("Bob Müller");
  const ask = async (after?: string) => {
    const request = after === undefined
      ? { op: "members" } as const
      : { op: "members", after } as const;
    const { members, more } = await alice.link.ask(request);
    const recent = members.every(({ since }) => since > before - 60_000 && since <= Date.now());
    assertEquals(recent, true);
    return { more, members: members.map(({ since: _, ...rest }) => rest) };
  };
  const [a, b, c] = [
    { name: "alice", bound: true },
    { name: "bob", fullName: "Bob Müller", bound: false },
    { name: "carol", bound: false },
  ];
  assertEquals(await ask(), { members: [a, b, c], more: false });
  assertEquals(await ask("alice"), { members: [b, c], more: false });
  assertEquals(await ask("carol"), { members: [], more: false });
  await set(null);
  await serving.server.operations.run({
    op: "user-remove",
    by: { pid: 1 },
    name: "carol",
    purge: false,
  });
  assertEquals(await ask(), { members: [a, { name: "bob", bound: false }], more: false });
  await alice.close();
});
