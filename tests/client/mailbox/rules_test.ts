import { assertEquals, assertThrows } from "@std/assert";
import { RuleRunner, type RulesMail } from "../../../client/mailbox/rule_runner.ts";
import {
  actionOf,
  parseRules,
  planRules,
  planRunner,
  presentRunner,
  rulesOf,
  runnerOf,
  sameRules,
  signedOf,
  usableRules,
} from "../../../client/mailbox/rules.ts";
import type { Item, Opened } from "../../../client/mailbox/open.ts";
import { type EntryChange, OwnNames } from "../../../client/mailbox/own_names.ts";
import type { RuleChange } from "../../../client/state/rules_done.ts";
import { State } from "../../../client/state/state.ts";
import { SealpostError } from "../../../crypto/error.ts";
import type { Flag, Folder } from "../../../protocol/entry.ts";
import { EMPTY_RECORD, type SharedRecord } from "../../../protocol/shared_record.ts";
import { entryOf } from "../../support/entries.ts";
import { identityOf } from "../../support/identities.ts";

const DESK = "0123456789abcdef";
const LAPTOP = "fedcba9876543210";
const EPOCH = "00000000000000aa";

/** `record` with changes that a machine made. */
function changed(record: SharedRecord, changes: readonly EntryChange[]): SharedRecord {
  const entries = new Map(record.entries);
  for (const { key, value } of changes) {
    const version = (entries.get(key)?.version ?? 0) + 1;
    entries.set(key, { key, value, version, machine: DESK });
  }
  return { ...record, entries };
}

const entry = (key: string, value: unknown): EntryChange => ({ key, value, isNew: true });
const NAMED = changed(EMPTY_RECORD, [
  entry("folder/16", { name: "work/reports" }),
  entry("keyword/4", { name: "urgent" }),
]);
const NAMES = new OwnNames(NAMED);
const TABLES = [
  { name: "bills", if: "from:bob subject:bill", move: "work/reports", mark: "read" },
  { name: "old", if: "from:bob", move: "archive", mark: ["urgent", "flagged"] },
  { name: "words", if: "text:treasure", mark: "flagged" },
];
const RULES = parseRules("sealpost.toml", TABLES, NAMES);
const USED = changed(NAMED, planRules(NAMED, RULES, DESK, { epoch: EPOCH, top: 5 }));

Deno.test("rules are written in a file, and stand in the record as they were written", () => {
  assertEquals(RULES[0], {
    name: "bills",
    condition: "from:bob subject:bill",
    folder: 16,
    flags: ["seen"],
  });
  assertEquals(rulesOf(USED), RULES);
  assertEquals(runnerOf(USED), { machine: DESK, epoch: EPOCH, after: 5 });
  assertEquals(sameRules(RULES, [...RULES].reverse()), false);
  assertEquals(rulesOf(EMPTY_RECORD), []);
  for (const value of [3, { rules: 3 }, { rules: [{ name: "x" }] }]) {
    assertEquals(rulesOf(changed(USED, [entry("rules/list", value)])), []);
  }
});

Deno.test("other rules leave the machine that runs them; where there were none it begins anew", () => {
  const fetched = { epoch: EPOCH, top: 9 };
  const keys = (record: SharedRecord, rules = RULES) => {
    return planRules(record, rules, LAPTOP, fetched).map(({ key }) => key);
  };
  assertEquals(keys(USED), []);
  assertEquals(keys(USED, RULES.slice(1)), ["rules/list"]);
  assertEquals(keys(NAMED), ["rules/list", "rules/machine"]);
  const none = changed(USED, planRules(USED, [], LAPTOP, fetched));
  assertEquals(runnerOf(none)?.after, 5);
  const again = changed(none, planRules(none, RULES, LAPTOP, fetched));
  assertEquals(runnerOf(again), { machine: DESK, epoch: EPOCH, after: 9 });
  const removed = changed(USED, [entry(`removed/${DESK}`, { at: 1 })]);
  assertEquals(presentRunner(removed), null);
  const taken = changed(removed, planRules(removed, RULES, LAPTOP, fetched));
  assertEquals(presentRunner(taken)?.machine, LAPTOP);
});

Deno.test("a message is marked by all rules that it fits, and moved by the first that moves", () => {
  const { usable, problems } = usableRules(RULES, NAMES);
  assertEquals(problems, []);
  const message = {
    folder: "inbox" as const,
    flags: [] as Flag[],
    received: 0,
    from: "bob",
    to: ["alice"],
    subject: "a bill",
    attachments: [],
  };
  assertEquals(actionOf(usable, message), null);
  const both = { folder: 16, flags: ["seen", 4, "flagged"] as Flag[] };
  assertEquals(actionOf(usable, message, true), both);
  assertEquals(actionOf(usable, { ...message, text: "x" }), both);
  const other = { ...message, from: "carol", text: "the treasure" };
  assertEquals(actionOf(usable, other), { folder: null, flags: ["flagged"] });
  const marked = { ...other, flags: ["flagged" as const] };
  assertEquals(actionOf(usable, marked), { folder: null, flags: [] });
});

Deno.test("a rule that is not understood any more is left out, and that is said", () => {
  const { usable, problems } = usableRules(RULES, new OwnNames(EMPTY_RECORD));
  assertEquals(usable.map(({ name }) => name), ["words"]);
  assertEquals(problems.length, 2);
  const renamed = usableRules(RULES.map((one) => ({ ...one, condition: "in:nowhere" })), NAMES);
  assertEquals([renamed.usable.length, renamed.problems.length], [0, 3]);
});

Deno.test("a rule that cannot be used is refused, with its file and its name", () => {
  const error = assertThrows(
    () => parseRules("a/sealpost.toml", [{ name: "x\x1b", if: "y", mark: "read" }], NAMES),
    SealpostError,
    "a/sealpost.toml: rule 1: its name has",
  );
  assertEquals(error.code, "config");
  assertEquals(parseRules("a", undefined, NAMES), []);
});

/** A message of the inbox that bob has signed, or that only says so. */
function itemOf(uid: number, subject: string, stored = false): Item {
  const summary = {
    from: { name: stored ? "alice" : "bob" },
    to: [{ name: "alice" }],
    cc: [],
    subject,
    attachments: [],
    ...stored ? { stored: { from: "bob" } } : {},
  };
  const entry = entryOf(uid);
  // What rules look at of it.
  const opened = { entry, summary } as unknown as Opened;
  return { entry, opened, problem: null, keyChangedOf: null, duplicate: false };
}

Deno.test("rules look at nothing that its sender has not signed, and at no copy", () => {
  const item = itemOf(1, "a bill");
  assertEquals(signedOf(item)?.entry.uid, 1);
  assertEquals(signedOf(itemOf(1, "a bill", true)), null);
  assertEquals(signedOf({ ...item, opened: null }), null);
  assertEquals(signedOf({ ...item, duplicate: true }), null);
});

/** A mailbox and a record, and the machine DESK, which runs rules on them. */
class Machine implements RulesMail {
  record: SharedRecord = USED;
  /** What the server has. */
  onServer: SharedRecord = USED;
  fetchedNow = { epoch: EPOCH, bottom: 1, top: 5, modseq: 5 };
  readonly places = new Map<number, { folder: Folder; item: Item }>();
  readonly done: RuleChange[] = [];
  fails: SealpostError | null = null;
  readonly notices: string[] = [];
  #version = 1;

  constructor(readonly state: State, readonly id = DESK) {}

  readonly cache = {
    fetched: () => this.fetchedNow,
    ids: () =>
      [...this.places].map(([uid, { folder }]) => {
        return { uid, folder, id: new Uint8Array(16), flags: [] };
      }).reverse(),
  };

  readonly shared = ((machine: Machine) => ({
    known: () => Promise.resolve(machine.record),
    refresh: () => Promise.resolve(machine.record = machine.onServer),
    change: (plan: (record: SharedRecord) => readonly EntryChange[]) => {
      const changes = plan(machine.onServer);
      machine.record = machine.onServer = changed(machine.onServer, changes);
      return Promise.resolve({ record: machine.record, changes, lost: [] });
    },
    seen: () => Promise.resolve(machine.record === machine.onServer ? 1 : 0),
    self: () => Promise.resolve({ machine: machine.id, name: "desk" }),
    get lastSeen() {
      return machine.#version++;
    },
  }))(this);

  sharedVersion(): Promise<number> {
    return Promise.resolve(1);
  }

  openAt(uid: number): Promise<Item | null> {
    return Promise.resolve(this.places.get(uid)?.item ?? null);
  }

  fetchOlder(): Promise<boolean> {
    return Promise.resolve(false);
  }

  textOf(): Promise<string | null> {
    return Promise.resolve("nothing");
  }

  carryOut(change: RuleChange): Promise<void> {
    if (this.fails) return Promise.reject(this.fails);
    this.done.push(change);
    for (const uid of change.uids) {
      const place = this.places.get(uid);
      if (place && change.folder !== undefined) place.folder = change.folder;
    }
    return Promise.resolve();
  }

  /** A message comes, and the program that fetched it has rules run. */
  async comes(subject: string, runner = new RuleRunner(this)): Promise<number> {
    const uid = this.fetchedNow.top + 1;
    this.fetchedNow = { ...this.fetchedNow, top: uid, modseq: uid };
    this.places.set(uid, { folder: "inbox", item: itemOf(uid, subject) });
    runner.onNotice = (line) => this.notices.push(line);
    await runner.run();
    return uid;
  }
}

async function withMachine(work: (machine: Machine) => Promise<void>, id = DESK): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "rules-" });
  try {
    await work(new Machine(await State.open(dir, "alice", await identityOf("alice")), id));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("what comes is changed once, whatever becomes of it later", async () => {
  await withMachine(async (machine) => {
    const uid = await machine.comes("a bill");
    const change = { uids: [uid], set: ["seen", 4, "flagged"] as Flag[], folder: 16 };
    assertEquals(machine.done, [{ ...change, unchangedSince: 6 }]);
    // Moved back by the person.
    machine.places.set(uid, { folder: "inbox", item: itemOf(uid, "a bill") });
    const next = await machine.comes("another");
    assertEquals(machine.done.slice(1).map(({ uids }) => uids), [[next]]);
  });
});

Deno.test("a change that a lost connection interrupted is done later, unless somebody was faster", async () => {
  await withMachine(async (machine) => {
    machine.fails = new SealpostError("connection-lost", "gone");
    const uid = await machine.comes("a bill");
    machine.fails = null;
    const next = await machine.comes("Lunch");
    // What was changed after 6 is left alone by the server.
    assertEquals(
      machine.done.map(({ uids, unchangedSince }) => [uids, unchangedSince]),
      [[[uid], 6], [[next], 7]],
    );
  });
});

Deno.test("a machine runs no rules that another one runs, also if it has not heard of that yet", async () => {
  await withMachine(async (machine) => {
    await machine.comes("a bill");
    assertEquals(machine.done, []);
  }, LAPTOP);
  await withMachine(async (machine) => {
    machine.onServer = changed(USED, planRunner(LAPTOP, { epoch: EPOCH, top: 5 }));
    await machine.comes("a bill");
    assertEquals(machine.done, []);
  });
});

Deno.test("a machine takes the place of one that was removed, for what comes from then on", async () => {
  await withMachine(async (machine) => {
    machine.record = machine.onServer = changed(USED, [entry(`removed/${DESK}`, { at: 1 })]);
    await machine.comes("between");
    assertEquals(machine.done, []);
    assertEquals(machine.notices.length, 1);
    const uid = await machine.comes("a bill");
    assertEquals(machine.done.map(({ uids }) => uids), [[uid]]);
  }, LAPTOP);
});

Deno.test("of two machines that would take the place of a removed one, the first does", async () => {
  await withMachine(async (machine) => {
    const removed = changed(USED, [entry(`removed/${DESK}`, { at: 1 })]);
    const other = "00000000000000cc";
    machine.record = removed;
    machine.onServer = changed(removed, planRunner(other, { epoch: EPOCH, top: 5 }));
    await machine.comes("a bill");
    assertEquals(runnerOf(machine.onServer)?.machine, other);
    assertEquals([machine.done, machine.notices], [[], []]);
  }, LAPTOP);
});

Deno.test("what a machine decided while it ran the rules, it ends when another one runs them", async () => {
  await withMachine(async (machine) => {
    machine.fails = new SealpostError("connection-lost", "gone");
    const uid = await machine.comes("a bill");
    machine.fails = null;
    machine.onServer = changed(USED, planRunner(LAPTOP, { epoch: EPOCH, top: uid }));
    machine.record = machine.onServer;
    await machine.comes("another");
    assertEquals(machine.done.map(({ uids }) => uids), [[uid]]);
  });
});

Deno.test("in a mailbox that was made anew, rules begin with what comes then", async () => {
  await withMachine(async (machine) => {
    await machine.comes("a bill");
    machine.fetchedNow = { epoch: "00000000000000bb", bottom: 1, top: 5, modseq: 5 };
    machine.places.clear();
    await machine.comes("an old bill");
    assertEquals(machine.done.length, 1);
    const uid = await machine.comes("a new bill");
    assertEquals(machine.done.slice(1).map(({ uids }) => uids), [[uid]]);
  });
});
