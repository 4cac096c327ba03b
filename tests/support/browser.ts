import { join } from "@std/path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { shell } from "./command.ts";
import config from "../../deno.json" with { type: "json" };
import { Program, ROOT } from "./program.ts";

const DRIVER = join(ROOT, "tests", "browser", "driver.mjs");
const CHROMIUM = "/usr/bin/chromium";

/** Why nothing can be tried in a browser here; null if it can. */
export async function whyNoBrowser(): Promise<string | null> {
  if (Deno.build.os !== "linux") return "it is driven on Linux";
  for (const program of ["node", CHROMIUM]) {
    const found = await shell('command -v "$0" || true', program);
    if (found.trim() === "") return `there is no ${program}`;
  }
  return null;
}

/** What functions that run in the driver are given. */
export interface Driver {
  /** Opens a browser, and in it a page, under a name. */
  open(
    name: string,
    options?: BrowserContextOptions & { readonly args?: readonly string[] },
  ): Promise<Page>;
  /** The page of a name. */
  page(name: string): Page;
}

/** Browsers, driven by Playwright in a Node of its own. */
export class Browser implements AsyncDisposable {
  readonly #program: Program;
  #last = 0;

  private constructor(program: Program) {
    this.#program = program;
  }

  static async start(): Promise<Browser> {
    const playwright = join(await packageFolder("playwright-core"), "index.js");
    const build = { command: "node", args: [DRIVER, playwright, CHROMIUM] };
    return new Browser(Program.start([], { cwd: ROOT, build }));
  }

  /**
   * Runs `fn` in the driver: it can use nothing but its arguments, which are JSON, and gives back JSON.
   * Throws what it throws, as text.
   */
  async run<A, R>(fn: (driver: Driver, args: A) => Promise<R>, args: A): Promise<R> {
    const id = ++this.#last;
    await this.#program.type(JSON.stringify({ id, code: fn.toString(), args }));
    await this.#program.expect(`{"id":${id},`);
    const rest = await this.#program.expect("\n");
    const answer = JSON.parse(`{${rest}`);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.finish();
  }
}

/** The folder of a package that packages.ts names, fetched if it is not there. */
async function packageFolder(name: "axe-core" | "playwright-core"): Promise<string> {
  const [, version = ""] = /@(\d[^/]*)$/.exec(config.imports[name]) ?? [];
  const packages = join("tests", "browser", "packages.ts");
  await shell('cd "$0" && "$1" cache --quiet --frozen "$2"', ROOT, Deno.execPath(), packages);
  const { npmCache } = JSON.parse(
    await shell('cd "$0" && NO_COLOR=1 "$1" info --json', ROOT, Deno.execPath()),
  );
  return (await shell('cd "$0" && echo "$PWD"/*/"$1"/"$2"', npmCache, name, version)).trim();
}

/** The axe-core library, to be put into a page. */
export async function axePath(): Promise<string> {
  return join(await packageFolder("axe-core"), "axe.min.js");
}
