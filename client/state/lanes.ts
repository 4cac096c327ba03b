import { type Bytes, concat, lp, readU32, toHex } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import type { Bundle } from "../../crypto/identity.ts";
import {
  type Lane,
  LANE_LIFE,
  LANE_MESSAGES,
  type LaneMemory,
  startLane,
} from "../../protocol/lane.ts";
import type { Cache } from "./cache.ts";

/** Lanes that a reader keeps, the oldest go first. */
const MAX_LANES = 10_000;
/** Ciphertexts whose boxes did not open, kept in memory. */
const MAX_REFUSED = 1000;

/**
 * The lanes to one's keys and from them: with what is remembered here, all but the first message of a
 * lane cost no public-key work. Secrets are in the cache, sealed like the rest of it.
 */
export class Lanes {
  readonly #cache: Cache;
  /** By the id of the lane; in the order in which they came. */
  readonly #refused = new Map<string, Bytes>();

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** What is remembered of lanes to the key with the fingerprint `reader`. */
  memory(reader: Bytes): LaneMemory {
    return {
      secret: async (id) => this.#refused.get(toHex(id)) ?? await this.#cache.lane(id),
      opened: (id, secret) => this.#cache.putLane(id, reader, secret, MAX_LANES),
      refused: (id, secret) => {
        this.#refused.set(toHex(id), secret);
        const [oldest] = this.#refused.keys();
        if (this.#refused.size > MAX_REFUSED && oldest !== undefined) this.#refused.delete(oldest);
        return Promise.resolve();
      },
    };
  }

  /** Forgets the lanes to keys that are `gone`: not one's own any more, not even retired. */
  async forget(gone: (reader: Bytes) => Promise<boolean>): Promise<void> {
    for (const reader of this.#cache.laneReaders()) {
      if (await gone(reader)) this.#cache.dropLanesTo(reader);
    }
  }

  /** The lane for the next message from the key `sender` to `reader`; it counts as used. */
  async to(reader: Bundle, sender: Bytes): Promise<Lane> {
    const after = Date.now() - LANE_LIFE;
    try {
      const kept = await this.#cache.useSendingLane(sender, reader.fp, after, LANE_MESSAGES);
      if (kept !== null) return decode(kept);
      const lane = await startLane(reader, sender);
      await this.#cache.putSendingLane(sender, reader.fp, encode(lane));
      return lane;
    } catch (error) {
      // What cannot be counted is used once; the message is what counts.
      if (!isSealpostError(error, "disk-full")) throw error;
      return await startLane(reader, sender);
    }
  }
}

/** `LP(ct_rsa) ‖ LP(ct_mlkem) ‖ secret`. */
function encode({ ctRsa, ctMlkem, secret }: Lane): Bytes {
  return concat(lp(ctRsa), lp(ctMlkem), secret);
}

function decode(bytes: Bytes): Lane {
  const rsa = readU32(bytes, 0);
  const mlkem = readU32(bytes, 4 + rsa);
  return {
    ctRsa: bytes.slice(4, 4 + rsa),
    ctMlkem: bytes.slice(8 + rsa, 8 + rsa + mlkem),
    secret: bytes.slice(8 + rsa + mlkem),
  };
}
