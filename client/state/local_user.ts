import type { Identity } from "../../crypto/identity.ts";
import type { RetiredKeys } from "./retired_keys.ts";
import type { State } from "./state.ts";

/** The person whose folder this is: their keys, unlocked, and their state, before any connection. */
export interface LocalUser {
  readonly identity: Identity;
  readonly retired: RetiredKeys;
  readonly state: State;
}
