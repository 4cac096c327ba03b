// Types of what is used of @std/text (JSR), whose sources npm's deno-std carries without types.

/** How many characters have to be inserted, deleted or replaced to make `b` of `a`. */
export function levenshteinDistance(a: string, b: string): number;
