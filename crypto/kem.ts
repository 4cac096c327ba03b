import { type Bytes, concat, lp, random, utf8, wipe } from "./bytes.ts";
import { SealpostError } from "./error.ts";
import { hkdf, hmacSha256 } from "./hash.ts";
import type { Bundle, Identity } from "./identity.ts";
import { ML_KEM, mlKem } from "./ml_kem.ts";
import { rsaDecrypt, rsaEncrypt, rsaModulus } from "./rsa.ts";

/** What a secret is for; one made for another use never comes out the same. */
export type KemUse = "hs-server" | "hs-client" | "stanza" | "rotate";

/** What {@linkcode encapsulate} gives. */
export interface Encapsulated {
  /** As long as the RSA modulus: 256 to 512 bytes. */
  readonly ctRsa: Bytes;
  /** 1088 bytes. */
  readonly ctMlkem: Bytes;
  /** 32 bytes. */
  readonly secret: Bytes;
}

const RSA_SECRET = 32;
const NONE: Bytes = new Uint8Array(0);

/** Keys the secrets that stand in for RSA ciphertexts that are not valid; lives with the process. */
const processSecret = random(32);

/**
 * A fresh 32-byte secret that only the owner of `to` can compute again: 32 random bytes under
 * RSA-OAEP and an ML-KEM-768 encapsulation, combined as
 * `HKDF(k_rsa ‖ k_mlkem, "", "sealpost/1 kem " ‖ use ‖ LP(ct_rsa) ‖ LP(ct_mlkem) ‖ fp ‖ context)`.
 * `context` is the sender's fingerprint for the use `stanza`, and nothing for all others.
 */
export async function encapsulate(
  to: Bundle,
  use: KemUse,
  context: Bytes = NONE,
): Promise<Encapsulated> {
  const rsaSecret = random(RSA_SECRET);
  const [ctRsa, { ciphertext: ctMlkem, secret: mlkemSecret }] = await Promise.all([
    rsaEncrypt(to.rsaKey, rsaSecret),
    mlKem.encapsulate(to.mlkemKey),
  ]);
  const parties = concat(to.fp, context);
  const secret = await combine(rsaSecret, mlkemSecret, use, ctRsa, ctMlkem, parties);
  return { ctRsa, ctMlkem, secret };
}

/**
 * The secret again. A ciphertext that is not valid causes nothing but another secret, always the
 * same one for the same ciphertext while the process lives (implicit rejection): both halves are
 * always run, and nothing says which of them failed. Throws `format` for wrong lengths, before any
 * private operation.
 */
export async function decapsulate(
  identity: Identity,
  use: KemUse,
  ctRsa: Bytes,
  ctMlkem: Bytes,
  context: Bytes = NONE,
): Promise<Bytes> {
  const { bundle } = identity;
  if (ctRsa.length !== bundle.rsaBits / 8 || ctMlkem.length !== ML_KEM.ciphertext) {
    throw new SealpostError("format", "a ciphertext of a key has a wrong length");
  }
  const [decrypted, mlkemSecret, substitute] = await Promise.all([
    decryptRsa(identity, ctRsa),
    identity.decapsulateMlKem(ctMlkem),
    hmacSha256(processSecret, concat(lp(bundle.rsa), ctRsa)),
  ]);
  const rsaSecret = choose(decrypted ?? new Uint8Array(0), substitute);
  if (decrypted !== null) wipe(decrypted);
  return await combine(
    rsaSecret,
    mlkemSecret,
    use,
    ctRsa,
    ctMlkem,
    concat(bundle.fp, context),
  );
}

/** What `ctRsa` holds, null if it is not valid; at the cost of a private operation in any case. */
async function decryptRsa({ rsaKey, bundle }: Identity, ctRsa: Bytes): Promise<Bytes | null> {
  if (isBelow(ctRsa, rsaModulus(bundle.rsa))) return await rsaDecrypt(rsaKey, ctRsa);
  // The runtime refuses a number over the modulus in a tenth of the time. Whoever made it knows that
  // it is one, but what is always run need not be thought about.
  const other = random(ctRsa.length);
  other[0] = 0;
  const nothing = await rsaDecrypt(rsaKey, other);
  if (nothing !== null) wipe(nothing);
  return null;
}

/** Whether `a` is below `b` as numbers of the same length; both are public. */
function isBelow(a: Bytes, b: Bytes): boolean {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return (a[at] ?? 0) < (b[at] ?? 0);
}

/** `decrypted` if it has 32 bytes, else `substitute`, by the same steps. */
function choose(decrypted: Bytes, substitute: Bytes): Bytes {
  // 0xff if the length is right, else 0: the difference's bits shifted down to one borrow.
  const mask = ((decrypted.length ^ RSA_SECRET) - 1) >> 31 & 0xff;
  const out = new Uint8Array(RSA_SECRET);
  for (let i = 0; i < RSA_SECRET; i++) {
    out[i] = ((decrypted[i] ?? 0) & mask) | ((substitute[i] ?? 0) & ~mask);
  }
  return out;
}

/** The secret for a use; wipes the two it is made of. */
async function combine(
  rsaSecret: Bytes,
  mlkemSecret: Bytes,
  use: KemUse,
  ctRsa: Bytes,
  ctMlkem: Bytes,
  parties: Bytes,
): Promise<Bytes> {
  const ikm = concat(rsaSecret, mlkemSecret);
  const info = concat(utf8(`sealpost/1 kem ${use}`), lp(ctRsa), lp(ctMlkem), parties);
  const secret = await hkdf(ikm, new Uint8Array(0), info, 32);
  wipe(ikm, rsaSecret, mlkemSecret);
  return secret;
}
