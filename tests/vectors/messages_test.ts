import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type OutgoingMessage, sealMessage } from "../../client/message/seal.ts";
import { type Bytes, concat, fromHex, toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { sealBody, sealedBodySize } from "../../protocol/body.ts";
import {
  BUILT_IN_FOLDERS,
  decodeEntry,
  encodeEntry,
  type Entry,
  type Flag,
  NAMED_FLAGS,
} from "../../protocol/entry.ts";
import { encodeEnvelope, EnvelopeReader } from "../../protocol/envelope.ts";
import { commit } from "../../protocol/file_key.ts";
import { encodeHeader } from "../../protocol/header.ts";
import { sealNote } from "../../protocol/note.ts";
import { sealStanza } from "../../protocol/stanza.ts";
import { sealSummary } from "../../protocol/summary.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { edited } from "./edits.ts";
import {
  contentOf,
  type EnvelopesFile,
  type MalformedMessage,
  type MalformedMessagesFile,
  type MessagesFile,
  type MessageVector,
  readVectors,
} from "./files.ts";
import { withDraws } from "./fixed_random.ts";
import { Identities } from "./identities.ts";
import { Reader } from "./reader.ts";

const { messages } = await readVectors<MessagesFile>("messages.json");
const { malformed } = await readVectors<MalformedMessagesFile>("malformed_messages.json");
const envelopes = await readVectors<EnvelopesFile>("envelopes.json");
const identities = await Identities.load();

const NOTHING = new Uint8Array(0);
/** No sealed chunk is larger. */
const CHUNK = 65_552;

function messageOf(name: string): MessageVector {
  const found = messages.find((one) => one.name === name);
  if (!found) throw new Error(`there is no message ${name}`);
  return found;
}

async function* pieces(bytes: Bytes): AsyncGenerator<Bytes, void, undefined> {
  for (let at = 0; at < bytes.length; at += 10_000) {
    yield await Promise.resolve(bytes.slice(at, at + 10_000));
  }
}

async function all(source: AsyncIterable<Bytes>): Promise<Bytes> {
  const parts: Bytes[] = [];
  for await (const part of source) parts.push(part);
  return concat(...parts);
}

/** The sealed body: what the file has, or what sealing gives if it has its hash only. */
async function bodyOf(vector: MessageVector): Promise<Bytes> {
  const body = vector.body === undefined ? await sealedBody(vector) : fromHex(vector.body);
  assertEquals(toHex(await sha256(body)), vector.bodySha256);
  return body;
}

async function sealedBody(vector: MessageVector): Promise<Bytes> {
  const message = contentOf(vector.message);
  const context = {
    fileKey: fromHex(vector.fileKey),
    header: fromHex(vector.header),
    summaryHash: fromHex(vector.summaryHash),
  };
  const sender = await identities.get(vector.sender);
  return await all(sealBody(context, sender, message.length, pieces(message)));
}

function stanzaFor(vector: MessageVector, name: string): Bytes {
  const index = Math.max(0, vector.stanzasFor.indexOf(name));
  return fromHex(vector.stanzas[index]?.stanza ?? "");
}

/** What `name` has of a message in their mailbox. */
function entryOf(vector: MessageVector, name: string): Entry {
  return {
    uid: 1,
    modseq: 1,
    folder: "inbox",
    number: 1,
    flags: [],
    receivedAt: 1_795_305_612_345,
    header: fromHex(vector.header),
    stanza: stanzaFor(vector, name),
    summary: fromHex(vector.sealedSummary),
    note: name === vector.sender && vector.sealedNote ? fromHex(vector.sealedNote) : null,
    bodySize: vector.bodySize,
  };
}

Deno.test("the vectors of messages: sealing gives them to the byte", async () => {
  await forEachCase(messages, async (vector) => {
    const sender = await identities.get(vector.sender);
    const fileKey = fromHex(vector.fileKey);
    const header = encodeHeader({
      id: fromHex(vector.id),
      senderFp: sender.bundle.fp,
      commitment: await commit(fileKey),
    });
    assertEquals(toHex(header), vector.header);
    const stanzas: Bytes[] = [];
    for (const [i, name] of vector.stanzasFor.entries()) {
      const draws = vector.stanzaDraws[i];
      assert(draws);
      const stanza = await withDraws(
        [draws.kRsa, draws.oaepSeed, draws.m].map(fromHex),
        async () => sealStanza((await identities.get(name)).bundle, fileKey, header, sender),
      );
      assertEquals(toHex(stanza), vector.stanzas[i]?.stanza, name);
      stanzas.push(stanza);
    }
    const summary = await sealSummary(JSON.parse(vector.summary), fileKey, header, sender);
    assertEquals(toHex(summary.hash), vector.summaryHash);
    assertEquals(toHex(summary.box), vector.sealedSummary);
    const note = vector.note === null
      ? null
      : await sealNote(JSON.parse(vector.note), header, sender);
    assertEquals(note && toHex(note), vector.sealedNote);
    const body = await sealedBody(vector);
    assertEquals(toHex(await sha256(body)), vector.bodySha256);
    if (vector.body !== undefined) assertEquals(toHex(body), vector.body);
    assertEquals(body.length, vector.bodySize);
    assertEquals(body.length, sealedBodySize(contentOf(vector.message).length));
    const bodySize = body.length;
    const envelope = encodeEnvelope({ header, stanzas, summary: summary.box, note, bodySize });
    assertEquals(toHex(await sha256(envelope, body)), vector.uploadSha256);
  });
});

Deno.test("the vectors of messages: our client seals a letter to oneself to the byte", async () => {
  const vector = messageOf("to oneself");
  const sender = await identities.get("alice");
  const summary = JSON.parse(vector.summary);
  const message = contentOf(vector.message);
  const letter: OutgoingMessage = {
    id: fromHex(vector.id),
    from: "alice",
    to: [{ name: "alice", bundle: sender.bundle, fresh: false }],
    cc: [],
    bcc: [],
    subject: summary.subject,
    date: summary.date,
    head: summary.head,
    attachments: [],
    composed: { size: message.length, stream: () => pieces(message) },
  };
  const draws = vector.stanzaDraws.flatMap(({ kRsa, oaepSeed, m }) => [kRsa, oaepSeed, m]);
  const sealed = await withDraws(
    [vector.fileKey, ...draws].map(fromHex),
    () => sealMessage(letter, sender),
  );
  assertEquals(toHex(await sha256(await all(sealed.bytes))), vector.uploadSha256);
});

Deno.test("the vectors of messages: every recipient reads them", async () => {
  const dir = await Deno.makeTempDir();
  const readers = new Map<string, Reader>();
  try {
    await forEachCase(messages, async (vector) => {
      const body = await bodyOf(vector);
      for (const name of vector.stanzasFor) {
        const reader = readers.get(name) ?? await Reader.open(identities, name, join(dir, name));
        readers.set(name, reader);
        const opened = await reader.unseal(entryOf(vector, name));
        assertEquals<unknown>(opened.summary, JSON.parse(vector.summary));
        assertEquals(await reader.fetch(opened, body), contentOf(vector.message));
        const bcc = name === vector.sender && vector.note ? JSON.parse(vector.note).bcc : [];
        assertEquals(await reader.note(opened), bcc);
      }
    });
  } finally {
    for (const reader of readers.values()) await reader.close();
    await Deno.remove(dir, { recursive: true });
  }
});

/** What the reader of a malformed message is given. */
async function givenIn(one: MalformedMessage): Promise<{ entry: Entry; body: Bytes }> {
  const vector = messageOf(one.base);
  const honest = entryOf(vector, one.reader);
  const whole = await bodyOf(vector);
  const chunks = one.chunks?.map((j) => whole.slice(j * CHUNK, (j + 1) * CHUNK)) ?? [whole];
  const body = edited(concat(...chunks), one.body ?? []);
  const entry = {
    ...honest,
    header: edited(honest.header, one.header ?? []),
    stanza: edited(honest.stanza, one.stanza ?? []),
    summary: edited(honest.summary, one.summary ?? []),
    note: honest.note && edited(honest.note, one.note ?? []),
    bodySize: one.bodySize ?? body.length,
  };
  return { entry, body };
}

Deno.test("the vectors of messages: every malformed one is refused, and nothing of it comes out", async () => {
  const dir = await Deno.makeTempDir();
  const readers = new Map<string, Reader>();
  const readerOf = async ({ reader, pins }: MalformedMessage): Promise<Reader> => {
    const key = `${reader} ${JSON.stringify(pins)}`;
    const known = readers.get(key) ??
      await Reader.open(identities, reader, join(dir, String(readers.size)), pins);
    readers.set(key, known);
    return known;
  };
  try {
    await forEachRefused(malformed, async (one) => {
      const reader = await readerOf(one);
      const { entry, body } = await givenIn(one);
      const opened = await reader.unseal(entry);
      await (one.check === "12.8" ? reader.note(opened) : reader.fetch(opened, body));
    });
  } finally {
    for (const reader of readers.values()) await reader.close();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("the vectors of messages: the first check that fails is the one that is named", async () => {
  const dir = await Deno.makeTempDir();
  const reader = await Reader.open(identities, "bob", dir);
  try {
    // What fails in 13.3 or 12.8 opens; only a size that contradicts the summary shows before.
    const later = malformed.filter(({ check, reader }) =>
      /^13\.3\/[4689]/.test(check) && reader === "bob"
    );
    await forEachCase(later, async (one) => {
      await reader.unseal((await givenIn(one)).entry);
    });
    const early = malformed.filter(({ check, pins }) => check.startsWith("13.1/") && !pins);
    await forEachRefused(early, async (one) => {
      await reader.unseal((await givenIn(one)).entry);
    });
  } finally {
    await reader.close();
    await Deno.remove(dir, { recursive: true });
  }
});

function envelopeOf(vector: MessageVector): Bytes {
  return encodeEnvelope({
    header: fromHex(vector.header),
    stanzas: vector.stanzas.map(({ stanza }) => fromHex(stanza)),
    summary: fromHex(vector.sealedSummary),
    note: vector.sealedNote === null ? null : fromHex(vector.sealedNote),
    bodySize: vector.bodySize,
  });
}

/** Reads `envelope` in pieces of `size` bytes; null if it is not whole. */
function readEnvelope(envelope: Bytes, size: number) {
  const reader = new EnvelopeReader();
  for (let at = 0; at < envelope.length; at += size) {
    const done = reader.push(envelope.slice(at, at + size));
    if (done) return { ...done, rest: concat(done.rest, envelope.slice(at + size)) };
  }
  return null;
}

Deno.test("the vectors of envelopes: they are read however they are cut, and only when they are whole", async () => {
  await forEachCase(messages, (vector) => {
    const envelope = envelopeOf(vector);
    for (const size of [1, 7, 1000, envelope.length, envelope.length + 1]) {
      const read = readEnvelope(concat(envelope, new Uint8Array([1, 2, 3])), size);
      assert(read);
      assertEquals(encodeEnvelope(read.envelope), envelope);
      assertEquals(read.rest, new Uint8Array([1, 2, 3]));
    }
    for (const cut of [0, 1, 81, 83, 500, envelope.length - 1]) {
      assertEquals(readEnvelope(envelope.slice(0, cut), 100), null);
    }
  });
});

Deno.test("the vectors of envelopes: every malformed one is refused", async () => {
  await forEachRefused(envelopes.malformedEnvelopes, ({ base, edits }) => {
    readEnvelope(edited(envelopeOf(messageOf(base)), edits), 100);
  });
});

Deno.test("the vectors of entries: they are written and read as they are there", async () => {
  await forEachCase(envelopes.entries, (one) => {
    const vector = messageOf(one.message);
    const folder = typeof one.folder === "number"
      ? one.folder
      : BUILT_IN_FOLDERS.find((folder) => folder === one.folder);
    assert(folder);
    const named: Flag[] = NAMED_FLAGS.filter((flag) => one.flags.includes(flag));
    const entry: Entry = {
      uid: one.uid,
      modseq: one.modseq,
      number: one.number,
      receivedAt: one.receivedAt,
      bodySize: one.bodySize,
      folder,
      flags: [...named, ...one.flags.filter((flag) => typeof flag === "number")],
      header: fromHex(vector.header),
      stanza: stanzaFor(vector, one.stanzaFor),
      summary: fromHex(vector.sealedSummary),
      note: one.note ? fromHex(vector.sealedNote ?? "") : null,
    };
    assertEquals(toHex(encodeEntry(entry)), one.entry);
    assertEquals(decodeEntry(fromHex(one.entry)), entry);
  });
});

Deno.test("the vectors of entries: every malformed one is refused", async () => {
  await forEachRefused(envelopes.malformedEntries, ({ base, edits }) => {
    const entry = envelopes.entries.find(({ name }) => name === base)?.entry;
    decodeEntry(edited(entry === undefined ? NOTHING : fromHex(entry), edits));
  });
});
