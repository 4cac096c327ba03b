import config from "../deno.json" with { type: "json" };

/** The version of this program, from deno.json; it is compiled in. */
export const PROGRAM_VERSION: string = config.version;

/** How a person starts this program: what a message that names a command begins with. */
export const PROGRAM = Deno.build.standalone ? "sealpost" : "deno task";

/** What a running program was built from. */
export interface BuildInfo {
  readonly version: string;
  /** The commit, with `+changes` if files differed from it, or `unknown`; null from the source. */
  readonly commit: string | null;
  /** The version of Deno, the runtime inside. */
  readonly deno: string;
  /** The platform, as Rust's compiler names it. */
  readonly platform: string;
}

/** What this program was built from. */
export function buildInfo(): BuildInfo {
  return {
    version: PROGRAM_VERSION,
    // tools/release/build.ts puts the commit in the place of the mark.
    commit: Deno.build.standalone ? "@COMMIT@" : null,
    deno: Deno.version.deno,
    platform: Deno.build.target,
  };
}

/** One line that says what the program was built from; as JSON, with the whole name of the commit. */
export function versionLine(json: boolean): string {
  const info = buildInfo();
  if (json) return JSON.stringify(info);
  const short = info.commit?.replace(/^([0-9a-f]{12})[0-9a-f]*/, "$1");
  const origin = short === undefined ? "from its source" : `commit ${short}`;
  return `sealpost ${info.version} (${origin}, Deno ${info.deno}, ${info.platform})`;
}
