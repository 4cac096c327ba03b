import { assert, assertEquals } from "@std/assert";
import { quotaWarning, usageText } from "../../../client/mailbox/quota.ts";
import { State } from "../../../client/state/state.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

const alice = await identityOf("alice");

Deno.test("a mailbox that is nearly full is told of once a day, and anew when it fills again", async () => {
  await inFolder(async (dir) => {
    const state = await State.open(dir, "alice", alice);
    const warned = async (bytes: number, hours: number, quota?: number) => {
      const usage = quota === undefined ? { bytes } : { bytes, quota };
      return await quotaWarning(state, usage, 1e12 + hours * 3_600_000) !== null;
    };
    assertEquals(await warned(1e9, 0), false);
    assertEquals(await warned(899, 0, 1000), false);
    assertEquals(await warned(900, 0, 1000), true);
    assertEquals(await warned(1000, 23, 1000), false);
    assertEquals(await warned(1000, 24, 1000), true);
    assertEquals(await warned(100, 25, 1000), false);
    assertEquals(await warned(950, 26, 1000), true);
    assert((await quotaWarning(state, { bytes: 1000, quota: 1000 }, 2e12))?.includes("(100 %)"));
  });
  assertEquals(usageText({ bytes: 0 }), "0 bytes stored");
});
