import { scrypt } from "node:crypto";
import { type Bytes, owned, random, wipe } from "./bytes.ts";
import { derOctetString, derOid, DerReader, derSequence, derSmallInteger, TAG } from "./der.ts";
import { SealpostError } from "./error.ts";

const OID = {
  pbes2: "1.2.840.113549.1.5.13",
  pbkdf2: "1.2.840.113549.1.5.12",
  hmacSha256: "1.2.840.113549.2.9",
  scrypt: "1.3.6.1.4.1.11591.4.11",
  aes256Cbc: "2.16.840.1.101.3.4.1.42",
} as const;

const KEY_SIZE = 32;
const MIB = 1024 * 1024;

/**
 * The cost that is written: 16 MiB, five times over. OpenSSL's own limit of 32 MiB on scrypt
 * leaves N at this; p makes it as much work as N = 2^17 with p = 1.
 */
const WRITTEN = { n: 16384, r: 8, p: 5 } as const;

/** How the passphrase becomes the key. */
type Kdf =
  | { kind: "scrypt"; salt: Bytes; n: number; r: number; p: number }
  | { kind: "pbkdf2"; salt: Bytes; iterations: number };

/**
 * A PrivateKeyInfo as EncryptedPrivateKeyInfo (RFC 5208): PBES2 (RFC 8018) with scrypt (RFC 7914)
 * and AES-256-CBC, which OpenSSL 1.1 and later open. Throws `passphrase` if it is empty.
 */
export async function encryptPkcs8(der: Bytes, passphrase: Bytes): Promise<Bytes> {
  if (passphrase.length === 0) throw new SealpostError("passphrase", "a passphrase is empty");
  const salt = random(16);
  const iv = random(16);
  const { n, r, p } = WRITTEN;
  const key = await deriveKey({ kind: "scrypt", salt, n, r, p }, passphrase);
  const ciphertext = await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, der);
  const kdf = derSequence(
    derOid(OID.scrypt),
    derSequence(derOctetString(salt), ...[n, r, p].map(derSmallInteger)),
  );
  const cipher = derSequence(derOid(OID.aes256Cbc), derOctetString(iv));
  const algorithm = derSequence(derOid(OID.pbes2), derSequence(kdf, cipher));
  return derSequence(algorithm, derOctetString(new Uint8Array(ciphertext)));
}

/**
 * The PrivateKeyInfo in an EncryptedPrivateKeyInfo: PBES2 with AES-256-CBC and either scrypt (at
 * least N·r·p = 2^17, at most 256 MiB and p = 16) or PBKDF2-HMAC-SHA-256 (600,000 to 10,000,000
 * iterations). Throws `key-format` for anything else, before any work is spent, and `passphrase`
 * if the passphrase is wrong, which cannot be told from a damaged file.
 */
export async function decryptPkcs8(der: Bytes, passphrase: Bytes): Promise<Bytes> {
  const outer = DerReader.sequence(der);
  const algorithm = outer.sequence();
  const ciphertext = outer.octetString();
  outer.end();
  requireOid(algorithm, OID.pbes2);
  const parameters = algorithm.sequence();
  algorithm.end();
  const kdf = readKdf(parameters.sequence());
  const iv = readCipher(parameters.sequence());
  parameters.end();
  // Nothing is ever encrypted with the empty passphrase, and PBKDF2 is not given it.
  if (passphrase.length === 0) throw wrongPassphrase();
  const key = await deriveKey(kdf, passphrase);
  let plain: Bytes;
  try {
    const result = await crypto.subtle.decrypt({ name: "AES-CBC", iv }, key, owned(ciphertext));
    plain = new Uint8Array(result);
  } catch (cause) {
    throw wrongPassphrase(cause);
  }
  // One wrong key in 256 leaves padding that fits, but hardly one an outer SEQUENCE that does.
  try {
    DerReader.sequence(plain).integer();
  } catch (cause) {
    wipe(plain);
    throw wrongPassphrase(cause);
  }
  return plain;
}

function readKdf(algorithm: DerReader): Kdf {
  const oid = algorithm.oid();
  const parameters = algorithm.sequence();
  algorithm.end();
  const salt = parameters.octetString();
  if (salt.length < 8 || salt.length > 64) throw unsupported("its salt has a wrong length");
  if (oid === OID.scrypt) return readScrypt(parameters, salt);
  if (oid === OID.pbkdf2) return readPbkdf2(parameters, salt);
  throw unsupported("its passphrase is processed by something else than scrypt or PBKDF2");
}

function readScrypt(parameters: DerReader, salt: Bytes): Kdf {
  const n = parameters.smallInteger();
  const r = parameters.smallInteger();
  const p = parameters.smallInteger();
  readKeyLength(parameters);
  parameters.end();
  if (!Number.isInteger(Math.log2(n)) || n < 2 || r < 1 || p < 1) {
    throw unsupported("its scrypt cost is not valid");
  }
  if (128 * n * r > 256 * MIB || p > 16) {
    throw unsupported("its scrypt cost is over 256 MiB or p = 16");
  }
  if (n * r * p < 2 ** 17) throw unsupported("its scrypt cost is under N = 16384, r = 8, p = 1");
  return { kind: "scrypt", salt, n, r, p };
}

function readPbkdf2(parameters: DerReader, salt: Bytes): Kdf {
  const iterations = parameters.smallInteger();
  readKeyLength(parameters);
  // Absent means HMAC-SHA-1 (RFC 8018, appendix A.2).
  if (parameters.done) throw unsupported("PBKDF2 is with another hash than SHA-256");
  const prf = parameters.sequence();
  parameters.end();
  requireOid(prf, OID.hmacSha256);
  prf.null();
  prf.end();
  if (iterations < 600_000 || iterations > 10_000_000) {
    throw unsupported("its PBKDF2 iterations are not 600,000 to 10,000,000");
  }
  return { kind: "pbkdf2", salt, iterations };
}

function readKeyLength(parameters: DerReader): void {
  if (parameters.tag === TAG.integer && parameters.smallInteger() !== KEY_SIZE) {
    throw unsupported("its key length is not that of AES-256");
  }
}

function readCipher(algorithm: DerReader): Bytes {
  requireOid(algorithm, OID.aes256Cbc);
  const iv = owned(algorithm.octetString());
  algorithm.end();
  if (iv.length !== 16) throw unsupported("its IV has a wrong length");
  return iv;
}

async function deriveKey(kdf: Kdf, passphrase: Bytes): Promise<CryptoKey> {
  const raw = kdf.kind === "scrypt"
    ? await deriveScrypt(kdf, passphrase)
    : await derivePbkdf2(kdf, passphrase);
  const key = await crypto.subtle.importKey("raw", raw, "AES-CBC", false, ["encrypt", "decrypt"]);
  wipe(raw);
  return key;
}

function deriveScrypt(kdf: Kdf & { kind: "scrypt" }, passphrase: Bytes): Promise<Bytes> {
  const { salt, n, r, p } = kdf;
  const options = { N: n, r, p, maxmem: 128 * r * (n + p) + MIB };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, KEY_SIZE, options, (error, key) => {
      if (error) reject(new SealpostError("internal", "scrypt failed", { cause: error }));
      else resolve(new Uint8Array(key));
    });
  });
}

async function derivePbkdf2(kdf: Kdf & { kind: "pbkdf2" }, passphrase: Bytes): Promise<Bytes> {
  const { salt, iterations } = kdf;
  const name = "PBKDF2";
  const key = await crypto.subtle.importKey("raw", passphrase, name, false, ["deriveBits"]);
  const parameters = { name, hash: "SHA-256", salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, 8 * KEY_SIZE));
}

function requireOid(algorithm: DerReader, oid: string): void {
  if (algorithm.oid() !== oid) {
    throw unsupported("it is not encrypted by PBES2 with AES-256-CBC and a SHA-256 or scrypt key");
  }
}

function unsupported(what: string): SealpostError {
  return new SealpostError(
    "key-format",
    `an encrypted private key cannot be opened: ${what}; encrypt it anew with openssl pkcs8 -scrypt`,
  );
}

function wrongPassphrase(cause?: unknown): SealpostError {
  return new SealpostError("passphrase", "the passphrase is wrong, or the key file is damaged", {
    cause,
  });
}
