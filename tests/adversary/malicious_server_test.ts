import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { Cache } from "../../client/state/cache.ts";
import { ClientSession } from "../../client/connection/client_session.ts";
import type { Item } from "../../client/mailbox/open.ts";
import { logIn } from "../../client/connection/login.ts";
import { MailboxMemory } from "../../client/state/mailbox_memory.ts";
import { readForDisplay } from "../../client/mailbox/show.ts";
import { fetchOlder, sync } from "../../client/mailbox/sync.ts";
import { type Bytes, concat, lp, random, toBase64, u32, utf8 } from "../../crypto/bytes.ts";
import { type ErrorCode, SealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { parseAddress } from "../../protocol/address.ts";
import { encodeChange, type MailboxChange } from "../../protocol/change.ts";
import { encodeEntry, type Entry } from "../../protocol/entry.ts";
import { FrameKind } from "../../protocol/frame.ts";
import type { Request } from "../../protocol/request.ts";
import { identityOf } from "../support/identities.ts";
import { sealMessage } from "../support/sealed.ts";
import { inbox, inWorld, letter } from "./world.ts";
import { type Client, type Lies, PAGE, refusal, type Talk } from "./dishonest_server.ts";

/** The titles of what opens, and the problems of what does not, newest first. */
function shown(items: readonly Item[]): string[] {
  return items.map(({ opened, problem, duplicate }) => {
    return `${duplicate ? "duplicate " : ""}${opened?.summary.subject ?? problem ?? ""}`;
  });
}

async function refused(code: ErrorCode, text: string | RegExp, work: () => Promise<unknown>) {
  const error = await assertRejects(work, SealpostError);
  const fits = typeof text === "string" ? error.message === text : text.test(error.message);
  assert(fits, `another text: ${error.message}`);
  assertEquals(error.code, code);
}

/** The text of a message as it would be shown. */
async function textOf(client: Client, item: Item | undefined): Promise<string> {
  if (!item?.opened) throw new Error("it does not open");
  const message = await client.mail.fetch(item.opened);
  try {
    return (await readForDisplay(message)).text.trim();
  } finally {
    await message.dispose();
  }
}

/** What is left in the folder for temporary files. */
function leftOvers(client: Client): string[] {
  return [...Deno.readDirSync(client.state.tempFolder())].map(({ name }) => name);
}

function only<O extends Request["op"]>(
  op: O,
  answer: (talk: Talk, request: Request & { op: O }) => Promise<void>,
): Lies {
  const isIt = (request: Request): request is Request & { op: O } => request.op === op;
  return {
    answer: async (request, talk) => {
      if (!isIt(request)) return false;
      await answer(talk, request);
      return true;
    },
  };
}

const CONTRADICTION = /^the server contradicts itself about what is in your mailbox/;
const NOT_ASKED = "the server lists what was not asked for";
const OLDER =
  "the server shows an older state of your mailbox than it did before; messages may be " +
  "missing; ask its operator whether it was restored from a backup";

const draft = { to: ["carol"], subject: "to carol", text: "hello", attachments: [] };

Deno.test("a wrong key at first use is believed and pinned, as the threat model says", async () => {
  await inWorld(async ({ server, logOn }) => {
    const mallory = await identityOf("mallory");
    server.keys.set("carol", mallory.bundle);
    const bob = await logOn();
    await bob.mail.send(draft);
    assertEquals(bob.mail.people.pins.get("carol")?.fp, mallory.bundle.fp);
  });
});

Deno.test("a key swapped after it was pinned stops the message, and both keys are named", async () => {
  await inWorld(async ({ server, logOn }) => {
    const [carol, mallory] = [await identityOf("carol"), await identityOf("mallory")];
    const bob = await logOn();
    await bob.mail.send(draft);
    server.keys.set("carol", mallory.bundle);
    server.lies = only("deliver", (talk) => talk.respond(refusal("key-changed", "another key")));
    const today = new Date().toISOString().slice(0, 10);
    await refused(
      "key-changed",
      `the key of carol is not the one you know: known since ${today} is ` +
        `${formatFingerprint(carol.bundle.fp)}, offered since ${today} is ` +
        `${formatFingerprint(mallory.bundle.fp)}, without a certificate by the one you know; ` +
        "nothing was sent or opened. Ask carol in person or by phone which is right " +
        '("deno task keys show carol" and "keys verify carol" say what to compare); ' +
        '"deno task keys trust carol" takes the new one',
      () => bob.mail.send(draft),
    );
    assertEquals(await bob.mail.waiting(), []);
    // A server that says nothing of it gets what is sealed for the pinned key only.
    server.lies = {};
    await bob.mail.send(draft);
    const again = await logOn();
    await again.mail.send(draft);
    const sealedFor = server.delivered.map(({ recipients }) => recipients[0]?.fp);
    assertEquals(new Set(sealedFor).size, 1);
    assertEquals(again.mail.people.pins.get("carol")?.fp, carol.bundle.fp);
  });
});

Deno.test("one key is not taken for two people, and a damaged one for nobody", async () => {
  await inWorld(async ({ server, logOn }) => {
    const bob = await logOn();
    await bob.mail.send(draft);
    server.keys.set("dave", (await identityOf("carol")).bundle);
    await refused(
      "key-changed",
      /^the key offered for dave is the one you know of carol/,
      () => bob.mail.send({ ...draft, to: ["dave"] }),
    );
    server.lies = only("keys", async (talk) => {
      const keys = [{ name: "erin", state: "bound", bundle: "AAAA" }];
      await talk.respond({ ok: true, keys, head: await server.head() });
    });
    await assertRejects(() => bob.mail.send({ ...draft, to: ["erin"] }), SealpostError);
    await refused(
      "no-such-user",
      /^there is no user frank/,
      () => bob.mail.send({ ...draft, to: ["frank"] }),
    );
    assertEquals(bob.mail.people.pins.all().map(({ name }) => name), ["carol"]);
  });
});

Deno.test("mail in the name of somebody whose key is known, under another key, is not shown", async () => {
  await inWorld(async ({ server, logOn }) => {
    const [alice, bob] = [await identityOf("alice"), await identityOf("bob")];
    const mallory = await identityOf("mallory");
    server.put(await letter("the true alice"));
    const client = await logOn();
    assertEquals(shown(await inbox(client)), ["the true alice"]);
    server.keys.set("alice", mallory.bundle);
    server.put(await sealMessage(mallory, [bob.bundle], utf8("x"), { subject: "the false alice" }));
    assertEquals(shown(await inbox(client)), [
      `it claims to be from alice but has the key ${formatFingerprint(mallory.bundle.fp)}; ` +
      `the key known for alice is ${formatFingerprint(alice.bundle.fp)}`,
      "the true alice",
    ]);
    assertEquals(client.mail.people.pins.get("alice")?.fp, alice.bundle.fp);
  });
});

Deno.test("another's stanza does not open, also under the own name, and is tried once", async () => {
  await inWorld(async ({ server, logOn }) => {
    const [carol, bob] = [await identityOf("carol"), await identityOf("bob")];
    const parts = await sealMessage(await identityOf("alice"), [carol.bundle], utf8("to carol"));
    server.put(parts);
    const [stanza = new Uint8Array(0)] = parts.stanzas;
    server.put(parts, 0, { stanza: concat(bob.bundle.fp, stanza.subarray(32)) });
    const client = await logOn();
    const [relabelled, plain] = await inbox(client);
    assertEquals(plain?.problem, "it is sealed for a key that is not here");
    assertEquals(relabelled?.opened, null);
    const again = await logOn();
    assertEquals((await inbox(again))[0]?.problem, "it was not sealed for this key");
  });
});

Deno.test("who has the file key and not the sender's signature cannot address a message", async () => {
  await inWorld(async ({ server, logOn }) => {
    // Carol, who got it rightly, hands the message on, with all that she has, and the server helps.
    const { sealStanza } = await import("../../protocol/stanza.ts");
    const [carol, bob] = [await identityOf("carol"), await identityOf("bob")];
    const parts = await sealMessage(await identityOf("alice"), [carol.bundle], utf8("for carol"));
    const stanza = await sealStanza(bob.bundle, parts.fileKey, parts.header, carol);
    server.put(parts, 0, { stanza });
    const client = await logOn();
    assertEquals(shown(await inbox(client)), ["the sender did not address this message to you"]);
  });
});

Deno.test("what somebody else has sealed is not taken for stored by oneself", async () => {
  await inWorld(async ({ server, logOn }) => {
    const bob = await identityOf("bob");
    const stored = { kind: "import", from: "Carol <carol@example.org>" } as const;
    server.put(await letter("by alice", { stored }));
    const from = { name: "bob", fp: toBase64(bob.bundle.fp) };
    const own = { from, subject: "by bob", stored };
    server.put(await sealMessage(bob, [bob.bundle], utf8("x"), own));
    const items = await inbox(await logOn());
    assertEquals(shown(items), ["by bob", "somebody else says that it was stored by you"]);
    assertEquals(items[0]?.opened?.verification.state, "claimed");
  });
});

Deno.test("entries out of order, twice, too many, or of no sense are refused", async () => {
  await inWorld(async ({ server, logOn }) => {
    for (const text of ["one", "two", "three"]) server.put(await letter(text));
    const client = await logOn();
    const lies: [(entries: Entry[]) => Entry[], RegExp][] = [
      [(entries) => entries.reverse(), /lists what was not asked for$/],
      [(entries) => [...entries, ...entries.slice(-1)], /lists what was not asked for$/],
      [(entries) => entries.map((e) => ({ ...e, uid: e.uid + 1 })), /what was not asked for$/],
      [(entries) => entries.map((e) => ({ ...e, uid: 0 })), /malformed mailbox entry/],
      [
        ([entry]) => entry ? [{ ...entry, summary: new Uint8Array(200_000) }] : [],
        /^a part of an answer of an impossible size$/,
      ],
    ];
    for (const [lie, text] of lies) {
      server.lieAboutLists(lie);
      const error = await assertRejects(() => client.mail.sync(), SealpostError);
      assert(text.test(error.message), error.message);
    }
    for (const data of [u32(5), concat(u32(500), random(100)), u32(0)]) {
      server.lies = only(
        "list",
        (talk) =>
          talk.answer({ ok: true, epoch: server.epoch, nextUid: server.nextUid, modseq: 9 }, data),
      );
      await assertRejects(() => client.mail.sync(), SealpostError);
    }
    for (const nextUid of [0, -1, 1.5, 2 ** 53, "4", null]) {
      server.lies = only(
        "list",
        (talk) => talk.respond({ ok: true, epoch: server.epoch, nextUid, modseq: 9 }),
      );
      const mail = (await logOn()).mail;
      await refused("protocol", /malformed "nextUid"/, () => mail.sync());
    }
    server.lies = {};
    assertEquals(shown(await inbox(client)), ["three", "two", "one"]);
  });
});

Deno.test("an old message under a new number is marked as a duplicate, after a restart too", async () => {
  await inWorld(async ({ server, logOn }) => {
    const old = await letter("pay 100");
    server.put(old);
    const client = await logOn();
    await inbox(client);
    server.put(old);
    assertEquals(shown(await inbox(client)), ["duplicate pay 100", "pay 100"]);
    server.put(old);
    const texts = ["duplicate pay 100", "duplicate pay 100", "pay 100"];
    assertEquals(shown(await inbox(await logOn())), texts);
    assertEquals(shown(await inbox(await logOn({ cache: false }))), texts);
  });
});

Deno.test("a mailbox that goes back is refused, whichever of its numbers does", async () => {
  await inWorld(async ({ server, logOn }) => {
    for (const text of ["one", "two"]) server.put(await letter(text));
    const seen = await logOn();
    await inbox(seen);
    const { kept } = server;
    Object.assign(server, { nextUid: 2, modseq: 1, kept: kept.slice(0, 1) });
    for (const cache of [true, false]) {
      const client = await logOn({ cache });
      await refused("protocol", OLDER, () => client.mail.sync());
    }
    for (const [nextUid, modseq] of [[2, 2], [3, 1]]) {
      Object.assign(server, { nextUid, modseq, kept });
      await refused("protocol", OLDER, () => seen.mail.sync());
      // Also in the answer to a request for changes that were never answered as too old.
      server.lies = only("changes", (talk) => {
        return talk.answer({ ok: true, epoch: server.epoch, nextUid, modseq, more: false });
      });
      await refused("protocol", OLDER, () => seen.mail.sync());
      server.lies = {};
    }
    Object.assign(server, { nextUid: 2, modseq: 1, kept: kept.slice(0, 1) });
    // Made anew is said; back to what it was before is not accepted.
    server.epoch = "00000000000000b2";
    const client = await logOn();
    assertEquals((await client.mail.sync()).renewed, true);
    server.epoch = "00000000000000a1";
    Object.assign(server, { nextUid: 9, modseq: 9 });
    await refused("protocol", OLDER, () => client.mail.sync());
    Object.assign(server, { epoch: "00000000000000b2", nextUid: 2, modseq: 1 });
    // It was there before the mailbox was made anew.
    assertEquals(shown(await inbox(client)), ["duplicate one"]);
  });
});

Deno.test("another message under a known number is refused, in changes and in listings", async () => {
  await inWorld(async ({ server, logOn }) => {
    server.put(await letter("one"));
    const client = await logOn();
    await inbox(client);
    server.kept = [];
    const entry = server.put(await letter("another"), 0, { uid: 1 });
    const other = /^the server shows another message under number 1 than before/;
    server.lieAboutChanges(() => [{ kind: "new", modseq: 2, entry }]);
    await refused("protocol", CONTRADICTION, () => client.mail.sync());
    const tooOld = only("changes", (talk) => talk.respond(refusal("too-old", "list it")));
    server.lies = tooOld;
    await refused("protocol", other, () => client.mail.sync());
    server.lies = {};
    const fresh = await logOn({ cache: false });
    await refused("protocol", other, () => fresh.mail.sync());
  });
});

Deno.test("what is left out of the first listing is there as soon as it is shown", async () => {
  await inWorld(async ({ server, logOn }) => {
    for (const text of ["one", "two", "three"]) server.put(await letter(text));
    const client = await logOn();
    server.lieAboutLists((entries) => entries.filter(({ uid }) => uid !== 2));
    assertEquals(shown(await inbox(client)), ["three", "one"]);
    server.lies = {};
    assertEquals(shown(await inbox(client)), ["three", "one"]);
    server.flag(2, ["seen"]);
    assertEquals(shown(await inbox(client)), ["three", "two", "one"]);
    // In a listing too, where changes are not told.
    const refusing = only("changes", (talk) => talk.respond(refusal("too-old", "list it")));
    const [, two] = server.kept;
    assert(two);
    const { folder, number, uid } = two.entry;
    server.lieAboutChanges(() => [{ kind: "gone", modseq: server.modseq, uid, folder, number }]);
    server.modseq++;
    // Said to be gone, and there again.
    assertEquals(shown(await inbox(client)), ["three", "one"]);
    server.lies = refusing;
    assertEquals(shown(await inbox(client)), ["three", "two", "one"]);
  });
});

Deno.test("changes that hide, repeat, or cannot be, are refused and change nothing", async () => {
  await inWorld(async ({ server, logOn }) => {
    for (const text of ["one", "two", "three"]) server.put(await letter(text));
    const client = await logOn();
    await inbox(client);
    for (const text of ["four", "five"]) server.put(await letter(text));
    server.flag(1, ["flagged"]);
    server.flag(3, ["seen"]);
    server.remove(2);
    // Of modification sequences 4 and 5 new; 6 and 7 changed; 8 gone.
    const gone = server.departures[0];
    assert(gone);
    const place = { uid: 1, folder: "inbox", number: 1 } as const;
    const lies: [string, (changes: MailboxChange[]) => MailboxChange[], RegExp][] = [
      [
        "a new message is hidden",
        ([, ...rest]) => rest,
        /^the server does not show message number 4 /,
      ],
      [
        "a new message is hidden, and the mailbox is said to have grown less",
        (changes) => changes.filter(({ kind }) => kind !== "new"),
        /^the server does not show message number 4 /,
      ],
      ["the last change is hidden", (changes) => changes.slice(0, -1), CONTRADICTION],
      ["all are hidden", () => [], CONTRADICTION],
      ["the order is another", (changes) => changes.toReversed(), CONTRADICTION],
      ["one is repeated", ([one, ...rest]) => one ? [one, one, ...rest] : [], CONTRADICTION],
      [
        "two have one modification sequence",
        (changes) => changes.map((one) => one.kind === "gone" ? { ...one, modseq: 7 } : one),
        CONTRADICTION,
      ],
      [
        "one is from before",
        (changes) => [{ ...place, kind: "changed", modseq: 3, flags: [] }, ...changes],
        CONTRADICTION,
      ],
      ["one is from the future", (changes) => [...changes, { ...gone, modseq: 9 }], CONTRADICTION],
      [
        "a message that is gone comes back",
        (changes) => {
          server.modseq = 9;
          return [...changes, { ...place, uid: 2, kind: "changed", modseq: 9, flags: [] }];
        },
        CONTRADICTION,
      ],
      [
        "a message is moved away and nowhere",
        (changes) => {
          return [...changes, { ...place, uid: 3, kind: "left" as const, modseq: 9 }]
            .filter((one) => one.modseq !== 7);
        },
        CONTRADICTION,
      ],
      [
        "a new message is said to have been there",
        (changes) => {
          return [...changes, { ...place, uid: 5, kind: "changed", modseq: 9, flags: [] }];
        },
        CONTRADICTION,
      ],
      [
        "a message is told of that has not come",
        (changes) => [...changes, { ...gone, uid: 6, modseq: 9 }],
        CONTRADICTION,
      ],
    ];
    for (const [what, lie, text] of lies) {
      server.lieAboutChanges(lie);
      const error = await assertRejects(() => client.mail.sync(), SealpostError, undefined, what);
      assert(error.code === "protocol" && text.test(error.message), `${what}: ${error.message}`);
      assertEquals(shown(await client.mail.list({ folder: null, limit: 9 })), [
        "three",
        "two",
        "one",
      ]);
    }
    // Pages that never end: a change each, or none.
    server.lies = only("changes", (talk, { since }) => {
      const { epoch, nextUid } = server;
      const change = { ...place, kind: "changed", modseq: since + 1, flags: [] } as const;
      return talk.answer(
        { ok: true, epoch, nextUid, modseq: Number.MAX_SAFE_INTEGER, more: true },
        lp(encodeChange(change)),
      );
    });
    const before = server.asked.length;
    assertEquals((await client.mail.sync()).fresh, [5, 4]);
    assert(server.asked.length - before < 20, "it is listed after some pages");
    server.lies = only("changes", (talk, { since: modseq }) => {
      const { epoch, nextUid } = server;
      return talk.answer({ ok: true, epoch, nextUid, modseq, more: true });
    });
    await refused("protocol", CONTRADICTION, () => client.mail.sync());
    server.lies = {};
    server.modseq = 10;
    server.flag(4, ["answered"]);
    assertEquals(shown(await inbox(client)), ["five", "four", "three", "one"]);
  });
});

Deno.test("a listing that contradicts itself is refused", async () => {
  await inWorld(async ({ server, logOn }) => {
    for (const text of ["one", "two", "three"]) server.put(await letter(text));
    const client = await logOn();
    await inbox(client);
    const later = { epoch: server.epoch, nextUid: server.nextUid, modseq: server.modseq };
    const lies = [{ nextUid: 3 }, { modseq: 2 }, { epoch: "00000000000000c3" }];
    for (const lie of lies) {
      server.lies = {
        answer: async (request, talk) => {
          if (request.op === "changes") await talk.respond(refusal("too-old", "list it"));
          else if (request.op !== "list" || !request.brief) return false;
          else await talk.answer({ ok: true, ...later, ...lie });
          return true;
        },
      };
      await refused("protocol", CONTRADICTION, () => client.mail.sync());
    }
    server.lies = {};
    assertEquals(shown(await inbox(client)), ["three", "two", "one"]);
  });
});

Deno.test("what another client of the same user took over is not undone by an older answer", async () => {
  await inWorld(async ({ server, logOn }) => {
    for (const text of ["one", "two"]) server.put(await letter(text));
    const [slow, quick] = [await logOn(), await logOn()];
    await inbox(slow);
    // The slow client asks; before that is answered, the quick one sees what comes after it.
    const [held, asked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    server.put(await letter("three"));
    let first = true;
    server.lies = only("changes", async (talk, request) => {
      const { epoch, nextUid, modseq } = server;
      const changes = server.changes(request).map((change) => lp(encodeChange(change)));
      if (first) {
        first = false;
        asked.resolve();
        await held.promise;
      }
      await talk.answer({ ok: true, epoch, nextUid, modseq, more: false }, ...changes);
    });
    const syncing = slow.mail.sync();
    await asked.promise;
    server.remove(3);
    server.flag(1, ["flagged"]);
    server.put(await letter("four"));
    await quick.mail.sync();
    held.resolve();
    await syncing;
    const items = await slow.mail.list({ folder: "inbox", limit: PAGE });
    assertEquals(shown(items), ["four", "two", "one"]);
    assertEquals(items.at(-1)?.entry.flags, ["flagged"]);
  });
});

Deno.test("a summary of one message with the body of another is not shown", async () => {
  await inWorld(async ({ server, logOn }) => {
    const [one, two] = [await letter("first text"), await letter("other text")];
    server.put(one, 0, { summary: two.summary });
    server.put(one);
    server.put(two);
    const client = await logOn();
    const [, genuine, swapped] = await inbox(client);
    assertEquals([swapped?.opened, genuine?.opened?.summary.subject], [null, "first text"]);
    // Both bodies have the same size, and each alone is in order.
    const [, first, second] = server.kept;
    server.lies = only("fetch", async (talk) => {
      if (!first || !second) return;
      await talk.answer(
        { ok: true, size: second.body.length },
        lp(encodeEntry(first.entry)),
        second.body,
      );
    });
    await refused("authentication", /./, () => textOf(client, genuine));
    server.lies = only("fetch", async (talk) => {
      if (!first || !second) return;
      await talk.answer(
        { ok: true, size: second.body.length },
        lp(encodeEntry(second.entry)),
        second.body,
      );
    });
    await refused("protocol", /^the server changed a message/, () => textOf(client, genuine));
    server.lies = {};
    assertEquals(await textOf(client, genuine), "first text");
    assertEquals(leftOvers(client), []);
  });
});

Deno.test("a size that is not the one signed is refused before anything is fetched", async () => {
  await inWorld(async ({ server, logOn }) => {
    const parts = await letter("small");
    server.put(parts, 0, { bodySize: 10 * 1024 ** 3 });
    const entry = server.put(parts);
    const client = await logOn();
    const [right, wrong] = await inbox(client);
    assertEquals(wrong?.problem, "its body does not have the size its summary says");
    assert(right?.opened);
    // Also where the message was opened before, in this session and in an earlier one.
    const lie = { ...entry, bodySize: 10 * 1024 ** 3 };
    const text = "its body does not have the size its summary says";
    await refused("format", text, () => client.mail.open(lie));
    const again = await logOn();
    await refused("format", text, () => again.mail.open(lie));

    for (const size of [0, 1, 10 * 1024 ** 3]) {
      server.lies = only("fetch", (talk) => talk.answer({ ok: true, size }));
      await refused(
        "protocol",
        "the server changed a message's size",
        () => textOf(client, right),
      );
    }
    server.lies = only("fetch", async (talk) => {
      const body = server.kept[1]?.body ?? new Uint8Array(0);
      const cut = body.slice(0, -1);
      await talk.answer({ ok: true, size: body.length }, lp(encodeEntry(entry)), cut);
    });
    await refused("format", "a sealed body that is cut", () => textOf(client, right));
    assertEquals(leftOvers(client), []);
  });
});

Deno.test("a body that does not end is given up at once, and the connection soon after", async () => {
  await inWorld(async ({ server, logOn }) => {
    const entry = server.put(await letter("small"));
    const client = await logOn();
    const [item] = await inbox(client);
    const noise = new Uint8Array(65_000);
    let taken = 0;
    let stopped = () => {};
    const over = new Promise<void>((resolve) => stopped = resolve);
    server.lies = only("fetch", async (talk) => {
      await talk.respond({ ok: true, size: entry.bodySize });
      await talk.data(lp(encodeEntry(entry)));
      const body = server.kept[0]?.body ?? noise;
      await talk.data(body.slice(0, -1));
      try {
        // It would go on for ever; a client that takes so much has failed.
        while (talk.sent < 256 * 1024 * 1024) await talk.data(noise);
      } finally {
        taken = talk.sent;
        stopped();
      }
    });
    await refused(
      "protocol",
      "the server sends more than the message has",
      () => textOf(client, item),
    );
    assertEquals(leftOvers(client), []);
    await over;
    // What the client drained, and what the two systems' buffers hold.
    assert(taken < 64 * 1024 * 1024, `${taken} bytes were taken`);
    await refused("protocol", "the server does not stop sending", () => client.mail.sync());
  });
});

Deno.test("a listing that does not end is refused after a page, and a mailbox when it fills the disk", async () => {
  await inWorld(async ({ server, logOn }) => {
    const parts = await letter("again and again");
    const model = server.put(parts);
    server.nextUid = Number.MAX_SAFE_INTEGER;
    let sent = 0;
    server.lies = only("list", async (talk, { before = server.nextUid }) => {
      const { epoch, nextUid, modseq } = server;
      await talk.respond({ ok: true, epoch, nextUid, modseq });
      for (let uid = before - 1; uid > 0 && sent < 100_000; uid--, sent++) {
        await talk.data(lp(encodeEntry({ ...model, uid })));
      }
    });
    const client = await logOn();
    await refused("protocol", NOT_ASKED, () => client.mail.sync());

    server.lies = only("list", async (talk, { before = server.nextUid }) => {
      const { epoch, nextUid, modseq } = server;
      const page = Array.from({ length: PAGE }, (_, i) => {
        const header = concat(model.header.subarray(0, 49), u32(before % 2 ** 32), u32(i));
        const uid = before - 1 - i;
        return lp(encodeEntry({ ...model, uid, header: concat(header, new Uint8Array(24)) }));
      });
      await talk.answer({ ok: true, epoch, nextUid, modseq }, ...page);
    });
    const memory = await MailboxMemory.load(client.state);
    const cache = await Cache.open(client.state, false, 2 * 1024 * 1024);
    const other = await logOn();
    const forget = (uids: readonly number[]) => Promise.resolve(cache.drop(uids));
    const mailbox = { cache, memory, forget };
    await sync(other.link, mailbox);
    let pages = 0;
    while (pages < 20 && await fetchOlder(other.link, mailbox)) pages++;
    assert(cache.full && pages < 20, `${pages} pages`);
    cache.close();
  });
});

Deno.test("flags and folders are the server's word, and reach no other message", async () => {
  await inWorld(async ({ server, logOn }) => {
    for (const text of ["one", "two"]) server.put(await letter(text));
    const client = await logOn();
    const [two] = await inbox(client);
    for (const uid of [1, 2]) server.flag(uid, ["seen", "flagged"]);
    const items = await inbox(client);
    assertEquals(items.map(({ entry }) => entry.flags), [["seen", "flagged"], ["seen", "flagged"]]);
    assertEquals(shown(items), ["two", "one"]);
    // An answer about messages that were not asked about changes nothing of them.
    server.lies = only("flag", (talk) => talk.respond({ ok: true, uids: [1, 2, 99], modseq: 9 }));
    await client.mail.flag([two?.entry.uid ?? 0], [], ["seen"]);
    assertEquals((await client.mail.cache.entry(1))?.entry.flags, ["seen", "flagged"]);
    assertEquals((await client.mail.cache.entry(2))?.entry.flags, ["flagged"]);
  });
});

Deno.test("a verdict on somebody else, or no verdict, is no login", async () => {
  await inWorld(async ({ server, logOn }) => {
    const other = toBase64((await identityOf("alice")).bundle.fp);
    const another = "the server took the login for another one";
    const lies: [unknown, RegExp][] = [
      [{ name: "alice" }, new RegExp(another)],
      [{ fp: other }, new RegExp(another)],
      [{ ok: "yes" }, /^the server sent a malformed/],
      [{ bound: 1 }, /^the server sent a malformed/],
      [{ name: "../bob" }, /^the server sent a malformed/],
      [{ ticket: { id: "no ticket", expires: 1 } }, /^the server sent a malformed/],
      [{ ticket: { id: "0".repeat(32), expires: -1 } }, /^the server sent a malformed/],
    ];
    for (const [change, text] of lies) {
      server.lies = { verdict: (honest) => Object.assign(honest, change) };
      await refused("protocol", text, logOn);
    }
  });
});

Deno.test("a hello out of bounds is refused, and an absurd one within them does no harm", async () => {
  await inWorld(async ({ server, logOn }) => {
    const hello = { server: "s", maxMessage: 1000, maxRecipients: 5 };
    for (
      const change of [
        { maxMessage: 2 ** 50 },
        { maxMessage: -1 },
        { maxRecipients: 0 },
        { maxRecipients: 1_000_000 },
        { server: "\x1b[31m" },
      ]
    ) {
      server.lies = { hello: { ...hello, ...change } };
      await refused("format", /malformed/, logOn);
    }
    server.lies = { hello: { ...hello, maxMessage: 0, maxRecipients: 1 } };
    const client = await logOn();
    await refused("too-large", /this server takes 0 bytes$/, () => client.mail.send(draft));
    await refused(
      "limit",
      /takes 1 recipients/,
      () => client.mail.send({ ...draft, to: ["alice", "carol"] }),
    );
    assertEquals([await client.mail.waiting(), server.delivered], [[], []]);
  });
});

Deno.test("what breaks the order of answers ends the connection with its reason", async () => {
  await inWorld(async ({ server, logOn }) => {
    const whoami = (talk: Talk) => server.answer({ op: "whoami" }, talk);
    const lies: [(talk: Talk) => Promise<void>, string][] = [
      [(talk) => talk.data(utf8("x")), "data before its response"],
      [(talk) => talk.frame(FrameKind.end), "an end before its response"],
      [(talk) => talk.frame(FrameKind.cancel), "a cancel before its response"],
      [(talk) => talk.frame(FrameKind.end, undefined, 77), "the server answers what was not asked"],
      [
        (talk) => talk.frame(FrameKind.request, utf8('{"op":"whoami"}')),
        `a frame of kind ${FrameKind.request} from the server`,
      ],
      [(talk) => talk.event({ event: "mail", uid: 0, folder: "x" }), "the server sent a malformed"],
      [(talk) => talk.event(["no", "event"]), "the server sent a malformed"],
    ];
    for (const [lie, text] of lies) {
      server.lies = {};
      const { link } = await logOn();
      // What the client asks by itself is answered.
      await link.ask({ op: "whoami" });
      server.lies = only("whoami", async (talk) => {
        await lie(talk);
        await whoami(talk);
      });
      await refused("protocol", new RegExp(`^${text}`), () => link.ask({ op: "whoami" }));
      // And it stays ended.
      await assertRejects(() => link.ask({ op: "whoami" }), SealpostError);
    }
    for (const change of [{ entries: -1 }, { bytes: 1e300 }, { name: "\x1b[2J" }, { fp: "x" }]) {
      server.lies = {};
      const { link } = await logOn();
      // What the client asks by itself is answered.
      await link.ask({ op: "whoami" });
      server.lies = only("whoami", (talk) =>
        talk.respond({
          ok: true,
          name: "bob",
          fp: toBase64(new Uint8Array(32)),
          epoch: server.epoch,
          nextUid: 1,
          modseq: 0,
          entries: 0,
          unseen: 0,
          bytes: 0,
          ...change,
        }));
      await refused("protocol", /malformed/, () => link.ask({ op: "whoami" }));
    }
  });
});

Deno.test("a response twice, and data for what has none, end the connection", async () => {
  await inWorld(async ({ server, logOn }) => {
    const { epoch, nextUid, modseq } = server;
    const list = { ok: true, epoch, nextUid, modseq };
    const client = await logOn();
    server.lies = only("list", async (talk) => {
      await talk.respond(list);
      await talk.respond(list);
    });
    await refused("protocol", "the server answers twice", () => client.mail.sync());
    const other = await logOn();
    server.lies = only("flag", async (talk) => {
      await talk.respond({ ok: true, uids: [], modseq: 9 });
      await talk.data(utf8("more"));
    });
    await other.link.ask({ op: "flag", uids: [1], set: [], clear: [] });
    await assertRejects(() => other.link.ask({ op: "whoami" }), SealpostError);
  });
});

Deno.test("events that are not known are ignored, and tickets that were not due are not kept", async () => {
  await inWorld(async ({ server, logOn }) => {
    server.put(await letter("one"));
    server.lies = {
      after: async (talk) => {
        for (let i = 0; i < 1000; i++) {
          const id = i.toString(16).padStart(32, "0");
          await talk.event({ event: "ticket", id, expires: Number.MAX_SAFE_INTEGER });
          await talk.event({ event: "party", uid: "\x1b[2J", at: [{}] });
        }
      },
    };
    const client = await logOn();
    assertEquals(shown(await inbox(client)), ["one"]);
    assertEquals(await client.state.read("tickets"), null);
  });
});

Deno.test("a server that falls silent is given up, before the login and after it", async () => {
  await inWorld(async ({ server }) => {
    const bob = await identityOf("bob");
    const address = parseAddress(server.address);
    const { bundle } = server.identity;
    const login = () => ({ name: "bob", password: utf8("any"), client: "test" });
    const silent = `${server.address} does not answer as a Sealpost server does; check the address`;
    server.lies = { b: null };
    await refused("timeout", silent, () => logIn(address, bundle, bob, login(), { timeout: 300 }));
    const slow = `${server.address} began a login and took too long to end it; try again later`;
    server.lies = { verdict: () => null };
    // A busy machine takes longer to get that far.
    const said: string[] = [];
    for (let limit = 500; !said.includes(slow) && limit < 200_000; limit *= 4) {
      const late = await assertRejects(
        () => logIn(address, bundle, bob, login(), { timeout: limit }),
        SealpostError,
      );
      assertEquals(late.code, "timeout");
      said.push(late.message);
    }
    assertEquals(said.filter((text) => text !== silent), [slow]);
    // Signs of life and events are no answer.
    for (const chatty of [false, true]) {
      server.lies = only("whoami", async (talk) => {
        const ping = new Uint8Array(9);
        for (let i = 0; chatty && i < 1000; i++) {
          await talk.frame(FrameKind.ping, ping, 0);
          await talk.event({
            event: "mail",
            uid: i + 1,
            folder: "inbox",
            number: i + 1,
            modseq: i + 1,
          });
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        // Far too late; it counts only for a client that took the chatter for an answer.
        if (chatty) await server.answer({ op: "whoami" }, talk);
      });
      const { connection } = await logIn(address, bundle, bob, login());
      const link = new ClientSession(connection, () => {}, 300);
      const ask = () => link.ask({ op: "whoami" });
      await refused("timeout", "the server has not answered for 0.3 s; connect again", ask);
      await link.close();
    }
    // Half an answer is as good as none.
    server.lies = only(
      "list",
      (talk) => talk.respond({ ok: true, epoch: server.epoch, nextUid: 1, modseq: 0 }),
    );
    const { connection } = await logIn(address, bundle, bob, login());
    const link = new ClientSession(connection, () => {}, 300);
    await refused("timeout", /^the server has not answered/, async () => {
      // On a busy machine not even the first half may come in time.
      const answer = await link.stream({ op: "list", order: "newest", limit: 1 });
      for await (const _ of answer.data);
    });
    await link.close();
  });
});

Deno.test("a message that was acknowledged before it was there stays in the outbox", async () => {
  await inWorld(async ({ server, logOn }) => {
    const client = await logOn();
    server.lies = only("deliver", (talk) => talk.respond({ ok: true, at: 0, again: false }));
    const size = 40 * 1024 * 1024;
    const source = { name: "a", size, open: () => Promise.resolve(zeros(size)) };
    const { at, waits } = await client.mail.send({ ...draft, attachments: [source] });
    assertEquals([at, waits?.code, waits?.message], [
      null,
      "protocol",
      "the server took a message before it had all of it; the message is kept sealed in the " +
      "outbox and goes out with your next connection",
    ]);
    assertEquals((await client.mail.waiting()).length, 1);
    server.lies = only("deliver", (talk) => talk.respond({ ok: true, at: "now", again: 0 }));
    const again = await logOn();
    const { sent, refused: lines } = await again.mail.flushOutbox();
    assertEquals([sent, lines.length], [0, 1]);
    assertEquals((await again.mail.waiting()).length, 1);
  });
});

function zeros(size: number): ReadableStream<Bytes> {
  let left = size;
  return new ReadableStream({
    pull(controller) {
      const n = Math.min(left, 65_536);
      if (n === 0) return controller.close();
      left -= n;
      controller.enqueue(new Uint8Array(n));
    },
  });
}

Deno.test("nothing is written beside the state, whatever the server does", async () => {
  await inWorld(async ({ server, dir, logOn }) => {
    server.put(await letter("one"));
    const client = await logOn();
    await inbox(client);
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), [".sealpost"]);
    const state = [...Deno.readDirSync(join(dir, ".sealpost", "bob"))].map(({ name }) => name);
    for (const name of state) {
      assertStringIncludes(
        "bodies cache.db cache.db-shm cache.db-wal key-log lock mailbox outbox pins server " +
          "shared-record " +
          "tickets.lock tmp",
        name,
      );
    }
  });
});
