import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concat, random, u16, u32 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import {
  encodeEnvelope,
  type Envelope,
  ENVELOPE_HEAD,
  EnvelopeReader,
  MAX_ENVELOPE,
} from "../../protocol/envelope.ts";
import { decodeHeader, encodeHeader } from "../../protocol/header.ts";
import { MAX_STANZAS } from "../../protocol/limits.ts";
import { MAX_STANZA, MIN_STANZA, stanzaSize } from "../../protocol/stanza.ts";
import { MAX_NOTE, MAX_SUMMARY } from "../../protocol/summary.ts";
import { newMessageId } from "../../protocol/uuid.ts";
import { assertRefused } from "../support/testing.ts";

const NONE = new Uint8Array(0);

function headerOf(): Bytes {
  return encodeHeader({ id: newMessageId(), senderFp: random(32), commitment: random(32) });
}

/** A stanza of the right form for an RSA key of `bits`; what is in it only its reader can tell. */
function stanzaOf(bits = 2048): Bytes {
  const stanza = random(stanzaSize(bits));
  stanza.set(u16(bits / 8), 32);
  return stanza;
}

function envelopeOf(more: Partial<Envelope> = {}): Envelope {
  return {
    header: headerOf(),
    stanzas: [stanzaOf(), stanzaOf(3072)],
    summary: random(1104),
    note: random(1040),
    bodySize: 4112,
    ...more,
  };
}

const largest: Envelope = envelopeOf({
  stanzas: Array.from({ length: MAX_STANZAS }, () => stanzaOf(4096)),
  summary: random(MAX_SUMMARY),
  note: random(MAX_NOTE),
  bodySize: Number.MAX_SAFE_INTEGER,
});

/** Pushes `bytes` in pieces that end at `cuts`; the first result, or null if there is none. */
function readIn(bytes: Bytes, cuts: readonly number[]): { envelope: Envelope; rest: Bytes } | null {
  const reader = new EnvelopeReader();
  const ends = [...cuts, bytes.length].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    const got = reader.push(bytes.slice(at, end));
    at = end;
    if (got) return { ...got, rest: concat(got.rest, bytes.slice(at)) };
  }
  return null;
}

const anyEnvelope: fc.Arbitrary<Envelope> = fc.record({
  stanzas: fc.array(fc.constantFrom(2048, 2056, 3072, 4096), { minLength: 1, maxLength: 6 }),
  summary: fc.integer({ min: 1, max: 3000 }),
  note: fc.option(fc.integer({ min: 1, max: 3000 })),
  bodySize: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
}).map(({ stanzas, summary, note, bodySize }) =>
  envelopeOf({
    stanzas: stanzas.map((bits) => stanzaOf(bits)),
    summary: random(summary),
    note: note === null ? null : random(note),
    bodySize,
  })
);

Deno.test("an envelope comes out as it went in, however its stream is cut into pieces", () => {
  const body = fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes));
  const cuts = fc.array(fc.nat(12_000), { maxLength: 10 });
  fc.assert(fc.property(anyEnvelope, body, cuts, (envelope, after, at) => {
    const bytes = concat(encodeEnvelope(envelope), after);
    const got = readIn(bytes, at.map((cut) => cut % (bytes.length + 1)));
    assertEquals(got, { envelope, rest: after });
  }));
});

Deno.test("an envelope byte by byte is whole with its last byte, and not before", () => {
  const envelope = envelopeOf();
  const bytes = encodeEnvelope(envelope);
  const reader = new EnvelopeReader();
  for (const [at, byte] of bytes.entries()) {
    const got = reader.push(new Uint8Array([byte]));
    assertEquals(reader.header !== null, at >= 80);
    if (at < bytes.length - 1) assertEquals(got, null);
    else assertEquals(got, { envelope, rest: NONE });
  }
  assertEquals(reader.header, decodeHeader(envelope.header));
});

Deno.test("the largest envelope is the one that a server has to hold", () => {
  const bytes = encodeEnvelope(largest);
  assertEquals(bytes.length, MAX_ENVELOPE);
  assertEquals(MAX_ENVELOPE, 513_219);
  for (const size of [1000, 65_536, bytes.length]) {
    const cuts = Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => i * size);
    assertEquals(readIn(bytes, cuts)?.envelope, largest);
  }
  assertEquals(ENVELOPE_HEAD, 83);
});

Deno.test("no stanza, or more than 256, are refused as soon as their number is read", () => {
  const { header } = largest;
  for (const count of [0, 257, 65_535]) {
    const reader = new EnvelopeReader();
    assertEquals(reader.push(concat(header, new Uint8Array([count >> 8]))), null);
    assertRefused("format", () => reader.push(new Uint8Array([count & 0xff])));
  }
  assertEquals(new EnvelopeReader().push(concat(header, u16(256))), null);
});

Deno.test("a part that is too large is refused as soon as its length is read", () => {
  const { header } = largest;
  const stanza = stanzaOf();
  const head = concat(header, u16(1));
  const withStanza = concat(head, u16(stanza.length), stanza);
  const withSummary = concat(withStanza, u32(1104), random(1104));
  const refusals: [Bytes, Bytes][] = [
    ...[0, 1, MIN_STANZA - 1, MAX_STANZA + 1, 65_535].map((n): [Bytes, Bytes] => [head, u16(n)]),
    ...[0, MAX_SUMMARY + 1, 2 ** 31, 2 ** 32 - 1].map((n): [Bytes, Bytes] => [withStanza, u32(n)]),
    ...[MAX_NOTE + 1, 2 ** 31, 2 ** 32 - 1].map((n): [Bytes, Bytes] => [withSummary, u32(n)]),
  ];
  for (const [before, length] of refusals) {
    const reader = new EnvelopeReader();
    assertEquals(reader.push(before), null);
    assertEquals(reader.push(length.slice(0, -1)), null);
    assertRefused("format", () => reader.push(length.slice(-1)));
  }
});

Deno.test("two stanzas for one key are refused, wherever they stand", () => {
  const one = stanzaOf();
  const same = concat(one.slice(0, 32), stanzaOf(3072).slice(32));
  const near = one.slice();
  near[31] = (near[31] ?? 0) ^ 1;
  const orders = [[one, same], [stanzaOf(), one, stanzaOf(), same]];
  for (const stanzas of orders) {
    const bytes = encodeEnvelope(envelopeOf({ stanzas }));
    assertRefused("format", () => new EnvelopeReader().push(bytes));
  }
  const fine = encodeEnvelope(envelopeOf({ stanzas: [one, near] }));
  assert(new EnvelopeReader().push(fine));
});

Deno.test("a stanza whose inner length does not fit is refused", () => {
  for (const rsa of [0, 255, 257, 384, 512, 65_535]) {
    const stanza = stanzaOf();
    stanza.set(u16(rsa), 32);
    const bytes = encodeEnvelope(envelopeOf({ stanzas: [stanza] }));
    assertRefused("format", () => new EnvelopeReader().push(bytes));
  }
});

Deno.test("another version, an id that is none, and a body size over 2^53 are refused", () => {
  const bytes = encodeEnvelope(envelopeOf());
  const with_ = (at: number, value: number) => {
    const copy = bytes.slice();
    copy[at] = value;
    return copy;
  };
  assertRefused("version", () => new EnvelopeReader().push(with_(0, 2)));
  assertRefused("format", () => new EnvelopeReader().push(with_(7, 0x40)));
  assertRefused("format", () => new EnvelopeReader().push(with_(bytes.length - 8, 1)));
});

Deno.test("a damaged envelope gives an envelope, a wait for more, or a refusal, and nothing else", () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.boolean()), {
    minLength: 1,
    maxLength: 5,
  });
  let refused = 0;
  let whole = 0;
  fc.assert(
    fc.property(anyEnvelope, edits, fc.nat(5000), (envelope, list, cut) => {
      let bytes = encodeEnvelope(envelope);
      for (const [where, value, remove] of list) {
        // The fields that say how it goes on are few: they are hit every other time.
        const at = value % 2 === 0 ? where % bytes.length : 81 + where % 40;
        if (remove) bytes = concat(bytes.slice(0, at), bytes.slice(at + 1));
        else bytes[at] = value;
      }
      try {
        const got = readIn(bytes, [cut % (bytes.length + 1)]);
        if (got) whole++;
      } catch (error) {
        assert(isSealpostError(error, "format", "version"), String(error));
        refused++;
      }
    }),
    { numRuns: 500 },
  );
  assert(refused > 50 && whole > 50, `${refused} refused, ${whole} whole`);
  const anyBytes = fc.uint8Array({ maxLength: 4000 }).map((bytes) => new Uint8Array(bytes));
  fc.assert(fc.property(anyBytes, (bytes) => {
    try {
      new EnvelopeReader().push(concat(largest.header, bytes));
    } catch (error) {
      assert(isSealpostError(error, "format", "version"), String(error));
    }
  }));
});
