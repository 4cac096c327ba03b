import { type Bytes, concat, equal, utf8 } from "../../crypto/bytes.ts";
import { decodeSummary, padToBucket, type Summary } from "../../protocol/summary.ts";
import type { Cache } from "./cache.ts";

/** What is kept of a message that was opened and verified. */
export interface OpenedRecord {
  /** 32 bytes. */
  readonly fileKey: Bytes;
  /** SHA-256 of the padded summary, 32 bytes. */
  readonly summaryHash: Bytes;
  readonly summary: Summary;
}

/**
 * What was opened in earlier runs, in the cache, so that no RSA operation is done twice. A record:
 * `SHA-256(header ‖ stanza ‖ summary) (32) ‖ file key (32) ‖ summary hash (32) ‖ padded summary`.
 */
export class OpenedMessages {
  readonly #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** The record of the message `uid`; null unless that is of the sealed head with this `hash`. */
  async get(uid: number, hash: Bytes): Promise<OpenedRecord | null> {
    const record = await this.#cache.record("opened", uid);
    if (!record || !equal(record.subarray(0, 32), hash)) return null;
    return {
      fileKey: record.slice(32, 64),
      summaryHash: record.slice(64, 96),
      summary: decodeSummary(record.slice(96)),
    };
  }

  async put(uid: number, hash: Bytes, record: OpenedRecord): Promise<void> {
    const { fileKey, summaryHash, summary } = record;
    const data = concat(hash, fileKey, summaryHash, padToBucket(utf8(JSON.stringify(summary))));
    await this.#cache.putRecord("opened", uid, data);
  }
}
