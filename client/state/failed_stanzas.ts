import { type Bytes, fromBase64, toBase64 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { State } from "./state.ts";

const FILE = "failed-stanzas";
const ID_SIZE = 16;
/** Most stanzas that are remembered; the oldest go first. */
const MAX_FAILED = 10_000;

/**
 * The stanzas that did not open: none is tried twice, so that nobody can have the same RSA operation
 * repeated and time it (docs/THREAT_MODEL.md). The file holds SHA-256(header ‖ stanza), the first 16
 * bytes of each.
 */
export class FailedStanzas {
  readonly #state: State;
  #ids: ReadonlySet<string> | null = null;

  constructor(state: State) {
    this.#state = state;
  }

  /**
   * Runs `open`, unless the stanza has failed before: throws `authentication` then, and whatever
   * `open` throws, remembering the stanza if that is `authentication`.
   */
  async attempt<T>(header: Bytes, stanza: Bytes, open: () => Promise<T>): Promise<T> {
    const id = toBase64((await sha256(header, stanza)).slice(0, ID_SIZE));
    this.#ids ??= decode(await this.#state.read(FILE));
    if (this.#ids.has(id)) {
      throw new SealpostError("authentication", "it was not sealed for this key");
    }
    try {
      return await open();
    } catch (error) {
      if (isSealpostError(error, "authentication")) await this.#add(id);
      throw error;
    }
  }

  /** Adds to what the file holds now: other clients of this user add to it too. */
  async #add(id: string): Promise<void> {
    this.#ids = await this.#state.update(FILE, (current) => {
      const ids = new Set([...decode(current), id]);
      return { data: encode([...ids].slice(-MAX_FAILED)), result: ids };
    });
  }
}

function encode(ids: readonly string[]): Bytes {
  const out = new Uint8Array(ids.length * ID_SIZE);
  ids.forEach((id, i) => out.set(fromBase64(id), i * ID_SIZE));
  return out;
}

function decode(bytes: Bytes | null): Set<string> {
  const out = new Set<string>();
  for (let at = 0; bytes && at + ID_SIZE <= bytes.length; at += ID_SIZE) {
    out.add(toBase64(bytes.slice(at, at + ID_SIZE)));
  }
  return out;
}
