import { assertEquals } from "@std/assert";
import { fromHex, toHex, utf8 } from "../../crypto/bytes.ts";
import {
  bundleFromPem,
  bundleToPem,
  decodeBundle,
  encodeBundle,
  formatFingerprint,
  identityFromPem,
  identityToPem,
  newIdentityFromPem,
  requirePair,
  shortFingerprint,
} from "../../crypto/identity.ts";
import { assertRefusedAsync } from "../support/testing.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { edited } from "./edits.ts";
import { type BundleEdit, type KeysFile, readVectors } from "./files.ts";
import { Identities } from "./identities.ts";
import { numberOf, rsaPkcs8 } from "./rsa_by_hand.ts";

const keys = await readVectors<KeysFile>("keys.json");
const identities = await Identities.load();

Deno.test("the keys of the vectors: files, bundles and fingerprints are what is written there", async () => {
  await forEachCase(keys.identities, async (vector) => {
    const identity = await newIdentityFromPem(vector.privateFile);
    const { bundle } = identity;
    assertEquals(await identityToPem(identity), vector.privateFile);
    assertEquals(bundleToPem(bundle), vector.publicFile);
    assertEquals(bundle.rsaBits, vector.rsaBits);
    assertEquals(toHex(encodeBundle(bundle)), vector.bundle);
    assertEquals(toHex(bundle.fp), vector.fingerprint);
    assertEquals(formatFingerprint(bundle.fp), vector.shown);
    assertEquals(shortFingerprint(bundle.fp), vector.short);
    assertEquals(toHex(identity.mlkemSeed), vector.mlkemSeed);
    assertEquals(toHex(identity.pkcs8.ed25519.slice(16)), vector.ed25519Seed);
    const primes = { p: numberOf(fromHex(vector.p)), q: numberOf(fromHex(vector.q)) };
    assertEquals(identity.pkcs8.rsa, rsaPkcs8(primes));
    requirePair(identity, await bundleFromPem(vector.publicFile));
    assertEquals((await decodeBundle(fromHex(vector.bundle))).fp, bundle.fp);
  });
});

Deno.test("the keys of the vectors: no two files belong together but those of one name", async () => {
  for (const one of keys.identities) {
    for (const other of keys.identities.filter(({ name }) => name !== one.name)) {
      await assertRefusedAsync("key-mismatch", async () => {
        requirePair(await identities.get(one.name), await bundleFromPem(other.publicFile));
      });
    }
  }
});

Deno.test("the keys of the vectors: encrypted files open with their passphrase", async () => {
  await forEachCase(keys.encryptedFiles, async ({ identity, passphrase, file }) => {
    const opened = await identityFromPem(file, utf8(passphrase.normalize("NFC")));
    assertEquals(opened.bundle.fp, (await identities.get(identity)).bundle.fp);
  });
});

Deno.test("the keys of the vectors: every malformed bundle is refused", async () => {
  await forEachRefused(keys.malformedBundles, async (one) => {
    await decodeBundle(await bundleOf(one));
  });
});

Deno.test("the keys of the vectors: every malformed key file is refused", async () => {
  await forEachRefused(keys.malformedFiles, async ({ kind, file, passphrase }) => {
    const secret = passphrase === null ? undefined : utf8(passphrase.normalize("NFC"));
    await (kind === "public" ? bundleFromPem(file) : identityFromPem(file, secret));
  });
});

async function bundleOf(one: BundleEdit) {
  if ("bundle" in one) return fromHex(one.bundle);
  return edited(encodeBundle((await identities.get(one.identity)).bundle), one.edits);
}
