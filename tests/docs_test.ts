import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat, fromHex, toHex, utf8 } from "../crypto/bytes.ts";
import { sha256 } from "../crypto/hash.ts";
import { type HandshakeFile, type MessagesFile, readVectors } from "./vectors/files.ts";
import { INPUTS, type Values, workedExample } from "./vectors/worked_example.ts";

const protocol = await Deno.readTextFile(new URL("../docs/PROTOCOL.md", import.meta.url));

/**
 * The values of the worked example: in the code blocks marked `example`, `NAME = HEX`, `NAME =` and
 * indented lines of hexadecimal, or `NAME = "TEXT"`.
 */
function readExample(markdown: string): Map<string, Bytes> {
  const values = new Map<string, Bytes>();
  for (const [, block = ""] of markdown.matchAll(/^```example\n(.*?)^```$/gms)) {
    for (const entry of block.split(/\n(?! )/).filter((entry) => entry !== "")) {
      const [, name, text, hex] = /^(.+?) =(?: "(.*)"|([ \n0-9a-f]*))$/s.exec(entry) ?? [];
      assert(name !== undefined && !values.has(name), `not a value of its own: ${entry}`);
      values.set(name, text === undefined ? fromHex((hex ?? "").replace(/\s/g, "")) : utf8(text));
    }
  }
  return values;
}

const example = readExample(protocol);

function valueOf(name: string): Bytes {
  const value = example.get(name);
  assert(value, `the worked example has no ${name}`);
  return value;
}

/** What is there of `INPUTS` alone. */
function inputs(): Values {
  return new Map(INPUTS.map((name) => [name, valueOf(name)]));
}

Deno.test("every value of the worked example follows from those that are given", async () => {
  const computed = await workedExample(inputs());
  assert(computed.size >= 75, `${computed.size} values`);
  for (const [name, value] of computed) assertEquals(toHex(valueOf(name)), toHex(value), name);
  const known = [...INPUTS, ...computed.keys()];
  assertEquals([...example.keys()].sort(), known.sort());
});

Deno.test("a changed byte anywhere in what is given changes the worked example", async () => {
  // Not the keys: most changes of a prime or a point leave no key at all.
  const free = INPUTS.filter((name) => !/(^| )(p|q|ML-KEM seed|Ed25519 private key)$/.test(name));
  const honest = await workedExample(inputs());
  for (const name of free) {
    const value = valueOf(name).slice();
    // Byte 1: X25519 drops bits of the first and the last, ML-KEM's public key knows no z.
    value[1] = (value[1] ?? 0) ^ 2;
    const other = await workedExample(new Map([...inputs(), [name, value]]));
    const changed = [...honest].filter(([key, bytes]) =>
      toHex(bytes) !== toHex(other.get(key) ?? value)
    );
    assert(changed.length > 0, name);
  }
});

Deno.test("the worked example is the first handshake of the vectors, and the letter to oneself", async () => {
  const { handshakes } = await readVectors<HandshakeFile>("handshake.json");
  const { messages } = await readVectors<MessagesFile>("messages.json");
  const handshake = handshakes.find(({ name }) => name === "gate and alice");
  const message = messages.find(({ name }) => name === "to oneself");
  assert(handshake && message);
  for (const [name, hex] of Object.entries(handshake.messages)) {
    assertEquals(toHex(valueOf(`SHA-256(${name})`)), toHex(await sha256(fromHex(hex))));
  }
  assertEquals(toHex(valueOf("i")), handshake.split.initiator);
  assertEquals(toHex(valueOf("r")), handshake.split.responder);
  assertEquals(toHex(valueOf("SHA-256(envelope ‖ body)")), message.uploadSha256);
});

Deno.test("messages A to E are put together from the parts that the worked example shows", async () => {
  const zeros = new Uint8Array(256);
  const a = [
    fromHex("010101"),
    valueOf("X_c"),
    valueOf("EK_c"),
    valueOf("A ct_rsa"),
    zeros,
    valueOf("A ct_mlkem"),
  ];
  const whole = {
    A: a,
    B: [valueOf("X_s"), valueOf("ct_e"), valueOf("B6")],
    C: [valueOf("C1"), valueOf("C2")],
    D: [valueOf("D1"), valueOf("D3")],
    E: [valueOf("E2")],
  };
  for (const [name, parts] of Object.entries(whole)) {
    assertEquals(toHex(await sha256(concat(...parts))), toHex(valueOf(`SHA-256(${name})`)), name);
  }
});

Deno.test("every source file that a document names is there", async () => {
  const root = new URL("../", import.meta.url);
  const named: string[] = [];
  for (const folder of ["", "docs/", "docs/decisions/"]) {
    for await (const { name } of Deno.readDir(new URL(folder, root))) {
      if (!name.endsWith(".md")) continue;
      const text = await Deno.readTextFile(new URL(folder + name, root));
      const paths =
        /`((?:client|server|commands|cli|files|protocol|crypto|tests|tools)\/[\w/]+\.(?:ts|mjs))`/g;
      for (const [, path = ""] of text.matchAll(paths)) named.push(path);
    }
  }
  assert(named.length > 100, `${named.length} files named`);
  for (const path of new Set(named)) await Deno.stat(new URL(path, root));
});
