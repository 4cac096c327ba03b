import { aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, lp, u16, u32, u64, utf8 } from "../../crypto/bytes.ts";
import { sign } from "../../crypto/ed25519.ts";
import { hkdf, sha256 } from "../../crypto/hash.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { kemByHand, type KemDraws } from "./kem_by_hand.ts";
import { pad } from "./handshake_by_hand.ts";

const NONE = new Uint8Array(0);
const ZERO_NONCE = new Uint8Array(12);
const CHUNK = 65536;

/** The keys of section 12.4 that follow from a file key and a header; `note` also from the sender. */
export interface PartKeys {
  readonly summary: Bytes;
  readonly body: Bytes;
  readonly note: Bytes;
}

export async function commitmentOf(fileKey: Bytes): Promise<Bytes> {
  return await hkdf(fileKey, NONE, "sealpost/1 commit", 32);
}

/** Section 12.3; `version` and `id` as they are given. */
export function headerOf(id: Bytes, senderFp: Bytes, commitment: Bytes): Bytes {
  return concat(new Uint8Array([1]), id, senderFp, commitment);
}

export async function partKeysOf(
  fileKey: Bytes,
  header: Bytes,
  sender: Identity,
): Promise<PartKeys> {
  const hash = await sha256(header);
  const key = (ikm: Bytes, label: string) => hkdf(ikm, NONE, concat(utf8(label), hash), 32);
  return {
    summary: await key(fileKey, "sealpost/1 summary"),
    body: await key(fileKey, "sealpost/1 body"),
    note: await key(sender.mlkemSeed, "sealpost/1 note"),
  };
}

/** What a stanza's maker may do otherwise than section 12.5 says. */
export interface StanzaDeviations {
  readonly use?: string;
  /** In the place of the header's, in the lane. */
  readonly senderFp?: Bytes;
  /** Of the box's key. */
  readonly info?: (info: Bytes) => Bytes;
  /** In the place of the file key, of what is signed, and of the signature. */
  readonly fileKey?: Bytes;
  readonly signed?: (text: Bytes) => Bytes;
  readonly signature?: (signature: Bytes) => Bytes;
  readonly signer?: Identity;
  readonly aad?: Bytes;
}

export interface StanzaByHand {
  /** The lane's secret, and the key of the box. */
  readonly secret: Bytes;
  readonly key: Bytes;
  readonly signature: Bytes;
  readonly stanza: Bytes;
}

/** Section 12.5. */
export async function stanzaByHand(
  to: Bundle,
  fileKey: Bytes,
  header: Bytes,
  sender: Identity,
  draws: KemDraws,
  deviations: StanzaDeviations = {},
): Promise<StanzaByHand> {
  const { use = "stanza", signer = sender, aad = concat(header, to.fp) } = deviations;
  const text = concat(utf8("sealpost/1 recipient"), lp(header), to.fp);
  const made = await sign(signer.ed25519Key, deviations.signed?.(text) ?? text);
  const signature = deviations.signature?.(made) ?? made;
  const senderFp = deviations.senderFp ?? header.slice(17, 49);
  const { ctRsa, ctMlkem, secret } = await kemByHand(to, use, draws, senderFp);
  const info = concat(utf8("sealpost/1 stanza"), await sha256(header), to.fp);
  const key = await hkdf(secret, NONE, deviations.info?.(info) ?? info, 32);
  const plaintext = concat(deviations.fileKey ?? fileKey, signature);
  const box = await aesSeal(await importAesKey(key), ZERO_NONCE, plaintext, aad);
  const stanza = concat(to.fp, u16(ctRsa.length), ctRsa, ctMlkem, box);
  return { secret, key, signature, stanza };
}

/** Padding of summaries and notes (12.6): to the smallest of four sizes. */
export function padToBucket(json: Bytes): Bytes {
  const size = [1024, 4096, 16_384, 32_768].find((bucket) => bucket >= json.length + 4);
  if (size === undefined) throw new RangeError("it does not fit");
  return pad(lp(json), size);
}

/** What a summary's maker may do otherwise than section 12.6 says. */
export interface SummaryDeviations {
  readonly signed?: (text: Bytes) => Bytes;
  readonly signature?: (signature: Bytes) => Bytes;
  readonly signer?: Identity;
}

export interface SummaryByHand {
  /** SHA-256 of the padded summary. */
  readonly hash: Bytes;
  readonly signature: Bytes;
  readonly sealed: Bytes;
}

/** Section 12.6; `padded` need not be what {@linkcode padToBucket} gives. */
export async function summaryByHand(
  padded: Bytes,
  key: Bytes,
  header: Bytes,
  sender: Identity,
  deviations: SummaryDeviations = {},
): Promise<SummaryByHand> {
  const hash = await sha256(padded);
  const text = concat(utf8("sealpost/1 summary"), lp(header), hash);
  const signer = deviations.signer ?? sender;
  const made = await sign(signer.ed25519Key, deviations.signed?.(text) ?? text);
  const signature = deviations.signature?.(made) ?? made;
  const sealed = await aesSeal(await importAesKey(key), ZERO_NONCE, concat(padded, signature));
  return { hash, signature, sealed };
}

/** Section 12.8. */
export async function noteByHand(padded: Bytes, key: Bytes, header: Bytes): Promise<Bytes> {
  return await aesSeal(await importAesKey(key), ZERO_NONCE, padded, header);
}

/** What a body's maker may do otherwise than section 12.7 says. */
export interface BodyDeviations {
  /** In the place of the plaintext up to the signature. */
  readonly content?: (content: Bytes) => Bytes;
  readonly signed?: (text: Bytes) => Bytes;
  readonly signature?: (signature: Bytes) => Bytes;
  readonly signer?: Identity;
  /** The last byte of the nonce of chunk number j. */
  readonly last?: (last: number, j: number) => number;
}

export interface BodyByHand {
  /** c(0), c(1), … */
  readonly hashes: readonly Bytes[];
  readonly signature: Bytes;
  /** The sealed chunks. */
  readonly chunks: readonly Bytes[];
}

/** Padmé of section 12.7, for n from 2 to 2^31. */
export function padmeByHand(n: number): number {
  const e = Math.floor(Math.log2(n));
  const s = Math.floor(Math.log2(e)) + 1;
  const u = 2 ** (e - s);
  return Math.ceil(n / u) * u;
}

/** Section 12.7. */
export async function bodyByHand(
  message: Bytes,
  key: Bytes,
  header: Bytes,
  summaryHash: Bytes,
  sender: Identity,
  deviations: BodyDeviations = {},
): Promise<BodyByHand> {
  const size = Math.max(4096, padmeByHand(message.length + 72));
  const honest = pad(concat(u64(message.length), message), size - 64);
  const content = deviations.content?.(honest) ?? honest;
  const aes = await importAesKey(key);
  const chunkCount = Math.ceil((content.length + 64) / CHUNK);
  const hashes = [await sha256(utf8("sealpost/1 body hash"))];
  for (let j = 0; j < chunkCount; j++) {
    const before = hashes[j] ?? NONE;
    const chunk = content.slice(j * CHUNK, (j + 1) * CHUNK);
    const leaf = await sha256(utf8("sealpost/1 leaf"), u64(j), chunk);
    hashes.push(await sha256(before, leaf));
  }
  const text = concat(
    utf8("sealpost/1 message"),
    lp(header),
    summaryHash,
    hashes[chunkCount] ?? NONE,
  );
  const signer = deviations.signer ?? sender;
  const made = await sign(signer.ed25519Key, deviations.signed?.(text) ?? text);
  const signature = deviations.signature?.(made) ?? made;
  const plaintext = concat(content, signature);
  const chunks: Bytes[] = [];
  for (let j = 0; j < chunkCount; j++) {
    const honestLast = j === chunkCount - 1 ? 1 : 0;
    const last = deviations.last?.(honestLast, j) ?? honestLast;
    const nonce = concat(new Uint8Array(3), u64(j), new Uint8Array([last]));
    chunks.push(await aesSeal(aes, nonce, plaintext.slice(j * CHUNK, (j + 1) * CHUNK)));
  }
  return { hashes, signature, chunks };
}

/** The envelope of section 12.2. */
export function envelopeByHand(
  header: Bytes,
  stanzas: readonly Bytes[],
  summary: Bytes,
  note: Bytes | null,
  bodySize: number,
): Bytes {
  return concat(
    header,
    u16(stanzas.length),
    ...stanzas.flatMap((stanza) => [u16(stanza.length), stanza]),
    u32(summary.length),
    summary,
    u32(note?.length ?? 0),
    note ?? NONE,
    u64(bodySize),
  );
}
