import { assertEquals, assertNotEquals } from "@std/assert";
import { aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, lp, random, utf8 } from "../../crypto/bytes.ts";
import { hkdf, hmacSha256, sha256 } from "../../crypto/hash.ts";
import { SymmetricState } from "../../protocol/noise.ts";
import { assertRefusedAsync, flip } from "../support/testing.ts";

const NOTHING = new Uint8Array(0);

/** HKDF as the Noise specification writes it (section 4.3), with nothing but HMAC. */
async function noiseHkdf(ck: Bytes, ikm: Bytes, outputs: number): Promise<Bytes[]> {
  const temp = await hmacSha256(ck, ikm);
  const out: Bytes[] = [];
  for (let i = 1; i <= outputs; i++) {
    out.push(await hmacSha256(temp, concat(out.at(-1) ?? NOTHING, new Uint8Array([i]))));
  }
  return out;
}

function only<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new Error(`there is no output ${index}`);
  return value;
}

Deno.test("the transcript hash starts from the protocol's name, hashed if it is long", async () => {
  const prologue = random(20);
  const short = await SymmetricState.start("Noise_short", prologue);
  const padded = new Uint8Array(32);
  padded.set(utf8("Noise_short"));
  assertEquals(short.ck, padded);
  assertEquals(short.h, await sha256(padded, prologue));

  const exact = "x".repeat(32);
  assertEquals((await SymmetricState.start(exact, prologue)).ck, utf8(exact));

  const long = "x".repeat(33);
  const hashed = await sha256(utf8(long));
  const state = await SymmetricState.start(long, prologue);
  assertEquals(state.ck, hashed);
  assertEquals(state.h, await sha256(hashed, prologue));
});

Deno.test("mixing keys and sealing follow the Noise specification step by step", async () => {
  const state = await SymmetricState.start("sealpost test", NOTHING);
  let { h, ck } = state;

  // Without a key, what is encrypted goes out as it is, and into the hash.
  const clear = random(40);
  assertEquals(await state.encryptAndHash(clear), clear);
  h = await sha256(h, clear);
  assertEquals(state.h, h);

  const first = random(32);
  await state.mixKey(first);
  const [ck1, k1] = await noiseHkdf(ck, first, 2);
  if (!ck1 || !k1) throw new Error("two outputs were asked for");
  assertEquals(state.ck, ck1);
  assertEquals(state.h, h);
  for (const [n, text] of ["one", "two", ""].entries()) {
    const nonce = new Uint8Array(12);
    nonce[11] = n;
    const expected = await aesSeal(await importAesKey(k1), nonce, utf8(text), h);
    assertEquals(await state.encryptAndHash(utf8(text)), expected);
    h = await sha256(h, expected);
    assertEquals(state.h, h);
  }

  ck = ck1;
  const second = random(7);
  await state.mixKeyAndHash(second);
  const mixed = await noiseHkdf(ck, second, 3);
  assertEquals(state.ck, only(mixed, 0));
  h = await sha256(h, only(mixed, 1));
  assertEquals(state.h, h);
  const sealed = await aesSeal(
    await importAesKey(only(mixed, 2)),
    new Uint8Array(12),
    utf8("again from nonce zero"),
    h,
  );
  assertEquals(await state.encryptAndHash(utf8("again from nonce zero")), sealed);
  h = await sha256(h, sealed);

  const keys = await state.split();
  const last = await noiseHkdf(only(mixed, 0), NOTHING, 3);
  assertEquals(keys.initiator, only(last, 0));
  assertEquals(keys.responder, only(last, 1));
  const context = utf8("context");
  assertEquals(
    await keys.exporter("label", context),
    await hkdf(only(last, 2), h, concat(utf8("label"), lp(context)), 32),
  );
});

Deno.test("two states that were told the same understand each other; any difference shows", async () => {
  const pair = async () => {
    const a = await SymmetricState.start("sealpost test", utf8("prologue"));
    const b = await SymmetricState.start("sealpost test", utf8("prologue"));
    return [a, b] as const;
  };
  const secret = random(32);
  const [a, b] = await pair();
  await a.mixKey(secret);
  await b.mixKey(secret);
  for (const size of [0, 1, 1000]) {
    const text = random(size);
    const sealed = await a.encryptAndHash(text);
    assertEquals(sealed.length, size + 16);
    assertEquals(await b.decryptAndHash(sealed), text);
    assertEquals(a.h, b.h);
  }

  const [c, d] = await pair();
  await c.mixKey(secret);
  await d.mixKey(secret);
  await d.mixHash(NOTHING);
  const sealed = await c.encryptAndHash(utf8("text"));
  await assertRefusedAsync("authentication", () => d.decryptAndHash(sealed));

  const [e, f] = await pair();
  await e.mixKey(secret);
  await f.mixKey(secret);
  const other = await e.encryptAndHash(utf8("text"));
  await assertRefusedAsync("authentication", () => f.decryptAndHash(flip(other, 0)));
});

Deno.test("the exporter separates labels from contexts", async () => {
  const { exporter } = await (await SymmetricState.start("sealpost test", NOTHING)).split();
  const seen = new Set<string>();
  for (const label of ["a", "ab", "b"]) {
    for (const context of ["", "a", "b", "ab"]) {
      const out = await exporter(label, utf8(context));
      assertEquals(out.length, 32);
      seen.add(out.toString());
    }
  }
  assertEquals(seen.size, 12);
});

Deno.test("a state that was split or erased refuses to work and keeps no key", async () => {
  for (const end of ["split", "erase"] as const) {
    const state = await SymmetricState.start("sealpost test", NOTHING);
    await state.mixKey(random(32));
    const sealed = await state.encryptAndHash(utf8("x"));
    assertNotEquals(state.ck, new Uint8Array(32));
    await state[end]();
    assertEquals(state.ck, new Uint8Array(32));
    const calls = [
      () => state.encryptAndHash(utf8("secret")),
      () => state.decryptAndHash(sealed),
      () => state.mixHash(NOTHING),
      () => state.mixKey(NOTHING),
      () => state.mixKeyAndHash(NOTHING),
      () => state.split(),
    ];
    for (const call of calls) await assertRefusedAsync("internal", call);
  }
});
