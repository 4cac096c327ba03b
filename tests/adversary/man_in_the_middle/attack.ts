import { besiege } from "../attack.ts";

/** The server of this folder's tests. */
export const attack = besiege(["alice", "bob"]);
