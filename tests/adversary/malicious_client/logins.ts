// A client that does everything in a handshake as it should, but for what it says of itself.

import { assertEquals } from "@std/assert";
import { type Bytes, concat, lp, random, u32, utf8 } from "../../../crypto/bytes.ts";
import { sign } from "../../../crypto/ed25519.ts";
import { encodeBundle, type Identity } from "../../../crypto/identity.ts";
import { FrameKind } from "../../../protocol/frame.ts";
import { SIZE_B, SIZE_D } from "../../../protocol/handshake.ts";
import { LOGIN_REFUSED } from "../../../protocol/request.ts";
import { passwordOf } from "../../support/program.ts";
import { identityOf } from "../../support/identities.ts";
import { RawClient } from "../../support/raw_peer.ts";
import { attack } from "./attack.ts";
import { endIfLost, Intruder, Wire } from "../intruder.ts";
import type { Siege } from "../siege.ts";

/** What a client says of itself: what stands in message C before its padding, and message E. */
interface Claim {
  readonly bundle: Bytes;
  readonly login: Bytes;
  /** Whose keys it has to read message D with, if it gets one. */
  readonly keys: Identity;
  /** Message E before it is encrypted, for the transcript hash at that point. */
  readonly e?: (h: Bytes) => Promise<Bytes>;
}

const LABEL = utf8("sealpost/1 login");
const login = (...parts: readonly Uint8Array[]) => concat(...parts.map((part) => lp(part)));
const CLIENT = utf8("sealpost/test");

/** Makes a claim; what the server sends after message B, and why it ended the connection. */
async function claim(siege: Siege, { bundle, login, keys, e }: Claim) {
  const wire = await Wire.dial(siege.address);
  const read = async (size: number) => {
    const out = new Uint8Array(size);
    for (let at = 0; at < size;) {
      const n = await wire.read(out.subarray(at)).catch(endIfLost);
      if (n === null) return out.slice(0, at);
      at += n;
    }
    return out;
  };
  const client = new RawClient(siege.arena.server);
  await wire.write(await client.writeA());
  await client.readB(await read(SIZE_B));
  await wire.write(await client.writeC(bundle, login));
  const d = await read(SIZE_D);
  if (d.length === SIZE_D) {
    await client.readD(d, keys);
    const signed = concat(LABEL, client.state.h);
    const plain = e ? await e(client.state.h) : await sign(keys.ed25519Key, signed);
    await wire.write(await client.state.encryptAndHash(plain));
  }
  const rest = await wire.rest();
  wire.close();
  return { sent: d.length + rest.length, ended: await siege.arena.ended(wire) };
}

attack(
  "names, passwords and versions that are none end a login before message D",
  async (siege) => {
    const keys = siege.arena.identity("alice");
    const bundle = encodeBundle(keys.bundle);
    const password = utf8(passwordOf("alice"));
    const name = (text: string) => login(utf8(text), password, CLIENT);
    const claims: Record<string, Bytes> = {
      "no name": name(""),
      "a path": name("../alice"),
      "an absolute path": name("/etc/passwd"),
      "a path of Windows": name("..\\alice"),
      "a dot": name("."),
      "two dots": name(".."),
      "a capital": name("Alice"),
      "a blank before": name(" alice"),
      "a line's end behind": name("alice\n"),
      "a zero byte": name("alice\0"),
      "a letter that only looks the same": name("\u0430lice"),
      "a combining mark": name("ali\u0301ce"),
      "33 letters": name("a".repeat(33)),
      "1,500 letters": name("a".repeat(1500)),
      "bytes that are not UTF-8": login(new Uint8Array([0xff, 0xfe]), password, CLIENT),
      "no password": login(utf8("alice"), new Uint8Array(0), CLIENT),
      "a password of 257 bytes": login(utf8("alice"), new Uint8Array(257).fill(97), CLIENT),
      "a version of 65 letters": login(utf8("alice"), password, utf8("x".repeat(65))),
      "a version with a command for the terminal": login(utf8("alice"), password, utf8("\x1b[2J")),
      "a version with a line for the log": login(utf8("alice"), password, utf8("x\n2026 warn y")),
      "a version that is not ASCII": login(utf8("alice"), password, utf8("é")),
      "nothing": new Uint8Array(0),
      "noise": random(2048),
      "a length that runs past the end": concat(u32(2045), random(2044)),
      "a length of 4 GB": concat(u32(0xffffffff), random(100)),
      "something behind it": concat(login(utf8("alice"), password, CLIENT), new Uint8Array([1])),
      "something at the end of the padding": (() => {
        const out = new Uint8Array(2048);
        out.set(login(utf8("alice"), password, CLIENT));
        out[2047] = 1;
        return out;
      })(),
    };
    for (const [what, login] of Object.entries(claims)) {
      const { sent, ended } = await claim(siege, { bundle, login, keys });
      assertEquals({ sent, code: ended.code }, { sent: 0, code: "format" }, what);
    }
    await siege.unharmed();
  },
);

attack("keys that are none, or somebody else's, end a login before its verdict", async (siege) => {
  const alice = siege.arena.identity("alice");
  const other = await identityOf("somebody else");
  const own = encodeBundle(other.bundle);
  const as = (name: string) => login(utf8(name), utf8(passwordOf(name)), CLIENT);
  const changed = (at: number, value: number) => {
    const out = concat(own);
    out[at] = value;
    return out;
  };
  const refused = async (what: string, code: string, sent: number, made: Claim) => {
    const { ended, sent: n } = await claim(siege, made);
    assertEquals({ code: ended.code, sent: n }, { code, sent }, what);
  };
  // What is no bundle is refused at once.
  const none: Record<string, [code: string, bundle: Bytes]> = {
    "nothing": ["key-format", new Uint8Array(0)],
    "noise": ["format", random(2048)],
    "three empty keys": ["key-format", concat(u32(0), u32(0), u32(0))],
    "a key of another size": ["key-format", changed(12, 0x21)],
    "an even modulus": ["key-format", changed(4 + 294 - 6, 0)],
    "an exponent of 3": ["key-format", changed(4 + 294 - 1, 3)],
    "a number above the prime of ML-KEM": ["key-format", changed(4 + 294 + 4 + 22 + 1, 0xff)],
    "a fourth key": ["format", concat(own, new Uint8Array([1]))],
  };
  for (const [what, [code, bundle]] of Object.entries(none)) {
    await refused(what, code, 0, { bundle, login: as("alice"), keys: other });
  }
  // Alice's bundle, without her keys: message D cannot be read, so message E is not believed.
  const bundle = encodeBundle(alice.bundle);
  await refused("alice's bundle, and other keys", "authentication", SIZE_D, {
    bundle,
    login: as("alice"),
    keys: other,
  });
  // With her keys for D, and a signature that is not hers: each of the three has to be proven.
  const lies: Record<string, (h: Bytes) => Promise<Bytes>> = {
    "another's signature": (h) => sign(other.ed25519Key, concat(LABEL, h)),
    "a signature of another transcript": (h) => {
      return sign(alice.ed25519Key, concat(LABEL, h.map((byte) => byte ^ 1)));
    },
    "a signature for something else": (h) =>
      sign(alice.ed25519Key, concat(utf8("sealpost/1 message"), h)),
    "zeros": () => Promise.resolve(new Uint8Array(64)),
    "noise": () => Promise.resolve(random(64)),
  };
  for (const [what, e] of Object.entries(lies)) {
    await refused(what, "authentication", SIZE_D, { bundle, login: as("alice"), keys: alice, e });
  }
  await siege.unharmed();
});

attack("a key that one account has opens no other, whatever the passwords", async (siege) => {
  const self = { ...siege.self("alice"), identity: siege.arena.identity("bob") };
  const login = siege.arena.login("alice");
  const { intruder, verdict } = await Intruder.logIn(siege.address, self, login);
  assertEquals(verdict, { ok: false, code: "login-refused", message: LOGIN_REFUSED });
  assertEquals((await intruder.rest()).map(({ kind }) => kind), [FrameKind.close]);
  intruder.wire.close();
  await siege.unharmed();
});
