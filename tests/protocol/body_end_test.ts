import { concat, random } from "../../crypto/bytes.ts";
import { CHUNK } from "../../crypto/stream.ts";
import { openBody, paddedBodySize } from "../../protocol/body.ts";
import { assertRefusedAsync } from "../crypto/support.ts";
import { identityOf } from "../support/identities.ts";
import { pieces, sealMessage } from "../support/sealed.ts";

Deno.test("a body that goes on after its last chunk is refused, however the chunks end", async () => {
  const alice = await identityOf("alice");
  // The last chunk is as long as any, so that what follows would be a chunk of its own.
  for (const length of [CHUNK - 72, 2 * CHUNK - 72]) {
    const { header, fileKey, summaryHash, chunks } = await sealMessage(alice, [], random(length));
    const whole = concat(...chunks);
    if (paddedBodySize(length) % CHUNK !== 0) throw new Error("the last chunk is not a whole one");
    const context = { fileKey, header, summaryHash };
    const open = async (...more: Uint8Array<ArrayBuffer>[]) => {
      const nowhere = () => Promise.resolve();
      await openBody(context, alice.bundle, whole.length, pieces(whole, ...more), nowhere);
    };
    await open();
    for (const more of [random(1), random(100), chunks[0] ?? whole, whole]) {
      await assertRefusedAsync("format", () => open(more));
    }
  }
});
