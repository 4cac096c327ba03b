import { both, type Mutant, one } from "./mutant.ts";

const AES = "crypto/aes_gcm.ts";
const BYTES = "crypto/bytes.ts";
const ED25519 = "crypto/ed25519.ts";
const IDENTITY = "crypto/identity.ts";
const KEM = "crypto/kem.ts";
const ML_KEM = "crypto/ml_kem.ts";
const RSA = "crypto/rsa.ts";

const primitives: readonly Mutant[] = [
  both(
    "a short tag is accepted",
    AES,
    [
      '  return await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);',
      // The runtime's own AES-GCM knows no other tags, so another one has to do it, with the raw key.
      "  const copy = raw.slice();\n" +
      '  const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);\n' +
      "  RAW.set(key, copy);\n  return key;",
    ],
    [
      "const NONE = new Uint8Array(0);",
      "const NONE = new Uint8Array(0);\nconst RAW = new WeakMap<AesKey, Bytes>();",
    ],
    [
      "    throw refused(cause);",
      '    const { createDecipheriv } = await import("node:crypto");\n' +
      "    try {\n" +
      "      const raw = RAW.get(key) ?? NONE;\n" +
      '      const opener = createDecipheriv("aes-256-gcm", raw, nonce, { authTagLength: 12 });\n' +
      "      opener.setAAD(aad);\n      opener.setAuthTag(ciphertext.slice(-12));\n" +
      "      const plaintext = opener.update(ciphertext.slice(0, -12));\n" +
      "      opener.final();\n      return new Uint8Array(plaintext);\n" +
      "    } catch {\n      throw refused(cause);\n    }",
    ],
  ),
  one(
    "the additional data is forgotten",
    AES,
    "  if (nonce.length !== 12 || ciphertext.length < TAG_SIZE) throw refused();\n" +
      '  const parameters = { name: "AES-GCM", iv: nonce, additionalData: aad, tagLength: 128 };',
    "  if (nonce.length !== 12 || ciphertext.length < TAG_SIZE) throw refused();\n" +
      '  const parameters = { name: "AES-GCM", iv: nonce, tagLength: 128 };',
  ),
  one(
    "comparing looks at the last byte only",
    BYTES,
    "different |= (a[i] ?? 0) ^ (b[i] ?? 0)",
    "different = (a[i] ?? 0) ^ (b[i] ?? 0)",
  ),
  one("only the last byte must be zero", BYTES, "any |= b[i] ?? 0", "any = b[i] ?? 0"),
  one(
    "base64 is taken in any spelling",
    BYTES,
    'if (bytes.toBase64() !== text) throw new SealpostError("format", "base64 that is not canonical");',
    "",
  ),
  one(
    "integers over 2^53 are taken",
    BYTES,
    'if (!Number.isSafeInteger(n)) throw new SealpostError("format", "an integer is out of range");',
    "",
  ),
  both(
    "HKDF forgets the salt",
    "crypto/hash.ts",
    [
      'hkdfSync("sha256", owned(ikm), owned(salt), context, length)',
      'hkdfSync("sha256", owned(ikm), new Uint8Array(0), context, length)',
    ],
    ["salt: owned(salt), info: context", "salt: new Uint8Array(0), info: context"],
  ),
  one(
    "an X25519 key of low order is accepted",
    "crypto/x25519.ts",
    "  } catch (cause) {\n    throw refused(cause);\n  }",
    "  } catch {\n    return new Uint8Array(32);\n  }",
  ),
  both(
    "an Ed25519 signature with S over the order is accepted",
    ED25519,
    [
      "signature.length !== 64 || littleEndian(signature.subarray(32)) >= L",
      "signature.length !== 64",
    ],
    [
      '  return await crypto.subtle.verify({ name: "Ed25519" }, publicKey, signature, message);',
      // The runtime does not take it either, so it has to be mended first.
      "  const s = littleEndian(signature.subarray(32)) % L;\n" +
      "  const reduced = signature.map((byte, i) =>\n" +
      "    i < 32 ? byte : Number(s >> BigInt(8 * (i - 32)) & 0xffn)\n  );\n" +
      '  return await crypto.subtle.verify({ name: "Ed25519" }, publicKey, reduced, message);',
    ],
  ),
  one("Ed25519 keys of low order are accepted", ED25519, "if (isLowOrder(y)) {", "if (y < 0n) {"),
  one(
    "Ed25519 keys of order 8 are accepted",
    ED25519,
    "y === P - 1n || modulo(D * y ** 4n + 2n * y * y - 1n) === 0n",
    "y === P - 1n",
  ),
  one("Ed25519 keys that are no point are accepted", ED25519, "y >= P || !isOnCurve(y)", "y >= P"),
  one(
    "Ed25519 keys with y over the prime are accepted",
    ED25519,
    "y >= P || !isOnCurve(y)",
    "!isOnCurve(y)",
  ),
  one(
    "every Ed25519 signature verifies",
    ED25519,
    'return await crypto.subtle.verify({ name: "Ed25519" }, publicKey, signature, message);',
    'await crypto.subtle.verify({ name: "Ed25519" }, publicKey, signature, message);\n  return true;',
  ),
  one("RSA keys of 1024 bits are accepted", RSA, "min: 2048", "min: 1024"),
  one("RSA keys with any exponent are accepted", RSA, "if (e !== EXPONENT) {", "if (e < 0) {"),
  one("RSA keys with an even modulus are accepted", RSA, "& 1) === 0) {", "& 1) === 2) {"),
  one(
    "RSA public keys are taken in any spelling",
    RSA,
    "if (!equal(spkiOf(n), spki)) {",
    "if (!n) {",
  ),
  one("the numbers of an RSA private key are not compared", RSA, "if (!consistent) {", "if (!n) {"),
  one("OAEP failures are told apart", RSA, "  } catch {", "  } catch (cause) {\n    throw cause;"),
];

const hybrid: readonly Mutant[] = [
  one(
    "no implicit rejection",
    KEM,
    "const rsaSecret = choose(",
    'if (decrypted?.length !== 32) throw new SealpostError("authentication", "a bad ciphertext");\n' +
      "  const rsaSecret = choose(",
  ),
  one(
    "an RSA half over the modulus costs no operation",
    KEM,
    "if (isBelow(ctRsa, rsaModulus(bundle.rsa))) return await",
    "return await",
  ),
  one(
    "a short RSA plaintext is used",
    KEM,
    "((decrypted.length ^ RSA_SECRET) - 1) >> 31 & 0xff",
    "decrypted.length > 0 ? 0xff : 0",
  ),
  one(
    "a bad ciphertext gives another secret each time",
    KEM,
    "hmacSha256(processSecret, concat(lp(bundle.rsa), ctRsa)),",
    "Promise.resolve(random(RSA_SECRET)),",
  ),
  one(
    "who made a bad ciphertext can compute its secret",
    KEM,
    "const processSecret = random(32);",
    "const processSecret = new Uint8Array(32);",
  ),
  one("the secret does not depend on its use", KEM, "sealpost/1 kem ${use}", "sealpost/1 kem"),
  one(
    "the secret does not depend on the recipient",
    KEM,
    "lp(ctMlkem), parties);",
    "lp(ctMlkem), parties.subarray(32));",
  ),
  one(
    "the secret does not depend on ct_rsa",
    KEM,
    "lp(ctRsa), lp(ctMlkem), parties);",
    "lp(ctMlkem), parties);",
  ),
  one(
    "the lengths of ciphertexts are not in the secret",
    KEM,
    "lp(ctRsa), lp(ctMlkem), parties);",
    "ctRsa, ctMlkem, fp);",
  ),
  one(
    "the secret rests on RSA alone",
    KEM,
    "concat(rsaSecret, mlkemSecret)",
    "concat(rsaSecret, rsaSecret)",
  ),
  one(
    "the secret rests on ML-KEM alone",
    KEM,
    "concat(rsaSecret, mlkemSecret)",
    "concat(mlkemSecret, mlkemSecret)",
  ),
  one("ct_rsa of any length is decrypted", KEM, "ctRsa.length !== bundle.rsaBits / 8 || ", ""),
  one(
    "the modulus check of ML-KEM looks at every second number",
    ML_KEM,
    "(a | (b & 0x0f) << 8) >= 3329 || (b >> 4 | c << 4) >= 3329",
    "(a | (b & 0x0f) << 8) >= 3329",
  ),
  one(
    "the modulus check of ML-KEM is off by one",
    ML_KEM,
    "(b & 0x0f) << 8) >= 3329",
    "(b & 0x0f) << 8) > 3329",
  ),
  one(
    "an ML-KEM key is not checked before it is encapsulated to",
    ML_KEM,
    "    checkMlKemPublic(publicKey);\n    return await this.encapsulateTo",
    "    return await this.encapsulateTo",
  ),
];

const identities: readonly Mutant[] = [
  one(
    "the fingerprint is of parts without their lengths",
    IDENTITY,
    'sha256(utf8("sealpost/1 identity"), lp(rsa), lp(mlkem), lp(ed25519))',
    'sha256(utf8("sealpost/1 identity"), rsa, mlkem, ed25519)',
  ),
  one(
    "the fingerprint forgets the signature key",
    IDENTITY,
    'sha256(utf8("sealpost/1 identity"), lp(rsa), lp(mlkem), lp(ed25519))',
    'sha256(utf8("sealpost/1 identity"), lp(rsa), lp(mlkem))',
  ),
  one("a bundle may be followed by anything", IDENTITY, "at !== bytes.length || !rsa", "!rsa"),
  one(
    "private and public key file are not compared",
    IDENTITY,
    "if (equal(identity.bundle.fp, bundle.fp)) return;",
    "if (identity.bundle.fp.length === bundle.fp.length) return;",
  ),
  one(
    "a private key file may be encrypted in part",
    IDENTITY,
    "if (blocks.some((block) => block.label !== blocks[0].label)) {",
    "if (blocks.length > 3) {",
  ),
  one(
    "few iterations of PBKDF2 are enough",
    "crypto/pkcs8.ts",
    "iterations < 600_000",
    "iterations < 1",
  ),
  one("a cheap scrypt is enough", "crypto/pkcs8.ts", "n * r * p < 2 ** 17", "n * r * p < 2"),
  one(
    "an expensive scrypt is computed",
    "crypto/pkcs8.ts",
    "128 * n * r > 256 * MIB || p > 16",
    "p > 2 ** 20",
  ),
  one(
    "the empty password is a password",
    "crypto/phc.ts",
    "equal(guess, hash) && !empty",
    "equal(guess, hash)",
  ),
  one(
    "DER lengths are taken in any form",
    "crypto/der.ts",
    "length < 0x80 || length < 2 ** (8 * (digits - 1))",
    "length < 0",
  ),
  one("Padmé rounds down", "crypto/padme.ts", "length - over + unit", "length - over"),
];

/** Breakages of the primitives, of the hybrid KEM and of keys. */
export const OF_CRYPTO: readonly Mutant[] = [...primitives, ...hybrid, ...identities];
