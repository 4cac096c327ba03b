import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { type Bytes, concat, lp, owned, utf8 } from "../../crypto/bytes.ts";
import { hkdf } from "../../crypto/hash.ts";
import type { Bundle } from "../../crypto/identity.ts";
import { pattern } from "./pattern.ts";
import { oaepEncrypt } from "./rsa_by_hand.ts";

/** All that one encapsulation draws. */
export interface KemDraws {
  /** 32 bytes. */
  readonly kRsa: Bytes;
  /** The seed of OAEP, 32 bytes. */
  readonly oaepSeed: Bytes;
  /** The m of ML-KEM (FIPS 203, algorithm 20), 32 bytes. */
  readonly m: Bytes;
}

export interface KemResult {
  readonly ctRsa: Bytes;
  readonly ctMlkem: Bytes;
  readonly kMlkem: Bytes;
  readonly secret: Bytes;
}

export function kemDraws(seed: string): KemDraws {
  return {
    kRsa: pattern(`${seed} k_rsa`, 32),
    oaepSeed: pattern(`${seed} OAEP seed`, 32),
    m: pattern(`${seed} m`, 32),
  };
}

/** The draws in the order in which our code makes them. */
export function inOrder({ kRsa, oaepSeed, m }: KemDraws): Bytes[] {
  return [kRsa, oaepSeed, m];
}

/** ML-KEM-768 encapsulation with this m. */
export function mlKemByHand(publicKey: Bytes, m: Bytes): { ciphertext: Bytes; secret: Bytes } {
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, m);
  return { ciphertext: owned(cipherText), secret: owned(sharedSecret) };
}

/** Encapsulation as section 4 of the protocol describes it; `use` may be one that there is not. */
export async function kemByHand(
  to: Bundle,
  use: string,
  draws: KemDraws,
  context: Bytes = new Uint8Array(0),
): Promise<KemResult> {
  const ctRsa = oaepEncrypt(to.rsa, draws.kRsa, draws.oaepSeed);
  const { ciphertext: ctMlkem, secret: kMlkem } = mlKemByHand(to.mlkemKey, draws.m);
  const info = concat(utf8(`sealpost/1 kem ${use}`), lp(ctRsa), lp(ctMlkem), to.fp, context);
  const secret = await hkdf(concat(draws.kRsa, kMlkem), new Uint8Array(0), info, 32);
  return { ctRsa, ctMlkem, kMlkem, secret };
}
