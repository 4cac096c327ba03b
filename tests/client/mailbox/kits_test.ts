import { assertEquals, assertStringIncludes } from "@std/assert";
import { type KeptKit, kitNews } from "../../../client/mailbox/kits.ts";
import { State } from "../../../client/state/state.ts";
import { EMPTY_RECORD, type SharedRecord } from "../../../protocol/shared_record.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

const HOUR = 3_600_000;
const ID = "00".repeat(16);

/** What the machines know of a kit that was made `age` milliseconds ago. */
function recordOf(age: number): SharedRecord {
  const value = {
    id: btoa("\0".repeat(16)),
    x: "AA==",
    ek: "AA==",
    mac: "AA==",
    counter: 1,
    date: Date.now() - age,
  };
  const entry = { key: "kit", value, version: 1, machine: "01".repeat(8) };
  return { entries: new Map([["kit", entry]]), machines: new Map() };
}

async function withState(work: (state: State) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    await work(await State.open(dir, "alice", await identityOf("alice")));
  });
}

const NONE: KeptKit = {};
const kept = (fetched?: number): KeptKit => ({
  kit: { id: ID, at: 1, ...fetched === undefined ? {} : { fetched } },
});
const never = () => Promise.reject(new Error("asked"));

Deno.test("that a kit was fetched is told once, and not to whoever has just fetched it", async () => {
  await withState(async (state) => {
    const record = recordOf(HOUR);
    const news = (account: KeptKit) => kitNews(record, account, state, never);
    assertEquals(await news(kept(5)), null, "the first login here");
    assertEquals(await news(kept(5)), null);
    assertStringIncludes(await news(kept(6)) ?? "", "It was fetched");
    assertEquals(await news(kept(6)), null);
    assertEquals(await news(kept()), null, "it was renewed");
    assertStringIncludes(await news(kept(7)) ?? "", "It was fetched");
  });
});

Deno.test("that a kit was fetched is told where there was none at the first login", async () => {
  await withState(async (state) => {
    assertEquals(await kitNews(EMPTY_RECORD, NONE, state, never), null);
    const text = await kitNews(recordOf(HOUR), kept(5), state, never);
    assertStringIncludes(text ?? "", "It was fetched");
  });
});

Deno.test("that a kit has vanished is told once, and not while it is on its way", async () => {
  await withState(async (state) => {
    const news = (age: number, again: KeptKit) =>
      kitNews(recordOf(age), NONE, state, () => Promise.resolve(again));
    assertEquals(await news(1000, NONE), null, "it was made just now");
    assertEquals(await news(HOUR, kept()), null, "the server has it by now");
    assertStringIncludes(await news(HOUR, NONE) ?? "", "does not have your recovery kit any more");
    assertEquals(await news(HOUR, NONE), null);
    assertEquals(await kitNews(recordOf(HOUR), kept(), state, never), null, "it is back");
    assertStringIncludes(await news(HOUR, NONE) ?? "", "does not have your recovery kit any more");
  });
});
