import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, lp, owned, toHex, u64, utf8 } from "../../crypto/bytes.ts";
import { hkdf, hmacSha256, sha256 } from "../../crypto/hash.ts";
import { agree, importX25519Private } from "../../crypto/x25519.ts";
import { wordsOf } from "../../crypto/words.ts";
import type { LinksFile } from "./files.ts";
import { x25519Public } from "./fixed_random.ts";
import type { Identities } from "./identities.ts";
import { mlKemByHand } from "./kem_by_hand.ts";
import { pattern } from "./pattern.ts";

const NONE = new Uint8Array(0);
const NONCE = new Uint8Array(12);

const box = async (key: Bytes, plaintext: Bytes) =>
  await aesSeal(await importAesKey(key), NONCE, plaintext);
const x25519 = async (own: Bytes, theirs: Bytes) =>
  await agree(await importX25519Private(own), theirs);

/** 11 bits a word, from the first on. */
function indexes(bytes: Bytes, words: number): number[] {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return Array.from({ length: words }, (_, i) => parseInt(bits.slice(11 * i, 11 * i + 11), 2));
}

async function indexesOf(code: Bytes): Promise<number[]> {
  return indexes(concat(code, await sha256(code)), code.length * 3 / 4);
}

/** Section 10.19. */
async function link(identities: Identities, name: string, device: string, plaintext: Bytes) {
  const code = pattern(`code of ${name}`, 16);
  const fp = (await identities.get("server")).bundle.fp;
  const [x2, seed2] = [pattern(`x_2 of ${name}`, 32), pattern(`seed of EK_2 of ${name}`, 64)];
  const [x1, m] = [pattern(`x_1 of ${name}`, 32), pattern(`m of ${name}`, 32)];
  const ek = owned(ml_kem768.keygen(seed2).publicKey);
  const id = await hkdf(code, NONE, "sealpost/1 link id", 16);
  const before = concat(id, await x25519Public(x2), ek, lp(utf8(device)));
  const macKey = await hkdf(code, NONE, "sealpost/1 link mac", 32);
  const post = concat(before, await hmacSha256(macKey, concat(fp, before)));
  const { ciphertext, secret } = mlKemByHand(ek, m);
  const head = concat(await x25519Public(x1), ciphertext);
  const key = await hkdf(
    concat(secret, await x25519(x1, await x25519Public(x2)), code),
    NONE,
    concat(utf8("sealpost/1 link package"), await sha256(concat(post, head))),
    32,
  );
  return {
    code,
    post,
    answer: concat(head, await box(key, plaintext)),
    vector: {
      name,
      code: toHex(code),
      words: wordsOf(code).join(" "),
      indexes: await indexesOf(code),
      server: "server",
      device,
      x2: toHex(x2),
      seed2: toHex(seed2),
      id: toHex(id),
      post: toHex(post),
      compared: indexes(await sha256(post), 6),
      x1: toHex(x1),
      m: toHex(m),
      package: toHex(plaintext),
      answer: toHex(concat(head, await box(key, plaintext))),
    },
  };
}

/** Section 10.20. */
async function kit(name: string, user: string, counter: number, date: number, plaintext: Bytes) {
  const code = pattern(`code of ${name}`, 32);
  const part = (label: string, size: number) => hkdf(code, NONE, `sealpost/1 kit ${label}`, size);
  const [id, x, seed, macKey] = [
    await part("id", 16),
    await part("x25519", 32),
    await part("mlkem", 64),
    await part("mac", 32),
  ];
  const ek = owned(ml_kem768.keygen(seed).publicKey);
  const [xe, m] = [pattern(`x_e of ${name}`, 32), pattern(`m of ${name}`, 32)];
  const { ciphertext, secret } = mlKemByHand(ek, m);
  const before = concat(
    ...[id, lp(utf8(user)), u64(counter), u64(date), await x25519Public(xe), ciphertext],
  );
  const own = await x25519Public(x);
  const key = await hkdf(
    concat(secret, await x25519(xe, own)),
    NONE,
    concat(utf8("sealpost/1 kit"), await sha256(concat(before, own, ek))),
    32,
  );
  const all = concat(before, await box(key, plaintext));
  const bytes = concat(all, await hmacSha256(macKey, all));
  return {
    code,
    bytes,
    vector: {
      name,
      code: toHex(code),
      words: wordsOf(code).join(" "),
      indexes: await indexesOf(code),
      user,
      counter,
      date,
      id: toHex(id),
      x: toHex(own),
      ek: toHex(ek),
      mac: toHex(macKey),
      xe: toHex(xe),
      m: toHex(m),
      package: toHex(plaintext),
      kit: toHex(bytes),
    },
  };
}

/** links.json. */
export async function makeLinks(identities: Identities): Promise<LinksFile> {
  const small = await link(identities, "laptop", "laptop", pattern("a package", 100));
  const other = await link(identities, "desk", "Büro 2", pattern("another package", 1000));
  const own = await kit("paper", "alice", 3, 1_795_305_600_000, pattern("a kit's package", 300));
  const flipped = (bytes: Bytes, at: number) =>
    toHex(bytes.map((byte, i) => i === at ? byte ^ 1 : byte));
  const code = toHex(small.code);
  const post = (name: string, why: string, error: "authentication" | "format", bytes: string) => ({
    name,
    why,
    error,
    code,
    server: "server",
    post: bytes,
  });
  const whole = toHex(small.post);
  const noName = concat(small.post.slice(0, 1232), lp(NONE), small.post.slice(-32));
  const kits = (name: string, why: string, error: "authentication" | "format", bytes: string) => ({
    name,
    why,
    error,
    code: toHex(own.code),
    kit: bytes,
  });
  return {
    links: [small.vector, other.vector],
    kits: [own.vector],
    malformedPosts: [
      post("post-id", "the id of other words", "authentication", flipped(small.post, 0)),
      post("post-x", "another X_2", "authentication", flipped(small.post, 16)),
      post("post-device", "another name", "authentication", flipped(small.post, 1237)),
      post("post-mac", "another mac", "authentication", flipped(small.post, small.post.length - 1)),
      {
        ...post("post-server", "for another server", "authentication", whole),
        server: "mallory",
      },
      {
        ...post("post-code", "by somebody with other words", "authentication", whole),
        code: toHex(other.code),
      },
      post("post-cut", "a byte short", "format", toHex(small.post.slice(0, -1))),
      post("post-no-name", "a machine without a name", "format", toHex(noName)),
    ],
    malformedAnswers: ([
      ["answer-x", "another X_1", 0],
      ["answer-ct", "another ciphertext", 32],
      ["answer-box", "another box", 1120],
      ["answer-tag", "another tag", small.answer.length - 1],
    ] as const).map(([name, why, at]) => ({
      name,
      why,
      error: "authentication" as const,
      link: "laptop",
      answer: flipped(small.answer, at),
    })),
    malformedKits: [
      kits("kit-id", "the id of other words", "authentication", flipped(own.bytes, 0)),
      kits("kit-counter", "another number", "authentication", flipped(own.bytes, 32)),
      kits("kit-x", "another X_e", "authentication", flipped(own.bytes, 41)),
      kits("kit-box", "another box", "authentication", flipped(own.bytes, 1161)),
      kits("kit-mac", "another mac", "authentication", flipped(own.bytes, own.bytes.length - 1)),
      {
        ...kits("kit-code", "opened with other words", "authentication", toHex(own.bytes)),
        code: toHex(pattern("other words", 32)),
      },
      kits("kit-short", "no box", "format", toHex(own.bytes.slice(0, 1160))),
    ],
  };
}
