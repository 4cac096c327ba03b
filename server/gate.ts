import type { ByteStream } from "../protocol/byte_stream.ts";
import { sourceOf } from "./source.ts";

/** Connections that are not logged in yet: in all, and from one source. */
const MAX_STRANGERS = 1000;
const MAX_STRANGERS_PER_SOURCE = 256;

/** A connection's place at the gate. */
export interface GateEntry {
  /** The login was accepted: it is no stranger any more. */
  readonly loggedIn: () => void;
  readonly leave: () => void;
}

/**
 * Bounds what those may use who have not logged in. When the gate is full, the stranger who came
 * first goes: a login takes less than a second, and who waits longer is the cheapest to lose.
 */
export class Gate {
  readonly #strangers = new Map<ByteStream, string>();
  readonly #bySource = new Map<string, number>();

  /** A place for `stream`; null if its source has too many already. */
  enter(stream: ByteStream): GateEntry | null {
    const source = sourceOf(stream.peer);
    const count = this.#bySource.get(source) ?? 0;
    if (count >= MAX_STRANGERS_PER_SOURCE) return null;
    if (this.#strangers.size >= MAX_STRANGERS) this.#dropOldest();
    this.#strangers.set(stream, source);
    this.#bySource.set(source, count + 1);
    const forget = () => this.#forget(stream);
    return { loggedIn: forget, leave: forget };
  }

  get size(): number {
    return this.#strangers.size;
  }

  closeAll(): void {
    for (const stream of [...this.#strangers.keys()]) {
      stream.close();
      this.#forget(stream);
    }
  }

  #dropOldest(): void {
    for (const stream of this.#strangers.keys()) {
      stream.close();
      this.#forget(stream);
      return;
    }
  }

  #forget(stream: ByteStream): void {
    const source = this.#strangers.get(stream);
    if (source === undefined) return;
    this.#strangers.delete(stream);
    const count = (this.#bySource.get(source) ?? 1) - 1;
    if (count <= 0) this.#bySource.delete(source);
    else this.#bySource.set(source, count);
  }
}
