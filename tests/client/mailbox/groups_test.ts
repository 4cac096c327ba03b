import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  decodeList,
  encodeList,
  followed,
  type Group,
  groupsOf,
  laterThan,
  planDiscard,
  planGroup,
  planMembers,
  planShared,
} from "../../../client/mailbox/groups.ts";
import { groupFrom, offerOf, planDeclined } from "../../../client/mailbox/offered_groups.ts";
import { expandRecipients } from "../../../client/mailbox/recipients.ts";
import { EMPTY_RECORD, type SharedRecord } from "../../../protocol/shared_record.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { assertRefused } from "../../support/testing.ts";

const TEAM: Group = { name: "team", members: ["bob", "carol"], version: 5 };
const BOBS: Group = {
  name: "crew",
  members: ["alice", "dave"],
  version: 5,
  from: { owner: "bob", name: "team", uid: 3 },
};

/** A record with these groups, and what else its entries say. */
function recordOf(groups: readonly Group[], others: Record<string, unknown> = {}): SharedRecord {
  const values = [
    ...groups.map(({ name, ...value }) => [`group/${name}`, value] as const),
    ...Object.entries(others),
  ];
  const entries = values.map(([key, value]) => {
    return [key, { key, value, version: 1, machine: "0123456789abcdef" }] as const;
  });
  return { ...EMPTY_RECORD, entries: new Map(entries) };
}

const record = recordOf([TEAM, BOBS], {
  "group/../x": { members: ["bob"], version: 1 },
  "group/empty": { members: [], version: 1 },
  "group/gone": undefined,
});

Deno.test("groups are those of the record that can be ones", () => {
  assertEquals(groupsOf(record), [BOBS, TEAM]);
});

Deno.test("a group of one's own is changed and discarded; one of somebody else's is discarded alone", () => {
  const [made] = planGroup(record, { name: "new", members: ["bob"], version: laterThan(0) });
  assertEquals(made?.key, "group/new");
  for (const name of ["team", "everyone"]) {
    assertRefused("usage", () => planGroup(record, { ...TEAM, name }));
  }
  const [added] = planMembers(record, "team", (members) => [...members, "alice", "bob"]);
  const { members, version } = groupsOf(recordOf([], { "group/team": added?.value }))[0] ?? TEAM;
  assertEquals(members, ["alice", "bob", "carol"]);
  assert(version > TEAM.version);
  assertEquals(planMembers(record, "team", (members) => members), []);
  assertRefused("usage", () => planMembers(record, "team", () => []));
  assertRefused("usage", () => planMembers(record, "crew", () => ["eve"]));
  assertRefused("usage", () => planMembers(record, "none", () => ["eve"]));
  const many = Array.from({ length: 256 }, (_, i) => `user${i}`);
  assertRefused("limit", () => planMembers(record, "team", () => many));
  assertEquals(planDiscard(record, "team"), [{ key: "group/team", value: undefined, isNew: true }]);
  // Of somebody else's it is remembered that it is not wanted.
  assertEquals(planDiscard(record, "crew"), [
    { key: "group/crew", value: undefined, isNew: true },
    { key: "group-declined/bob/team", value: { version: 5 }, isNew: false },
  ]);
  assertRefused("usage", () => planDiscard(record, "none"));
});

Deno.test("a group that was sent to its members says which version was, until it changes", () => {
  const [sent] = planShared(record, "team", TEAM.version);
  const after = recordOf([], { "group/team": sent?.value });
  assertEquals(groupsOf(after), [{ ...TEAM, shared: TEAM.version }]);
  const [added] = planMembers(after, "team", (members) => [...members, "eve"]);
  const [now] = groupsOf(recordOf([], { "group/team": added?.value }));
  assertEquals(now?.shared, TEAM.version);
  assert(now && now.version > TEAM.version);
});

Deno.test("a group that is shared is offered once, under a name that is free", () => {
  const list = { sealpost: "group" as const, name: "team", version: 7, members: ["alice", "eve"] };
  const offer = (record: SharedRecord, owner: string, members: readonly string[] = []) => {
    return offerOf(record, members, list, owner, 8);
  };
  const empty = recordOf([]);
  const first = offer(empty, "carol");
  assert(first);
  assertEquals(groupFrom(first), {
    name: "team",
    members: ["alice", "eve"],
    version: 7,
    from: { owner: "carol", name: "team", uid: 8 },
  });
  assertEquals(offer(record, "carol")?.name, "carol-team");
  assertEquals(offer(empty, "carol", ["team", "carol-team"])?.name, "team-2");
  assertEquals(
    offerOf(empty, [], { ...list, name: "everyone" }, "carol", 8)?.name,
    "carol-everyone",
  );
  // Followed already, under whatever name.
  assertEquals(offer(record, "bob"), null);
  const [declined] = planDeclined(first);
  const asked = recordOf([], { [declined?.key ?? ""]: declined?.value });
  assertEquals(offer(asked, "carol"), null);
  assertEquals(offer(asked, "dave")?.name, "team");
});

Deno.test("a group follows later lists of its owner, and of nobody else", () => {
  const later = { sealpost: "group" as const, name: "team", version: 6, members: ["alice", "eve"] };
  const news = followed(BOBS, later, "bob", 9);
  assertEquals(news?.line, "bob has changed the group crew: added eve; removed dave.");
  const value = {
    members: ["alice", "eve"],
    version: 6,
    from: { owner: "bob", name: "team", uid: 9 },
  };
  assertEquals(news?.change, { key: "group/crew", value, isNew: true });
  assertEquals(followed(BOBS, later, "mallory", 9), null);
  assertEquals(followed(BOBS, { ...later, version: 5 }, "bob", 9), null);
  assertEquals(followed(BOBS, { ...later, name: "other" }, "bob", 9), null);
  assertEquals(followed(TEAM, later, "bob", 9), null);
  assertEquals(followed(BOBS, { ...later, members: BOBS.members }, "bob", 9)?.line, null);
});

Deno.test("a list is shared as a file, and anything else is none", () => {
  const { members, version } = TEAM;
  assertEquals(decodeList(encodeList(TEAM)), { sealpost: "group", name: "team", version, members });
  const list = { sealpost: "group", name: "team", version, members };
  const bad = [
    "",
    "{}",
    JSON.stringify({ ...list, more: 1 }),
    JSON.stringify({ ...list, members: [] }),
    JSON.stringify({ ...list, members: ["../x"] }),
    JSON.stringify({ ...list, name: "Team" }),
    JSON.stringify({ ...list, version: -1 }),
  ];
  for (const text of bad) assertRefused("format", () => decodeList(text));
});

Deno.test("names of groups stand for their members, each once, and oneself is left out", () => {
  const members = ["alice", "bob", "carol", "dave"].map((name) => ({
    name,
    bound: name !== "dave",
  }));
  const known = {
    me: "alice",
    groups: [TEAM, BOBS, { name: "me", members: ["alice"], version: 1 }],
    members,
    user: (text: string) => {
      if (text.startsWith("no")) throw new SealpostError("no-such-user", text);
      return text.trim().toLowerCase();
    },
  };
  const expand = (...written: string[]) => expandRecipients(written, known);
  assertEquals(expand("Team", "carol", "eve"), { names: ["bob", "carol", "eve"], notes: [] });
  assertEquals(expand("crew", "me", "alice").names, ["dave", "alice"]);
  const everyone = expand("everyone");
  assertEquals(everyone.names, ["bob", "carol"]);
  assertEquals(everyone.notes, ["everyone, as the server says: bob, carol."]);
  assertRefused("no-such-user", () => expand("nobody"));
  assertThrows(
    () => expandRecipients(["everyone"], { ...known, members: [] }),
    SealpostError,
    "connect",
  );
  // Somebody of that name came later: whom it means is not guessed.
  const came = [...members, { name: "team", bound: true }];
  assertRefused("usage", () => expandRecipients(["team"], { ...known, members: came }));
  const user = [...members, { name: "everyone", bound: true }];
  assertRefused("usage", () => expandRecipients(["everyone"], { ...known, members: user }));
});
