import { expandHome } from "../../cli/environment.ts";
import { basename, dirname, join } from "@std/path";
import type { Completed } from "./screen.ts";

/** The longest beginning that all of `words` have. */
export function commonStart(words: readonly string[]): string {
  const [first = "", ...others] = words;
  let length = first.length;
  for (const word of others) {
    let same = 0;
    while (same < length && word[same] === first[same]) same++;
    length = same;
  }
  return first.slice(0, length);
}

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

/** Completes a path, which may begin with `~/`. A folder that cannot be read has no completions. */
export async function completePath(text: string): Promise<Completed> {
  if (text === "~") return { text: "~/", choices: ["~/"] };
  const open = text === "" || text.endsWith("/");
  const folder = open ? text || "." : dirname(text);
  const begun = open ? "" : basename(text);
  const found: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(expandHome(folder))) {
      if (!name.startsWith(begun) || (name.startsWith(".") && !begun.startsWith("."))) continue;
      found.push(isDirectory ? `${name}/` : name);
    }
  } catch {
    return { text, choices: [] };
  }
  found.sort();
  if (found.length === 0) return { text, choices: [] };
  const more = commonStart(found);
  const path = open ? text + more : text.slice(0, text.length - begun.length) + more;
  return { text: path, choices: found };
}

/** `name` in `folder`, as one would type it from the current folder. */
export function pathIn(folder: string, name: string): string {
  return folder === "." ? name : join(folder, name);
}
