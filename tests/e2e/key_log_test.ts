// The key log, in processes of their own: a restore, and an operator who shows two histories.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatFingerprint } from "../../crypto/identity.ts";
import { loadBundle } from "../../files/key_files.ts";
import { testInFull } from "../support/full.ts";
import { Commanding } from "../support/commanding.ts";
import { copyFolder } from "../support/filled_store.ts";
import { identityOf } from "../support/identities.ts";
import { ok, refused } from "../support/outcomes.ts";
import { FROM_SOURCE, passwordOf, run, ServerProcess } from "../support/program.ts";
import { RawSession } from "../support/raw_session.ts";

testInFull(
  "an operator who shows another history is found, and the proof holds on any machine",
  async () => {
    await using people = await Commanding.start(["alice", "bob"], { others: ["carol"] });
    const { group } = people;
    const as = people.as.bind(people);
    ok(await as("alice", ["send", "-t", "bob", "-s", "x"], { input: "x" }));
    const log = JSON.parse(ok(await as("alice", ["keys", "log", "--json"])));
    assertEquals(
      log.records.map(({ event, name }: { event: string; name: string }) => [event, name]).sort(),
      [["bound", "alice"], ["bound", "bob"], ["server-key", null]],
    );
    assertEquals([log.count, log.fork, log.held], [3, null, []]);
    assertMatch(
      ok(await as("alice", ["keys", "log", "bob"])),
      /^Number .*\n *\d +.* bob +bound +SHA256:/,
    );
    refused(await as("alice", ["keys", "log", "--proof", "proof.txt"]), 66, "no proof");

    // The same key and the same users, and from here on another history: carol has two keys.
    await Deno.mkdir(group.path("double"));
    await group.server.stop();
    await copyFolder(group.path("server"), group.path("double", "server"));
    await group.restart();
    await using double = await Double.start(group.path("double"));
    const server = await loadBundle(group.path("alice", "server_public.pem"));
    for (const [address, key] of [[group.server.address, "carol"], [double.address, "mallory"]]) {
      assert(address && key);
      const person = {
        name: "carol",
        identity: await identityOf(key),
        password: passwordOf("carol"),
      };
      const { session } = await RawSession.logIn(address, server, person);
      await session.close();
    }
    await people.settle("alice");
    assertEquals((await as("alice", ["send", "-t", "carol", "-s", "x"], { input: "x" })).code, 0);
    await Deno.writeTextFile(
      group.path("alice", "sealpost.toml"),
      `server = "${double.address}"\n`,
    );
    const told = await as("alice", ["status"]);
    assertEquals(told.code, 0, told.stderr);
    assertStringIncludes(told.stderr, "THE SERVER HAS TWO HISTORIES OF EVERYBODY'S KEYS");
    assertEquals((await as("alice", ["status"])).stderr.includes("TWO HISTORIES"), false);
    const shown = ok(await as("alice", ["keys", "log"]));
    assertStringIncludes(shown, "TWO HISTORIES since ");
    assertMatch(shown, /Mail waits for: bob, carol\./);

    // Whom nobody has made sure of waits; the person decides.
    const waits = await as("alice", ["send", "-t", "bob", "-s", "held"], { input: "x" });
    assertEquals(waits.code, 75, waits.stderr);
    assertStringIncludes(waits.stderr, "two histories");
    ok(await as("alice", ["keys", "log", "--proof", "proof.txt"]));
    refused(await as("alice", ["keys", "log", "--proof", "proof.txt"]), 73, "proof.txt");
    await Deno.mkdir(group.path("empty"));
    const check = async (text: string) => {
      await Deno.writeTextFile(group.path("empty", "it.txt"), text);
      return await run(["keys", "log", "--check", "it.txt"], { cwd: group.path("empty") });
    };
    const proof = await Deno.readTextFile(group.path("alice", "proof.txt"));
    const proven = ok(await check(`Look at this:\n\n${proof.replaceAll(/^/gm, "> ")}`));
    assertStringIncludes(proven, "has signed two histories");
    assertStringIncludes(proven, formatFingerprint(server.fp));
    refused(await check(proof.replace(/A/, "B")), 65, "proof");
    assertEquals([...Deno.readDirSync(group.path("empty"))].map(({ name }) => name), ["it.txt"]);

    refused(await as("alice", ["keys", "log", "--accept"]), 64, "--yes");
    ok(await as("alice", ["keys", "log", "--accept", "--yes"]));
    const after = JSON.parse(ok(await as("alice", ["keys", "log", "--json"])));
    assertEquals([after.fork, after.held], [null, []]);
    assertEquals((await as("alice", ["outbox"])).code, 0);
  },
);

/** The server of `dir`, which is stopped at the end. */
class Double implements AsyncDisposable {
  private constructor(readonly process: ServerProcess) {}

  static async start(dir: string): Promise<Double> {
    return new Double(await ServerProcess.start({ cwd: dir, build: FROM_SOURCE }));
  }

  get address(): string {
    return this.process.address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop();
  }
}

testInFull(
  "a restore is told once, and holds mail to those alone whose key it has lost",
  async () => {
    await using people = await Commanding.start(["alice", "bob"], { others: ["carol"] });
    const { group } = people;
    const as = people.as.bind(people);
    const inServer = (args: readonly string[]) => run(args, { cwd: group.dir });
    ok(await as("alice", ["send", "-t", "bob", "-s", "x"], { input: "x" }));
    ok(await as("bob", ["status"]));
    ok(await inServer(["backup", "backups", "--dir", "server"]));
    const server = await loadBundle(group.path("alice", "server_public.pem"));
    const carol = {
      name: "carol",
      identity: await identityOf("carol"),
      password: passwordOf("carol"),
    };
    await (await RawSession.logIn(group.server.address, server, carol)).session.close();
    ok(await as("alice", ["send", "-t", "carol", "-s", "x"], { input: "x" }));
    await group.server.stop();
    ok(await inServer(["restore", "backups", "--dir", "server", "--force"]));
    await group.restart();
    for (const name of ["alice", "bob"]) await people.settle(name);
    // Who had not seen carol's key learns that there was a restore, and no more.
    const bob = await as("bob", ["status"]);
    assertMatch(bob.stderr, /restored from a backup .* No change of a key/);
    const alice = await as("alice", ["status"]);
    assertMatch(alice.stderr, /restored from a backup .* newest keys of carol:/);
    assert(!(await as("alice", ["status"])).stderr.includes("restored"));
    ok(await as("alice", ["send", "-t", "bob", "-s", "still goes"], { input: "x" }));
    // She connects, and her key is the one it was.
    await (await RawSession.logIn(group.server.address, server, carol)).session.close();
    ok(await as("alice", ["send", "-t", "carol", "-s", "goes again"], { input: "x" }));
    ok(await inServer(["fsck", "--dir", "server"]));
  },
);
