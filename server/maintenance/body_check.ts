import { toHex } from "../../crypto/bytes.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { bodyPath, isBodyName, TEMP_NAME } from "../store/body_files.ts";
import { BODIES_NAME } from "../store/database.ts";
import type { FsckFindings } from "./findings.ts";
import { integer, text } from "../store/statements.ts";
import type { DatabaseSync } from "node:sqlite";
import { join } from "@std/path";

/** The outcome of checking a folder of bodies. */
export interface BodyCounts {
  readonly bodies: number;
  readonly bytes: number;
  /** Paths, below the folder of bodies, of files that are or were bodies and that no row names. */
  readonly unnamed: readonly string[];
}

/** The size of each body whose name starts with `shard`, from the rows. */
function named(db: DatabaseSync, shard: string): Map<string, number> {
  const sql = "SELECT body_file, body_size FROM message WHERE body_file >= ? AND body_file < ?";
  const rows = db.prepare(sql).all(shard, `${shard}g`);
  return new Map(rows.map((row) => [text(row, "body_file"), integer(row, "body_size")]));
}

/**
 * Compares the body files of the store in `folder` with the rows in `db`. Nobody must remove bodies
 * meanwhile. Throws `file-io`.
 */
export async function checkBodies(
  folder: string,
  db: DatabaseSync,
  findings: FsckFindings,
): Promise<BodyCounts> {
  const root = join(folder, BODIES_NAME);
  const unnamed: string[] = [];
  let exposed = 0;
  let bodies = 0;
  let bytes = 0;
  try {
    for (const name of await filesIn(join(root, TEMP_NAME))) {
      if (isBodyName(name)) unnamed.push(join(TEMP_NAME, name));
    }
    for (let i = 0; i < 256; i++) {
      const shard = toHex(new Uint8Array([i]));
      const expected = named(db, shard);
      for (const name of await filesIn(join(root, shard))) {
        const path = join(root, shard, name);
        const size = expected.get(name);
        if (size === undefined || !isBodyName(name)) {
          if (isBodyName(name)) unnamed.push(join(shard, name));
          else findings.note("unusual", `${path} is not the server's`);
          continue;
        }
        expected.delete(name);
        const info = await Deno.lstat(path);
        bodies++;
        bytes += info.size;
        if (!info.isFile || info.size !== size) {
          findings.damage("body", `${path} has ${info.size} bytes, not ${size}`);
        }
        if (((info.mode ?? 0) & 0o077) !== 0) exposed++;
      }
      for (const name of expected.keys()) {
        findings.damage("body", `${join(root, bodyPath(name))} is missing`);
      }
    }
  } catch (error) {
    throw wrapFileError(error, `check the files in ${root}`);
  }
  if (exposed > 0 && Deno.build.os !== "windows") {
    findings.note("permissions", `others can read ${exposed} of the files in ${root}`);
  }
  return { bodies, bytes, unnamed };
}

/** The names in `folder`; none if it is not there. */
export async function filesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
