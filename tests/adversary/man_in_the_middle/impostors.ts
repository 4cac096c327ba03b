// Somebody who answers in the server's place, or comes in a client's: with what they have recorded, with
// keys of their own, or with a word about versions that nobody has proven.

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { ClientSession } from "../../../client/connection/client_session.ts";
import { logIn, resumeLogin } from "../../../client/connection/login.ts";
import { type Bytes, concat, random, utf8 } from "../../../crypto/bytes.ts";
import type { Address } from "../../../protocol/address.ts";
import { ServerHandshake, SIZE_A, SIZE_B } from "../../../protocol/handshake.ts";
import { ClientResumption, ServerResumption, SIZE_R1 } from "../../../protocol/resumption.ts";
import { HELLO } from "../../support/handshaking.ts";
import { RawClient } from "../../support/raw_peer.ts";
import { ended } from "../../support/group.ts";
import { identityOf } from "../../support/identities.ts";
import { passwordOf } from "../../support/program.ts";
import { changing, Relay, type RelayedConnection } from "../../support/relay.ts";
import { type End, endOf, flipped } from "../arena.ts";
import { attack } from "./attack.ts";
import { Chain, endIfLost, type HeldTicket, resumption, Wire } from "../intruder.ts";
import { bytesOf, leaveMail, uploadOf } from "../mail.ts";
import { MESSAGE, R1, R2, SHORT_RECORD } from "./messages.ts";
import { Impostor, readFrom, type Siege, writeTo } from "../siege.ts";

const LOST: End = { code: "connection-lost", exit: 75 };
const FORGED: End = { code: "authentication", exit: 65 };
const IMPOSTOR: End = { code: "server-identity", exit: 77 };
const OTHER_VERSION: End = { code: "version", exit: 76 };

/** Logs in as alice, and says goodbye at once. */
function coming(siege: Siege): (address: Address) => Promise<End | null> {
  return (address) =>
    endOf(siege.arena.logIn("alice", address).then((session) => session.connection.close()));
}

/** Continues as alice with `ticket`; null if the server would rather have the password. */
async function continuing(siege: Siege, ticket: HeldTicket, address: Address) {
  const { known } = await resumption(siege.self("alice"), ticket);
  return await resumeLogin(address, known, siege.arena.identity("alice"));
}

/** All that passes while `act` talks to the server through a relay. */
async function recorded(
  siege: Siege,
  act: (address: Address) => Promise<void>,
): Promise<RelayedConnection> {
  return (await siege.once((piece) => piece, act)).line;
}

/** Says `said` to the server again, each run when its answer was as long as it was then; its answers. */
async function repeatTo(siege: Siege, line: RelayedConnection, patient: boolean) {
  const wire = await Wire.dial(siege.address);
  const said = line.sent("up");
  if (!patient) await wire.write(said).catch(() => {});
  else {
    let at = 0;
    for (const { direction, bytes } of line.runs()) {
      if (direction === "up") await wire.write(said.slice(at, at += bytes)).catch(() => {});
      else if (await readAll(wire, bytes) < bytes) break;
    }
  }
  const answer = patient ? new Uint8Array(0) : await wire.rest();
  wire.close();
  return { answer, wire };
}

async function readAll(wire: Wire, size: number): Promise<number> {
  const buffer = new Uint8Array(size);
  let at = 0;
  while (at < size) {
    const n = await wire.read(buffer.subarray(at)).catch(endIfLost);
    if (n === null) break;
    at += n;
  }
  return at;
}

/** Answers a client as the server answered another then: each run when the client has said as much. */
function repeatingTo(line: RelayedConnection, heard: Bytes[]): Impostor {
  return new Impostor(async (socket) => {
    const answers = line.sent("down");
    let at = 0;
    for (const { direction, bytes } of line.runs()) {
      if (direction === "up") heard.push(await readFrom(socket, bytes));
      else await writeTo(socket, answers.slice(at, at += bytes));
    }
  });
}

attack("a whole earlier connection, said again to the server, does nothing", async (siege) => {
  const line = await recorded(siege, async (address) => {
    const { connection } = await siege.arena.logIn("alice", address);
    const link = new ClientSession(connection);
    const { request, envelope, body } = await uploadOf(siege.self("alice"));
    const data = bytesOf({ request, envelope, body });
    await link.upload(
      request,
      (async function* () {
        yield await Promise.resolve(data);
      })(),
    );
    await link.ask({ op: "flag", uids: await siege.uids("alice"), set: ["flagged"], clear: [] });
    await link.close();
  });
  await siege.mark();
  // In one go: message B comes, another than then, and nothing after it.
  const { answer, wire } = await repeatTo(siege, line, false);
  assert(answer.length === 0 || answer.length === SIZE_B);
  assertNotEquals(answer, line.sent("down").slice(0, SIZE_B));
  assertEquals((await siege.arena.ended(wire)).code, "authentication");
  // Message for message, as a patient man would.
  const again = await repeatTo(siege, line, true);
  assertEquals((await siege.arena.ended(again.wire)).code, "authentication");
  await siege.unharmed();
});

attack(
  "a whole earlier resumption, said again to the server, gets no answer at all",
  async (siege) => {
    const chain = await siege.chain("alice");
    const line = await recorded(siege, async (address) => {
      const session = await chain.next(address);
      await leaveMail(session, siege.self("alice"), 1);
      await session.close();
    });
    await siege.mark();
    const { answer, wire } = await repeatTo(siege, line, false);
    assertEquals(answer, new Uint8Array(0));
    // Nor is it logged as anybody's: a used ticket is nobody's.
    assertEquals(siege.arena.logged(wire).filter((line) => line.includes("alice")), []);
    await siege.unharmed();
  },
);

attack("answers of an earlier connection are no server's", async (siege) => {
  const line = await recorded(siege, async (address) => {
    await (await siege.arena.logIn("alice", address)).connection.close();
  });
  const heard: Bytes[] = [];
  await using impostor = repeatingTo(line, heard);
  assertEquals(await coming(siege)(impostor.address), IMPOSTOR);
  await impostor.stop();
  assertEquals(heard.map(({ length }) => length), [SIZE_A], "it has heard nothing but message A");

  const before = await siege.ticket("alice");
  const resumed = await recorded(siege, async (address) => {
    await (await continuing(siege, before, address))?.connection.close();
  });
  const ticket = await siege.ticket("alice");
  await using second = repeatingTo(resumed, heard);
  assertEquals(await endOf(continuing(siege, ticket, second.address)), IMPOSTOR);
  await second.stop();
  assertEquals(heard.map(({ length }) => length), [SIZE_A, SIZE_R1]);
  await siege.unharmed({ tickets: true });
});

attack("a server with another key hears nothing of who comes", async (siege) => {
  const other = await identityOf("another server");
  const heard: number[] = [];
  const after = async (socket: Deno.TcpConn) => {
    let n = 0;
    for await (const piece of socket.readable) n += piece.length;
    heard.push(n);
  };
  // All that it lacks are the keys.
  await using impostor = new Impostor(async (socket) => {
    const handshake = await ServerHandshake.start(other);
    await handshake.readA(await readFrom(socket, SIZE_A));
    await writeTo(socket, await handshake.writeB(HELLO));
    await after(socket);
  });
  assertEquals(await coming(siege)(impostor.address), IMPOSTOR);
  await impostor.stop();

  const ticket = await siege.ticket("alice");
  await using second = new Impostor(async (socket) => {
    const r1 = await readFrom(socket, SIZE_R1);
    const known = {
      name: "alice",
      client: siege.arena.identity("alice").bundle,
      server: other.bundle,
      ticket: r1.slice(3, 19),
      psk: random(32),
    };
    // With keys of its own for all it does not know.
    const client = await ClientResumption.start(
      known,
      siege.arena.identity("alice"),
    );
    const server = await ServerResumption.start(known, other);
    await server.readR1(await client.writeR1());
    await writeTo(socket, await server.writeR2(HELLO));
    await after(socket);
  });
  assertEquals(await endOf(continuing(siege, ticket, second.address)), IMPOSTOR);
  await second.stop();
  assertEquals(heard, [0, 0]);
  await siege.unharmed({ tickets: true });
});

attack(
  "a key of low order is refused on either side, before anything rests on it",
  async (siege) => {
    const { result } = await siege.once(
      changing({ ...MESSAGE.B, to: 32 }, () => new Uint8Array(32)),
      coming(siege),
    );
    assertEquals(result, FORGED);
    const wire = await Wire.dial(siege.address);
    await wire.write(await new RawClient(siege.arena.server, { xc: new Uint8Array(32) }).writeA());
    assertEquals(await wire.rest(), new Uint8Array(0), "the server has sent nothing");
    assertEquals((await siege.arena.ended(wire)).code, "authentication");
    wire.close();
    await siege.unharmed();
  },
);

attack(
  "another version, suite or kind in the first bytes is answered, and never followed",
  async (siege) => {
    const prefixes: [number, number, number][] = [[0, 0, 0], [0, 1, 1], [1, 0, 1], [255, 255, 255]];
    for (let bit = 0; bit < 24; bit++) {
      const [a = 0, b = 0, c = 0] = flipBit(new Uint8Array([1, 1, 1]), bit);
      prefixes.push([a, b, c]);
    }
    for (const prefix of prefixes) {
      const { result, line } = await siege.once(
        changing({ ...MESSAGE.A, to: 3 }, () => new Uint8Array(prefix)),
        coming(siege),
      );
      // Kind 3 asks for the server's bundle, which is not what a client takes for message B; kind 5 for
      // a key that the server has left, and this one has left none.
      const others: Record<string, End> = { "1,1,3": IMPOSTOR, "1,1,5": LOST };
      assertEquals(result, others[`${prefix}`] ?? OTHER_VERSION, `${prefix}`);
      assertEquals(line.count("up"), SIZE_A, `${prefix}: nothing was sent after`);
    }
    // Kind 2 is a ticket, and this is none.
    const { result } = await siege.once(
      changing({ ...MESSAGE.A, to: 3 }, () => new Uint8Array([1, 1, 2])),
      coming(siege),
    );
    assertEquals(result, LOST);
    await siege.unharmed();
  },
);

function flipBit(bytes: Bytes, bit: number): Bytes {
  const at = bit >>> 3;
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
  return bytes;
}

/** What somebody on the way could say of versions. */
const TEXTS: Record<string, { readonly sent: Bytes; readonly shown: string }> = {
  "that an older version is wanted": {
    sent: utf8("sealpost: this server speaks version 0, suite 0 only; come again with those\n"),
    shown: "sealpost: this server speaks version 0, suite 0 only; come again with those",
  },
  "with commands for the terminal": {
    sent: utf8("sealpost: \x1b[2J\x1b]0;owned\x07 \u202eno\r\n"),
    shown: "sealpost: \\x1b[2J\\x1b]0;owned\\x07",
  },
  "without an end": { sent: utf8("sealpost: " + "x".repeat(5000)), shown: "x".repeat(500) },
  "that ends at once": { sent: utf8("sealpost: "), shown: "sealpost: " },
  "that is no text": { sent: concat(utf8("sealpost: "), random(64)), shown: "sealpost: " },
};

attack("a word about versions is shown, and nothing is done because of it", async (siege) => {
  for (const [what, { sent, shown }] of Object.entries(TEXTS)) {
    let heard = 0;
    await using impostor = new Impostor(async (socket) => {
      heard++;
      await readFrom(socket, SIZE_A);
      await writeTo(socket, sent);
    });
    const error = await logIn(
      impostor.address,
      siege.arena.server,
      siege.arena.identity("alice"),
      siege.arena.login("alice"),
    ).then(() => null, (error) => error);
    assertEquals(error?.code, "version", what);
    assertStringIncludes(error.message, shown, what);
    // deno-lint-ignore no-control-regex
    assert(!/[\x00-\x1f\x7f-\x9f\u202e]/.test(error.message), what);
    assert(error.message.length < 4096, what);
    assertEquals(heard, 1, what);
  }
  await siege.unharmed();
});

attack(
  "the program ends with the code for what happened, and comes no oftener than it must",
  async (siege) => {
    const { group } = siege.arena;
    const through = async (hook: Parameters<typeof Relay.start>[1], code: number, times = 1) => {
      await using relay = Relay.start(group.server.address, hook);
      const program = group.connect("bob", { address: relay.address, password: null });
      await program.converse([["Enter your password: ", passwordOf("bob")]]);
      const { stderr } = await ended(program, code);
      assertEquals(relay.lines.length, times, "it has connected no oftener");
      return stderr;
    };
    const flip = (name: keyof typeof MESSAGE, at: number) => ({
      hook: changing(MESSAGE[name], (bytes: Bytes) => flipped(bytes, at)),
    });
    // One after the other: programs that wait for their turn to log on look whether the server is there.
    const said = [
      // The server may have left the key that is pinned: it is asked for once, by kind 5.
      await through(flip("B", 1200), 77, 2),
      await through(flip("C", 100), 75),
      await through(flip("D", 100), 65),
      await through(flip("F", 100), 65),
      await through(flip("A", 0), 76),
      await through({ hook: changing({ ...MESSAGE.D, to: MESSAGE.D.from + 100 }, () => null) }, 75),
    ];
    for (const stderr of said) assert(/^sealpost: [^\n]+\n$/.test(stderr), stderr);
    await siege.unharmed({ tickets: true });
  },
);

attack(
  "the program with a ticket stops at a false server, and falls back to the password only where none answers",
  async (siege) => {
    const { group } = siege.arena;
    await group.talk("bob", []); // leaves a ticket
    {
      await using relay = Relay.start(group.server.address, {
        hook: changing(R2, (bytes) => flipped(bytes, 100)),
        record: true,
      });
      const { stderr } = await ended(group.connect("bob", { address: relay.address }), 77);
      assert(
        stderr.startsWith("sealpost: the server did not prove the key that is pinned"),
        stderr,
      );
      assertEquals(relay.lines.map((line) => [...line.sent("up").slice(0, 3)]), [[1, 1, 2]]);
      assertEquals(relay.last.count("up"), R1.to);
    }
    await group.talk("bob", []);
    {
      await using relay = Relay.start(group.server.address, {
        hook: (piece, { direction, line }) => {
          return direction === "down" && line.count("up") === R1.to ? null : piece;
        },
        record: true,
      });
      const program = group.connect("bob", { address: relay.address });
      await program.expect("choice: ");
      await program.type("4");
      await ended(program, 0);
      assertEquals(
        relay.lines.map((line) => [...line.sent("up").slice(0, 3)]),
        [[1, 1, 2], [1, 1, 1]],
        "a ticket, then the password",
      );
    }
    await siege.unharmed({ tickets: true });
  },
);

attack(
  "a message that uses a ticket, held back and sent by somebody else, opens nothing",
  async (siege) => {
    const chain: Chain = await siege.chain("alice");
    const ticket = chain.take();
    await siege.mark();
    // The man in the middle keeps message R1 from the server ...
    let held: Bytes = new Uint8Array(0);
    const { result } = await siege.once(
      changing(R1, (bytes) => {
        held = bytes;
        return null;
      }),
      (address) => continuing(siege, ticket, address),
    );
    assertEquals(result, null);
    // ... and sends it without the client: the answer comes, and the sender cannot say a word.
    const wire = await Wire.dial(siege.address);
    await wire.write(held);
    assertEquals(await readAll(wire, R2.to), R2.to);
    await wire.write(concat(new Uint8Array([0, 1, 16]), random(272)));
    // The head of the key log, which comes first in every session, sealed for the client.
    assertEquals((await wire.rest()).length, SHORT_RECORD);
    assertEquals((await siege.arena.ended(wire)).code, "authentication");
    wire.close();
    // The ticket is used up: that is all.
    assertEquals(await continuing(siege, ticket, siege.address), null);
    await siege.unharmed({ tickets: true });
  },
);
