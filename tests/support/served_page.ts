import { dirname, join } from "@std/path";
import { type Build, FROM_SOURCE, MAIN, Program, ROOT } from "./program.ts";

/** The program with what its task `web` may read besides: the page. */
export const WITH_PAGE: Build = {
  command: Deno.execPath(),
  args: FROM_SOURCE.args.map((arg) => {
    return arg === "--allow-read=."
      ? `${arg},${
        MAIN.endsWith("main.js") ? join(dirname(MAIN), "page") : join(ROOT, ".deno", "page")
      }`
      : arg;
  }),
};

/** A page that is served for somebody. */
export class ServedPage implements AsyncDisposable {
  private constructor(
    readonly program: Program,
    /** The link that it printed. */
    readonly link: string,
  ) {}

  /** Starts `web` in the folder `cwd`; with a browser only if `opening`. */
  static async start(
    cwd: string,
    args: readonly string[] = [],
    env: Record<string, string> = {},
    build = WITH_PAGE,
    opening = false,
  ): Promise<ServedPage> {
    const all = ["web", ...opening ? [] : ["--no-open"], ...args];
    const program = Program.start(all, { cwd, env, build });
    const link = (await program.expect("\n")).trim();
    return new ServedPage(program, link);
  }

  get origin(): string {
    return new URL(this.link).origin;
  }

  get token(): string {
    return new URL(this.link).hash.slice(1);
  }

  /** Another link. */
  async newLink(cwd: string, build = WITH_PAGE): Promise<string> {
    const other = Program.start(["web", "--no-open"], { cwd, build });
    const link = (await other.expect("\n")).trim();
    await other.finish();
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.program.kill("SIGTERM");
    await this.program.finish();
  }
}
