import type { ByteStream } from "../../protocol/byte_stream.ts";
import type { Penalties } from "./penalties.ts";
import type { Values } from "../settings/setting_values.ts";
import type { SettingName } from "../settings/settings_table.ts";
import { type Source, sourceOf } from "./source.ts";

/** Seconds after which whoever is rejected is told to try again. */
const RETRY_AFTER = 10;

/** A connection that counts. */
export interface ConnectionSlot {
  readonly source: Source;
  /** The login as `name` is accepted. False if that user has too many connections. */
  readonly admit: (name: string) => boolean;
  /** Whether the limiter closed the connection to make room for another. */
  readonly evicted: () => boolean;
  /** Frees the slot; calling it again does nothing. */
  readonly release: () => void;
}

/** Why a connection is rejected: the setting whose limit it met, and when to try again. */
export interface Rejection {
  readonly source: Source;
  readonly limit: SettingName;
  /** Seconds. */
  readonly retryAfter: number;
}

/**
 * Bounds how many connections there are: in all, from each source, of each user, and of those that are
 * not logged in. When there are too many of the last, the oldest is closed: a login takes about a
 * second, so whoever waits longer is the cheapest to lose.
 */
export class ConnectionLimiter {
  readonly #settings: () => Values;
  readonly #penalties: Penalties;
  readonly #unauthenticated = new Map<ByteStream, string>();
  readonly #unauthenticatedBySource = new CountsByName();
  readonly #bySource = new CountsByName();
  readonly #byUser = new CountsByName();
  #size = 0;

  constructor(settings: () => Values, penalties: Penalties) {
    this.#settings = settings;
    this.#penalties = penalties;
  }

  /** All connections. */
  get size(): number {
    return this.#size;
  }

  /** Connections that are not logged in. */
  get unauthenticated(): number {
    return this.#unauthenticated.size;
  }

  /** A slot for `stream`, or why there is none. Costs the same whatever the answer. */
  enter(stream: ByteStream): ConnectionSlot | Rejection {
    const settings = this.#settings();
    const source = sourceOf(stream.peer, settings.perSourceNetblock);
    const rejection = (limit: SettingName, retryAfter = RETRY_AFTER) => ({
      source,
      limit,
      retryAfter,
    });
    const penalty = this.#penalties.refusedFor(source);
    if (penalty > 0) return rejection("penalties", penalty);
    const { name } = source;
    if (this.#size >= settings.maxConnections) return rejection("max-connections");
    if (this.#bySource.of(name) >= settings.maxConnectionsPerSource) {
      return rejection("max-connections-per-source");
    }
    if (this.#unauthenticatedBySource.of(name) >= settings.maxUnauthenticatedPerSource) {
      return rejection("max-unauthenticated-per-source");
    }
    if (this.#unauthenticated.size >= settings.maxUnauthenticated) this.#evictOldest();
    this.#unauthenticated.set(stream, name);
    this.#unauthenticatedBySource.add(name, 1);
    this.#bySource.add(name, 1);
    this.#size++;
    return this.#slot(stream, source);
  }

  #slot(stream: ByteStream, source: Source): ConnectionSlot {
    let user: string | null = null;
    let released = false;
    return {
      source,
      evicted: () => user === null && !this.#unauthenticated.has(stream),
      admit: (name) => {
        if (this.#byUser.of(name) >= this.#settings().maxConnectionsPerUser) return false;
        user = name;
        this.#byUser.add(name, 1);
        this.#forget(stream);
        return true;
      },
      release: () => {
        if (released) return;
        released = true;
        this.#forget(stream);
        this.#bySource.add(source.name, -1);
        this.#size--;
        if (user !== null) this.#byUser.add(user, -1);
      },
    };
  }

  /** Ends the connections that are not logged in. */
  closeAll(): void {
    for (const stream of [...this.#unauthenticated.keys()]) {
      stream.close();
      this.#forget(stream);
    }
  }

  #evictOldest(): void {
    for (const stream of this.#unauthenticated.keys()) {
      stream.close();
      this.#forget(stream);
      return;
    }
  }

  #forget(stream: ByteStream): void {
    const source = this.#unauthenticated.get(stream);
    if (source === undefined) return;
    this.#unauthenticated.delete(stream);
    this.#unauthenticatedBySource.add(source, -1);
  }
}

/** Tallies by name; those at zero take no memory. */
class CountsByName {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: string, by: number): void {
    const count = this.of(name) + by;
    if (count > 0) this.#counts.set(name, count);
    else this.#counts.delete(name);
  }
}
