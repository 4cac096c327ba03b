import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { concat, lp, u32, u64, utf8 } from "../../crypto/bytes.ts";
import { type ErrorCode, SealpostError } from "../../crypto/error.ts";
import { hkdf } from "../../crypto/hash.ts";
import { padme } from "../../crypto/padme.ts";
import {
  compareEntries,
  decodeRecord,
  EMPTY_RECORD,
  encodeRecord,
  type KnownRecord,
  mergeRecords,
  nextVersion,
  openRecord,
  recordToPut,
  sealRecord,
  type SharedEntry,
  type SharedRecord,
  takeRecord,
} from "../../protocol/shared_record.ts";
import { identityOf } from "../support/identities.ts";

async function assertCode(code: ErrorCode, run: () => unknown): Promise<void> {
  const error = await assertRejects(async () => await run(), SealpostError);
  assertEquals(error.code, code);
}

const MACHINES = ["0000000000000001", "0000000000000002", "00000000000000ff"];

function recordOf(entries: readonly SharedEntry[]): SharedRecord {
  return entries.reduce<SharedRecord>((record, one) => {
    return mergeRecords(record, { entries: new Map([[one.key, one]]), machines: new Map() });
  }, EMPTY_RECORD);
}

/** Few keys, versions and machines, so that they meet. */
const entry: fc.Arbitrary<SharedEntry> = fc.record({
  key: fc.constantFrom("folder/16", "folder/17", "keyword/4", "later/x"),
  value: fc.option(fc.jsonValue({ maxDepth: 3 }), { nil: undefined }),
  version: fc.integer({ min: 1, max: 4 }),
  machine: fc.constantFrom(...MACHINES),
  gone: fc.record({ put: fc.integer({ min: 1, max: 4 }), at: fc.nat(2) }),
}).map(({ gone, ...one }) => one.value === undefined && gone.at > 0 ? { ...one, gone } : one);
const record = fc.record({
  entries: fc.array(entry, { maxLength: 8 }).map((all) => recordOf(all).entries),
  machines: fc.array(
    fc.record({
      id: fc.constantFrom(...MACHINES),
      name: fc.constantFrom("desk", "laptop"),
      put: fc.integer({ min: 1, max: 5 }),
    }),
    { maxLength: 3 },
  ).map((all) => new Map(all.map((one) => [one.id, one]))),
});

function same(a: SharedRecord, b: SharedRecord): void {
  assertEquals(encodeRecord(a), encodeRecord(b));
}

Deno.test("merging is commutative, associative and idempotent", () => {
  fc.assert(
    fc.property(record, record, record, (a, b, c) => {
      same(mergeRecords(a, b), mergeRecords(b, a));
      same(mergeRecords(mergeRecords(a, b), c), mergeRecords(a, mergeRecords(b, c)));
      same(mergeRecords(a, a), a);
    }),
    { numRuns: 2000 },
  );
});

/** A machine in a history: it changes, and it syncs by get, merge and put. */
type Step =
  | {
    readonly kind: "change";
    readonly machine: number;
    readonly key: string;
    readonly value?: string;
  }
  | { readonly kind: "sync"; readonly machine: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("change" as const),
    machine: fc.nat(2),
    key: fc.constantFrom("folder/16", "folder/17", "keyword/4"),
    value: fc.string({ maxLength: 3 }),
  }, { requiredKeys: ["kind", "machine", "key"] }),
  fc.record({ kind: fc.constant("sync" as const), machine: fc.nat(2) }),
);

Deno.test("10,000 random histories of three machines end the same everywhere, as a model says", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const machines = MACHINES.map(() => EMPTY_RECORD);
      let server = EMPTY_RECORD;
      const written: SharedEntry[] = [];
      for (const one of steps) {
        const own = machines[one.machine] ?? EMPTY_RECORD;
        const machine = MACHINES[one.machine] ?? "";
        if (one.kind === "sync") {
          server = machines[one.machine] = mergeRecords(own, server);
          continue;
        }
        const { key, value } = one;
        const made = { key, value, version: nextVersion(own), machine };
        written.push(made);
        machines[one.machine] = mergeRecords(own, recordOf([made]));
      }
      for (const own of machines) server = mergeRecords(server, own);
      // The model: all that was ever written, sorted; the last of each key is what counts.
      const model = new Map<string, SharedEntry>();
      for (const made of written.toSorted(compareByRule)) model.set(made.key, made);
      assertEquals(
        decodeRecord(encodeRecord(server)).entries,
        decodeRecord(encodeRecord({ entries: model, machines: new Map() })).entries,
      );
      for (const own of machines) same(mergeRecords(own, server), server);
    }),
    { numRuns: 10_000 },
  );
});

/** What a machine of {@linkcode forgetful} does. */
type Doing =
  | {
    readonly kind: "change";
    readonly machine: number;
    readonly key: string;
    readonly value?: string;
  }
  | { readonly kind: "sync" | "put"; readonly machine: number }
  /** The machine is made anew of a package that was packed `back` steps ago, by whichever machine. */
  | { readonly kind: "arrive"; readonly machine: number; readonly back: number }
  | { readonly kind: "wait"; readonly days: number };

const forgetful: fc.Arbitrary<Doing> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("change" as const),
      machine: fc.nat(3),
      key: fc.constantFrom("group/a", "group/b", "kit", "rules/1", "folder/16"),
      value: fc.string({ maxLength: 3 }),
    }, { requiredKeys: ["kind", "machine", "key"] }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("sync" as const, "put" as const),
      machine: fc.nat(3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      machine: fc.nat(3),
      back: fc.nat(20),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), days: fc.nat(400) }) },
);

Deno.test("10,000 random histories: what was removed stays so, for machines that were away and kits too", () => {
  let forgotten = 0;
  fc.assert(
    fc.property(fc.array(forgetful, { maxLength: 40 }), (doings) => {
      const ids = Array.from({ length: 4 }, (_, i) => i);
      let next = 0;
      const anew = (known: KnownRecord) => ({ ...known, id: `${++next}`.padStart(16, "0") });
      const machines = ids.map(() => anew({ seen: 0, record: EMPTY_RECORD }));
      const packed: KnownRecord[] = [];
      const server = { version: 0, record: EMPTY_RECORD };
      /** What counts: each change is made by a machine that has the record, so the last one counts. */
      const model = new Map<string, unknown>();
      let now = 1_700_000_000_000;
      const take = (i: number) => {
        const own = machines[i] ?? anew({ seen: 0, record: EMPTY_RECORD });
        const record = server.version === 0 ? own.record : takeRecord(own, server.record);
        const taken = { ...own, seen: server.version, record };
        machines[i] = taken;
        return taken;
      };
      const put = (i: number, changed: SharedEntry[]) => {
        const { id, record } = take(i);
        const merged = mergeRecords(record, recordOf(changed));
        server.record = recordToPut(merged, { id, name: `m${i}` }, ++server.version, now);
        machines[i] = { id, seen: server.version, record: server.record };
      };
      const values = ({ entries }: SharedRecord) =>
        [...entries.values()].filter(({ value }) => value !== undefined)
          .map(({ key, value }) => [key, value]).sort();
      for (const doing of doings) {
        if (doing.kind === "wait") now += doing.days * 86_400_000;
        else if (doing.kind === "arrive") {
          const one = packed.at(-1 - doing.back) ?? { seen: 0, record: EMPTY_RECORD };
          machines[doing.machine] = anew(one);
        } else if (doing.kind === "change") {
          const { machine, key, value } = doing;
          const { id, record } = take(machine);
          put(machine, [{ key, value, version: nextVersion(record), machine: id }]);
          if (value === undefined) model.delete(key);
          else model.set(key, value);
        } else if (doing.kind === "put") put(doing.machine, []);
        else take(doing.machine);
        for (const { seen, record } of machines) packed.push({ seen, record });
        if ("machine" in doing && doing.kind !== "arrive") {
          assertEquals(values(take(doing.machine).record), [...model].sort());
        }
      }
      for (const i of ids) assertEquals(values(take(i).record), [...model].sort());
      same(decodeRecord(encodeRecord(server.record)), server.record);
      forgotten += server.record.forgotten === undefined ? 0 : 1;
    }),
    { numRuns: 10_000 },
  );
  assert(forgotten > 1000, `${forgotten} histories in which something is forgotten`);
});

const DAY = 86_400_000;

Deno.test("a removal is forgotten when every machine has put after it, or after 180 days", () => {
  const [desk = "", laptop = "", other = ""] = MACHINES;
  const gone = { key: "group/a", value: undefined, version: 2, machine: desk };
  const used = { ...gone, key: "folder/16" };
  const start: SharedRecord = {
    entries: recordOf([gone, used]).entries,
    machines: new Map([laptop, other].map((id, i) => [id, { id, name: "x", put: i + 1 }])),
  };
  const putBy = (record: SharedRecord, id: string, put: number, now = 0) =>
    recordToPut(record, { id, name: "x" }, put, now);
  const keys = ({ entries }: SharedRecord) => [...entries.keys()].sort();
  const first = putBy(start, desk, 3);
  assertEquals(first.entries.get("group/a")?.gone, { put: 3, at: 0 });
  const second = putBy(first, laptop, 4);
  assertEquals([keys(second), second.forgotten], [["folder/16", "group/a"], undefined]);
  const third = putBy(second, other, 5);
  // The number of a folder is used once: that it was is never forgotten.
  assertEquals([keys(third), third.forgotten], [["folder/16"], 3]);
  assertEquals(keys(putBy(second, desk, 5, 180 * DAY)), ["folder/16", "group/a"]);
  const late = putBy(second, desk, 5, 180 * DAY + 1);
  assertEquals([keys(late), late.forgotten], [["folder/16"], 3]);
});

Deno.test("who has missed a removal that is forgotten takes the record in place of all they knew", () => {
  const [desk = ""] = MACHINES;
  const entry = (key: string) => ({ key, value: 1, version: 1, machine: desk });
  const own = recordOf([entry("group/a"), entry("group/b")]);
  const theirs = { ...recordOf([entry("group/b")]), forgotten: 5 };
  assertEquals([...takeRecord({ seen: 4, record: own }, theirs).entries.keys()], ["group/b"]);
  assertEquals(takeRecord({ seen: 5, record: own }, theirs).entries.size, 2);
  // What is older than was seen is no reason to give up what one knows.
  assertEquals(takeRecord({ seen: 4, record: own }, theirs, true).entries.size, 2);
});

Deno.test("after a restore no removal is forgotten for puts that came before it", () => {
  const [desk = "", laptop = ""] = MACHINES;
  const gone = { key: "group/a", value: undefined, version: 2, machine: desk };
  const restored: SharedRecord = {
    entries: recordOf([gone]).entries,
    machines: new Map([[laptop, { id: laptop, name: "x", put: 9 }]]),
  };
  const put = recordToPut(restored, { id: desk, name: "x" }, 6, 0);
  assertEquals(put.entries.get("group/a")?.gone, { put: 10, at: 0 });
});

/** The rule as the document words it. */
function compareByRule(a: SharedEntry, b: SharedEntry): number {
  if (a.version !== b.version) return a.version - b.version;
  if ((a.value === undefined) !== (b.value === undefined)) return a.value === undefined ? -1 : 1;
  return a.machine < b.machine ? -1 : a.machine > b.machine ? 1 : 0;
}

Deno.test("of equal versions a value wins over its removal, and then the greater machine", () => {
  const [first = "", second = ""] = MACHINES;
  const at = (value: unknown, machine: string) => ({
    key: "folder/16",
    value,
    version: 3,
    machine,
  });
  assert(compareEntries(at({ name: "a" }, first), at(undefined, second)) > 0);
  assert(compareEntries(at({ name: "a" }, second), at({ name: "b" }, first)) > 0);
  assert(compareEntries({ ...at(undefined, first), version: 4 }, at({ name: "a" }, second)) > 0);
});

Deno.test("what is encoded is decoded the same, entries of unknown kinds included", () => {
  fc.assert(fc.property(record, (one) => {
    same(decodeRecord(encodeRecord(one)), one);
  }));
  const text =
    '{"machines":[],"entries":[{"k":"moon/1","v":{"b":[1,{}],"a":null},"n":7,"m":"00000000000000ff"}]}';
  const kept = decodeRecord(utf8(text));
  assertEquals(kept.entries.get("moon/1")?.value, { a: null, b: [1, {}] });
  same(mergeRecords(EMPTY_RECORD, kept), kept);
});

Deno.test("a malformed record is refused with `format`", async () => {
  const good = { k: "folder/16", v: 1, n: 1, m: "00000000000000ff" };
  let deep: unknown = 1;
  for (let i = 0; i < 40; i++) deep = [deep];
  for (
    const wrong of [
      { machines: [] },
      { machines: [], entries: [good, good] },
      { machines: [], entries: [{ ...good, n: 0 }] },
      { machines: [], entries: [{ ...good, m: "ff" }] },
      { machines: [], entries: [{ ...good, k: "" }] },
      { machines: [], entries: [{ ...good, x: 1 }] },
      { machines: [], entries: [{ ...good, v: deep }] },
      { machines: [{ id: "00000000000000ff", name: "", put: 1 }], entries: [] },
      { machines: [], entries: [], more: 1 },
      { machines: [], entries: [], forgotten: 0 },
      { machines: [], entries: [{ ...good, p: 1, t: 1 }] },
      { machines: [], entries: [{ k: "a", n: 1, m: good.m, p: 1 }] },
      { machines: [], entries: [{ k: "a", n: 1, m: good.m, t: 1 }] },
      { machines: [], entries: [{ k: "a", n: 1, m: good.m, p: 0, t: 1 }] },
    ]
  ) await assertCode("format", () => decodeRecord(utf8(JSON.stringify(wrong))));
});

Deno.test("a record opens only for the key, the name and the version it was sealed for", async () => {
  const [alice, bob] = [await identityOf("alice"), await identityOf("bob")];
  const one = recordOf([{
    key: "folder/16",
    value: { name: "x" },
    version: 1,
    machine: MACHINES[0] ?? "",
  }]);
  const sealed = await sealRecord(alice, "alice", 5, one);
  same(await openRecord(alice, "alice", 5, sealed), one);
  await assertCode("authentication", () => openRecord(bob, "alice", 5, sealed));
  await assertCode("authentication", () => openRecord(alice, "bob", 5, sealed));
  await assertCode("authentication", () => openRecord(alice, "alice", 6, sealed));
  for (const at of [1, 20, sealed.length - 1]) {
    const other = sealed.map((byte, i) => i === at ? byte ^ 1 : byte);
    await assertCode("authentication", () => openRecord(alice, "alice", 5, other));
  }
  const layout = sealed.map((byte, i) => i === 0 ? 2 : byte);
  await assertCode("format", () => openRecord(alice, "alice", 5, layout));
  await assertCode("format", () => openRecord(alice, "alice", 5, sealed.slice(0, 20)));
  // The nonce is random: the same record never gives the same bytes.
  assertNotEquals(await sealRecord(alice, "alice", 5, one), sealed);
});

Deno.test("the size of a sealed record is a size of Padmé, and other padding is refused", async () => {
  const alice = await identityOf("alice");
  const json = encodeRecord(EMPTY_RECORD);
  const sealed = await sealRecord(alice, "alice", 1, EMPTY_RECORD);
  assertEquals(sealed.length, 29 + padme(4 + json.length));
  const key = await importAesKey(
    await hkdf(alice.mlkemSeed, new Uint8Array(0), "sealpost/1 shared record", 32),
  );
  const aad = concat(lp(utf8("alice")), u64(1));
  const nonce = new Uint8Array(12);
  const sealedAs = async (padded: Uint8Array<ArrayBuffer>) =>
    concat(new Uint8Array([1]), nonce, await aesSeal(key, nonce, padded, aad));
  const right = new Uint8Array(padme(4 + json.length));
  right.set(concat(u32(json.length), json));
  same(await openRecord(alice, "alice", 1, await sealedAs(right)), EMPTY_RECORD);
  const dirty = right.slice();
  dirty[dirty.length - 1] = 1;
  const long = concat(right, new Uint8Array(1));
  const beyond = concat(u32(2 ** 31), right.subarray(4));
  for (const wrong of [dirty, long, beyond, new Uint8Array(0), concat(u32(0))]) {
    await assertCode("format", async () => openRecord(alice, "alice", 1, await sealedAs(wrong)));
  }
});

Deno.test("a record that is too large for the server is refused before it is sent", async () => {
  const alice = await identityOf("alice");
  const value = "x".repeat(2 ** 21);
  const large = recordOf([{ key: "folder/16", value, version: 1, machine: MACHINES[0] ?? "" }]);
  await assertCode("limit", () => sealRecord(alice, "alice", 1, large));
});
