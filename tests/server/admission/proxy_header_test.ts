import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Bytes, concat, utf8 } from "../../../crypto/bytes.ts";
import { isSealpostError } from "../../../crypto/error.ts";
import { receiveProxied } from "../../../server/admission/proxy_header.ts";
import { pipe } from "../../support/pipe.ts";
import { PROXY_SEEDS, proxyHeader, v4, v6, value } from "../../support/proxy_header.ts";
import { RawSession } from "../../support/raw_session.ts";
import { Relay } from "../../support/relay.ts";
import { Serving } from "../../support/serving.ts";
import { waitFor } from "../../support/wait.ts";

/** What comes of a connection that begins with `bytes`, in pieces of `size`: the peer and the next byte. */
async function received(bytes: Bytes, size = bytes.length, end = true) {
  const [here, there] = pipe();
  const sending = (async () => {
    for (let at = 0; at < bytes.length; at += size) await there.write(bytes.slice(at, at + size));
    if (end) await there.closeWrite();
  })().catch(() => {});
  try {
    const stream = await receiveProxied(here, 500);
    const next = new Uint8Array(1);
    const n = await stream.read(next);
    return {
      peer: stream.peer === here.peer ? null : stream.peer,
      next: n === null ? null : next[0],
    };
  } catch (error) {
    assert(isSealpostError(error), `${error}`);
    return error.code;
  } finally {
    here.close();
    await sending;
  }
}

Deno.test("a balancer's header gives the client's address, and not a byte behind it is lost", async () => {
  const tail = utf8("S");
  const wanted = ["192.0.2.7:50000", "[2001:db8::9]:50000", "192.0.2.7:50000", null];
  for (const [i, header] of PROXY_SEEDS.entries()) {
    for (const size of [1, 7, 1000]) {
      const result = await received(concat(header, tail), size);
      assertEquals(result, { peer: wanted[i] ?? null, next: tail[0] });
    }
  }
});

Deno.test("a balancer's header that is malformed, of another kind, too long or never ends is refused", async () => {
  const address = v4("192.0.2.7");
  const wrong: readonly Bytes[] = [
    utf8("PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n"),
    utf8("GET / HTTP/1.1\r\nHost: mail\r\n\r\n"),
    proxyHeader(0x11, address, { command: 0x11 }),
    proxyHeader(0x11, address, { command: 0x22 }),
    // Of nobody, over UDP, over a local socket.
    proxyHeader(0x00, new Uint8Array(0)),
    proxyHeader(0x12, address),
    proxyHeader(0x31, new Uint8Array(216)),
    proxyHeader(0x21, address),
    proxyHeader(0x11, address.slice(0, 11)),
    proxyHeader(0x11, new Uint8Array([...address, 4, 0])),
    proxyHeader(0x11, new Uint8Array([...address, ...value(4, new Uint8Array(9)).slice(0, 8)])),
    proxyHeader(0x11, new Uint8Array([...address, ...value(4, new Uint8Array(3000))])),
  ];
  for (const [i, header] of wrong.entries()) assertEquals(await received(header), "format", `${i}`);
  const whole = proxyHeader(0x21, v6(1));
  for (const length of [0, 1, 15, 16, 40]) {
    assertEquals(await received(whole.slice(0, length)), "connection-lost");
    assertEquals(await received(whole.slice(0, length), 100, false), "timeout");
  }
});

Deno.test("behind a named balancer limits and the log see the client; nobody else can name an address", async () => {
  await using serving = await Serving.start(["alice"], {
    "proxy-from": "127.0.0.1",
    "penalty-garbage": "20s",
    "penalty-threshold": "1s",
    "penalty-exempt": "192.0.2.1",
  });
  // A balancer: says of each connection which client it is for.
  const said = new Set<unknown>();
  await using balancer = Relay.start(serving.address, {
    hook: (piece, { direction, line }) => {
      if (direction === "down" || said.has(line)) return piece;
      said.add(line);
      return concat(proxyHeader(0x11, v4("192.0.2.7", 1234)), piece);
    },
  });
  const alice = serving.person("alice");
  const { session } = await RawSession.logIn(balancer.address, serving.folder.bundle, alice);
  const [login] = serving.logged("key-bound");
  assertEquals([login?.fields["from"], login?.fields["port"]], ["192.0.2.7", 1234]);
  await session.close();

  // Rubbish of one client refuses that one, and not others behind the same balancer.
  const rubbish = utf8("GET / HTTP/1.1\r\n".repeat(10));
  await serving.knock(concat(proxyHeader(0x11, v4("198.51.100.9")), rubbish));
  const refused = await serving.knock(proxyHeader(0x11, v4("198.51.100.9")));
  assertMatch(refused, /not now \(penalties\)/);
  const { session: still } = await RawSession.logIn(balancer.address, serving.folder.bundle, alice);
  await still.close();

  // What does not say whom it is for is closed without an answer, and nobody is penalised for it.
  assertEquals(await serving.knock(rubbish).catch(() => ""), "");
  assertEquals(serving.logged("proxy-refused").length, 1);
  // Looking whether the server is there is not an offence.
  for (let i = 0; i < 5; i++) {
    using check = await Deno.connect({
      hostname: "127.0.0.1",
      port: Number(serving.address.split(":")[1]),
    });
    await check.write(proxyHeader(0x00, new Uint8Array(0), { command: 0x20 }));
  }
  await waitFor("the ends of the checks", () => serving.server.load().connections === 0 || null);
  assertEquals(serving.logged("source-penalised").length, 1);
});

Deno.test("where no balancer is named, its header is another protocol, which costs", async () => {
  await using serving = await Serving.start(["alice"], {
    "proxy-from": "192.0.2.0/24",
    "penalty-garbage": "20s",
    "penalty-threshold": "1s",
    "penalty-exempt": "192.0.2.1",
  });
  const spoofed = concat(proxyHeader(0x11, v4("192.0.2.7")), new Uint8Array(100));
  await serving.knock(spoofed).catch(() => {});
  const [penalised] = serving.logged("source-penalised");
  assertEquals(penalised?.fields["source"], "127.0.0.1");
  assertEquals(serving.logged("other-protocol").length, 1);
});
