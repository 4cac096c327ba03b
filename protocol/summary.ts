import * as v from "valibot";
import { aesOpen, aesSeal } from "../crypto/aes_gcm.ts";
import { type Bytes, concat, fromUtf8, isZero, lp, readU32, utf8 } from "../crypto/bytes.ts";
import { sign, verify } from "../crypto/ed25519.ts";
import { SealpostError } from "../crypto/error.ts";
import { sha256 } from "../crypto/hash.ts";
import type { Bundle, Identity } from "../crypto/identity.ts";
import { partKey } from "./file_key.ts";
import { MAX_STANZAS, MAX_TITLE } from "./limits.ts";
import { padTo } from "./login.ts";
import { MAX_SERVERS } from "./invitation.ts";
import { OPERATOR } from "./name.ts";
import { fingerprintField, fullNameField, headField, nameField, parseJson } from "./schema.ts";

/** The padded sizes of a summary or note, bytes. */
export const BUCKETS = [1024, 4096, 16_384, 32_768] as const;
const MAX_BUCKET = 32_768;
const SIGNATURE_SIZE = 64;
const TAG = 16;
const ZERO_NONCE = new Uint8Array(12);
const LABEL = utf8("sealpost/1 summary");

/** Largest sealed summary, bytes. */
export const MAX_SUMMARY = 32_768 + SIGNATURE_SIZE + TAG;
/** Largest sealed note, bytes. */
export const MAX_NOTE = 32_768 + TAG;

const person = v.strictObject({ name: nameField, fp: fingerprintField });

/** Somebody in a summary: the name and the fingerprint (base64) that the sender knew. */
export type Person = v.InferOutput<typeof person>;

/** Who wrote it: somebody, or the operator, with the server's key. */
const sender = v.strictObject({
  name: v.union([nameField, v.literal(OPERATOR)]),
  fp: fingerprintField,
});

const people = v.pipe(v.array(person), v.maxLength(MAX_STANZAS));
const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Text of a header: at most 998 characters, as a line of RFC 5322 has. */
const headerText = v.pipe(v.string(), v.check((s) => [...s].length <= 998));

/** Most references that a summary names. */
export const MAX_REFERENCES = 100;

/** Why somebody stored a message in their own mailbox. */
export const STORED_KINDS = ["draft", "import", "saved"] as const;

const fields = v.strictObject({
  from: sender,
  to: people,
  cc: people,
  subject: v.pipe(v.string(), v.check((s) => [...s].length <= MAX_TITLE)),
  /** When the sender says it was written, milliseconds since 1970. */
  date: size,
  /** The newest head of the server's key log that the sender has. */
  head: headField,
  /** Bytes of the RFC 5322 message. */
  size,
  /** How many attachments there are; `attachments` names as many as fit. */
  attachmentCount: size,
  attachments: v.array(v.strictObject({ name: v.string(), size })),
  /** The id of the message this one answers. */
  inReplyTo: v.optional(v.pipe(v.string(), v.uuid())),
  /** The Message-ID of the RFC 5322 message, without `<` and `>`. */
  messageId: v.optional(headerText),
  /** Its References, oldest first, each like a `messageId`; as many as fit. */
  references: v.optional(v.pipe(v.array(headerText), v.maxLength(MAX_REFERENCES))),
  /** Its Reply-To. */
  replyTo: v.optional(headerText),
  /** The sender's full name: their own word. */
  fullName: v.optional(fullNameField),
  /** Its Content-Type. */
  type: v.optional(v.pipe(v.string(), v.check((s) => [...s].length <= 200))),
  /** Says that the reader stored it in their own mailbox: then nobody sent it to them. */
  stored: v.optional(v.strictObject({
    kind: v.picklist(STORED_KINDS),
    /** Whom it is said to be from: a claim that nobody has signed. */
    from: headerText,
    /** SHA-256 of what was imported, base64: with LF as line ends, without those at its end. */
    source: v.optional(fingerprintField),
  })),
  /** Of an announcement: where the server is from now on, `HOST:PORT`, best first. */
  servers: v.optional(v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(MAX_SERVERS))),
});

const schema = v.pipe(
  fields,
  v.check(({ from, servers }) => servers === undefined || from.name === OPERATOR),
);

/** What an inbox shows of a message: signed by the sender, readable by every recipient. */
export type Summary = v.InferOutput<typeof schema>;

/**
 * `LP(JSON) ‖ zeros` up to the next of {@linkcode BUCKETS}. Throws `limit` if it is larger than
 * the last.
 */
export function padToBucket(json: Bytes): Bytes {
  const bucket = BUCKETS.find((b) => b >= json.length + 4);
  if (bucket === undefined) throw new SealpostError("limit", "too many recipients in one message");
  return padTo(lp(json), bucket);
}

/** The inverse of {@linkcode padToBucket}. Throws `format` unless it is exactly what that gives. */
export function unpadBucket(padded: Bytes): Bytes {
  const length = readU32(padded, 0);
  if (
    BUCKETS.find((b) => b >= length + 4) !== padded.length || !isZero(padded.subarray(4 + length))
  ) throw new SealpostError("format", "a block with the wrong padding");
  return padded.slice(4, 4 + length);
}

/**
 * The padded plaintext of a summary: as many attachment names as fit, the rest counted; and of the
 * references as many as need no larger bucket. The first, which names the thread, and the latest go
 * last.
 */
export function encodeSummary(summary: Summary): Bytes {
  let { attachments } = summary;
  // A member that is undefined is left out, and the others keep their order.
  const encoded = (references?: readonly string[]) => {
    return utf8(JSON.stringify({ ...summary, attachments, references }));
  };
  let json = encoded();
  while (json.length + 4 > MAX_BUCKET && attachments.length > 0) {
    attachments = attachments.slice(0, Math.floor(attachments.length / 2));
    json = encoded();
  }
  const bucket = BUCKETS.find((size) => size >= json.length + 4) ?? MAX_BUCKET;
  for (let kept = summary.references ?? []; kept.length > 0; kept = withoutMiddle(kept)) {
    const whole = encoded(kept);
    if (whole.length + 4 <= bucket) return padToBucket(whole);
  }
  return padToBucket(json);
}

/** `items` without the one in the middle. */
function withoutMiddle(items: readonly string[]): string[] {
  return items.toSpliced(Math.floor(items.length / 2), 1);
}

/** The inverse of {@linkcode encodeSummary}. Throws `format`. */
export function decodeSummary(padded: Bytes): Summary {
  return parseJson(schema, fromUtf8(unpadBucket(padded)));
}

function signed(header: Bytes, hash: Bytes): Bytes {
  return concat(LABEL, lp(header), hash);
}

/** A sealed summary, and the hash that the message's last signature covers. */
export interface SealedSummary {
  readonly box: Bytes;
  /** SHA-256 of the padded summary. */
  readonly hash: Bytes;
}

/**
 * `padded summary ‖ signature` under AES-256-GCM with the summary key, nonce zero; the signature
 * is over `"sealpost/1 summary" ‖ LP(fixed header) ‖ SHA-256(padded summary)`.
 */
export async function sealSummary(
  summary: Summary,
  fileKey: Bytes,
  header: Bytes,
  sender: Identity,
): Promise<SealedSummary> {
  const padded = encodeSummary(summary);
  const hash = await sha256(padded);
  const signature = await sign(sender.ed25519Key, signed(header, hash));
  const key = await partKey(fileKey, "summary", header);
  const box = await aesSeal(key, ZERO_NONCE, concat(padded, signature));
  return { box, hash };
}

/** A summary that opened. It is the sender's word only after {@linkcode verifySummary}. */
export interface OpenedSummary {
  readonly summary: Summary;
  readonly hash: Bytes;
  readonly signature: Bytes;
}

/** Opens a sealed summary. Throws `format` for an impossible size, `authentication`. */
export async function openSummary(
  box: Bytes,
  fileKey: Bytes,
  header: Bytes,
): Promise<OpenedSummary> {
  if (!BUCKETS.some((b) => box.length === b + SIGNATURE_SIZE + TAG)) {
    throw new SealpostError("format", "a summary of the wrong size");
  }
  const key = await partKey(fileKey, "summary", header);
  const plaintext = await aesOpen(key, ZERO_NONCE, box);
  const padded = plaintext.slice(0, plaintext.length - SIGNATURE_SIZE);
  return {
    summary: decodeSummary(padded),
    hash: await sha256(padded),
    signature: plaintext.slice(plaintext.length - SIGNATURE_SIZE),
  };
}

/** Throws `authentication` unless `sender` signed this summary under this header. */
export async function verifySummary(
  sender: Bundle,
  opened: OpenedSummary,
  header: Bytes,
): Promise<void> {
  if (!await verify(sender.ed25519Key, opened.signature, signed(header, opened.hash))) {
    throw new SealpostError("authentication", "the summary's signature is not the sender's");
  }
}
