import { type Bytes, random, toHex, utf8 } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { basename, dirname, join } from "@std/path";

/** How {@linkcode writeFileAtomic} writes. */
export interface AtomicOptions {
  /** Permissions of the new file where the system has modes; 0600 if not given. */
  readonly mode?: number;
  /** Whether a file of that name may be replaced; true if not given. */
  readonly overwrite?: boolean;
  /**
   * Called when all is written and durable under the temporary name, right before the rename. If it
   * rejects with a SealpostError, nothing has happened to `path`, and that error is the one thrown.
   */
  readonly beforeRename?: () => Promise<void>;
}

/**
 * Writes `data` to `path` so that after a crash at any moment the file is the old one or the new
 * one, whole: a new file beside it (`.NAME.RANDOM.tmp`) is written and fsynced, renamed to `path`,
 * and the folder fsynced. When the promise resolves the new file is durable. On failure the
 * temporary file is removed.
 *
 * With `overwrite: false` the name is first taken by creating it exclusively, which works on every
 * file system; only the moment between that and the rename can leave an empty file.
 *
 * Throws `file-exists` (`overwrite: false` and it is there), `file-missing` (no such folder),
 * `disk-full` or `file-io`.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string,
  options: AtomicOptions = {},
): Promise<void> {
  const bytes = typeof data === "string" ? utf8(data) : data;
  const folder = dirname(path);
  const temp = join(folder, `.${basename(path)}.${toHex(random(8))}.tmp`);
  let created = false;
  let claimed = false;
  try {
    const file = await Deno.open(temp, {
      write: true,
      createNew: true,
      mode: options.mode ?? 0o600,
    });
    created = true;
    try {
      await writeAll(file, bytes);
      await file.sync();
    } finally {
      file.close();
    }
    await options.beforeRename?.();
    if (options.overwrite === false) {
      await claim(path);
      claimed = true;
    }
    await Deno.rename(temp, path);
    created = false;
    claimed = false;
    await syncFolder(folder);
  } catch (error) {
    if (claimed) { // The error that led here is the one to report.
      await Deno.remove(path).catch(() => {});
    }
    throw wrapFileError(error, `write ${path}`);
  } finally {
    if (created) { // The error that led here is the one to report.
      await Deno.remove(temp).catch(() => {});
    }
  }
}

/** Takes the name `path` for this process. Throws `file-exists` if it is taken. */
async function claim(path: string): Promise<void> {
  try {
    const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    file.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new SealpostError("file-exists", `${path} is already there and is not overwritten`, {
      cause: error,
    });
  }
}

/** Writes all of `bytes`: a single `write` may take fewer. Throws what the system throws. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/**
 * Makes the names in `folder` durable (creations, renames, removals), where the system can: Windows
 * opens no folders and journals its metadata itself. Throws `file-missing`, `disk-full`, `file-io`.
 */
export async function syncFolder(folder: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  try {
    const handle = await Deno.open(folder, { read: true });
    try {
      await handle.sync();
    } finally {
      handle.close();
    }
  } catch (error) {
    throw wrapFileError(error, `sync the folder ${folder}`);
  }
}

/**
 * The whole of a file that is at most `maxBytes` long; a longer one is never read whole. Throws
 * `file-missing`, `limit` or `file-io`.
 */
export async function readFileBounded(path: string, maxBytes: number): Promise<Bytes> {
  try {
    const file = await Deno.open(path, { read: true });
    try {
      // Sizes that the system gives are a beginning only: files grow, and pipes have none.
      const { size } = await file.stat();
      let buffer = new Uint8Array(Math.min(Math.max(size, 4096), maxBytes) + 1);
      let length = 0;
      while (length <= maxBytes) {
        const n = await file.read(buffer.subarray(length));
        if (n === null) return buffer.subarray(0, length);
        length += n;
        if (length === buffer.length && length <= maxBytes) {
          const larger = new Uint8Array(Math.min(2 * length, maxBytes + 1));
          larger.set(buffer);
          buffer = larger;
        }
      }
    } finally {
      file.close();
    }
  } catch (error) {
    throw wrapFileError(error, `read ${path}`);
  }
  throw new SealpostError(
    "limit",
    `${path} is larger than ${maxBytes} bytes, the most that is read`,
  );
}

/**
 * What the operating system threw, as a SealpostError whose message says what could not be done and
 * why. `what` completes "cannot …" and names the file. A SealpostError is returned as it is.
 */
export function wrapFileError(error: unknown, what: string): SealpostError {
  if (error instanceof SealpostError) return error;
  const cause = { cause: error };
  if (isDiskFull(error)) {
    return new SealpostError("disk-full", `cannot ${what}: no space left on the disk`, cause);
  }
  if (error instanceof Deno.errors.NotFound) {
    return new SealpostError("file-missing", `cannot ${what}: no such file or folder`, cause);
  }
  if (error instanceof Deno.errors.AlreadyExists) {
    return new SealpostError("file-exists", `cannot ${what}: it is already there`, cause);
  }
  return new SealpostError("file-io", `cannot ${what}: ${reason(error)}`, cause);
}

/** SQLite's SQLITE_FULL, and its SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE, which a full disk gives, too. */
const SQLITE_DISK_FULL = [13, 778, 4874];

/** Whether `error` says that the disk, or the user's quota on it, is full. */
function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT")) return true;
  if ("errcode" in error && SQLITE_DISK_FULL.includes(Number(error.errcode))) return true;
  // ERROR_HANDLE_DISK_FULL and ERROR_DISK_FULL
  return Deno.build.os === "windows" && /\(os error (39|112)\)/.test(error.message);
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotCapable) return "this program was started without that right";
  if (!(error instanceof Error)) return "the system refused";
  const text = error.message.replace(/ \(os error \d+\).*$/s, "").split("\n", 1)[0]?.trim() ?? "";
  return text === "" ? "the system refused" : text.charAt(0).toLowerCase() + text.slice(1);
}
