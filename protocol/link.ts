import { type AesKey, aesOpen, aesSeal, importAesKey, TAG_SIZE } from "../crypto/aes_gcm.ts";
import {
  type Bytes,
  concat,
  equal,
  fromUtf8,
  lp,
  random,
  readU32,
  utf8,
  wipe,
} from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { hkdf, hmacSha256, sha256 } from "../crypto/hash.ts";
import { checkMlKemPublic, loadMlKem, ML_KEM, mlKem } from "../crypto/ml_kem.ts";
import { agree, generateX25519 } from "../crypto/x25519.ts";
import { MAX_PACKAGE } from "./limits.ts";

/** The code that a link's words stand for, bytes. */
export const LINK_CODE = 16;
/** What a link is found by, bytes. */
export const LINK_ID = 16;

/** Longest name of a machine, bytes of UTF-8. */
export const MAX_DEVICE_NAME = 100;

const X_SIZE = 32;
const MAC_SIZE = 32;
const EMPTY = new Uint8Array(0);
const NONCE = new Uint8Array(12);

/** `HKDF(code, "", "sealpost/1 link id", 16)`. */
export function linkId(code: Bytes): Promise<Bytes> {
  return hkdf(code, EMPTY, "sealpost/1 link id", LINK_ID);
}

/** The first message of the machine that is to be linked. */
export interface LinkPost {
  /** 16 bytes. */
  readonly id: Bytes;
  /** X_2, 32 bytes, and EK_2, 1184 bytes: used once. */
  readonly x: Bytes;
  readonly ek: Bytes;
  /** What the machine calls itself. */
  readonly device: string;
  /** Over the server's fingerprint and all before, 32 bytes. */
  readonly mac: Bytes;
}

/** Whether `text` can be the name of a machine: a line of 1 to 100 bytes that can be seen. */
export function isDeviceName(text: string): boolean {
  const size = utf8(text).length;
  return size >= 1 && size <= MAX_DEVICE_NAME && text.trim() === text && text.isWellFormed() &&
    !/[\p{C}\p{Zl}\p{Zp}]/u.test(text);
}

/** `id ‖ X_2 ‖ EK_2 ‖ LP(device name)`: all of a post but its mac. */
function unsigned({ id, x, ek, device }: Omit<LinkPost, "mac">): Bytes {
  return concat(id, x, ek, lp(utf8(device)));
}

async function macOf(code: Bytes, serverFp: Bytes, before: Bytes): Promise<Bytes> {
  const key = await hkdf(code, EMPTY, "sealpost/1 link mac", MAC_SIZE);
  try {
    return await hmacSha256(key, concat(serverFp, before));
  } finally {
    wipe(key);
  }
}

/** The parts of a post, whose mac is not checked. Throws `format`, `key-format`. */
export function decodePost(bytes: Bytes): LinkPost {
  const ekAt = LINK_ID + X_SIZE;
  const deviceAt = ekAt + ML_KEM.publicKey;
  const length = readU32(bytes, deviceAt);
  const end = deviceAt + 4 + length;
  if (bytes.length !== end + MAC_SIZE) throw new SealpostError("format", "a link of another size");
  const device = fromUtf8(bytes.slice(deviceAt + 4, end));
  if (!isDeviceName(device)) throw new SealpostError("format", "a machine with a malformed name");
  const ek = bytes.slice(ekAt, deviceAt);
  checkMlKemPublic(ek);
  return {
    id: bytes.slice(0, LINK_ID),
    x: bytes.slice(LINK_ID, ekAt),
    ek,
    device,
    mac: bytes.slice(end),
  };
}

/**
 * The post in `bytes`, made by somebody who knows `code` and spoke to a server with one of the
 * fingerprints `serverFps`. Throws `authentication` if not, `format`, `key-format`.
 */
export async function readPost(
  code: Bytes,
  serverFps: readonly Bytes[],
  bytes: Bytes,
): Promise<LinkPost> {
  const post = decodePost(bytes);
  const before = bytes.slice(0, -MAC_SIZE);
  let fits = false;
  for (const fp of serverFps) {
    if (equal(await macOf(code, fp, before), post.mac)) fits = true;
  }
  if (!fits || !equal(post.id, await linkId(code))) {
    throw new SealpostError(
      "authentication",
      "a machine answered that has other words, or was shown another server; nothing was sent to " +
        "it, and these words are of no use any more",
    );
  }
  return post;
}

/** SHA-256 of a post, of which both screens show six words. */
export function postHash(post: Bytes): Promise<Bytes> {
  return sha256(post);
}

/**
 * `X_1 ‖ ct ‖ box`: `package_` for the machine that sent `post` (checked by {@linkcode readPost}), the
 * box under `HKDF(k_mlkem ‖ k_x ‖ code, "", "sealpost/1 link package" ‖ SHA-256(post ‖ X_1 ‖ ct), 32)`
 * with a nonce of zeros. Throws `authentication` if X_2 is of low order.
 */
export async function answerPost(code: Bytes, post: Bytes, package_: Bytes): Promise<Bytes> {
  const { x, ek } = decodePost(post);
  const own = await generateX25519();
  const { ciphertext, secret } = await mlKem.encapsulate(ek);
  const shared = await agree(own.privateKey, x);
  const head = concat(own.publicKey, ciphertext);
  const key = await packageKey(secret, shared, code, post, head);
  return concat(head, await aesSeal(key, NONCE, package_));
}

async function packageKey(
  secret: Bytes,
  shared: Bytes,
  code: Bytes,
  post: Bytes,
  head: Bytes,
): Promise<AesKey> {
  const ikm = concat(secret, shared, code);
  const hash = await sha256(concat(post, head));
  const raw = await hkdf(ikm, EMPTY, concat(utf8("sealpost/1 link package"), hash), 32);
  const key = await importAesKey(raw);
  wipe(secret, shared, ikm, raw);
  return key;
}

/** The side of the machine that is to be linked: its keys are used once, and never written down. */
export class LinkRequest {
  readonly #code: Bytes;
  readonly #x: CryptoKey;
  readonly #ek: { decapsulate(ct: Bytes): Promise<Bytes> };
  /** `id ‖ X_2 ‖ EK_2 ‖ LP(device name) ‖ mac`. */
  readonly post: Bytes;

  private constructor(
    code: Bytes,
    x: CryptoKey,
    ek: { decapsulate(ct: Bytes): Promise<Bytes> },
    post: Bytes,
  ) {
    this.#code = code;
    this.#x = x;
    this.#ek = ek;
    this.post = post;
  }

  /** `serverFp`: of the bundle that the server proved. */
  static async make(code: Bytes, serverFp: Bytes, device: string): Promise<LinkRequest> {
    const x = await generateX25519();
    const ek = await mlKem.generate();
    const loaded = await loadMlKem(ek.seed);
    wipe(ek.seed);
    const before = unsigned({ id: await linkId(code), x: x.publicKey, ek: ek.publicKey, device });
    const post = concat(before, await macOf(code, serverFp, before));
    return new LinkRequest(code, x.privateKey, loaded, post);
  }

  /** The package in an answer. Throws `authentication`, `format`. */
  async open(answer: Bytes): Promise<Bytes> {
    const ctAt = X_SIZE;
    const boxAt = ctAt + ML_KEM.ciphertext;
    if (answer.length < boxAt + TAG_SIZE || answer.length > MAX_PACKAGE) {
      throw new SealpostError("format", "an answer of an impossible size");
    }
    const head = answer.slice(0, boxAt);
    const shared = await agree(this.#x, answer.slice(0, ctAt));
    const secret = await this.#ek.decapsulate(answer.slice(ctAt, boxAt));
    const key = await packageKey(secret, shared, this.#code, this.post, head);
    try {
      return await aesOpen(key, NONCE, answer.slice(boxAt));
    } catch (error) {
      if (!isSealpostError(error, "authentication")) throw error;
      throw new SealpostError(
        "authentication",
        "what came was not made by the machine with these words, or was altered on the way; " +
          "nothing was taken: begin again with new words",
        { cause: error },
      );
    }
  }

  /** Forgets the code. */
  erase(): void {
    wipe(this.#code);
  }
}

/** New words' worth of randomness for a link. */
export function newLinkCode(): Bytes {
  return random(LINK_CODE);
}
