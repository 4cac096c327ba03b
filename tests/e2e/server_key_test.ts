// A new key of the server, in processes of their own: who follows it, who refuses it, what a crash leaves.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { equal } from "../../crypto/bytes.ts";
import {
  loadBundle,
  loadIdentity,
  privateKeyPath,
  publicKeyPath,
  saveIdentityFiles,
} from "../../files/key_files.ts";
import { readServerChain, writeServerChain } from "../../files/server_chain.ts";
import { certifyServer } from "../../protocol/rotation.ts";
import { encodeBundle, formatFingerprint, newIdentityFromPem } from "../../crypto/identity.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { CHOICE, SENT } from "../support/group.ts";
import { newIdentityOf } from "../support/identities.ts";
import { ok, refused } from "../support/outcomes.ts";
import { passwordOf, Program, run, UNCONFINED } from "../support/program.ts";
import { stoppable } from "../support/machines.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";
import { waitFor } from "../support/wait.ts";

const NOBODY = () => Promise.resolve(null);
/** 3072 bits take seconds. */
const ROTATE = ["keygen", "server", "--rotate", "--bits", "2048"];

testInFull(
  "clients follow the server to a new key by themselves, one that was away too",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    const { group } = people;
    const as = people.as.bind(people);
    const inServer = (args: readonly string[]) => run(args, { cwd: group.dir });
    const keyOf = (name: string) => loadBundle(publicKeyPath(group.path(name), "server"));
    ok(await as("alice", ["send", "-t", "bob", "-s", "before"], { input: "hello" }));
    refused(await inServer(ROTATE), 75, "stop it first");
    const before = await keyOf("server");
    await group.server.stop();
    const made = ok(await inServer(ROTATE));
    const after = await keyOf("server");
    assert(!equal(before.fp, after.fp));
    assertStringIncludes(made, formatFingerprint(after.fp));
    await group.restart();
    await people.settle("alice");
    // Alice has a ticket that the server gave under its former key.
    const told = await as("alice", ["inbox"]);
    assertEquals(told.code, 0, told.stderr);
    assertStringIncludes(told.stderr, `The server has a new key since `);
    assertStringIncludes(told.stderr, formatFingerprint(after.fp));
    assertEquals((await keyOf("alice")).fp, after.fp);
    assertEquals((await as("alice", ["inbox"])).stderr, "");
    const log = JSON.parse(ok(await as("alice", ["keys", "log", "--json"])));
    assertEquals(
      log.records.filter((one: { event: string }) => one.event === "server-key")
        .map((one: { fingerprint: string; rotations: number }) => [one.fingerprint, one.rotations]),
      [[formatFingerprint(before.fp), 0], [formatFingerprint(after.fp), 1]],
    );

    // Bob was away, without a ticket, while it happened once more.
    ok(await as("bob", ["logout"]));
    await group.server.stop();
    ok(await inServer(ROTATE));
    const last = await keyOf("server");
    await group.restart();
    for (const name of ["alice", "bob"]) await people.settle(name);
    const bob = await as("bob", ["inbox"]);
    assertEquals(bob.code, 0, bob.stderr);
    assertStringIncludes(bob.stdout, "before");
    assertStringIncludes(bob.stderr, formatFingerprint(last.fp));
    assertEquals((await keyOf("bob")).fp, last.fp);
    ok(await as("bob", ["send", "-t", "alice", "-s", "after"], { input: "hello" }));
    // With a login of its own, before anything else has followed.
    ok(await as("alice", ["keys", "rotate", "--yes"]));
    assertEquals((await keyOf("alice")).fp, last.fp);
    const alice = await as("alice", ["inbox"]);
    assertStringIncludes(ok(alice), "after");
    assert(!alice.stderr.includes("TWO HISTORIES"), alice.stderr);
    ok(await inServer(["fsck", "--dir", "server"]));
  },
);

testInFullUnless(
  await whyNoTmux(),
  "a program that is open while the server gets a new key goes on by itself",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    const { group } = people;
    const { address } = group.server;
    ok(await people.as("bob", ["send", "-t", "alice", "-s", "before"], { input: "x" }));
    await using screen = await Screen.start(["connect", "--menu", `alice@${address}`], {
      cwd: group.path("alice"),
      env: { SEALPOST_PASSWORD: passwordOf("alice") },
    });
    await screen.converse([[CHOICE, "2"]]);
    await screen.expect(CHOICE);
    await group.server.stop();
    ok(await run(ROTATE, { cwd: group.dir }));
    await group.restart(["--listen", address]);
    const said = async () => (await screen.text()).includes("The server has a new key since");
    await waitFor("the new key to be told", async () => await said() || null);
    await screen.enter("1");
    await screen.converse([
      ["Enter destinations (separated by ;):", "bob"],
      ["Enter title:", "after"],
      ["(Y/N)", "N"],
      ["(end with a line that is a single .):", "still here\n."],
      [CHOICE, "4"],
    ]);
    await screen.ended();
    assertStringIncludes(await screen.text(), SENT);
    const [pinned, present] = await Promise.all(
      ["alice", "server"].map((name) => loadBundle(publicKeyPath(group.path(name), "server"))),
    );
    assertEquals(pinned?.fp, present?.fp);
  },
);

testInFull("a false successor of the server is refused, in words for everybody", async () => {
  await using people = await Commanding.start(["alice"]);
  const { group } = people;
  const as = people.as.bind(people);
  ok(await as("alice", ["status"]));
  await group.server.stop();
  const dir = group.path("server");
  const pinned = await loadBundle(publicKeyPath(group.path("alice"), "server"));
  const present = await loadIdentity(dir, "server", NOBODY);
  const thief = await newIdentityOf("thief of a server");
  // Whoever has put their own key there, without the former one.
  await saveIdentityFiles(dir, "server", thief, { force: true });
  await group.restart();
  await people.settle("alice");
  const stranger = await as("alice", ["status"]);
  assertEquals(stranger.code, 77, stranger.stderr);
  assertStringIncludes(stranger.stderr, "Ask whoever runs your server whether it has a new key");
  // And one that has it for logins, and a certificate that it has not signed.
  await group.server.stop();
  const { seq, time } = { seq: 1, time: Date.now() };
  const certificate = await certifyServer({ seq, time }, present, thief);
  certificate[certificate.length - 100] = (certificate.at(-100) ?? 0) ^ 1;
  await writeServerChain(dir, [{ certificate, bundle: encodeBundle(present.bundle) }]);
  const inServer = (args: readonly string[]) => run(args, { cwd: group.dir });
  refused(await inServer(["serve", "--listen", "127.0.0.1:0"]), 78, "did not sign the certificate");
  assertEquals((await loadBundle(publicKeyPath(group.path("alice"), "server"))).fp, pinned.fp);
});

testInFull(
  "a new key of the server that its key log has not as its successor is refused",
  async () => {
    await using people = await Commanding.start(["alice"]);
    const { group } = people;
    ok(await people.as("alice", ["status"]));
    const dir = group.path("server");
    const former = await newIdentityFromPem(await Deno.readTextFile(privateKeyPath(dir, "server")));
    await group.server.stop();
    // It was forced at first, and is certified behind the log's back.
    const next = await newIdentityOf("a forced server");
    await saveIdentityFiles(dir, "server", next, { force: true });
    await group.restart();
    await group.server.stop();
    const certificate = await certifyServer({ seq: 1, time: Date.now() }, former, next);
    await writeServerChain(dir, [{ certificate, bundle: encodeBundle(former.bundle) }]);
    await group.restart();
    await people.settle("alice");
    const told = await people.as("alice", ["status"]);
    assertEquals(told.code, 77, told.stderr);
    assertStringIncludes(told.stderr, "call the person who runs your server");
    const pinned = await loadBundle(publicKeyPath(group.path("alice"), "server"));
    assertEquals(pinned.fp, former.bundle.fp);
  },
);

testInFull(
  "a rotation of the server's key that broke off is completed, and has no rival",
  async () => {
    await using people = await Commanding.start(["alice"]);
    const { group } = people;
    const inServer = (args: readonly string[]) => run(args, { cwd: group.dir });
    await group.server.stop();
    const dir = group.path("server");
    const before = await Deno.readTextFile(group.path("server", "server_private.pem"));
    const pem = (name: string) => group.path("server", name);
    ok(await inServer(ROTATE));
    const next = {
      private: await Deno.readTextFile(pem("server_private.pem")),
      public: await Deno.readTextFile(pem("server_public.pem")),
    };
    const old = await Deno.readTextFile(publicKeyPath(group.path("alice"), "server"));
    const putBack = async () => {
      await Deno.writeTextFile(pem("server_private.pem"), before);
      await Deno.writeTextFile(pem("server_public.pem"), old);
    };
    // The old key was put back: there is one successor already.
    await putBack();
    refused(await inServer(ROTATE), 73, "a key has one successor");
    // As a crash leaves it, before the keys took their place.
    await Deno.writeTextFile(pem("server_private.next.pem"), next.private, { mode: 0o600 });
    await Deno.writeTextFile(pem("server_public.next.pem"), next.public);
    await group.restart();
    await people.settle("alice");
    ok(await people.as("alice", ["status"]));
    await group.server.stop();
    ok(await inServer(ROTATE));
    assertEquals(await Deno.readTextFile(pem("server_private.pem")), next.private);
    assertEquals((await readServerChain(dir)).length, 1);
    // And between the one and the other: a start completes it.
    await Deno.writeTextFile(pem("server_private.next.pem"), next.private, { mode: 0o600 });
    await Deno.writeTextFile(pem("server_public.next.pem"), next.public);
    await Deno.writeTextFile(pem("server_public.pem"), old);
    await group.restart();
    await people.settle("alice");
    ok(await people.as("alice", ["status"]));
    assertEquals(await Deno.readTextFile(pem("server_public.pem")), next.public);
  },
);

testInFull(
  "a rotation of the server's key that is killed at any step is completed or begun anew",
  async () => {
    await using people = await Commanding.start(["alice"]);
    const { group } = people;
    const present = () => loadBundle(publicKeyPath(group.path("server"), "server"));
    let killed = 0;
    for (let at = 1;; at++) {
      const before = await present();
      const links = (await readServerChain(group.path("server"))).length;
      await group.server.stop();
      const steps = group.path(`steps-${at}`);
      const program = Program.start(ROTATE, {
        cwd: group.dir,
        build: stoppable(UNCONFINED),
        env: { SEALPOST_STOP_AT: `${steps}:${at}` },
      });
      const ended = program.finish();
      const done = await Promise.race([
        ended.then(() => true),
        waitFor(`step ${at}`, async () => {
          const reached = await Deno.stat(steps).then(({ size }) => size >= at, () => false);
          return reached || null;
        }).then(() => false),
      ]);
      if (!done) {
        program.kill("SIGKILL");
        killed++;
      }
      const { code, stderr } = await ended;
      assertEquals(code, done ? 0 : 137, stderr);
      const again = await run(ROTATE, { cwd: group.dir });
      const now = await present();
      // Where all but the last step was done, there may be nothing left to complete.
      assertEquals(again.code, 0, again.stderr);
      assert(!equal(now.fp, before.fp));
      const after = (await readServerChain(group.path("server"))).length - links;
      assert(after === 1 || after === 2, `${after} certificates at step ${at}`);
      await group.restart();
      await people.settle("alice");
      const told = await people.as("alice", ["inbox"]);
      assertEquals(told.code, 0, told.stderr);
      const pinned = await loadBundle(publicKeyPath(group.path("alice"), "server"));
      assertEquals(formatFingerprint(pinned.fp), formatFingerprint(now.fp));
      ok(await run(["fsck", "--dir", "server"], { cwd: group.dir }));
      if (done) break;
    }
    assert(killed >= 4, `${killed} steps`);
  },
);
