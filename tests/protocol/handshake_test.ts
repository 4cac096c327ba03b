import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { type Bytes, concat, fromHex, lp, random, toHex, utf8 } from "../../crypto/bytes.ts";
import { sign } from "../../crypto/ed25519.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { encodeBundle, formatFingerprint, type Identity } from "../../crypto/identity.ts";
import { mlKem } from "../../crypto/ml_kem.ts";
import {
  type ClientHandshake,
  KIND_HANDSHAKE,
  prefix,
  type ServerHandshake,
  SIZE_A,
  SIZE_B,
  SIZE_C,
  SIZE_D,
  SIZE_E,
} from "../../protocol/handshake.ts";
import { encodeHello } from "../../protocol/hello.ts";
import { encodeLogin } from "../../protocol/login.ts";
import { assertRefusedAsync } from "../support/testing.ts";
import { identityOf } from "../support/identities.ts";
import { ends, HELLO, loginOf, type MessageName, shake } from "../support/handshaking.ts";
import { padded, RawClient, RawServer } from "../support/raw_peer.ts";
import { FULL } from "../support/full.ts";

const alice = await identityOf("alice");
const bob = await identityOf("bob");
const server = await identityOf("server", 3072);
const other = await identityOf("other server", 3072);

/** Values of X25519 whose result is all zeros (RFC 7748, section 6.1): order 1, 2, 4 and 8. */
const LOW_ORDER = [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
].map(fromHex);

/** `identity`, and how many private operations it was asked for. */
function counted(identity: Identity): { identity: Identity; operations: () => number } {
  let operations = 0;
  return {
    identity: {
      ...identity,
      decapsulateMlKem: (ciphertext) => {
        operations++;
        return identity.decapsulateMlKem(ciphertext);
      },
    },
    operations: () => operations,
  };
}

Deno.test("a handshake gives both sides the same keys and tells each what the other said", async () => {
  const done = await shake(alice, server);
  assertEquals(done.client.initiator, done.server.initiator);
  assertEquals(done.client.responder, done.server.responder);
  assertNotEquals(done.client.initiator, done.client.responder);
  for (const context of [utf8(""), utf8("ticket"), random(16)]) {
    assertEquals(
      await done.client.exporter("sealpost/1 resume", context),
      await done.server.exporter("sealpost/1 resume", context),
    );
  }
  assertEquals(done.hello, HELLO);
  assertEquals(done.claim.bundle.fp, alice.bundle.fp);
  assertEquals(done.claim.login, loginOf());
});

Deno.test("messages have constant sizes, whatever the sizes of the keys and of the login", async () => {
  const sizes = FULL ? [2048, 3072, 4096] : [2048, 3072];
  const identities = await Promise.all(sizes.map((bits) => identityOf("sized", bits)));
  const longest = loginOf("n".repeat(32), "p".repeat(256));
  for (const client of identities) {
    for (const at of identities) {
      for (const login of [loginOf("a", "p"), longest]) {
        const { messages } = await shake(client, at, undefined, login);
        assertEquals(
          Object.values(messages).map((message) => message.length),
          [SIZE_A, SIZE_B, SIZE_C, SIZE_D, SIZE_E],
        );
      }
    }
  }
  assertEquals([SIZE_A, SIZE_B, SIZE_C, SIZE_D, SIZE_E], [2819, 1392, 4128, 1632, 80]);
});

Deno.test("two handshakes of the same client share no bytes but the prefix and the padding", async () => {
  const windows = (message: Bytes) => {
    const out = new Set<string>();
    for (let at = 0; at + 8 <= message.length; at++) {
      const window = toHex(message.subarray(at, at + 8));
      // Seven bytes of padding and a random one are the same now and then.
      if (!/^0{8}|0{8}$/.test(window)) out.add(window);
    }
    return out;
  };
  const all = async () => {
    const { messages } = await shake(alice, server);
    assertEquals(messages.A.slice(0, 3), prefix(KIND_HANDSHAKE));
    return windows(concat(...Object.values(messages)));
  };
  const [first, second] = [await all(), await all()];
  assertEquals(first.intersection(second), new Set());
});

Deno.test("nothing of the client is on the wire in the clear", async () => {
  const { messages } = await shake(alice, server, undefined, loginOf("alice-the-client", "secret"));
  const wire = toHex(concat(...Object.values(messages)));
  const { rsa, mlkem, ed25519, fp } = alice.bundle;
  const parts = [
    utf8("alice-the-client"),
    utf8("secret"),
    utf8("sealpost/test"),
    rsa.slice(40, 56),
    mlkem.slice(40, 56),
    ed25519.slice(12),
    fp,
  ];
  for (const part of parts) assert(!wire.includes(toHex(part)));
});

Deno.test("until message B has verified, the client does not even look at its identity", async () => {
  let looked = false;
  const unseen = new Proxy(alice, {
    get(target, member, receiver): unknown {
      looked = true;
      return Reflect.get(target, member, receiver);
    },
  });
  const at = await ends(unseen, server);
  await at.server.readA(await at.client.writeA());
  await at.client.readB(await at.server.writeB(HELLO));
  assertEquals(looked, false);
  await at.client.writeC(loginOf());
  assertEquals(looked, true);
});

Deno.test("a client that pinned another key fails at B, names the pin, and sends nothing more", async () => {
  const { client } = await ends(alice, other);
  const { server: real } = await ends(alice, server);
  await real.readA(await client.writeA());
  const b = await real.writeB(HELLO);
  const error = await assertRejects(() => client.readB(b));
  assert(isSealpostError(error, "server-identity"));
  assert(error.message.includes(formatFingerprint(other.bundle.fp)));
  assert(!error.message.includes("\n"));
  await assertRefusedAsync("internal", () => client.writeC(loginOf()));
});

Deno.test("a server that has only one of its two encryption keys proves nothing", async () => {
  const thieves: Identity[] = [
    { ...server, decapsulateMlKem: other.decapsulateMlKem },
    { ...server, rsaKey: other.rsaKey },
  ];
  for (const thief of thieves) {
    await assertRefusedAsync("server-identity", () => shake(alice, thief));
  }
});

Deno.test("a client that lacks one of the three keys it names is not let in", async () => {
  const { bundle } = alice;
  const without = {
    rsa: { ...alice, rsaKey: bob.rsaKey },
    mlkem: { ...alice, decapsulateMlKem: bob.decapsulateMlKem },
    ed25519: { ...alice, ed25519Key: bob.ed25519Key },
    everything: { ...bob, bundle },
  };
  for (const [missing, thief] of Object.entries(without)) {
    // The honest program notices by itself that it cannot read D.
    const { client, server: at } = await ends(thief, server);
    await at.readA(await client.writeA());
    await client.readB(await at.writeB(HELLO));
    await at.readC(await client.writeC(loginOf()));
    const d = await at.writeD();
    if (missing === "ed25519") {
      await client.readD(d);
      const e = await client.writeE();
      await assertRefusedAsync("authentication", () => at.readE(e));
    } else {
      await assertRefusedAsync("authentication", () => client.readD(d));
    }

    // One that goes on regardless fails at E.
    const raw = new RawClient(server.bundle);
    const { server: again } = await ends(alice, server);
    await again.readA(await raw.writeA());
    await raw.readB(await again.writeB(HELLO));
    await again.readC(await raw.writeC(encodeBundle(bundle), encodeLogin(loginOf())));
    await raw.readD(await again.writeD(), thief);
    const text = concat(utf8("sealpost/1 login"), raw.state.h);
    const e = await raw.state.encryptAndHash(await sign(thief.ed25519Key, text));
    await assertRefusedAsync("authentication", () => again.readE(e));
    await assertRefusedAsync("internal", () => again.split());
  }
});

Deno.test("a client built from the description alone is understood, keys and exporter included", async () => {
  const raw = new RawClient(server.bundle);
  const { server: at } = await ends(alice, server);
  await at.readA(await raw.writeA());
  assertEquals(await raw.readB(await at.writeB(HELLO)), padded(encodeHello(HELLO), 256));
  await at.readC(await raw.writeC(encodeBundle(alice.bundle), encodeLogin(loginOf())));
  await raw.readD(await at.writeD(), alice);
  const text = concat(utf8("sealpost/1 login"), raw.state.h);
  await at.readE(await raw.state.encryptAndHash(await sign(alice.ed25519Key, text)));
  const [here, there] = [await raw.state.split(), await at.split()];
  assertEquals([here.initiator, here.responder], [there.initiator, there.responder]);
  assertEquals(await here.exporter("l", utf8("c")), await there.exporter("l", utf8("c")));
});

Deno.test("a signature of anything but this transcript under the login's label is refused", async () => {
  const wrong: ((h: Bytes) => Bytes)[] = [
    (h) => h,
    (h) => concat(utf8("sealpost/1 message"), h),
    (h) => concat(utf8("sealpost/1 login"), new Uint8Array(h.length)),
  ];
  for (const text of wrong) {
    const raw = new RawClient(server.bundle);
    const { server: at } = await ends(alice, server);
    await at.readA(await raw.writeA());
    await raw.readB(await at.writeB(HELLO));
    await at.readC(await raw.writeC(encodeBundle(alice.bundle), encodeLogin(loginOf())));
    await raw.readD(await at.writeD(), alice);
    const signature = await sign(alice.ed25519Key, text(raw.state.h));
    const e = await raw.state.encryptAndHash(signature);
    await assertRefusedAsync("authentication", () => at.readE(e));
  }
});

Deno.test("messages of another run are refused by whoever reads them", async () => {
  const recorded = (await shake(alice, server)).messages;
  const expected = { B: "server-identity", C: "authentication", D: "authentication" } as const;
  for (const name of ["B", "C", "D", "E"] as const) {
    const seen: MessageName[] = [];
    await assertRefusedAsync(
      name === "E" ? "authentication" : expected[name],
      () =>
        shake(alice, server, (at, message) => {
          seen.push(at);
          return at === name ? recorded[name] : message;
        }),
    );
    assertEquals(seen.at(-1), name);
  }
  // A replayed A is answered, but whoever replays it cannot read the answer.
  await assertRefusedAsync("server-identity", () =>
    shake(alice, server, (at, message) => {
      return at === "A" ? recorded.A : message;
    }));
});

Deno.test("another version or suite in the transcript does not come through", async () => {
  for (const deviation of [{ version: 2 }, { suite: 2 }]) {
    const raw = new RawClient(server.bundle, deviation);
    const { server: at } = await ends(alice, server);
    await at.readA(await raw.writeA());
    const b = await at.writeB(HELLO);
    await assertRefusedAsync("authentication", () => raw.readB(b));
  }
});

Deno.test("ciphertexts made for another use give another key, in A and in D", async () => {
  for (const use of ["hs-client", "stanza"] as const) {
    const raw = new RawClient(server.bundle, { use });
    const { server: at } = await ends(alice, server);
    await at.readA(await raw.writeA());
    const b = await at.writeB(HELLO);
    await assertRefusedAsync("authentication", () => raw.readB(b));
  }
  for (const use of ["hs-client", "hs-server", "stanza"] as const) {
    const raw = new RawServer(server);
    const { client } = await ends(alice, server);
    await raw.readA(await client.writeA());
    await client.readB(await raw.writeB(padded(encodeHello(HELLO), 256)));
    await raw.readC(await client.writeC(loginOf()));
    const d = await raw.writeD(alice.bundle, use);
    if (use === "hs-client") await client.readD(d);
    else await assertRefusedAsync("authentication", () => client.readD(d));
  }
});

Deno.test("padding behind ct_rsa that is not zero is a bad ciphertext like any other", async () => {
  const raw = new RawServer(server);
  const { client } = await ends(alice, server);
  await raw.readA(await client.writeA());
  await client.readB(await raw.writeB(padded(encodeHello(HELLO), 256)));
  await raw.readC(await client.writeC(loginOf()));
  const d = await raw.writeD(alice.bundle, "hs-client", 1);
  await assertRefusedAsync("authentication", () => client.readD(d));
});

Deno.test("messages of the wrong length are refused and end the handshake", async () => {
  const wrong = (message: Bytes) => [
    new Uint8Array(0),
    message.slice(0, -1),
    concat(message, new Uint8Array(1)),
    concat(message, message),
  ];
  const recorded = (await shake(alice, server)).messages;
  for (const name of ["A", "B", "C", "D", "E"] as const) {
    for (const message of wrong(recorded[name])) {
      await assertRefusedAsync(
        "protocol",
        () => shake(alice, server, (at, real) => at === name ? message : real),
      );
    }
  }
  const { server: at } = await ends(alice, server);
  await assertRefusedAsync("protocol", () => at.readA(recorded.A.slice(1)));
  await assertRefusedAsync("internal", () => at.readA(recorded.A));
});

Deno.test("X25519 keys of low order are refused by both sides", async () => {
  for (const point of LOW_ORDER) {
    // The server, before any private operation: else the moment it hangs up would show its time.
    const { identity, operations } = counted(server);
    const { server: at } = await ends(alice, identity);
    const a = await new RawClient(server.bundle, { xc: point }).writeA();
    await assertRefusedAsync("authentication", () => at.readA(a));
    assertEquals(operations(), 0);

    const { client, server: real } = await ends(alice, server);
    await real.readA(await client.writeA());
    const b = await real.writeB(HELLO);
    b.set(point);
    await assertRefusedAsync("authentication", () => client.readB(b));
  }
});

Deno.test("an ephemeral ML-KEM key that fails the modulus check costs no private operation", async () => {
  const { identity, operations } = counted(server);
  const { publicKey } = await mlKem.generate();
  for (const at of [0, 3, 600, 1149]) {
    const ekc = publicKey.slice();
    // Two coefficients of 12 bits, both of them 4095: over q = 3329.
    ekc.fill(0xff, at, at + 3);
    const { server: reader } = await ends(alice, identity);
    const a = await new RawClient(server.bundle, { ekc }).writeA();
    await assertRefusedAsync("key-format", () => reader.readA(a));
  }
  assertEquals(operations(), 0);
  // The check counts: the same key as it was goes through.
  const { server: reader } = await ends(alice, identity);
  await reader.readA(await new RawClient(server.bundle, { ekc: publicKey }).writeA());
  assertEquals(operations(), 1);
});

Deno.test("a bundle or a login that breaks the rules is refused although it decrypts", async () => {
  const bundle = encodeBundle(alice.bundle);
  const login = encodeLogin(loginOf());
  const { rsa, mlkem, ed25519 } = alice.bundle;
  const part = (name: string, password: Uint8Array, client: string) =>
    concat(lp(utf8(name)), lp(password), lp(utf8(client)));
  const text = utf8("password");
  const nonZero = (data: Bytes) => {
    const out = padded(data, 2048);
    out[2047] = 1;
    return out;
  };
  const bad: ["format" | "key-format", Bytes, Bytes][] = [
    ["format", nonZero(bundle), login],
    ["format", bundle, nonZero(login)],
    ["format", concat(lp(rsa), lp(mlkem), new Uint8Array([0, 0, 8, 0])), login],
    ["format", new Uint8Array(2048).fill(0xff), login],
    ["key-format", new Uint8Array(0), login],
    ["key-format", concat(lp(rsa), lp(mlkem)), login],
    ["key-format", concat(lp(rsa), lp(ed25519), lp(mlkem)), login],
    ["key-format", concat(lp(rsa.slice(0, -1)), lp(mlkem), lp(ed25519)), login],
    ["key-format", concat(lp(rsa), lp(mlkem.slice(1)), lp(ed25519)), login],
    ["key-format", concat(lp(rsa), lp(mlkem), lp(new Uint8Array(44))), login],
    ["format", bundle, new Uint8Array(0)],
    ["format", bundle, part("", text, "")],
    ["format", bundle, part("Alice", text, "")],
    ["format", bundle, part("../alice", text, "")],
    ["format", bundle, part("a".repeat(33), text, "")],
    ["format", bundle, part("alice\n", text, "")],
    ["format", bundle, part("alice", new Uint8Array(0), "")],
    ["format", bundle, part("alice", new Uint8Array(257).fill(97), "")],
    ["format", bundle, part("alice", text, "x".repeat(65))],
    ["format", bundle, part("alice", text, "\u001b[2J")],
    ["format", bundle, concat(lp(new Uint8Array([0xff])), lp(text), lp(text))],
    ["format", bundle, concat(lp(utf8("alice")), new Uint8Array([0, 0, 8, 0]))],
  ];
  for (const [code, bundlePart, loginPart] of bad) {
    const raw = new RawClient(server.bundle);
    const { server: at } = await ends(alice, server);
    await at.readA(await raw.writeA());
    await raw.readB(await at.writeB(HELLO));
    const c = await raw.writeC(bundlePart, loginPart);
    await assertRefusedAsync(code, () => at.readC(c));
    await assertRefusedAsync("internal", () => at.writeD());
  }
});

Deno.test("a server hello that breaks the rules is refused although it decrypts", async () => {
  const hellos = [
    new Uint8Array(256),
    padded(lp(utf8("{}")), 256),
    padded(lp(utf8('{"server":"\\n","maxMessage":1,"maxRecipients":1}')), 256),
    padded(lp(utf8('{"server":"s","maxMessage":-1,"maxRecipients":1}')), 256),
    padded(lp(utf8('{"server":"s","maxMessage":1e300,"maxRecipients":1}')), 256),
    padded(lp(utf8('{"server":"s","maxMessage":1,"maxRecipients":257}')), 256),
    random(256),
  ];
  for (const hello of hellos) {
    const raw = new RawServer(server);
    const { client } = await ends(alice, server);
    await raw.readA(await client.writeA());
    const b = await raw.writeB(hello);
    await assertRefusedAsync("format", () => client.readB(b));
    await assertRefusedAsync("internal", () => client.writeC(loginOf()));
  }
});

Deno.test("steps out of order are refused, change nothing, and are refused after the end too", async () => {
  const noise = new Uint8Array(1);
  const clientCalls = (client: ClientHandshake): Record<string, () => Promise<unknown>> => ({
    writeA: () => client.writeA(),
    readB: () => client.readB(noise),
    writeC: () => client.writeC(loginOf()),
    readD: () => client.readD(noise),
    writeE: () => client.writeE(),
    split: () => client.split(),
  });
  const serverCalls = (at: ServerHandshake): Record<string, () => Promise<unknown>> => ({
    readA: () => at.readA(noise),
    writeB: () => at.writeB(HELLO),
    readC: () => at.readC(noise),
    writeD: () => at.writeD(),
    readE: () => at.readE(noise),
    split: () => at.split(),
  });
  const { client, server: at } = await ends(alice, server);
  const onlyNext = async (clientNext: string, serverNext: string) => {
    const calls = [
      ...Object.entries(clientCalls(client)).filter(([name]) => name !== clientNext),
      ...Object.entries(serverCalls(at)).filter(([name]) => name !== serverNext),
    ];
    for (const [, call] of calls) await assertRefusedAsync("internal", call);
  };

  await onlyNext("writeA", "readA");
  const a = await client.writeA();
  await onlyNext("readB", "readA");
  await at.readA(a);
  await onlyNext("readB", "writeB");
  const b = await at.writeB(HELLO);
  await onlyNext("readB", "readC");
  await client.readB(b);
  await onlyNext("writeC", "readC");
  const c = await client.writeC(loginOf());
  await onlyNext("readD", "readC");
  await at.readC(c);
  await onlyNext("readD", "writeD");
  const d = await at.writeD();
  await onlyNext("readD", "readE");
  await client.readD(d);
  await onlyNext("writeE", "readE");
  const e = await client.writeE();
  await onlyNext("split", "readE");
  await at.readE(e);
  await onlyNext("split", "split");
  const [here, there] = [await client.split(), await at.split()];
  assertEquals(here.initiator, there.initiator);
  await onlyNext("", "");
});

Deno.test("a step that is still running lets no other begin", async () => {
  const { client, server: at } = await ends(alice, server);
  const a = client.writeA();
  await assertRefusedAsync("internal", () => client.writeA());
  await assertRefusedAsync("internal", () => client.writeC(loginOf()));
  const read = at.readA(await a);
  await assertRefusedAsync("internal", () => at.writeB(HELLO));
  await read;
  await client.readB(await at.writeB(HELLO));
});
