import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import type { Bytes } from "../../crypto/bytes.ts";
import { agree, importX25519Private } from "../../crypto/x25519.ts";
import { oaepEncrypt } from "./rsa_by_hand.ts";

/** What of `crypto.subtle` draws random values; TypeScript 5.9 does not know all of it. */
interface Drawing {
  encrypt(algorithm: { name: string }, key: CryptoKey, data: Bytes): Promise<ArrayBuffer>;
  generateKey(algorithm: { name: string }): Promise<CryptoKeyPair>;
  exportKey(format: "raw-public", key: CryptoKey): Promise<ArrayBuffer>;
  encapsulateBits?(
    algorithm: string,
    key: CryptoKey,
  ): Promise<{ ciphertext: ArrayBuffer; sharedKey: ArrayBuffer }>;
}

/**
 * Does `work` with `draws` in the place of the system's random values, in their order: so what is
 * tested is the code that runs, which cannot be told what to draw. The draw of RSA-OAEP is its seed
 * (32 bytes), of an ML-KEM encapsulation m (32), of an X25519 key pair the private key (32); all
 * others are the bytes themselves. Throws when one of another size is wanted, and unless all were
 * used.
 *
 * They are replaced for the whole isolate: nothing else may run meanwhile.
 */
export async function withDraws<T>(draws: readonly Bytes[], work: () => Promise<T>): Promise<T> {
  const left = [...draws];
  const take = (size: number): Bytes => {
    const next = left.shift();
    if (next?.length === size) return next;
    throw new Error(
      `${size} random bytes are wanted, the next draw has ${next?.length ?? "ended"}`,
    );
  };
  const subtle = crypto.subtle as unknown as Drawing;
  const original = Object.getPrototypeOf(subtle) as Drawing;
  const fixed: Partial<Drawing> = {
    encrypt: async (algorithm, key, data) => {
      if (algorithm.name !== "RSA-OAEP") {
        return await original.encrypt.call(subtle, algorithm, key, data);
      }
      const seed = take(32);
      const spki = new Uint8Array(await crypto.subtle.exportKey("spki", key));
      return oaepEncrypt(spki, data, seed).buffer;
    },
    generateKey: async ({ name }) => {
      if (name !== "X25519") throw new Error(`no key of ${name} is expected`);
      return await x25519Pair(take(32));
    },
  };
  if (original.encapsulateBits) {
    fixed.encapsulateBits = async (_, key) => {
      const m = take(32);
      const publicKey = new Uint8Array(await subtle.exportKey("raw-public", key));
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, m);
      // Copies, as these are views of something larger.
      return { ciphertext: cipherText.slice().buffer, sharedKey: sharedSecret.slice().buffer };
    };
  }
  const getRandomValues = <A extends ArrayBufferView | null>(array: A): A => {
    if (!(array instanceof Uint8Array)) throw new Error("random values that are not bytes");
    array.set(take(array.length));
    return array;
  };
  // Own members hide those of the prototypes, until they are deleted.
  Object.assign(subtle, fixed);
  Object.assign(crypto, { getRandomValues });
  let result: T;
  try {
    result = await work();
  } finally {
    for (const name of Object.keys(fixed)) Reflect.deleteProperty(subtle, name);
    Reflect.deleteProperty(crypto, "getRandomValues");
  }
  if (left.length > 0) throw new Error(`${left.length} draws were not used`);
  return result;
}

/** The public key of an X25519 private key of 32 bytes (RFC 7748): its product with 9. */
export async function x25519Public(raw: Bytes): Promise<Bytes> {
  const base = new Uint8Array(32);
  base[0] = 9;
  return await agree(await importX25519Private(raw), base);
}

async function x25519Pair(raw: Bytes): Promise<CryptoKeyPair> {
  const point = await x25519Public(raw);
  return {
    privateKey: await importX25519Private(raw),
    publicKey: await crypto.subtle.importKey("raw", point, { name: "X25519" }, true, []),
  };
}
