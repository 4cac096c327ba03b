import { type Bytes, concat, free, isZero, lp, readU64, u64, utf8, wipe } from "../crypto/bytes.ts";
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
const LEAF_LABEL = utf8("sealpost/1 leaf");

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

/** Chunks that are sealed or opened at once; each holds two times {@linkcode CHUNK} bytes. */
const AT_ONCE = Math.min(8, 2 * navigator.hardwareConcurrency);

/**
 * `leaf(j) = SHA-256("sealpost/1 leaf" ‖ u64(j) ‖ plaintext of chunk j)`, 32 bytes; the last chunk
 * without the signature. Leaves do not depend on each other, so several are computed at once.
 */
function leafOf(index: number, plaintext: Uint8Array): Promise<Bytes> {
  return sha256(LEAF_LABEL, u64(index), plaintext);
}

/**
 * The hash of a body, from its leaves in order: `c(0) = SHA-256("sealpost/1 body hash")`,
 * `c(j+1) = SHA-256(c(j) ‖ leaf(j))`.
 */
class BodyHash {
  #c: Bytes | null = null;

  async add(leaf: Bytes): Promise<void> {
    this.#c = await sha256(this.#c ?? await sha256(HASH_LABEL), leaf);
  }

  /** What the sender signs: `"sealpost/1 message" ‖ LP(fixed header) ‖ SHA-256(summary) ‖ c`. */
  signed(header: Bytes, summaryHash: Bytes): Bytes {
    if (!this.#c) throw new SealpostError("internal", "a body without a chunk");
    return concat(LABEL, lp(header), summaryHash, this.#c);
  }
}

/**
 * What `work` gives for each item of `source`, in the order of the items, with at most `atOnce`
 * under way. The first item that fails ends it, whatever became of those behind it.
 */
async function* inOrder<Item, Result>(
  source: AsyncIterable<Item>,
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const started: Promise<Result>[] = [];
  try {
    for await (const item of source) {
      const result = work(item);
      // Whoever takes it in its turn is told; until then nobody waits for it.
      result.catch(() => {});
      started.push(result);
      const [first] = started;
      if (first === undefined || started.length < atOnce) continue;
      yield await first;
      started.shift();
    }
    for (let first = started[0]; first !== undefined; first = started[0]) {
      yield await first;
      started.shift();
    }
  } finally {
    await Promise.allSettled(started);
  }
}

/** What sealing a body needs. */
export interface BodyContext {
  readonly fileKey: Bytes;
  readonly header: Bytes;
  /** SHA-256 of the padded summary. */
  readonly summaryHash: Bytes;
}

/** A chunk of the plaintext of a body. */
interface PlainChunk {
  readonly index: number;
  /** {@linkcode CHUNK} bytes, the last one 1 to that many. */
  readonly bytes: Bytes;
  readonly last: boolean;
}

/**
 * The plaintext of a body in chunks: `u64 length ‖ message ‖ zeros`, with room for the signature,
 * zeros too, at the end of the last. Throws `file-io` if `message` gives more or fewer bytes than
 * `length`.
 */
async function* plainChunks(
  length: number,
  message: AsyncIterable<Bytes>,
): AsyncGenerator<PlainChunk, void, undefined> {
  const padded = paddedBodySize(length);
  const chunks = Math.ceil(padded / CHUNK);
  const sizeOf = (index: number) => Math.min(CHUNK, padded - index * CHUNK);
  let index = 0;
  let chunk = new Uint8Array(sizeOf(0));
  chunk.set(u64(length));
  let filled = LENGTH_SIZE;
  let left = length;
  for await (const part of message) {
    if (part.length > left) throw changed();
    left -= part.length;
    for (let at = 0; at < part.length;) {
      if (filled === chunk.length) {
        yield { index, bytes: chunk, last: false };
        chunk = new Uint8Array(sizeOf(++index));
        filled = 0;
      }
      const n = Math.min(chunk.length - filled, part.length - at);
      chunk.set(part.subarray(at, at + n), filled);
      filled += n;
      at += n;
    }
  }
  if (left > 0) throw changed();
  for (;;) {
    const last = index === chunks - 1;
    yield { index, bytes: chunk, last };
    if (last) return;
    chunk = new Uint8Array(sizeOf(++index));
  }
}

/**
 * Seals a message of exactly `length` bytes, chunk by chunk, {@linkcode sealedBodySize} bytes in
 * all, several chunks at once. Throws `file-io` if `message` gives more or fewer bytes than
 * `length`.
 */
export async function* sealBody(
  context: BodyContext,
  sender: Identity,
  length: number,
  message: AsyncIterable<Bytes>,
): AsyncGenerator<Bytes, void, undefined> {
  const sealer = new StreamSealer(await partKey(context.fileKey, "body", context.header));
  const hash = new BodyHash();
  const work = async ({ index, bytes, last }: PlainChunk) => {
    // The last chunk holds the signature, which needs all leaves.
    if (last) {
      const leaf = await leafOf(index, bytes.subarray(0, bytes.length - SIGNATURE_SIZE));
      return { bytes, leaf, sealed: null };
    }
    const [sealed, leaf] = await Promise.all([sealer.seal(bytes, false), leafOf(index, bytes)]);
    return { bytes, leaf, sealed };
  };
  for await (
    const { bytes, leaf, sealed } of inOrder(plainChunks(length, message), AT_ONCE, work)
  ) {
    await hash.add(leaf);
    if (sealed === null) {
      const text = hash.signed(context.header, context.summaryHash);
      const signature = await sign(sender.ed25519Key, text);
      bytes.set(signature, bytes.length - SIGNATURE_SIZE);
      yield await sealer.seal(bytes, true);
    } else {
      yield sealed;
    }
    wipe(bytes);
    free(bytes);
  }
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
  let taken = 0;
  let count = 0;
  let length = 0;
  let at = 0;
  let signature: Bytes | null = null;

  const work = async (sealed: Bytes) => {
    const index = taken++;
    if (index >= chunks) throw new SealpostError("format", "a sealed body that is too long");
    const last = index === chunks - 1;
    const expected = last ? padded - index * CHUNK : CHUNK;
    if (sealed.length !== expected + TAG) {
      throw new SealpostError("format", "a sealed body that is cut");
    }
    const opened = await opener.open(sealed, last);
    // Ours alone: each chunk is a buffer of its own.
    free(sealed);
    const end = last ? opened.length - SIGNATURE_SIZE : opened.length;
    const plain = opened.subarray(0, end);
    return { index, plain, leaf: await leafOf(index, plain), end: last ? opened.slice(end) : null };
  };
  for await (
    const { index, plain, leaf, end } of inOrder(rechunk(source, CHUNK + TAG), AT_ONCE, work)
  ) {
    await hash.add(leaf);
    signature = end;
    count = index + 1;
    let from = 0;
    if (index === 0) {
      length = readU64(plain, 0);
      if (length > padded || paddedBodySize(length) !== padded) {
        throw new SealpostError("format", "a body whose length does not fit its size");
      }
      from = LENGTH_SIZE;
    }
    const take = Math.max(0, Math.min(plain.length - from, length - at));
    if (take > 0) await release(plain.slice(from, from + take));
    at += take;
    if (!isZero(plain.subarray(from + take))) {
      throw new SealpostError("authentication", "a body with padding that is not zero");
    }
    free(plain);
  }
  if (!signature || count !== chunks) {
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
