// What a server that lies about rotations, alone or with a stolen key, makes of a client.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Rotated } from "../../client/trust/people.ts";
import { type Bytes, equal, toBase64, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { encodeBundle, formatFingerprint, type Identity } from "../../crypto/identity.ts";
import { certify, ROTATION_SLACK } from "../../protocol/rotation.ts";
import { identityOf } from "../support/identities.ts";
import { sealMessage } from "../support/sealed.ts";
import { type Client, DishonestServer, logOnTo, PAGE, refusal } from "./dishonest_server.ts";

const DRAFT = { to: ["carol"], subject: "to carol", text: "hello", attachments: [] };
/** Successive keys of carol, and one that is not hers. */
const KEYS = await Promise.all(
  ["carol", "carol 2", "carol 3", "mallory"].map((n) => identityOf(n)),
);
const [first, second, third, mallory] = KEYS as [Identity, Identity, Identity, Identity];

interface World {
  readonly server: DishonestServer;
  readonly bob: Client;
  /** What bob was told. */
  readonly told: Rotated[];
  /** A certificate of carol's, right unless `more` says otherwise, as the server gives it. */
  readonly link: (from: Identity, to: Identity, seq: number, more?: More) => Promise<Given>;
  /** Offers `key` as carol's with these certificates, and refuses what is sealed for another. */
  readonly offer: (key: Identity, ...links: Given[]) => void;
  readonly again: () => Promise<Client>;
}

interface More {
  readonly name?: string;
  readonly serverFp?: Bytes;
  readonly time?: number;
}

interface Given {
  readonly certificate: string;
  readonly bundle: string;
}

/** Bob has sent to carol, and so pinned her first key. */
async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "sealpost-" });
  const clients: Client[] = [];
  try {
    await using server = await DishonestServer.start();
    const told: Rotated[] = [];
    const again = async () => {
      const client = await logOnTo(server, dir, "bob");
      client.mail.people.onRotated = (change) => told.push(change);
      clients.push(client);
      return client;
    };
    const offer = (key: Identity, ...links: Given[]) => {
      server.keys.set("carol", key.bundle);
      server.chains.set("carol", links);
      server.lies = {
        answer: async (request, talk) => {
          if (request.op !== "deliver") return false;
          const right = request.recipients.every(({ fp }) => fp === toBase64(key.bundle.fp));
          if (!right) await talk.respond(refusal("key-changed", "another key"));
          return !right;
        },
      };
    };
    offer(first);
    const bob = await again();
    await bob.mail.send(DRAFT);
    await work({
      server,
      bob,
      told,
      offer,
      again,
      link: async (from, to, seq, more = {}) => {
        const facts = { name: "carol", serverFp: server.identity.bundle.fp, seq, time: Date.now() };
        const certificate = toBase64(await certify({ ...facts, ...more }, from, to));
        return { certificate, bundle: toBase64(encodeBundle(from.bundle)) };
      },
    });
    for (const client of clients) await client[Symbol.asyncDispose]();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Asserts that bob sends nothing, keeps the pin, and is told both keys, and `why`. */
async function stops({ bob, server, told, again }: World, offered: Identity, why: string) {
  const before = server.delivered.length;
  const pin = bob.mail.people.pins.get("carol");
  assert(pin);
  const error = await assertRejects(() => bob.mail.send(DRAFT), SealpostError);
  assertEquals(error.code, "key-changed");
  const parts = [
    formatFingerprint(pin.fp),
    formatFingerprint(offered.bundle.fp),
    why,
    "keys trust",
  ];
  for (const part of parts) assert(error.message.includes(part), `${part}: ${error.message}`);
  assertEquals(server.delivered.length, before);
  assertEquals((await again()).mail.people.pins.get("carol")?.fp, pin.fp);
  assertEquals(told, []);
}

Deno.test("a client follows the certificates of both keys, says so once, and sends sealed anew", async () => {
  await inWorld(async ({ server, bob, told, offer, link, again }) => {
    await bob.mail.people.pins.verify("carol", first.bundle.fp, "in-person");
    offer(third, await link(first, second, 1), await link(second, third, 2));
    // Bob had verified the old key, and is asked, once, before anything goes out under the new one.
    const asked: string[] = [];
    bob.mail.onNewKey = (pin) => {
      asked.push(`${pin.name} ${formatFingerprint(pin.fp)}`);
      return Promise.resolve(true);
    };
    const { waits } = await bob.mail.send(DRAFT);
    assertEquals(waits, null);
    assertEquals(asked, [`carol ${formatFingerprint(third.bundle.fp)}`]);
    await bob.mail.send(DRAFT);
    assertEquals(asked.length, 1);
    const sealedFor = server.delivered.at(-1)?.recipients.map(({ fp }) => fp);
    assertEquals(sealedFor, [toBase64(third.bundle.fp)]);
    assertEquals(await bob.mail.waiting(), []);
    assertEquals(told.map(({ from, to, wasVerified }) => [from, to, wasVerified]), [
      [first.bundle.fp, third.bundle.fp, true],
    ]);
    const pin = (await again()).mail.people.pins.get("carol");
    assertEquals([pin?.fp, pin?.seq, pin?.verified, pin?.offered], [
      third.bundle.fp,
      2,
      null,
      null,
    ]);
    assertEquals(pin?.former.map(({ fp }) => fp), [first.bundle.fp, second.bundle.fp]);
  });
});

const NONE = "without a certificate by the one you know";
const isFor = (what: string) =>
  `with certificates that do not hold (the certificate is for ${what})`;

Deno.test("a new key without certificates that lead to it stops everything, whatever else comes", async (t) => {
  await inWorld(async (world) => {
    const { offer, link, server } = world;
    const cases: readonly (readonly [string, Identity, string, () => Promise<Given[]>])[] = [
      ["none at all", mallory, NONE, () => Promise.resolve([])],
      ["one that leads elsewhere", mallory, "about other keys", async () => [
        await link(first, second, 1),
      ]],
      ["one of another key", mallory, "about other keys", async () => [
        await link(third, mallory, 1),
      ]],
      ["one of another name", second, isFor("another name"), async () => [
        await link(first, second, 1, { name: "alice" }),
      ]],
      ["one of another server", second, isFor("another server"), async () => [
        await link(first, second, 1, { serverFp: mallory.bundle.fp }),
      ]],
      ["a step left out", third, isFor("the number 2 in the place of 1"), async () => [
        await link(first, third, 2),
      ]],
      ["without the first of two", third, isFor("the number 2 in the place of 1"), async () => [
        await link(second, third, 2),
      ]],
    ];
    for (const [name, key, why, links] of cases) {
      await t.step(name, async () => {
        offer(key, ...await links());
        await stops(world, key, why);
      });
    }
    await t.step("forged by whoever has only the new key", async () => {
      const good = await link(first, mallory, 1);
      const bytes = Uint8Array.from(atob(good.certificate), (c) => c.charCodeAt(0));
      bytes.copyWithin(bytes.length - 128, bytes.length - 64);
      offer(mallory, { ...good, certificate: toBase64(bytes) });
      await stops(world, mallory, "the old key did not sign");
    });
    await t.step("stolen: by the old key alone, for a key that is somebody else's", async () => {
      const good = await link(first, second, 1);
      const bytes = Uint8Array.from(atob(good.certificate), (c) => c.charCodeAt(0));
      bytes.copyWithin(bytes.length - 64, bytes.length - 128, bytes.length - 64);
      offer(second, { ...good, certificate: toBase64(bytes) });
      await stops(world, second, "the new key did not sign");
    });
    await t.step("bytes that are none", async () => {
      offer(second, { certificate: "AAAA", bundle: "AAAA" });
      await stops(world, second, "the data ends too early");
    });
    await t.step("a chain that never ends", async () => {
      const one = await link(first, second, 1);
      offer(second, ...Array.from({ length: 16 }, () => one));
      await stops(world, second, "more than 256 certificates");
    });
    // And all of it has changed nothing: the pinned key is still good.
    offer(first);
    assertEquals((await world.bob.mail.send(DRAFT)).waits, null);
    assertEquals(server.delivered.length, 2);
  });
});

Deno.test("a chain is not rolled back, replayed, or branched once it was followed", async (t) => {
  await inWorld(async (world) => {
    const { offer, link, bob, told } = world;
    const step = await link(first, second, 1);
    offer(second, step);
    await bob.mail.send(DRAFT);
    assertEquals(told.splice(0).length, 1);
    await t.step("back, without a certificate", async () => {
      offer(first, step);
      await stops(world, first, "the number 1 in the place of 2");
    });
    await t.step("back, with one that carol's keys have signed", async () => {
      offer(first, await link(second, first, 2));
      await stops(world, first, "a key that was left before");
    });
    await t.step("the same step again, to another key", async () => {
      offer(third, await link(first, third, 1));
      await stops(world, third, "the number 1 in the place of 2");
    });
    await t.step("from the present key with the number of the last step", async () => {
      offer(third, await link(second, third, 1));
      await stops(world, third, "the number 1 in the place of 2");
    });
    await t.step("and goes on where it was", async () => {
      offer(third, await link(second, third, 2));
      await bob.mail.send(DRAFT);
      assertEquals(told.length, 1);
    });
  });
});

Deno.test("a key that a person took is followed from there on, whatever its number", async () => {
  await inWorld(async ({ bob, told, offer, link }) => {
    await bob.mail.people.pins.replace("carol", second.bundle);
    offer(third, await link(second, third, 7));
    await bob.mail.send(DRAFT);
    assertEquals(told.length, 1);
    const pin = bob.mail.people.pins.get("carol");
    assertEquals([pin?.fp, pin?.seq], [third.bundle.fp, 7]);
  });
});

/** A message to bob under one of carol's keys. */
async function letter(server: DishonestServer, by: Identity, title: string, receivedAt: number) {
  const bob = await identityOf("bob");
  const message = utf8(`Subject: ${title}\r\n\r\n${title}\r\n`);
  const more = { subject: title, from: { name: "carol", fp: toBase64(by.bundle.fp) } };
  server.put(await sealMessage(by, [bob.bundle], message, more), 0, { receivedAt });
}

async function titles({ mail }: Client): Promise<string[]> {
  await mail.sync();
  return (await mail.list({ folder: "inbox", limit: PAGE })).map(({ opened, problem }) => {
    return opened?.summary.subject ?? (problem ?? "").slice(0, 24);
  });
}

Deno.test("mail under the new key is followed; under the old one it counts up to the change", async () => {
  await inWorld(async ({ server, bob, told, offer, link }) => {
    const time = Date.now() - 3_600_000;
    await letter(server, first, "before", time - 1000);
    await letter(server, first, "late", time + ROTATION_SLACK + 1);
    offer(second, await link(first, second, 1, { time }));
    await letter(server, second, "after", time + 2000);
    // In the order of the list: the newest is opened first, and makes bob ask.
    assertEquals(await titles(bob), ["after", "it claims to be from car", "before"]);
    assertEquals(told.length, 1);
    assert(equal(bob.mail.people.pins.get("carol")?.fp ?? new Uint8Array(), second.bundle.fp));
    const asked = server.asked.filter((op) => op === "rotations").length;
    await titles(bob);
    assertEquals(server.asked.filter((op) => op === "rotations").length, asked, "it asks once");
  });
});

Deno.test("somebody unknown is known by a former key only with certificates to the present one", async () => {
  await inWorld(async ({ server, offer, link }) => {
    const dir = await Deno.makeTempDir({ prefix: "sealpost-" });
    try {
      const time = Date.now();
      await letter(server, first, "old key", time);
      offer(second);
      await using stranger = await logOnTo(server, dir, "bob");
      assertEquals(await titles(stranger), ["it claims to be from car"]);
      assertEquals(stranger.mail.people.pins.get("carol"), null);
      offer(second, await link(first, second, 5, { serverFp: mallory.bundle.fp }));
      assertEquals((await titles(stranger))[0]?.startsWith("old key"), false);
      offer(second, await link(first, second, 5, { time }));
      assertEquals(await titles(stranger), ["old key"]);
      const pin = stranger.mail.people.pins.get("carol");
      assertEquals([pin?.fp, pin?.seq], [second.bundle.fp, 5]);
      assertEquals(pin?.former.map(({ fp, until }) => [fp, until]), [
        [first.bundle.fp, time + ROTATION_SLACK],
      ]);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
});
