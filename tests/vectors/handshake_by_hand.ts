import { type Bytes, concat, lp, utf8 } from "../../crypto/bytes.ts";
import { sign } from "../../crypto/ed25519.ts";
import { encodeBundle, type Identity } from "../../crypto/identity.ts";
import { mlKem } from "../../crypto/ml_kem.ts";
import { agree, importX25519Private } from "../../crypto/x25519.ts";
import { x25519Public } from "./fixed_random.ts";
import { kemByHand, type KemDraws, kemDraws, mlKemByHand } from "./kem_by_hand.ts";
import { pattern } from "./pattern.ts";
import { type SplitBytes, type Step, Transcript } from "./transcript.ts";

/** All that the two sides of a handshake draw. */
export interface HandshakeDraws {
  /** The X25519 private keys, 32 bytes. */
  readonly xc: Bytes;
  readonly xs: Bytes;
  /** The seed of the client's ephemeral ML-KEM key, d ‖ z, 64 bytes. */
  readonly ekSeed: Bytes;
  /** The encapsulation in A, to the server. */
  readonly a: KemDraws;
  /** The m of the encapsulation in B, to EK_c. */
  readonly m: Bytes;
  /** The encapsulation in D, to the client. */
  readonly d: KemDraws;
}

export function handshakeDraws(seed: string): HandshakeDraws {
  return {
    xc: pattern(`${seed} x_c`, 32),
    xs: pattern(`${seed} x_s`, 32),
    ekSeed: pattern(`${seed} EK_c`, 64),
    a: kemDraws(`${seed} A`),
    m: pattern(`${seed} B m`, 32),
    d: kemDraws(`${seed} D`),
  };
}

/** What the two sides say, before it is padded. */
export interface Said {
  /** JSON. */
  readonly hello: string;
  readonly name: string;
  readonly password: string;
  readonly clientVersion: string;
  /** Under a key that the server has left; default: no. */
  readonly former?: true;
}

/**
 * What a side may do otherwise than the protocol says: each is given what would be encrypted or
 * used, and gives what is.
 */
export interface Deviations {
  /** The use in A, and in D. */
  readonly useInA?: string;
  readonly useInD?: string;
  readonly hello?: (padded: Bytes) => Bytes;
  readonly bundle?: (padded: Bytes) => Bytes;
  readonly login?: (padded: Bytes) => Bytes;
  /** pad_512(ct_rsa) ‖ ct_mlkem of A and of D. */
  readonly ciphertextsInA?: (padded: Bytes) => Bytes;
  readonly ciphertextsInD?: (padded: Bytes) => Bytes;
  /** What is signed. */
  readonly signed?: (text: Bytes, h: Bytes) => Bytes;
  readonly signature?: (signature: Bytes) => Bytes;
  /** Who signs. */
  readonly signer?: Identity;
}

export const MESSAGES = ["A", "B", "C", "D", "E"] as const;
export type MessageName = typeof MESSAGES[number];

/** A whole handshake. */
export interface Handshake {
  readonly messages: Readonly<Record<MessageName, Bytes>>;
  readonly steps: readonly Step[];
  readonly split: SplitBytes;
  /** What the two sides have agreed on: the secrets that go into the transcript. */
  readonly secrets: {
    readonly s: Bytes;
    readonly dh: Bytes;
    readonly ssE: Bytes;
    readonly s2: Bytes;
  };
}

export const HANDSHAKE_NAME = "sealpost/1 handshake RSAOAEP+MLKEM768 X25519 AES256GCM SHA256";

const EMPTY = new Uint8Array(0);

/** `data` and zeros up to `size` bytes. */
export function pad(data: Uint8Array, size: number): Bytes {
  if (data.length > size) throw new RangeError("it does not fit");
  return concat(data, new Uint8Array(size - data.length));
}

/** Sections 6.3 to 6.5, both sides at once, from the primitives. */
export async function handshakeByHand(
  server: Identity,
  client: Identity,
  draws: HandshakeDraws,
  said: Said,
  deviations: Deviations = {},
): Promise<Handshake> {
  const same = (padded: Bytes) => padded;
  const serverBundle = encodeBundle(server.bundle);
  const prologue = concat(new Uint8Array([1, 1]), lp(serverBundle));
  const t = await Transcript.start(HANDSHAKE_NAME, prologue);

  const xcPublic = await x25519Public(draws.xc);
  const ek = await mlKem.publicFromSeed(draws.ekSeed);
  const prefix = said.former
    ? concat(new Uint8Array([1, 1, 5]), server.bundle.fp)
    : new Uint8Array([1, 1, 1]);
  const head = concat(prefix, xcPublic, ek);
  await t.mixHash("A2", "prefix ‖ X_c ‖ EK_c", head);
  const first = await kemByHand(server.bundle, deviations.useInA ?? "hs-server", draws.a);
  const ciphertextsInA = (deviations.ciphertextsInA ?? same)(
    concat(pad(first.ctRsa, 512), first.ctMlkem),
  );
  const a = concat(
    head,
    await t.encryptAndHash("A4", "pad_512(ct_rsa) ‖ ct_mlkem", ciphertextsInA),
  );
  await t.mixKeyAndHash("A5", "s", first.secret);

  const xsPublic = await x25519Public(draws.xs);
  await t.mixHash("B2", "X_s", xsPublic);
  const dh = await agree(await importX25519Private(draws.xs), xcPublic);
  await t.mixKey("B3", "X25519", dh);
  const ephemeral = mlKemByHand(ek, draws.m);
  await t.mixHash("B4", "ct_e", ephemeral.ciphertext);
  await t.mixKey("B5", "ss_e", ephemeral.secret);
  const hello = (deviations.hello ?? same)(pad(lp(utf8(said.hello)), 256));
  const b = concat(
    xsPublic,
    ephemeral.ciphertext,
    await t.encryptAndHash("B6", "pad_256(LP(hello))", hello),
  );

  const bundle = (deviations.bundle ?? same)(pad(encodeBundle(client.bundle), 2048));
  const login = (deviations.login ?? same)(
    pad(
      concat(lp(utf8(said.name)), lp(utf8(said.password)), lp(utf8(said.clientVersion))),
      2048,
    ),
  );
  const c = concat(
    await t.encryptAndHash("C1", "pad_2048(client's bundle)", bundle),
    await t.encryptAndHash("C2", "pad_2048(LP(name) ‖ LP(password) ‖ LP(version))", login),
  );

  const second = await kemByHand(client.bundle, deviations.useInD ?? "hs-client", draws.d);
  const ciphertextsInD = (deviations.ciphertextsInD ?? same)(
    concat(pad(second.ctRsa, 512), second.ctMlkem),
  );
  const sealed = await t.encryptAndHash("D1", "pad_512(ct_rsa') ‖ ct_mlkem'", ciphertextsInD);
  await t.mixKeyAndHash("D2", "s'", second.secret);
  const d = concat(sealed, await t.encryptAndHash("D3", "", EMPTY));

  const text = concat(utf8("sealpost/1 login"), t.h);
  const signer = deviations.signer ?? client;
  const signature = (deviations.signature ?? same)(
    await sign(signer.ed25519Key, deviations.signed?.(text, t.h) ?? text),
  );
  const e = await t.encryptAndHash("E2", "sig", signature);

  return {
    messages: { A: a, B: b, C: c, D: d, E: e },
    steps: t.steps,
    split: await t.split(),
    secrets: { s: first.secret, dh, ssE: ephemeral.secret, s2: second.secret },
  };
}
