// People who have not logged in, and mean to keep the server from those who have: many, slow, silent,
// or talking of something else.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Bytes, random, utf8 } from "../../crypto/bytes.ts";
import type { Address } from "../../protocol/address.ts";
import { ClientHandshake, SIZE_A, SIZE_B } from "../../protocol/handshake.ts";
import { REFUSAL_TEXT } from "../../protocol/plaintext.ts";
import { sleep } from "../../protocol/timer.ts";
import { FULL } from "../support/full.ts";
import { changing } from "../support/relay.ts";
import { waitFor } from "../support/wait.ts";
import { type End, endOf, EVERYTHING } from "./arena.ts";
import { besiege } from "./attack.ts";
import { MESSAGE } from "./man_in_the_middle/messages.ts";
import type { Siege } from "./siege.ts";
import { ELSEWHERE, HAS_ELSEWHERE, Stranger } from "./stranger.ts";

/** How long the server lets itself be kept waiting here: less than by default, to see the end of it. */
const PATIENCE = 4000;

const attack = besiege(["alice"], [`--login-timeout=${PATIENCE / 1000}s`]);

const LOST: End = { code: "connection-lost", exit: 75 };

/** A message A, which anybody can make, and use as often as they like. */
async function messageA(siege: Siege): Promise<Bytes> {
  const { server } = siege.arena;
  return await (await ClientHandshake.start(server, siege.arena.identity("alice"))).writeA();
}

/** Connects `count` strangers, from as many addresses as there are in turn or from `source`. */
async function dialAll(address: Address, count: number, source?: string): Promise<Stranger[]> {
  const dial = (i: number) => Stranger.dial(address, source ?? ELSEWHERE[i % ELSEWHERE.length]);
  const strangers: Stranger[] = [];
  // One comes first; then many at once: on a busy machine the first would have had their time before the last is there.
  while (strangers.length < count) {
    const from = strangers.length;
    const most = from === 0 ? 1 : 64;
    const next = Array.from({ length: Math.min(most, count - from) }, (_, i) => dial(from + i));
    strangers.push(...await Promise.all(next));
  }
  return strangers;
}

/** Those of `strangers` whose connection is still there. */
const present = (strangers: readonly Stranger[]) => strangers.filter(({ over }) => !over);

attack(
  "a thousand half handshakes keep nobody out, and cost the server no memory for good",
  async (siege) => {
    const a = await messageA(siege);
    // Nothing, a part of the prefix, all of it, half of message A, all of it but its last byte.
    const openings = [0, 2, 3, SIZE_A >> 1, SIZE_A - 1].map((size) => a.slice(0, size));
    const wave = async () => {
      const strangers = await dialAll(siege.address, 1000);
      for (const [i, stranger] of strangers.entries()) {
        stranger.say(openings[i % openings.length] ?? a);
      }
      return strangers;
    };
    const memory = [];
    for (let round = 0; round < (EVERYTHING ? 10 : 2); round++) {
      const strangers = await wave();
      assertEquals(new Set(present(strangers)).size, 1000);
      // There is room for a thousand: the one who came first makes room for who logs in now.
      await siege.unharmed();
      await siege.unharmed();
      const [first] = strangers;
      await first?.ended();
      // Nobody else went for it but those who had their time.
      await Promise.all(strangers.map((stranger) => stranger.ended()));
      assert(strangers.every(({ heard }) => heard.length === 0), "they were not answered");
      memory.push(await siege.arena.memory());
      await siege.unharmed();
    }
    const grown = (memory.at(-1) ?? 0) - (memory[0] ?? 0);
    assert(grown < 32, `the server's memory, MiB: ${memory.join(", ")}`);
  },
  { ignore: !HAS_ELSEWHERE || !FULL },
);

attack(
  "whoever opens more connections than one address may is turned away, with what runs from there",
  async (siege) => {
    const [source] = ELSEWHERE;
    const strangers = await dialAll(siege.address, 256, source);
    const late = await Stranger.dial(siege.address, source);
    await late.ended();
    assertEquals(
      new TextDecoder().decode(late.heard),
      "sealpost: not now (max-unauthenticated-per-source); try again in 10 s\n",
    );
    assertEquals(present(strangers).length, 256, "the others stay");
    await siege.unharmed();
    // With one gone there is room for one.
    await strangers.pop()?.leave();
    await waitFor("room for another", async () => {
      const next = await Stranger.dial(siege.address, source);
      await Promise.race([next.ended(), sleep(100)]);
      strangers.push(next);
      return next.over ? null : next;
    });
    await Promise.all(strangers.map((stranger) => stranger.leave()));
    await siege.unharmed();
  },
  { ignore: !HAS_ELSEWHERE },
);

attack(
  "whoever lets the server wait is disconnected, in whatever way they do it",
  async (siege) => {
    const a = await messageA(siege);
    const timedOut = async (stranger: Stranger) => {
      await stranger.ended();
      assertEquals((await siege.arena.ended(stranger)).code, "timeout");
    };
    const byteByByte = async () => {
      const stranger = await Stranger.dial(siege.address);
      let said = 0;
      while (!stranger.over) {
        stranger.say(a.slice(said, said + 1));
        said++;
        assert(said < 400, "each byte gives the peer more time");
        await sleep(100);
      }
      await timedOut(stranger);
    };
    const silentAfterB = async () => {
      const stranger = await Stranger.dial(siege.address);
      stranger.say(a);
      await timedOut(stranger);
      assertEquals(stranger.heard.length, SIZE_B);
    };
    const holdingBack = async (name: "C" | "D" | "E") => {
      const { result, line } = await siege.once(
        changing(MESSAGE[name], async (bytes) => {
          await sleep(PATIENCE + 500);
          return bytes;
        }),
        (address) => endOf(siege.arena.logIn("alice", address)),
      );
      assertEquals(result, LOST, name);
      assertEquals((await siege.arena.ended(line)).code, "timeout", name);
    };
    // All at once: each takes as long as the server has patience.
    await Promise.all([
      byteByByte(),
      ...Array.from({ length: 20 }, silentAfterB),
      holdingBack("C"),
      holdingBack("D"),
      holdingBack("E"),
    ]);
    await siege.unharmed();
  },
);

attack("a login whose bytes come one at a time is a login", async (siege) => {
  const { result } = await siege.once(
    (piece) => ({ data: piece, bytewise: true }),
    (address) =>
      endOf(siege.arena.logIn("alice", address).then((session) => session.connection.close())),
  );
  assertEquals(result, null);
  await siege.unharmed({ tickets: true });
});

attack("other protocols and noise get a line of text, or nothing", async (siege) => {
  const greetings: Record<string, Uint8Array> = {
    "HTTP": utf8("GET / HTTP/1.1\r\nHost: sealpost\r\n\r\n"),
    "TLS": new Uint8Array([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, ...random(500)]),
    "SSH": utf8("SSH-2.0-OpenSSH_9.9\r\n"),
    "zeros": new Uint8Array(100_000),
    "another version, and a lot": new Uint8Array([9, 1, 1, ...random(65_000)]),
    "an end where the first bytes would be": new Uint8Array([1, 1]),
  };
  for (const [what, greeting] of Object.entries(greetings)) {
    const stranger = await Stranger.dial(siege.address);
    stranger.say(greeting);
    if (greeting.length < 3) {
      await stranger.leave();
      assertEquals(stranger.heard.length, 0, what);
      continue;
    }
    await waitFor(`an answer to ${what}`, () => stranger.heard.length > 0 ? true : null);
    await stranger.leave();
    assertEquals(stranger.heard, REFUSAL_TEXT, what);
  }
  // Noise that begins as a handshake does: an ML-KEM key it is not.
  const noise = await Stranger.dial(siege.address);
  noise.say(new Uint8Array([1, 1, 1, ...new Uint8Array(SIZE_A - 3).fill(255)]));
  await noise.ended();
  assertEquals(noise.heard.length, 0);
  assertStringIncludes((await siege.arena.ended(noise)).code, "key-format");
  await siege.unharmed();
});
