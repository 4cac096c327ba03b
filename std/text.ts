// Not `text/mod.js`: nothing else of it is used.
// @ts-types="./text.d.ts"
export * from "npm:deno-std@1.4.0/text/levenshtein_distance.js";
