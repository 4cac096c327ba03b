import type { ErrorCode } from "../../crypto/error.ts";
import type { CommitReport } from "../store/store.ts";

/**
 * How a login ended. `password` and `ticket` were let in; `stale` is a ticket that is unknown, used or
 * over, after which a client comes again with its password; `refused` is a wrong name, password or
 * key; `blocked` came after too many wrong loginThrottle; `busy` found no room; `broken` broke the protocol,
 * left or was too slow.
 */
export type LoginOutcome =
  | "password"
  | "ticket"
  | "stale"
  | "refused"
  | "blocked"
  | "busy"
  | "broken";

/** Counts by kind. */
export class Tally<K extends string> {
  readonly #counts = new Map<K, number>();

  constructor(kinds: readonly K[] = []) {
    for (const kind of kinds) this.#counts.set(kind, 0);
  }

  add(kind: K, by = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + by);
  }

  get(kind: K): number {
    return this.#counts.get(kind) ?? 0;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The counts by kind; those named to the constructor are always there. */
  toJSON(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

/**
 * Counts what has happened in this server since it started. Knows no names, addresses or messages.
 * `stats` and the metrics are read from it.
 */
export class Observer {
  readonly startedAt = Date.now();
  /** Connections that were accepted by the system. */
  connections = 0;
  /** Those of them that were closed at once, by the limit that they met. */
  readonly rejected = new Tally<string>();
  /** Times that a source was refused for what it had done, by the last of that. */
  readonly penalties = new Tally<string>();
  readonly logins = new Tally<LoginOutcome>([
    "password",
    "ticket",
    "stale",
    "refused",
    "blocked",
    "busy",
    "broken",
  ]);
  /** Requests in sessions, by what was asked. */
  readonly requests = new Tally<string>();
  /** Requests that were refused, by the code of the refusal. */
  readonly refusals = new Tally<ErrorCode>();
  /** `stored`: new messages; `again`: those that had been stored before. */
  readonly deliveries = new Tally<"stored" | "again">(["stored", "again"]);
  /** Entries in mailboxes that came of them. */
  copies = 0;
  /** Sealed bytes of the messages that were stored. */
  messageBytes = 0;
  readonly network = new Tally<"in" | "out">(["in", "out"]);
  commits = 0;
  /** Writes in these commits. */
  writes = 0;
  failedCommits = 0;
  /** Why the last commit failed; null if it did not. */
  commitFailure: ErrorCode | null = null;
  #onCommit: (report: CommitReport) => void = () => {};

  /** Tells `listener` of every commit from now on. */
  watchCommits(listener: (report: CommitReport) => void): void {
    this.#onCommit = listener;
  }

  readonly committed = (report: CommitReport): void => {
    this.commits++;
    this.writes += report.writes;
    if (report.failed !== null) this.failedCommits++;
    this.commitFailure = report.failed?.code ?? null;
    this.#onCommit(report);
  };

  delivered(result: { readonly again: boolean; readonly copies: number; readonly bytes: number }) {
    this.deliveries.add(result.again ? "again" : "stored");
    if (result.again) return;
    this.copies += result.copies;
    this.messageBytes += result.bytes;
  }
}

/** Values that go up and down, as they are now. */
export interface Gauges {
  /** Connections that are not logged in yet. */
  readonly handshakes: number;
  readonly sessions: number;
  /** Users with a session. */
  readonly online: number;
  /** Length of each queue, by its name: `rsa`, `argon2`, `commit`. */
  readonly queues: Readonly<Record<string, number>>;
}
