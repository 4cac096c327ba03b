// What is used here of @std/fs (JSR), under its name and with its signature: no npm package has it.

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
