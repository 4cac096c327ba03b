import { assertEquals } from "@std/assert";
import { random, utf8 } from "../../crypto/bytes.ts";
import { decodeKit, kitId, kitKeys, newKitCode, openKit, sealKit } from "../../protocol/kit.ts";
import { assertRefused, assertRefusedAsync } from "../support/testing.ts";

const HEAD = { name: "alice", counter: 3, date: 1_795_305_600_000 };
const PACKAGE = utf8("all that another machine needs");

Deno.test("a kit opens with its words, and says whose and how old it is", async () => {
  const code = newKitCode();
  const kit = await sealKit(await kitKeys(code), HEAD, PACKAGE);
  const opened = await openKit(code, kit);
  assertEquals(opened, { ...HEAD, id: await kitId(code), package: PACKAGE });
  assertEquals(decodeKit(kit), { ...HEAD, id: await kitId(code) });
});

Deno.test("a machine renews a kit without its words", async () => {
  const code = newKitCode();
  const keys = await kitKeys(code);
  const first = await sealKit(keys, HEAD, PACKAGE);
  const second = await sealKit(keys, { ...HEAD, counter: 4 }, utf8("newer"));
  assertEquals((await openKit(code, first)).counter, 3);
  assertEquals((await openKit(code, second)).package, utf8("newer"));
});

Deno.test("a kit that is another's, made from the public keys alone, or altered is noticed", async () => {
  const code = newKitCode();
  const keys = await kitKeys(code);
  const kit = await sealKit(keys, HEAD, PACKAGE);
  await assertRefusedAsync("authentication", () => openKit(newKitCode(), kit));
  // Whoever has the server knows the id, and may have learnt the public keys; not the key of the mac.
  const planted = await sealKit({ ...keys, mac: random(32) }, HEAD, PACKAGE);
  await assertRefusedAsync("authentication", () => openKit(code, planted));
  for (const at of [0, 21, 30, 40, 80, 1161, kit.length - 33, kit.length - 1]) {
    const altered = kit.slice();
    altered[at] = (altered[at] ?? 0) ^ 1;
    await assertRefusedAsync("authentication", () => openKit(code, altered));
  }
});

Deno.test("what is no kit has no layout of one", () => {
  for (const size of [0, 16, 1000, 1160]) assertRefused("format", () => decodeKit(random(size)));
  const short = new Uint8Array(1300);
  assertRefused("format", () => decodeKit(short));
});
