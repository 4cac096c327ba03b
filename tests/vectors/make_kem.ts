import { type Bytes, concat, toHex } from "../../crypto/bytes.ts";
import { edited } from "./edits.ts";
import type { KemDrawsVector, KemFile } from "./files.ts";
import type { Identities } from "./identities.ts";
import { kemByHand, type KemDraws, kemDraws } from "./kem_by_hand.ts";
import { pattern } from "./pattern.ts";

export function drawsVector({ kRsa, oaepSeed, m }: KemDraws): KemDrawsVector {
  return { kRsa: toHex(kRsa), oaepSeed: toHex(oaepSeed), m: toHex(m) };
}

const NONE = new Uint8Array(0);

const PAIRS = [
  { to: "alice", use: "hs-client" },
  { to: "alice", use: "stanza", from: "bob" },
  { to: "bob", use: "stanza", from: "alice" },
  { to: "carol", use: "stanza", from: "carol" },
  { to: "server", use: "hs-server" },
] as const;

export async function makeKem(identities: Identities): Promise<KemFile> {
  const encapsulations: KemFile["encapsulations"][number][] = [];
  for (const pair of PAIRS) {
    const { to, use } = pair;
    const { bundle } = await identities.get(to);
    const context = "from" in pair ? (await identities.get(pair.from)).bundle.fp : NONE;
    const draws = kemDraws(`sealpost vectors KEM ${to} ${use}`);
    const { ctRsa, ctMlkem, kMlkem, secret } = await kemByHand(bundle, use, draws, context);
    encapsulations.push({
      name: `${use} to ${to}, ${bundle.rsaBits} bits`,
      ...pair,
      draws: drawsVector(draws),
      ctRsa: toHex(ctRsa),
      ctMlkem: toHex(ctMlkem),
      kMlkem: toHex(kMlkem),
      secret: toHex(secret),
    });
  }
  const { bundle } = await identities.get("alice");
  const draws = kemDraws("sealpost vectors KEM rejected");
  const { fp } = (await identities.get("bob")).bundle;
  const good = await kemByHand(bundle, "stanza", draws, fp);
  const given = { by: "alice", use: "stanza", from: "bob" } as const;
  const rejected = (name: string, why: string, ctRsa: Bytes, ctMlkem: Bytes, not = good.secret) => {
    return { name, why, ...given, ctRsa: toHex(ctRsa), ctMlkem: toHex(ctMlkem), not: toHex(not) };
  };
  // What OAEP gives is not 32 bytes; nobody may use those that are there.
  const odd = async (size: number) => {
    const kRsa = pattern(`sealpost vectors KEM ${size}`, size);
    return await kemByHand(bundle, "stanza", { ...draws, kRsa }, fp);
  };
  const [short, long, none] = [await odd(31), await odd(33), await odd(0)];
  const otherUse = await kemByHand(bundle, "hs-client", draws);
  const { bundle: other } = await identities.get("mallory");
  const mallory = await kemByHand(other, "stanza", draws, fp);
  const otherSender = await kemByHand(bundle, "stanza", draws, other.fp);
  const wrong = (name: string, why: string, ctRsa: Bytes, ctMlkem: Bytes) => {
    const error = "format" as const;
    return { name, why, error, ...given, ctRsa: toHex(ctRsa), ctMlkem: toHex(ctMlkem) };
  };
  const flipped = (bytes: Bytes, at: number) => edited(bytes, [{ at, xor: "01" }]);
  const zero = new Uint8Array(1);
  return {
    encapsulations,
    rejected: [
      rejected("rsa-flipped", "a bit of ct_rsa", flipped(good.ctRsa, 255), good.ctMlkem),
      rejected("rsa-zero", "ct_rsa is 0", new Uint8Array(256), good.ctMlkem),
      rejected(
        "rsa-too-large",
        "ct_rsa is not below n",
        new Uint8Array(256).fill(255),
        good.ctMlkem,
      ),
      rejected("rsa-other-key", "ct_rsa for another key", mallory.ctRsa, good.ctMlkem),
      rejected("rsa-31-bytes", "k_rsa has 31 bytes", short.ctRsa, short.ctMlkem, short.secret),
      rejected("rsa-33-bytes", "k_rsa has 33 bytes", long.ctRsa, long.ctMlkem, long.secret),
      rejected("rsa-no-bytes", "k_rsa has no bytes", none.ctRsa, none.ctMlkem, none.secret),
      rejected("mlkem-flipped", "a bit of ct_mlkem", good.ctRsa, flipped(good.ctMlkem, 0)),
      rejected("mlkem-other-key", "ct_mlkem for another key", good.ctRsa, mallory.ctMlkem),
      rejected(
        "other-use",
        "made for hs-client",
        otherUse.ctRsa,
        otherUse.ctMlkem,
        otherUse.secret,
      ),
      rejected(
        "other-sender",
        "made by mallory as the sender",
        otherSender.ctRsa,
        otherSender.ctMlkem,
        otherSender.secret,
      ),
    ],
    malformed: [
      wrong("ct-rsa-cut", "ct_rsa of 255 bytes", good.ctRsa.slice(1), good.ctMlkem),
      wrong("ct-rsa-longer", "ct_rsa of 257 bytes", concat(zero, good.ctRsa), good.ctMlkem),
      wrong(
        "rsa-padded",
        "ct_rsa of 512 bytes",
        concat(good.ctRsa, new Uint8Array(256)),
        good.ctMlkem,
      ),
      wrong("ct-mlkem-cut", "ct_mlkem of 1087 bytes", good.ctRsa, good.ctMlkem.slice(1)),
      wrong("ct-mlkem-longer", "ct_mlkem of 1089 bytes", good.ctRsa, concat(good.ctMlkem, zero)),
    ],
  };
}
