import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { type Bytes, concat, equal, random } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { encodeBundle, type Identity } from "../../crypto/identity.ts";
import {
  certify,
  type ChainLink,
  type ChainOf,
  decodeCertificate,
  followChain,
  MAX_CERTIFICATE,
  MAX_CHAIN,
  rotationProof,
  verifyCertificate,
} from "../../protocol/rotation.ts";
import { identityOf } from "../support/identities.ts";

const keys = await Promise.all(
  ["alice", "alice 2", "alice 3", "mallory"].map((n) => identityOf(n)),
);
const [a, b, c, mallory] = keys as [Identity, Identity, Identity, Identity];
const serverFp = (await identityOf("server")).bundle.fp;
const WHOSE: ChainOf = { name: "alice", serverFps: [serverFp], retired: [] };

async function link(from: Identity, to: Identity, seq: number, more = {}): Promise<ChainLink> {
  const certificate = await certify(
    { name: "alice", serverFp, seq, time: 1000 * seq, ...more },
    from,
    to,
  );
  return { certificate, bundle: encodeBundle(from.bundle) };
}

const AB = await link(a, b, 1);
const BC = await link(b, c, 2);
const START = { bundle: a.bundle, seq: 0 };

async function refused(...args: Parameters<typeof followChain>): Promise<string> {
  const error = await assertRejects(() => followChain(...args), SealpostError);
  assertEquals(error.code, "authentication");
  return error.message;
}

Deno.test("a certificate comes out as it went in, and verifies for its two keys alone", async () => {
  const certificate = decodeCertificate(AB.certificate);
  const { name, seq, fpOld, fpNew, time } = certificate;
  assertEquals([name, seq, time, AB.certificate.length], ["alice", 1, 1000, 249]);
  assertEquals([fpOld, fpNew], [a.bundle.fp, b.bundle.fp]);
  await verifyCertificate(certificate, a.bundle, b.bundle);
  for (const [from, to] of [[b, a], [a, c], [c, b], [a, a]] as const) {
    await assertRejects(
      () => verifyCertificate(certificate, from.bundle, to.bundle),
      SealpostError,
      "about other keys",
    );
  }
  const longest = await certify({ name: "x".repeat(32), serverFp, seq: 1, time: 0 }, a, b);
  assertEquals(longest.length, MAX_CERTIFICATE);
});

Deno.test("a certificate needs both signatures, and no byte of it can change", async () => {
  const { certificate } = AB;
  for (let at = 0; at < certificate.length; at++) {
    const changed = certificate.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    const error = await assertRejects(async () => {
      await verifyCertificate(decodeCertificate(changed), a.bundle, b.bundle);
    }, SealpostError);
    assertEquals(["authentication", "format"].includes(error.code), true, error.code);
  }
  const body = certificate.slice(0, -128);
  const [old, young] = [certificate.slice(-128, -64), certificate.slice(-64)];
  const tries: readonly (readonly [Bytes, string])[] = [
    [concat(body, young, young), "the old key did not sign"],
    [concat(body, random(64), young), "the old key did not sign"],
    [concat(body, old, old), "the new key did not sign"],
    [concat(body, old, random(64)), "the new key did not sign"],
  ];
  for (const [bytes, why] of tries) {
    await assertRejects(
      () => verifyCertificate(decodeCertificate(bytes), a.bundle, b.bundle),
      SealpostError,
      why,
    );
  }
});

Deno.test("a certificate of another layout is refused", () => {
  const { certificate } = AB;
  const cases: Bytes[] = [
    new Uint8Array(0),
    certificate.slice(1),
    certificate.slice(0, -1),
    concat(certificate, new Uint8Array(1)),
  ];
  const withName = (...bytes: number[]) => {
    const changed = certificate.slice();
    changed.set(bytes, 4);
    return changed;
  };
  cases.push(withName(0x41), withName(0xff), withName(0x2d), withName(0x2f));
  const numberless = certificate.slice();
  numberless.fill(0, 4 + 5 + 32, 4 + 5 + 40);
  const same = certificate.slice();
  same.set(same.slice(49, 81), 81);
  for (const bytes of [...cases, numberless, same]) {
    const error = assertThrows(() => decodeCertificate(bytes), SealpostError);
    assertEquals(error.code, "format");
  }
});

Deno.test("a chain is followed from the known key to the one that is offered", async () => {
  const one = await followChain(WHOSE, START, [AB], b.bundle);
  assertEquals(one.now, { bundle: b.bundle, seq: 1 });
  const two = await followChain(WHOSE, START, [AB, BC], c.bundle);
  assertEquals(two.now, { bundle: c.bundle, seq: 2 });
  assertEquals(two.left.map(({ seq, time }) => [seq, time]), [[0, 1000], [1, 2000]]);
  assertEquals(two.left.map(({ bundle }) => bundle.fp), [a.bundle.fp, b.bundle.fp]);
  const later = { bundle: b.bundle, seq: 1 };
  assertEquals((await followChain(WHOSE, later, [BC], c.bundle)).now.seq, 2);
});

Deno.test("a chain of another person, server, number or key leads nowhere", async () => {
  const chain = (links: ChainLink[], to = b, whose = WHOSE, start = START) => {
    return refused(whose, start, links, to.bundle);
  };
  assertEquals(await chain([]), "there is no certificate");
  assertEquals(await chain([await link(a, b, 1, { name: "bob" })]), isFor("another name"));
  const elsewhere = await link(a, b, 1, { serverFp: mallory.bundle.fp });
  assertEquals(await chain([elsewhere]), isFor("another server"));
  assertEquals(await chain([await link(a, b, 2)]), isFor("the number 2 in the place of 1"));
  assertEquals(
    await chain([AB], b, WHOSE, { ...START, seq: 1 }),
    isFor("the number 1 in the place of 2"),
  );
  // The end is another key than the last certificate's; the start is not the pin.
  assertEquals(await chain([AB], c), "the certificate is about other keys");
  assertEquals(await chain([AB], mallory), "the certificate is about other keys");
  assertEquals(await chain([BC], c), isFor("the number 2 in the place of 1"));
  const stolen = await link(mallory, b, 1);
  assertEquals(await chain([stolen]), "the certificate is about other keys");
  // Somebody else's key in the place of the old one, with the fingerprint of the right one.
  assertEquals(await chain([AB, BC], b), "the certificate is about other keys");
  assertEquals(
    await chain([AB, { ...BC, bundle: encodeBundle(mallory.bundle) }], c),
    "the certificate is about other keys",
  );
});

Deno.test("a chain leads to no key that was left before, however it goes round", async () => {
  const back = [AB, await link(b, a, 2)];
  assertEquals(await refused(WHOSE, START, back, a.bundle), isFor("a key that was left before"));
  const known = { ...WHOSE, retired: [b.bundle.fp] };
  assertEquals(await refused(known, START, [AB], b.bundle), isFor("a key that was left before"));
  const round = [AB, BC, await link(c, b, 3)];
  assertEquals(await refused(WHOSE, START, round, b.bundle), isFor("a key that was left before"));
});

Deno.test("a chain without end is not followed", async () => {
  const links = Array.from({ length: MAX_CHAIN + 1 }, () => AB);
  const error = await assertRejects(
    () => followChain(WHOSE, START, links, b.bundle),
    SealpostError,
  );
  assertEquals(error.code, "limit");
});

Deno.test("the proof of a new key is bound to its secret, certificate and session", async () => {
  const exporter = (key: number) => (label: string, context: Bytes) => {
    assertEquals([label, context.length], ["sealpost/1 rotation", 32]);
    return Promise.resolve(concat(new Uint8Array([key]), context.slice(1)));
  };
  const secret = random(32);
  const proof = await rotationProof(secret, AB.certificate, exporter(1));
  assertEquals(equal(proof, await rotationProof(secret, AB.certificate, exporter(1))), true);
  assertNotEquals(proof, await rotationProof(random(32), AB.certificate, exporter(1)));
  assertNotEquals(proof, await rotationProof(secret, BC.certificate, exporter(1)));
  assertNotEquals(proof, await rotationProof(secret, AB.certificate, exporter(2)));
});

function isFor(what: string): string {
  return `the certificate is for ${what}`;
}
