import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type Bytes, random, utf8 } from "../../../crypto/bytes.ts";
import { encodeBundle } from "../../../crypto/identity.ts";
import { hashPassword } from "../../../crypto/phc.ts";
import {
  MAX_SINCE_FULL,
  MAX_TICKETS,
  TICKET_LIFE,
  TicketIssuer,
} from "../../../server/accounts/tickets.ts";
import { formatUserState } from "../../../server/accounts/user_state.ts";
import { FileUsers } from "../../../server/accounts/file_users.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import { identityOf } from "../../support/identities.ts";

const CHEAP = { memory: 8, passes: 1, parallelism: 1 };

/** An issuer over a store in which alice has a key. */
async function scene(
  work: (scene: {
    readonly issuer: TicketIssuer;
    readonly users: FileUsers;
    readonly credential: string;
    /** Issues a ticket of alice; her password was last proven at `fullAt`. */
    readonly issue: (
      credential: string,
      fullAt?: number,
    ) => Promise<{ id: Bytes; expires: number }>;
    readonly exchange: (
      id: Bytes,
      credential: string,
    ) => Promise<{ readonly next: { readonly id: Bytes } | null } | null>;
    readonly unbind: () => Promise<unknown>;
  }) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const credential = await hashPassword(utf8("known"), CHEAP);
  const path = join(dir, "user_pass.json");
  await Deno.writeTextFile(path, JSON.stringify({ alice: credential }), { mode: 0o600 });
  const users = await FileUsers.open(path, { onProblem: () => {} });
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
      exchange: (id, credential) => {
        const { fp } = bundle;
        return issuer.exchange(id, {
          name: "alice",
          fp,
          credential,
          fullAt: Date.now(),
          exporter,
        });
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
  scene(async ({ issuer, issue, exchange, credential }) => {
    const { id, expires } = await issue(credential);
    assert(Math.abs(expires - Date.now() - TICKET_LIFE) < 60_000);
    const found = await issuer.find(id);
    assertEquals([found?.name, found?.credential, found?.psk.length], [
      "alice",
      credential,
      32,
    ]);
    assertEquals(await issuer.find(id, expires), null);
    assertEquals(await issuer.find(random(16)), null);
    const next = await Promise.all([exchange(id, credential), exchange(id, credential)]);
    const got = next.filter((one) => one !== null);
    assertEquals([got.length, await issuer.find(id)], [1, null]);
    assert(await issuer.find(got[0]?.next?.id ?? id), "the next one is there in the same commit");
  }));

Deno.test("a ticket is claimed by one at a time, and an account has no more than a number of them", () =>
  scene(async ({ issuer, issue, credential }) => {
    const { id } = await issue(credential);
    {
      using claim = issuer.claim(id);
      assert(claim);
      assertEquals(issuer.claim(id), null);
      using other = issuer.claim(random(16));
      assert(other);
    }
    using again = issuer.claim(id);
    assert(again);
    for (let i = 0; i < MAX_TICKETS; i++) await issue(credential, Date.now() + 1000 * i);
    assertEquals(await issuer.find(id), null, "the one that ends first went");
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
