import { join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../../crypto/error.ts";
import { privateKeyPath } from "../../files/key_files.ts";
import { isHereOwn, isOwnFolder, requireOwnFiles } from "../../files/own_folders.ts";
import { PROGRAM } from "../../cli/program.ts";
import { notAdopted, tellNotice, usedNotice, usualFolder } from "./profile.ts";

/**
 * The client's folder for `name`: the one that holds the keys of `given` and its subfolder called
 * `name`; where none is given, of the current folder and that subfolder, as far as the person has said
 * that they are theirs, and the usual one. Throws `file-missing`, and `key-permissions` where somebody
 * else may have had a hand in the folder.
 */
export async function clientFolder(name: string, given: string | undefined): Promise<string> {
  const named = given !== undefined;
  const base = given ?? ".";
  let foreign: string | null = null;
  const candidates = [base, join(base, name), ...named ? [] : [await usualFolder()]];
  for (const [i, dir] of candidates.entries()) {
    if (dir === null || !await exists(privateKeyPath(dir, name))) continue;
    if (named || i > 1 || await isOwnFolder(dir)) {
      await requireOwnFiles(dir, { named });
      tellNotice(i > 1 ? foreign : isHereOwn() && !named ? null : usedNotice(dir));
      return dir;
    }
    foreign ??= notAdopted(dir);
  }
  if (foreign !== null) throw new SealpostError("key-permissions", foreign);
  throw new SealpostError(
    "file-missing",
    `there are no keys for ${name} in ${base === "." ? "this folder" : base}; make them with ` +
      `"${PROGRAM} setup" or "${PROGRAM} keygen ${name}", or name their folder with --dir`,
  );
}
