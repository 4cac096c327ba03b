import { type AesKey, aesOpen, aesSeal, importAesKey, TAG_SIZE } from "../crypto/aes_gcm.ts";
import {
  type Bytes,
  concat,
  equal,
  fromUtf8,
  lp,
  random,
  readU32,
  readU64,
  u64,
  utf8,
  wipe,
} from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { hkdf, hmacSha256, sha256 } from "../crypto/hash.ts";
import { loadMlKem, ML_KEM, mlKem } from "../crypto/ml_kem.ts";
import { agree, generateX25519, importX25519Private, publicX25519 } from "../crypto/x25519.ts";
import { MAX_PACKAGE } from "./limits.ts";
import { isName } from "./name.ts";

/** The code that a kit's words stand for, bytes. */
export const KIT_CODE = 32;
/** What a kit is found by, bytes. */
export const KIT_ID = 16;

const X_SIZE = 32;
const MAC_SIZE = 32;
const EMPTY = new Uint8Array(0);
const NONCE = new Uint8Array(12);

/** What the machines of a person keep of a kit, so that they can renew it without its words. */
export interface KitKeys {
  /** 16 bytes. */
  readonly id: Bytes;
  /** The kit's X25519 public key, 32 bytes, and ML-KEM-768 public key, 1184 bytes. */
  readonly x: Bytes;
  readonly ek: Bytes;
  /** The key of the mac, 32 bytes: without it nobody who knows the public keys makes a kit. */
  readonly mac: Bytes;
}

/** What a kit says before it is opened. */
export interface KitHead {
  readonly id: Bytes;
  /** Whose it is. */
  readonly name: string;
  /** One more than that of the kit before it, from 1. */
  readonly counter: number;
  /** When it was made, milliseconds since 1970, as the machine's clock had it. */
  readonly date: number;
}

/** New words' worth of randomness for a kit. */
export function newKitCode(): Bytes {
  return random(KIT_CODE);
}

async function derive(code: Bytes) {
  const part = (label: string, size: number) => hkdf(code, EMPTY, label, size);
  const id = await part("sealpost/1 kit id", KIT_ID);
  const x = await part("sealpost/1 kit x25519", X_SIZE);
  const seed = await part("sealpost/1 kit mlkem", ML_KEM.seed);
  const mac = await part("sealpost/1 kit mac", MAC_SIZE);
  const [privateX, loaded] = [await importX25519Private(x), await loadMlKem(seed)];
  wipe(x, seed);
  return { id, mac, privateX, loaded };
}

/** `HKDF(code, "", "sealpost/1 kit id", 16)`. */
export function kitId(code: Bytes): Promise<Bytes> {
  return hkdf(code, EMPTY, "sealpost/1 kit id", KIT_ID);
}

/** What follows from a kit's code, 32 bytes, that its owner's machines keep. */
export async function kitKeys(code: Bytes): Promise<KitKeys> {
  const { id, mac, privateX, loaded } = await derive(code);
  return { id, x: await publicX25519(privateX), ek: loaded.publicKey, mac };
}

async function boxKey(
  secret: Bytes,
  shared: Bytes,
  before: Bytes,
  { x, ek }: Pick<KitKeys, "x" | "ek">,
): Promise<AesKey> {
  const ikm = concat(secret, shared);
  const hash = await sha256(concat(before, x, ek));
  const raw = await hkdf(ikm, EMPTY, concat(utf8("sealpost/1 kit"), hash), 32);
  const key = await importAesKey(raw);
  wipe(secret, shared, ikm, raw);
  return key;
}

/**
 * `id ‖ LP(name) ‖ u64(counter) ‖ u64(date) ‖ X_e ‖ ct ‖ box ‖ mac`: a package that the kit's words
 * open. The box under `HKDF(k_mlkem ‖ k_x, "", "sealpost/1 kit" ‖ SHA-256(all before ‖ x ‖ ek), 32)` with
 * a nonce of zeros; the mac over all before it.
 */
export async function sealKit(
  keys: KitKeys,
  { name, counter, date }: Omit<KitHead, "id">,
  package_: Bytes,
): Promise<Bytes> {
  const own = await generateX25519();
  const { ciphertext, secret } = await mlKem.encapsulate(keys.ek);
  const shared = await agree(own.privateKey, keys.x);
  const head = concat(keys.id, lp(utf8(name)), u64(counter), u64(date));
  const before = concat(head, own.publicKey, ciphertext);
  const box = await aesSeal(await boxKey(secret, shared, before, keys), NONCE, package_);
  const all = concat(before, box);
  return concat(all, await hmacSha256(keys.mac, all));
}

interface Layout extends KitHead {
  readonly xAt: number;
  readonly ctAt: number;
  readonly boxAt: number;
  readonly macAt: number;
}

function layout(kit: Bytes): Layout {
  if (kit.length > MAX_PACKAGE) throw new SealpostError("format", "a kit that is too large");
  const length = readU32(kit, KIT_ID);
  const nameAt = KIT_ID + 4;
  const counterAt = nameAt + length;
  const xAt = counterAt + 16;
  const ctAt = xAt + X_SIZE;
  const boxAt = ctAt + ML_KEM.ciphertext;
  const macAt = kit.length - MAC_SIZE;
  if (boxAt + TAG_SIZE > macAt) throw new SealpostError("format", "a kit that is too short");
  const name = fromUtf8(kit.slice(nameAt, counterAt));
  if (!isName(name)) throw new SealpostError("format", "a kit with a malformed name");
  const counter = readU64(kit, counterAt);
  if (counter < 1) throw new SealpostError("format", "a kit without a number");
  const id = kit.slice(0, KIT_ID);
  return { id, name, counter, date: readU64(kit, counterAt + 8), xAt, ctAt, boxAt, macAt };
}

/** What a kit says of itself, of which nothing is proven. Throws `format`. */
export function decodeKit(kit: Bytes): KitHead {
  const { id, name, counter, date } = layout(kit);
  return { id, name, counter, date };
}

/** A kit that was opened. */
export interface OpenedKit extends KitHead {
  readonly package: Bytes;
}

/**
 * Opens a kit with its code. Throws `authentication` if it was made without the words or altered, or
 * is another kit's; `format`.
 */
export async function openKit(code: Bytes, kit: Bytes): Promise<OpenedKit> {
  const { xAt, ctAt, boxAt, macAt, ...head } = layout(kit);
  const { id, mac, privateX, loaded } = await derive(code);
  const own = await hmacSha256(mac, kit.slice(0, macAt));
  if (!equal(id, head.id) || !equal(own, kit.slice(macAt))) throw notOurs();
  const shared = await agree(privateX, kit.slice(xAt, ctAt));
  const secret = await loaded.decapsulate(kit.slice(ctAt, boxAt));
  const keys = { x: await publicX25519(privateX), ek: loaded.publicKey };
  const key = await boxKey(secret, shared, kit.slice(0, boxAt), keys);
  return { ...head, package: await aesOpen(key, NONCE, kit.slice(boxAt, macAt)) };
}

function notOurs(): SealpostError {
  return new SealpostError(
    "authentication",
    "the kit that the server has was not made with these words, or was altered; nothing was taken",
  );
}
