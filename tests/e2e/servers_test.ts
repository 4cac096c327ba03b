// Several servers, as processes, on one PostgreSQL.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { exitCodeFor } from "../../cli/exit_codes.ts";
import { type ErrorCode, isSealpostError } from "../../crypto/error.ts";
import { loadBundle } from "../../files/key_files.ts";
import type { Event } from "../../protocol/request.ts";
import { makeSchema, schemaVersion } from "../../server/store/postgres/open.ts";
import { withControl } from "../support/control.ts";
import { NO_POSTGRES, sharedCluster } from "../support/postgres.ts";
import { type Outcome, passwordOf, run } from "../support/program.ts";
import { preseal, RawSession } from "../support/raw_session.ts";
import { Several } from "../support/several.ts";
import { testInFullUnless } from "../support/full.ts";
import { testUnless } from "../support/testing.ts";
import { waitFor } from "../support/wait.ts";

function assertDone({ code, stderr }: Outcome): void {
  assertEquals(code, 0, stderr);
}

/** Waits for an event of this kind that `session` has not been asked for before. */
async function told<K extends Event["event"]>(
  session: RawSession,
  event: K,
  seen = 0,
): Promise<Event & { event: K }> {
  return await waitFor(`the event ${event}`, () => {
    const found = session.events.filter((each): each is Event & { event: K } =>
      each.event === event
    );
    return found[seen] ?? null;
  });
}

/** Waits until a session is over. */
async function over(session: RawSession): Promise<void> {
  await waitFor("the end of a session", async () => {
    try {
      await session.link.ask({ op: "whoami" });
      return null;
    } catch {
      return true;
    }
  });
}

async function codeOf(work: () => Promise<unknown>): Promise<ErrorCode | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return isSealpostError(error) ? error.code : "internal";
  }
}

testInFullUnless(
  NO_POSTGRES,
  "a store is made in a database once, with the users of user_pass.json",
  async () => {
    await using several = await Several.make(["alice", "bob"], 1, await sharedCluster());
    const early = await several.run(1, "serve", "--listen", "127.0.0.1:0");
    assertEquals(early.code, exitCodeFor("config"));
    assertMatch(early.stderr, /^sealpost: [^\n]*make it with: sealpost store init\n$/);
    const made = await several.run(1, "store", "init");
    assertDone(made);
    assertStringIncludes(made.stdout, "2 users of user_pass.json");
    const again = await several.run(1, "store", "init");
    assertDone(again);
    assertStringIncludes(again.stdout, "nothing was changed");
    const status = await several.run(1, "store", "status", "--json");
    assertDone(status);
    const { users, accounts, entries, standbys } = JSON.parse(status.stdout);
    assertEquals([users, accounts, entries, standbys], [2, 2, 0, []]);

    // Users are changed there, without a server too; the file is not looked at any more.
    assertDone(await several.run(1, "user", "add", "carol", "--generate"));
    const list = JSON.parse((await several.run(1, "user", "list", "--json")).stdout);
    assertEquals(list.users.map(({ name }: { name: string }) => name), ["alice", "bob", "carol"]);

    // It is checked, backed up and put back there.
    const checked = await several.run(1, "fsck");
    assertDone(checked);
    assertMatch(checked.stdout, /^postgres:[^\n]* 3 accounts, 0 messages[^\n]*\nclean\n$/);
    assertDone(await several.run(1, "backup", "backups", "--keys"));
    const there = await several.run(1, "restore", "backups");
    assertEquals(there.code, exitCodeFor("file-exists"), there.stderr);
    const restored = await several.run(1, "restore", "backups", "--force");
    assertDone(restored);
    assertStringIncludes(restored.stdout, "what was there is in the schema sealpost_before_");
    const after = JSON.parse((await several.run(1, "user", "list", "--json")).stdout);
    assertEquals(after.users.map(({ name }: { name: string }) => name), ["alice", "bob", "carol"]);
    const off = await several.run(1, "fsck", "--store", "off");
    assertEquals(off.code, exitCodeFor("file-missing"), off.stderr);
    const url = `postgres://sealpost:${several.cluster.password}@127.0.0.1/x`;
    const leak = await several.run(1, "serve", "--store", url);
    assertEquals(leak.code, exitCodeFor("usage"));
    assert(!leak.stderr.includes(several.cluster.password));
  },
);

testUnless(
  NO_POSTGRES,
  "a store that never had users is given those of user_pass.json, once they can be read",
  async () => {
    const cluster = await sharedCluster();
    await using several = await Several.make(["alice", "bob"], 1, cluster);
    const path = join(several.dir, "server", "user_pass.json");
    const users = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, "{");
    const damaged = await several.run(1, "store", "init");
    assertEquals(damaged.code, exitCodeFor("config"));
    assertMatch(damaged.stderr, /user_pass\.json:1:/);
    assertEquals(await cluster.within(several.database, schemaVersion), 0);

    // As one leaves it that ended before it took them.
    await cluster.within(several.database, makeSchema);
    await Deno.writeTextFile(path, users);
    const init = async () => {
      const outcome = await several.run(1, "store", "init", "--json");
      assertDone(outcome);
      return JSON.parse(outcome.stdout);
    };
    assertEquals(await init(), { made: false, users: 2 });
    for (const name of ["alice", "bob"]) assertDone(await several.run(1, "user", "remove", name));
    assertEquals(await init(), { made: false, users: 0 });
  },
);

testUnless(NO_POSTGRES, "commands find a store that the environment names", async () => {
  await using several = await Several.make(["alice"], 1, await sharedCluster());
  assertDone(await several.run(1, "store", "init"));
  const server = join(several.dir, "server");
  await Deno.remove(join(server, "sealpost.toml"));
  const cwd = several.dir;
  const env = {
    SEALPOST_STORE: several.cluster.address(several.database),
    SEALPOST_STORE_PASSWORD_FILE: "store.password",
    USER: "root",
  };
  const within = (...args: readonly string[]) => run(args, { cwd, build: withControl(cwd), env });
  await Deno.remove(join(server, "user_pass.json"));
  assertDone(await within("user", "add", "bob", "--generate"));
  const list = JSON.parse((await within("user", "list", "--json")).stdout);
  assertEquals(list.users.map(({ name }: { name: string }) => name), ["alice", "bob"]);
  for (const command of [["fsck"], ["backup", "backups"], ["restore", "backups", "--force"]]) {
    const outcome = await within(...command, "--json");
    assertDone(outcome);
    if (command[0] === "fsck") assertEquals(JSON.parse(outcome.stdout).store, env.SEALPOST_STORE);
  }
});

testUnless(NO_POSTGRES, "what happens at one server reaches the sessions at another", async () => {
  await using several = await Several.make(["alice", "bob"], 2, await sharedCluster());
  assertDone(await several.run(1, "store", "init"));
  const [one, two] = [await several.start(1), await several.start(2)];
  try {
    const [alice, bob] = [await several.person("alice"), await several.person("bob")];
    const { session: atOne, ticket } = await several.logIn(one, alice);
    const { session: atTwo } = await several.logIn(two, alice);
    const { session: bobs } = await several.logIn(two, bob);

    // Mail, and what was done with it.
    await bobs.deliver(await preseal(bob, [alice]));
    const mail = await told(atOne, "mail");
    assertEquals([mail.uid, mail.folder, mail.modseq], [1, "inbox", 1]);
    await atOne.link.ask({ op: "flag", uids: [1], set: ["seen"], clear: [] });
    assertEquals((await told(atTwo, "change")).modseq, 2);

    // Users: one who is added at one server logs in at the other.
    assertDone(await several.run(1, "user", "disable", "bob"));
    await over(bobs);
    assertEquals(await codeOf(() => several.logIn(two, bob)), "login-refused");
    assertDone(await several.run(2, "user", "enable", "bob"));
    const { session: back } = await several.logIn(one, bob);
    // Where a session begins at a server it is told how its mailbox stands: there is what Bob sent.
    assertEquals((await told(back, "change")).modseq, 1);

    // Everything of alice ends, wherever it is, and her tickets, but for the session that says so.
    await atTwo.link.ask({ op: "logout", everywhere: true });
    await over(atOne);
    assert(ticket);
    const bundle = await loadBundle(join(several.dir, "server", "server_public.pem"));
    assertEquals(await RawSession.resume(one.address, bundle, alice, ticket), null);
    await atTwo.link.ask({ op: "whoami" });

    // A server that dies takes nothing with it; a ticket it gave is good at the other.
    const { session: last, ticket: next } = await several.logIn(one, alice);
    await back.deliver(await preseal(bob, [alice]));
    one.program.kill("SIGKILL");
    await one.program.finish();
    await over(last);
    assert(next);
    const resumed = await RawSession.resume(two.address, bundle, alice, next);
    assert(resumed);
    assertEquals((await resumed.link.ask({ op: "whoami" })).entries, 2);
    await resumed.close();
    await atTwo.close();
  } finally {
    await one.stop();
    await two.stop();
  }
});

testInFullUnless(NO_POSTGRES, "each of several servers has a folder of its own", async () => {
  await using several = await Several.make([], 1, await sharedCluster());
  assertDone(await several.run(1, "store", "init"));
  const one = await several.start(1);
  try {
    const { code, stderr } = await several.run(1, "serve", "--listen", "127.0.0.1:0");
    assertEquals(code, exitCodeFor("busy"));
    assertMatch(stderr, /^sealpost: another server runs in [^\n]*\n$/);
  } finally {
    await one.stop();
  }
});

testInFullUnless(
  NO_POSTGRES,
  "a client that knows several addresses goes on at another server, whichever dies",
  async () => {
    await using several = await Several.make(["alice", "bob"], 2, await sharedCluster());
    assertDone(await several.run(1, "store", "init"));
    const servers = [await several.start(1), await several.start(2)];
    try {
      const addresses = servers.map(({ address }) => address);
      const config = `server = ${JSON.stringify(addresses)}\ncache = false\n`;
      const as = (name: string, ...args: readonly string[]) =>
        run(args, {
          cwd: join(several.dir, name),
          env: { SEALPOST_PASSWORD: passwordOf(name) },
          input: "text",
        });
      for (const name of ["alice", "bob"]) {
        await Deno.writeTextFile(join(several.dir, name, "sealpost.toml"), config, { mode: 0o600 });
        assertDone(await as(name, "inbox"));
      }
      const status = await as("alice", "status", "--json");
      assertDone(status);
      assertEquals(JSON.parse(status.stdout).server, addresses.join(", "));
      for (const dying of [0, 1]) {
        servers[dying]?.program.kill("SIGKILL");
        await servers[dying]?.program.finish();
        // As often as it takes for each to have begun with the address of the dead one.
        for (let i = 0; i < 5; i++) {
          assertDone(
            await as("bob", "send", "-t", "alice", "-s", `mail ${dying}${i}`),
          );
        }
        servers[dying] = await several.start(dying + 1);
        const port = servers[dying]?.address ?? "";
        addresses[dying] = port;
        const now = `server = ${JSON.stringify(addresses)}\ncache = false\n`;
        for (const name of ["alice", "bob"]) {
          await Deno.writeTextFile(join(several.dir, name, "sealpost.toml"), now, { mode: 0o600 });
        }
      }
      const list = await as("alice", "inbox", "--json");
      assertDone(list);
      assertEquals(JSON.parse(list.stdout).length, 10);
      await Promise.all(servers.map((server) => server.stop()));
      const away = await as("alice", "inbox", "--json");
      assertMatch(away.stderr, /cannot reach any of 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+;/);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  },
);
