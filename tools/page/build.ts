import { join } from "@std/path";
import { PAGE_FILES } from "../../client/web/assets.ts";
import { output, ROOT } from "../release/run.ts";

/** Where the source of the page is. */
const SOURCE = join(ROOT, "page");

/**
 * Makes the files of the page in `folder`: its modules as one, the others as they are. Nothing of this
 * is committed; the same source and the same Deno give the same bytes.
 */
export async function buildPage(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const { name } of PAGE_FILES) {
    const path = join(folder, name);
    if (name !== "page.js") await Deno.copyFile(join(SOURCE, name), path);
    else {
      await output(Deno.execPath(), [
        "bundle",
        "--quiet",
        "--frozen",
        "--platform",
        "browser",
        "--minify",
        "--output",
        path,
        join(SOURCE, "main.tsx"),
      ]);
    }
  }
}
