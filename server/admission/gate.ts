import type { ByteStream } from "../../protocol/byte_stream.ts";
import type { Penalties } from "./penalties.ts";
import type { Values } from "../settings/setting_values.ts";
import type { SettingName } from "../settings/settings_table.ts";
import { type Source, sourceOf } from "./source.ts";

/** Seconds after which those who found no room are told to try again. */
const RETRY_AFTER = 10;

/** A connection's place at the gate. */
export interface GateEntry {
  readonly source: Source;
  /** The login is accepted: it is no stranger any more. False if the user has too many connections. */
  readonly admit: (name: string) => boolean;
  /** Whether the gate closed the connection to make room for another. */
  readonly dropped: () => boolean;
  readonly leave: () => void;
}

/** Why a connection is not taken: the setting whose limit it met, and when to try again. */
export interface Rejection {
  readonly source: Source;
  readonly limit: SettingName;
  /** Seconds. */
  readonly retryAfter: number;
}

/**
 * Counts connections, and bounds what those may use who have not logged in. When there are too many of
 * these, the one who came first goes: a login takes about a second, and who waits longer is the
 * cheapest to lose.
 */
export class Gate {
  readonly #settings: () => Values;
  readonly #penalties: Penalties;
  readonly #strangers = new Map<ByteStream, string>();
  readonly #strangersBySource = new Counts();
  readonly #bySource = new Counts();
  readonly #byUser = new Counts();
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
  get strangers(): number {
    return this.#strangers.size;
  }

  /** A place for `stream`, or why there is none. Costs the same whatever the answer. */
  enter(stream: ByteStream): GateEntry | Rejection {
    const settings = this.#settings();
    const source = sourceOf(stream.peer, settings.perSourceNetblock);
    const away = (limit: SettingName, retryAfter = RETRY_AFTER) => ({ source, limit, retryAfter });
    const penalty = this.#penalties.refusedFor(source);
    if (penalty > 0) return away("penalties", penalty);
    const { name } = source;
    if (this.#size >= settings.maxConnections) return away("max-connections");
    if (this.#bySource.of(name) >= settings.maxConnectionsPerSource) {
      return away("max-connections-per-source");
    }
    if (this.#strangersBySource.of(name) >= settings.maxUnauthenticatedPerSource) {
      return away("max-unauthenticated-per-source");
    }
    if (this.#strangers.size >= settings.maxUnauthenticated) this.#dropOldest();
    this.#strangers.set(stream, name);
    this.#strangersBySource.add(name, 1);
    this.#bySource.add(name, 1);
    this.#size++;
    return this.#entry(stream, source);
  }

  #entry(stream: ByteStream, source: Source): GateEntry {
    let user: string | null = null;
    let left = false;
    return {
      source,
      dropped: () => user === null && !this.#strangers.has(stream),
      admit: (name) => {
        if (this.#byUser.of(name) >= this.#settings().maxConnectionsPerUser) return false;
        user = name;
        this.#byUser.add(name, 1);
        this.#forget(stream);
        return true;
      },
      leave: () => {
        if (left) return;
        left = true;
        this.#forget(stream);
        this.#bySource.add(source.name, -1);
        this.#size--;
        if (user !== null) this.#byUser.add(user, -1);
      },
    };
  }

  /** Ends the connections that are not logged in. */
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
    this.#strangersBySource.add(source, -1);
  }
}

/** Counts by name; those at zero take no room. */
class Counts {
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
