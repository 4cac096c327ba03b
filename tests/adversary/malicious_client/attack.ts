import { besiege } from "../attack.ts";

/** How long the server waits for a client that stands still, seconds. */
export const STALL = 3;

/** The largest message that the server takes, MiB. */
export const MAX_MESSAGE = 8;

/** The server of this folder's tests. */
export const attack = besiege(
  ["alice", "bob"],
  [`--max-message=${MAX_MESSAGE}MiB`, `--stall-timeout=${STALL}s`],
);
