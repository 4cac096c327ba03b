import { type Mutant, one } from "./mutant.ts";

/** Breakages of what a client makes of an opened message to show it. */
export const OF_SHOWN: readonly Mutant[] = [
  one(
    "a table in a few bytes of HTML takes any room",
    "client/message/html_table.ts",
    "if (used > size) return null;",
    "if (used > size * 1e6) return null;",
  ),
];
