import type { Action } from "./keys.ts";
import { movement } from "./scroller.ts";

/** A list of keys with a cursor. */
export interface ListModel {
  readonly keys: readonly string[];
  /** The key at the cursor; null only if there are none. */
  readonly cursor: string | null;
  /** The index of the first row that is shown. */
  readonly top: number;
}

export const EMPTY_LIST: ListModel = { keys: [], cursor: null, top: 0 };

/** The index of the cursor; -1 in an empty list. */
export function cursorIndex(list: ListModel): number {
  return list.cursor === null ? -1 : list.keys.indexOf(list.cursor);
}

/**
 * The list with other keys. The cursor stays on its key; if that is gone, it goes to the one that
 * took its place. The rows that are shown stay, unless the beginning was shown.
 */
export function withKeys(list: ListModel, keys: readonly string[]): ListModel {
  const old = cursorIndex(list);
  const kept = list.cursor !== null ? keys.indexOf(list.cursor) : -1;
  const index = kept >= 0 ? kept : nearest(list, old, keys);
  const anchor = list.keys[list.top];
  const anchored = anchor === undefined ? -1 : keys.indexOf(anchor);
  const top = list.top === 0 ? 0 : anchored >= 0 ? anchored : list.top;
  return { keys, cursor: keys[index] ?? null, top: Math.max(0, Math.min(top, keys.length - 1)) };
}

/** The index of the first key after the old cursor that is still there. */
function nearest(list: ListModel, old: number, keys: readonly string[]): number {
  if (old < 0) return 0;
  const there = new Set(keys);
  for (let i = old + 1; i < list.keys.length; i++) {
    const key = list.keys[i];
    if (key !== undefined && there.has(key)) return keys.indexOf(key);
  }
  return keys.length - 1;
}

/** The list with the cursor `by` further down. */
export function moveBy(list: ListModel, by: number): ListModel {
  return moveTo(list, cursorIndex(list) + by);
}

/** The list with the cursor at `index`, or at the nearer end. */
export function moveTo(list: ListModel, index: number): ListModel {
  const at = Math.max(0, Math.min(index, list.keys.length - 1));
  return { ...list, cursor: list.keys[at] ?? null };
}

/** The list after an action that moves the cursor, where `rows` rows are seen; null for any other. */
export function moved(list: ListModel, action: Action, rows: number): ListModel | null {
  const by = movement(action, rows);
  if (by === null) return null;
  if (by === -Infinity) return moveTo(list, 0);
  return by === Infinity ? moveTo(list, list.keys.length - 1) : moveBy(list, by);
}

/** The list scrolled so that the cursor is among the `rows` that are seen. */
export function scrolled(list: ListModel, rows: number): ListModel {
  const at = cursorIndex(list);
  if (at < 0) return { ...list, top: 0 };
  let { top } = list;
  if (at < top) top = at;
  if (at >= top + rows) top = at - rows + 1;
  top = Math.max(0, Math.min(top, list.keys.length - rows));
  return top === list.top ? list : { ...list, top };
}
