import {
  type Bytes,
  concat,
  fromHex,
  toBase64,
  toHex,
  u32,
  u64,
  utf8,
} from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { Identity } from "../../crypto/identity.ts";
import { difference, type Edit } from "./edits.ts";
import { contentOf, type MalformedMessage, type MalformedMessagesFile } from "./files.ts";
import { pad } from "./handshake_by_hand.ts";
import { OPERATOR } from "../../protocol/name.ts";
import type { Identities } from "./identities.ts";
import type { Made } from "./make_messages.ts";
import {
  bodyByHand,
  type BodyDeviations,
  noteByHand,
  padToBucket,
  partKeysOf,
  stanzaByHand,
  type StanzaDeviations,
  summaryByHand,
  type SummaryDeviations,
} from "./message_by_hand.ts";
import { pattern } from "./pattern.ts";
import { malleated } from "./signatures_by_hand.ts";

type Error = MalformedMessage["error"];
type Changes = Partial<
  Pick<
    MalformedMessage,
    "reader" | "pins" | "header" | "stanza" | "summary" | "note" | "chunks" | "body" | "bodySize"
  >
>;

/** The cases of one message, as alice seals it and bob reads it. */
class Cases {
  readonly list: MalformedMessage[] = [];

  constructor(readonly made: Made) {}

  add(check: string, error: Error, name: string, why: string, changes: Changes): void {
    this.list.push({
      name,
      why,
      error,
      check,
      base: this.made.plan.name,
      reader: "bob",
      ...changes,
    });
  }

  /** Bob's stanza, made otherwise. */
  async stanza(deviations: StanzaDeviations, kRsa?: Bytes): Promise<Edit[]> {
    const { made } = this;
    const [recipient] = made.recipients;
    if (!recipient) throw new Error("a message to nobody");
    const draws = { ...recipient.draws, ...(kRsa ? { kRsa } : {}) };
    const other = await stanzaByHand(
      recipient.bundle,
      made.fileKey,
      made.header,
      made.sender,
      draws,
      deviations,
    );
    return [difference(this.part("stanza"), other.stanza)];
  }

  /** The sealed summary, made otherwise, as a whole. */
  async summary(padded: Bytes, deviations: SummaryDeviations = {}): Promise<Edit[]> {
    const { keys, header, sender } = this.made;
    const { sealed } = await summaryByHand(padded, keys.summary, header, sender, deviations);
    return [{ keep: 0 }, { at: 0, insert: toHex(sealed) }];
  }

  /** The summary with other members; undefined leaves one out. */
  changed(members: Readonly<Record<string, unknown>>): Bytes {
    return padToBucket(utf8(JSON.stringify({ ...JSON.parse(this.made.summary), ...members })));
  }

  async note(padded: Bytes): Promise<Edit[]> {
    const sealed = await noteByHand(padded, this.made.keys.note, this.made.header);
    return [{ keep: 0 }, { at: 0, insert: toHex(sealed) }];
  }

  /** The sealed body, made otherwise, as a whole. */
  async body(deviations: BodyDeviations, summaryHash?: Bytes): Promise<Edit[]> {
    const { keys, header, sender, plan, vector } = this.made;
    const hash = summaryHash ?? fromHex(vector.summaryHash);
    const message = contentOf(plan.message);
    const { chunks } = await bodyByHand(message, keys.body, header, hash, sender, deviations);
    const [honest, other] = [concat(...this.made.chunks), concat(...chunks)];
    return honest.length === other.length
      ? [difference(honest, other)]
      : [{ keep: 0 }, { at: 0, insert: toHex(other) }];
  }

  /** Summary and body, honest but for the file key. */
  async underAnotherKey(fileKey: Bytes): Promise<Pick<Changes, "summary" | "body">> {
    const { header, sender, summary, plan } = this.made;
    const keys = await partKeysOf(fileKey, header, sender);
    const padded = padToBucket(utf8(summary));
    const { hash, sealed } = await summaryByHand(padded, keys.summary, header, sender);
    const { chunks } = await bodyByHand(contentOf(plan.message), keys.body, header, hash, sender);
    return {
      summary: [difference(this.part("summary"), sealed)],
      body: [difference(concat(...this.made.chunks), concat(...chunks))],
    };
  }

  part(name: "stanza" | "summary"): Bytes {
    const { stanzas, sealedSummary } = this.made.vector;
    return fromHex(name === "summary" ? sealedSummary : stanzas[0]?.stanza ?? "");
  }
}

export async function makeMalformedMessages(
  identities: Identities,
  made: readonly Made[],
): Promise<MalformedMessagesFile> {
  const of = (name: string) => {
    const found = made.find(({ plan }) => plan.name === name);
    if (!found) throw new Error(`there is no message ${name}`);
    return new Cases(found);
  };
  const [plain, three] = [of("one recipient and a copy"), of("three chunks")];
  const mallory = await identities.get("mallory");
  const other = of("three recipients").made;
  headers(plain);
  await stanzas(plain, identities, other);
  await summaries(plain, mallory, other);
  await notes(plain, of("a blind copy").made);
  await bodies(plain, mallory, other);
  longBodies(three);
  return { malformed: [...plain.list, ...three.list] };
}

function headers(cases: Cases): void {
  const header = (error: Error, name: string, why: string, ...edits: Edit[]) => {
    cases.add(error === "authentication" ? "13.1/5" : "13.1/1", error, name, why, {
      header: edits,
    });
  };
  header("version", "header-version-0", "version 0", { at: 0, put: "00" });
  header("version", "header-version-2", "version 2", { at: 0, put: "02" });
  header("format", "header-uuid-4", "an id of version 4", { at: 7, xor: "30" });
  header("format", "header-variant", "an id of another variant", { at: 9, xor: "40" });
  header("authentication", "header-time", "another time in the id", { at: 6, xor: "01" });
  header("authentication", "header-id", "another id", { at: 16, xor: "01" });
  header("authentication", "header-sender", "another sender", { at: 17, xor: "01" });
  header("authentication", "header-commitment", "another commitment", { at: 80, xor: "01" });
}

async function stanzas(cases: Cases, identities: Identities, other: Made): Promise<void> {
  const stanza = cases.part("stanza");
  const size = stanza.length;
  const { made } = cases;
  const lengths = (name: string, why: string, ...edits: Edit[]) =>
    cases.add("13.1/2", "format", name, why, { stanza: edits });
  lengths("stanza-empty", "nothing", { keep: 0 });
  lengths("stanza-cut", "a byte is missing", { keep: size - 1 });
  lengths("stanza-longer", "a byte too many", { at: size, insert: "00" });
  lengths("stanza-r-less", "r is one less than it is", { at: 32, put: "017f" });
  lengths("stanza-r-255", "r is 255, and so many bytes", { at: 32, put: "00ff" }, {
    at: 34,
    remove: 384 - 255,
  });
  lengths("stanza-r-513", "r is 513, and so many bytes", { at: 32, put: "0201" }, {
    at: 34,
    insert: "00".repeat(513 - 384),
  });
  cases.add("13.1/3", "format", "stanza-for-another", "another fingerprint", {
    stanza: [{ at: 0, xor: "01" }],
  });
  cases.add("13.1/4", "format", "stanza-other-modulus", "ct_rsa for a key of 2048 bits", {
    stanza: [{ at: 32, put: "0100" }, { at: 34, remove: 128 }],
  });
  const box = async (name: string, why: string, deviations: StanzaDeviations, kRsa?: Bytes) =>
    cases.add("13.1/5", "authentication", name, why, {
      stanza: await cases.stanza(deviations, kRsa),
    });
  const bits = (name: string, why: string, at: number) =>
    cases.add("13.1/5", "authentication", name, why, { stanza: [{ at, xor: "01" }] });
  bits("stanza-rsa", "a bit of ct_rsa", 34);
  bits("stanza-mlkem", "a bit of ct_mlkem", 34 + 384);
  bits("stanza-file-key", "a bit of the sealed file key", size - 112);
  bits("stanza-signature", "a bit of the sealed signature", size - 17);
  bits("stanza-tag", "a bit of the tag", size - 1);
  await box("stanza-use", "encapsulated for hs-client", { use: "hs-client" });
  await box("stanza-other-sender", "the lane is mallory's", {
    senderFp: (await identities.get("mallory")).bundle.fp,
  });
  await box("stanza-key-of-all", "the box's key is the same for every header", {
    info: (info) => concat(info.slice(0, 17), new Uint8Array(32), info.slice(49)),
  });
  await box("stanza-key-fp", "the box's key is the same for every recipient", {
    info: (info) => info.slice(0, -32),
  });
  await box("stanza-aad-header", "the header is not in the additional data", {
    aad: fromHex(made.vector.stanzas[0]?.stanza.slice(0, 64) ?? ""),
  });
  await box("stanza-aad-fp", "the fingerprint is not in the additional data", { aad: made.header });
  await box(
    "stanza-k-rsa-31",
    "k_rsa has 31 bytes, and the sender took them",
    {},
    pattern("sealpost vectors 31", 31),
  );
  cases.add("13.1/5", "authentication", "stanza-of-another", "bob's stanza of another message", {
    stanza: [difference(stanza, fromHex(other.vector.stanzas[0]?.stanza ?? ""))],
  });
  const otherKey = pattern("sealpost vectors another file key", 32);
  const elsewhere = await cases.stanza({ fileKey: otherKey });
  cases.add(
    "13.1/6",
    "authentication",
    "stanza-commitment",
    "a file key that is not committed to",
    {
      stanza: elsewhere,
    },
  );
  cases.add(
    "13.1/6",
    "authentication",
    "sealed-without-commitment",
    "summary and body are under that file key too: bob would read what nobody else does",
    { stanza: elsewhere, ...await cases.underAnotherKey(otherKey) },
  );
  const signed = async (name: string, why: string, deviations: StanzaDeviations) =>
    cases.add("13.1/12", "authentication", name, why, { stanza: await cases.stanza(deviations) });
  const carol = (await identities.get("carol")).bundle.fp;
  await signed("recipient-forwarded", "the signature for carol: she hands the message on to bob", {
    signed: (text) => concat(text.slice(0, -32), carol),
  });
  await signed("recipient-signer", "signed by mallory", {
    signer: await identities.get("mallory"),
  });
  await signed("recipient-label", "signed under the label of a message", {
    signed: (text) => concat(utf8("sealpost/1 message"), text.slice(20)),
  });
  await signed("recipient-no-length", "the length of the header is not signed", {
    signed: (text) => concat(text.slice(0, 20), text.slice(24)),
  });
  await signed("recipient-header", "signed over another header", {
    signed: (text) => text.map((byte, i) => i === 30 ? byte ^ 1 : byte),
  });
  await signed("recipient-malleated", "S + L in the place of S", { signature: malleated });
  await signed("recipient-zero", "a signature of zeros", {
    signature: (s) => new Uint8Array(s.length),
  });
}

async function summaries(cases: Cases, mallory: Identity, other: Made): Promise<void> {
  const { made } = cases;
  const sealed = cases.part("summary");
  const honest = padToBucket(utf8(made.summary));
  const size = (name: string, why: string, ...edits: Edit[]) =>
    cases.add("13.1/7", "format", name, why, { summary: edits });
  size("summary-empty", "nothing", { keep: 0 });
  size("summary-cut", "a byte is missing", { keep: sealed.length - 1 });
  size("summary-longer", "a byte too many", { at: sealed.length, insert: "00" });
  size("summary-unsigned", "the size of one without a signature", { keep: 1040 });
  const bits = (name: string, why: string, at: number) =>
    cases.add("13.1/8", "authentication", name, why, { summary: [{ at, xor: "01" }] });
  bits("summary-bit", "a bit of the sealed summary", 0);
  bits("summary-signature", "a bit of the sealed signature", 1024);
  bits("summary-tag", "a bit of the tag", 1103);
  cases.add("13.1/8", "authentication", "summary-of-another", "the summary of another message", {
    summary: [difference(sealed, fromHex(other.vector.sealedSummary))],
  });
  const layout = async (name: string, why: string, padded: Bytes) =>
    cases.add("13.1/9", "format", name, why, { summary: await cases.summary(padded) });
  await layout("summary-bucket", "padded to 4096 bytes, though 1024 would do", pad(honest, 4096));
  await layout(
    "summary-padding",
    "padding that is not zero",
    honest.map((b, i) => i === 1023 ? 1 : b),
  );
  await layout("summary-length", "its length runs past the end", pad(u32(1021), 1024));
  await layout("summary-no-bytes", "a length of 0", new Uint8Array(1024));
  const text = async (name: string, why: string, json: string | Uint8Array) =>
    await layout(
      name,
      why,
      padToBucket(typeof json === "string" ? utf8(json) : new Uint8Array(json)),
    );
  await text("summary-not-json", "not JSON", "{");
  await text("summary-utf8", "not UTF-8", fromHex("22ff22"));
  await text("summary-bom", "a byte order mark", `\uFEFF${made.summary}`);
  await text("summary-array", "an array", `[${made.summary}]`);
  const member = async (name: string, why: string, members: Readonly<Record<string, unknown>>) =>
    await layout(name, why, cases.changed(members));
  const fp = toBase64(made.sender.bundle.fp);
  const alice = { name: "alice", fp };
  await member("summary-more", "a member that is not known", { priority: 1 });
  await member("summary-person-more", "a member of a person that is not known", {
    from: { ...alice, nick: "al" },
  });
  await member("summary-no-from", "no `from`", { from: undefined });
  await member("summary-no-cc", "no `cc`", { cc: undefined });
  await member("summary-name", "a name that is not canonical", {
    from: { ...alice, name: "Alice" },
  });
  await member("summary-servers", "addresses of the server, and no announcement", {
    servers: ["mail.lan:13000"],
  });
  await member("summary-to-operator", "to the operator", {
    to: [{ ...alice, name: OPERATOR }],
  });
  await member("summary-fp", "a fingerprint without its padding", {
    from: { ...alice, fp: fp.slice(0, -1) },
  });
  await member("summary-to-text", "`to` is a string", { to: "bob" });
  await member("summary-subject", "a subject of 101 characters", { subject: "🦊".repeat(101) });
  await member("summary-date", "a date that is no integer", { date: 1.5 });
  await member("summary-date-negative", "a date before 1970", { date: -1 });
  await member("summary-no-head", "no head of a key log", { head: undefined });
  await member("summary-head", "a head of 151 bytes", { head: "A".repeat(202) + "==" });
  await member("summary-size", "a size of 2^53", { size: 2 ** 53 });
  await member("summary-count", "no number of attachments", { attachmentCount: undefined });
  await member("summary-attachment", "an attachment without a size", {
    attachments: [{ name: "x" }],
  });
  await member("summary-in-reply-to", "an answer to something that is no UUID", { inReplyTo: "x" });
  await member("summary-message-id", "a Message-ID of 999 characters", {
    messageId: "x".repeat(999),
  });
  await member("summary-references", "101 references", {
    references: Array.from({ length: 101 }, () => "x"),
  });
  await member("summary-type", "a content type of 201 characters", { type: "x".repeat(201) });
  await member("summary-stored-kind", "stored for a reason that is not known", {
    stored: { kind: "sent", from: "x" },
  });
  await member("summary-stored-by-another", "somebody else says that it was stored by its reader", {
    stored: { kind: "import", from: "Carol <carol@example.org>" },
  });
  cases.add(
    "13.1/10",
    "authentication",
    "summary-from-fp",
    "another fingerprint than the header's",
    {
      summary: await cases.summary(
        cases.changed({ from: { name: "alice", fp: toBase64(mallory.bundle.fp) } }),
      ),
    },
  );
  cases.add("13.1/11", "key-changed", "pin-another", "bob has pinned another key for alice", {
    pins: { alice: "mallory" },
  });
  cases.add("13.1/11", "authentication", "operator-by-member", "alice says she is the operator", {
    summary: await cases.summary(cases.changed({ from: { name: OPERATOR, fp } })),
  });
  cases.add("13.1/11", "key-changed", "pin-of-another-name", "alice's key, under mallory's name", {
    summary: await cases.summary(cases.changed({ from: { name: "mallory", fp } })),
  });
  const signed = async (name: string, why: string, deviations: SummaryDeviations) =>
    cases.add("13.1/13", "authentication", name, why, {
      summary: await cases.summary(honest, deviations),
    });
  await signed("summary-signer", "signed by mallory", { signer: mallory });
  await signed("summary-label", "signed under the label of a recipient", {
    signed: (t) => concat(utf8("sealpost/1 recipient"), t.slice(18)),
  });
  await signed("summary-header", "signed under another header", {
    signed: (t) => t.map((byte, i) => i === 30 ? byte ^ 1 : byte),
  });
  await signed("summary-hash", "signed over another summary", {
    signed: (t) => t.map((byte, i) => i === t.length - 1 ? byte ^ 1 : byte),
  });
  await signed("summary-malleated", "S + L in the place of S", { signature: malleated });
}

async function notes(cases: Cases, other: Made): Promise<void> {
  const own = { reader: "alice" };
  const sealed = fromHex(cases.made.vector.sealedNote ?? "");
  const honest = padToBucket(utf8(cases.made.vector.note ?? ""));
  const add = (error: Error, name: string, why: string, note: Edit[]) =>
    cases.add("12.8", error, name, why, { ...own, note });
  add("format", "note-cut", "a byte is missing", [{ keep: sealed.length - 1 }]);
  add("format", "note-signed", "the size of a summary", [{ at: 0, insert: "00".repeat(64) }]);
  add("authentication", "note-bit", "a bit of the note", [{ at: 0, xor: "01" }]);
  add("authentication", "note-tag", "a bit of the tag", [{ at: 1039, xor: "01" }]);
  add("authentication", "note-of-another", "the note of another message", [
    difference(sealed, fromHex(other.vector.sealedNote ?? "")),
  ]);
  const layout = async (name: string, why: string, padded: Bytes) =>
    add("format", name, why, await cases.note(padded));
  await layout("note-bucket", "padded to 4096 bytes, though 1024 would do", pad(honest, 4096));
  await layout(
    "note-padding",
    "padding that is not zero",
    honest.map((b, i) => i === 1023 ? 1 : b),
  );
  await layout("note-not-json", "not JSON", padToBucket(utf8("bcc")));
  await layout("note-more", "a member that is not known", padToBucket(utf8('{"bcc":[],"x":1}')));
  await layout("note-no-bcc", "no `bcc`", padToBucket(utf8("{}")));
}

async function bodies(cases: Cases, mallory: Identity, other: Made): Promise<void> {
  const { made } = cases;
  const add = (check: string, error: Error, name: string, why: string, changes: Changes) =>
    cases.add(check, error, name, why, changes);
  const impossible = (name: string, why: string, ...body: Edit[]) =>
    add("13.3/3", "format", name, why, { body });
  impossible("body-empty", "nothing", { keep: 0 });
  impossible("body-one-byte", "one byte", { keep: 1 });
  impossible("body-4111", "a byte less than the smallest", { keep: 4111 });
  impossible("body-empty-chunk", "the second chunk has no plaintext", {
    at: 4112,
    insert: "00".repeat(65_552 + 16 - 4112),
  });
  add("13.3/7", "format", "body-cut", "a byte is missing of what was announced", {
    body: [{ keep: 4111 }],
    bodySize: 4112,
  });
  add("13.3/7", "format", "body-missing", "nothing comes of what was announced", {
    body: [{ keep: 0 }],
    bodySize: 4112,
  });
  const bits = (name: string, why: string, at: number) =>
    add("13.3/4", "authentication", name, why, { body: [{ at, xor: "01" }] });
  bits("body-first-bit", "a bit of the first byte", 0);
  bits("body-middle-bit", "a bit in the middle", 2000);
  bits("body-tag", "a bit of the tag", 4111);
  add("13.3/4", "authentication", "body-of-another", "the body of another message", {
    body: [difference(concat(...made.chunks), concat(...other.chunks))],
  });
  add("13.3/4", "authentication", "body-not-last", "the only chunk is not marked as the last", {
    body: await cases.body({ last: () => 0 }),
  });
  const length = async (name: string, why: string, n: Uint8Array) =>
    add("13.3/5", "format", name, why, {
      body: await cases.body({ content: (content) => concat(n, content.slice(8)) }),
    });
  await length("body-length-4025", "a length that would be padded to more", u64(4025));
  await length("body-length-over", "a length over the size", u64(5000));
  await length("body-length-2-53", "a length of 2^53", fromHex("0020000000000000"));
  await length("body-length-max", "a length of 2^64 - 1", fromHex("ff".repeat(8)));
  add("13.3/6", "authentication", "body-padding-first", "the first byte of the padding is 1", {
    body: await cases.body({ content: (c) => c.map((b, i) => i === 8 + lengthOf(made) ? 1 : b) }),
  });
  add("13.3/6", "authentication", "body-padding-last", "the last byte of the padding is 1", {
    body: await cases.body({ content: (c) => c.map((b, i) => i === 4031 ? 1 : b) }),
  });
  const signed = async (name: string, why: string, deviations: BodyDeviations) =>
    add("13.3/8", "authentication", name, why, { body: await cases.body(deviations) });
  await signed("message-signer", "signed by mallory", { signer: mallory });
  await signed("message-label", "signed under the label of a summary", {
    signed: (t) => concat(utf8("sealpost/1 summary"), t.slice(18)),
  });
  await signed("message-header", "signed under another header", {
    signed: (t) => t.map((b, i) => i === 40 ? b ^ 1 : b),
  });
  await signed("message-summary", "signed with another summary", {
    signed: (t) => t.map((b, i) => i === t.length - 64 ? b ^ 1 : b),
  });
  await signed("message-hash", "signed over another body", {
    signed: (t) => t.map((b, i) => i === t.length - 1 ? b ^ 1 : b),
  });
  await signed("message-malleated", "S + L in the place of S", { signature: malleated });
  await signed("message-zero", "a signature of zeros", {
    signature: (s) => new Uint8Array(s.length),
  });
  const size = lengthOf(made) + 1;
  const padded = cases.changed({ size });
  add("13.3/9", "authentication", "summary-size-differs", "the summary says one byte more", {
    summary: await cases.summary(padded),
    body: await cases.body({}, await sha256(padded)),
  });
}

function longBodies(cases: Cases): void {
  const add = (check: string, error: Error, name: string, why: string, changes: Changes) =>
    cases.add(check, error, name, why, changes);
  const order = (name: string, why: string, check: string, error: Error, ...chunks: number[]) =>
    add(check, error, name, why, { chunks });
  order(
    "chunks-swapped",
    "the first two chunks change places",
    "13.3/4",
    "authentication",
    1,
    0,
    2,
  );
  order(
    "chunks-last-swapped",
    "the last two chunks change places",
    "13.3/4",
    "authentication",
    0,
    2,
    1,
  );
  order(
    "chunk-repeated",
    "the first chunk in the place of the second",
    "13.3/4",
    "authentication",
    0,
    0,
    2,
  );
  order(
    "chunk-left-out",
    "the second chunk is missing, and the size says so",
    "13.3/5",
    "format",
    0,
    2,
  );
  order(
    "chunks-truncated",
    "the last chunk is missing, and the size says so",
    "13.3/5",
    "format",
    0,
    1,
  );
  order(
    "chunk-appended",
    "the last chunk twice, and the size says so",
    "13.3/5",
    "format",
    0,
    1,
    2,
    2,
  );
  const bodySize = 3 * 65_552;
  add("13.3/7", "format", "chunk-not-sent", "the last chunk does not come", {
    chunks: [0, 1],
    bodySize,
  });
  add("13.3/7", "format", "chunk-cut", "half of the last chunk comes", {
    body: [{ keep: 2 * 65_552 + 30_000 }],
    bodySize,
  });
  add("13.3/4", "authentication", "chunk-first-bit", "a bit of the first chunk", {
    body: [{ at: 100, xor: "80" }],
  });
  add("13.3/4", "authentication", "chunk-last-bit", "a bit of the last tag", {
    body: [{ at: bodySize - 1, xor: "80" }],
  });
}

function lengthOf(made: Made): number {
  return contentOf(made.plan.message).length;
}
