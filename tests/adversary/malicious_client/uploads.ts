// A client that has logged in, and uploads what it did not announce, or what nobody could open.

import { assertEquals } from "@std/assert";
import { type Bytes, concat, random, toBase64, u16, u32, u64 } from "../../../crypto/bytes.ts";
import { sealedBodySize } from "../../../protocol/body.ts";
import { encodeEnvelope, type Envelope, MAX_ENVELOPE } from "../../../protocol/envelope.ts";
import { FrameKind } from "../../../protocol/frame.ts";
import { formatMessageId, newMessageId } from "../../../protocol/uuid.ts";
import { attack, MAX_MESSAGE } from "./attack.ts";
import { type Intruder, rawFrame } from "../intruder.ts";
import { bytesOf, deliver, type Upload, uploadOf } from "../mail.ts";
import type { Siege } from "../siege.ts";

const MOST = MAX_MESSAGE * 1024 * 1024;

/** A message of alice to herself and bob, in good order. */
async function message(siege: Siege): Promise<Upload> {
  const bob = { name: "bob", bundle: siege.arena.identity("bob").bundle };
  return await uploadOf(siege.self("alice"), [bob]);
}

/** What is sent in the place of a message, and how it is refused. */
interface Lie {
  readonly code: string;
  readonly request: unknown;
  readonly data: Bytes;
}

/** All lies are told in one session, which goes on after each; none leaves anything. */
async function tellAll(
  siege: Siege,
  lies: Readonly<Record<string, (honest: Upload) => Lie>>,
): Promise<void> {
  const session = await (await siege.chain("alice")).next();
  await siege.mark();
  for (const [what, lie] of Object.entries(lies)) {
    const { code, request, data } = lie(await message(siege));
    const answer = await deliver(session, request, data);
    assertEquals({ ok: answer.ok, code: answer.code }, { ok: false, code }, what);
    assertEquals((await siege.kept()).bodies, [], `${what}: nothing lies about`);
  }
  assertEquals((await session.ask({ op: "whoami" })).ok, true);
  await session.close();
  await siege.unharmed();
}

/** The honest message with another request. */
function saying(code: string, change: (honest: Upload) => Record<string, unknown>) {
  return (honest: Upload): Lie => ({
    code,
    request: { ...honest.request, ...change(honest) },
    data: bytesOf(honest),
  });
}

/** A message whose envelope is another, and whose request knows that. */
function sealing(code: string, change: (envelope: Envelope) => Partial<Envelope>) {
  return (honest: Upload): Lie => {
    const envelope = { ...honest.envelope, ...change(honest.envelope) };
    const data = bytesOf({ ...honest, envelope });
    return { code, request: { ...honest.request, size: data.length }, data };
  };
}

/** A message with other bytes, all of which were announced. */
function sending(code: string, change: (honest: Upload) => Uint8Array) {
  return (honest: Upload): Lie => {
    const data = concat(change(honest));
    return { code, request: { ...honest.request, size: data.length }, data };
  };
}

/** The header with `bytes` at `at`. */
function header({ header }: Envelope, at: number, bytes: Uint8Array): Partial<Envelope> {
  const changed = header.slice();
  changed.set(bytes, at);
  return { header: changed };
}

/** The envelope up to and including the stanzas, of which there are two. */
function upToStanzas({ envelope: { header, stanzas } }: Upload): Bytes {
  return concat(header, u16(stanzas.length), ...stanzas.flatMap((one) => [u16(one.length), one]));
}

attack(
  "a message to those who are not there, or have other keys, is refused before its bytes",
  async (siege) => {
    const fp = toBase64(random(32));
    const own = (honest: Upload) => honest.request.recipients[1];
    const day = 86_400_000;
    const id = (time: number) => ({ id: formatMessageId(newMessageId(time)) });
    await tellAll(siege, {
      "nobody": saying("no-such-user", () => ({ recipients: [{ name: "nobody", fp }] })),
      "somebody with a name like a path": saying("format", () => {
        return { recipients: [{ name: "../bob", fp }] };
      }),
      "bob under another key": saying("key-changed", () => ({ recipients: [{ name: "bob", fp }] })),
      "bob under the own key": saying("key-changed", (honest) => {
        return { recipients: [{ name: "bob", fp: own(honest)?.fp }, own(honest)] };
      }),
      "bob twice": saying("format", ({ request: { recipients: [bob] } }) => {
        return { recipients: [bob, bob] };
      }),
      "a hundred and one": saying("limit", () => {
        return { recipients: Array.from({ length: 101 }, (_, i) => ({ name: `u${i}`, fp })) };
      }),
      "two hundred and fifty-six": saying("limit", () => {
        return { recipients: Array.from({ length: 256 }, (_, i) => ({ name: `u${i}`, fp })) };
      }),
      "an id of last month": saying("limit", () => id(Date.now() - 30 * day)),
      "an id of 1970": saying("limit", () => id(0)),
      "an id of next year": saying("limit", () => id(Date.now() + 365 * day)),
      "an id of the last day there is": saying("limit", () => id(2 ** 48 - 1)),
      "a petabyte": saying("too-large", () => ({ size: 2 ** 50 })),
      "all that can be counted": saying("too-large", () => ({ size: Number.MAX_SAFE_INTEGER })),
      "a byte too much for this server": saying("too-large", () => {
        return { size: MAX_ENVELOPE + sealedBodySize(MOST) + 1 };
      }),
    });
  },
);

attack("an upload that is not what was announced leaves nothing", async (siege) => {
  const long = (honest: Upload) => concat(bytesOf(honest), new Uint8Array(1));
  await tellAll(siege, {
    "nothing": sending("format", () => new Uint8Array(0)),
    "a byte": sending("format", () => new Uint8Array(1)),
    "half a header": sending("format", ({ envelope }) => envelope.header.slice(0, 40)),
    "an envelope without its last byte": sending("format", ({ envelope }) => {
      return encodeEnvelope(envelope).slice(0, -1);
    }),
    "an envelope without a body": sending("format", ({ envelope }) => encodeEnvelope(envelope)),
    "a body without its last byte": sending("format", (honest) => bytesOf(honest).slice(0, -1)),
    "a byte more than its envelope says": sending("format", long),
    "a byte more than announced": (honest) => {
      return { code: "format", request: honest.request, data: long(honest) };
    },
    "much more than announced": (honest) => {
      const data = concat(bytesOf(honest), new Uint8Array(3_000_000));
      return { code: "format", request: honest.request, data };
    },
    "a byte less than announced": (honest) => {
      return { code: "format", request: honest.request, data: bytesOf(honest).slice(0, -1) };
    },
    "announced as nothing": saying("format", () => ({ size: 0 })),
    "announced as more": saying("format", ({ request: { size } }) => ({ size: size + 1 })),
    "announced as less": saying("format", ({ request: { size } }) => ({ size: size - 1 })),
    "noise": sending("format", () => random(20_000)),
    "zeros": sending("format", () => new Uint8Array(20_000)),
  });
});

attack("an envelope that contradicts the request, or itself, leaves nothing", async (siege) => {
  const zeros = (n: number) => new Uint8Array(n);
  await tellAll(siege, {
    "another id in the request": saying("format", () => ({ id: formatMessageId(newMessageId()) })),
    "another id in the header": sealing("format", (e) => header(e, 1, newMessageId())),
    "an id that is no UUID": sealing("format", (e) => header(e, 1, zeros(16))),
    "somebody else's fingerprint as the sender's": sealing("format", (e) => {
      return header(e, 17, siege.arena.identity("bob").bundle.fp);
    }),
    "a fingerprint of nobody": sealing("format", (e) => header(e, 17, random(32))),
    "another version": sealing("format", (e) => header(e, 0, new Uint8Array([2]))),
    "version 0": sealing("format", (e) => header(e, 0, zeros(1))),
    "no stanza for bob": sealing("format", ({ stanzas: [, own = zeros(0)] }) => {
      return { stanzas: [own] };
    }),
    "a stanza for somebody who is not named": saying("format", ({ request: { recipients } }) => {
      return { recipients: recipients.slice(1) };
    }),
    "a stanza for one who is not named in the place of one who is": sealing("format", (e) => {
      const [bob = zeros(0), own = zeros(0)] = e.stanzas;
      return { stanzas: [concat(random(32), bob.subarray(32)), own] };
    }),
    "bob's stanza twice": sealing("format", ({ stanzas: [bob = zeros(0), own = zeros(0)] }) => {
      return { stanzas: [bob, bob, own] };
    }),
    "no stanzas": sending("format", ({ envelope: { header } }) => {
      return concat(header, u16(0), u32(1), zeros(1), u32(0), u64(4112), zeros(4112));
    }),
    "257 stanzas": sending("format", (honest) => {
      return concat(honest.envelope.header, u16(257), bytesOf(honest).slice(83));
    }),
    "a stanza of no size": sending("format", (honest) => {
      return concat(honest.envelope.header, u16(1), u16(0), bytesOf(honest).slice(85));
    }),
    "a stanza of a size that RSA has not": sealing("format", ({ stanzas: [bob, own] }) => {
      return { stanzas: [concat(bob ?? zeros(0), zeros(1)), own ?? zeros(0)] };
    }),
    "a stanza that says another size than it has": sealing("format", ({ stanzas: [bob, own] }) => {
      const changed = concat(bob ?? zeros(0));
      changed.set(u16(300), 32);
      return { stanzas: [changed, own ?? zeros(0)] };
    }),
    "no summary": sending("format", (honest) => {
      return concat(upToStanzas(honest), u32(0), u32(0), u64(honest.body.length), honest.body);
    }),
    "a summary of 4 GB": sending("format", (honest) => {
      return concat(upToStanzas(honest), u32(0xffffffff), random(2000));
    }),
    "a summary of a byte more than any has": sending("format", (honest) => {
      return concat(upToStanzas(honest), u32(32_849), random(40_000));
    }),
    "a note of 4 GB": sending("format", (honest) => {
      const start = concat(upToStanzas(honest), u32(1), zeros(1));
      return concat(start, u32(0xffffffff), random(2000));
    }),
    "a note without a copy": sealing("format", () => ({ note: random(1040) })),
    "a copy without a note": saying("format", () => ({ copy: true })),
    "a body of 2^64 - 1 bytes": sending("format", (honest) => {
      const start = concat(upToStanzas(honest), u32(1), zeros(1), u32(0));
      return concat(start, zeros(8).fill(255), honest.body);
    }),
    "a body of 2^53 bytes": sending("format", (honest) => {
      const start = concat(upToStanzas(honest), u32(1), zeros(1), u32(0));
      return concat(start, new Uint8Array([0, 32, 0, 0, 0, 0, 0, 0]), honest.body);
    }),
    "a body larger than the server takes": sealing("too-large", () => {
      return { bodySize: sealedBodySize(MOST) + 1 };
    }),
    "a body larger than what comes": sealing("format", () => ({ bodySize: 4113 })),
    "a body smaller than what comes": sealing("format", () => ({ bodySize: 4111 })),
  });
});

attack("an id that was used is no key to what was stored under it", async (siege) => {
  const session = await (await siege.chain("alice")).next();
  const first = await message(siege);
  const stored = await deliver(session, first.request, bytesOf(first));
  assertEquals({ ok: stored.ok, again: stored.again }, { ok: true, again: false });
  await siege.mark();
  const again = await deliver(session, first.request, bytesOf(first));
  assertEquals({ ...again, again: false }, stored, "the first answer, again");

  // Other bytes under this id: with another body, or to other people.
  const body = concat(first.body);
  body[0] = (body[0] ?? 0) ^ 1;
  assertEquals(
    (await deliver(session, first.request, bytesOf({ ...first, body }))).code,
    "id-conflict",
  );
  const alone = {
    ...first,
    request: { ...first.request, recipients: first.request.recipients.slice(1) },
    envelope: { ...first.envelope, stanzas: first.envelope.stanzas.slice(1) },
  };
  const data = bytesOf(alone);
  const request = { ...alone.request, size: data.length };
  assertEquals((await deliver(session, request, data)).code, "id-conflict");
  await session.close();

  // Somebody else learns nothing from it: what is their own has ids of its own.
  const bob = await (await siege.chain("bob")).next();
  assertEquals((await deliver(bob, first.request, bytesOf(first))).code, "format");
  await bob.close();
  await siege.unharmed({ tickets: true });
});

attack(
  "an upload in any number of pieces is the same upload, and a cancelled one is none",
  async (siege) => {
    const session = await (await siege.chain("alice")).next();
    const upload = await message(siege);
    const data = bytesOf(upload);
    await siege.mark();
    await cancelled(session, upload, data.slice(0, 1000));
    await cancelled(session, upload, data.slice(0, -1));
    await siege.unharmed({ tickets: true });

    const id = await session.request(upload.request);
    // Byte by byte, thousands in a record.
    const frames = [...data].map((byte) => rawFrame(FrameKind.data, id, new Uint8Array([byte])));
    for (let at = 0; at < frames.length; at += 7000) {
      await session.send(
        ...frames.slice(at, at + 7000),
      );
    }
    await session.send(rawFrame(FrameKind.end, id));
    assertEquals((await session.answer(id)).ok, true);
    await session.close();
  },
);

async function cancelled(session: Intruder, upload: Upload, data: Bytes): Promise<void> {
  const id = await session.request(upload.request);
  await session.send(rawFrame(FrameKind.data, id, data), rawFrame(FrameKind.cancel, id));
  assertEquals((await session.answer(id)).code, "cancelled");
}
