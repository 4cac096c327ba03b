// For a compiled executable, which is loaded with what it was compiled with: the witness, if the
// variable SEALPOST_WITNESS is set.

if (Deno.env.has("SEALPOST_WITNESS")) await import("./witness.ts");
