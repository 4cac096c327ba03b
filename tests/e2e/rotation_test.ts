import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { logOn } from "../../client/connection/log_on.ts";
import type { Rotated } from "../../client/trust/people.ts";
import { rotateKey } from "../../client/connection/rotate.ts";
import { State } from "../../client/state/state.ts";
import { equal, utf8 } from "../../crypto/bytes.ts";
import {
  bundleToPem,
  forgetPkcs8,
  formatFingerprint,
  identityFromPem,
  identityToPem,
  isEncryptedPem,
  newIdentityFromPem,
  shortFingerprint,
} from "../../crypto/identity.ts";
import { parseAddress } from "../../protocol/address.ts";
import { loadBundle, loadIdentity } from "../../files/key_files.ts";
import { NextKeys } from "../../files/next_keys.ts";
import { testInFull } from "../support/full.ts";
import { sealpost } from "../support/command.ts";
import { makeGroup } from "../support/group_folder.ts";
import { newIdentityOf } from "../support/identities.ts";
import { messageText } from "../support/message_text.ts";
import { ok } from "../support/outcomes.ts";
import { type Outcome, passwordOf, ServerProcess } from "../support/program.ts";
import { openSession, type Session } from "../support/session.ts";

/** A server and three people, each with a sealpost.toml. */
class Place implements AsyncDisposable {
  private constructor(
    readonly dir: string,
    readonly server: ServerProcess,
    readonly remove: () => Promise<void>,
  ) {}

  static async make(...names: string[]): Promise<Place> {
    const { dir, remove } = await makeGroup(names);
    const server = await ServerProcess.start({ cwd: dir });
    for (const name of names) {
      const settings = `server = "${server.address}"\n`;
      await Deno.writeTextFile(join(dir, name, "sealpost.toml"), settings);
    }
    return new Place(dir, server, remove);
  }

  session(name: string): Promise<Session> {
    return openSession(this.dir, name, this.server.address);
  }

  /** Runs a command in somebody's folder, with the permissions of its task. */
  run(name: string, ...args: string[]): Promise<Outcome> {
    return this.runWith({}, name, ...args);
  }

  /** The same, with more in its environment. */
  runWith(env: Record<string, string>, name: string, ...args: string[]): Promise<Outcome> {
    return sealpost(args, {
      cwd: join(this.dir, name),
      env: { SEALPOST_PASSWORD: passwordOf(name), ...env },
    });
  }

  /** The names of the key files of somebody. */
  keys(name: string): string[] {
    return [...Deno.readDirSync(join(this.dir, name))].map((file) => file.name)
      .filter((file) => file.endsWith(".pem") && !file.startsWith("server")).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await this.remove();
  }
}

function mail(to: string, subject: string) {
  return { to: [to], subject, text: `the text of ${subject}`, attachments: [] };
}

/** What can be opened in a folder, newest first: titles, or what is wrong. */
async function titles({ mail }: Session, folder: "inbox" | "sent" = "inbox"): Promise<string[]> {
  await mail.sync();
  const items = await mail.list({ folder, limit: 50 });
  return items.map(({ opened, problem }) => opened?.summary.subject ?? `${problem}`);
}

testInFull(
  "a key is rotated, everybody follows, and nothing that was or waits is lost",
  async () => {
    await using place = await Place.make("alice", "bob", "carol");
    const old = await loadBundle(join(place.dir, "alice", "alice_public.pem"));
    let alice = await place.session("alice");
    let bob = await place.session("bob");
    await (await place.session("carol")).mail.close();
    await alice.mail.send(mail("bob", "first"));
    await alice.mail.send(mail("carol", "unread"));
    await bob.mail.send(mail("alice", "old mail"));
    assertEquals(await titles(alice), ["old mail"]);
    assertEquals(await titles(bob), ["first"]);
    await bob.mail.people.pins.verify("alice", old.fp, "in-person");

    // Both have mail that waits for a connection: sealed for, or by, the key that alice leaves.
    await alice.link.close();
    assertEquals((await alice.mail.send(mail("bob", "hers that waits"))).at, null);
    await alice.mail.close();
    await bob.link.close();
    assertEquals((await bob.mail.send(mail("alice", "his that waits"))).at, null);
    await bob.mail.close();
    const outbox = join(place.dir, "alice", ".sealpost", "alice");
    const kept = [...Deno.readDirSync(join(outbox, "outbox"))].map(({ name }) => name);
    assertEquals(kept.length, 1);
    const [id = ""] = kept.map((name) => name.replace(".sealed", ""));
    const files = [`outbox-${id}`, join("outbox", `${id}.sealed`)].map((file) => {
      return { file, data: Deno.readFileSync(join(outbox, file)) };
    });

    const said = JSON.parse(ok(await place.run("alice", "keys", "rotate", "--yes", "--json")));
    const now = await loadBundle(join(place.dir, "alice", "alice_public.pem"));
    assert(!equal(old.fp, now.fp));
    assertEquals([said.former, said.fingerprint], [old.fp, now.fp].map(formatFingerprint));
    const retired = `alice_private.${shortFingerprint(old.fp)}.pem`;
    assertEquals(place.keys("alice"), [retired, "alice_private.pem", "alice_public.pem"]);
    if (Deno.build.os !== "windows") {
      assertEquals(
        (Deno.statSync(join(place.dir, "alice", "alice_private.pem")).mode ?? 0) & 0o777,
        0o600,
      );
    }
    assertMatch(place.server.program.stderr, /key-rotated/);

    // Bob had verified the old key: his waiting message is sealed anew, and waits for his word.
    bob = await place.session("bob");
    const told: Rotated[] = [];
    bob.mail.people.onRotated = (change) => told.push(change);
    const { sent, refused } = await bob.mail.flushOutbox();
    assertEquals([sent, refused.length], [0, 1]);
    assertStringIncludes(refused[0] ?? "", '"keys trust alice" takes what there is');
    assertEquals((await bob.mail.waiting()).length, 1);
    const word = ["--yes", "--fingerprint", formatFingerprint(now.fp)];
    ok(await place.run("bob", "keys", "trust", "alice", ...word));
    assertEquals(await bob.mail.flushOutbox(), { sent: 1, refused: [] });
    assertEquals(told.map(({ name, from, to, wasVerified }) => [name, from, to, wasVerified]), [
      ["alice", old.fp, now.fp, true],
    ]);
    const pin = bob.mail.people.pins.get("alice");
    assertEquals([pin?.fp, pin?.seq, pin?.verified, pin?.former.length], [now.fp, 1, null, 1]);
    assertEquals(await bob.mail.waiting(), []);
    // What she had sent before is still hers, what waited at her side came before the change.
    assertEquals(await titles(bob), ["hers that waits", "first"]);
    await bob.mail.send(mail("alice", "to the new key"));

    // Alice reads it all: with the old private key, the state, and the pins that she had.
    alice = await place.session("alice");
    assertEquals(alice.mail.people.pins.get("bob")?.seq, 0);
    assertEquals(await titles(alice), ["to the new key", "his that waits", "old mail"]);
    assertEquals(await titles(alice, "sent"), ["hers that waits", "unread", "first"]);
    const items = await alice.mail.list({ folder: "inbox", limit: 50 });
    for (const { opened } of items) {
      assert(opened);
      const text = await messageText(alice.mail, opened);
      assertStringIncludes(text, btoa(`the text of ${opened.summary.subject}`));
      const uuid = [...opened.id].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const [, inner = ""] = /^Message-ID: <([0-9a-f-]+)@/mi.exec(text) ?? [];
      assertEquals(inner.replaceAll("-", ""), uuid, "the message has the id of its header inside");
    }
    await alice.mail.send(mail("bob", "with the new key"));
    assertEquals(await titles(bob), ["with the new key", "hers that waits", "first"]);

    // One that waited under the old key, and was not there when the key changed, goes out as well.
    for (const { file, data } of files) Deno.writeFileSync(join(outbox, file), data);
    assertEquals(await alice.mail.flushOutbox(), { sent: 1, refused: [] });
    assertEquals((await titles(bob)).filter((title) => title === "hers that waits").length, 2);
    await alice.mail.close();

    // Carol never heard of alice, who wrote to her with the old key.
    const carol = await place.session("carol");
    assertEquals(await titles(carol), ["unread"]);
    const known = carol.mail.people.pins.get("alice");
    assertEquals([known?.fp, known?.seq, known?.former[0]?.fp], [now.fp, 1, old.fp]);
    for (const { mail } of [bob, carol]) await mail.close();
  },
);

testInFull(
  "a change of keys that is broken off anywhere is finished or taken back by the next command",
  async (t) => {
    await using place = await Place.make("alice");
    const dir = join(place.dir, "alice");
    const next = [..."private public".split(" ")].map((kind) => `alice_${kind}.next.pem`);
    const present = async () =>
      formatFingerprint((await loadBundle(join(dir, "alice_public.pem"))).fp);
    const status = async () => {
      const outcome = await place.run("alice", "status", "--json");
      return { ...JSON.parse(ok(outcome)), stderr: outcome.stderr };
    };
    await status();
    let made = 0;
    const fresh = () => newIdentityOf(`the next key ${++made} of alice`);
    const first = await present();

    await t.step("before the server was told", async () => {
      (await NextKeys.prepare(dir, "alice", await fresh()))[Symbol.dispose]();
      const { key, stderr } = await status();
      assertEquals([key, await present()], [first, first]);
      assertStringIncludes(stderr, "broken off before the server took it");
      assertEquals(place.keys("alice"), ["alice_private.pem", "alice_public.pem"]);
    });

    await t.step("while another client is at it, nothing is touched", async () => {
      using _keys = await NextKeys.prepare(dir, "alice", await fresh());
      assertEquals((await status()).key, first);
      assertEquals(place.keys("alice").filter((file) => next.includes(file)), next);
      const outcome = await place.run("alice", "keys", "rotate", "--yes");
      assertEquals(outcome.code, 75, outcome.stderr);
      assertStringIncludes(outcome.stderr, "another client of this user is changing the keys");
    });
    ok(await place.run("alice", "status"));

    const taken = await fresh();
    await t.step("after the server had taken it", async () => {
      const identity = await loadIdentity(dir, "alice", () => Promise.resolve(null));
      const state = await State.open(dir, "alice", identity);
      const server = await loadBundle(join(dir, "server_public.pem"));
      const { session: link, exporter } = await logOn({
        address: parseAddress(place.server.address),
        server,
        name: "alice",
        identity,
        state,
        useTicket: false,
        password: () => Promise.resolve(utf8(passwordOf("alice"))),
        newPassword: () => Promise.reject(new Error("none is needed")),
      });
      (await NextKeys.prepare(dir, "alice", taken))[Symbol.dispose]();
      const to = forgetPkcs8(taken);
      await state.handOver(to);
      await rotateKey(
        { session: link, exporter, name: "alice", serverFp: server.fp },
        identity,
        to,
      );
      await link.close();
      const { key, stderr } = await status();
      assertEquals([key, await present()], [formatFingerprint(to.bundle.fp), key]);
      assertStringIncludes(stderr, "is complete now");
    });

    await t.step("with the private key in its place and not the public one", async () => {
      const before = await present();
      // As the last steps leave it: the public key is still the old one.
      const copy = (from: string, to: string) => Deno.copyFileSync(join(dir, from), join(dir, to));
      copy("alice_private.pem", next[0] ?? "");
      copy("alice_public.pem", next[1] ?? "");
      Deno.writeTextFileSync(join(dir, "alice_public.pem"), bundleToPem((await fresh()).bundle));
      const { key } = await status();
      assertEquals([key, await present()], [before, before]);
      assertEquals(place.keys("alice").filter((file) => next.includes(file)), []);
    });

    await t.step("a key with a passphrase: the new one has it too", async () => {
      const path = join(dir, "alice_private.pem");
      const passphrase = utf8("correct horse");
      const open = await newIdentityFromPem(Deno.readTextFileSync(path));
      Deno.writeTextFileSync(path, await identityToPem(open, passphrase));
      const env = { SEALPOST_PASSPHRASE: "correct horse" };
      const before = await present();
      const none = await place.run("alice", "keys", "rotate", "--yes");
      assertEquals(none.code, 64, none.stderr);
      const said = ok(await place.runWith(env, "alice", "keys", "rotate", "--yes"));
      const after = await present();
      assert(before !== after);
      for (const fp of [before, after]) assertStringIncludes(said, fp);
      const pem = Deno.readTextFileSync(path);
      assertEquals(isEncryptedPem(pem), true);
      assertEquals(formatFingerprint((await identityFromPem(pem, passphrase)).bundle.fp), after);
      const { key } = JSON.parse(ok(await place.runWith(env, "alice", "status", "--json")));
      assertEquals(key, after);
    });

    await t.step("a refusal leaves the keys as they were", async () => {
      const env = { SEALPOST_PASSPHRASE: "correct horse", SEALPOST_PASSWORD: "wrong" };
      const before = place.keys("alice");
      const outcome = await place.runWith(env, "alice", "keys", "rotate", "--yes");
      assertEquals(outcome.code, 77, outcome.stderr);
      assertEquals(place.keys("alice"), before);
    });
  },
);
