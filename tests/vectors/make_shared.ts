import { aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, fromHex, lp, toHex, u32, u64, utf8 } from "../../crypto/bytes.ts";
import { hkdf } from "../../crypto/hash.ts";
import type { Identity } from "../../crypto/identity.ts";
import type { RecordJson, SharedFile } from "./files.ts";
import type { Identities } from "./identities.ts";
import { padmeByHand } from "./message_by_hand.ts";
import { pattern } from "./pattern.ts";

const DESK = "0123456789abcdef";
const LAPTOP = "fedcba9876543210";

const folder = (number: number, name: string | null, n: number, m: string) => ({
  k: `folder/${number}`,
  ...name === null ? {} : { v: { name } },
  n,
  m,
});

const EMPTY: RecordJson = { machines: [], entries: [] };
const SMALL: RecordJson = {
  machines: [{ id: DESK, name: "desk", put: 1 }],
  entries: [folder(16, "work/reports", 1, DESK)],
};
const LARGE: RecordJson = {
  machines: [{ id: DESK, name: "desk", put: 7 }, { id: LAPTOP, name: "Läptop", put: 8 }],
  entries: [
    ...Array.from({ length: 20 }, (_, i) => folder(16 + i, `folder ${i}`, 1 + i, DESK)),
    folder(36, null, 22, LAPTOP),
    { k: "keyword/4", v: { name: "urgent" }, n: 21, m: LAPTOP },
    { k: "moon/phase", v: [1, { b: null, a: "\u{1f319}" }], n: 23, m: LAPTOP },
  ],
};

/** Section 10.15. */
async function sealed(
  identity: Pick<Identity, "mlkemSeed">,
  user: string,
  version: number,
  nonce: Bytes,
  padded: Bytes,
): Promise<Bytes> {
  const raw = await hkdf(identity.mlkemSeed, new Uint8Array(0), "sealpost/1 shared record", 32);
  const aad = concat(lp(utf8(user)), u64(version));
  return concat(fromHex("01"), nonce, await aesSeal(await importAesKey(raw), nonce, padded, aad));
}

function padded(json: string): Bytes {
  const bytes = utf8(json);
  const out = new Uint8Array(padmeByHand(4 + bytes.length));
  out.set(concat(u32(bytes.length), bytes));
  return out;
}

/** shared.json. */
export async function makeShared(identities: Identities): Promise<SharedFile> {
  const alice = await identities.get("alice");
  const good = [["none", 1, EMPTY], ["one-folder", 2, SMALL], ["many", 9, LARGE]] as const;
  const nonceOf = (name: string) => pattern(`nonce of ${name}`, 12);
  const seal = (name: string, version: number, plaintext: Bytes) =>
    sealed(alice, "alice", version, nonceOf(name), plaintext);
  const small = await seal("one-folder", 2, padded(JSON.stringify(SMALL)));
  const changed = (at: number) => small.map((byte, i) => i === at ? byte ^ 1 : byte);
  const open = { identity: "alice", user: "alice", version: 2 };
  const plain = async (name: string, why: string, plaintext: Bytes) => ({
    name,
    why,
    error: "format" as const,
    ...open,
    sealed: toHex(await seal(name, 2, plaintext)),
  });
  const record = (name: string, why: string, value: unknown) =>
    plain(name, why, padded(JSON.stringify(value)));
  const other = (name: string, why: string, facts: Partial<typeof open>, bytes = small) => ({
    name,
    why,
    error: "authentication" as const,
    ...open,
    ...facts,
    sealed: toHex(bytes),
  });
  const dirty = padded(JSON.stringify(EMPTY));
  dirty.set([1], dirty.length - 1);
  const [first] = SMALL.entries;
  return {
    sealed: await Promise.all(good.map(async ([name, version, record]) => {
      const json = JSON.stringify(record);
      return {
        name,
        identity: "alice",
        user: "alice",
        version,
        nonce: toHex(nonceOf(name)),
        json,
        sealed: toHex(await seal(name, version, padded(json))),
      };
    })),
    merges: merges(),
    taken: taken(),
    puts: puts(),
    malformed: [
      other("shared-other-key", "sealed for another key", { identity: "bob" }),
      other("shared-other-name", "sealed for another name", { user: "bob" }),
      other("shared-other-version", "put under another version", { version: 3 }),
      other("shared-other-nonce", "the nonce is changed", {}, changed(1)),
      other("shared-other-ciphertext", "the ciphertext is changed", {}, changed(20)),
      other("shared-other-tag", "the tag is changed", {}, changed(small.length - 1)),
      {
        ...other("shared-layout", "a layout that is not known", {}, changed(0)),
        error: "format" as const,
      },
      {
        ...other("shared-cut", "shorter than nonce and tag", {}, small.slice(0, 28)),
        error: "format",
      },
      await plain("shared-padding", "a byte of the padding is not zero", dirty),
      await plain(
        "shared-size",
        "a byte more than Padmé says",
        concat(padded("{}"), fromHex("00")),
      ),
      await plain(
        "shared-length",
        "the length is beyond the end",
        concat(u32(1000), utf8("{}    ")),
      ),
      await plain("shared-no-length", "nothing is sealed", new Uint8Array(0)),
      await plain("shared-no-json", "no JSON", padded("{]")),
      await record("shared-member", "a member that is not known", { ...EMPTY, more: 1 }),
      await record("shared-no-entries", "no entries", { machines: [] }),
      await record("shared-twice", "an entry twice", { machines: [], entries: [first, first] }),
      await record("shared-machine-twice", "a machine twice", {
        machines: [...SMALL.machines, ...SMALL.machines],
        entries: [],
      }),
      await record("shared-n", "an entry of version 0", {
        machines: [],
        entries: [{ ...first, n: 0 }],
      }),
      await record("shared-m", "a machine's id that is none", {
        machines: [],
        entries: [{ ...first, m: "0123" }],
      }),
      await record("shared-key", "an entry without a key", {
        machines: [],
        entries: [{ ...first, k: "" }],
      }),
      await record("shared-value-gone", "a value that is gone", {
        machines: [],
        entries: [{ ...first, p: 1, t: 1 }],
      }),
      await record("shared-gone-put", "a removal without its time", {
        machines: [],
        entries: [{ k: "kit", n: 1, m: DESK, p: 1 }],
      }),
      await record("shared-gone-time", "a removal without the version it was put under", {
        machines: [],
        entries: [{ k: "kit", n: 1, m: DESK, t: 1 }],
      }),
      await record("shared-forgotten", "removals forgotten up to version 0", {
        ...EMPTY,
        forgotten: 0,
      }),
      await record("shared-deep", "a value of 33 levels", {
        machines: [],
        entries: [{ ...first, v: nested(33) }],
      }),
    ],
  };
}

const DAY = 86_400_000;
const kit = (n: number) => ({ k: "kit", v: { n }, n, m: DESK });
const noKit = (n: number, p: number, t = 0, m = DESK) => ({ k: "kit", n, m, p, t });

function taken(): SharedFile["taken"] {
  const of = (entries: RecordJson["entries"], forgotten?: number): RecordJson => ({
    machines: [],
    entries,
    ...forgotten === undefined ? {} : { forgotten },
  });
  const both = [folder(16, "x", 1, DESK), kit(2)];
  return [
    {
      name: "nothing-forgotten",
      seen: 1,
      own: of([kit(2)]),
      theirs: of([folder(16, "x", 1, DESK)]),
      wentBack: false,
      taken: of(both),
    },
    {
      name: "missed-a-removal",
      seen: 4,
      own: of(both),
      theirs: of([folder(16, "x", 1, DESK)], 5),
      wentBack: false,
      taken: of([folder(16, "x", 1, DESK)], 5),
    },
    {
      name: "saw-the-removal",
      seen: 5,
      own: of([noKit(3, 5)]),
      theirs: of([], 5),
      wentBack: false,
      taken: of([], 5),
    },
    {
      name: "made-again-with-a-lower-number",
      seen: 5,
      own: of([noKit(3, 5)]),
      theirs: of([kit(1)], 5),
      wentBack: false,
      taken: of([kit(1)], 5),
    },
    {
      name: "later-removal-stays",
      seen: 6,
      own: of([noKit(3, 6)]),
      theirs: of([], 5),
      wentBack: false,
      taken: of([noKit(3, 6)], 5),
    },
    {
      name: "went-back",
      seen: 4,
      own: of([kit(2)], 9),
      theirs: of([], 5),
      wentBack: true,
      taken: of([kit(2)], 5),
    },
  ];
}

function puts(): SharedFile["puts"] {
  const self = { id: DESK, name: "desk" };
  const of = (
    entries: RecordJson["entries"],
    machines: readonly [id: string, put: number][],
    forgotten?: number,
  ): RecordJson => ({
    machines: machines.map(([id, put]) => ({ id, name: id === DESK ? "desk" : "laptop", put })),
    entries,
    ...forgotten === undefined ? {} : { forgotten },
  });
  const removal = { k: "kit", n: 2, m: DESK };
  const used = folder(16, null, 3, DESK);
  return [
    {
      name: "new-removal",
      record: of([used, removal], [[LAPTOP, 3]]),
      ...{ self, version: 4, now: 7 },
      put: of([used, noKit(2, 4, 7)], [[DESK, 4], [LAPTOP, 3]]),
    },
    {
      name: "alone",
      record: of([removal], []),
      ...{ self, version: 4, now: 7 },
      put: of([], [[DESK, 4]], 4),
    },
    {
      name: "all-have-put",
      record: of([used, noKit(2, 4, 7)], [[DESK, 3], [LAPTOP, 5]], 2),
      ...{ self, version: 6, now: 8 },
      put: of([used], [[DESK, 6], [LAPTOP, 5]], 4),
    },
    {
      name: "one-has-not-put",
      record: of([noKit(2, 4, 0)], [[LAPTOP, 3]], 2),
      ...{ self, version: 6, now: 180 * DAY },
      put: of([noKit(2, 4, 0)], [[DESK, 6], [LAPTOP, 3]], 2),
    },
    {
      name: "after-180-days",
      record: of([noKit(2, 4, 0)], [[LAPTOP, 3]], 2),
      ...{ self, version: 6, now: 180 * DAY + 1 },
      put: of([], [[DESK, 6], [LAPTOP, 3]], 4),
    },
    {
      name: "after-a-restore",
      record: of([removal], [[LAPTOP, 9]]),
      ...{ self, version: 6, now: 7 },
      put: of([noKit(2, 10, 7)], [[DESK, 6], [LAPTOP, 9]]),
    },
    {
      name: "never-above-its-version",
      record: of([noKit(2, 10, 0)], [[LAPTOP, 9]]),
      ...{ self, version: 7, now: 180 * DAY + 1 },
      put: of([], [[DESK, 7], [LAPTOP, 9]], 7),
    },
  ];
}

function nested(levels: number): unknown {
  return levels === 0 ? 1 : [nested(levels - 1)];
}

function merges(): SharedFile["merges"] {
  const of = (...entries: RecordJson["entries"]): RecordJson => ({ machines: [], entries });
  const a = (name: string | null, n: number, m = DESK) => folder(16, name, n, m);
  const b = (name: string | null, n: number, m = LAPTOP) => folder(16, name, n, m);
  const unknown = { k: "moon/phase", v: 3, n: 1, m: LAPTOP };
  return [
    {
      name: "forgotten",
      a: { ...of(noKit(2, 4)), forgotten: 3 },
      b: { ...of(noKit(2, 5)), forgotten: 2 },
      merged: { ...of(noKit(2, 5)), forgotten: 3 },
    },
    { name: "different-keys", a: of(a("x", 1)), b: of(unknown), merged: of(a("x", 1), unknown) },
    { name: "higher-version", a: of(a("x", 2)), b: of(b("y", 1)), merged: of(a("x", 2)) },
    { name: "later-removal", a: of(a(null, 2)), b: of(b("y", 1)), merged: of(a(null, 2)) },
    { name: "value-over-removal", a: of(a("x", 2)), b: of(b(null, 2)), merged: of(a("x", 2)) },
    { name: "greater-machine", a: of(a("x", 2)), b: of(b("y", 2)), merged: of(b("y", 2)) },
    {
      name: "greater-value",
      a: of(a("x", 2)),
      b: of(a("y", 2)),
      merged: of(a("y", 2)),
    },
    {
      name: "machines",
      a: { machines: [{ id: DESK, name: "z", put: 3 }], entries: [] },
      b: {
        machines: [{ id: DESK, name: "a", put: 4 }, { id: LAPTOP, name: "b", put: 1 }],
        entries: [],
      },
      merged: {
        machines: [{ id: DESK, name: "a", put: 4 }, { id: LAPTOP, name: "b", put: 1 }],
        entries: [],
      },
    },
  ];
}
