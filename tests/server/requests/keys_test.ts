import { assertEquals } from "@std/assert";
import { toBase64 } from "../../../crypto/bytes.ts";
import { encodeBundle } from "../../../crypto/identity.ts";
import { Serving } from "../../support/serving.ts";

Deno.test("keys are told in the order of the names: bound, none yet, unknown; a removed user's too", async () => {
  await using serving = await Serving.start(["alice", "bob", "carol"]);
  const alice = await serving.session("alice");
  await (await serving.session("bob")).close();
  const key = (name: string) => ({
    name,
    state: "bound" as const,
    bundle: toBase64(encodeBundle(serving.person(name).identity.bundle)),
  });
  const ask = () => alice.link.ask({ op: "keys", names: ["carol", "bob", "nobody", "alice"] });
  const rest = [{ name: "nobody", state: "unknown" as const }, key("alice")];
  assertEquals((await ask()).keys, [{ name: "carol", state: "no-key" }, key("bob"), ...rest]);
  await serving.server.operations.run({
    op: "user-remove",
    by: { pid: 1 },
    name: "bob",
    purge: false,
  });
  // Mail that bob wrote can still be verified.
  assertEquals((await ask()).keys, [{ name: "carol", state: "no-key" }, key("bob"), ...rest]);
  await alice.close();
});
