import { assert, assertEquals } from "@std/assert";
import { decodeHead } from "../../../protocol/key_log.ts";
import { fromBase64, utf8 } from "../../../crypto/bytes.ts";
import { encodeBundle } from "../../../crypto/identity.ts";
import { parseAddress } from "../../../protocol/address.ts";
import { certifyServer, SERVER_GRACE } from "../../../protocol/rotation.ts";
import { logIn } from "../../../client/connection/login.ts";
import { successorOf } from "../../../client/connection/follow_server.ts";
import {
  formerKey,
  isInGrace,
  keysOf,
  NO_HISTORY,
  type ServerHistory,
} from "../../../server/accounts/server_keys.ts";
import { TimingGrid } from "../../../protocol/timing_grid.ts";
import { testInFull } from "../../support/full.ts";
import { identityOf } from "../../support/identities.ts";
import { RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";
import { assertRefusedAsync } from "../../support/testing.ts";

/** A server that has left the key of `former` for its present one. */
async function left(former: string, time: number): Promise<ServerHistory> {
  const [from, to] = [await identityOf(former), await identityOf("server")];
  const certificate = await certifyServer({ seq: 1, time }, from, to);
  const { bundle } = from;
  return {
    links: [{
      ...{ certificate, bundle: encodeBundle(bundle), left: bundle },
      ...{ fpNew: to.bundle.fp, seq: 1, time },
    }],
    former: [{ identity: from, leftAt: time }],
  };
}

Deno.test("a key that the server has left is answered for 90 days, and one that it never had not", async () => {
  const now = Date.now();
  assert(isInGrace(now - SERVER_GRACE, now));
  assert(!isInGrace(now - SERVER_GRACE - 1, now));
  const identity = await identityOf("alice");
  const timingGrid = await TimingGrid.measure(identity, 1);
  const at = (leftAt: number) => [{ identity, timingGrid, leftAt }];
  assertEquals(formerKey(at(now), identity.bundle.fp)?.identity, identity);
  assertEquals(formerKey(at(now - SERVER_GRACE - 60_000), identity.bundle.fp), null);
  assertEquals(formerKey(at(now), (await identityOf("bob")).bundle.fp), null);
  const { fp } = (await identityOf("server")).bundle;
  assertEquals(keysOf(NO_HISTORY, fp), [{ fp, seq: 0 }]);
  const keys = keysOf(await left("alice", now), fp);
  assertEquals(keys, [{ fp: identity.bundle.fp, seq: 0 }, { fp, seq: 1 }]);
});

testInFull(
  "a login under a former key leads to the present one, and tickets last through it",
  async () => {
    const history = await left("a former server", Date.now());
    const former = await identityOf("a former server");
    const present = (await identityOf("server")).bundle;
    await using serving = await Serving.start(["alice"], {}, {}, history);
    const alice = serving.person("alice");
    const address = parseAddress(serving.address);
    const login = { name: "alice", password: utf8(alice.password), client: "sealpost/test" };
    const under = (former: boolean, key: string) =>
      identityOf(key).then(({ bundle }) =>
        logIn(address, bundle, alice.identity, login, { former })
      );
    await assertRefusedAsync("server-identity", () => under(false, "a former server"));
    await assertRefusedAsync("connection-lost", () => under(true, "a strange server"));
    await assertRefusedAsync("connection-lost", () => under(true, "server"));
    const session = new RawSession(alice, await under(true, "a former server"));
    const move = await successorOf(session.link, former.bundle, []);
    assertEquals([move.to.fp, move.seq], [present.fp, 1]);
    assertEquals(decodeHead(fromBase64(session.head ?? "")).serverFp, present.fp);
    const none = await session.link.ask({ op: "server-keys", since: "A".repeat(43) + "=" });
    assertEquals(none.links, []);
    await session.close();

    // A ticket that the server gave under the key that it has left since is used under that.
    const { ticket } = await serving.logIn("alice");
    assert(ticket);
    const { folder } = serving;
    await serving.server.stop();
    const next = await left("server", Date.now());
    const again = await Serving.of(folder, {}, {
      links: [],
      former: [{ identity: await identityOf("server"), leftAt: next.former[0]?.leftAt ?? 0 }],
    }, await identityOf("a former server"));
    const resumed = await RawSession.resume(again.address, present, alice, ticket);
    assert(resumed);
    await resumed.close();
    await again.server.stop();
  },
);
