import { join } from "@std/path";
import { equal } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { type Bundle, bundleToPem, shortFingerprint } from "../crypto/identity.ts";
import { wrapFileError, writeFileAtomic } from "./atomic_file.ts";
import { isThere, loadBundle, publicKeyPath, SERVER_NAME } from "./key_files.ts";

/** The file of a key that the server had before: see {@linkcode replaceServer}. */
const FORMER = /^server_public\.[0-9a-f]{8}\.pem$/;

/** Where a client's folder has the key of its server. */
export function serverPinPath(dir: string): string {
  return publicKeyPath(dir, SERVER_NAME);
}

/** Whether a file of a client's folder is the key of its server, or one that it had. */
export function isServerPin(name: string): boolean {
  return name === `${SERVER_NAME}_public.pem` || FORMER.test(name);
}

/**
 * The keys that the server of a client's folder had before, each left by certificate for another. Throws
 * `key-format`, `file-io`.
 */
export async function formerServers(dir: string): Promise<Bundle[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(dir)) {
      if (FORMER.test(name)) names.push(name);
    }
  } catch (error) {
    throw wrapFileError(error, `read ${dir}`);
  }
  return await Promise.all(names.sort().map((name) => loadBundle(join(dir, name))));
}

/** Keeps a key that the server had before. Throws `disk-full`, `file-io`. */
export async function keepFormerServer(dir: string, former: Bundle): Promise<void> {
  const path = formerPath(dir, former);
  if (!await isThere(path)) await writeFileAtomic(path, bundleToPem(former), { mode: 0o644 });
}

function formerPath(dir: string, { fp }: Bundle): string {
  return join(dir, `${SERVER_NAME}_public.${shortFingerprint(fp)}.pem`);
}

/** The key of the server, then those that it had before. Throws what reading them throws. */
export async function pinnedServers(dir: string): Promise<Bundle[]> {
  return [await loadBundle(serverPinPath(dir)), ...await formerServers(dir)];
}

/**
 * Puts `to` in the place of `from` as the server's key, and keeps `from` beside it; returns where that is.
 * Throws `server-identity` if the folder has a third key by now, `disk-full`, `file-io`.
 */
export async function replaceServer(dir: string, from: Bundle, to: Bundle): Promise<string> {
  const kept = formerPath(dir, from);
  const pinned = await loadBundle(serverPinPath(dir));
  // Another program of this user was as fast.
  if (equal(pinned.fp, to.fp)) return kept;
  if (!equal(pinned.fp, from.fp)) {
    throw new SealpostError(
      "server-identity",
      `${serverPinPath(dir)} was changed meanwhile; try again`,
    );
  }
  await keepFormerServer(dir, from);
  await writeFileAtomic(serverPinPath(dir), bundleToPem(to), { mode: 0o644 });
  return kept;
}
