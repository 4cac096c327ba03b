import { type Bytes, concat, fromHex, lp, toHex, utf8 } from "../../crypto/bytes.ts";
import { encodeBundle, type Identity } from "../../crypto/identity.ts";
import { difference, type Edit } from "./edits.ts";
import type { HandshakeFile, HandshakeVector, KeysFile, SplitVector } from "./files.ts";
import {
  type Deviations,
  type Handshake,
  handshakeByHand,
  type HandshakeDraws,
  handshakeDraws,
  type MessageName,
  pad,
  type Said,
} from "./handshake_by_hand.ts";
import type { Identities } from "./identities.ts";
import { drawsVector } from "./make_kem.ts";
import { malleated } from "./signatures_by_hand.ts";
import { exported, type SplitBytes } from "./transcript.ts";

const BASE = "gate and alice";

const USUAL: Said = {
  hello: '{"server":"sealpost/1.0.0","maxMessage":104857600,"maxRecipients":100}',
  name: "alice",
  password: "correct horse battery staple",
  clientVersion: "sealpost/1.0.0",
};

/** Everything as long as it may be. */
const LONGEST: Said = {
  hello: `{"server":"${"~".repeat(64)}","maxMessage":1099511627776,"maxRecipients":256}`,
  name: `0${"._-z".repeat(7)}abc`,
  password: "ü".repeat(128),
  clientVersion: " ".repeat(64),
};

const SHORTEST: Said = {
  hello: '{"server":"","maxMessage":0,"maxRecipients":1}',
  name: "a",
  password: "p",
  clientVersion: "",
};

export async function makeHandshakes(
  identities: Identities,
  keys: KeysFile,
): Promise<HandshakeFile> {
  const handshakes = [
    await vectorOf(identities, BASE, "gate", "alice", USUAL),
    await vectorOf(identities, "server and carol", "server", "carol", LONGEST),
    await vectorOf(identities, "server and bob", "server", "bob", SHORTEST),
    await vectorOf(identities, "a key that was left", "gate", "bob", { ...USUAL, former: true }),
  ];
  const variations = await Variations.of(identities);
  return {
    handshakes,
    malformed: [
      ...malformedA(),
      ...await malformedB(variations),
      ...await malformedLogins(variations),
      ...await malformedBundles(variations, keys),
      ...await malformedD(variations),
      ...await malformedE(variations),
    ],
    rejected: await rejectedA(variations),
  };
}

async function vectorOf(
  identities: Identities,
  name: string,
  server: string,
  client: string,
  said: Said,
): Promise<HandshakeVector> {
  const draws = handshakeDraws(`sealpost vectors ${name}`);
  const [at, by] = [await identities.get(server), await identities.get(client)];
  const { messages, steps, split, secrets } = await handshakeByHand(at, by, draws, said);
  const { hello, former, ...login } = said;
  return {
    name,
    server,
    client,
    draws: hexOf(draws),
    ...(former ? { former } : {}),
    hello,
    login,
    secrets: {
      s: toHex(secrets.s),
      dh: toHex(secrets.dh),
      ssE: toHex(secrets.ssE),
      s2: toHex(secrets.s2),
    },
    messages: {
      A: toHex(messages.A),
      B: toHex(messages.B),
      C: toHex(messages.C),
      D: toHex(messages.D),
      E: toHex(messages.E),
    },
    steps,
    split: await splitVector(split),
  };
}

function hexOf(draws: HandshakeDraws): HandshakeVector["draws"] {
  return {
    xc: toHex(draws.xc),
    xs: toHex(draws.xs),
    ekSeed: toHex(draws.ekSeed),
    a: drawsVector(draws.a),
    m: toHex(draws.m),
    d: drawsVector(draws.d),
  };
}

export async function splitVector(split: SplitBytes): Promise<SplitVector> {
  const label = "sealpost/1 resume";
  const contexts = [new Uint8Array(0), fromHex("000102030405060708090a0b0c0d0e0f")];
  return {
    initiator: toHex(split.initiator),
    responder: toHex(split.responder),
    exporterInput: toHex(split.exporter),
    h: toHex(split.h),
    exported: await Promise.all(contexts.map(async (context) => {
      return {
        label,
        context: toHex(context),
        output: toHex(await exported(split, label, context)),
      };
    })),
  };
}

/** The first handshake, and what becomes of its messages when a side deviates. */
class Variations {
  private constructor(
    readonly server: Identity,
    readonly client: Identity,
    readonly mallory: Identity,
    readonly honest: Handshake,
  ) {}

  static async of(identities: Identities): Promise<Variations> {
    const server = await identities.get("gate");
    const client = await identities.get("alice");
    const honest = await handshakeByHand(server, client, drawsOfBase(), USUAL);
    return new Variations(server, client, await identities.get("mallory"), honest);
  }

  async edits(
    message: MessageName,
    deviations: Deviations,
    said: Partial<Said> = {},
    server = this.server,
  ): Promise<Edit[]> {
    const other = await handshakeByHand(
      server,
      this.client,
      drawsOfBase(),
      { ...USUAL, ...said },
      deviations,
    );
    return [difference(this.honest.messages[message], other.messages[message])];
  }
}

function drawsOfBase(): HandshakeDraws {
  return handshakeDraws(`sealpost vectors ${BASE}`);
}

type Malformed = HandshakeFile["malformed"][number];

function of(
  message: MessageName,
  error: Malformed["error"],
  name: string,
  why: string,
  ...edits: Edit[]
): Malformed {
  return { name, why, error, base: BASE, message, edits };
}

/** Points whose product with every private key is zero (RFC 7748, section 6.1). */
const LOW_ORDER = {
  zero: "00".repeat(32),
  one: `01${"00".repeat(31)}`,
  "order-8": "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "minus-one": `ec${"ff".repeat(30)}7f`,
  p: `ed${"ff".repeat(30)}7f`,
};

function malformedA(): Malformed[] {
  return [
    ...Object.entries(LOW_ORDER).map(([name, put]) => {
      const why = "X_c is a point of low order";
      return of("A", "authentication", `a-x-${name}`, why, { at: 3, put });
    }),
    of("A", "key-format", "a-ek-first", "the first number of EK_c is 4095", {
      at: 35,
      put: "ff0f",
    }),
    of("A", "key-format", "a-ek-last", "the last number of EK_c is 4095", {
      at: 35 + 1150,
      put: "f0ff",
    }),
  ];
}

async function rejectedA(variations: Variations): Promise<HandshakeFile["rejected"]> {
  const base = BASE;
  const fill = (padded: Bytes) => padded.map((byte, i) => i === 511 ? 1 : byte);
  return [
    { name: "a-x", why: "a bit of X_c", base, edits: [{ at: 3, xor: "01" }] },
    {
      name: "a-ek-rho",
      why: "a bit of EK_c that no check sees",
      base,
      edits: [{ at: 1218, xor: "01" }],
    },
    { name: "a-rsa", why: "a bit of ct_rsa", base, edits: [{ at: 1219, xor: "01" }] },
    { name: "a-mlkem", why: "a bit of ct_mlkem", base, edits: [{ at: 1731, xor: "01" }] },
    {
      name: "a-padding",
      why: "the padding of ct_rsa is not zero, in a transcript that both sides have",
      base,
      edits: await variations.edits("A", { ciphertextsInA: fill }),
    },
    {
      name: "a-zeros",
      why: "no ciphertexts at all",
      base,
      edits: [{ at: 1219, put: "00".repeat(1600) }],
    },
  ];
}

async function malformedB(variations: Variations): Promise<Malformed[]> {
  const hello = async (name: string, why: string, change: (padded: Bytes) => Bytes) => {
    return of("B", "format", name, why, ...await variations.edits("B", { hello: change }));
  };
  const text = (json: string) => () => pad(lp(utf8(json)), 256);
  const limits = (server: string, maxMessage: number | string, maxRecipients: number | string) =>
    text(`{"server":"${server}","maxMessage":${maxMessage},"maxRecipients":${maxRecipients}}`);
  const stranger = await variations.edits("B", {}, {}, variations.mallory);
  return [
    ...Object.entries(LOW_ORDER).map(([name, put]) => {
      const why = "X_s is a point of low order";
      return of("B", "authentication", `b-x-${name}`, why, { at: 0, put });
    }),
    of("B", "server-identity", "b-x", "a bit of X_s", { at: 0, xor: "01" }),
    of("B", "server-identity", "b-mlkem", "a bit of ct_e", { at: 32, xor: "01" }),
    of("B", "server-identity", "b-hello", "a bit of the sealed hello", { at: 1120, xor: "01" }),
    of("B", "server-identity", "b-tag", "a bit of the tag", { at: 1391, xor: "80" }),
    of("B", "server-identity", "b-stranger", "made with another server's keys", ...stranger),
    await hello("b-hello-empty", "a hello of no bytes", () => new Uint8Array(256)),
    await hello(
      "b-hello-length",
      "its length runs past the end",
      (p) => p.map((x, i) => i === 3 ? 253 : x),
    ),
    await hello(
      "b-hello-padding",
      "padding that is not zero",
      (p) => p.map((x, i) => i === 255 ? 1 : x),
    ),
    await hello("b-hello-not-json", "not JSON", text('{"server":"x"')),
    await hello("b-hello-utf8", "not UTF-8", () => pad(lp(fromHex("22ff22")), 256)),
    await hello("b-hello-bom", "a byte order mark before the JSON", text(`\uFEFF${USUAL.hello}`)),
    await hello("b-hello-missing", "no maxRecipients", text('{"server":"x","maxMessage":1}')),
    await hello("b-hello-server", "a line end in `server`", limits("\\n", 1, 1)),
    await hello("b-hello-long", "`server` of 65 characters", limits("x".repeat(65), 1, 1)),
    await hello("b-hello-message", "maxMessage over 2^40", limits("x", 2 ** 40 + 1, 1)),
    await hello("b-hello-negative", "maxMessage below 0", limits("x", -1, 1)),
    await hello("b-hello-fraction", "maxMessage is no integer", limits("x", 0.5, 1)),
    await hello("b-hello-text", "maxMessage is a string", limits("x", '"1"', 1)),
    await hello("b-hello-nobody", "maxRecipients is 0", limits("x", 1, 0)),
    await hello("b-hello-recipients", "maxRecipients is 257", limits("x", 1, 257)),
  ];
}

async function malformedLogins(variations: Variations): Promise<Malformed[]> {
  const login = async (name: string, why: string, change: (padded: Bytes) => Bytes) => {
    return of("C", "format", name, why, ...await variations.edits("C", { login: change }));
  };
  const parts = (name: Uint8Array, password: Uint8Array, version: Uint8Array) => () =>
    pad(concat(lp(name), lp(password), lp(version)), 2048);
  const [name, password, version] = [utf8("alice"), utf8("secret"), utf8("x/1")];
  return [
    of("C", "authentication", "c-bundle", "a bit of the sealed bundle", { at: 0, xor: "01" }),
    of("C", "authentication", "c-login", "a bit of the sealed login", { at: 2064, xor: "01" }),
    of("C", "authentication", "c-tag", "a bit of the last tag", { at: 4127, xor: "01" }),
    await login(
      "c-name-capital",
      "the name is not canonical",
      parts(utf8("Alice"), password, version),
    ),
    await login("c-name-empty", "a name of no characters", parts(utf8(""), password, version)),
    await login(
      "c-name-long",
      "a name of 33 characters",
      parts(utf8("a".repeat(33)), password, version),
    ),
    await login(
      "c-name-dot",
      "a name that begins with a dot",
      parts(utf8(".."), password, version),
    ),
    await login(
      "c-name-utf8",
      "a name that is not UTF-8",
      parts(fromHex("61ff"), password, version),
    ),
    await login("c-password-empty", "a password of no bytes", parts(name, utf8(""), version)),
    await login(
      "c-password-long",
      "a password of 257 bytes",
      parts(name, utf8("p".repeat(257)), version),
    ),
    await login("c-version-control", "a tab in the version", parts(name, password, utf8("x\t1"))),
    await login(
      "c-version-long",
      "a version of 65 characters",
      parts(name, password, utf8("x".repeat(65))),
    ),
    await login(
      "c-length",
      "a length that runs past the end",
      (p) => p.map((x, i) => i === 2 ? 8 : x),
    ),
    await login(
      "c-padding",
      "padding that is not zero",
      (p) => p.map((x, i) => i === 2047 ? 1 : x),
    ),
  ];
}

async function malformedBundles(variations: Variations, keys: KeysFile): Promise<Malformed[]> {
  const bundle = async (error: Malformed["error"], name: string, why: string, data: Bytes) => {
    const edits = await variations.edits("C", { bundle: () => pad(data, 2048) });
    return of("C", error, name, why, ...edits);
  };
  const honest = encodeBundle(variations.client.bundle);
  const { rsa, mlkem, ed25519 } = variations.client.bundle;
  const whole = (name: string) => {
    const found = keys.malformedBundles.find((one) => one.name === name);
    if (!found || !("bundle" in found)) throw new Error(`there is no bundle ${name}`);
    return fromHex(found.bundle);
  };
  return [
    await bundle("format", "c-bundle-four", "a fourth part", concat(honest, lp(utf8("x")))),
    await bundle(
      "key-format",
      "c-bundle-order",
      "the parts in another order",
      concat(lp(mlkem), lp(rsa), lp(ed25519)),
    ),
    await bundle("key-format", "c-bundle-rsa-1024", "an RSA key of 1024 bits", whole("rsa-1024")),
    await bundle("key-format", "c-bundle-rsa-e-3", "an RSA key with e = 3", whole("rsa-e-3")),
    await bundle(
      "key-format",
      "c-bundle-order-8",
      "an Ed25519 key of low order",
      whole("ed25519-order-8"),
    ),
  ];
}

async function malformedD(variations: Variations): Promise<Malformed[]> {
  const fill = (at: number) => (padded: Bytes) =>
    padded.map((byte, i) => i === at ? byte ^ 1 : byte);
  const d = async (name: string, why: string, deviations: Deviations) => {
    return of("D", "authentication", name, why, ...await variations.edits("D", deviations));
  };
  return [
    of("D", "authentication", "d-ciphertexts", "a bit of the sealed ciphertexts", {
      at: 0,
      xor: "01",
    }),
    of("D", "authentication", "d-tag", "a bit of the first tag", { at: 1615, xor: "01" }),
    of("D", "authentication", "d-empty", "a bit of the second tag", { at: 1616, xor: "01" }),
    await d("d-use", "encapsulated for hs-server", { useInD: "hs-server" }),
    await d("d-padding-first", "padding behind ct_rsa: its first byte", {
      ciphertextsInD: fill(256),
    }),
    await d("d-padding-last", "padding behind ct_rsa: its last byte", {
      ciphertextsInD: fill(511),
    }),
    await d("d-rsa", "a bit of ct_rsa, under the tag", { ciphertextsInD: fill(0) }),
    await d("d-mlkem", "a bit of ct_mlkem, under the tag", { ciphertextsInD: fill(512) }),
  ];
}

async function malformedE(variations: Variations): Promise<Malformed[]> {
  const e = async (name: string, why: string, deviations: Deviations) => {
    return of("E", "authentication", name, why, ...await variations.edits("E", deviations));
  };
  return [
    of("E", "authentication", "e-sealed", "a bit of the sealed signature", { at: 0, xor: "01" }),
    of("E", "authentication", "e-tag", "a bit of the tag", { at: 79, xor: "01" }),
    await e("e-signer", "signed by another key", { signer: variations.mallory }),
    await e("e-no-label", "signed without the label", { signed: (_, h) => h }),
    await e("e-label", "signed under another label", {
      signed: (_, h) => concat(utf8("sealpost/1 message"), h),
    }),
    await e("e-transcript", "signed over another transcript", {
      signed: (text) => text.map((byte, i) => i === 47 ? byte ^ 1 : byte),
    }),
    await e("e-malleated", "S + L in the place of S", { signature: malleated }),
    await e("e-zero", "a signature of zeros", { signature: (made) => new Uint8Array(made.length) }),
  ];
}
