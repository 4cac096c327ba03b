import { type Bytes, concat, fromHex, isZero } from "./bytes.ts";
import { SealpostError } from "./error.ts";

// PrivateKeyInfo for X25519 (RFC 8410) up to the 32 raw bytes.
const PKCS8_PREFIX = fromHex("302e020100300506032b656e04220420");

/** A fresh key pair (RFC 7748). The private key cannot be exported. */
export async function generateX25519(): Promise<{ publicKey: Bytes; privateKey: CryptoKey }> {
  const pair = await crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]);
  if (!("publicKey" in pair)) throw new SealpostError("internal", "X25519 gave no key pair");
  const raw = await crypto.subtle.exportKey("raw", pair.publicKey);
  return { publicKey: new Uint8Array(raw), privateKey: pair.privateKey };
}

/** The private key with these 32 bytes (RFC 7748 scalar). Throws `key-format` for another length. */
export async function importX25519Private(raw: Bytes): Promise<CryptoKey> {
  if (raw.length !== 32) {
    throw new SealpostError("key-format", "an X25519 private key has 32 bytes");
  }
  const pkcs8 = concat(PKCS8_PREFIX, raw);
  return await crypto.subtle.importKey("pkcs8", pkcs8, { name: "X25519" }, false, ["deriveBits"]);
}

/** The point with u = 9 (RFC 7748, section 4.1). */
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(31));

/** The public key of `privateKey`, 32 bytes. */
export function publicX25519(privateKey: CryptoKey): Promise<Bytes> {
  return agree(privateKey, BASE_POINT);
}

/**
 * The 32-byte shared secret of `privateKey` and the peer's raw public key. Throws `format` if
 * `peer` has not 32 bytes, and `authentication` if the result is all zeros (RFC 7748, section
 * 6.1): the peer then sent a point of low order, and the secret is no secret.
 */
export async function agree(privateKey: CryptoKey, peer: Bytes): Promise<Bytes> {
  if (peer.length !== 32) {
    throw new SealpostError("format", "an X25519 public key has 32 bytes");
  }
  let shared: Bytes;
  try {
    const key = await crypto.subtle.importKey("raw", peer, { name: "X25519" }, false, []);
    const parameters = { name: "X25519", public: key };
    shared = new Uint8Array(await crypto.subtle.deriveBits(parameters, privateKey, 256));
  } catch (cause) {
    throw refused(cause);
  }
  // WebCrypto says that deriveBits itself refuses this; that it does is not left to the runtime.
  if (isZero(shared)) throw refused();
  return shared;
}

function refused(cause?: unknown): SealpostError {
  return new SealpostError("authentication", "the peer sent an X25519 key of low order", { cause });
}
