import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { aesOpen, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, lp, random, u64, utf8 } from "../../crypto/bytes.ts";
import { verify } from "../../crypto/ed25519.ts";
import { hkdf, sha256 } from "../../crypto/hash.ts";
import { decapsulate, encapsulate, type KemUse } from "../../crypto/kem.ts";
import { sealBody } from "../../protocol/body.ts";
import { checkCommitment, commit } from "../../protocol/file_key.ts";
import { decodeHeader, encodeHeader, HEADER_SIZE } from "../../protocol/header.ts";
import { startLane } from "../../protocol/lane.ts";
import { openNote, sealNote } from "../../protocol/note.ts";
import {
  checkStanza,
  openStanza,
  sealStanza,
  stanzaFp,
  stanzaSize,
  verifyStanza,
} from "../../protocol/stanza.ts";
import { openSummary, sealSummary, verifySummary } from "../../protocol/summary.ts";
import { newMessageId } from "../../protocol/uuid.ts";
import { aesSeal } from "../../crypto/aes_gcm.ts";
import { assertRefused, assertRefusedAsync, flip } from "../support/testing.ts";
import { identityOf } from "../support/identities.ts";
import { all, deliveredTo, pieces, read, sealMessage, summaryOf } from "../support/sealed.ts";

const alice = await identityOf("alice");
const bob = await identityOf("bob");
const carol = await identityOf("carol", 3072);

const ZERO_NONCE = new Uint8Array(12);
const NONE = new Uint8Array(0);

/** The key of a stanza's box, from the secret of its lane. */
async function boxKey(secret: Bytes, header: Bytes, fp: Bytes): Promise<CryptoKey> {
  const info = concat(utf8("sealpost/1 stanza"), await sha256(header), fp);
  return await importAesKey(await hkdf(secret, NONE, info, 32));
}

Deno.test("a message is read by each of its recipients and by its sender, whatever its length", async () => {
  // Around the smallest padded size, and bodies of exactly one, two and three chunks.
  const chunks = [1, 2, 3].map((n) => n * 65536 - 72);
  const lengths = [0, 1, 4023, 4024, 4025, ...chunks, 65_465, 200_000];
  for (const length of lengths) {
    const message = random(length);
    const parts = await sealMessage(alice, [bob.bundle, carol.bundle], message);
    for (const [index, reader] of [bob, carol, alice].entries()) {
      const got = await read(reader, alice.bundle, deliveredTo(parts, index));
      assertEquals(got.message, message);
      assertEquals(got.summary, summaryOf(alice, length));
    }
  }
});

Deno.test("a message to nobody but its sender is read by its sender", async () => {
  const parts = await sealMessage(alice, [], utf8("a note to myself"));
  const { message } = await read(alice, alice.bundle, deliveredTo(parts, 0));
  assertEquals(message, utf8("a note to myself"));
});

Deno.test("every part of a message follows its formula", async () => {
  const message = random(70_000);
  const parts = await sealMessage(alice, [bob.bundle], message);
  const { header, fileKey } = parts;
  const [stanza = NONE] = parts.stanzas;
  const part = async (name: string) =>
    await importAesKey(
      await hkdf(fileKey, NONE, concat(utf8(`sealpost/1 ${name}`), await sha256(header)), 32),
    );

  assertEquals(header.length, 81);
  assertEquals(header[0], 1);
  assertEquals(header.slice(17, 49), alice.bundle.fp);
  assertEquals(header.slice(49), await hkdf(fileKey, NONE, "sealpost/1 commit", 32));

  const { fp } = bob.bundle;
  assertEquals(stanza.slice(0, 34), concat(fp, new Uint8Array([1, 0])));
  const ciphertexts = [stanza.slice(34, 290), stanza.slice(290, 1378)] as const;
  const secret = await decapsulate(bob, "stanza", ...ciphertexts, alice.bundle.fp);
  const box = await aesOpen(
    await boxKey(secret, header, fp),
    ZERO_NONCE,
    stanza.slice(1378),
    concat(header, fp),
  );
  assertEquals(box.slice(0, 32), fileKey);
  const addressed = concat(utf8("sealpost/1 recipient"), lp(header), fp);
  assert(await verify(alice.bundle.ed25519Key, box.slice(32), addressed));
  assertEquals(stanza.length, stanzaSize(2048));

  const summary = await aesOpen(await part("summary"), ZERO_NONCE, parts.summary);
  assertEquals(summary.length, 1024 + 64);
  const hash = await sha256(summary.slice(0, 1024));
  assertEquals(hash, parts.summaryHash);
  const summarized = concat(utf8("sealpost/1 summary"), lp(header), hash);
  assert(await verify(alice.bundle.ed25519Key, summary.slice(1024), summarized));

  const bodyKey = await part("body");
  const plain: Bytes[] = [];
  let c = await sha256(utf8("sealpost/1 body hash"));
  for (const [i, chunk] of parts.chunks.entries()) {
    const last = i === parts.chunks.length - 1;
    const nonce = new Uint8Array(12);
    nonce[10] = i;
    nonce[11] = last ? 1 : 0;
    const opened = await aesOpen(bodyKey, nonce, chunk);
    plain.push(opened);
    const leaf = await sha256(
      utf8("sealpost/1 leaf"),
      u64(i),
      last ? opened.slice(0, -64) : opened,
    );
    c = await sha256(c, leaf);
  }
  const whole = concat(...plain);
  assertEquals(whole.length, 71_680);
  assertEquals(whole.slice(0, 8), u64(70_000));
  assertEquals(whole.slice(8, 70_008), message);
  assertEquals(whole.slice(70_008, -64), new Uint8Array(71_680 - 70_008 - 64));
  const signed = concat(utf8("sealpost/1 message"), lp(header), hash, c);
  assert(await verify(alice.bundle.ed25519Key, whole.slice(-64), signed));

  const noteInfo = concat(utf8("sealpost/1 note"), await sha256(header));
  const noteKey = await importAesKey(await hkdf(alice.mlkemSeed, NONE, noteInfo, 32));
  const note = await aesOpen(noteKey, ZERO_NONCE, parts.note, header);
  const json = utf8('{"bcc":[]}');
  assertEquals(note.slice(0, 4 + json.length), lp(json));
  assertEquals(note.length, 1024);
});

Deno.test("the same message sealed twice has nothing in common", async () => {
  const message = utf8("the same");
  const [a, b] = [
    await sealMessage(alice, [bob.bundle], message),
    await sealMessage(alice, [bob.bundle], message),
  ];
  assertNotEquals(a.fileKey, b.fileKey);
  assertNotEquals(a.header, b.header);
  assertNotEquals(a.summary.slice(0, 64), b.summary.slice(0, 64));
  assertNotEquals(a.chunks[0]?.slice(0, 64), b.chunks[0]?.slice(0, 64));
});

Deno.test("another's stanza is refused before it is tried, and does not open under one's own name", async () => {
  const parts = await sealMessage(alice, [bob.bundle], utf8("for bob"));
  const mallory = await identityOf("mallory");
  const [stanza = NONE] = parts.stanzas;
  let operations = 0;
  const counting = {
    ...mallory,
    decapsulateMlKem: (ciphertext: Bytes) => {
      operations++;
      return mallory.decapsulateMlKem(ciphertext);
    },
  };
  await assertRefusedAsync("format", () => openStanza(counting, stanza, parts.header));
  assertEquals(operations, 0);
  const renamed = concat(mallory.bundle.fp, stanza.slice(32));
  await assertRefusedAsync("authentication", () => openStanza(counting, renamed, parts.header));
  assertEquals(operations, 1);
  // A key of another size is told by the lengths, before any private operation.
  const sized = concat(carol.bundle.fp, stanza.slice(32));
  await assertRefusedAsync("format", () => openStanza(carol, sized, parts.header));
});

Deno.test("half of a recipient's encryption keys opens nothing", async () => {
  const parts = await sealMessage(alice, [bob.bundle], utf8("for bob"));
  const mallory = await identityOf("mallory");
  const [stanza = NONE] = parts.stanzas;
  const halves = [
    { ...bob, rsaKey: mallory.rsaKey },
    { ...bob, decapsulateMlKem: mallory.decapsulateMlKem },
  ];
  for (const half of halves) {
    await assertRefusedAsync("authentication", () => openStanza(half, stanza, parts.header));
  }
});

Deno.test("ciphertexts of a handshake make no stanza", async () => {
  const { header, fileKey } = await sealMessage(alice, [], utf8("x"));
  const stanzaFor = async (use: KemUse) => {
    const { fp } = bob.bundle;
    const { ctRsa, ctMlkem, secret } = await encapsulate(bob.bundle, use, alice.bundle.fp);
    const text = concat(fileKey, new Uint8Array(64));
    const key = await boxKey(secret, header, fp);
    const box = await aesSeal(key, ZERO_NONCE, text, concat(header, fp));
    return concat(fp, new Uint8Array([1, 0]), ctRsa, ctMlkem, box);
  };
  assertEquals((await openStanza(bob, await stanzaFor("stanza"), header)).fileKey, fileKey);
  for (const use of ["hs-server", "hs-client"] as const) {
    const stanza = await stanzaFor(use);
    await assertRefusedAsync("authentication", () => openStanza(bob, stanza, header));
  }
});

Deno.test("a recipient cannot hand the file key on as if the sender had addressed the next", async () => {
  const parts = await sealMessage(alice, [bob.bundle], utf8("for bob's eyes only"));
  const { header } = parts;
  const { fileKey, signature } = await openStanza(bob, parts.stanzas[0] ?? NONE, header);

  // With a signature of their own.
  const forwarded = await sealStanza(carol.bundle, fileKey, header, bob);
  const opened = await openStanza(carol, forwarded, header);
  assertEquals(opened.fileKey, fileKey);
  await assertRefusedAsync(
    "authentication",
    () => verifyStanza(alice.bundle, opened.signature, header, carol.bundle.fp),
  );
  const asDelivered = { ...deliveredTo(parts, 0), stanza: forwarded };
  await assertRefusedAsync("authentication", () => read(carol, alice.bundle, asDelivered));

  // With the sender's, which names bob.
  const { fp } = carol.bundle;
  const { ctRsa, ctMlkem, secret } = await startLane(carol.bundle, alice.bundle.fp);
  const box = await aesSeal(
    await boxKey(secret, header, fp),
    ZERO_NONCE,
    concat(fileKey, signature),
    concat(header, fp),
  );
  const copied = concat(fp, new Uint8Array([1, 128]), ctRsa, ctMlkem, box);
  assertEquals((await openStanza(carol, copied, header)).signature, signature);
  const again = { ...deliveredTo(parts, 0), stanza: copied };
  await assertRefusedAsync("authentication", () => read(carol, alice.bundle, again));
});

Deno.test("a stanza, summary or note under another header does not open", async () => {
  const parts = await sealMessage(alice, [bob.bundle], utf8("x"));
  const other = encodeHeader({ ...decodeHeader(parts.header), id: newMessageId() });
  const [stanza = NONE] = parts.stanzas;
  await assertRefusedAsync("authentication", () => openStanza(bob, stanza, other));
  await assertRefusedAsync(
    "authentication",
    () => openSummary(parts.summary, parts.fileKey, other),
  );
  await assertRefusedAsync("authentication", () => openNote(parts.note, other, alice));
  const { signature } = await openStanza(bob, stanza, parts.header);
  await assertRefusedAsync(
    "authentication",
    () => verifyStanza(alice.bundle, signature, other, bob.bundle.fp),
  );
  const opened = await openSummary(parts.summary, parts.fileKey, parts.header);
  await assertRefusedAsync("authentication", () => verifySummary(alice.bundle, opened, other));
});

Deno.test("parts of two messages do not make a third", async () => {
  const x = await sealMessage(alice, [bob.bundle], utf8("message x"), { subject: "x" });
  const y = await sealMessage(alice, [bob.bundle], utf8("message y"), { subject: "y" });
  const [atX, atY] = [deliveredTo(x, 0), deliveredTo(y, 0)];
  const mixed = [
    { ...atX, summary: atY.summary },
    { ...atX, body: pieces(...y.chunks) },
    { ...atX, stanza: atY.stanza },
    { ...atX, header: atY.header },
    { ...atX, header: atY.header, stanza: atY.stanza },
    { ...atX, stanza: atY.stanza, summary: atY.summary },
    { ...atX, header: atY.header, stanza: atY.stanza, summary: atY.summary },
  ];
  for (const delivered of mixed) {
    await assertRefusedAsync("authentication", () => read(bob, alice.bundle, delivered));
  }
});

Deno.test("a body belongs to its summary even where header and file key are the same", async () => {
  // Only the sender could make two such summaries; a reader still gets what was signed together.
  const parts = await sealMessage(alice, [bob.bundle], utf8("to the summary with subject one"));
  const { header, fileKey } = parts;
  const two = await sealSummary(summaryOf(alice, 31, { subject: "two" }), fileKey, header, alice);
  const delivered = { ...deliveredTo(parts, 0), summary: two.box };
  await assertRefusedAsync("authentication", () => read(bob, alice.bundle, delivered));
});

Deno.test("a recipient who has the file key cannot write in the sender's name", async () => {
  const parts = await sealMessage(alice, [bob.bundle, carol.bundle], utf8("from alice"));
  const { header, fileKey, summaryHash } = parts;
  const forged = utf8("from bob, really");

  const body = await all(
    sealBody({ fileKey, header, summaryHash }, bob, forged.length, pieces(forged)),
  );
  const withBody = { ...deliveredTo(parts, 1), body: pieces(...body) };
  await assertRefusedAsync("authentication", () => read(carol, alice.bundle, withBody));

  const summary = await sealSummary(summaryOf(alice, 10), fileKey, header, bob);
  const withSummary = { ...deliveredTo(parts, 1), summary: summary.box };
  await assertRefusedAsync("authentication", () => read(carol, alice.bundle, withSummary));

  // All of it in the sender's own name is the sender's message, and read as such only.
  const own = await sealMessage(bob, [carol.bundle], forged);
  await assertRefusedAsync("authentication", () => read(carol, alice.bundle, deliveredTo(own, 0)));
  assertEquals((await read(carol, bob.bundle, deliveredTo(own, 0))).message, forged);
});

Deno.test("a summary that names another sender than the header is not read", async () => {
  const parts = await sealMessage(bob, [carol.bundle], utf8("x"), summaryOf(alice, 1));
  await assertRefusedAsync("authentication", () => read(carol, bob.bundle, deliveredTo(parts, 0)));
});

Deno.test("a header commits to one file key", async () => {
  const [one, two] = [random(32), random(32)];
  const commitment = await commit(one);
  await checkCommitment(one, commitment);
  await assertRefusedAsync("authentication", () => checkCommitment(two, commitment));
  for (let at = 0; at < 32; at++) {
    await assertRefusedAsync("authentication", () => checkCommitment(one, flip(commitment, at)));
  }
  await assertRefusedAsync("authentication", () => checkCommitment(one, commitment.slice(1)));

  // A sender who gives two readers two keys under one header fails at one of them.
  const header = encodeHeader({ id: newMessageId(), senderFp: alice.bundle.fp, commitment });
  const parts = await sealMessage(alice, [bob.bundle], utf8("x"));
  const delivered = {
    ...deliveredTo(parts, 0),
    header,
    stanza: await sealStanza(bob.bundle, two, header, alice),
  };
  await assertRefusedAsync("authentication", () => read(bob, alice.bundle, delivered));
});

Deno.test("a fixed header of another version or size, or without a UUIDv7, is refused", async () => {
  const { header } = await sealMessage(alice, [], utf8("x"));
  assertEquals(encodeHeader(decodeHeader(header)), header);
  for (const version of [0, 2, 255]) {
    const other = header.slice();
    other[0] = version;
    assertRefused("version", () => decodeHeader(other));
  }
  for (let size = 0; size < HEADER_SIZE; size++) {
    assertRefused("format", () => decodeHeader(header.slice(0, size)));
  }
  assertRefused("format", () => decodeHeader(concat(header, new Uint8Array(1))));
  for (const [at, bit] of [[7, 4], [7, 5], [7, 6], [7, 7], [9, 6], [9, 7]] as const) {
    assertRefused("format", () => decodeHeader(flip(header, at, bit)));
  }
});

Deno.test("a stanza whose lengths do not fit is refused before anything is decrypted", async () => {
  const { header, stanzas } = await sealMessage(alice, [], utf8("x"));
  const [stanza = NONE] = stanzas;
  checkStanza(stanza);
  assertEquals(stanzaFp(stanza), alice.bundle.fp);
  for (const size of [0, 1, 31, 32, 33, 34, 289, stanza.length - 1]) {
    assertRefused("format", () => checkStanza(stanza.slice(0, size)));
    await assertRefusedAsync("format", () => openStanza(alice, stanza.slice(0, size), header));
  }
  assertRefused("format", () => checkStanza(concat(stanza, new Uint8Array(1))));
  for (const rsa of [0, 255, 257, 513, 65_535]) {
    const other = stanza.slice();
    other.set([rsa >> 8, rsa & 0xff], 32);
    assertRefused("format", () => checkStanza(other));
  }
  for (const rsaBits of [2048, 2056, 3072, 4096]) {
    const fake = new Uint8Array(stanzaSize(rsaBits));
    fake.set([rsaBits / 8 >> 8, rsaBits / 8 & 0xff], 32);
    checkStanza(fake);
  }
});

Deno.test("a note opens for its sender under its header, and for nobody else", async () => {
  const { header } = await sealMessage(alice, [], utf8("x"));
  const person = { name: "bob", fp: summaryOf(bob, 0).from.fp };
  for (const count of [0, 1, 10, 100, 256]) {
    const note = { bcc: Array.from({ length: count }, () => person) };
    const box = await sealNote(note, header, alice);
    assert([1024, 4096, 16_384, 32_768].includes(box.length - 16));
    assertEquals(await openNote(box, header, alice), note);
    await assertRefusedAsync("authentication", () => openNote(box, header, bob));
    for (const at of [0, 500, box.length - 1]) {
      await assertRefusedAsync("authentication", () => openNote(flip(box, at), header, alice));
    }
    await assertRefusedAsync("format", () => openNote(box.slice(1), header, alice));
  }
});
