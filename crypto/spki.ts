import type { Bytes } from "./bytes.ts";
import { derBitString, derOctetString, DerReader, derSequence, derSmallInteger } from "./der.ts";

/** The object identifiers of the three key types. */
export const OID = {
  rsa: "1.2.840.113549.1.1.1",
  mlKem768: "2.16.840.1.101.3.4.4.2",
  ed25519: "1.3.101.112",
} as const;

/** A SubjectPublicKeyInfo (RFC 5280, section 4.1): `algorithm` is the whole AlgorithmIdentifier. */
export function encodeSpki(algorithm: Uint8Array, key: Uint8Array): Bytes {
  return derSequence(algorithm, derBitString(key));
}

/** A PrivateKeyInfo (RFC 5208) of version 0 without attributes. */
export function encodePkcs8(algorithm: Uint8Array, key: Uint8Array): Bytes {
  return derSequence(derSmallInteger(0), algorithm, derOctetString(key));
}

/** The object identifier of the algorithm of a PrivateKeyInfo. Throws `key-format`. */
export function pkcs8Algorithm(pkcs8: Bytes): string {
  const key = DerReader.sequence(pkcs8);
  key.integer();
  return key.sequence().oid();
}
