import { isThere } from "../../files/key_files.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { join } from "@std/path";

/** Name of the file in a store's folder whose lock is the pin. */
export const PIN_NAME = "sealpost.pin";

/**
 * Keeps the store in `folder` from removing body files, in whatever process it is open, until the pin
 * is disposed of or this process ends: the system drops the lock with it, so no pin outlives its
 * holder. Several may hold it at once. Throws `file-io`, `disk-full`.
 *
 * Whoever pins first and then reads the database in one transaction finds every body that the rows
 * name. A body is removed after the commit that removed its row, and only if there was no pin after
 * that commit: so either the reader's transaction begins after it, and has no such row, or its pin
 * was there in time.
 */
export async function pinBodies(folder: string): Promise<Disposable> {
  const path = join(folder, PIN_NAME);
  let file: Deno.FsFile | undefined;
  try {
    file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    // Waits for those who look whether there is a pin, who hold the lock only as long as that takes.
    await file.lock(false);
  } catch (error) {
    file?.close();
    throw wrapFileError(error, `lock ${path}`);
  }
  const held = file;
  return { [Symbol.dispose]: () => held.close() };
}

/** Whether somebody holds a pin on the store in `folder`; true if that cannot be told. */
export async function isPinned(folder: string): Promise<boolean> {
  const path = join(folder, PIN_NAME);
  try {
    if (!await isThere(path)) return false;
    // Not with `using`: the bundler inlines a name that is used once, and the lock would stay.
    const file = await Deno.open(path, { read: true, write: true });
    try {
      return !await file.tryLock(true);
    } finally {
      file.close();
    }
  } catch {
    return true;
  }
}
