import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { concat, fromUtf8, toHex, utf8 } from "../../crypto/bytes.ts";
import { DerReader } from "../../crypto/der.ts";
import { bundleToPem, identityFromPem, identityToPem } from "../../crypto/identity.ts";
import { mlKemFromPkcs8 } from "../../crypto/ml_kem.ts";
import { formatPem, parsePem, type PemBlock } from "../../crypto/pem.ts";
import { decryptPkcs8 } from "../../crypto/pkcs8.ts";
import { importEd25519Private } from "../../crypto/ed25519.ts";
import { importRsaPrivate } from "../../crypto/rsa.ts";
import { testInFullUnless } from "../support/full.ts";
import { newIdentityOf } from "../support/identities.ts";
import { assertRefusedAsync, testUnless } from "../support/testing.ts";

const PASSPHRASE = "Pässwort mit ✉";
const ML_KEM_OID = "2.16.840.1.101.3.4.4.2";

/** Runs `openssl` with `input`; its standard output. Throws with what it said if it fails. */
async function openssl(input: string | Uint8Array, ...args: string[]): Promise<Uint8Array> {
  const child = new Deno.Command("openssl", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  try {
    await writer.write(typeof input === "string" ? utf8(input) : input);
    await writer.close();
  } catch (error) {
    // It may end without having read everything; what it said then is the better error.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

/** What `openssl version` prints, like `OpenSSL 3.0.19`, or null and why there is none. */
function findOpenssl(): { version: string | null; reason: string | null } {
  const permission = Deno.permissions.querySync({ name: "run", command: "openssl" });
  if (permission.state !== "granted") return { version: null, reason: "no --allow-run=openssl" };
  try {
    const { stdout } = new Deno.Command("openssl", { args: ["version"] }).outputSync();
    return { version: fromUtf8(stdout), reason: null };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { version: null, reason: "openssl is not installed" };
  }
}

const { version, reason } = findOpenssl();
const [, major = "0", minor = "0"] = /^OpenSSL (\d+)\.(\d+)/.exec(version ?? "") ?? [];
/** From 3.5 on OpenSSL knows ML-KEM. */
const knowsMlKem = Number(major) > 3 || (Number(major) === 3 && Number(minor) >= 5);

const alice = await newIdentityOf("alice");
const publicBlocks = parsePem(bundleToPem(alice.bundle));

function block(blocks: readonly PemBlock[], index: number): PemBlock {
  const found = blocks[index];
  if (found === undefined) throw new Error("no such block");
  return found;
}

/** `openssl pkey` computes the public key of this private block: it is the one of the public file. */
async function assertReads(blocks: readonly PemBlock[], index: number, ...args: string[]) {
  const { label, der } = block(blocks, index);
  const spki = await openssl(
    formatPem(label, der),
    "pkey",
    "-pubout",
    "-outform",
    "DER",
    ...args,
  );
  assertEquals(toHex(spki), toHex(block(publicBlocks, index).der));
}

testUnless(reason, "openssl reads the public RSA and Ed25519 blocks", async () => {
  for (const index of [0, 2]) {
    const { label, der } = block(publicBlocks, index);
    const text = formatPem(label, der);
    assertEquals(fromUtf8(await openssl(text, "pkey", "-pubin")), text);
    await openssl(text, "pkey", "-pubin", "-pubcheck", "-noout");
  }
});

testUnless(reason, "openssl reads the private RSA and Ed25519 blocks of a plain file", async () => {
  const blocks = parsePem(await identityToPem(alice));
  for (const index of [0, 2]) await assertReads(blocks, index);
  const { label, der } = block(blocks, 0);
  await openssl(formatPem(label, der), "pkey", "-check", "-noout");
});

testInFullUnless(
  reason,
  "openssl reads the private RSA and Ed25519 blocks of an encrypted file",
  async () => {
    const blocks = parsePem(await identityToPem(alice, utf8(PASSPHRASE)));
    for (const index of [0, 2]) {
      await assertReads(blocks, index, "-passin", `pass:${PASSPHRASE}`);
      const { label, der } = block(blocks, index);
      let opened = true;
      try {
        await openssl(formatPem(label, der), "pkey", "-passin", "pass:wrong", "-noout");
      } catch {
        opened = false;
      }
      assert(!opened);
    }
  },
);

testUnless(
  reason,
  "openssl finds its object identifier and its seed in the ML-KEM block",
  async () => {
    const own = block(parsePem(await identityToPem(alice)), 1);
    const listing = async (b: PemBlock) =>
      fromUtf8(await openssl(formatPem(b.label, b.der), "asn1parse"));
    for (const text of [await listing(own), await listing(block(publicBlocks, 1))]) {
      // Where it has no name for the identifier it prints the number.
      const name = knowsMlKem
        ? /:ML-KEM-768|:id-alg-ml-kem-768/i
        : /:2\.16\.840\.1\.101\.3\.4\.4\.2$/m;
      assert(name.test(text), text);
    }
    assertStringIncludes(await listing(own), "l=  66 prim: OCTET STRING");
    assertEquals(mlKemFromPkcs8(own.der), alice.mlkemSeed);
  },
);

testUnless(
  reason ?? (knowsMlKem ? null : `this OpenSSL is older than 3.5: ${version?.trim()}`),
  "openssl computes the public key of the ML-KEM block",
  async () => {
    await assertReads(parsePem(await identityToPem(alice)), 1);
    const blocks = parsePem(await identityToPem(alice, utf8(PASSPHRASE)));
    await assertReads(blocks, 1, "-passin", `pass:${PASSPHRASE}`);
  },
);

testUnless(reason, "openssl decrypts the encrypted ML-KEM block step by step", async () => {
  const { der } = block(parsePem(await identityToPem(alice, utf8(PASSPHRASE))), 1);
  const outer = DerReader.sequence(der);
  const algorithm = outer.sequence();
  assertEquals(algorithm.oid(), "1.2.840.113549.1.5.13");
  const parameters = algorithm.sequence();
  const kdf = parameters.sequence();
  assertEquals(kdf.oid(), "1.3.6.1.4.1.11591.4.11");
  const costs = kdf.sequence();
  const salt = toHex(costs.octetString());
  const [n, r, p] = [costs.smallInteger(), costs.smallInteger(), costs.smallInteger()];
  const cipher = parameters.sequence();
  assertEquals(cipher.oid(), "2.16.840.1.101.3.4.1.42");
  const iv = toHex(cipher.octetString());
  const options = [`pass:${PASSPHRASE}`, `hexsalt:${salt}`, `n:${n}`, `r:${r}`, `p:${p}`];
  const key = await openssl(
    "",
    "kdf",
    "-keylen",
    "32",
    "-binary",
    ...options.flatMap((option) => ["-kdfopt", option]),
    "SCRYPT",
  );
  const plain = await openssl(
    outer.octetString(),
    "enc",
    "-d",
    "-aes-256-cbc",
    "-K",
    toHex(key),
    "-iv",
    iv,
  );
  assertEquals(toHex(plain), toHex(alice.pkcs8.mlkem));
  assertStringIncludes(toHex(plain), toHex(alice.mlkemSeed));
  const info = DerReader.sequence(concat(plain));
  info.integer();
  assertEquals(info.sequence().oid(), ML_KEM_OID);
});

testInFullUnless(
  reason,
  "decryptPkcs8() opens what openssl encrypted, with scrypt and PBKDF2",
  async () => {
    const passout = ["-passout", `pass:${PASSPHRASE}`, "-outform", "DER"];
    const pbkdf2 = ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "600000"];
    for (const pkcs8 of [alice.pkcs8.rsa, alice.pkcs8.ed25519]) {
      const text = formatPem("PRIVATE KEY", pkcs8);
      for (const how of [["-scrypt"], ["-scrypt", "-scrypt_p", "4"], pbkdf2]) {
        const der = concat(await openssl(text, "pkcs8", "-topk8", ...how, ...passout));
        assertEquals(await decryptPkcs8(der, utf8(PASSPHRASE)), pkcs8);
      }
    }
  },
);

testUnless(
  reason,
  "decryptPkcs8() refuses what openssl encrypted with too little work",
  async () => {
    const text = formatPem("PRIVATE KEY", alice.pkcs8.ed25519);
    const weak = [
      ["-v2", "aes-256-cbc"],
      ["-v2", "aes-128-cbc", "-iter", "600000"],
      ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1", "-iter", "600000"],
      ["-scrypt", "-scrypt_N", "1024"],
    ];
    for (const how of weak) {
      const args = ["-topk8", ...how, "-passout", "pass:x", "-outform", "DER"];
      const der = concat(await openssl(text, "pkcs8", ...args));
      await assertRefusedAsync("key-format", () => decryptPkcs8(der, utf8("x")));
    }
  },
);

testUnless(reason, "keys that openssl generated are taken", async () => {
  const generate = async (...args: string[]) => {
    const text = fromUtf8(await openssl("", "genpkey", ...args));
    return block(parsePem(text), 0).der;
  };
  const ed25519 = await generate("-algorithm", "ed25519");
  const rsa = await generate("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048");
  for (
    const [pkcs8, { spki }] of [
      [ed25519, await importEd25519Private(ed25519)],
      [rsa, await importRsaPrivate(rsa)],
    ] as const
  ) {
    const toSpki = ["pkey", "-pubout", "-outform", "DER"];
    const theirs = await openssl(formatPem("PRIVATE KEY", pkcs8), ...toSpki);
    assertEquals(toHex(spki), toHex(theirs));
  }
  const blocks = [rsa, alice.pkcs8.mlkem, ed25519].map((der) => formatPem("PRIVATE KEY", der));
  assertEquals((await identityFromPem(blocks.join(""))).bundle.rsaBits, 2048);
});
