// @ts-check
// Sections 10.19, 10.20 and 16.7: links, kits, and codes as words, as numbers of the list.

import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concat, equal, fromUtf8, isZero, lp, NONE, Reader, u32, u64, utf8 } from "./bytes.mjs";
import { x25519, x25519Pair } from "./curves.mjs";
import { Failure } from "./error.mjs";
import { hkdf, hmac, open, random, seal, sha256 } from "./primitives.mjs";
import { devicePackage, readJson, writeJson } from "./schemas.mjs";
import { padme } from "./sealed_layout.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {{ readonly x: Bytes, readonly seed: Bytes }} LinkKeys the second machine's, used once */

const NONCE = new Uint8Array(12);

/** @param {Bytes} code @param {string} label @param {number} size */
const part = (code, label, size) => hkdf(code, NONE, utf8(`sealpost/1 ${label}`), size);

/** The numbers of `count` words that the bits of `bytes` stand for. @param {Bytes} bytes @param {number} count */
export function wordNumbers(bytes, count) {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return Array.from({ length: count }, (_, i) => parseInt(bits.slice(11 * i, 11 * i + 11), 2));
}

/** @param {Bytes} code 16 or 32 bytes */
export const codeNumbers = (code) => wordNumbers(concat(code, sha256(code)), code.length * 3 / 4);

/** The six words that both machines show. @param {Bytes} post */
export const comparedNumbers = (post) => wordNumbers(sha256(post), 6);

/** @param {Bytes} code */
export const linkId = (code) => part(code, "link id", 16);

/** @param {Bytes} code @param {Bytes} serverFp @param {string} device @param {LinkKeys} keys */
export function writePost(code, serverFp, device, keys) {
  const before = concat(
    linkId(code),
    x25519Pair(keys.x).publicKey,
    ml_kem768.keygen(keys.seed).publicKey,
    lp(utf8(device)),
  );
  return concat(before, hmac(part(code, "link mac", 32), serverFp, before));
}

/** Throws `format`, `authentication`. @param {Bytes} code @param {Bytes} serverFp @param {Bytes} post */
export function readPost(code, serverFp, post) {
  const reader = new Reader(post);
  const id = reader.take(16);
  const x = reader.take(32);
  const ek = reader.take(1184);
  const device = fromUtf8(reader.take(reader.u32()));
  const before = post.subarray(0, post.length - reader.left);
  const mac = reader.take(32);
  if (reader.left > 0 || device === "" || device.length > 100) {
    throw new Failure("format", "a malformed post");
  }
  if (!equal(id, linkId(code)) || !equal(mac, hmac(part(code, "link mac", 32), serverFp, before))) {
    throw new Failure("authentication", "a post of somebody with other words, or another server");
  }
  return { x, ek, device };
}

/** @param {Bytes} secret @param {Bytes} shared @param {Bytes} code @param {Bytes} post @param {Bytes} head */
function packageKey(secret, shared, code, post, head) {
  const info = concat(utf8("sealpost/1 link package"), sha256(post, head));
  return hkdf(concat(secret, shared, code), NONE, info, 32);
}

/**
 * @param {Bytes} code @param {Bytes} serverFp @param {Bytes} post @param {Bytes} plaintext
 * @param {{ x: Bytes, m: Bytes }} [draws]
 */
export function answerPost(
  code,
  serverFp,
  post,
  plaintext,
  draws = { x: random(32), m: random(32) },
) {
  const { x, ek } = readPost(code, serverFp, post);
  const own = x25519Pair(draws.x);
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(ek, draws.m);
  const head = concat(own.publicKey, cipherText);
  return concat(
    head,
    seal(packageKey(sharedSecret, x25519(own, x), code, post, head), NONCE, plaintext),
  );
}

/** @param {Bytes} code @param {Bytes} post @param {LinkKeys} keys @param {Bytes} answer */
export function openAnswer(code, post, keys, answer) {
  const reader = new Reader(answer);
  const x = reader.take(32);
  const ct = reader.take(1088);
  const secret = ml_kem768.decapsulate(ct, ml_kem768.keygen(keys.seed).secretKey);
  const key = packageKey(secret, x25519(x25519Pair(keys.x), x), code, post, concat(x, ct));
  return open(key, NONCE, reader.take(reader.left));
}

/** 16.8. @param {object} one the members but `version` */
export function writePackage(one) {
  const json = writeJson({ version: 1, ...one });
  const padded = new Uint8Array(padme(4 + json.length));
  padded.set(concat(u32(json.length), json));
  return padded;
}

/** 16.8. Throws `format`. @param {Bytes} padded */
export function readPackage(padded) {
  const reader = new Reader(padded);
  const json = reader.take(reader.u32());
  if (padme(4 + json.length) !== padded.length || !isZero(reader.take(reader.left))) {
    throw new Failure("format", "a package of another form");
  }
  return readJson(devicePackage, json, "format");
}

/** @param {Bytes} code */
export function kitKeys(code) {
  const x = x25519Pair(part(code, "kit x25519", 32));
  const { publicKey: ek, secretKey } = ml_kem768.keygen(part(code, "kit mlkem", 64));
  return { id: part(code, "kit id", 16), mac: part(code, "kit mac", 32), x, ek, secretKey };
}

/** @typedef {ReturnType<typeof kitKeys>} KitKeys */

/** @param {Bytes} secret @param {Bytes} shared @param {Bytes} before @param {KitKeys} keys */
function kitKey(secret, shared, before, { x, ek }) {
  const info = concat(utf8("sealpost/1 kit"), sha256(before, x.publicKey, ek));
  return hkdf(concat(secret, shared), NONE, info, 32);
}

/**
 * @param {KitKeys} keys @param {{ user: string, counter: number, date: number }} facts
 * @param {Bytes} plaintext @param {{ x: Bytes, m: Bytes }} draws
 */
export function sealKit(keys, { user, counter, date }, plaintext, draws) {
  const own = x25519Pair(draws.x);
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(keys.ek, draws.m);
  const before = concat(
    ...[keys.id, lp(utf8(user)), u64(counter), u64(date), own.publicKey, cipherText],
  );
  const key = kitKey(sharedSecret, x25519(own, keys.x.publicKey), before, keys);
  const all = concat(before, seal(key, NONCE, plaintext));
  return concat(all, hmac(keys.mac, all));
}

/** Throws `format`, `authentication`. @param {Bytes} code @param {Bytes} kit */
export function openKit(code, kit) {
  const keys = kitKeys(code);
  const reader = new Reader(kit);
  const id = reader.take(16);
  const user = fromUtf8(reader.take(reader.u32()));
  const counter = reader.u64();
  const date = reader.u64();
  const x = reader.take(32);
  const ct = reader.take(1088);
  const before = kit.subarray(0, kit.length - reader.left);
  if (reader.left < 48) throw new Failure("format", "a kit without a box");
  const box = reader.take(reader.left - 32);
  const all = concat(before, box);
  if (!equal(id, keys.id) || !equal(reader.take(32), hmac(keys.mac, all))) {
    throw new Failure("authentication", "a kit of other words");
  }
  const secret = ml_kem768.decapsulate(ct, keys.secretKey);
  const key = kitKey(secret, x25519(keys.x, x), before, keys);
  return { user, counter, date, package: open(key, NONCE, box) };
}
