import { assertEquals } from "@std/assert";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { comparedWords, entropyOf, wordsOf } from "../../crypto/words.ts";
import { kitId, kitKeys, openKit, sealKit } from "../../protocol/kit.ts";
import { answerPost, linkId, LinkRequest, postHash, readPost } from "../../protocol/link.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { type LinksFile, readVectors } from "./files.ts";
import { withDraws } from "./fixed_random.ts";
import { Identities } from "./identities.ts";

const file = await readVectors<LinksFile>("links.json");
const identities = await Identities.load();

const fpOf = async (name: string) => (await identities.get(name)).bundle.fp;

/** The second machine of a link, with the keys that it had. */
async function requestOf({ code, server, device, x2, seed2 }: LinksFile["links"][number]) {
  const fp = await fpOf(server);
  const draws = [fromHex(x2), fromHex(seed2)];
  return await withDraws(draws, () => LinkRequest.make(fromHex(code), fp, device));
}

Deno.test("the vectors of links: words, post, compared words and answer are these, and the answer opens", async () => {
  await forEachCase(file.links, async (one) => {
    const code = fromHex(one.code);
    assertEquals(wordsOf(code).join(" "), one.words);
    assertEquals(toHex(entropyOf(one.words, 12)), one.code);
    assertEquals(toHex(await linkId(code)), one.id);
    const request = await requestOf(one);
    assertEquals(toHex(request.post), one.post);
    assertEquals((await readPost(code, [await fpOf(one.server)], request.post)).device, one.device);
    const compared = comparedWords(await postHash(request.post));
    // The words that these bits stand for, by the words of a code with the same bits at its beginning.
    assertEquals(compared, wordsOf(packed(one.compared)).slice(0, 6));
    const answer = await withDraws(
      [fromHex(one.x1), fromHex(one.m)],
      () => answerPost(code, request.post, fromHex(one.package)),
    );
    assertEquals(toHex(answer), one.answer);
    assertEquals(toHex(await request.open(answer)), one.package);
  });
});

/** 16 bytes that begin with these words' bits. */
function packed(indexes: readonly number[]) {
  const bits = indexes.map((index) => index.toString(2).padStart(11, "0")).join("").padEnd(
    128,
    "0",
  );
  return Uint8Array.from({ length: 16 }, (_, i) => parseInt(bits.slice(8 * i, 8 * i + 8), 2));
}

Deno.test("the vectors of kits: keys and kit are these, and the kit opens", async () => {
  await forEachCase(file.kits, async (one) => {
    const code = fromHex(one.code);
    assertEquals(wordsOf(code).join(" "), one.words);
    const keys = await kitKeys(code);
    assertEquals(
      [toHex(await kitId(code)), toHex(keys.x), toHex(keys.ek), toHex(keys.mac)],
      [one.id, one.x, one.ek, one.mac],
    );
    const head = { name: one.user, counter: one.counter, date: one.date };
    const kit = await withDraws(
      [fromHex(one.xe), fromHex(one.m)],
      () => sealKit(keys, head, fromHex(one.package)),
    );
    assertEquals(toHex(kit), one.kit);
    assertEquals(await openKit(code, kit), {
      ...head,
      id: fromHex(one.id),
      package: fromHex(one.package),
    });
  });
});

Deno.test("the vectors of links: every malformed post, answer and kit is refused", async () => {
  await forEachRefused(file.malformedPosts, async ({ code, server, post }) => {
    await readPost(fromHex(code), [await fpOf(server)], fromHex(post));
  });
  await forEachRefused(file.malformedAnswers, async ({ link, answer }) => {
    const one = file.links.find(({ name }) => name === link);
    if (one) await (await requestOf(one)).open(fromHex(answer));
  });
  await forEachRefused(file.malformedKits, async ({ code, kit }) => {
    await openKit(fromHex(code), fromHex(kit));
  });
});
