import { join } from "@std/path";
import { commonStart, type Completed } from "../terminal/complete.ts";

/** Completes one of `words`, in any case of letters. */
export function completeWord(text: string, words: readonly string[]): Completed {
  const begun = text.toLowerCase();
  const choices = words.filter((word) => word.toLowerCase().startsWith(begun));
  const more = commonStart(choices);
  return { text: more.length > text.length ? more : text, choices };
}

/** The name that is being typed at `at` in a list of names: where it begins, and what it is so far. */
export function nameAt(
  text: string,
  at: number,
): { readonly start: number; readonly word: string } {
  const start = text.slice(0, at).search(/[^,;\s]*$/);
  return { start, word: text.slice(start, at).toLowerCase() };
}

/** Names in a list that people write, separated by commas, semicolons or spaces. */
export function namesIn(text: string): string[] {
  return [...new Set(text.split(/[,;\s]+/).map((name) => name.toLowerCase()))]
    .filter((name) => name !== "");
}

/** `name` in `folder`, as one would type it from the current folder. */
export function pathIn(folder: string, name: string): string {
  return folder === "." ? name : join(folder, name);
}
