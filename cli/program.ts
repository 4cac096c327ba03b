import config from "../deno.json" with { type: "json" };

/** The version of this program, from deno.json; it is compiled in. */
export const PROGRAM_VERSION: string = config.version;

/** How a person starts this program: what a message that names a command begins with. */
export const PROGRAM = Deno.build.standalone ? "sealpost" : "deno task";
