import { type AesKey, aesOpen, aesSeal, importAesKey } from "../crypto/aes_gcm.ts";
import { type Bytes, concat, equal, lp, readU16, u16, utf8, wipe } from "../crypto/bytes.ts";
import { sign, verify } from "../crypto/ed25519.ts";
import { SealpostError } from "../crypto/error.ts";
import type { Bundle, Identity } from "../crypto/identity.ts";
import { hkdf, sha256 } from "../crypto/hash.ts";
import { FILE_KEY_SIZE } from "./file_key.ts";
import { senderFpOf } from "./header.ts";
import { type Lane, laneId, type LaneMemory, laneSecret, startLane } from "./lane.ts";

const FP_SIZE = 32;
const CT_MLKEM_SIZE = 1088;
const SIGNATURE_SIZE = 64;
const TAG = 16;
const BOX_SIZE = FILE_KEY_SIZE + SIGNATURE_SIZE + TAG;
const ZERO_NONCE = new Uint8Array(12);
const LABEL = utf8("sealpost/1 recipient");
const KEY_LABEL = utf8("sealpost/1 stanza");

/** Smallest and largest stanza (RSA of 2048 and 4096 bits), bytes. */
export const MIN_STANZA = FP_SIZE + 2 + 256 + CT_MLKEM_SIZE + BOX_SIZE;
export const MAX_STANZA = FP_SIZE + 2 + 512 + CT_MLKEM_SIZE + BOX_SIZE;

/** Size of the stanza for a recipient whose RSA key has `rsaBits` bits, bytes. */
export function stanzaSize(rsaBits: number): number {
  return FP_SIZE + 2 + rsaBits / 8 + CT_MLKEM_SIZE + BOX_SIZE;
}

/** `"sealpost/1 recipient" ‖ LP(fixed header) ‖ recipient's fp`: the sender addresses this one. */
function signed(header: Bytes, fp: Bytes): Bytes {
  return concat(LABEL, lp(header), fp);
}

/**
 * `HKDF(secret of the lane, "", "sealpost/1 stanza" ‖ SHA-256(fixed header) ‖ recipient's fp, 32)`:
 * another for each message of a lane, so that the nonce zero is safe.
 */
async function boxKey(secret: Bytes, header: Bytes, fp: Bytes): Promise<AesKey> {
  const info = concat(KEY_LABEL, await sha256(header), fp);
  const raw = await hkdf(secret, new Uint8Array(0), info, 32);
  const key = await importAesKey(raw);
  wipe(raw);
  return key;
}

/**
 * A stanza: `recipient's fp (32) ‖ length of ct_rsa (2) ‖ ct_rsa ‖ ct_mlkem (1088) ‖ box (112)`,
 * where the box is `file key (32) ‖ signature (64)` under AES-256-GCM, nonce zero, additional data
 * `fixed header ‖ fp`. `lane` is one from `sender` to `to`; a new one if none is given.
 */
export async function sealStanza(
  to: Bundle,
  fileKey: Bytes,
  header: Bytes,
  sender: Identity,
  lane?: Lane,
): Promise<Bytes> {
  const signature = await sign(sender.ed25519Key, signed(header, to.fp));
  const { ctRsa, ctMlkem, secret } = lane ?? await startLane(to, senderFpOf(header));
  const plaintext = concat(fileKey, signature);
  const key = await boxKey(secret, header, to.fp);
  const box = await aesSeal(key, ZERO_NONCE, plaintext, concat(header, to.fp));
  wipe(plaintext);
  if (lane === undefined) wipe(secret);
  return concat(to.fp, u16(ctRsa.length), ctRsa, ctMlkem, box);
}

/** The fingerprint a stanza names. Throws `format` if the stanza has an impossible length. */
export function stanzaFp(stanza: Bytes): Bytes {
  checkStanza(stanza);
  return stanza.slice(0, FP_SIZE);
}

/** Throws `format` unless the lengths inside `stanza` fit its own. */
export function checkStanza(stanza: Bytes): void {
  const rsa = readU16(stanza, FP_SIZE);
  if (
    rsa < 256 || rsa > 512 || stanza.length !== FP_SIZE + 2 + rsa + CT_MLKEM_SIZE + BOX_SIZE
  ) throw new SealpostError("format", "a stanza of the wrong size");
}

/** What a recipient's stanza holds. */
export interface OpenedStanza {
  readonly fileKey: Bytes;
  /** The sender's, not verified yet: see {@linkcode verifyStanza}. */
  readonly signature: Bytes;
}

/**
 * Opens one's own stanza: with the secret that `lanes` remembers of its lane, else at the cost of one
 * RSA private operation. Throws `format` for wrong lengths or another's fingerprint (before that
 * operation), `authentication` if it does not open.
 */
export async function openStanza(
  identity: Identity,
  stanza: Bytes,
  header: Bytes,
  lanes?: LaneMemory,
): Promise<OpenedStanza> {
  checkStanza(stanza);
  const fp = identity.bundle.fp;
  if (!equal(stanza.subarray(0, FP_SIZE), fp)) {
    throw new SealpostError("format", "a stanza for another key");
  }
  const rsa = readU16(stanza, FP_SIZE);
  const lane = {
    ctRsa: stanza.slice(FP_SIZE + 2, FP_SIZE + 2 + rsa),
    ctMlkem: stanza.slice(FP_SIZE + 2 + rsa, FP_SIZE + 2 + rsa + CT_MLKEM_SIZE),
  };
  const senderFp = senderFpOf(header);
  const id = await laneId(senderFp, fp, lane);
  const known = await lanes?.secret(id) ?? null;
  const secret = known ?? await laneSecret(identity, senderFp, lane);
  try {
    const plaintext = await aesOpen(
      await boxKey(secret, header, fp),
      ZERO_NONCE,
      stanza.slice(stanza.length - BOX_SIZE),
      concat(header, fp),
    );
    if (known === null) await lanes?.opened(id, secret);
    const fileKey = plaintext.slice(0, FILE_KEY_SIZE);
    const signature = plaintext.slice(FILE_KEY_SIZE);
    wipe(plaintext);
    return { fileKey, signature };
  } catch (error) {
    if (known === null) await lanes?.refused(id, secret);
    throw error;
  } finally {
    if (lanes === undefined) wipe(secret);
  }
}

/**
 * Throws `authentication` unless the sender signed this header for the recipient `fp`: nobody
 * can hand on a file key as if the sender had addressed the next reader.
 */
export async function verifyStanza(
  sender: Bundle,
  signature: Bytes,
  header: Bytes,
  fp: Bytes,
): Promise<void> {
  if (!await verify(sender.ed25519Key, signature, signed(header, fp))) {
    throw new SealpostError("authentication", "the sender did not address this message to you");
  }
}
