// A client that has logged in, and asks for what there is not.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { utf8 } from "../../../crypto/bytes.ts";
import { FrameKind } from "../../../protocol/frame.ts";
import { attack } from "./attack.ts";
import { type Intruder, rawFrame } from "../intruder.ts";
import { leaveMail } from "../mail.ts";
import { malformed, membersOf, NOT_REQUESTS, OPS } from "./wrong_requests.ts";

/** Requests that are sent before the answer to the first is read. */
const AT_ONCE = 32;

/** Sends all of `payloads`, some at once; asserts that each is refused as malformed and no more. */
async function allMalformed(
  session: Intruder,
  payloads: readonly { readonly what: string; readonly payload: Uint8Array }[],
): Promise<void> {
  for (let from = 0; from < payloads.length; from += AT_ONCE) {
    const some = payloads.slice(from, from + AT_ONCE);
    const ids: number[] = [];
    for (const { payload } of some) ids.push(await session.request(payload));
    for (const [i, id] of ids.entries()) {
      const { what } = some[i] ?? {};
      const answer = await session.answer(id);
      assertEquals({ ok: answer.ok, code: answer.code }, { ok: false, code: "format" }, what);
      assertEquals(Object.keys(answer).sort(), ["code", "message", "ok"], what);
      // What was wrong, and nothing of what it held.
      assertMatch(
        `${answer.message}`,
        /^(a malformed ("[A-Za-z0-9.]{1,60}"|object)|text that is not (JSON|UTF-8))$/,
        what,
      );
    }
  }
}

Deno.test("every member of every request is tried", () => {
  for (const op of OPS) {
    const { here, schema } = membersOf(op);
    assertEquals(here, schema, op);
  }
});

attack(
  "JSON of the wrong form, in any place of any request, is refused and does nothing",
  async (siege, t) => {
    const chain = await siege.chain("alice");
    const first = await chain.next();
    await leaveMail(first, siege.self("alice"), 2);
    await first.close();
    await siege.mark();
    const before = await siege.arena.memory();
    for (const op of OPS) {
      await t.step(op, async () => {
        const session = await chain.next();
        const wrong = malformed(op).map(({ what, text }) => ({ what, payload: utf8(text) }));
        assert(wrong.length >= 60, `${wrong.length}`);
        await allMalformed(session, wrong);
        // The session is as good as any.
        assertEquals((await session.ask({ op: "whoami" })).name, "alice");
        await session.close();
      });
    }
    await t.step("what is no request at all", async () => {
      const session = await chain.next();
      await allMalformed(
        session,
        Object.entries(NOT_REQUESTS).map(([what, payload]) => ({ what, payload })),
      );
      await session.close();
    });
    await t.step("and the server's memory is as it was", async () => {
      const grown = await siege.arena.memory() - before;
      assert(grown < 96, `it grew by ${grown} MiB`);
    });
    await siege.unharmed({ tickets: true });
  },
);

attack("of a member that comes twice the last counts, and nothing else", async (siege) => {
  const session = await (await siege.chain("alice")).next();
  await siege.mark();
  const uids = await siege.uids("alice");
  const both = `{"op":"remove","uids":[${uids}],"op":"flag","set":[],"clear":[]}`;
  const twice = await session.ask(both);
  assertEquals({ ok: twice.ok, uids: twice.uids }, { ok: true, uids });
  assertEquals((await session.ask('{"op":"flag","uids":[1],"op":"whoami"}')).code, "format");
  assertEquals((await session.ask('{"op":"remove","op":"whoami"}')).name, "alice");
  await session.close();
  assertEquals(await siege.uids("alice"), uids, "nothing was removed");
});

attack(
  "numbers at the ends of their range, and names that are only odd, are answered as asked",
  async (siege) => {
    const session = await (await siege.chain("alice")).next();
    const max = Number.MAX_SAFE_INTEGER;
    const last = (await siege.uids("alice")).at(-1) ?? 0;
    assert(last > 0);
    const answers: [request: unknown, expected: Record<string, unknown>][] = [
      [{ op: "fetch", uid: max }, { ok: false, code: "no-such-message" }],
      [{ op: "fetch", uid: last + 1 }, { ok: false, code: "no-such-message" }],
      [{ op: "fetch", uid: last, offset: max }, { ok: false, code: "no-such-message" }],
      [{ op: "flag", uids: [max], set: ["seen"], clear: [] }, { ok: true, uids: [] }],
      [{ op: "remove", uids: [max, max - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 2] }, {
        ok: true,
        uids: [],
      }],
      [{ op: "remove", uids: Array(1000).fill(last + 1) }, { ok: true, uids: [] }],
      [{ op: "keys", names: ["0", "a-", "a..", "x".repeat(32)] }, { ok: true }],
      ['{"op":"fetch","uid":1.5e3}', { ok: false, code: "no-such-message" }],
      ['{"op":"fetch","uid":15000.0,"offset":-0}', { ok: false, code: "no-such-message" }],
    ];
    for (const [request, expected] of answers) {
      const answer = await session.ask(request);
      const told = Object.fromEntries(Object.keys(expected).map((key) => [key, answer[key]]));
      assertEquals(told, expected, JSON.stringify(request));
    }
    // Listings of nothing.
    for (
      const where of [{ after: max }, { before: 1 }, { after: 2, before: 2 }, { folder: "trash" }]
    ) {
      const id = await session.request({ op: "list", order: "newest", limit: 200, ...where });
      assertEquals((await session.answer(id)).ok, true);
      assertEquals((await session.next())?.kind, FrameKind.end, JSON.stringify(where));
    }
    await session.close();
  },
);

attack(
  "data behind a request that could not be read is thrown away, and only its own",
  async (siege) => {
    const chain = await siege.chain("alice");
    await siege.mark();
    const session = await chain.next();
    const id = await session.request('{"op":"deliver"}');
    for (let i = 0; i < 20; i++) {
      await session.send(
        rawFrame(FrameKind.data, id, new Uint8Array(60_000)),
      );
    }
    await session.send(rawFrame(FrameKind.end, id));
    assertEquals((await session.answer(id)).code, "format");
    assertEquals((await session.ask({ op: "whoami" })).ok, true);
    // A second end belongs to nothing.
    await session.send(rawFrame(FrameKind.end, id));
    assertEquals(await session.rest(), []);
    assertEquals((await siege.arena.ended(session.wire)).code, "protocol");
    session.wire.close();
    await siege.unharmed({ tickets: true });
  },
);
