import { fromFileUrl } from "@std/path";
import { SealpostError } from "../../crypto/error.ts";

/** A file of the page. */
export interface Asset {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The files of the page, by their path. */
export type Assets = ReadonlyMap<string, Asset>;

/** Which there are, where they are asked for, and what they are. */
export const PAGE_FILES = [
  { path: "/", name: "index.html", type: "text/html; charset=utf-8" },
  { path: "/page.js", name: "page.js", type: "text/javascript; charset=utf-8" },
  { path: "/page.css", name: "page.css", type: "text/css; charset=utf-8" },
  { path: "/icon.svg", name: "icon.svg", type: "image/svg+xml" },
] as const;

/** Where the files may be: beside the bundle that this is part of, or where `deno task web` makes them. */
const FOLDERS = ["./page/", "../../.deno/page/"] as const;

/** Reads the files of the page, all of them. Throws `file-missing`. */
export async function readAssets(base: string = import.meta.url): Promise<Assets> {
  for (const folder of FOLDERS) {
    const assets = new Map<string, Asset>();
    try {
      for (const { path, name, type } of PAGE_FILES) {
        const file = fromFileUrl(new URL(folder + name, base));
        assets.set(path, { type, bytes: await Deno.readFile(file) });
      }
      return assets;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) {
        continue;
      }
      throw error;
    }
  }
  throw new SealpostError(
    "file-missing",
    "the page is not built: start it with `deno task web`, or use the executable",
  );
}
