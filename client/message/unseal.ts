import {
  type Bytes,
  concat,
  equal,
  fromBase64,
  readU32,
  toBase64,
  toHex,
} from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { openBody, sealedBodySize } from "../../protocol/body.ts";
import { decodeEntry, encodeEntry, type Entry } from "../../protocol/entry.ts";
import { checkCommitment } from "../../protocol/file_key.ts";
import { decodeHeader } from "../../protocol/header.ts";
import { openNote } from "../../protocol/note.ts";
import { openStanza, stanzaFp, verifyStanza } from "../../protocol/stanza.ts";
import {
  decodeSummary,
  encodeSummary,
  openSummary,
  type Person,
  type Summary,
  verifySummary,
} from "../../protocol/summary.ts";
import type { Cache } from "../state/cache.ts";
import type { Bodies, PartialBody } from "../state/bodies.ts";
import type { Answer, Channel } from "../connection/client_session.ts";
import type { People, Self } from "../trust/people.ts";
import type { State } from "../state/state.ts";
import { TemporaryMessage } from "./temporary_message.ts";
import type { Verification } from "../trust/verification.ts";

/** An entry whose stanza and summary opened and verified. */
export interface Opened {
  readonly entry: Entry;
  /** The text form is that of the header: the id that other messages refer to. */
  readonly id: Bytes;
  readonly summary: Summary;
  readonly sender: Bundle;
  readonly fileKey: Bytes;
  readonly summaryHash: Bytes;
  /** How far the sender's key was known when this was opened. */
  readonly verification: Verification;
}

const FAILED = "failed-stanzas";
const FAILED_SIZE = 16;
/** Failed stanzas that are remembered; the oldest go first. */
const MAX_FAILED = 10_000;

/** Opens what others sealed, and lets nothing out that does not verify. */
export class Unsealer {
  readonly #self: Self;
  readonly #people: People;
  readonly #cache: Cache;
  readonly #state: State;
  /** What was opened in this session, so that no RSA operation is done twice. */
  readonly #opened = new Map<string, Omit<Opened, "verification">>();
  #failed: Set<string> | null = null;

  readonly #bodies: Bodies | null;

  /** `bodies`: where those that are fetched are kept; null if they are not. */
  constructor(
    self: Self,
    people: People,
    state: State,
    cache: Cache,
    bodies: Bodies | null = null,
  ) {
    this.#bodies = bodies;
    this.#self = self;
    this.#people = people;
    this.#cache = cache;
    this.#state = state;
  }

  /**
   * Opens the stanza and the summary of `entry` and verifies who wrote them. Throws `format`,
   * `authentication`, `version`, or `key-changed` if the sender's key is not the pinned one.
   */
  async open(entry: Entry): Promise<Opened> {
    const cacheKey = await sha256(entry.header, entry.stanza, entry.summary);
    const cached = this.#opened.get(toHex(cacheKey)) ?? await this.#remembered(cacheKey, entry);
    if (cached) {
      checkBodySize(cached.summary, entry);
      const { summary, sender } = cached;
      const verification = this.#people.verification(summary.from.name, sender.fp);
      return { ...cached, entry, verification };
    }
    const header = decodeHeader(entry.header);
    const { fileKey, signature } = await this.#openStanza(entry);
    await checkCommitment(fileKey, header.commitment);
    const opened = await openSummary(entry.summary, fileKey, entry.header);
    const { from } = opened.summary;
    if (!equal(fromBase64(from.fp), header.senderFp)) {
      throw new SealpostError("authentication", "the summary names another sender than the header");
    }
    const sender = await this.#people.sender(from.name, header.senderFp, entry.receivedAt);
    await verifyStanza(sender.bundle, signature, entry.header, stanzaFp(entry.stanza));
    await verifySummary(sender.bundle, opened, entry.header);
    checkBodySize(opened.summary, entry);
    await sender.pin();
    const result: Opened = {
      entry,
      id: header.id,
      summary: opened.summary,
      sender: sender.bundle,
      fileKey,
      summaryHash: opened.hash,
      verification: this.#people.verification(from.name, sender.bundle.fp),
    };
    this.#opened.set(toHex(cacheKey), result);
    await this.#cache.putRecord("opened", cacheKey, encodeOpened(result));
    return result;
  }

  /** What was opened and verified in an earlier session; null if it was not, or its key has changed. */
  async #remembered(
    cacheKey: Bytes,
    entry: Entry,
  ): Promise<Omit<Opened, "verification"> | null> {
    const record = await this.#cache.record("opened", cacheKey);
    if (!record) return null;
    const { fileKey, summary, summaryHash } = decodeOpened(record);
    const { id, senderFp } = decodeHeader(entry.header);
    // Whether the key is still the sender's is asked again: it may have been replaced since.
    const sender = await this.#people.sender(summary.from.name, senderFp, entry.receivedAt);
    const opened = { entry, id, summary, sender: sender.bundle, fileKey, summaryHash };
    this.#opened.set(toHex(cacheKey), opened);
    return opened;
  }

  /** Who was blind-copied, for one's own Sent copy; nobody for what others sent. */
  async blindCopied(opened: Opened): Promise<Person[]> {
    const { note, header } = opened.entry;
    if (!note) return [];
    return (await openNote(note, header, await this.#ownIdentity(opened.sender.fp))).bcc;
  }

  /**
   * Opens the body of `opened`: the one that is kept, or that the server gives, of which only what an
   * earlier attempt did not bring is fetched. What comes back has verified to its last byte; until
   * then it was seen by nobody. The caller disposes of it. `onProgress` is told sealed bytes.
   */
  async fetch(
    link: Channel,
    opened: Opened,
    onProgress: (done: number) => void = () => {},
  ): Promise<TemporaryMessage> {
    const { entry } = opened;
    const kept = await this.#bodies?.read(entry) ?? null;
    if (kept) {
      try {
        return await this.#openBody(opened, kept);
      } catch (error) {
        // A file can be damaged; the server has the body too.
        if (!isSealpostError(error, "authentication", "format", "file-io")) throw error;
        await this.#bodies?.drop(entry);
      }
    }
    const partial = await this.#bodies?.fetching(entry) ?? null;
    try {
      return await this.#receive(link, opened, partial, onProgress);
    } catch (error) {
      // What a crash left may be damaged: once more from the beginning, without it.
      if (!partial || partial.there === 0 || !isSealpostError(error, "authentication", "format")) {
        throw error;
      }
      return await this.#receive(link, opened, null, onProgress);
    }
  }

  /** Fetches the body, or what `partial` lacks of it, and opens it. */
  async #receive(
    link: Channel,
    opened: Opened,
    partial: PartialBody | null,
    onProgress: (done: number) => void,
  ): Promise<TemporaryMessage> {
    const { entry } = opened;
    const there = partial?.there ?? 0;
    let answer: Answer<"fetch"> | null = null;
    let done = 0;
    try {
      answer = await link.stream({
        op: "fetch",
        uid: entry.uid,
        ...(there > 0 ? { offset: there } : {}),
      });
      if (answer.response.size !== entry.bodySize - there) {
        throw new SealpostError("protocol", "the server changed a message's size");
      }
      const rest = await afterEntry(answer.data, entry);
      const all = async function* (): AsyncGenerator<Bytes, void, undefined> {
        if (partial) {
          for await (const piece of partial.left()) {
            done += piece.length;
            yield piece;
          }
          onProgress(done);
        }
        for await (const piece of rest) {
          done += piece.length;
          if (done > entry.bodySize) {
            throw new SealpostError("protocol", "the server sends more than the message has");
          }
          await partial?.append(piece);
          onProgress(done);
          yield piece;
        }
      };
      const message = await this.#openBody(opened, all());
      await partial?.keep();
      return message;
    } catch (error) {
      // Only what a lost connection broke off is of use to another attempt.
      if (isSealpostError(error, "connection-lost", "offline", "timeout", "cancelled")) {
        partial?.leave();
      } else await partial?.drop();
      await answer?.cancel().catch(() => {});
      throw error;
    }
  }

  async #openBody(opened: Opened, body: AsyncIterable<Bytes>): Promise<TemporaryMessage> {
    const { entry } = opened;
    const message = new TemporaryMessage(this.#state.tempFolder());
    let complete = false;
    try {
      await openBody(
        { fileKey: opened.fileKey, header: entry.header, summaryHash: opened.summaryHash },
        opened.sender,
        entry.bodySize,
        body,
        (part) => message.write(part),
      );
      await message.verified(opened.summary.size);
      complete = true;
      return message;
    } finally {
      if (!complete) await message.dispose();
    }
  }

  /** Forgets the body of an entry. */
  async forget(entry: Entry): Promise<void> {
    await this.#bodies?.drop(entry);
  }

  /** A stanza that failed once is never tried again: see the threat model on RSA timing. */
  async #openStanza(entry: Entry): Promise<{ fileKey: Bytes; signature: Bytes }> {
    const id = toBase64((await sha256(entry.header, entry.stanza)).slice(0, FAILED_SIZE));
    this.#failed ??= await this.#readFailed();
    if (this.#failed.has(id)) {
      throw new SealpostError("authentication", "it was not sealed for this key");
    }
    try {
      const identity = await this.#ownIdentity(stanzaFp(entry.stanza));
      return await openStanza(identity, entry.stanza, entry.header);
    } catch (error) {
      if (isSealpostError(error, "authentication")) {
        this.#failed.add(id);
        await this.#state.write(FAILED, encodeIds([...this.#failed].slice(-MAX_FAILED)));
      }
      throw error;
    }
  }

  async #readFailed(): Promise<Set<string>> {
    const bytes = await this.#state.read(FAILED);
    const out = new Set<string>();
    for (let at = 0; bytes && at + FAILED_SIZE <= bytes.length; at += FAILED_SIZE) {
      out.add(toBase64(bytes.slice(at, at + FAILED_SIZE)));
    }
    return out;
  }

  /** The own identity with this fingerprint: the present one, or one that was retired. */
  async #ownIdentity(fp: Bytes): Promise<Identity> {
    if (equal(fp, this.#self.identity.bundle.fp)) return this.#self.identity;
    const retired = await this.#self.retired.find(fp);
    if (retired) return retired;
    throw new SealpostError("format", "it is sealed for a key that is not here");
  }
}

/** Throws `format` unless the body that the server announces has the size that the sender signed. */
function checkBodySize(summary: Summary, entry: Entry): void {
  if (sealedBodySize(summary.size) !== entry.bodySize) {
    throw new SealpostError("format", "its body does not have the size its summary says");
  }
}

/** `file key (32) ‖ summary hash (32) ‖ LP(…)` of the padded summary, which is what was signed. */
function encodeOpened(opened: Opened): Bytes {
  return concat(opened.fileKey, opened.summaryHash, encodeSummary(opened.summary));
}

function decodeOpened(record: Bytes) {
  return {
    fileKey: record.slice(0, 32),
    summaryHash: record.slice(32, 64),
    summary: decodeSummary(record.slice(64)),
  };
}

function encodeIds(ids: readonly string[]): Bytes {
  const out = new Uint8Array(ids.length * FAILED_SIZE);
  ids.forEach((id, i) => out.set(fromBase64(id), i * FAILED_SIZE));
  return out;
}

/**
 * The data of a fetch after the entry it begins with, which must be the one that was listed but
 * for its folder and flags.
 */
async function afterEntry(
  data: AsyncIterable<Bytes>,
  listed: Entry,
): Promise<AsyncIterable<Bytes>> {
  const limit = encodeEntry(listed).length;
  const iterator = data[Symbol.asyncIterator]();
  let buffer: Bytes = new Uint8Array(0);
  const need = async (size: number) => {
    while (buffer.length < size) {
      const next = await iterator.next();
      if (next.done) throw new SealpostError("protocol", "the server sent half a message");
      const joined = new Uint8Array(buffer.length + next.value.length);
      joined.set(buffer);
      joined.set(next.value, buffer.length);
      buffer = joined;
    }
  };
  await need(4);
  const length = readU32(buffer, 0);
  if (length !== limit) throw new SealpostError("protocol", "the server changed a message");
  await need(4 + length);
  const entry = decodeEntry(buffer.slice(4, 4 + length));
  const same = { ...entry, folder: listed.folder, flags: listed.flags };
  if (!equal(encodeEntry(same), encodeEntry(listed))) {
    throw new SealpostError("protocol", "the server changed a message since it was listed");
  }
  const rest = buffer.slice(4 + length);
  return (async function* () {
    if (rest.length > 0) yield rest;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      yield next.value;
    }
  })();
}
