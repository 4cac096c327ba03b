import type { Bytes } from "../../crypto/bytes.ts";
import type { Identity } from "../../crypto/identity.ts";
import { signHead } from "../../protocol/key_log.ts";
import type { Store, StoredLog } from "../store/store.ts";

/** Signs heads of the key log with the server's key. */
export class LogHeads {
  readonly #store: Store;
  readonly #identity: Identity;

  constructor(store: Store, identity: Identity) {
    this.#store = store;
    this.#identity = identity;
  }

  /** The head of the log as it stands now. */
  async now(): Promise<Bytes> {
    return await this.sign(await this.#store.logState());
  }

  /** The head of `log`, {@linkcode HEAD_SIZE} bytes. */
  async sign(log: StoredLog): Promise<Bytes> {
    return await signHead(log, log.headTime, this.#identity);
  }
}
