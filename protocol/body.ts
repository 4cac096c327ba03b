import { type Bytes, concat, isZero, lp, readU64, u64, utf8, wipe } from "../crypto/bytes.ts";
import { sign, verify } from "../crypto/ed25519.ts";
import { SealpostError } from "../crypto/error.ts";
import { sha256 } from "../crypto/hash.ts";
import type { Bundle, Identity } from "../crypto/identity.ts";
import { padme } from "../crypto/padme.ts";
import { CHUNK, StreamOpener, StreamSealer } from "../crypto/stream.ts";
import { partKey } from "./file_key.ts";

const LENGTH_SIZE = 8;
const SIGNATURE_SIZE = 64;
const TAG = 16;
const MIN_PADDED = 4096;
const LABEL = utf8("sealpost/1 message");
const HASH_LABEL = utf8("sealpost/1 body hash");

/**
 * Size of the body's plaintext for a message of `length` bytes: `u64 length ‖ message ‖ zeros ‖
 * signature`, padded to max(4096, Padmé(length + 72)). Above 64 KiB a Padmé size is a multiple
 * of 2,048, so the signature never straddles two chunks.
 */
export function paddedBodySize(length: number): number {
  return Math.max(MIN_PADDED, padme(length + LENGTH_SIZE + SIGNATURE_SIZE));
}

/** Size of the sealed body of a message of `length` bytes: what `--max-message` is turned into. */
export function sealedBodySize(length: number): number {
  const padded = paddedBodySize(length);
  return padded + TAG * Math.ceil(padded / CHUNK);
}

/**
 * The running hash of a body, since `crypto.subtle` cannot hash a stream: `c0 = SHA-256("sealpost/1
 * body hash")`, `ci = SHA-256(c(i-1) ‖ LP(plaintext chunk i))`.
 */
class BodyHash {
  #c: Bytes | null = null;

  async update(chunk: Bytes): Promise<void> {
    this.#c = await sha256(this.#c ?? await sha256(HASH_LABEL), lp(chunk));
  }

  /** What the sender signs: `"sealpost/1 message" ‖ LP(fixed header) ‖ SHA-256(summary) ‖ c`. */
  signed(header: Bytes, summaryHash: Bytes): Bytes {
    if (!this.#c) throw new SealpostError("internal", "a body without a chunk");
    return concat(LABEL, lp(header), summaryHash, this.#c);
  }
}

/** What sealing a body needs. */
export interface BodyContext {
  readonly fileKey: Bytes;
  readonly header: Bytes;
  /** SHA-256 of the padded summary. */
  readonly summaryHash: Bytes;
}

/**
 * Seals a message of exactly `length` bytes, chunk by chunk, {@linkcode sealedBodySize} bytes in
 * all. Throws `file-io` if `message` gives more or fewer bytes than `length`.
 */
export async function* sealBody(
  context: BodyContext,
  sender: Identity,
  length: number,
  message: AsyncIterable<Bytes>,
): AsyncGenerator<Bytes, void, undefined> {
  const sealer = new StreamSealer(await partKey(context.fileKey, "body", context.header));
  const hash = new BodyHash();
  const padded = paddedBodySize(length);
  const content = padded - SIGNATURE_SIZE;
  let left = padded;
  let chunk = new Uint8Array(Math.min(CHUNK, left));
  let filled = 0;
  let total = 0;

  async function* flush(): AsyncGenerator<Bytes, void, undefined> {
    const last = left === chunk.length;
    if (last) {
      await hash.update(chunk.slice(0, chunk.length - SIGNATURE_SIZE));
      const signature = await sign(
        sender.ed25519Key,
        hash.signed(context.header, context.summaryHash),
      );
      chunk.set(signature, chunk.length - SIGNATURE_SIZE);
    } else {
      await hash.update(chunk);
    }
    yield await sealer.seal(chunk, last);
    wipe(chunk);
    left -= chunk.length;
    chunk = new Uint8Array(Math.min(CHUNK, left));
    filled = 0;
  }

  async function* add(bytes: Uint8Array): AsyncGenerator<Bytes, void, undefined> {
    let at = 0;
    while (at < bytes.length) {
      // The last chunk keeps its end free for the signature.
      const room = Math.min(chunk.length, content - total + filled) - filled;
      const n = Math.min(room, bytes.length - at);
      chunk.set(bytes.subarray(at, at + n), filled);
      filled += n;
      total += n;
      at += n;
      if (filled === chunk.length) yield* flush();
    }
  }

  yield* add(u64(length));
  for await (const part of message) {
    if (total + part.length > LENGTH_SIZE + length) throw changed();
    yield* add(part);
  }
  if (total !== LENGTH_SIZE + length) throw changed();
  while (total < content) yield* add(new Uint8Array(Math.min(CHUNK, content - total)));
  if (left > 0) yield* flush();
}

function changed(): SealpostError {
  return new SealpostError("file-io", "the message changed while it was sealed; send it again");
}

/**
 * Opens a sealed body of `sealedSize` bytes and gives the message to `release`, piece by piece,
 * for a place where nobody sees it: only when the promise resolves has the sender's signature
 * verified. Before that nothing may be shown, parsed or given its final name.
 *
 * Throws `format` for sizes that do not fit together, `authentication` for anything that does not
 * verify: a changed, missing, repeated or moved chunk, padding that is not zero, another's
 * signature.
 */
export async function openBody(
  context: BodyContext,
  sender: Bundle,
  sealedSize: number,
  source: AsyncIterable<Bytes>,
  release: (part: Bytes) => Promise<void>,
): Promise<void> {
  const chunks = Math.ceil(sealedSize / (CHUNK + TAG));
  const padded = sealedSize - TAG * chunks;
  if (padded < MIN_PADDED || Math.ceil(padded / CHUNK) !== chunks) {
    throw new SealpostError("format", "a sealed body of an impossible size");
  }
  const opener = new StreamOpener(await partKey(context.fileKey, "body", context.header));
  const hash = new BodyHash();
  let index = 0;
  let length = 0;
  let at = 0;
  let signature: Bytes | null = null;

  for await (const sealed of rechunk(source, CHUNK + TAG)) {
    if (index === chunks) throw new SealpostError("format", "a sealed body that is too long");
    const last = ++index === chunks;
    const expected = last ? padded - (chunks - 1) * CHUNK : CHUNK;
    if (sealed.length !== expected + TAG) {
      throw new SealpostError("format", "a sealed body that is cut");
    }
    const opened = await opener.open(sealed, last);
    const plain = last ? opened.slice(0, opened.length - SIGNATURE_SIZE) : opened;
    if (last) signature = opened.slice(opened.length - SIGNATURE_SIZE);
    await hash.update(plain);
    let from = 0;
    if (index === 1) {
      length = readU64(plain, 0);
      if (length > padded || paddedBodySize(length) !== padded) {
        throw new SealpostError("format", "a body whose length does not fit its size");
      }
      from = LENGTH_SIZE;
    }
    const take = Math.min(plain.length - from, length - at);
    if (take > 0) await release(plain.slice(from, from + take));
    at += Math.max(take, 0);
    if (!isZero(plain.subarray(from + Math.max(take, 0)))) {
      throw new SealpostError("authentication", "a body with padding that is not zero");
    }
  }
  if (!signature || index !== chunks) {
    throw new SealpostError("format", "a sealed body that is cut");
  }
  const message = hash.signed(context.header, context.summaryHash);
  if (!await verify(sender.ed25519Key, signature, message)) {
    throw new SealpostError("authentication", "the message's signature is not the sender's");
  }
}

/** The bytes of `source` in pieces of exactly `size`, the last one shorter. */
export async function* rechunk(
  source: AsyncIterable<Bytes>,
  size: number,
): AsyncGenerator<Bytes, void, undefined> {
  let buffer = new Uint8Array(size);
  let filled = 0;
  for await (const part of source) {
    let at = 0;
    while (at < part.length) {
      const n = Math.min(size - filled, part.length - at);
      buffer.set(part.subarray(at, at + n), filled);
      filled += n;
      at += n;
      if (filled === size) {
        yield buffer;
        buffer = new Uint8Array(size);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield buffer.slice(0, filled);
}
