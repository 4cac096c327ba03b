import { join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../crypto/error.ts";
import { privateKeyPath } from "../protocol/key_files.ts";
import { PROGRAM } from "../protocol/program.ts";

/**
 * The client's folder for `name`: `given` if there is one, else the current folder, whichever of
 * them, or of their subfolder called `name`, holds the keys. Throws `file-missing`.
 */
export async function clientFolder(name: string, given: string | undefined): Promise<string> {
  const base = given ?? ".";
  for (const dir of [base, join(base, name)]) {
    if (await exists(privateKeyPath(dir, name))) return dir;
  }
  throw new SealpostError(
    "file-missing",
    `there are no keys for ${name} in ${base === "." ? "this folder" : base}; make them with ` +
      `"${PROGRAM} keygen ${name}", or name their folder with --dir`,
  );
}
