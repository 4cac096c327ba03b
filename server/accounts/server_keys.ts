import { equal } from "../../crypto/bytes.ts";
import type { Bytes } from "../../crypto/bytes.ts";
import type { Identity } from "../../crypto/identity.ts";
import type { LeftServerKey } from "../../files/server_chain.ts";
import { SERVER_GRACE } from "../../protocol/rotation.ts";
import type { TimingGrid } from "../../protocol/timing_grid.ts";
import type { ServerKey } from "../store/store.ts";

/** A private key that the server has left, and answers logins under for a time. */
export interface FormerKey {
  readonly identity: Identity;
  /** When it was left, milliseconds since 1970. */
  readonly leftAt: number;
}

/** What a server has had for keys. */
export interface ServerHistory {
  /** The certificates that lead to its present key, oldest first. */
  readonly links: readonly LeftServerKey[];
  readonly former: readonly FormerKey[];
}

/** Of a server that has its first key. */
export const NO_HISTORY: ServerHistory = { links: [], former: [] };

/** Whether logins under a key that was left at `time` are still answered at `now`. */
export function isInGrace(time: number, now = Date.now()): boolean {
  return now <= time + SERVER_GRACE;
}

/** The keys of a server in their order, the present one, `fp`, last. */
export function keysOf({ links }: ServerHistory, fp: Bytes): ServerKey[] {
  const keys = links.map(({ left, seq }) => ({ fp: left.fp, seq: seq - 1 }));
  return [...keys, { fp, seq: links.at(-1)?.seq ?? 0 }];
}

/** A key under which logins are answered, with what hides how long its operations take. */
export interface LoginKey {
  readonly identity: Identity;
  readonly timingGrid: TimingGrid;
}

/** {@linkcode LoginKey} of one that was left. */
export interface FormerLoginKey extends LoginKey {
  readonly leftAt: number;
}

/** The one of `former` with this fingerprint, if logins under it are still answered. */
export function formerKey(former: readonly FormerLoginKey[], fp: Bytes): FormerLoginKey | null {
  return former.find(({ identity, leftAt }) => {
    return equal(identity.bundle.fp, fp) && isInGrace(leftAt);
  }) ?? null;
}
