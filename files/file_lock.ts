import { SealpostError } from "../crypto/error.ts";
import { sleep } from "../protocol/timer.ts";
import { wrapFileError } from "./atomic_file.ts";

/**
 * Takes the lock of the file `path`, which is made (0600) where it is missing and stays empty; null
 * if somebody has it. The system gives it up when the process ends, however that happens. Throws
 * `file-io`, `disk-full`.
 */
export async function tryLockFile(path: string): Promise<Disposable | null> {
  try {
    const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    try {
      if (await file.tryLock(true)) return { [Symbol.dispose]: () => file.close() };
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    return null;
  } catch (error) {
    throw wrapFileError(error, `lock ${path}`);
  }
}

/**
 * Waits until nobody has the lock of the file `path`, and takes it as {@linkcode tryLockFile} does.
 * Throws `busy`, saying `holder` has it, after `patience` milliseconds.
 */
export async function lockFile(
  path: string,
  patience: number,
  holder: string,
): Promise<Disposable> {
  const end = performance.now() + patience;
  for (;;) {
    const lock = await tryLockFile(path);
    if (lock) return lock;
    if (performance.now() > end) {
      throw new SealpostError("busy", `${holder} holds ${path}; wait until it ends, or end it`);
    }
    await sleep(10 + 20 * Math.random());
  }
}
