import { assertEquals, assertNotEquals } from "@std/assert";
import { type Bytes, fromHex, toHex } from "../../crypto/bytes.ts";
import { decapsulate, encapsulate } from "../../crypto/kem.ts";
import { libraryMlKem, nativeMlKem } from "../../crypto/ml_kem.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { type KemDrawsVector, type KemFile, readVectors } from "./files.ts";
import { withDraws } from "./fixed_random.ts";
import { Identities } from "./identities.ts";
import { inOrder, type KemDraws } from "./kem_by_hand.ts";

const file = await readVectors<KemFile>("kem.json");
const identities = await Identities.load();

/** The context of an encapsulation: the fingerprint of who sends, with the use `stanza`. */
async function contextOf(from: string | undefined): Promise<Bytes> {
  return from === undefined ? new Uint8Array(0) : (await identities.get(from)).bundle.fp;
}

function drawsOf({ kRsa, oaepSeed, m }: KemDrawsVector): KemDraws {
  return { kRsa: fromHex(kRsa), oaepSeed: fromHex(oaepSeed), m: fromHex(m) };
}

Deno.test("the vectors of the KEM: encapsulation gives these ciphertexts and this secret", async () => {
  await forEachCase(file.encapsulations, async (vector) => {
    const { bundle } = await identities.get(vector.to);
    const context = await contextOf(vector.from);
    const made = await withDraws(
      inOrder(drawsOf(vector.draws)),
      () => encapsulate(bundle, vector.use, context),
    );
    assertEquals(toHex(made.ctRsa), vector.ctRsa);
    assertEquals(toHex(made.ctMlkem), vector.ctMlkem);
    assertEquals(toHex(made.secret), vector.secret);
  });
});

Deno.test("the vectors of the KEM: decapsulation gives this secret, by either ML-KEM", async () => {
  await forEachCase(file.encapsulations, async (vector) => {
    const identity = await identities.get(vector.to);
    const ctRsa = fromHex(vector.ctRsa);
    const ctMlkem = fromHex(vector.ctMlkem);
    const context = await contextOf(vector.from);
    const secret = await decapsulate(identity, vector.use, ctRsa, ctMlkem, context);
    assertEquals(toHex(secret), vector.secret);
    for (const provider of [libraryMlKem, nativeMlKem]) {
      if (!provider) continue;
      const secret = await provider.decapsulate(identity.mlkemSeed, ctMlkem);
      assertEquals(toHex(secret), vector.kMlkem);
    }
  });
});

Deno.test("the vectors of the KEM: a bad ciphertext gives another secret and no error", async () => {
  await forEachCase(file.rejected, async ({ by, use, from, ctRsa, ctMlkem, not }) => {
    const identity = await identities.get(by);
    const context = await contextOf(from);
    const secret = () => decapsulate(identity, use, fromHex(ctRsa), fromHex(ctMlkem), context);
    assertNotEquals(toHex(await secret()), not);
    assertEquals(await secret(), await secret());
  });
});

Deno.test("the vectors of the KEM: wrong lengths are refused", async () => {
  await forEachRefused(file.malformed, async ({ by, use, ctRsa, ctMlkem }) => {
    await decapsulate(await identities.get(by), use, fromHex(ctRsa), fromHex(ctMlkem));
  });
});
