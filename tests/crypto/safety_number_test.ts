import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { matchesSafetyNumber, type NamedKey, safetyNumber } from "../../crypto/safety_number.ts";
import { assertRefused } from "../support/testing.ts";
import { FULL } from "../support/full.ts";

const key = (name: string, first: number): NamedKey => {
  return { name, fp: Uint8Array.from({ length: 32 }, (_, i) => first + i) };
};
const [ALICE, BOB] = [key("alice", 0), key("bob", 32)];

const someKey = fc.record({
  name: fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,31}$/),
  fp: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes)),
});

Deno.test("the safety number has its known answer", () => {
  // Computed by hand with Python's hashlib; docs/PROTOCOL.md 15.2 has it too.
  assertEquals(safetyNumber(ALICE, BOB), {
    groups: [
      ...["37612", "39475", "79103", "06218", "36730", "09291"],
      ...["38387", "01035", "96260", "88446", "14060", "55903"],
    ],
    shown:
      "SEALPOST1:TJFXQS2TLIYPGMPLYWLELBYE76XSS3Q6HTCLGKYM2ILAZFU7CF5N3WRRKFWKZNXDQ4JYD7VVLH7U" +
      "NLAUBYVJERN3N3NM6H7T5KV6I5A",
    expected: "SEALPOST1:3XNDCULMVS3OHBYTQH7LKWP7I2WBIDRKSJC3W3W2Z4P7H2VL4R2JUS3YJNJVUMHTGHV4LFSF" +
      "Q4CP7LZJNYPDZRFTFMGNEFQMS2PRC6Q",
  });
});

Deno.test("both sides see the same number, and each shows what the other expects", () => {
  fc.assert(
    fc.property(someKey, someKey, (a, b) => {
      fc.pre(a.name !== b.name);
      const [one, other] = [safetyNumber(a, b), safetyNumber(b, a)];
      assertEquals(one.groups, other.groups);
      assertEquals([one.shown, one.expected], [other.expected, other.shown]);
      assert(one.groups.length === 12 && one.groups.every((group) => /^\d{5}$/.test(group)));
      assert(/^SEALPOST1:[A-Z2-7]{103}$/.test(one.shown), one.shown);
      assert(matchesSafetyNumber(one, `\n ${other.shown.slice(0, 70)}\n${other.shown.slice(70)} `));
    }),
    { numRuns: FULL ? 20 : 2 },
  );
});

Deno.test("any change of a key or a name gives another number and another text", () => {
  const before = safetyNumber(ALICE, BOB);
  const changed = fc.oneof(
    fc.integer({ min: 0, max: 255 }).map((bit) => {
      const fp = BOB.fp.slice();
      fp[bit >> 3] = (fp[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return { name: "bob", fp };
    }),
    someKey.map(({ name }) => ({ name, fp: BOB.fp })).filter(({ name }) => {
      return name !== "bob" && name !== "alice";
    }),
  );
  fc.assert(
    fc.property(changed, (other) => {
      const after = safetyNumber(ALICE, other);
      assertNotEquals(after.groups, before.groups);
      assertNotEquals(after.shown, before.shown);
      assertEquals(matchesSafetyNumber(before, safetyNumber(other, ALICE).shown), false);
    }),
    { numRuns: FULL ? 30 : 2 },
  );
});

Deno.test("a text that no client shows, or that one shows oneself, is not compared", () => {
  const number = safetyNumber(ALICE, BOB);
  const { shown, expected } = number;
  for (
    const text of [
      "",
      number.groups.join(" "),
      expected.toLowerCase(),
      expected.slice(0, -1),
      `${expected}A`,
      expected.replace("SEALPOST1", "SEALPOST2"),
    ]
  ) {
    assertRefused("format", () => matchesSafetyNumber(number, text));
  }
  assertRefused("usage", () => matchesSafetyNumber(number, shown));
  assertRefused("usage", () => safetyNumber(ALICE, { ...BOB, name: "alice" }));
});
