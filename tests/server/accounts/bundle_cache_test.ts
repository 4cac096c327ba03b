import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { concat, lp, random } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import {
  decodeBundle,
  encodeBundle,
  generateIdentity,
  importBundle,
} from "../../../crypto/identity.ts";
import { generateEd25519 } from "../../../crypto/ed25519.ts";
import { BundleCache } from "../../../server/accounts/bundle_cache.ts";

const { bundle } = await generateIdentity({ rsaBits: 2048 });
const bytes = encodeBundle(bundle);

Deno.test("a bundle is decoded once, and is the same afterwards", async () => {
  const cache = new BundleCache();
  const first = await cache.decode(bundle.fp, bytes);
  assertEquals(first.fp, bundle.fp);
  assertEquals(encodeBundle(first), bytes);
  assertStrictEquals(await cache.decode(bundle.fp.slice(), bytes.slice()), first);
});

Deno.test("a bundle that is not the fingerprint's own is never given for it", async () => {
  const cache = new BundleCache();
  const other = random(32);
  assertEquals((await cache.decode(other, bytes)).fp, bundle.fp);
  assertEquals(cache.size, 0);
  await assertRejects(
    () => cache.decode(other, concat(bytes, lp(random(1)))),
    SealpostError,
    "not valid",
  );
});

Deno.test("the bundles that were used longest ago make room for others", async () => {
  const cache = new BundleCache();
  const kept = await cache.decode(bundle.fp, bytes);
  const others = [];
  for (let i = 0; i < 300; i++) {
    const { spki } = await generateEd25519();
    const other = await importBundle(bundle.rsa, bundle.mlkem, spki);
    others.push(other);
    await cache.decode(other.fp, encodeBundle(other));
    assertStrictEquals(await cache.decode(bundle.fp, bytes), kept);
  }
  assertEquals(cache.size, 256);
  const [first] = others;
  if (first === undefined) throw new Error("no others");
  const anew = await cache.decode(first.fp, encodeBundle(first));
  assertEquals(anew.fp, (await decodeBundle(encodeBundle(first))).fp);
  assertEquals(cache.size, 256);
});
