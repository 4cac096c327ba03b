import type { Bytes } from "../../crypto/bytes.ts";
import type { Identity } from "../../crypto/identity.ts";
import { signHead } from "../../protocol/key_log.ts";
import type { Store, StoredLog } from "../store/store.ts";

/** Signs heads of the key log with the server's key. */
export class LogHeads {
  readonly #store: Store;
  readonly #identity: Identity;
  /** The time of the last head, milliseconds since 1970. */
  #last = 0;

  constructor(store: Store, identity: Identity) {
    this.#store = store;
    this.#identity = identity;
  }

  /** The head of the log as it stands now. */
  async now(): Promise<Bytes> {
    return await this.sign(await this.#store.logState());
  }

  /**
   * The head of `log`, {@linkcode HEAD_SIZE} bytes. Its time is never lower than that of one before it, nor
   * than that of the log's last record, even if the clock goes back: whoever has two can tell which is
   * the later one.
   */
  async sign(log: StoredLog): Promise<Bytes> {
    this.#last = Math.max(Date.now(), log.time, this.#last);
    return await signHead(log, this.#last, this.#identity);
  }
}
