import { defined } from "../../crypto/defined.ts";
import { type Bytes, concat, toBase64, toHex, u64, utf8 } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { type Content, contentOf, type MessagesFile, type MessageVector } from "./files.ts";
import { OPERATOR } from "../../protocol/name.ts";
import type { Identities } from "./identities.ts";
import { type KemDraws, kemDraws } from "./kem_by_hand.ts";
import { drawsVector } from "./make_kem.ts";
import {
  bodyByHand,
  commitmentOf,
  envelopeByHand,
  headerOf,
  noteByHand,
  padToBucket,
  type PartKeys,
  partKeysOf,
  stanzaByHand,
  summaryByHand,
} from "./message_by_hand.ts";
import { pattern } from "./pattern.ts";

/** 2026-11-22 00:00 UTC. */
const DATE = 1_795_305_600_000;

/** Sealed bodies longer than this are given by their hash, but for the one that is asked for whole. */
const LONG = 5000;

/** What a message is made from. */
interface Plan {
  readonly name: string;
  /** Whose key signs it; default: alice's. */
  readonly sender?: string;
  /** Who it says has written it, if that is not the sender's name. */
  readonly from?: string;
  readonly to: readonly string[];
  readonly cc?: readonly string[];
  readonly bcc?: readonly string[];
  readonly copy?: boolean;
  /** Who has a stanza and is not named in the message. */
  readonly keepers?: readonly string[];
  readonly subject?: string;
  readonly attachments?: readonly { readonly name: string; readonly size: number }[];
  /** How many attachments there are; as many as are named if this is missing. */
  readonly attachmentCount?: number;
  readonly inReplyTo?: string;
  /** Further members of the summary. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly message: Content;
  /** Whether the sealed body is in the file however long it is. */
  readonly whole?: boolean;
}

const SHORT: Content = {
  utf8: "From: alice@sealpost.invalid\r\nTo: bob@sealpost.invalid\r\nSubject: Grüße\r\n" +
    "Content-Type: text/plain; charset=utf-8\r\n\r\nHallo Bob 🦊\r\n",
};

const WITH_ATTACHMENTS: Content = {
  utf8: [
    "From: alice@sealpost.invalid",
    "To: bob@sealpost.invalid",
    "Cc: carol@sealpost.invalid",
    "Subject: Two files",
    "MIME-Version: 1.0",
    'Content-Type: multipart/mixed; boundary="=_1"',
    "",
    "--=_1",
    "Content-Type: text/plain; charset=utf-8",
    "",
    "See below.",
    "--=_1",
    'Content-Type: application/octet-stream; name="empty.bin"',
    'Content-Disposition: attachment; filename="empty.bin"',
    "",
    "--=_1",
    'Content-Type: text/plain; name="note.txt"',
    'Content-Disposition: attachment; filename="note.txt"',
    "Content-Transfer-Encoding: base64",
    "",
    "aGVsbG8=",
    "--=_1--",
    "",
  ].join("\r\n"),
};

const ANNOUNCED: Content = {
  utf8: "From: The operator <the=operator@sealpost.invalid>\r\nTo: Everyone:;\r\n" +
    "Content-Type: text/plain; charset=utf-8\r\n\r\nAm Sonntag – kurz.\r\n",
};

function sized(length: number): Content {
  return { pattern: "sealpost vectors message", length };
}

const PLANS: readonly Plan[] = [
  { name: "one recipient", to: ["bob"], subject: "Grüße", message: SHORT },
  { name: "one recipient and a copy", to: ["bob"], copy: true, subject: "Grüße", message: SHORT },
  {
    name: "three recipients",
    to: ["bob", "carol"],
    cc: ["mallory"],
    copy: true,
    subject: "x".repeat(100),
    message: SHORT,
  },
  { name: "a blind copy", to: ["bob"], bcc: ["carol"], copy: true, subject: "", message: SHORT },
  { name: "a blind copy and nobody else", to: [], bcc: ["bob"], copy: true, message: SHORT },
  { name: "to oneself", to: ["alice"], copy: true, message: SHORT },
  {
    name: "attachments and an answer",
    to: ["bob"],
    cc: ["carol"],
    copy: true,
    subject: "Two files",
    attachments: [{ name: "empty.bin", size: 0 }, { name: "note.txt", size: 5 }],
    inReplyTo: "019ab5c0-0000-7000-8000-000000000001",
    message: WITH_ATTACHMENTS,
  },
  {
    name: "a summary of 4096 bytes",
    to: ["bob"],
    attachments: Array.from({ length: 40 }, (_, i) => ({ name: `Bild ${i} 🏔️.jpeg`, size: i })),
    attachmentCount: 500,
    message: SHORT,
  },
  { name: "empty", to: ["bob"], message: { utf8: "" } },
  { name: "the longest of the smallest size", to: ["bob"], message: sized(4024) },
  { name: "one byte more than the smallest size", to: ["bob"], message: sized(4025) },
  { name: "one chunk less one byte", to: ["bob"], message: sized(65_463) },
  { name: "one chunk", to: ["bob"], message: sized(65_464) },
  { name: "one chunk and one byte", to: ["bob"], message: sized(65_465), whole: true },
  { name: "two chunks less one byte", to: ["bob"], message: sized(130_999) },
  { name: "two chunks", to: ["bob"], message: sized(131_000) },
  { name: "two chunks and one byte", to: ["bob"], message: sized(131_001) },
  { name: "three chunks less one byte", to: ["bob"], message: sized(196_535) },
  { name: "three chunks", to: ["bob"], message: sized(196_536) },
  { name: "three chunks and one byte", to: ["bob"], message: sized(196_537) },
  {
    name: "an answer with what a list needs of its headers",
    to: ["bob"],
    copy: true,
    subject: "Re: Grüße",
    inReplyTo: "019ab5c0-0000-7000-8000-000000000001",
    more: {
      messageId: "019ab5c0-0000-7000-8000-000000000002@sealpost.invalid",
      references: ["first@example.org", "019ab5c0-0000-7000-8000-000000000001@sealpost.invalid"],
      replyTo: "Alice <alice@example.org>",
      type: "text/plain; charset=utf-8",
    },
    message: SHORT,
  },
  {
    name: "stored by oneself",
    to: [],
    keepers: ["alice"],
    subject: "Grüße",
    more: {
      messageId: "abc@example.org",
      stored: {
        kind: "import",
        from: "Carol Example <carol@example.org>",
        source: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
      },
    },
    message: SHORT,
  },
  {
    name: "an announcement",
    sender: "server",
    from: OPERATOR,
    to: [],
    keepers: ["bob", "carol"],
    subject: "Wartung",
    message: ANNOUNCED,
  },
  {
    name: "an announcement of another address",
    sender: "server",
    from: OPERATOR,
    to: [],
    keepers: ["bob"],
    subject: "The server has another address",
    more: { servers: ["mail.lan:13000", "[2001:db8::1]:13001"] },
    message: ANNOUNCED,
  },
];

/** A message with everything that it was made from. */
export interface Made {
  readonly plan: Plan;
  readonly sender: Identity;
  readonly header: Bytes;
  readonly fileKey: Bytes;
  readonly keys: PartKeys;
  readonly summary: string;
  readonly recipients: readonly {
    readonly name: string;
    readonly bundle: Bundle;
    readonly draws: KemDraws;
  }[];
  readonly vector: MessageVector;
  /** The sealed chunks of the body. */
  readonly chunks: readonly Bytes[];
}

export async function makeMessages(
  identities: Identities,
): Promise<{ file: MessagesFile; made: readonly Made[] }> {
  const made: Made[] = [];
  for (const plan of PLANS) made.push(await make(identities, plan));
  return { file: { messages: made.map(({ vector }) => vector) }, made };
}

async function make(identities: Identities, plan: Plan): Promise<Made> {
  const { name, to, cc = [], bcc = [], keepers = [], copy = false } = plan;
  const seed = `sealpost vectors ${name}`;
  const { sender: signer = "alice" } = plan;
  const sender = await identities.get(signer);
  const fileKey = pattern(`${seed} file key`, 32);
  const id = idOf(seed);
  const header = headerOf(id, sender.bundle.fp, await commitmentOf(fileKey));
  const keys = await partKeysOf(fileKey, header, sender);
  const people = async (names: readonly string[]) => {
    return await Promise.all(names.map(async (name) => {
      return { name, fp: toBase64((await identities.get(name)).bundle.fp) };
    }));
  };
  const message = contentOf(plan.message);
  const attachments = plan.attachments ?? [];
  const from = { name: plan.from ?? signer, fp: toBase64(sender.bundle.fp) };
  const summary = JSON.stringify({
    from,
    to: await people(to),
    cc: await people(cc),
    subject: plan.subject ?? name,
    date: DATE,
    head: toBase64(pattern("head of a key log", 152)),
    size: message.length,
    attachmentCount: plan.attachmentCount ?? attachments.length,
    attachments,
    ...defined({ inReplyTo: plan.inReplyTo }),
    ...plan.more,
  });
  const note = copy ? JSON.stringify({ bcc: await people(bcc) }) : null;
  const { hash, signature, sealed } = await summaryByHand(
    padToBucket(utf8(summary)),
    keys.summary,
    header,
    sender,
  );
  const sealedNote = note === null
    ? null
    : await noteByHand(padToBucket(utf8(note)), keys.note, header);
  const stanzasFor = [...new Set([...to, ...cc, ...bcc, ...keepers, ...(copy ? ["alice"] : [])])];
  const recipients = await Promise.all(stanzasFor.map(async (one) => {
    const { bundle } = await identities.get(one);
    return { name: one, bundle, draws: kemDraws(`${seed} to ${one}`) };
  }));
  const stanzas = await Promise.all(
    recipients.map(({ bundle, draws }) => stanzaByHand(bundle, fileKey, header, sender, draws)),
  );
  const body = await bodyByHand(message, keys.body, header, hash, sender);
  const sealedBody = concat(...body.chunks);
  const envelope = envelopeByHand(
    header,
    stanzas.map(({ stanza }) => stanza),
    sealed,
    sealedNote,
    sealedBody.length,
  );
  const short = sealedBody.length <= LONG || plan.whole;
  const vector: MessageVector = {
    name,
    sender: signer,
    id: toHex(id),
    fileKey: toHex(fileKey),
    stanzasFor,
    stanzaDraws: recipients.map(({ draws }) => drawsVector(draws)),
    summary,
    note,
    message: plan.message,
    header: toHex(header),
    keys: { summary: toHex(keys.summary), body: toHex(keys.body), note: toHex(keys.note) },
    stanzas: stanzas.map(({ secret, signature, stanza }) => {
      return { secret: toHex(secret), signature: toHex(signature), stanza: toHex(stanza) };
    }),
    summaryHash: toHex(hash),
    summarySignature: toHex(signature),
    sealedSummary: toHex(sealed),
    sealedNote: sealedNote && toHex(sealedNote),
    bodyHashes: body.hashes.map(toHex),
    bodySignature: toHex(body.signature),
    bodySize: sealedBody.length,
    ...(short ? { body: toHex(sealedBody) } : {}),
    bodySha256: toHex(await sha256(sealedBody)),
    uploadSha256: toHex(await sha256(envelope, sealedBody)),
  };
  return { plan, sender, header, fileKey, keys, summary, recipients, vector, chunks: body.chunks };
}

/** A UUIDv7 of {@linkcode DATE}. */
function idOf(seed: string): Bytes {
  const id = concat(u64(DATE).slice(2), pattern(`${seed} id`, 10));
  id[6] = 0x70 | ((id[6] ?? 0) & 0x0f);
  id[8] = 0x80 | ((id[8] ?? 0) & 0x3f);
  return id;
}
