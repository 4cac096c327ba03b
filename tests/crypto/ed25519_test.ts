import { assert, assertEquals, assertFalse } from "@std/assert";
import { type Bytes, concat, random, utf8 } from "../../crypto/bytes.ts";
import {
  generateEd25519,
  importEd25519Private,
  importEd25519Public,
  sign,
  verify,
} from "../../crypto/ed25519.ts";
import { assertRefusedAsync, flip, hex } from "../support/testing.ts";

const SPKI_PREFIX = hex("302a300506032b6570032100");
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

const pair = await generateEd25519();
const publicKey = await importEd25519Public(pair.spki);
const { key: privateKey, spki } = await importEd25519Private(pair.pkcs8);
const message = utf8("a message");

Deno.test("importEd25519Private() computes the public key, by RFC 8032's first test", async () => {
  const seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const prefix = hex("302e020100300506032b657004220420");
  const imported = await importEd25519Private(concat(prefix, seed));
  assertEquals(
    imported.spki,
    concat(
      SPKI_PREFIX,
      hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
    ),
  );
  assertEquals(
    await sign(imported.key, new Uint8Array(0)),
    hex(
      `e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
       5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b`,
    ),
  );
});

Deno.test("a generated pair belongs together, and its private key cannot be exported", async () => {
  assertEquals(spki, pair.spki);
  assertFalse(privateKey.extractable);
  assert(await verify(publicKey, await sign(privateKey, message), message));
});

Deno.test("verify() says no to everything but the signature", async () => {
  const signature = await sign(privateKey, message);
  for (let i = 0; i < 64; i++) assertFalse(await verify(publicKey, flip(signature, i), message));
  assertFalse(await verify(publicKey, signature, flip(message, 0)));
  const other = await importEd25519Public((await generateEd25519()).spki);
  assertFalse(await verify(other, signature, message));
  for (const length of [0, 32, 63]) {
    assertFalse(await verify(publicKey, signature.slice(0, length), message));
  }
  assertFalse(await verify(publicKey, concat(signature, new Uint8Array(1)), message));
});

Deno.test("verify() says no when the group order was added to S", async () => {
  const signature = await sign(privateKey, message);
  const s = signature.subarray(32).reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n) + L;
  const malleated = signature.slice();
  for (let i = 0; i < 32; i++) malleated[32 + i] = Number((s >> BigInt(8 * i)) & 0xffn);
  assertFalse(await verify(publicKey, malleated, message));
});

Deno.test("importEd25519Public() refuses every point of low order", async () => {
  const points = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  ];
  for (const point of points) await refuses(hex(point));
});

Deno.test("importEd25519Public() refuses y that is not below the field prime", async () => {
  // 2^255 - 19 + i, which spells i again; for some of these i there is a point.
  for (let i = 0; i < 19; i++) {
    for (const top of [0x7f, 0xff]) {
      const y = new Uint8Array(32).fill(0xff);
      y[0] = 0xed + i;
      y[31] = top;
      await refuses(y);
    }
  }
});

Deno.test("importEd25519Public() refuses half of all y, which are not on the curve", async () => {
  let refused = 0;
  for (let i = 0; i < 64; i++) {
    const y = random(32);
    y[31] = (y[31] ?? 0) & 0x3f;
    try {
      await importEd25519Public(concat(SPKI_PREFIX, y));
    } catch {
      refused++;
    }
  }
  assert(refused >= 8 && refused <= 56, `${refused} of 64`);
  // y = 2 is not on the curve, y = 3 is.
  await refuses(concat(new Uint8Array([2]), new Uint8Array(31)));
  await importEd25519Public(concat(SPKI_PREFIX, new Uint8Array([3]), new Uint8Array(31)));
});

Deno.test("Ed25519 keys in another form are refused", async () => {
  for (let i = 0; i < 12; i++) {
    await assertRefusedAsync("key-format", () => importEd25519Public(flip(spki, i)));
  }
  for (let i = 0; i < 16; i++) {
    await assertRefusedAsync("key-format", () => importEd25519Private(flip(pair.pkcs8, i)));
  }
  for (const cut of [0, 12, 43]) {
    await assertRefusedAsync("key-format", () => importEd25519Public(spki.slice(0, cut)));
  }
  await assertRefusedAsync("key-format", () => importEd25519Public(concat(spki, random(1))));
  await assertRefusedAsync("key-format", () => importEd25519Private(pair.pkcs8.slice(0, 47)));
  await assertRefusedAsync("key-format", () => importEd25519Private(pair.spki));
});

async function refuses(point: Bytes): Promise<void> {
  await assertRefusedAsync("key-format", () => importEd25519Public(concat(SPKI_PREFIX, point)));
}
