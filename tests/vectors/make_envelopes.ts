import { type Bytes, concat, fromHex, lp, toHex, u16, u32, u64 } from "../../crypto/bytes.ts";
import type { Edit } from "./edits.ts";
import type { EnvelopesFile } from "./files.ts";
import type { Made } from "./make_messages.ts";
import { pattern } from "./pattern.ts";

type Entry = EnvelopesFile["entries"][number];

const FOLDERS = ["inbox", "sent", "archive", "trash", "drafts"];
const FLAGS = ["seen", "answered", "flagged", "forwarded"];
const KEYWORDS = Array.from({ length: 59 }, (_, i) => i + 4);
const BASE = "one recipient and a copy";

export function makeEnvelopes(made: readonly Made[]): EnvelopesFile {
  const of = (name: string): Made => {
    const found = made.find(({ plan }) => plan.name === name);
    if (!found) throw new Error(`there is no message ${name}`);
    return found;
  };
  const plain = of(BASE);
  return {
    entries: [
      entry("a new message", plain, "bob", {
        uid: 1,
        modseq: 1,
        folder: "inbox",
        number: 1,
        flags: [],
      }),
      entry("a copy", plain, "alice", {
        uid: 2,
        modseq: 7,
        folder: "sent",
        number: 1,
        flags: ["seen"],
      }),
      entry("every flag", plain, "bob", {
        uid: 2 ** 53 - 1,
        modseq: 2 ** 53 - 1,
        folder: 0xffff_ffff,
        number: 0xffff_ffff,
        flags: ["seen", "answered", "flagged", "forwarded", ...KEYWORDS],
      }),
      entry("of three", of("three recipients"), "carol", {
        uid: 300,
        modseq: 4000,
        folder: "trash",
        number: 20,
        flags: ["flagged", 4, 62],
      }),
    ],
    malformedEntries: malformedEntries(plain),
    malformedEnvelopes: malformedEnvelopes(plain),
  };
}

function entry(
  name: string,
  { plan, vector }: Made,
  stanzaFor: string,
  place: Pick<Entry, "uid" | "modseq" | "folder" | "number" | "flags">,
): Entry {
  const receivedAt = 1_795_305_612_345;
  const note = stanzaFor === vector.sender;
  const bitOf = (flag: string | number) => typeof flag === "number" ? flag : FLAGS.indexOf(flag);
  const flags = place.flags.reduce((bits, flag) => bits + 2n ** BigInt(bitOf(flag)), 0n);
  const folder = typeof place.folder === "number" ? place.folder : FOLDERS.indexOf(place.folder);
  const bytes = concat(
    u64(place.uid),
    u64(place.modseq),
    u64(receivedAt),
    u64(vector.bodySize),
    u32(folder),
    u32(place.number),
    fromHex(flags.toString(16).padStart(16, "0")),
    fromHex(vector.header),
    lp(stanzaOf(vector, stanzaFor)),
    lp(fromHex(vector.sealedSummary)),
    lp(fromHex(note ? vector.sealedNote ?? "" : "")),
  );
  const message = plan.name;
  const { bodySize } = vector;
  return { name, ...place, receivedAt, bodySize, message, stanzaFor, note, entry: toHex(bytes) };
}

function stanzaOf(vector: Made["vector"], name: string): Bytes {
  return fromHex(vector.stanzas[vector.stanzasFor.indexOf(name)]?.stanza ?? "");
}

/** Of the entry "a new message": bob's, without a note. */
function malformedEntries({ vector }: Made): EnvelopesFile["malformedEntries"] {
  const of = (name: string, why: string, ...edits: Edit[]) => {
    return { name, why, error: "format" as const, base: "a new message", edits };
  };
  const stanza = stanzaOf(vector, "bob").length;
  const summary = fromHex(vector.sealedSummary).length;
  const summaryAt = 129 + 4 + stanza;
  const noteAt = summaryAt + 4 + summary;
  const size = noteAt + 4;
  return [
    of("entry-empty", "nothing", { keep: 0 }),
    of("entry-fixed", "only the fixed part", { keep: 129 }),
    of("entry-cut", "a byte is missing", { keep: size - 1 }),
    of("entry-longer", "a byte too many", { at: size, insert: "00" }),
    of("entry-uid-0", "UID 0", { at: 0, put: "00".repeat(8) }),
    of("entry-uid-2-53", "UID 2^53", { at: 0, put: "0020000000000000" }),
    of("entry-modseq-0", "modification sequence 0", { at: 8, put: "00".repeat(8) }),
    of("entry-time", "a time of 2^53", { at: 16, put: "0020000000000000" }),
    of("entry-size", "a body of 2^64 - 1 bytes", { at: 24, put: "ff".repeat(8) }),
    of("entry-folder-5", "folder 5", { at: 35, put: "05" }),
    of("entry-folder-15", "folder 15", { at: 35, put: "0f" }),
    of("entry-number-0", "number 0", { at: 36, put: "00".repeat(4) }),
    of("entry-flags", "flag 63", { at: 40, put: "80" }),
    of("entry-stanza", "a stanza that runs past the end", { at: 129, put: toHex(u32(size)) }),
    of("entry-summary", "a summary that runs past the end", { at: summaryAt, put: "ffffffff" }),
    of("entry-note", "a note that is not there", { at: noteAt, put: toHex(u32(1)) }),
  ];
}

/** Two stanzas (bob, 1618 bytes; alice, 1490), a summary of 1104 bytes and a note of 1040. */
function malformedEnvelopes({ vector }: Made): EnvelopesFile["malformedEnvelopes"] {
  const of = (
    error: "format" | "version",
    name: string,
    why: string,
    ...edits: Edit[]
  ) => ({ name, why, error, base: BASE, edits });
  const [first, second] = [stanzaOf(vector, "bob").length, stanzaOf(vector, "alice").length];
  const firstAt = 83;
  const secondAt = firstAt + 2 + first;
  const summaryAt = secondAt + 2 + second;
  const noteAt = summaryAt + 4 + fromHex(vector.sealedSummary).length;
  const sizeAt = noteAt + 4 + fromHex(vector.sealedNote ?? "").length;
  return [
    of("version", "envelope-version", "version 2", { at: 0, put: "02" }),
    of("format", "envelope-id", "an id that is no UUIDv7", { at: 7, put: "40" }),
    of("format", "envelope-no-stanzas", "no stanzas", { at: 81, put: toHex(u16(0)) }),
    of("format", "envelope-257-stanzas", "257 stanzas", { at: 81, put: toHex(u16(257)) }),
    of("format", "envelope-stanza-1489", "a stanza of 1489 bytes", {
      at: firstAt,
      put: toHex(u16(1489)),
    }),
    of("format", "envelope-stanza-1747", "a stanza of 1747 bytes", {
      at: firstAt,
      put: toHex(u16(1747)),
    }),
    of("format", "envelope-stanza-size", "a stanza whose r does not fit its size", {
      at: firstAt,
      put: toHex(u16(first - 1)),
    }),
    of("format", "envelope-r", "a stanza whose r is 0", { at: firstAt + 34, put: "0000" }),
    of("format", "envelope-twice", "two stanzas for one key", {
      at: secondAt + 2,
      put: toHex(stanzaOf(vector, "bob").slice(0, 32)),
    }),
    of("format", "envelope-no-summary", "a summary of no bytes", {
      at: summaryAt,
      put: toHex(u32(0)),
    }),
    of("format", "envelope-summary", "a summary of 32,849 bytes", {
      at: summaryAt,
      put: toHex(u32(32_849)),
    }),
    of("format", "envelope-summary-max", "a summary of 2^32 - 1 bytes", {
      at: summaryAt,
      put: "ffffffff",
    }),
    of("format", "envelope-note", "a note of 32,785 bytes", {
      at: noteAt,
      put: toHex(u32(32_785)),
    }),
    of("format", "envelope-body", "a body of 2^53 bytes", { at: sizeAt, put: "0020000000000000" }),
    of("format", "envelope-noise", "noise behind a good header", {
      at: 81,
      put: toHex(pattern("sealpost vectors noise", 400)),
    }),
  ];
}
