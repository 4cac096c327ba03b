// Not `cli/mod.js`: it also loads unicode_width.js, whose data file deno-std 1.4.0 leaves out.
// @ts-types="./cli.d.ts"
export * from "npm:deno-std@1.4.0/cli/parse_args.js";
