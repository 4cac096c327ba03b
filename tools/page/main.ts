// `deno task page`: makes the page of `deno task web` in .deno/page.
import { join } from "@std/path";
import { ROOT } from "../release/run.ts";
import { buildPage } from "./build.ts";

await buildPage(join(ROOT, ".deno", "page"));
