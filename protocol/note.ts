import * as v from "valibot";
import { aesOpen, aesSeal, importAesKey } from "../crypto/aes_gcm.ts";
import { type Bytes, concat, fromUtf8, utf8, wipe } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { hkdf, sha256 } from "../crypto/hash.ts";
import type { Identity } from "../crypto/identity.ts";
import { MAX_STANZAS } from "./limits.ts";
import { fingerprintField, nameField, parseJson } from "./schema.ts";
import { BUCKETS, padToBucket, unpadBucket } from "./summary.ts";

const TAG = 16;
const ZERO_NONCE = new Uint8Array(12);

const schema = v.strictObject({
  bcc: v.pipe(
    v.array(v.strictObject({ name: nameField, fp: fingerprintField })),
    v.maxLength(MAX_STANZAS),
  ),
});

/** What a sender keeps with the Sent copy and nobody else can read: who was blind-copied. */
export type Note = v.InferOutput<typeof schema>;

/**
 * `HKDF(ML-KEM seed, "", "sealpost/1 note" ‖ SHA-256(fixed header))`: a key that only the sender
 * has and that serves one message. The file key would not do, since every recipient has it.
 */
async function noteKey(identity: Identity, header: Bytes): Promise<CryptoKey> {
  const info = concat(utf8("sealpost/1 note"), await sha256(header));
  const raw = await hkdf(identity.mlkemSeed, new Uint8Array(0), info, 32);
  const key = await importAesKey(raw);
  wipe(raw);
  return key;
}

/** The padded note under AES-256-GCM, nonce zero, additional data the fixed header. */
export async function sealNote(note: Note, header: Bytes, sender: Identity): Promise<Bytes> {
  const padded = padToBucket(utf8(JSON.stringify(note)));
  return await aesSeal(await noteKey(sender, header), ZERO_NONCE, padded, header);
}

/** The inverse of {@linkcode sealNote}. Throws `format` or `authentication`. */
export async function openNote(box: Bytes, header: Bytes, sender: Identity): Promise<Note> {
  if (!BUCKETS.some((b) => box.length === b + TAG)) {
    throw new SealpostError("format", "a note of the wrong size");
  }
  const padded = await aesOpen(await noteKey(sender, header), ZERO_NONCE, box, header);
  return parseJson(schema, fromUtf8(unpadBucket(padded)));
}
