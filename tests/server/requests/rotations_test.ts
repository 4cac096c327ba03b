import { assertEquals } from "@std/assert";
import { rotateKey } from "../../../client/connection/rotate.ts";
import { random, toBase64 } from "../../../crypto/bytes.ts";
import { encodeBundle } from "../../../crypto/identity.ts";
import { identityOf } from "../../support/identities.ts";
import { Serving } from "../../support/serving.ts";

Deno.test("the certificates after a key, each with the key it replaces, are told to all who have an account", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const [bob, alice] = [await serving.session("bob"), await serving.session("alice")];
  const { link, exporter, person: { name, identity } } = alice;
  const ask = async (name: string, since: typeof identity.bundle.fp) => {
    const { links } = await bob.link.ask({ op: "rotations", name, since: toBase64(since) });
    return links.map(({ bundle }) => bundle);
  };
  assertEquals(await ask("alice", identity.bundle.fp), []);
  const next = await identityOf("alice 2");
  await rotateKey(
    { session: link, exporter, name, serverFp: serving.folder.bundle.fp },
    identity,
    next,
  );
  assertEquals(await ask("alice", identity.bundle.fp), [toBase64(encodeBundle(identity.bundle))]);
  assertEquals(await ask("alice", next.bundle.fp), []);
  assertEquals(await ask("alice", random(32)), []);
  assertEquals(await ask("bob", identity.bundle.fp), []);
  assertEquals(await ask("nobody", identity.bundle.fp), []);
});
