import { assertEquals } from "@std/assert";
import { type Bytes, concat, random } from "../../../crypto/bytes.ts";
import { assertRefusedAsync } from "../../support/testing.ts";
import type { RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";
import { waitFor } from "../../support/wait.ts";

async function get({ link }: RawSession) {
  const { response, data } = await link.stream({ op: "shared-get" });
  const pieces: Bytes[] = [];
  for await (const piece of data) pieces.push(piece);
  return { version: response.version, record: concat(...pieces) };
}

function put({ link }: RawSession, version: number, record: Bytes, size = record.length) {
  const whole = async function* () {
    yield await Promise.resolve(record);
  };
  return link.upload({ op: "shared-put", version, size }, whole());
}

Deno.test("the shared record is put in the place of the one that was seen, and told to other machines", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const [here, there] = [await serving.session("alice"), await serving.session("alice")];
  const bob = await serving.session("bob");
  assertEquals(await get(here), { version: 0, record: new Uint8Array(0) });
  const [one, two] = [random(1000), random(200_000)];
  assertEquals((await put(here, 0, one)).version, 1);
  await waitFor("the other machine is told", () => {
    return there.events.some(({ event }) => event === "shared") || null;
  });
  await assertRefusedAsync("version-conflict", () => put(there, 0, two));
  assertEquals(await get(there), { version: 1, record: one });
  assertEquals((await put(there, 1, two)).version, 2);
  assertEquals(await get(here), { version: 2, record: two });
  await assertRefusedAsync("format", () => put(here, 2, one, 999));
  assertEquals([(await get(here)).version, (await get(bob)).version], [2, 0]);
  await Promise.all([here, there, bob].map((session) => session.close()));
});
