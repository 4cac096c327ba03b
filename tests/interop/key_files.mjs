// @ts-check
// Section 3.5: key files in PEM, encrypted ones included.

import { createDecipheriv, pbkdf2Sync, scryptSync } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { concat, equal, fromBase64, lp, utf8 } from "./bytes.mjs";
import { Der } from "./der.mjs";
import { Failure } from "./error.mjs";
import { readBundle, readIdentity } from "./identity.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */

/**
 * The blocks of a PEM text: exactly three, all with one of `labels`.
 *
 * @param {string} text @param {readonly string[]} labels
 * @returns {{ label: string, blocks: [Bytes, Bytes, Bytes] }}
 */
function readPem(text, labels) {
  if (text.length > 65_536) throw new Failure("key-format", "the file is too large for keys");
  /** @type {Bytes[]} */
  const blocks = [];
  let label = "";
  /** @type {string[] | null} */
  let lines = null;
  for (const raw of text.replace(/^\ufeff/, "").split("\n")) {
    const line = raw.replace(/[ \t\r]+$/, "");
    if (lines === null) {
      if (line === "") continue;
      const begin = /^-----BEGIN ([A-Z ]+)-----$/.exec(line)?.[1] ?? "";
      if (!labels.includes(begin)) throw new Failure("key-format", "no block of a key begins");
      if (label !== "" && begin !== label) {
        throw new Failure("key-format", "a file that is encrypted in part");
      }
      label = begin;
      lines = [];
    } else if (line === `-----END ${label}-----`) {
      blocks.push(fromBase64(lines.join(""), "key-format"));
      lines = null;
    } else if (/^[A-Za-z0-9+/]+={0,2}$/.test(line)) {
      lines.push(line);
    } else {
      throw new Failure("key-format", "a block holds something that is not base64");
    }
  }
  const [rsa, mlkem, ed25519, ...more] = blocks;
  if (lines !== null || !rsa || !mlkem || !ed25519 || more.length > 0) {
    throw new Failure("key-format", "not three blocks");
  }
  return { label, blocks: [rsa, mlkem, ed25519] };
}

/** @param {string} text @returns {import("./identity.mjs").Bundle} */
export function bundleFromPem(text) {
  const { blocks } = readPem(text, ["PUBLIC KEY"]);
  return readBundle(concat(...blocks.map(lp)));
}

/**
 * @param {string} text @param {string | null} passphrase
 * @returns {import("./identity.mjs").Identity}
 */
export function identityFromPem(text, passphrase) {
  const { label, blocks } = readPem(text, ["PRIVATE KEY", "ENCRYPTED PRIVATE KEY"]);
  if (label === "PRIVATE KEY") return readIdentity(...blocks);
  if (passphrase === null) throw new Failure("passphrase", "the file is encrypted");
  const secret = utf8(passphrase.normalize("NFC"));
  const [rsa, mlkem, ed25519] = blocks;
  return readIdentity(decrypt(rsa, secret), decrypt(mlkem, secret), decrypt(ed25519, secret));
}

const PBES2 = "2a864886f70d01050d";
const PBKDF2 = "2a864886f70d01050c";
const SCRYPT = "2b06010401da47040b";
const HMAC_SHA256 = "2a864886f70d0209";
const AES_256_CBC = "60864801650304012a";

/** An EncryptedPrivateKeyInfo. @param {Bytes} der @param {Bytes} passphrase */
function decrypt(der, passphrase) {
  const whole = new Der(der);
  const info = whole.sequence();
  whole.end();
  const algorithm = info.sequence();
  const scheme = algorithm.oid();
  const parameters = algorithm.sequence();
  algorithm.end();
  const ciphertext = info.octets();
  info.end();
  const kdf = parameters.sequence();
  const cipher = parameters.sequence();
  parameters.end();
  const isAes = cipher.oid() === AES_256_CBC;
  const iv = cipher.octets();
  cipher.end();
  if (scheme !== PBES2 || !isAes || iv.length !== 16) {
    throw new Failure("key-format", "an encryption that is not PBES2 with AES-256-CBC");
  }
  if (passphrase.length === 0) throw new Failure("passphrase", "the passphrase is empty");
  const key = deriveKey(kdf, passphrase);
  const decipher = createDecipheriv("aes-256-cbc", key, iv);
  try {
    const plain = concat(decipher.update(ciphertext), decipher.final());
    new Der(plain).sequence().integer();
    return plain;
  } catch (cause) {
    throw new Failure("passphrase", "the passphrase does not open the file", cause);
  }
}

/** @param {Der} kdf @param {Bytes} passphrase */
function deriveKey(kdf, passphrase) {
  const name = kdf.oid();
  const costs = kdf.sequence();
  kdf.end();
  const salt = costs.octets();
  if (salt.length < 8 || salt.length > 64) throw new Failure("key-format", "a salt of odd size");
  if (name === SCRYPT) {
    const [N, r, p] = [costs.integer(), costs.integer(), costs.integer()];
    keyLength(costs);
    costs.end();
    if (N * r * p < 2n ** 17n || 128n * N * r > 2n ** 28n || p > 16n) {
      throw new Failure("key-format", "scrypt with costs out of bounds");
    }
    return scryptSync(passphrase, salt, 32, {
      N: Number(N),
      r: Number(r),
      p: Number(p),
      maxmem: 2 ** 29,
    });
  }
  const iterations = costs.integer();
  keyLength(costs);
  const prf = costs.sequence();
  costs.end();
  const isSha256 = prf.oid() === HMAC_SHA256;
  prf.nothing();
  prf.end();
  if (name !== PBKDF2 || !isSha256 || iterations < 600_000n || iterations > 10_000_000n) {
    throw new Failure("key-format", "a key derivation that is not accepted");
  }
  return pbkdf2Sync(passphrase, salt, Number(iterations), 32, "sha256");
}

/** The length of the key may be given; it must be 32 then. @param {Der} costs */
function keyLength(costs) {
  if (costs.next === 0x02 && costs.integer() !== 32n) {
    throw new Failure("key-format", "a derived key of another size");
  }
}

/** The pinned key of the server. @param {string} folder */
export const loadServer = (folder) =>
  bundleFromPem(readFileSync(join(folder, "server_public.pem"), "utf8"));

/**
 * @param {string} folder @param {string} name @param {string | null} passphrase
 * @returns {import("./identity.mjs").Identity}
 */
export function loadIdentity(folder, name, passphrase) {
  const path = join(folder, `${name}_private.pem`);
  if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0) {
    throw new Failure("key-permissions", "others can use the private key file");
  }
  const identity = identityFromPem(readFileSync(path, "utf8"), passphrase);
  const shown = bundleFromPem(
    readFileSync(join(folder, `${name}_public.pem`), "utf8"),
  );
  if (!equal(identity.bundle.fp, shown.fp)) {
    throw new Failure("key-mismatch", "the public file is not that of the private one");
  }
  return identity;
}
