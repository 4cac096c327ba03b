// A client that has logged in, breaks uploads off, and goes on with them in every wrong way.

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type Bytes, random, toBase64 } from "../../../crypto/bytes.ts";
import { sha256 } from "../../../crypto/hash.ts";
import { FrameKind, MAX_DATA } from "../../../protocol/frame.ts";
import { MAX_PARTIALS, UPLOADS_NAME } from "../../../server/store/partial_uploads.ts";
import { filesBelow } from "../../support/search.ts";
import { waitFor } from "../../support/wait.ts";
import { rawFrame } from "../intruder.ts";
import { bytesOf, deliver, type Upload, uploadOf } from "../mail.ts";
import type { Siege } from "../siege.ts";
import { attack } from "./attack.ts";

const SIZE = 600_000;
const CUT = 400_000;

/** A message that is too large to go into the database, of alice to herself and bob. */
async function message(siege: Siege): Promise<Upload> {
  const bob = { name: "bob", bundle: siege.arena.identity("bob").bundle };
  return await uploadOf(siege.self("alice"), [bob], new Uint8Array(SIZE));
}

/** What is asked about an upload. */
async function question({ request }: Upload, data: Bytes) {
  const digest = toBase64(await sha256(data));
  return { op: "upload", id: request.id, size: request.size, digest };
}

/** The files of what was broken off. */
function partials(siege: Siege): Promise<string[]> {
  return filesBelow(join(siege.arena.group.path("server"), "mail", UPLOADS_NAME));
}

/** Uploads the first bytes, and is gone without a goodbye. */
async function breakOff(siege: Siege, { request }: Upload, data: Bytes): Promise<void> {
  const session = await (await siege.chain("alice")).next();
  const id = await session.request(request);
  for (let at = 0; at < CUT; at += MAX_DATA) {
    await session.send(
      rawFrame(FrameKind.data, id, data.subarray(at, Math.min(CUT, at + MAX_DATA))),
    );
  }
  // An answer to a ping of this side would not say that the data was written.
  await waitFor("what was sent", async () => {
    const names = (await partials(siege)).filter((name) => {
      return name.includes(request.id.replaceAll("-", "")) && name.endsWith(".body");
    });
    const path = join(siege.arena.group.path("server"), "mail", UPLOADS_NAME, names[0] ?? "-");
    return names.length === 1 && Deno.statSync(path).size > CUT / 2 ? true : null;
  });
  session.wire.close();
}

attack(
  "an upload that broke off ends as what it began as, by its sender, or not",
  async (siege) => {
    const upload = await message(siege);
    const data = bytesOf(upload);
    const ask = await question(upload, data);
    await siege.mark();
    await breakOff(siege, upload, data);
    const alice = await (await siege.chain("alice")).next();
    const bob = await (await siege.chain("bob")).next();
    const { offset } = await alice.ask(ask);
    assert(typeof offset === "number" && offset > CUT / 2 && offset <= CUT, `${offset}`);

    // Nobody else learns of it, nor its sender under another size.
    assertEquals(await bob.ask(ask), { ok: true, offset: 0 });
    assertEquals(await alice.ask({ ...ask, size: ask.size + 1 }), { ok: true, offset: 0 });

    const { digest } = ask;
    const rest = data.subarray(offset);
    const altered = rest.slice();
    altered[0] = (altered[0] ?? 0) ^ 1;
    const lies: readonly (readonly [string, typeof alice, Record<string, unknown>, Bytes])[] = [
      ["format", alice, { offset }, rest],
      ["format", alice, { digest }, data],
      ["format", alice, { offset: ask.size + 1, digest }, rest],
      ["cancelled", alice, { offset: offset + 1, digest }, data.subarray(offset + 1)],
      ["cancelled", alice, { offset: 1, digest }, data.subarray(1)],
      ["cancelled", alice, { offset, digest, size: ask.size + 1 }, rest],
      ["cancelled", bob, { offset, digest }, rest],
      ["cancelled", alice, { offset, digest }, altered],
      // The last of them has cost the liar what was there.
      ["cancelled", alice, { offset, digest }, rest],
    ];
    for (const [code, session, change, bytes] of lies) {
      const answer = await deliver(session, { ...upload.request, ...change }, bytes);
      assertEquals([answer.ok, answer.code], [false, code], JSON.stringify(change));
    }
    await siege.unharmed({ tickets: true });

    // The honest way is still open, and works also where the upload goes on elsewhere at the moment.
    await breakOff(siege, upload, data);
    const again = await alice.ask(ask);
    const there = Number(again.offset);
    const done = await deliver(
      alice,
      { ...upload.request, offset: there, digest },
      data.subarray(there),
    );
    assertEquals([done.ok, done.again], [true, false]);
    assertEquals(await alice.ask(ask), { ok: true, offset: ask.size, at: done.at });
    assertEquals(await bob.ask(ask), { ok: true, offset: 0 });
    const other = toBase64(random(32));
    assertEquals(await alice.ask({ ...ask, digest: other }), { ok: true, offset: 0 });
    await alice.close();
    await bob.close();
  },
);

attack("whoever breaks off one upload after the other fills no disk with them", async (siege) => {
  await siege.mark();
  for (let i = 0; i < MAX_PARTIALS + 2; i++) {
    const upload = await message(siege);
    await breakOff(siege, upload, bytesOf(upload));
  }
  await waitFor("the oldest to go", async () => {
    return (await partials(siege)).length <= 2 * MAX_PARTIALS ? true : null;
  });
  await siege.unharmed({ tickets: true });
});
