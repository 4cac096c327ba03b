// A client that has logged in and takes what it can: room, memory and time.

import { join } from "@std/path";
import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat, random } from "../../../crypto/bytes.ts";
import { encodeEnvelope } from "../../../protocol/envelope.ts";
import { FRAME_HEADER, FrameKind, MAX_DATA } from "../../../protocol/frame.ts";
import { MAX_RECORD_PLAINTEXT } from "../../../protocol/record.ts";
import { formatMessageId, newMessageId } from "../../../protocol/uuid.ts";
import { EVERYTHING } from "../arena.ts";
import { attack } from "./attack.ts";
import { Intruder, rawFrame } from "../intruder.ts";
import { bytesOf, deliver, uploadOf } from "../mail.ts";
import { MAX_PARTIALS, UPLOADS_NAME } from "../../../server/store/partial_uploads.ts";
import { FULL } from "../../support/full.ts";
import { filesBelow } from "../../support/search.ts";
import { waitFor } from "../../support/wait.ts";
import type { Siege } from "../siege.ts";

/** A message of `size` sealed bytes of noise behind a true envelope, which the server cannot tell. */
async function bulk(siege: Siege, name: string, size: number) {
  const { request, envelope } = await uploadOf(siege.self(name));
  const header = concat(envelope.header);
  const id = newMessageId();
  header.set(id, 1);
  const body = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    body.set(random(Math.min(65_536, size - at)), at);
  }
  const upload = { request, envelope: { ...envelope, header, bodySize: size }, body };
  return {
    ...upload,
    request: {
      ...request,
      id: formatMessageId(id),
      size: encodeEnvelope(upload.envelope).length + size,
    },
  };
}

/** As many frames as a record holds. */
function full(frame: Bytes): Bytes {
  const count = Math.floor(MAX_RECORD_PLAINTEXT / frame.length);
  return concat(...Array<Bytes>(count).fill(frame));
}

attack(
  "many uploads at once that never finish keep nobody else from sending, and go without a trace",
  async (siege) => {
    const unfinished = async () => {
      const names = await filesBelow(join(siege.arena.group.path("server"), "mail", UPLOADS_NAME));
      return names.filter((name) => name.endsWith(".body"));
    };
    const memory: number[] = [];
    for (let round = 0; round < (EVERYTHING ? 6 : FULL ? 2 : 1); round++) {
      const sessions: Intruder[] = [];
      for (const name of ["alice", "bob"]) {
        const chain = await siege.chain(name);
        for (let i = 0; i < (FULL ? 50 : 10); i++) {
          const session = await chain.next();
          sessions.push(session);
          // Another message each: of one and the same only one upload goes on at a time.
          const { request, envelope, body } = await bulk(siege, name, 1 << 20);
          const id = await session.request(request);
          // The envelope and enough of the body that a file is made for it; then nothing.
          const data = concat(encodeEnvelope(envelope), body.subarray(0, 300_000));
          for (let at = 0; at < data.length; at += MAX_DATA) {
            await session.send(rawFrame(FrameKind.data, id, data.subarray(at, at + MAX_DATA)));
          }
        }
      }
      // A user's share of the memory for uploads is 16 MiB: so many are under way, the others wait.
      const bodies = (await unfinished()).length;
      assert(bodies > 0 && bodies <= 32 + 2 * MAX_PARTIALS, `${bodies} files`);
      await siege.othersGoOn();
      for (const [i, { wire }] of sessions.entries()) {
        // Half of them say that they send no more, half are just gone.
        if (i % 2 === 0) await wire.closeWrite().catch(() => {});
        else wire.close();
      }
      // Those who waited get their turn, and are found to be gone.
      for (const { wire } of sessions) await siege.arena.ended(wire);
      for (const { wire } of sessions) wire.close();
      await siege.unharmed({ tickets: true });
      // Of what broke off, what a user may have of it is left, in nobody's sight.
      await waitFor("the others to go", async () => {
        return (await unfinished()).length <= 2 * MAX_PARTIALS ? true : null;
      });
      memory.push(await siege.arena.memory());
    }
    // The room is there again.
    const session = await (await siege.chain("alice")).next();
    const upload = await bulk(siege, "alice", 1 << 20);
    assertEquals((await deliver(session, upload.request, bytesOf(upload))).ok, true);
    await session.close();
    const grown = (memory.at(-1) ?? 0) - (memory[0] ?? 0);
    assert(grown < 64, `the server's memory, MiB: ${memory.join(", ")}`);
  },
);

attack(
  "clients that ask for everything and read nothing, or stop in an upload, are let go, and take no memory meanwhile",
  async (siege) => {
    const chain = await siege.chain("bob");
    const first = await chain.next();
    const upload = await bulk(siege, "bob", 4 << 20);
    assertEquals((await deliver(first, upload.request, bytesOf(upload))).ok, true);
    await first.close();
    const uid = (await siege.uids("bob")).at(-1);
    await siege.mark();
    const before = await siege.arena.memory();
    const sessions: Intruder[] = [];
    for (let i = 0; i < (FULL ? 20 : 5); i++) {
      const session = await chain.next();
      // 240 MB to read for each.
      for (let n = 0; n < 60; n++) await session.request({ op: "fetch", uid });
      sessions.push(session);
    }
    const halfway = await (await siege.chain("alice")).next();
    const half = await bulk(siege, "alice", 1 << 20);
    const id = await halfway.request(half.request);
    await halfway.send(rawFrame(FrameKind.data, id, bytesOf(half).slice(0, 60_000)));
    await siege.othersGoOn();
    const grown = await siege.arena.memory() - before;
    assert(grown < 128, `the server's memory grew by ${grown} MiB`);
    assertEquals(await halfway.rest(), []);
    assertEquals(await siege.arena.ended(halfway.wire), {
      code: "timeout",
      why: "the client's upload stands still",
    });
    halfway.wire.close();
    for (const { wire } of sessions) {
      const ended = await siege.arena.ended(wire);
      assertEquals(ended, { code: "timeout", why: "the client does not read" });
      wire.close();
    }
    await siege.unharmed({ tickets: true });
  },
);

attack("floods of pings, cancels and empty records do nothing but pass", async (siege, t) => {
  const chain = await siege.chain("alice");
  await siege.mark();
  const before = await siege.arena.memory();
  const rounds = EVERYTHING ? 500 : 25;
  const ping = rawFrame(FrameKind.ping, 0, new Uint8Array(9));
  await t.step("pings whose answers nobody reads", async () => {
    const session = await chain.next();
    const many = full(ping);
    for (let i = 0; i < rounds; i++) await session.send(many);
    await siege.othersGoOn();
    session.wire.close();
  });
  await t.step("cancels of what is over", async () => {
    const session = await chain.next();
    const many = full(rawFrame(FrameKind.cancel, 1));
    for (let i = 0; i < rounds; i++) await session.send(many);
    assertEquals((await session.ask({ op: "whoami" })).name, "alice");
    await session.close();
  });
  await t.step("records that are all padding, and the shortest there are", async () => {
    const session = await chain.next();
    for (let i = 0; i < 40 * rounds; i++) await session.send(new Uint8Array(1 + i % 300));
    for (let i = 0; i < 10; i++) await session.send(new Uint8Array(MAX_RECORD_PLAINTEXT));
    assertEquals((await session.ask({ op: "whoami" })).name, "alice");
    await session.close();
  });
  await t.step("cancels of everything that is asked, at once", async () => {
    const session = await chain.next();
    for (let i = 0; i < 200; i++) {
      const id = 100 + i;
      const request = new TextEncoder().encode('{"op":"list","order":"newest","limit":200}');
      await session.send(rawFrame(FrameKind.request, id, request), rawFrame(FrameKind.cancel, id));
      // Refused, or broken off: either way with its one answer.
      for (;;) {
        const frame = await session.next();
        assert(frame?.id === id || frame?.kind === FrameKind.event, JSON.stringify(frame));
        if (frame.kind === FrameKind.end || frame.kind === FrameKind.cancel) break;
        if (frame.kind !== FrameKind.response) continue;
        const { ok, code } = JSON.parse(new TextDecoder().decode(frame.payload));
        if (!ok) {
          assertEquals(code, "cancelled");
          break;
        }
      }
    }
    await session.close();
  });
  const grown = await siege.arena.memory() - before;
  assert(grown < 96, `the server's memory grew by ${grown} MiB`);
  await siege.unharmed({ tickets: true });
});

attack("clients that say nothing at all cost nothing", async (siege) => {
  const chain = await siege.chain("alice");
  await siege.mark();
  const sessions: Intruder[] = [];
  const before = await siege.arena.memory();
  for (let i = 0; i < 100; i++) sessions.push(await chain.next());
  await siege.othersGoOn();
  const each = (await siege.arena.memory() - before) / 100;
  assert(each < 0.5, `${each} MiB each`);
  for (const { wire } of sessions) wire.close();
  await siege.unharmed({ tickets: true });
});

attack(
  "a record of the most frames that one can hold is worked through like another",
  async (siege) => {
    const session = await (await siege.chain("alice")).next();
    await siege.mark();
    const upload = await uploadOf(siege.self("alice"));
    const data = bytesOf(upload);
    // Cancelled in the end: nothing is stored.
    const id = await session.request(upload.request);
    const frames = [...data].map((byte) => rawFrame(FrameKind.data, id, new Uint8Array([byte])));
    const most = Math.floor(MAX_RECORD_PLAINTEXT / (FRAME_HEADER + 1));
    for (let at = 0; at < frames.length; at += most) {
      await session.send(
        ...frames.slice(at, at + most),
      );
    }
    await session.send(rawFrame(FrameKind.cancel, id));
    assertEquals((await session.answer(id)).code, "cancelled");
    await session.close();
    await siege.unharmed({ tickets: true });
  },
);
