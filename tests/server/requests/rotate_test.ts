import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { rotateKey } from "../../../client/connection/rotate.ts";
import { type Bytes, fromBase64, random, toBase64 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import {
  decodeBundle,
  encodeBundle,
  formatFingerprint,
  type Identity,
} from "../../../crypto/identity.ts";
import { decapsulate } from "../../../crypto/kem.ts";
import { certify, followChain, rotationProof } from "../../../protocol/rotation.ts";
import { checkStore } from "../../../server/maintenance/fsck.ts";
import { identityOf } from "../../support/identities.ts";
import { preseal, RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";
import { waitFor } from "../../support/wait.ts";

/** Rotates the key of the session's owner to `to`. */
async function rotated(serving: Serving, session: RawSession, to: Identity): Promise<void> {
  const { link, exporter, person: { name, identity } } = session;
  await rotateKey(
    { session: link, exporter, name, serverFp: serving.folder.bundle.fp },
    identity,
    to,
  );
}

async function assertCode(code: string, work: () => Promise<unknown>): Promise<SealpostError> {
  const error = await assertRejects(work, SealpostError);
  assertEquals(error.code, code, error.message);
  return error;
}

/** `name` with another key. */
function withKey(serving: Serving, name: string, identity: Identity) {
  return { ...serving.person(name), identity };
}

const [next, third, mallory] = await Promise.all(
  ["alice 2", "alice 3", "mallory"].map((name) => identityOf(name)),
) as [Identity, Identity, Identity];

Deno.test("a key is rotated: the new one is bound, the old one and all its sessions are out", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const alice = serving.person("alice");
  const { session, ticket } = await serving.logIn("alice");
  const other = await serving.session("alice");
  const bob = await serving.session("bob");
  const toOld = await preseal(bob.person, [alice]);
  await bob.deliver(await preseal(bob.person, [alice]));

  await rotated(serving, session, next);
  await waitFor("the ends of the sessions", () => {
    return serving.logged("goodbye").length === 2 ? true : null;
  });
  for (const ended of [session, other]) {
    const error = await assertRejects(() => ended.link.ask({ op: "whoami" }), SealpostError);
    assertMatch(error.message, /your key was replaced by a new one/);
  }
  await assertCode("login-refused", () => serving.session("alice"));
  assert(ticket);
  assertEquals(await serving.resume("alice", ticket), null);

  const person = withKey(serving, "alice", next);
  const { session: now } = await RawSession.logIn(serving.address, serving.folder.bundle, person);
  const me = await now.link.ask({ op: "whoami" });
  assertEquals([me.fp, me.seq, me.entries], [toBase64(next.bundle.fp), 1, 1]);

  // What was sealed to the old key is refused, by name; the chain leads to the new one.
  const error = await assertCode("key-changed", () => bob.deliver(toOld));
  assertEquals("about" in error && error.about, "alice");
  const { keys: [key] } = await bob.link.ask({ op: "keys", names: ["alice"] });
  assert(key?.state === "bound");
  assertEquals([key.bundle, key.seq], [toBase64(encodeBundle(next.bundle)), 1]);
  const { links } = await bob.link.ask({
    op: "rotations",
    name: "alice",
    since: toBase64(alice.identity.bundle.fp),
  });
  const chain = links.map(({ certificate, bundle }) => {
    return { certificate: fromBase64(certificate), bundle: fromBase64(bundle) };
  });
  const whose = { name: "alice", serverFps: [serving.folder.bundle.fp], retired: [] };
  const start = { bundle: alice.identity.bundle, seq: 0 };
  const end = await decodeBundle(fromBase64(key.bundle));
  assertEquals((await followChain(whose, start, chain, end)).now.seq, 1);
  await bob.deliver(await preseal(bob.person, [person]));
  await now.deliver(await preseal(person, [bob.person]));

  // Again, and the chain from the first key has two links, from the second one.
  await rotated(serving, now, third);
  const ask = async (fp: Bytes, name = "alice") => {
    return (await bob.link.ask({ op: "rotations", name, since: toBase64(fp) })).links.length;
  };
  const old = alice.identity.bundle.fp;
  assertEquals([await ask(old), await ask(next.bundle.fp), await ask(third.bundle.fp)], [2, 1, 0]);
  assertEquals([await ask(old, "bob"), await ask(random(32))], [0, 0]);

  const audit = await Deno.readTextFile(join(serving.folder.dir, "audit.log"));
  const records = audit.trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ action }) => action === "key-rotated");
  assertEquals(records.map(({ name, result, seq, via }) => [name, result, seq, via]), [
    ["alice", "done", 1, "session"],
    ["alice", "done", 2, "session"],
  ]);
  assertEquals(records[0].to, formatFingerprint(next.bundle.fp));
  assertEquals(serving.logged("key-rotated").length, 2);
  const report = await checkStore(join(serving.folder.dir, "mail"));
  assertEquals([report.findings, report.damaged], [[], 0]);
});

Deno.test("a new key is taken only with the password, both signatures, the right number and a proof", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const serverFp = serving.folder.bundle.fp;
  const alice = serving.person("alice");
  const { session, ticket } = await serving.logIn("alice");
  assert(ticket);
  await serving.session("bob");
  const from = alice.identity;
  const facts = { name: "alice", serverFp, seq: 1, time: Date.now() };
  const offer = (certificate: Bytes, to = next, by = session) => {
    return by.link.ask({
      op: "rotate-begin",
      bundle: toBase64(encodeBundle(to.bundle)),
      certificate: toBase64(certificate),
    });
  };
  const good = await certify(facts, from, next);

  const resumed = await serving.resume("alice", ticket);
  assert(resumed);
  await assertCode("login-refused", () => offer(good, next, resumed));
  // What was offered in another session is nothing here.
  await offer(good);
  await assertCode("format", () => {
    return resumed.link.ask({ op: "rotate", proof: toBase64(random(32)) });
  });

  const wrong: readonly (readonly [string, Partial<typeof facts>])[] = [
    ["format", { name: "bob" }],
    ["format", { serverFp: random(32) }],
    ["format", { seq: 2 }],
    ["limit", { time: Date.now() - 11 * 60_000 }],
    ["limit", { time: Date.now() + 11 * 60_000 }],
  ];
  for (const [code, more] of wrong) {
    const certificate = await certify({ ...facts, ...more }, from, next);
    await assertCode(code, () => offer(certificate));
  }
  await assertCode("format", async () => offer(await certify(facts, mallory, next)));
  await assertCode("format", async () => offer(await certify(facts, from, next), mallory));
  const unsigned = good.slice();
  unsigned.fill(0, good.length - 64);
  await assertCode("format", () => offer(unsigned));
  await assertCode("format", () => offer(good.slice(1)));
  await assertCode("format", () => {
    return session.link.ask({ op: "rotate-begin", bundle: "AAAA", certificate: toBase64(good) });
  });

  // The proof: of the wrong secret, of another session's, and after an attempt that failed.
  const proven = async (by: RawSession, exporter = by.exporter) => {
    const { ctRsa, ctMlkem } = await offer(good, next, by);
    const secret = await decapsulate(next, "rotate", fromBase64(ctRsa), fromBase64(ctMlkem));
    return toBase64(await rotationProof(secret, good, exporter));
  };
  const try1 = (proof: string) => session.link.ask({ op: "rotate", proof });
  await assertCode("format", () => try1(toBase64(random(32))));
  await proven(session);
  await assertCode("format", () => try1(toBase64(random(32))));
  const other = await serving.session("alice");
  const elsewhere = await proven(session, other.exporter);
  await assertCode("format", () => try1(elsewhere));
  const late = await proven(session);
  await assertCode("format", () => try1(toBase64(random(32))));
  await assertCode("format", () => try1(late));

  // Nobody's key, and none that was left: neither by rotation nor by an operator.
  const bobs = await identityOf("bob");
  const taken = await certify(facts, from, bobs);
  const { ctRsa, ctMlkem } = await offer(taken, bobs);
  const secret = await decapsulate(bobs, "rotate", fromBase64(ctRsa), fromBase64(ctMlkem));
  const proof = toBase64(await rotationProof(secret, taken, session.exporter));
  await assertCode("format", () => try1(proof));
  assertEquals((await other.link.ask({ op: "whoami" })).fp, toBase64(from.bundle.fp));
  assertEquals(serving.logged("key-rotated").length, 0);

  // Two sessions at the same moment: one of them wins.
  const [one, two] = [await proven(session), await proven(other)];
  await session.link.ask({ op: "rotate", proof: one });
  await assertRejects(() => other.link.ask({ op: "rotate", proof: two }), SealpostError);
});

Deno.test("a stolen old key without the password, and the password without the key, change nothing", async () => {
  await using serving = await Serving.start(["alice"]);
  await serving.session("alice");
  const thief = { ...serving.person("alice"), password: "not hers" };
  await assertCode("login-refused", () => {
    return RawSession.logIn(serving.address, serving.folder.bundle, thief);
  });
  await assertCode("login-refused", () => {
    const guesser = withKey(serving, "alice", mallory);
    return RawSession.logIn(serving.address, serving.folder.bundle, guesser);
  });
});

Deno.test("fsck finds a certificate that was altered, and a key that came back", async () => {
  await using serving = await Serving.start(["alice"]);
  await rotated(serving, await serving.session("alice"), next);
  const mail = join(serving.folder.dir, "mail");
  const damage = async (sql: string) => {
    const db = new DatabaseSync(join(mail, "sealpost.db"));
    db.exec(sql);
    db.close();
    const { findings } = await checkStore(mail);
    return findings.filter(({ kind }) => kind === "rotation").map(({ what }) => what);
  };
  assertEquals(await damage("SELECT 1"), []);
  const [number] = await damage("UPDATE rotation SET seq = 2");
  assertMatch(
    number ?? "",
    /the rotation of alice from SHA256:.*its certificate says something else/,
  );
  const old = (await identityOf("alice")).bundle.fp;
  const hex = [...old].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const [back] = await damage(`UPDATE rotation SET seq = 1; UPDATE account SET fp = x'${hex}'`);
  assertMatch(back ?? "", /the key that was left is bound/);
  const [forged] = await damage("UPDATE rotation SET certificate = zeroblob(249)");
  assertMatch(forged ?? "", /a certificate/);
});
