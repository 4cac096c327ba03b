import { basename, dirname, isAbsolute, join } from "@std/path";
import { expandHome } from "../../cli/environment.ts";

/** A text with as much added as is certain, and what it could become. */
export interface Completed {
  readonly text: string;
  readonly choices: readonly string[];
}

/** Completes what was typed; as it is if nothing is certain. */
export type Completer = (text: string) => Promise<Completed>;

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

/**
 * Completes a path, which may begin with `~/`; a relative one is looked for in the folder `from`. A
 * folder that cannot be read has no completions.
 */
export async function completePath(text: string, from = "."): Promise<Completed> {
  if (text === "~") return { text: "~/", choices: ["~/"] };
  const open = text === "" || text.endsWith("/");
  const folder = open ? text || "." : dirname(text);
  const begun = open ? "" : basename(text);
  const expanded = expandHome(folder);
  const found: string[] = [];
  try {
    const entries = Deno.readDir(isAbsolute(expanded) ? expanded : join(from, expanded));
    for await (const { name, isDirectory } of entries) {
      if (!name.startsWith(begun) || (name.startsWith(".") && !begun.startsWith("."))) continue;
      found.push(isDirectory ? `${name}/` : name);
    }
  } catch {
    return { text, choices: [] };
  }
  found.sort();
  if (found.length === 0) return { text, choices: [] };
  const path = text.slice(0, text.length - begun.length) + commonStart(found);
  return { text: path, choices: found };
}
