import { join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../../crypto/error.ts";
import { privateKeyPath } from "../../files/key_files.ts";
import { PROGRAM } from "../../cli/program.ts";
import { usualFolder } from "./profile.ts";

/**
 * The client's folder for `name`: `given` if there is one, else the current folder or the usual one,
 * whichever of them, or of the subfolder called `name` of the first, holds the keys. Throws
 * `file-missing`.
 */
export async function clientFolder(name: string, given: string | undefined): Promise<string> {
  const base = given ?? ".";
  for (const dir of [base, join(base, name)]) {
    if (await exists(privateKeyPath(dir, name))) return dir;
  }
  const usual = given === undefined ? await usualFolder() : null;
  if (usual !== null && await exists(privateKeyPath(usual, name))) return usual;
  throw new SealpostError(
    "file-missing",
    `there are no keys for ${name} in ${base === "." ? "this folder" : base}; make them with ` +
      `"${PROGRAM} setup" or "${PROGRAM} keygen ${name}", or name their folder with --dir`,
  );
}
