import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { State } from "../../client/state/state.ts";
import { fromBase64, lp, toBase64 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { encodeBundle } from "../../crypto/identity.ts";
import { formatForkProof, parseForkProof, requireFork } from "../../protocol/fork_proof.ts";
import { encodeLogRecord, type KeyLog, MAX_LOG, signHead } from "../../protocol/key_log.ts";
import { identityOf } from "../support/identities.ts";
import { assertRefusedAsync } from "../support/testing.ts";
import { type Client, DishonestServer, logOnTo } from "./dishonest_server.ts";
import { inbox, inWorld, letter } from "./world.ts";

const TWO_HISTORIES = "THE SERVER HAS TWO HISTORIES";
const to = (name: string) => ({ to: [name], subject: "to", text: "hello", attachments: [] });
const now = () => Math.floor(Date.now() / 1000);

/** The server's log with something else in the place of what came after its first `n` records. */
async function otherHistory(server: DishonestServer, n: number): Promise<KeyLog> {
  await server.head();
  const { fp } = (await identityOf("mallory")).bundle;
  const start = server.log.until(n);
  const record = { event: "bound" as const, name: "erin", fp, seq: 0 };
  return start.extend([{ ...record, index: n + 1, time: Date.now() }]);
}

/** A signed head of more records than any log that is followed has. */
async function headOfMany({ identity, log }: DishonestServer): Promise<string> {
  const state = { generation: log.generation, n: MAX_LOG + 1, hash: new Uint8Array(32) };
  return toBase64(await signHead(state, Date.now(), identity));
}

/** Asserts that `client` was told of two histories once, and holds a proof that others can check. */
async function assertFork({ notices, mail }: Client, how: RegExp): Promise<void> {
  const told = notices.filter((line) => line.includes(TWO_HISTORIES));
  assertEquals(told.length, 1, notices.join("\n"));
  assert(how.test(told[0] ?? ""), told[0]);
  const proof = await mail.log.proof();
  assert(proof);
  await requireFork(await parseForkProof(`> it says\n${formatForkProof(proof)}\nbye`));
}

Deno.test("a key that is not the newest in the server's own log is refused, and nothing is sent", async () => {
  await inWorld(async ({ server, logOn }) => {
    const client = await logOn();
    await server.head();
    const mallory = (await identityOf("mallory")).bundle;
    const { answer } = server.lies;
    // Handed out, and not put into the log.
    server.lies = {
      answer: async (request, talk) => {
        if (request.op !== "keys") return await answer?.(request, talk) ?? false;
        const head = await server.headOf(server.log);
        const bundle = toBase64(encodeBundle(mallory));
        const keys = request.names.map((name) => ({ name, state: "bound", bundle }));
        await talk.respond({ ok: true, keys, head });
        return true;
      },
    };
    await assertRefusedAsync("protocol", () => client.mail.send(to("carol")));
    assertEquals(server.delivered, []);
    assertEquals(client.mail.people.pins.get("carol"), null);
    // Nor is a binding hidden.
    server.lies = {
      answer: async (request, talk) => {
        if (request.op !== "keys") return false;
        const keys = request.names.map((name) => ({ name, state: "no-key" }));
        await talk.respond({ ok: true, keys, head: await server.headOf(server.log) });
        return true;
      },
    };
    await assertRefusedAsync("protocol", () => client.mail.send(to("carol")));
    server.lies = {};
    assert((await client.mail.send(to("carol"))).at);
  });
});

Deno.test("an old key with the log of its time is refused, and a login with an old log is noticed", async () => {
  await inWorld(async ({ server, logOn }) => {
    await server.head();
    const old = server.log;
    const mallory = (await identityOf("mallory")).bundle;
    const before = server.keys.get("carol");
    assert(before);
    server.record({ event: "rotated", name: "carol", fp: mallory.fp, seq: 1 });
    server.keys.delete("carol");
    const client = await logOn();
    server.lies = {
      answer: async (request, talk) => {
        if (request.op !== "keys") return false;
        const keys = [{ name: "carol", state: "bound", bundle: toBase64(encodeBundle(before)) }];
        await talk.respond({ ok: true, keys, head: await server.headOf(old) });
        return true;
      },
    };
    await assertRejects(() => client.mail.send(to("carol")), SealpostError, "an older key log");
    assertEquals(client.mail.people.pins.get("carol"), null);
    await client.link.close();
    // A head of then, signed then.
    const then = await server.headOf(old, Date.now() - 1000);
    server.lies = {
      head: () => Promise.resolve(then),
      answer: async (request, talk) => {
        if (request.op !== "log") return false;
        const records = old.records.slice(request.after).map((one) => lp(encodeLogRecord(one)));
        await talk.answer({ ok: true, first: old.first, head: then }, ...records);
        return true;
      },
    };
    const { notices } = await logOn();
    assertStringIncludes(notices.join(), TWO_HISTORIES);
  });
});

Deno.test("a login without a head, and heads that the server did not sign, end it", async () => {
  await inWorld(async ({ server, logOn }) => {
    await logOn();
    const never = Promise.withResolvers<string>();
    server.lies = { head: () => never.promise };
    await assertRefusedAsync("timeout", () => logOn({ patience: 100 }));
    never.resolve(await server.head());
    const honest = await server.head();
    const changed = fromBase64(honest);
    changed[100] = (changed[100] ?? 0) ^ 1;
    server.lies = { head: () => Promise.resolve(toBase64(changed)) };
    await assertRejects(() => logOn(), SealpostError, "did not sign");
    server.lies = {
      answer: async (request, talk) => {
        if (request.op !== "log") return false;
        await talk.answer({ ok: true, first: server.log.first, head: await server.head() });
        return true;
      },
    };
    server.record({ event: "bound", name: "dave", fp: new Uint8Array(32), seq: 0 });
    await assertRejects(() => logOn(), SealpostError, "not the one that it has signed");
  });
});

Deno.test("a message of somebody who was shown another history proves it, and only doubtful mail waits", async () => {
  await inWorld(async ({ server, logOn }) => {
    const client = await logOn();
    await client.mail.send(to("alice"));
    const other = await otherHistory(server, 1);
    server.put(await letter("from alice", { head: await server.headOf(other) }));
    const [item] = await inbox(client);
    assert(item?.opened);
    await assertFork(client, /alice/);
    // Known since before this, but nobody has shown that others see the same.
    const { waits } = await client.mail.send(to("alice"));
    assertStringIncludes(waits?.message ?? "", "two histories");
    const pin = client.mail.people.pins.get("alice");
    assert(pin);
    await client.mail.people.pins.verify("alice", pin.fp, "in-person");
    assert((await client.mail.send(to("alice"))).at);
    // Pinned after it: in doubt, until it is allowed by name.
    assertEquals((await client.mail.send(to("carol"))).at, null);
    const carol = client.mail.people.pins.get("carol");
    assert(carol);
    await client.mail.log.allow("carol", carol.fp);
    assert((await client.mail.send(to("carol"))).at);
    // It is told once, and another run of the client still knows.
    const again = await logOn();
    await inbox(again);
    assertEquals(again.notices, []);
    assert(again.mail.log.kept?.fork);
    await again.mail.log.accept();
    assertEquals(again.mail.log.kept?.fork, null);
  });
});

Deno.test("a pin that others were shown too goes on after a fork", async () => {
  await inWorld(async ({ server, logOn }) => {
    const client = await logOn();
    await client.mail.send(to("alice"));
    server.put(await letter("all is well", { head: await server.head() }));
    await inbox(client);
    assertEquals(client.notices, []);
    assertEquals(client.mail.log.kept?.fitted, server.log.n);
    const other = await otherHistory(server, 1);
    server.put(await letter("another", { head: await server.headOf(other) }));
    await inbox(client);
    await assertFork(client, /alice/);
    assert((await client.mail.send(to("alice"))).at);
  });
});

Deno.test("a log that goes back, or is rewritten, is noticed at the next login", async () => {
  await inWorld(async ({ server, logOn }) => {
    await (await logOn()).link.close();
    const whole = server.log;
    server.keys.clear();
    server.log = whole.until(1);
    const back = await logOn();
    await assertFork(back, /taken back/);
  });
  await inWorld(async ({ server, logOn }) => {
    await (await logOn()).link.close();
    const other = await otherHistory(server, 1);
    server.keys.clear();
    server.log = other.extend(
      server.log.records.slice(2).map((record) => {
        return { ...record, time: Date.now() };
      }),
    );
    await assertFork(await logOn(), /taken back/);
  });
});

Deno.test("a full disk, or an end in the middle, takes no alarm away", async () => {
  await inWorld(async ({ server, logOn }) => {
    await (await logOn()).link.close();
    const other = await otherHistory(server, 1);
    server.keys.clear();
    const again = other.records[1];
    assert(again);
    server.log = other.extend([{ ...again, index: 3, time: Date.now() }]);
    const { write } = State.prototype;
    const written: string[] = [];
    State.prototype.write = async function (file, data) {
      written.push(file);
      if (file === "key-log-proof") throw new SealpostError("disk-full", "no room");
      await write.call(this, file, data);
    };
    try {
      const client = await logOn();
      assertEquals(client.notices.filter((line) => line.includes(TWO_HISTORIES)).length, 1);
      assert(client.mail.log.kept?.fork);
    } finally {
      State.prototype.write = write;
    }
    const ofLog = written.filter((file) => file.startsWith("key-log"));
    // What was found, before the log that it was found by is replaced.
    assertEquals(ofLog.slice(0, 3), ["key-log-proof", "key-log", "key-log"]);
    assert((await logOn()).mail.log.kept?.fork);
  });
});

Deno.test("what another program of the same user allows, accepts or finds counts here at once", async () => {
  await inWorld(async ({ server, logOn }) => {
    const client = await logOn();
    await client.mail.send(to("alice"));
    const other = await logOn();
    const rewritten = await otherHistory(server, 1);
    server.put(await letter("from alice", { head: await server.headOf(rewritten) }));
    await inbox(other);
    await assertFork(other, /alice/);
    assertStringIncludes(
      (await client.mail.send(to("alice"))).waits?.message ?? "",
      "two histories",
    );
    const pin = other.mail.people.pins.get("alice");
    assert(pin);
    await other.mail.log.allow("alice", pin.fp);
    assert((await client.mail.send(to("alice"))).at);
  });
});

Deno.test("a log of more records than are followed is refused, and mail opens all the same", async () => {
  await inWorld(async ({ server, logOn }) => {
    await (await logOn()).link.close();
    await server.head();
    server.lies = { head: async () => await headOfMany(server) };
    await assertRejects(() => logOn(), SealpostError, "200000 are followed");
    server.lies = {};
    await logOn();
  });
});

Deno.test("another log under another key of the server is told of, without a proof", async () => {
  await inWorld(async ({ server, dir, logOn }) => {
    await (await logOn()).link.close();
    const other = await otherHistory(server, 1);
    await using next = await DishonestServer.start(await identityOf("another server"));
    next.log = other.extend(
      server.log.records.slice(2).map((record) => ({ ...record, time: Date.now() })),
    );
    const client = await logOnTo(next, dir, "bob");
    assertStringIncludes(client.notices.join(), "another key than before");
    assertEquals(await client.mail.log.proof(), null);
    await client[Symbol.asyncDispose]();
  });
});

Deno.test("the server's newest key in its log is the one it goes on with, and no former one signs", async () => {
  await inWorld(async ({ server, logOn }) => {
    const { fp } = server.identity.bundle;
    server.record({ event: "server-key", name: "", fp: new Uint8Array(32), seq: 0 });
    server.record({ event: "server-key", name: "", fp, seq: 1 });
    const { mail, link } = await logOn();
    mail.log.requireServerKey(1);
    assertThrows(() => mail.log.requireServerKey(2), SealpostError, "another key");
    const former = fromBase64(await server.head());
    mail.log.serverMoved((await identityOf("another server")).bundle);
    assertThrows(() => mail.log.requireServerKey(1), SealpostError, "another key");
    assertEquals(mail.log.serverFps.length, 2);
    await assertRefusedAsync("protocol", () => mail.log.greet(link, former));
  });
});

Deno.test("a head that is ahead is asked about, and is no alarm if the records come", async () => {
  await inWorld(async ({ server, logOn }) => {
    const client = await logOn();
    server.record({ event: "bound", name: "dave", fp: new Uint8Array(32), seq: 0 });
    server.put(await letter("news", { head: await server.head() }));
    await inbox(client);
    assertEquals(client.notices, []);
    assertEquals(client.mail.log.kept?.log.newest("dave")?.event, "bound");
    assertEquals(client.mail.log.kept?.pending, []);
    // Of records that never come.
    const other = await otherHistory(server, server.log.n);
    server.put(await letter("more news", { head: await server.headOf(other) }));
    await inbox(client);
    await assertFork(client, /alice/);
  });
});

Deno.test("heads of keys that are not known, and those that nobody signed, raise no alarm", async () => {
  await inWorld(async ({ server, logOn }) => {
    const client = await logOn();
    const other = await server.headOf(await otherHistory(server, 1));
    const forged = fromBase64(other);
    forged[150] = (forged[150] ?? 0) ^ 1;
    const foreign = fromBase64(other);
    foreign[60] = (foreign[60] ?? 0) ^ 1;
    for (const head of [forged, foreign]) {
      server.put(await letter("false", { head: toBase64(head) }));
    }
    assertEquals((await inbox(client)).filter(({ opened }) => opened).length, 2);
    assertEquals(client.notices, []);
    assertEquals(client.mail.log.kept?.fork, null);
  });
});

Deno.test("a restore is told once, and mail waits for those whose newest key it has lost", async () => {
  await inWorld(async ({ server, logOn }) => {
    const client = await logOn();
    await client.mail.send({ ...to("alice"), to: ["alice", "carol"] });
    await client.link.close();
    const whole = server.log;
    // The backup has alice's key; carol was bound after it.
    const backup = whole.until(1);
    const carol = server.keys.get("carol");
    assert(carol);
    server.keys.delete("carol");
    server.log = backup.extend([{
      index: 2,
      time: Date.now(),
      event: "generation",
      name: "",
      fp: backup.hash(1),
      seq: Math.max(now(), whole.generation + 1),
    }]);
    const after = await logOn();
    assertEquals(after.notices.length, 1);
    assertStringIncludes(after.notices[0] ?? "", "restored from a backup");
    assertStringIncludes(after.notices[0] ?? "", "newest keys of carol:");
    assert((await after.mail.send(to("alice"))).at);
    assertStringIncludes((await after.mail.send(to("carol"))).waits?.message ?? "", "carol");
    // What was signed before it is lost, and no lie.
    server.put(await letter("from before", { head: await server.headOf(whole) }));
    await inbox(after);
    assertEquals(after.notices.length, 1);
    await after.link.close();
    // She has connected again.
    server.keys.set("carol", carol);
    const later = await logOn();
    assertEquals(later.notices, []);
    assertEquals(later.mail.log.lostNames(), []);
    assert((await later.mail.send(to("carol"))).at);
    // The former generation does not go on.
    const late = await server.headOf(whole, (server.log.generation + 601) * 1000);
    server.put(await letter("too late", { head: late }));
    await inbox(later);
    await assertFork(later, /alice/);
  });
});

Deno.test("a key of one's own name that is not one's own is told, once", async () => {
  await inWorld(async ({ server, logOn }) => {
    const own = (await identityOf("bob")).bundle;
    server.record({ event: "bound", name: "bob", fp: own.fp, seq: 0 });
    const client = await logOn();
    assertEquals(client.notices, []);
    server.record({ event: "unbound", name: "bob", fp: own.fp, seq: 0 });
    server.record({
      event: "bound",
      name: "bob",
      fp: (await identityOf("mallory")).bundle.fp,
      seq: 0,
    });
    const told = await logOn();
    assertEquals(told.notices.length, 1);
    assertStringIncludes(told.notices[0] ?? "", "not among your key files");
    assertEquals((await logOn()).notices, []);
  });
});

Deno.test("a clock that is a day off is told", async () => {
  await inWorld(async ({ server, logOn }) => {
    server.lies = { head: () => server.headOf(server.log, Date.now() + 2 * 86_400_000) };
    const { notices } = await logOn();
    assertStringIncludes(notices.join(), "more than a day off");
  });
});
