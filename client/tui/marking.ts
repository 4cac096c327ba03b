import { movement } from "./scroller.ts";
import type { Action } from "./keys.ts";

/** Lines of a text that a person marks: the one at the cursor, or all from where they began to there. */
export interface Marking {
  /** The line where the marked ones begin or end; null while the person looks for it. */
  readonly anchor: number | null;
  readonly at: number;
}

/** The lines that can be marked, by their numbers. */
export interface Markable {
  readonly first: number;
  readonly last: number;
}

/** The first and the last line of a marking. */
export function linesOf({ anchor, at }: Marking): Markable {
  return anchor === null ? { first: at, last: at } : {
    first: Math.min(anchor, at),
    last: Math.max(anchor, at),
  };
}

/**
 * The marking after `action`, null for none; undefined for an action that is none of marking. `top` is
 * the first visible line, of `rows`.
 */
export function markBy(
  marking: Marking | null,
  action: Action,
  { first, last }: Markable,
  top: number,
  rows: number,
): Marking | null | undefined {
  const within = (line: number) => Math.max(first, Math.min(last, line));
  switch (action) {
    case "mark":
      if (marking === null) return { anchor: null, at: within(top) };
      return marking.anchor === null ? { ...marking, anchor: marking.at } : null;
    case "mark-down":
    case "mark-up": {
      if (marking === null) return { anchor: within(top), at: within(top) };
      const by = action === "mark-down" ? 1 : -1;
      return { anchor: marking.anchor ?? marking.at, at: within(marking.at + by) };
    }
    case "back":
      return marking === null ? undefined : null;
    default: {
      const by = movement(action, rows);
      return marking === null || by === null
        ? undefined
        : { ...marking, at: within(marking.at + by) };
    }
  }
}
