// The functions of @std/fs (JSR) that are used here, under its names and with its signatures, on
// Deno.*: no npm package carries them.

/** Makes `dir` and its parents unless they are there. Throws if something else has that name. */
export async function ensureDir(dir: string | URL): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
}

/**
 * Whether `path` is there (a dangling symbolic link is not). With `isFile` or `isDirectory`, whether
 * it is there and of that kind.
 */
export async function exists(
  path: string | URL,
  options: { isFile?: boolean; isDirectory?: boolean } = {},
): Promise<boolean> {
  try {
    const info = await Deno.stat(path);
    if (options.isFile && !info.isFile) return false;
    if (options.isDirectory && !info.isDirectory) return false;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
