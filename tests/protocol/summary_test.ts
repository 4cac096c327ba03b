import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, random, toBase64, u32, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { MAX_STANZAS } from "../../protocol/limits.ts";
import {
  BUCKETS,
  decodeSummary,
  encodeSummary,
  MAX_REFERENCES,
  openSummary,
  padToBucket,
  type Person,
  STORED_KINDS,
  type Summary,
  unpadBucket,
} from "../../protocol/summary.ts";
import { formatMessageId, newMessageId } from "../../protocol/uuid.ts";
import { assertRefused, assertRefusedAsync, flip } from "../support/testing.ts";
import { identityOf } from "../support/identities.ts";
import { sealMessage, summaryOf } from "../support/sealed.ts";

const alice = await identityOf("alice");
const example = summaryOf(alice, 5);

const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const person: fc.Arbitrary<Person> = fc.record({
  name: fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,31}$/),
  fp: fc.constant(null).map(() => toBase64(random(32))),
});
const header = fc.string({ unit: "grapheme", maxLength: 100 });
const anySummary: fc.Arbitrary<Summary> = fc.record({
  from: person,
  to: fc.array(person, { maxLength: 10 }),
  cc: fc.array(person, { maxLength: 10 }),
  subject: fc.string({ unit: "grapheme", maxLength: 20 }),
  date: count,
  head: fc.constant(null).map(() => toBase64(random(152))),
  size: count,
  attachmentCount: count,
  attachments: fc.array(fc.record({ name: fc.string({ unit: "binary" }), size: count }), {
    maxLength: 10,
  }),
  inReplyTo: fc.constant(null).map(() => formatMessageId(newMessageId())),
  messageId: header,
  replyTo: header,
  fullName: fc.constantFrom("Bob Müller", "김 철수"),
  type: fc.string({ maxLength: 200 }),
  stored: fc.record({
    kind: fc.constantFrom(...STORED_KINDS),
    from: header,
    source: fc.constant(null).map(() => toBase64(random(32))),
  }, { requiredKeys: ["kind", "from"] }),
}, {
  requiredKeys: [
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "head",
    "size",
    "attachmentCount",
    "attachments",
  ],
});

/** `value` as JSON, padded as a summary is. */
function padded(value: unknown): Bytes {
  return padToBucket(utf8(JSON.stringify(value)));
}

Deno.test("a summary comes out as it went in, in one of four sizes", () => {
  fc.assert(fc.property(anySummary, (summary) => {
    const bytes = encodeSummary(summary);
    assert((BUCKETS as readonly number[]).includes(bytes.length));
    assertEquals(decodeSummary(bytes), summary);
  }));
});

Deno.test("of very many attachments as many names as fit are kept, and all are counted", () => {
  for (const many of [100, 1000, 20_000]) {
    const attachments = Array.from(
      { length: many },
      (_, i) => ({ name: `file ${i}.pdf`, size: i }),
    );
    const summary = { ...example, attachmentCount: many, attachments };
    const got = decodeSummary(encodeSummary(summary));
    assertEquals(got.attachmentCount, many);
    assertEquals(got.attachments, attachments.slice(0, got.attachments.length));
    assert(got.attachments.length > 0 && (many > 100 || got.attachments.length === many));
  }
  const huge = [{ name: "x".repeat(40_000), size: 1 }];
  const one = { ...example, attachmentCount: 1, attachments: huge };
  assertEquals(decodeSummary(encodeSummary(one)), { ...one, attachments: [] });
});

Deno.test("the most recipients there can be fit a summary", () => {
  const longest = { name: "n".repeat(32), fp: toBase64(random(32)) };
  const to = Array.from({ length: MAX_STANZAS }, () => longest);
  const subject = "\u{1f96a}".repeat(100);
  assertEquals(decodeSummary(encodeSummary({ ...example, to, subject })).to.length, MAX_STANZAS);
  assertRefused("limit", () => encodeSummary({ ...example, to, cc: to, subject }));
});

Deno.test("of the references the first and the latest are kept, as many as need no larger size", () => {
  const references = Array.from({ length: 100 }, (_, i) => `${i}-${"x".repeat(30)}@example.org`);
  const summary = { ...example, references };
  const bytes = encodeSummary(summary);
  assertEquals(bytes.length, encodeSummary(example).length);
  const { references: kept = [], ...rest } = decodeSummary(bytes);
  assertEquals(rest, example);
  assert(kept.length > 2 && kept.length < 100);
  assertEquals([kept[0], kept.at(-1)], [references[0], references.at(-1)]);
  assertEquals(kept, references.filter((one) => kept.includes(one)));
  const few = { ...example, references: references.slice(0, 2) };
  assertEquals(decodeSummary(encodeSummary(few)), few);
  // Not even one fits.
  const full = { ...example, subject: "x".repeat(100), replyTo: "y".repeat(990 - 613) };
  assertEquals(decodeSummary(encodeSummary({ ...full, references: ["z".repeat(998)] })), full);
});

Deno.test("the summary of a plain answer has room for 200 characters in its smallest size", () => {
  const longest = { name: "n".repeat(32), fp: toBase64(random(32)) };
  const answer: Summary = {
    ...example,
    from: longest,
    to: [longest],
    subject: "x".repeat(100),
    inReplyTo: formatMessageId(newMessageId()),
    messageId: `${formatMessageId(newMessageId())}@sealpost.invalid`,
    type: "text/plain; charset=utf-8",
  };
  assertEquals(encodeSummary(answer).length, BUCKETS[0]);
  // A member of a schema to come: `"head":"…",`.
  const json = utf8(JSON.stringify({ ...answer, head: "h".repeat(200) }));
  assertEquals(padToBucket(json).length, BUCKETS[0]);
});

Deno.test("padding has one form only", () => {
  for (const size of [0, 1, 1020, 1021, 4092, 4093, 16_380, 16_381, 32_764]) {
    const json = random(size);
    const bytes = padToBucket(json);
    assertEquals(bytes.length, BUCKETS.find((bucket) => bucket >= size + 4));
    assertEquals(unpadBucket(bytes), json);
    if (size + 4 < bytes.length) {
      assertRefused("format", () => unpadBucket(flip(bytes, size + 4)));
      assertRefused("format", () => unpadBucket(flip(bytes, bytes.length - 1)));
    }
    for (const other of [0, 4, 1024, 4096, 16_384, 32_768]) {
      if (other === bytes.length) continue;
      const moved = new Uint8Array(other);
      moved.set(bytes.subarray(0, other));
      assertRefused("format", () => unpadBucket(moved));
    }
  }
  assertRefused("limit", () => padToBucket(new Uint8Array(32_765)));
  for (const length of [1021, 2 ** 31, 2 ** 32 - 1]) {
    assertRefused("format", () => unpadBucket(concat(u32(length), new Uint8Array(1020))));
  }
});

Deno.test("a summary out of bounds is refused although it is signed", () => {
  const { from } = example;
  const bad: unknown[] = [
    null,
    [],
    {},
    { ...example, extra: 1 },
    { ...example, from: { ...from, extra: 1 } },
    { ...example, from: { ...from, name: "Alice Example" } },
    { ...example, from: { ...from, fp: from.fp.slice(1) } },
    { ...example, from: undefined },
    { ...example, to: from },
    { ...example, to: [null] },
    { ...example, to: Array.from({ length: MAX_STANZAS + 1 }, () => ({ name: "a", fp: from.fp })) },
    { ...example, subject: 5 },
    { ...example, subject: "x".repeat(101) },
    { ...example, subject: "\u{1f96a}".repeat(101) },
    { ...example, date: -1 },
    { ...example, date: 1.5 },
    { ...example, date: 2 ** 53 },
    { ...example, date: "2026-11-22" },
    { ...example, size: -1 },
    { ...example, attachmentCount: null },
    { ...example, attachments: [{ name: "a" }] },
    { ...example, attachments: [{ name: "a", size: -1 }] },
    { ...example, attachments: [{ name: "a", size: 1, path: "/etc" }] },
    { ...example, inReplyTo: "x" },
    { ...example, inReplyTo: "../../etc/passwd" },
    { ...example, inReplyTo: null },
    { ...example, messageId: "x".repeat(999) },
    { ...example, replyTo: "x".repeat(999) },
    { ...example, fullName: "" },
    { ...example, fullName: "a\u202eb" },
    { ...example, fullName: "x".repeat(101) },
    { ...example, type: "x".repeat(201) },
    { ...example, references: "x" },
    { ...example, references: Array.from({ length: MAX_REFERENCES + 1 }, () => "x") },
    { ...example, references: ["x".repeat(999)] },
    { ...example, stored: { kind: "sent", from: "x" } },
    { ...example, stored: { kind: "draft" } },
    { ...example, stored: { kind: "draft", from: "x", source: "x" } },
    { ...example, stored: { kind: "draft", from: "x", to: "y" } },
  ];
  for (const value of bad) assertRefused("format", () => decodeSummary(padded(value)));
  const proto = JSON.stringify(example).replace("{", '{"__proto__":{"inReplyTo":"x"},');
  assertRefused("format", () => decodeSummary(padToBucket(utf8(proto))));
  assertEquals(decodeSummary(padded(example)), example);
});

Deno.test("any text in the place of a summary is one or is refused", () => {
  fc.assert(fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
    try {
      decodeSummary(padToBucket(utf8(text)));
    } catch (error) {
      assert(isSealpostError(error, "format"), String(error));
    }
  }));
  for (let size = 0; size < 100; size++) assertRefused("format", () => decodeSummary(random(size)));
});

Deno.test("a sealed summary of a size that none has is refused before it is tried", async () => {
  const { summary, fileKey, header } = await sealMessage(alice, [], utf8("x"));
  const opened = await openSummary(summary, fileKey, header);
  assertEquals(opened.summary, summaryOf(alice, 1));
  for (const size of [0, 16, 79, 80, summary.length - 1, 4096, 100_000]) {
    const other = new Uint8Array(size);
    other.set(summary.subarray(0, size));
    await assertRefusedAsync("format", () => openSummary(other, fileKey, header));
  }
});
