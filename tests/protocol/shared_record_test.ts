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
  mergeRecords,
  nextVersion,
  openRecord,
  sealRecord,
  type SharedEntry,
  type SharedRecord,
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
});
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
