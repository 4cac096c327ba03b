import { assertEquals, assertRejects } from "@std/assert";
import {
  type Bytes,
  concat,
  equal,
  fromHex,
  lp,
  random,
  toBase64,
  u32,
  u64,
  utf8,
} from "../../crypto/bytes.ts";
import { DerReader, TAG } from "../../crypto/der.ts";
import { importEd25519Public } from "../../crypto/ed25519.ts";
import { decodeBundle, encodeBundle } from "../../crypto/identity.ts";
import { mlKemFromPkcs8, mlKemPkcs8 } from "../../crypto/ml_kem.ts";
import { padme } from "../../crypto/padme.ts";
import { parsePem } from "../../crypto/pem.ts";
import { parsePhc } from "../../crypto/phc.ts";
import { decryptPkcs8 } from "../../crypto/pkcs8.ts";
import { importRsaPrivate, importRsaPublic } from "../../crypto/rsa.ts";
import { formatAddress, parseAddress } from "../../protocol/address.ts";
import { decodePackage, encodePackage } from "../../protocol/device_package.ts";
import { decodeEntry, encodeEntry } from "../../protocol/entry.ts";
import { encodeEnvelope, EnvelopeReader, MAX_ENVELOPE } from "../../protocol/envelope.ts";
import { decodeFrames } from "../../protocol/frame.ts";
import { decodeGoodbye } from "../../protocol/goodbye.ts";
import { decodeHeader, encodeHeader } from "../../protocol/header.ts";
import { decodeHello } from "../../protocol/hello.ts";
import { parseInvitation } from "../../protocol/invitation.ts";
import { decodeKit, kitKeys, sealKit } from "../../protocol/kit.ts";
import { decodePost, isDeviceName, LinkRequest } from "../../protocol/link.ts";
import { decodeLogin, padTo } from "../../protocol/login.ts";
import { isName, parseName } from "../../protocol/name.ts";
import { parseBusyLine } from "../../protocol/plaintext.ts";
import { displayWidth, fit, printable, visible } from "../../cli/printable.ts";
import { MAX_RECORD, MIN_RECORD, recordLength } from "../../protocol/record.ts";
import {
  decodeEvent,
  decodeRequest,
  decodeResponse,
  decodeVerdict,
} from "../../protocol/request.ts";
import {
  decodeHead,
  decodeLogRecords,
  encodeHead,
  encodeLogRecord,
  KeyLog,
} from "../../protocol/key_log.ts";
import { decodeCertificate } from "../../protocol/rotation.ts";
import { checkStanza, stanzaFp } from "../../protocol/stanza.ts";
import { OwnNames } from "../../client/mailbox/own_names.ts";
import { decodeRecord, encodeRecord, mergeRecords } from "../../protocol/shared_record.ts";
import { decodeSummary, padToBucket, unpadBucket } from "../../protocol/summary.ts";
import { formatMessageId, parseMessageId } from "../../protocol/uuid.ts";
import { decodeVisit, encodeVisit } from "../../protocol/visit.ts";
import {
  type EnvelopesFile,
  type FramesFile,
  type HandshakeFile,
  type JsonFile,
  type KeyLogFile,
  type KeysFile,
  type MessagesFile,
  readVectors,
  type RotationFile,
  type SharedFile,
} from "../vectors/files.ts";
import { Identities } from "../vectors/identities.ts";
import { proxiedPeer } from "../../server/admission/proxy_header.ts";
import { PROXY_SEEDS } from "../support/proxy_header.ts";
import { fuzz, type Random, tryParser } from "./fuzz.ts";

// The parsers of crypto/ and protocol/, and of what a balancer sends: of everything that comes from a network or out of a file.

const keys = await readVectors<KeysFile>("keys.json");
const frames = await readVectors<FramesFile>("frames.json");
const json = [
  ...(await readVectors<JsonFile>("json.json")).valid,
  ...(await readVectors<JsonFile>("json_additions.json")).valid,
];
const { messages } = await readVectors<MessagesFile>("messages.json");
const envelopes = await readVectors<EnvelopesFile>("envelopes.json");
const { handshakes } = await readVectors<HandshakeFile>("handshake.json");
const shared = await readVectors<SharedFile>("shared.json");
const keyLogs = await readVectors<KeyLogFile>("key_log.json");
const rotations = await readVectors<RotationFile>("rotation.json");
const alice = await (await Identities.load()).get("alice");

const text = new TextDecoder();

/** What JSON is made of, and numbers at its bounds. */
const JSON_WORDS = [
  ...['"', "{", "}", "[", "]", ",", ":", "null", "true", "false", "-1", "0", "1.5", "1e999"],
  ...["9007199254740992", "-9007199254740993", '"\\ud800"', "\\u0000", "__proto__", "constructor"],
  "[".repeat(200),
  '{"a":'.repeat(100),
  "\uFEFF",
  "\u202E",
];

const OPS = ["deliver", "list", "fetch", "flag", "remove", "keys", "whoami", "passwd"] as const;

/** The valid texts of `kind`, as they are and as values. */
function jsonOf(
  kind: string,
  ...more: readonly string[]
): { seeds: Bytes[]; json: { values: unknown[] } } {
  const texts = [
    ...json.filter(({ as }) => as.startsWith(kind)).map((one) => one.text),
    ...more,
  ];
  return { seeds: texts.map(utf8), json: { values: texts.map((one) => JSON.parse(one)) } };
}

/** `LP(json)` and zeros up to `size` bytes, or cut to them. */
function paddedJson(size: number): (text: Bytes) => Bytes {
  return (text) => padTo(lp(text).slice(0, size), size);
}

/** Asserts that what was read is written as it was: there is no other spelling. */
function same(written: Uint8Array | string, input: Uint8Array | string): void {
  // Not assertEquals, which takes longer than what is tested.
  const spelled = typeof written === "string" || typeof input === "string"
    ? written === input
    : equal(written, input);
  if (!spelled) throw new Error("it was accepted in another spelling");
}

/** Everything that is in DER, element by element. */
function walk(reader: DerReader, depth = 0): unknown[] {
  const out: unknown[] = [];
  while (!reader.done) {
    switch (reader.tag) {
      case TAG.sequence:
        out.push(walk(reader.sequence(), depth + 1));
        break;
      case TAG.integer:
        out.push(reader.integer());
        break;
      case TAG.oid:
        out.push(reader.oid());
        break;
      case TAG.bitString:
        out.push(reader.bitString());
        break;
      case TAG.null:
        out.push(reader.null());
        break;
      default:
        out.push(reader.octetString());
    }
  }
  return out;
}

const blocks = keys.identities.flatMap(({ privateFile, publicFile }) => {
  return parsePem(privateFile).concat(parsePem(publicFile)).map(({ der }) => der);
});
const encrypted = keys.encryptedFiles.flatMap(({ file }) => parsePem(file).map(({ der }) => der));

fuzz({
  name: "parsePem()",
  seeds: [alice.bundle.ed25519, alice.pkcs8.ed25519].map((der) => {
    const lines = btoa(String.fromCharCode(...der)).replace(/.{64}/g, "$&\n");
    return utf8(`-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----\n`);
  }),
  words: ["-----BEGIN PUBLIC KEY-----\n", "-----END PUBLIC KEY-----\n", "\r\n", "\uFEFF", "AAAA\n"],
  read: (input) => parsePem(text.decode(input)),
});

fuzz({ name: "DerReader", seeds: blocks, hot: 60, read: (input) => walk(new DerReader(input)) });

fuzz({
  name: "importRsaPublic()",
  seeds: [alice.bundle.rsa],
  hot: 34,
  read: (input) => importRsaPublic(input).then(({ bits }) => bits),
});

fuzz({
  name: "importRsaPrivate()",
  seeds: [alice.pkcs8.rsa],
  hot: 40,
  read: (input) => importRsaPrivate(input).then(({ spki }) => spki),
});

fuzz({
  name: "importEd25519Public()",
  seeds: [alice.bundle.ed25519],
  hot: 12,
  read: (input) => importEd25519Public(input).then(() => null),
});

fuzz({
  name: "mlKemFromPkcs8()",
  seeds: [alice.pkcs8.mlkem],
  read: (input) => same(mlKemPkcs8(mlKemFromPkcs8(input)), input),
});

fuzz({
  name: "decryptPkcs8()",
  seeds: encrypted,
  hot: 120,
  // The empty passphrase is refused when everything was read and before anything is computed.
  read: async (input) => {
    try {
      return await decryptPkcs8(input, new Uint8Array(0));
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("the passphrase is wrong")) {
        return null;
      }
      throw error;
    }
  },
});

fuzz({
  name: "parsePhc()",
  seeds: [
    utf8(
      "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    ),
  ],
  words: ["$", "m=", "t=0", ",p=17", "1048577", "=", "-", "\n"],
  read: (input) => parsePhc(text.decode(input)),
});

fuzz({
  name: "decodeBundle()",
  seeds: keys.identities.map(({ bundle }) => fromHex(bundle)),
  hot: 40,
  read: async (input) => same(encodeBundle(await decodeBundle(input)), input),
});

fuzz({
  name: "decodeLogin()",
  seeds: handshakes.map(({ login }) => {
    const parts = [login.name, login.password, login.clientVersion].map(utf8);
    return padTo(concat(...parts.map(lp)), 2048);
  }),
  hot: 120,
  read: (input) => decodeLogin(input),
});

fuzz({
  name: "decodeHello()",
  seeds: handshakes.map(({ hello }) => paddedJson(256)(utf8(hello))),
  json: { values: handshakes.map(({ hello }) => JSON.parse(hello)), wrap: paddedJson(256) },
  hot: 100,
  words: JSON_WORDS,
  read: (input) => decodeHello(input),
});

fuzz({
  name: "recordLength()",
  seeds: [fromHex("000011"), fromHex("010010"), fromHex("000200")],
  read: (input) => {
    const length = recordLength(input);
    if (length < MIN_RECORD || length > MAX_RECORD) throw new Error(`${length} bytes are accepted`);
    return length;
  },
});

fuzz({
  name: "decodeFrames()",
  seeds: [...frames.records, ...frames.readOnly].map(({ plaintext }) => fromHex(plaintext)),
  hot: 64,
  read: (input) => decodeFrames(input),
});

fuzz({
  name: "decodeRequest()",
  ...jsonOf(
    "request",
    `{"op":"rotations","name":"bob","since":"${"A".repeat(43)}="}`,
    '{"op":"rotate-begin","bundle":"AAAA","certificate":"AAAA"}',
    `{"op":"rotate","proof":"${"A".repeat(43)}="}`,
  ),
  words: [...JSON_WORDS, ...OPS.map((op) => `"op":"${op}",`)],
  read: (input) => decodeRequest(input),
});

fuzz({
  name: "decodeResponse()",
  ...jsonOf(
    "response",
    '{"ok":false,"code":"limit","message":"no"}',
    '{"ok":true,"links":[{"certificate":"AAAA","bundle":"AAAA"}]}',
    '{"ok":true,"ctRsa":"AAAA","ctMlkem":"AAAA"}',
  ),
  words: JSON_WORDS,
  read: (input, rng) => decodeResponse(rng.of(OPS), input),
});

fuzz({
  name: "decodeVerdict()",
  ...jsonOf("verdict"),
  words: JSON_WORDS,
  read: (input) => decodeVerdict(input),
});

fuzz({
  name: "decodeEvent()",
  ...jsonOf("event"),
  words: [...JSON_WORDS, '"event":"ticket",'],
  read: (input) => decodeEvent(input),
});

fuzz({
  name: "decodeGoodbye()",
  ...jsonOf("no kind", '{"reason":"the server stops","reconnect":true,"after":30}'),
  words: JSON_WORDS,
  total: true,
  read: (input) => decodeGoodbye(input),
});

fuzz({
  name: "decodeEntry()",
  seeds: envelopes.entries.map(({ entry }) => fromHex(entry)),
  hot: 120,
  read: (input) => same(encodeEntry(decodeEntry(input)), input),
});

/** Reads an envelope in pieces of all sizes. */
function readEnvelope(input: Bytes, rng: Random): unknown {
  const reader = new EnvelopeReader();
  for (let at = 0; at < input.length;) {
    const size = 1 + rng.below(3000);
    const done = reader.push(input.slice(at, at + size));
    at += size;
    if (!done) continue;
    const { envelope, rest } = done;
    const read = input.slice(0, Math.min(at, input.length) - rest.length);
    if (read.length > MAX_ENVELOPE) throw new Error(`an envelope of ${read.length} bytes`);
    same(encodeEnvelope(envelope), read);
    return envelope;
  }
  return null;
}

fuzz({
  name: "EnvelopeReader",
  seeds: messages.slice(0, 4).map((vector) =>
    encodeEnvelope({
      header: fromHex(vector.header),
      stanzas: vector.stanzas.map(({ stanza }) => fromHex(stanza)),
      summary: fromHex(vector.sealedSummary),
      note: vector.sealedNote === null ? null : fromHex(vector.sealedNote),
      bodySize: vector.bodySize,
    })
  ),
  hot: 130,
  read: readEnvelope,
});

fuzz({
  name: "decodeHeader()",
  seeds: messages.map(({ header }) => fromHex(header)),
  hot: 17,
  read: (input) => same(encodeHeader(decodeHeader(input)), input),
});

fuzz({
  name: "the layout of a stanza",
  seeds: messages.flatMap(({ stanzas }) => stanzas.map(({ stanza }) => fromHex(stanza))),
  hot: 36,
  read: (input) => {
    checkStanza(input);
    return stanzaFp(input);
  },
});

fuzz({
  name: "decodeCertificate()",
  seeds: rotations.certificates.map(({ certificate }) => fromHex(certificate)),
  hot: 130,
  read: (input) => {
    const read = decodeCertificate(input);
    const { name, serverFp, seq, fpOld, fpNew, time, signatureOld, signatureNew } = read;
    const facts = concat(lp(utf8(name)), serverFp, u64(seq), fpOld, fpNew, u64(time));
    same(concat(facts, signatureOld, signatureNew), input);
    return read;
  },
});

fuzz({
  name: "a key log",
  seeds: keyLogs.logs.filter(({ records }) => records.length > 0)
    .map(({ records }) => concat(...records.map(({ bytes }) => fromHex(bytes)))),
  hot: 93,
  read: (input) => {
    const log = KeyLog.begin(keyLogs.logs[0]?.first ?? 0).extend(decodeLogRecords(input));
    same(concat(...log.records.map(encodeLogRecord)), input);
    return log.hash(log.n);
  },
});

fuzz({
  name: "decodeHead()",
  seeds: keyLogs.heads.map(({ head }) => fromHex(head)),
  hot: 152,
  read: (input) => same(encodeHead(decodeHead(input)), input),
});

fuzz({
  name: "decodeSummary()",
  seeds: messages.slice(0, 9).map(({ summary }) => padToBucket(utf8(summary))),
  json: {
    values: messages.slice(0, 9).map(({ summary }) => JSON.parse(summary)),
    wrap: (text) => padToBucket(text.slice(0, 20_000)),
  },
  hot: 300,
  words: JSON_WORDS,
  read: (input) => decodeSummary(input),
});

fuzz({
  name: "decodeRecord() of a shared record",
  seeds: shared.sealed.map(({ json }) => utf8(json)),
  json: { values: shared.sealed.map(({ json }) => JSON.parse(json)), wrap: (json) => json },
  words: [...JSON_WORDS, '"folder/16"', '"v":null', "["],
  read: (input) => {
    const record = decodeRecord(input);
    const again = encodeRecord(record);
    same(encodeRecord(decodeRecord(again)), again);
    same(encodeRecord(mergeRecords(record, decodeRecord(again))), again);
    return new OwnNames(record);
  },
});

const link = await LinkRequest.make(random(16), random(32), "laptop");
const kit = await sealKit(
  await kitKeys(random(32)),
  { name: "alice", counter: 1, date: 1_795_305_600_000 },
  random(40),
);
const packed = {
  version: 1,
  name: "alice",
  servers: ["mail.lan:13000"],
  chain: ["AAAA"],
  bundle: "AAAA",
  key: "-----BEGIN PRIVATE KEY-----\n",
  retired: [{ short: "01234567", pem: "-----BEGIN PRIVATE KEY-----\n" }],
  record: toBase64(utf8(shared.sealed[0]?.json ?? "")),
  seen: 3,
  head: toBase64(random(152)),
};

/** `u32(length) ‖ JSON ‖ zeros`. */
function padded(json: Bytes): Bytes {
  return concat(u32(json.length), json, new Uint8Array(padme(4 + json.length) - 4 - json.length));
}

fuzz({
  name: "decodePackage()",
  seeds: [padded(utf8(JSON.stringify(packed)))],
  json: { values: [packed], wrap: padded },
  words: [...JSON_WORDS, '"servers":["a:1"]', '"short":"../../x"', '"seen":-1'],
  read: (input) => {
    const one = decodePackage(input);
    const again = encodePackage(one);
    same(encodePackage(decodePackage(again)), again);
    return one;
  },
});

fuzz({
  name: "decodePost()",
  seeds: [link.post],
  read: (input) => {
    const post = decodePost(input);
    assertEquals(isDeviceName(post.device), true);
    return post;
  },
});

fuzz({
  name: "decodeKit()",
  seeds: [kit],
  read: (input) => {
    const head = decodeKit(input);
    assertEquals(isName(head.name), true);
    return head;
  },
});

const visits = [
  { op: "link-post", id: "0".repeat(32), post: "AAAA" },
  { op: "kit-get", id: "0".repeat(32) },
];
fuzz({
  name: "decodeVisit()",
  seeds: visits.map((value) => utf8(JSON.stringify(value))),
  json: { values: visits, wrap: (json) => json },
  words: [...JSON_WORDS, '"op":"kit-get"'],
  read: (input) => {
    const request = decodeVisit(input);
    same(encodeVisit(decodeVisit(encodeVisit(request))), encodeVisit(request));
    return request;
  },
});

fuzz({
  name: "unpadBucket()",
  seeds: [...messages.map(({ note }) => padToBucket(utf8(note ?? "")))],
  hot: 8,
  read: (input) => same(padToBucket(unpadBucket(input)), input),
});

fuzz({
  name: "parseName()",
  seeds: ["alice", "a", "Bob_1.x-y", `0${"z".repeat(31)}`].map(utf8),
  words: ["..", "/", "@", "é", "İ", "\u0000", " ", "\u202E"],
  read: (input) => {
    const name = parseName(text.decode(input));
    if (!isName(name)) throw new Error(`${name} is a name`);
    return name;
  },
});

fuzz({
  name: "parseMessageId()",
  seeds: messages.map(({ id }) => utf8(formatMessageId(fromHex(id)))),
  words: ["-", "7", "g", "A"],
  read: (input) => same(formatMessageId(parseMessageId(text.decode(input))), text.decode(input)),
});

fuzz({
  name: "parseAddress()",
  seeds: ["mail.lan", "192.0.2.1:13000", "[2001:db8::1]:1", "::1", "[fe80::1%eth0]"].map(utf8),
  words: [":", "[", "]", "::", ":65536", "%", " ", "\u0000"],
  read: (input) => {
    const address = parseAddress(text.decode(input));
    assertEquals(parseAddress(formatAddress(address)), address);
    return address;
  },
});

fuzz({
  name: "parseInvitation()",
  seeds: [
    utf8([
      "-----BEGIN SEALPOST INVITATION-----",
      "Name: alice",
      "Server: mail.lan:13000",
      "Key: SHA256:GLtUZUFp2LPIFz2a2S+lePHCtBSRCkdbvTtl4bgTmzg",
      "Password: 7h3k2-abcde",
      "Expires: 2026-11-29T10:15:00Z",
      "-----END SEALPOST INVITATION-----",
      "",
    ].join("\n")),
  ],
  words: ["\n", "> ", "Server: ::1\n", "Name: ", "-----", ": ", "99", "\u202E"],
  read: (input) => parseInvitation(text.decode(input)),
});

fuzz({
  name: "parseBusyLine()",
  seeds: [utf8("sealpost: not now (connections); try again in 30 s\n")],
  words: ["(", ")", "\n", "-", "999999"],
  total: true,
  read: (input) => parseBusyLine(text.decode(input))?.message ?? null,
});

fuzz({
  name: "proxiedPeer()",
  seeds: PROXY_SEEDS,
  words: ["\r\n\r\n\0\r\nQUIT\n", "\x21\x11\0\x0c", "\x21\x21\0\x24", "\x04\0\x01", "PROXY TCP4 "],
  read: (input) => {
    const peer = proxiedPeer(input);
    if (peer !== null) same(formatAddress(parseAddress(peer)), peer);
    return peer;
  },
});

fuzz({
  name: "printable(), visible() and fit()",
  seeds: ["plain text", "Grüße 👩‍👩‍👧 नमस्ते \u202Egpj.exe", "\x1b[2J\x07a\r\nb\tc"].map(utf8),
  words: ["\u200D", "\uFE0F", "\u202E", "\x1b]0;", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\r\n", "\u0301", "\u{E0041}", "한"],
  total: true,
  read: (input) => {
    // Not every string is UTF-8: names and texts from JSON may hold half of a surrogate pair.
    const given = text.decode(input).replaceAll("\uFFFD", "\uD83D");
    const shown = printable(given);
    same(printable(shown), shown);
    if (/[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]/u.test(shown + visible(given))) {
      throw new Error("something is left");
    }
    const columns = input.length % 40;
    const line = fit(shown, columns, { pad: true });
    if (displayWidth(line) > columns) throw new Error(`over ${columns} columns`);
    return [shown, line];
  },
});

Deno.test("a parser that fails for one input in ten thousand is noticed, and so is one that gives too much", async () => {
  const seeds = [new Uint8Array(4)];
  const failing = { name: "failing", seeds, total: true };
  for (
    const read of [
      ([a, b]: Bytes) => {
        if (a === 0x80 && b === 0x7f) throw new TypeError("not our own");
      },
      ([a, b]: Bytes) => a === 0x80 && b === 0x7f ? new Uint8Array(20_000) : null,
      ([a, b]: Bytes) => a === 0x80 && b === 0x7f ? Promise.reject(new Error("later")) : null,
    ]
  ) await assertRejects(() => tryParser({ ...failing, read }, 100_000));
  await assertRejects(() => tryParser({ name: "takes all", seeds, read: () => null }));
});
