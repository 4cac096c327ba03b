import { SealpostError } from "../crypto/error.ts";
import { PROGRAM } from "../cli/program.ts";
import { isThere, privateKeyPath, publicKeyPath, SERVER_NAME } from "./key_files.ts";
import { isOwnFolder, requireOwnFiles } from "./own_folders.ts";

/**
 * The folder that `serve` and the operator's commands use if they are told none: `server` under the
 * current folder if it holds the server's private key, else the current folder if that does. Throws
 * `file-missing`, and `key-permissions` for one that may be somebody else's.
 */
export async function findServerFolder(): Promise<string> {
  for (const dir of [SERVER_NAME, "."]) {
    if (!await isThere(privateKeyPath(dir, SERVER_NAME))) continue;
    await requireOwnServer(dir);
    return dir;
  }
  throw new SealpostError(
    "file-missing",
    `there are no server keys in ./${SERVER_NAME}; \`${PROGRAM} keygen ${SERVER_NAME}\` makes them`,
  );
}

/**
 * `./server/server_public.pem`, or null if it is not there. Throws `key-permissions` if it may be
 * somebody else's.
 */
export async function findServerKey(): Promise<string | null> {
  const path = publicKeyPath(SERVER_NAME, SERVER_NAME);
  if (!await isThere(path)) return null;
  await requireOwnServer(SERVER_NAME);
  return path;
}

/** Throws `key-permissions` unless the server's folder `dir` is the person's own. */
export async function requireOwnServer(dir: string): Promise<void> {
  if (!await isOwnFolder(dir)) {
    throw new SealpostError(
      "key-permissions",
      `nobody has said that the server in ${
        dir === "." ? "this folder" : `./${dir}`
      } is yours, so ` +
        `it is not used; if it is: ${PROGRAM} adopt ${dir}, or give --dir ${dir}`,
    );
  }
  await requireOwnFiles(dir, { named: false });
}
