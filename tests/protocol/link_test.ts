import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { concat, random, utf8 } from "../../crypto/bytes.ts";
import {
  answerPost,
  isDeviceName,
  linkId,
  LinkRequest,
  newLinkCode,
  postHash,
  readPost,
} from "../../protocol/link.ts";
import { assertRefusedAsync } from "../support/testing.ts";

const FP = random(32);
const PACKAGE = utf8("all that another machine needs");

function flipped(bytes: Uint8Array<ArrayBuffer>, at: number) {
  const other = bytes.slice();
  other[at] = (other[at] ?? 0) ^ 1;
  return other;
}

Deno.test("a link carries a package from one machine to the other", async () => {
  const code = newLinkCode();
  const request = await LinkRequest.make(code.slice(), FP, "laptop");
  const post = await readPost(code, [random(32), FP], request.post);
  assertEquals([post.device, post.id], ["laptop", await linkId(code)]);
  assertEquals(await request.open(await answerPost(code, request.post, PACKAGE)), PACKAGE);
});

Deno.test("a post of other words, of another server, or altered anywhere is noticed", async () => {
  const code = newLinkCode();
  const { post } = await LinkRequest.make(code.slice(), FP, "laptop");
  await assertRefusedAsync("authentication", () => readPost(newLinkCode(), [FP], post));
  await assertRefusedAsync("authentication", () => readPost(code, [random(32)], post));
  await assertRefusedAsync("authentication", () => readPost(code, [], post));
  for (const at of [0, 16, 17, 1236, post.length - 1]) {
    await assertRefusedAsync("authentication", () => readPost(code, [FP], flipped(post, at)));
  }
  await assertRefusedAsync("format", () => readPost(code, [FP], post.slice(1)));
  await assertRefusedAsync("format", () => readPost(code, [FP], concat(post, new Uint8Array(1))));
});

Deno.test("who has the words later, and every packet, opens nothing", async () => {
  const code = newLinkCode();
  const { post } = await LinkRequest.make(code.slice(), FP, "laptop");
  const answer = await answerPost(code, post, PACKAGE);
  // The same words, and everything that was sent: but the keys of the machine are gone.
  const thief = await LinkRequest.make(code.slice(), FP, "laptop");
  await assertRefusedAsync("authentication", () => thief.open(answer));
  assertNotEquals(await postHash(thief.post), await postHash(post), "the six words differ");
});

Deno.test("an answer by somebody without the words, or altered anywhere, is not taken", async () => {
  const code = newLinkCode();
  const request = await LinkRequest.make(code.slice(), FP, "laptop");
  // The server has the post, and not the code.
  const forged = await answerPost(newLinkCode(), request.post, PACKAGE);
  await assertRefusedAsync("authentication", () => request.open(forged));
  const answer = await answerPost(code, request.post, PACKAGE);
  for (const at of [0, 40, 1120, answer.length - 1]) {
    await assertRefusedAsync("authentication", () => request.open(flipped(answer, at)));
  }
  await assertRefusedAsync("format", () => request.open(answer.slice(0, 1000)));
});

Deno.test("a machine is called by a line that can be seen", () => {
  for (const name of ["a", "Büro 2", "x".repeat(100)]) assert(isDeviceName(name), name);
  for (const name of ["", " a", "a ", "a\nb", "a\u202eb", "x".repeat(101), "\ud800"]) {
    assert(!isDeviceName(name), JSON.stringify(name));
  }
});
