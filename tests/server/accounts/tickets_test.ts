import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type Bytes, random, utf8 } from "../../../crypto/bytes.ts";
import { encodeBundle } from "../../../crypto/identity.ts";
import { hashPassword } from "../../../crypto/phc.ts";
import { MAX_SINCE_FULL, TICKET_LIFE, TicketIssuer } from "../../../server/accounts/tickets.ts";
import { formatUserState } from "../../../server/accounts/user_state.ts";
import { Users } from "../../../server/accounts/users.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import { identityOf } from "../../support/identities.ts";

const CHEAP = { memory: 8, passes: 1, parallelism: 1 };

/** An issuer over a store in which alice has a key. */
async function scene(
  work: (scene: {
    readonly issuer: TicketIssuer;
    readonly users: Users;
    readonly credential: string;
    /** Issues a ticket of alice; her password was last proven at `fullAt`. */
    readonly issue: (
      credential: string,
      fullAt?: number,
    ) => Promise<{ id: Bytes; expires: number }>;
    readonly unbind: () => Promise<unknown>;
  }) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const credential = await hashPassword(utf8("known"), CHEAP);
  const path = join(dir, "user_pass.json");
  await Deno.writeTextFile(path, JSON.stringify({ alice: credential }), { mode: 0o600 });
  const users = await Users.open(path, { onProblem: () => {} });
  const store = await openSqliteStore(join(dir, "mail"));
  try {
    const { bundle } = await identityOf("alice");
    await store.ensureAccounts(["alice"]);
    await store.bindKey("alice", bundle.fp, encodeBundle(bundle), 1);
    const issuer = await TicketIssuer.open(store, users, await identityOf("server"));
    const exporter = () => Promise.resolve(random(32));
    await work({
      issuer,
      users,
      credential,
      issue: async (credential, fullAt = Date.now()) => {
        const ticket = await issuer.issue({
          name: "alice",
          fp: bundle.fp,
          credential,
          fullAt,
          exporter,
        });
        assert(ticket);
        return ticket;
      },
      unbind: () => store.unbindKey("alice", { mayReturn: false }),
    });
  } finally {
    users.close();
    await store.close();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a ticket is found with what the session rests on, until it ends, and taken once", () =>
  scene(async ({ issuer, issue, credential }) => {
    const { id, expires } = await issue(credential);
    assert(Math.abs(expires - Date.now() - TICKET_LIFE) < 60_000);
    const found = await issuer.find(id);
    assertEquals([found?.account.name, found?.credential, found?.psk.length], [
      "alice",
      credential,
      32,
    ]);
    assertEquals(await issuer.find(id, expires), null);
    assertEquals(await issuer.find(random(16)), null);
    assertEquals([await issuer.take(id), await issuer.take(id)], [true, false]);
  }));

Deno.test("no ticket outlives seven days since the password was proven", () =>
  scene(async ({ issue, credential }) => {
    const fullAt = Date.now() - MAX_SINCE_FULL + 60_000;
    assertEquals((await issue(credential, fullAt)).expires, fullAt + MAX_SINCE_FULL);
  }));

Deno.test("a ticket of a session that rests on another password is dead from the beginning", () =>
  scene(async ({ issuer, issue, credential }) => {
    const old = await hashPassword(utf8("old"), CHEAP);
    assertEquals(await issuer.find((await issue(old)).id), null);
    assert(await issuer.find((await issue(credential)).id));
  }));

Deno.test("a ticket is dead when its user is disabled or gone, has another password or another key", () =>
  scene(async ({ issuer, users, issue, credential, unbind }) => {
    const { id } = await issue(credential);
    const set = (value: string | null) => users.change(() => new Map([["alice", value]]));
    const disabled = formatUserState({ phc: credential, disabled: true, expires: null });
    await set(disabled);
    assertEquals(await issuer.find(id), null);
    // Not even one that was issued on the mark itself.
    assertEquals(await issuer.find((await issue(disabled)).id), null);
    await set(await hashPassword(utf8("another"), CHEAP));
    assertEquals(await issuer.find(id), null);
    await set(null);
    assertEquals(await issuer.find(id), null);
    await set(credential);
    assert(await issuer.find(id));
    await unbind();
    assertEquals(await issuer.find(id), null);
  }));
